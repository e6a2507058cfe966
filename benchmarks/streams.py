"""How fast is audio decoded and resampled, as a stream and whole?

    python benchmarks/streams.py

Prints one table: how many times faster than it plays a stereo recording of five minutes at
44.1 kHz becomes mono at 8 kHz, by `open_stream` and by `read_audio` (which reads
what libsndfile knows), and the largest difference between the two. Formats that need ffmpeg
are left out where it is not installed.
"""

import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
from tqdm import tqdm

from hrin_plugin.audio.ffmpeg import ffmpeg_program
from hrin_plugin.audio.signals import read_audio
from hrin_plugin.audio.streams import open_stream

SECONDS, SOURCE_RATE, SAMPLE_RATE = 300, 44100, 8000
BY_LIBSNDFILE = ["wav", "flac", "ogg", "mp3"]
BY_FFMPEG = ["m4a", "mp4", "mkv", "ts", "wma"]


def recordings(folder):
    """The same noise of changing level in all formats that can be written here."""
    rng = np.random.default_rng(0)
    levels = np.repeat(rng.uniform(0.01, 0.2, 10 * SECONDS), SOURCE_RATE // 10)[:, None]
    samples = (levels * rng.normal(size=(len(levels), 2))).astype(np.float32)
    program = ffmpeg_program()
    for suffix in BY_LIBSNDFILE + (BY_FFMPEG if program else []):
        path = folder / f"a.{suffix}"
        if suffix in BY_LIBSNDFILE:
            with soundfile.SoundFile(path, "w", SOURCE_RATE, 2) as file:
                for second in np.split(samples, SECONDS):  # libsndfile crashes on minutes of Vorbis at once
                    file.write(second)
        else:
            codec = ["-c:a", "wmav2" if suffix == "wma" else "aac"]
            run = [program, "-v", "error", "-i", folder / "a.wav", *codec, path]
            subprocess.run(run, check=True, stdin=subprocess.DEVNULL)
        yield path


def streamed(path):
    """All samples of a recording, by blocks."""
    with open_stream(path, SAMPLE_RATE) as stream:
        return np.concatenate(list(stream))


def seconds(work, *arguments, repeats=3):
    """Result and shortest time of a function."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = work(*arguments)
        times.append(time.perf_counter() - start)
    return result, min(times)


def main():
    """Print the table."""
    print(f"{'format':8}{'stream':>10}{'whole':>10}{'difference':>14}")
    n_formats = len(BY_LIBSNDFILE) + (len(BY_FFMPEG) if ffmpeg_program() else 0)
    with tempfile.TemporaryDirectory() as folder:
        for path in tqdm(recordings(Path(folder)), "formats", n_formats, leave=False):
            by_blocks, stream_s = seconds(streamed, path)
            row = f"{path.suffix[1:]:8}{SECONDS / stream_s:9.0f}x"
            if path.suffix[1:] in BY_LIBSNDFILE:
                whole, whole_s = seconds(read_audio, path, SAMPLE_RATE)
                row += f"{SECONDS / whole_s:9.0f}x{np.abs(by_blocks - whole).max():14.1e}"
            tqdm.write(row)


if __name__ == "__main__":
    main()
