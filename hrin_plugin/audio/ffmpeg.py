"""Recordings that only ffmpeg reads (AAC, M4A, MP4, MKV, TS, WMA, AMR and others), and damaged
ones, decoded through a pipe, block by block.

ffmpeg is found on the path, else in the Python package ``imageio-ffmpeg``. Files are
not trusted: ffmpeg may open only the one file, no playlists and no network.
"""

import os
import shutil
import subprocess
import threading

from hrin_plugin.audio.files import AudioError, reason
from hrin_plugin.audio.pieces import BLOCK_BYTES
from hrin_plugin.audio.probe import CONTAINERS, read_probe


def ffmpeg_program():
    """The ffmpeg program: on the path, else that of the package ``imageio-ffmpeg``.

    Returns
    -------
    str or None
        Its path; None where there is none.

    Example
    -------
    >>> program = ffmpeg_program()
    >>> program is None or os.path.isfile(program)
    True
    """
    if found := shutil.which("ffmpeg"):
        return found
    try:
        import imageio_ffmpeg

        return imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError):
        return None


CURE = "check that it is a recording, and convert it to WAV or FLAC"


def opening(program, level="info"):
    """The beginning of every command: what ffmpeg says, and what it may open."""
    return [
        *(program, "-hide_banner", "-nostdin", "-nostats", "-v", f"repeat+level+{level}"),
        *("-protocol_whitelist", "file,subfile,pipe", "-format_whitelist", CONTAINERS),
    ]


def input_name(path, span=None):
    """How ffmpeg is told a file, or a part of it, so that no character of its name has a meaning.

    Example
    -------
    >>> input_name("/a/b.wav")
    'file:/a/b.wav'
    """
    whole = os.path.abspath(os.fsdecode(path))
    if span is None or (span.start == 0 and span.end == os.path.getsize(path)):
        return f"file:{whole}"
    return f"subfile,,start,{span.start},end,{span.end},,:file:{whole}"


def probe(path, program, part, source=None):
    """What ffmpeg tells of a part of a file.

    Arguments
    ---------
    path : str or pathlib.Path
        The file.
    program : str
        The ffmpeg program.
    part : Part
        What of it is looked at.
    source : Stitched or None
        Where it is read from, if it is not in one piece.

    Returns
    -------
    Probe
        What it tells; no tracks where it finds no sound.
    """
    command = [*opening(program), "-i", "pipe:0" if source else input_name(path, part.span)]
    nothing = subprocess.DEVNULL
    process = start(path, program, command, subprocess.PIPE if source else nothing, stdout=nothing)
    feeder = threading.Thread(target=feed, args=(process.stdin, source), daemon=True)
    if source:
        feeder.start()
    with process:
        text = process.stderr.read(1 << 20).decode("utf-8", "replace")
        process.kill()
        if source:
            feeder.join()  # it closes the pipe; what ffmpeg did not take raises there
    return read_probe(text)


def start(path, program, command, stdin, stdout=subprocess.PIPE):
    """Start ffmpeg; raises AudioError if there is no such program."""
    try:
        streams = {"stdin": stdin, "stdout": stdout, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, bufsize=1 << 18, **streams)
    except OSError as error:
        problem, cure = f"ffmpeg cannot be started ({reason(error)})", f"check {program}"
        raise AudioError(path, problem, cure) from None


def feed(pipe, source):
    """Write a row of frames to ffmpeg, from a thread of its own."""
    try:
        with pipe, source:
            while data := source.read(BLOCK_BYTES):
                pipe.write(data)
    except (OSError, ValueError):  # ffmpeg has ended, or is closed
        pass
