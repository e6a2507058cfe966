"""
Creates the manifests of a corpus of music, speech and noise, one JSON file a split,
for SpeechBrain's ``DynamicItemDataset``.

The corpus lies as released, or has a folder for each class::

    MUSAN (https://www.openslr.org/17)   musan/{music,speech,noise}/<source>/<name>.wav
    GTZAN music/speech (Marsyas)         music_speech/{music_wav,speech_wav}/<name>.wav
    any other                            {music,speech,noise}/**/<name>.{wav,flac,ogg,mp3}

From a shell: ``python speechmusic_prepare.py DATA_FOLDER SAVE_FOLDER``.
"""

import argparse
import logging
import math
import random
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tqdm import tqdm

from hrin_plugin.audio.signals import AudioError, audio_duration
from hrin_plugin.events import AnnotationError, Fault
from hrin_plugin.files import write_atomically
from hrin_plugin.training.manifests import Manifests, manifest_text
from speechmusic_corpus import find_corpus

logger = logging.getLogger(__name__)

CLASSES = ("music", "speech", "noise")
#: Share of each class's recordings in each split.
SHARES = {"train": 0.8, "valid": 0.1, "test": 0.1}


def prepare_speechmusic(
    data_folder,
    save_folder,
    classes=CLASSES,
    segment_s=10.0,
    hours_per_class=None,
    skip_bad_files=False,
    seed=1234,
):
    """Write ``train.json``, ``valid.json`` and ``test.json``.

    The recordings of each class are divided at random. An entry is a segment of a
    recording: ``wav`` holds ``file`` (below ``{data_root}``), ``start`` and ``stop``
    (samples of each channel, at the recording's own rate); beside it are ``duration``
    in seconds and ``class``. The same corpus and settings give the same manifests;
    those that are there already are left as they are.

    Arguments
    ---------
    data_folder : str or pathlib.Path
        The corpus; of MUSAN and GTZAN also the folder around it.
    save_folder : str or pathlib.Path
        Where the manifests go; made if missing.
    classes : sequence of str
        The classes to take; GTZAN has ``music`` and ``speech`` only.
    segment_s : float
        Longer recordings are cut into equal segments of at most so many seconds.
    hours_per_class : float or None
        Take at most about so many hours of each class, segments drawn at random; None takes all.
    skip_bad_files : bool
        Whether to leave recordings with faults out (and log them) instead of raising.
    seed : int
        For the division and the draw.

    Returns
    -------
    Manifests
        Paths of the three manifests.

    Raises
    ------
    AnnotationError
        With every recording that cannot be read.
    FileNotFoundError
        If a class has no folder.
    ValueError
        For a setting that makes no sense, or a class of too few recordings.

    Example
    -------
    >>> prepare_speechmusic("musan", "manifests", segment_s=0)
    Traceback (most recent call last):
    ...
    ValueError: segment_s is 0; give a number above 0
    """
    for name, value in (("segment_s", segment_s), ("hours_per_class", hours_per_class)):
        if value is not None and not value > 0:
            raise ValueError(f"{name} is {value!r}; give a number above 0")
    root = Path(data_folder)
    corpus = find_corpus(root, classes)
    lengths = read_lengths([recording for found in corpus.values() for recording in found], skip_bad_files)
    splits = {split: {} for split in SHARES}
    for kind, found in corpus.items():
        rng = random.Random(f"{seed} {kind}")
        parts = divide(kind, [recording for recording in found if recording in lengths], rng)
        for split, recordings in parts.items():
            entries = {}
            for recording in recordings:
                entries |= segments(root, recording, lengths[recording], segment_s)
            if hours_per_class is not None:
                entries = draw(entries, SHARES[split] * hours_per_class * 3600, rng)
            splits[split] |= entries
    Path(save_folder).mkdir(parents=True, exist_ok=True)
    manifests = Manifests(*(Path(save_folder) / f"{split}.json" for split in Manifests._fields))
    for split, path in manifests._asdict().items():
        text = manifest_text(splits[split])
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            write_atomically(path, text)
    logger.info("%s", split_table(splits))
    return manifests


def read_lengths(recordings, skip_bad_files):
    """Length of every recording.

    Arguments
    ---------
    recordings : sequence of SourceFile
        The recordings.
    skip_bad_files : bool
        Whether to log those that cannot be read instead of raising.

    Returns
    -------
    dict of SourceFile to AudioInfo
        Those that can be read.

    Raises
    ------
    AnnotationError
        With every recording that cannot be read.

    Example
    -------
    >>> read_lengths([], skip_bad_files=False)
    {}
    """

    def read(recording):
        """A recording's length, or what is wrong with it."""
        try:
            return audio_duration(recording.path)
        except AudioError as error:
            return Fault(error.path, 0, error.problem, error.cure)

    with ThreadPoolExecutor() as pool:
        found = pool.map(read, recordings)
        found = list(tqdm(found, "corpus", len(recordings), unit="file", disable=None))
    faults = [each for each in found if isinstance(each, Fault)]
    if faults and not skip_bad_files:
        raise AnnotationError(faults)
    if faults:
        lines = "\n".join(map(str, faults))
        logger.warning("left out %d recordings of %d:\n%s", len(faults), len(recordings), lines)
    return {recording: info for recording, info in zip(recordings, found) if not isinstance(info, Fault)}


def divide(kind, recordings, rng):
    """Give every recording of a class to one split.

    Arguments
    ---------
    kind : str
        The class, for the message.
    recordings : sequence of SourceFile
        Its recordings, at least three.
    rng : random.Random
        Source of randomness.

    Returns
    -------
    dict of str to list of SourceFile
        Split to recordings, none of them empty.

    Raises
    ------
    ValueError
        If there are too few recordings.

    Example
    -------
    >>> parts = divide("music", list(range(20)), random.Random(0))
    >>> {split: len(members) for split, members in parts.items()}
    {'train': 16, 'valid': 2, 'test': 2}
    """
    if len(recordings) < len(SHARES):
        raise ValueError(
            f"{kind}: {len(recordings)} recordings cannot be divided into {', '.join(SHARES)}; "
            f"give at least {len(SHARES)}"
        )
    shuffled = rng.sample(recordings, len(recordings))
    n_valid, n_test = (max(1, round(SHARES[split] * len(shuffled))) for split in ("valid", "test"))
    return {
        "train": shuffled[n_valid + n_test :],
        "valid": shuffled[:n_valid],
        "test": shuffled[n_valid : n_valid + n_test],
    }


def segments(root, recording, info, segment_s):
    """Entries of a recording's segments, all as long, to a sample.

    Arguments
    ---------
    root : pathlib.Path
        What ``{data_root}`` stands for.
    recording : SourceFile
        The recording.
    info : AudioInfo
        Its length.
    segment_s : float
        Longest segment, in seconds.

    Returns
    -------
    dict of str to dict
        Name to entry.

    Example
    -------
    >>> from hrin_plugin.audio.signals import AudioInfo
    >>> from hrin_plugin.mixing.sources import SourceFile
    >>> recording = SourceFile("music", Path("musan/music/rfm/a.wav"), "rfm/a.wav")
    >>> cut = segments(Path("musan"), recording, AudioInfo(25.0, 400000, 16000), segment_s=10.0)
    >>> list(cut)
    ['music/rfm/a.wav 1', 'music/rfm/a.wav 2', 'music/rfm/a.wav 3']
    >>> cut["music/rfm/a.wav 2"]["wav"]
    {'file': '{data_root}/music/rfm/a.wav', 'start': 133333, 'stop': 266666}
    """
    # Braces are SpeechBrain's sign for a replacement.
    below = recording.path.relative_to(root).as_posix().replace("{", "{{").replace("}", "}}")
    count = math.ceil(info.duration_s / segment_s)
    edges = [info.n_samples * number // count for number in range(count + 1)]
    return {
        f"{recording.kind}/{recording.name} {number}": {
            "wav": {"file": "{data_root}/" + below, "start": start, "stop": stop},
            "duration": (stop - start) / info.sample_rate,
            "class": recording.kind,
        }
        for number, (start, stop) in enumerate(zip(edges, edges[1:]), start=1)
        if stop > start
    }


def draw(entries, enough_s, rng):
    """Draw segments until they last long enough, one at least; those drawn keep their order.

    Arguments
    ---------
    entries : dict of str to dict
        Name to entry.
    enough_s : float
        How long, in seconds.
    rng : random.Random
        Source of randomness.

    Returns
    -------
    dict of str to dict
        The entries drawn.

    Example
    -------
    >>> entries = {name: {"duration": 10.0} for name in "abcd"}
    >>> len(draw(entries, 15.0, random.Random(0)))
    2
    """
    drawn, total_s = set(), 0.0
    for name in rng.sample(list(entries), len(entries)):
        if total_s >= enough_s:
            break
        drawn.add(name)
        total_s += entries[name]["duration"]
    return {name: entry for name, entry in entries.items() if name in drawn}


def split_table(splits):
    """What each split holds of each class, as a table.

    Arguments
    ---------
    splits : dict of str to dict
        Split name to manifest.

    Returns
    -------
    str
        The table.

    Example
    -------
    >>> entry = {"wav": {"file": "a.wav"}, "duration": 9.0, "class": "music"}
    >>> print(split_table({"train": {"a 1": entry, "a 2": entry}}).splitlines()[1])
    train  music            1         2    0.01
    """
    lines = ["split  class   recordings  segments   hours"]
    for split, entries in splits.items():
        for kind in dict.fromkeys(entry["class"] for entry in entries.values()):
            members = [entry for entry in entries.values() if entry["class"] == kind]
            files = {entry["wav"]["file"] for entry in members}
            hours = sum(entry["duration"] for entry in members) / 3600
            lines.append(f"{split:5}  {kind:6}{len(files):12}{len(members):10}{hours:8.2f}")
    return "\n".join(lines)


def main(arguments=None):
    """Prepare from the command line; the exit status is 1 if something is wrong.

    Arguments
    ---------
    arguments : list of str
        Words of the command line; those of the process by default.

    Returns
    -------
    int
        The exit status.

    Example
    -------
    >>> main(["no_such_folder", "manifests"])
    1
    """
    parser = argparse.ArgumentParser(description="Creates the manifests of a music, speech and noise corpus.")
    add = parser.add_argument
    add("data_folder", help="MUSAN, GTZAN music/speech, or a folder that holds music/, speech/ and noise/")
    add("save_folder", help="where train.json, valid.json and test.json go")
    add("--classes", nargs="+", default=CLASSES, metavar="CLASS", help="default: %(default)s")
    add("--segment_s", type=float, default=10.0, help="longest segment (default: %(default)s)")
    add("--hours_per_class", type=float, help="take no more of each class (default: all)")
    add("--skip_bad_files", action="store_true", help="leave faulty recordings out")
    add("--seed", type=int, default=1234, help="for the division and the draw (default: %(default)s)")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        prepare_speechmusic(**vars(parser.parse_args(arguments)))
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
