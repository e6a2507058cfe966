"""
Creates the manifests of OpenBMAT (https://zenodo.org/record/3381249, access on
request), one JSON file a split, for SpeechBrain's ``DynamicItemDataset``.

The dataset lies as released::

    <data_folder>/audio/<name>.wav
    <data_folder>/annotations/tsv/RMLE_mapping/annotator_{a,b,c}/<name>.tsv
    <data_folder>/annotations/tsv/MD_mapping/annotator_{a,b,c}/<name>.tsv
    <data_folder>/splits/splits.csv

or in a folder below, with ``MRLE_mapping`` for ``RMLE_mapping``, or with
``annotations/json/{RMLE,MRLE,MD}_mapping.json`` for the TSV files. A folder of own
recordings, each with its annotation beside it, is cut into excerpts.

From a shell: ``python openbmat_prepare.py DATA_FOLDER SAVE_FOLDER --fold 0``.
"""

import argparse
import hashlib
import json
import logging
import sys
from pathlib import Path

from hrin_plugin.events import AnnotationError
from hrin_plugin.files import change_stamp, write_atomically
from hrin_plugin.training.manifests import Manifests, manifest_text
from hrin_plugin.training.openbmat import N_FOLDS, find_sources
from hrin_plugin.training.unpacking import unpacked
from openbmat_folds import assign_folds, check_recording_folds, folds_of, recording_folds
from openbmat_sources import LABELS, read_excerpts

logger = logging.getLogger(__name__)

ANNOTATORS = ("a", "b", "c")
MD_SOURCES = ("mrle", "mapping")
#: To be raised when the manifests of unchanged data come to look different.
FORMAT = 2


def prepare_openbmat(
    data_folder,
    save_folder,
    fold,
    annotator="a",
    md_from="mrle",
    cross_check=False,
    skip_bad_files=False,
    seed=1234,
    excerpt_s=60.0,
    unlabelled=None,
):
    """Write ``train.json``, ``valid.json`` and ``test.json`` for one of the ten folds.

    An entry holds ``wav`` (below ``{data_root}``), ``duration`` in seconds, and
    ``mrle`` and ``md``, lists of [onset, offset, label] that tile the excerpt. For an
    excerpt of an own recording, ``wav`` holds its begin and end in seconds too. If
    neither settings nor files have changed since the last time, nothing is done.

    Arguments
    ---------
    data_folder : str or pathlib.Path
        The folder that holds OpenBMAT's ``audio`` and ``annotations``, or one above it; or a
        folder of own recordings, each with its annotation beside it.
    save_folder : str or pathlib.Path
        Where the manifests go; made if missing.
    fold : int
        The fold to test on, 0 to 9; the next one validates, the other eight train.
    annotator : str
        Whose annotations: "a", "b" or "c".
    md_from : str
        "mrle" derives music detection from relative loudness, as the paper does;
        "mapping" reads OpenBMAT's own music detection annotations.
    cross_check : bool
        Whether to compare the two and log the excerpts in which they differ.
    skip_bad_files : bool
        Whether to leave excerpts with faults out (and log them) instead of raising.
    seed : int
        For the division into folds where ``splits/splits.csv`` is missing.
    excerpt_s : float
        Length in seconds of the excerpts that own recordings are cut into.
    unlabelled : str or None
        Class of the time that no event covers; None refuses such time.

    Returns
    -------
    Manifests
        Paths of the three manifests.

    Raises
    ------
    AnnotationError
        With every fault of every file.
    FileNotFoundError
        If ``data_folder`` holds neither OpenBMAT nor own recordings.
    ValueError
        For an unknown setting, too few own recordings, or a split that is left empty.

    Example
    -------
    >>> prepare_openbmat("OpenBMAT", "manifests", fold=10)
    Traceback (most recent call last):
    ...
    ValueError: fold is 10; use 0 to 9
    """
    if fold not in range(N_FOLDS):
        raise ValueError(f"fold is {fold!r}; use 0 to {N_FOLDS - 1}")
    if annotator not in ANNOTATORS:
        raise ValueError(f"annotator is {annotator!r}; use one of {', '.join(ANNOTATORS)}")
    if md_from not in MD_SOURCES:
        raise ValueError(f"md_from is {md_from!r}; use one of {', '.join(MD_SOURCES)}")

    sources = find_sources(data_folder, annotator, with_md=cross_check or md_from == "mapping")
    manifests = Manifests(*(Path(save_folder) / f"{split}.json" for split in Manifests._fields))
    record = Path(save_folder) / "prepared.json"
    settings = [fold, annotator, md_from, cross_check, skip_bad_files, seed, excerpt_s, unlabelled]
    fingerprint = _fingerprint(settings, sources)
    if _read_record(record) == _record(fingerprint, manifests):
        logger.info("%s: the manifests are up to date", save_folder)
        return manifests

    excerpts = read_excerpts(sources, md_from, excerpt_s, unlabelled)
    if sources.is_own:
        fold_by_name, faults, mismatches = recording_folds(_durations(excerpts), seed), [], {}
    else:
        fold_by_name, faults, mismatches = assign_folds(sources.splits, sources.files["audio"], seed)
    bad = {excerpt.name: list(excerpt.faults) for excerpt in excerpts if excerpt.faults}
    for name, more in mismatches.items():
        bad.setdefault(name, []).extend(more)
    skippable = [fault for name in sorted(bad) for fault in bad[name]]
    if faults or (skippable and not skip_bad_files):
        raise AnnotationError(skippable + faults)
    if bad:
        lines = "\n".join(str(fault) for fault in skippable)
        what = "recordings" if sources.is_own else "excerpts"
        n_all = len(bad.keys() | fold_by_name)
        logger.warning("left out %d %s of %d:\n%s", len(bad), what, n_all, lines)
    n_folds = N_FOLDS
    if sources.is_own:
        n_folds = len(set(fold_by_name.values()))
        check_recording_folds(sources.root, n_folds, fold)
    if cross_check:
        log_disagreements([excerpt for excerpt in excerpts if excerpt.name not in bad])

    kept = [excerpt for excerpt in excerpts if excerpt.name not in bad]
    splits = {
        split: {each.name: each.entry for each in kept if fold_by_name[each.recording] in numbers}
        for split, numbers in folds_of(fold, n_folds).items()
    }
    for split, numbers in folds_of(fold, n_folds).items():
        if not splits[split]:
            held = f"no excerpt is in fold {', '.join(map(str, numbers))}"
            raise ValueError(f"{sources.root}: the {split} split is empty: {held}; add recordings there")
    Path(save_folder).mkdir(parents=True, exist_ok=True)
    for split, path in manifests._asdict().items():
        write_atomically(path, manifest_text(splits[split]))
    write_atomically(record, json.dumps(_record(fingerprint, manifests), indent=1) + "\n")
    logger.info("%s", split_table(splits))
    return manifests


def _durations(excerpts):
    """Seconds of each own recording without faults."""
    durations_s = {}
    for excerpt in excerpts:
        if not excerpt.faults:
            known_s = durations_s.get(excerpt.recording, 0.0)
            durations_s[excerpt.recording] = known_s + excerpt.entry["duration"]
    return durations_s


def log_disagreements(excerpts):
    """Log in which excerpts derived and annotated music detection differ, the worst first.

    Arguments
    ---------
    excerpts : iterable of AnnotatedExcerpt
        Excerpts without faults.

    Example
    -------
    >>> from openbmat_sources import AnnotatedExcerpt
    >>> log_disagreements([AnnotatedExcerpt("a", {}, [], disagreement_s=0.0, recording="a")])
    """
    differing = sorted((e for e in excerpts if e.disagreement_s >= 0.001), key=lambda e: -e.disagreement_s)
    total_s = sum(excerpt.disagreement_s for excerpt in differing)
    lines = [f"{excerpt.name}: {excerpt.disagreement_s:.3f} s" for excerpt in differing]
    head = f"MD derived from MRLE differs from the MD mapping in {len(differing)} excerpts, {total_s:.3f} s"
    logger.info("%s", "\n".join([head, *lines]))


def class_totals(entries, level):
    """Events and seconds of each class of a level.

    Arguments
    ---------
    entries : dict
        A manifest.
    level : str
        "md" or "mrle".

    Returns
    -------
    dict
        Label to (number of events, seconds).

    Example
    -------
    >>> class_totals({"a": {"md": [[0.0, 2.0, "music"], [2.0, 5.0, "no-music"]]}}, "md")
    {'no-music': (1, 3.0), 'music': (1, 2.0)}
    """
    rows = [row for entry in entries.values() for row in entry[level]]
    lengths = {
        label: [offset - onset for onset, offset, name in rows if name == label] for label in LABELS[level]
    }
    return {label: (len(seconds), sum(seconds)) for label, seconds in lengths.items()}


def split_table(splits):
    """What each split holds, as a table: files, hours, and each class's share.

    Arguments
    ---------
    splits : dict
        Split name to manifest.

    Returns
    -------
    str
        The table.

    Example
    -------
    >>> entry = {"duration": 5.0, "md": [[0.0, 5.0, "music"]], "mrle": [[0.0, 5.0, "fg-music"]]}
    >>> print(split_table({"test": {"a": entry}}).splitlines()[2])
    test        1    0.00  md     music          1        5.0  100.0 %
    """
    lines = ["split   files   hours  level  class     events    seconds    share"]
    for split, entries in splits.items():
        total_s = sum(entry["duration"] for entry in entries.values())
        for level in LABELS:
            for label, (n_events, seconds) in class_totals(entries, level).items():
                lines.append(
                    f"{split:6}{len(entries):7}{total_s / 3600:8.2f}  {level:5}  {label:9}{n_events:7}"
                    f"{seconds:11.1f}{100 * seconds / total_s:7.1f} %"
                )
    return "\n".join(lines)


def _fingerprint(settings, sources):
    """Digest of the settings and of every source file's place, size and times of change."""
    paths = list(dict.fromkeys(path for files in sources.files.values() for path in files.values()))
    paths += [fault.path for faults in sources.faults.values() for fault in faults]
    paths += [sources.splits] if sources.splits.is_file() else []
    stats = [[str(path.relative_to(sources.root)), *change_stamp(path)] for path in paths]
    return hashlib.sha256(json.dumps([FORMAT, settings, stats]).encode()).hexdigest()


def _record(fingerprint, manifests):
    """What is kept beside the manifests, to see later whether they are still good."""
    digests = [
        hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None for path in manifests
    ]
    return {"fingerprint": fingerprint, "manifests": digests}


def _read_record(path):
    """The record of the last preparation, or None."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


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
    >>> main(["no_such_folder", "manifests", "--fold", "0"])
    1
    """
    parser = argparse.ArgumentParser(description="Creates the manifests of OpenBMAT for one fold.")
    parser.add_argument(
        "data_folder", help="OpenBMAT's folder or a zip file of it, or a folder of own annotated recordings"
    )
    parser.add_argument("save_folder", help="where train.json, valid.json and test.json go")
    parser.add_argument("--fold", type=int, default=0, help="the fold to test on, 0 to 9 (default 0)")
    parser.add_argument("--annotator", default="a", help="a, b or c (default a)")
    parser.add_argument("--md_from", default="mrle", help="mrle (default) or mapping")
    parser.add_argument("--cross_check", type=_boolean, default=False, help="True compares the two mappings")
    parser.add_argument("--skip_bad_files", type=_boolean, default=False, help="True leaves faulty files out")
    parser.add_argument("--seed", type=int, default=1234, help="for folds where splits.csv is missing")
    parser.add_argument(
        "--excerpt_s",
        type=float,
        default=60.0,
        help="own recordings are cut into excerpts of so many seconds",
    )
    parser.add_argument(
        "--unlabelled", metavar="CLASS", help="class of time without a label (default: refuse)"
    )
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        options = vars(parser.parse_args(arguments))
        options["data_folder"] = unpacked(options["data_folder"], options["save_folder"])
        prepare_openbmat(**options)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _boolean(word):
    """The truth value of True or False, as SpeechBrain's recipes take it."""
    values = {"true": True, "false": False}
    if word.lower() not in values:
        raise argparse.ArgumentTypeError(f"{word!r} is neither True nor False")
    return values[word.lower()]


if __name__ == "__main__":
    sys.exit(main())
