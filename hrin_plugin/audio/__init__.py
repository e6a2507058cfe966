"""Audio of any format, sample rate and length comes in, mono float32 at one rate goes out.

``signals`` reads whole recordings, ``streams`` recordings of any length and live sound.
``recordings`` opens formats of libsndfile, ``ffmpeg`` all others. ``chunks`` and ``mp3``
detect truncated files.
"""

from hrin_plugin.audio.recordings import AudioError
from hrin_plugin.audio.signals import audio_duration, read_audio
from hrin_plugin.audio.streams import open_stream, resample_blocks

__all__ = ["AudioError", "audio_duration", "open_stream", "read_audio", "resample_blocks"]
