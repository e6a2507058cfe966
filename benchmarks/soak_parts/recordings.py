"""Random truncations and damages of recordings of all formats, judged by an independent decode.

Every recording holds tones of different pitch at known times. A result is right if it has the true
length and every tone in its place, to 0.1 s. Anything else has to be reported. Run:
python benchmarks/soak_parts/recordings.py --cuts 300 --damages 300
"""

import argparse
import collections
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from hrin_plugin.audio.ffmpeg import ffmpeg_program
from hrin_plugin.audio.recordings import AudioError
from hrin_plugin.audio.streams import open_stream

RATE, LENGTH_S = 44100, 13.0

#: Pitch in hertz of each tone, by the time at which it begins; each lasts half a second.
TONES = {0.5 + 2 * number: 500.0 + 300 * number for number in range(6)}
TONE_S, TONE_LEVEL = 0.5, 0.3

#: How far a length or a time may be off, in seconds.
TOLERANCE_S = 0.1

_FRAGMENTS = ("-movflags", "+frag_keyframe+empty_moov", "-frag_duration", "500000")

#: Name, suffix, options of ffmpeg, and whether the file announces its length.
FORMATS = [
    ("wav", ".wav", (), True),
    ("wav 24 bit stereo", ".wav", ("-c:a", "pcm_s24le", "-ac", "2"), True),
    ("w64", ".w64", (), True),
    ("rf64", ".wav", ("-rf64", "always"), True),
    ("aiff", ".aiff", (), True),
    ("au", ".au", (), True),
    ("caf", ".caf", (), True),
    ("flac", ".flac", (), True),
    ("mp3 CBR", ".mp3", ("-b:a", "128k"), True),
    ("mp3 VBR", ".mp3", ("-q:a", "4"), True),
    ("mp3 CBR, no Xing", ".mp3", ("-b:a", "96k", "-write_xing", "0"), False),
    ("mp3 VBR, no Xing", ".mp3", ("-q:a", "4", "-write_xing", "0"), False),
    ("mp2", ".mp2", ("-c:a", "mp2", "-b:a", "128k"), False),
    ("ogg", ".ogg", ("-c:a", "libvorbis"), True),
    ("opus", ".opus", ("-c:a", "libopus"), True),
    ("adts", ".aac", ("-c:a", "aac", "-b:a", "96k"), False),
    ("m4a", ".m4a", ("-c:a", "aac"), True),
    ("m4a, index first", ".m4a", ("-c:a", "aac", "-movflags", "+faststart"), True),
    ("m4a in fragments", ".m4a", ("-c:a", "aac", *_FRAGMENTS), False),
    ("ts", ".ts", ("-c:a", "mp2"), False),
    ("ts aac", ".ts", ("-c:a", "aac"), False),
    ("mkv", ".mkv", ("-c:a", "aac"), True),
    ("webm", ".webm", ("-c:a", "libopus"), True),
    ("wma", ".wma", ("-c:a", "wmav2"), True),
    ("flv", ".flv", ("-c:a", "aac"), True),
    ("ac3", ".ac3", ("-c:a", "ac3"), False),
]  # fmt: skip


#: Formats of plain samples without checksums.
PLAIN = {"wav", "wav 24 bit stereo", "w64", "rf64", "aiff", "au", "caf"}

#: Words by which a warning tells that times are not to be relied on.
_ABOUT_TIMES = ("times after", "header announces its end")


class Truth(NamedTuple):
    """What is known of a recording that was made.

    Example
    -------
    >>> Truth("wav", "cut at 60 %", True, True).is_cut
    True
    """

    format: str
    what: str  # was done to it
    announces: bool  # whether the whole file tells its length
    is_cut: bool
    is_hidden: bool = False  # whether nothing in the file can tell that samples were overwritten


class Verdict(NamedTuple):
    """How a result was judged: right, reported, silently wrong or lost; and why.

    Example
    -------
    >>> Verdict("right", "").kind
    'right'
    """

    kind: str
    why: str


def programme():
    """Faint noise with the tones, ``[sample]``, float32.

    Example
    -------
    >>> programme().shape
    (573300,)
    """
    time_s = np.arange(int(LENGTH_S * RATE)) / RATE
    sound = np.random.default_rng(0).normal(0, 0.02, len(time_s))
    for begin_s, pitch in TONES.items():
        is_on = (time_s >= begin_s) & (time_s < begin_s + TONE_S)
        sound += TONE_LEVEL * is_on * np.sin(2 * np.pi * pitch * time_s)
    return sound.astype(np.float32)


def originals(folder):
    """Encode the programme in every format that this ffmpeg can write.

    Arguments
    ---------
    folder : str or pathlib.Path
        Where to write.

    Returns
    -------
    list of tuple of (str, pathlib.Path, bool)
        Format, file, and whether it announces its length.
    """
    source, made = Path(folder, "source.wav"), []
    soundfile.write(source, programme(), RATE)
    for number, (name, suffix, options, announces) in enumerate(FORMATS):
        path = Path(folder, f"original_{number}{suffix}")
        run = [ffmpeg_program(), "-v", "error", "-y", "-i", source, *options, path]
        if subprocess.run(run, stdin=subprocess.DEVNULL, capture_output=True).returncode == 0:
            made.append((name, path, announces))
    return made


def cases(folder, n_cuts, n_damages, seed=0):
    """Recordings that are cut off or damaged, each with the truth.

    Arguments
    ---------
    folder : str or pathlib.Path
        Where to write; each file is replaced by the next of its format.
    n_cuts, n_damages : int
        How many of both, in turn over all formats.
    seed : int
        Random seed.

    Yields
    ------
    tuple of (pathlib.Path, Truth)
        To be judged before the next is asked for.
    """
    rng, made = np.random.default_rng(seed), originals(folder)
    for number in range(n_cuts + n_damages):
        name, original, announces = made[number % len(made)]
        data = bytearray(original.read_bytes())
        if number < n_cuts:
            n_kept = int(rng.integers(1000, len(data)))
            what, data = f"cut to {n_kept} of {len(data)} bytes", data[:n_kept]
        else:
            what, data = _damaged(data, rng)
        is_hidden = name in PLAIN and (what.endswith("bits") or what.startswith(("zeros", "junk")))
        path = Path(folder, f"case{original.suffix}")
        path.write_bytes(data)
        yield path, Truth(name, what, announces, number < n_cuts, is_hidden)


def _damaged(data, rng):
    """What was done to the data, and the data."""
    kind = rng.choice(["zeros", "junk", "bits", "hole", "inserted"])
    begin, size = int(rng.integers(600, len(data) - 100)), int(2 ** rng.uniform(4, 13))
    what = f"{kind} at {begin} of {len(data)} bytes, {size} bytes"
    if kind == "zeros":
        data[begin : begin + size] = bytes(len(data[begin : begin + size]))
    elif kind == "junk":
        data[begin : begin + size] = rng.bytes(len(data[begin : begin + size]))
    elif kind == "bits":
        size = int(rng.integers(1, 30))
        for at in rng.integers(600, len(data), size):
            data[at] ^= 1 << int(rng.integers(8))
        what = f"{size} bits"
    elif kind == "hole":
        del data[begin : begin + size]
    else:
        data[begin:begin] = rng.bytes(size)
    return what, data


def judge(path, truth):
    """Read a recording, and judge the result.

    Arguments
    ---------
    path : str or pathlib.Path
        The recording.
    truth : Truth
        What was done to it.

    Returns
    -------
    Verdict
        What became of it.
    """
    decoded_s = independent_length(path)
    try:
        with open_stream(path, 8000) as stream:
            blocks = list(stream)
            warnings = stream.warnings
    except AudioError as error:
        kind = "lost" if decoded_s > 1 else "reported"
        return Verdict(kind, f"{error} (ffmpeg alone: {decoded_s:.3f} s)")
    sound = np.concatenate(blocks)
    length_s = len(sound) / 8000
    wrong = list(_wrong(sound, length_s, truth, decoded_s))
    why = f"{length_s:.3f} s, ffmpeg alone {decoded_s:.3f} s; {', '.join(wrong) or 'as it should be'}"
    why += f"; {warnings}"
    if length_s < min(decoded_s, LENGTH_S) - 1:
        return Verdict("lost", why)
    says_so = any(word in text for text in warnings for word in _ABOUT_TIMES)
    if warnings and (says_so or not any(_displaced(sound, length_s))):
        return Verdict("reported", why)
    return Verdict("silently wrong" if wrong else "right", why)


def _wrong(sound, length_s, truth, decoded_s):
    """Everything that is wrong with a result."""
    ends = [LENGTH_S] if truth.announces or not truth.is_cut else [LENGTH_S, decoded_s]
    if min(abs(length_s - end_s) for end_s in ends) > TOLERANCE_S:
        yield f"length {length_s:.3f} s"
    if truth.is_hidden:
        yield from (f"tone of {begin_s} s at {found}" for begin_s, found in _displaced(sound, length_s))
        return
    for begin_s, pitch in TONES.items():
        if begin_s + TONE_S > length_s - 0.05:
            continue
        found = _places(sound, pitch)
        if not any(abs(place_s - begin_s) <= TOLERANCE_S for place_s in found) or len(found) > 1:
            yield f"tone of {begin_s} s at {found}"


def _displaced(sound, length_s):
    """Tones that are whole, but not in their place."""
    for begin_s, pitch in TONES.items():
        found = _places(sound, pitch, 0.42)
        is_there = any(abs(place_s - begin_s) <= TOLERANCE_S for place_s in found)
        if begin_s + TONE_S < length_s and found and not is_there:
            yield begin_s, found


def _places(sound, pitch, shortest_s=0.2):
    """Where a tone of some length begins, in seconds."""
    mixed = sound * np.exp(-2j * np.pi * pitch / 8000 * np.arange(len(sound)))
    sums = np.concatenate([[0], np.cumsum(mixed)])
    width = 800
    level = 2 * np.abs(sums[width:] - sums[:-width]) / width
    is_on = np.concatenate([[False], level > TONE_LEVEL / 2, [False]])
    edges = np.flatnonzero(np.diff(is_on.astype(int)))
    spans = [(begin, end) for begin, end in zip(edges[::2], edges[1::2]) if end - begin > shortest_s * 8000]
    return [round(((begin + end) / 2 + width / 2) / 8000 - TONE_S / 2, 3) for begin, end in spans]


def independent_length(path):
    """Seconds that ffmpeg decodes if it is left to itself.

    Arguments
    ---------
    path : str or pathlib.Path
        The recording.

    Returns
    -------
    float
        0 where it decodes nothing.
    """
    run = [
        ffmpeg_program(),
        "-v",
        "quiet",
        "-i",
        path,
        "-map",
        "0:a:0",
        "-ar",
        "8000",
        "-ac",
        "1",
        "-f",
        "s16le",
        "-",
    ]
    return len(subprocess.run(run, stdin=subprocess.DEVNULL, capture_output=True).stdout) / 16000


def main(arguments=None):
    """Judge random cases, and print one table and what went wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cuts", type=int, default=300)
    parser.add_argument("--damages", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--verbose", action="store_true", help="print every case")
    options = parser.parse_args(arguments)
    counts = collections.defaultdict(collections.Counter)
    with tempfile.TemporaryDirectory() as folder:
        for path, truth in cases(folder, options.cuts, options.damages, options.seed):
            verdict = judge(path, truth)
            counts[truth.format][verdict.kind] += 1
            if options.verbose or verdict.kind in ("silently wrong", "lost"):
                print(f"{verdict.kind}: {truth.format}, {truth.what}: {verdict.why}", flush=True)
    kinds = ("right", "reported", "silently wrong", "lost")
    print(f"{'format':20}{'tried':>8}" + "".join(f"{kind:>16}" for kind in kinds))
    counts["all"] = sum(counts.values(), collections.Counter())
    for name, count in counts.items():
        print(f"{name:20}{sum(count.values()):8}" + "".join(f"{count[kind]:16}" for kind in kinds))
    return 1 if counts["all"]["silently wrong"] + counts["all"]["lost"] else 0


if __name__ == "__main__":
    sys.exit(main())
