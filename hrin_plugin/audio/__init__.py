"""Audio of any format, sample rate and length comes in, mono float32 at one rate goes out.

``signals`` reads whole recordings strictly, ``streams`` recordings of any length and live sound.
``accounting`` counts the bytes of a file before it is read, by its kind (``chunks``, ``au``,
``flac``, ``ogg``, ``frames``, ``transport``), and gives its parts. ``sound`` reads them one after
another: ``recordings`` by libsndfile, ``ffmpeg`` what is damaged or of another format.
"""

from hrin_plugin.audio.recordings import AudioError
from hrin_plugin.audio.signals import audio_duration, read_audio
from hrin_plugin.audio.streams import open_stream, resample_blocks

__all__ = ["AudioError", "audio_duration", "open_stream", "read_audio", "resample_blocks"]
