"""Which fold each excerpt of OpenBMAT is in: the official ten folds, or a seeded
stratified division where ``splits/splits.csv`` is missing. Own recordings are drawn whole.
"""

import csv
import logging
import random
import re

from hrin_plugin.events import Fault
from hrin_plugin.training.openbmat import N_FOLDS, canonical

logger = logging.getLogger(__name__)

#: The header of ``splits.csv``.
HEADER = ["file_name", "split"]
#: One each to train, to validate and to test.
FEWEST_RECORDINGS = 3


def folds_of(fold, n_folds=N_FOLDS):
    """Folds that make up each split of one of the experiments.

    Arguments
    ---------
    fold : int
        The experiment, 0 to 9; also the fold to test on.
    n_folds : int
        Number of folds; fewer than ten for few own recordings.

    Returns
    -------
    dict
        Split name to list of fold numbers.

    Example
    -------
    >>> folds_of(9)
    {'train': [1, 2, 3, 4, 5, 6, 7, 8], 'valid': [0], 'test': [9]}
    """
    valid = (fold + 1) % n_folds
    train = [number for number in range(n_folds) if number not in (fold, valid)]
    return {"train": train, "valid": [valid], "test": [fold]}


def assign_folds(path, names, seed):
    """Fold of every recording, from ``splits.csv`` or, where it is missing, by strata.

    Arguments
    ---------
    path : pathlib.Path
        Where ``splits.csv`` is or should be.
    names : collection of str
        Names of the recordings, canonical.
    seed : int
        For the stratified division.

    Returns
    -------
    tuple
        As :func:`read_splits`.

    Example
    -------
    >>> from pathlib import Path
    >>> assign_folds(Path("missing.csv"), ["Spain_Talk_1_2"], seed=1)
    ({'Spain_Talk_1_2': 0}, [], {})
    """
    if path.is_file():
        return read_splits(path, names)
    logger.warning(
        "%s is missing: dividing into folds by country and programme type instead (seed %s); "
        "scores cannot be compared with those on the official folds",
        path,
        seed,
    )
    return stratified_folds(names, seed), [], {}


def read_splits(path, names):
    """Read ``splits.csv`` and compare it with the recordings there are.

    Arguments
    ---------
    path : str or pathlib.Path
        A CSV file with the header ``file_name,split``; names have no extension.
    names : collection of str
        Names of the recordings, canonical.

    Returns
    -------
    fold_by_name : dict
        Name to fold, for every well-formed line.
    faults : list of Fault
        What is wrong with the file itself.
    mismatches : dict
        Name to list of Fault, for recordings not listed and names without a recording.

    Example
    -------
    >>> path = getfixture("tmp_path") / "splits.csv"
    >>> _ = path.write_text("file_name,split\\nSpain_Talk_1_2,0\\n")
    >>> read_splits(path, ["Spain_Talk_1_2"])
    ({'Spain_Talk_1_2': 0}, [], {})
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            lines = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if row]
    except (UnicodeDecodeError, csv.Error) as error:
        return {}, [Fault(path, 0, f"cannot be read ({error})", "restore it from OpenBMAT")], {}
    header = lines[0][1] if lines else []
    if header != HEADER:
        problem = f"the header is {','.join(header)!r}"
        return {}, [Fault(path, 1, problem, f"write {','.join(HEADER)!r}")], {}

    fold_by_name, line_by_name, faults = {}, {}, []
    for line, row in lines[1:]:
        if len(row) != 2:
            faults.append(
                Fault(path, line, f"{','.join(row)!r} is not a name and a split", "write two columns")
            )
            continue
        name, split = canonical(row[0]), row[1]
        if name in line_by_name:
            problem = f"{name!r} is listed again, after line {line_by_name[name]}"
            faults.append(Fault(path, line, problem, "delete one of the two lines"))
            continue
        line_by_name[name] = line
        if not re.fullmatch("[0-9]", split):
            faults.append(Fault(path, line, f"unknown split {split!r}", f"use 0 to {N_FOLDS - 1}"))
            continue
        fold_by_name[name] = int(split)

    mismatches = {}
    for name in sorted(set(names) - set(line_by_name)):
        fault = Fault(path, 0, f"does not list the recording {name!r}", "add a line for it")
        mismatches[name] = [fault]
    for name, line in line_by_name.items():
        if name not in names:
            cure = "restore the recording or delete the line (names have no extension)"
            mismatches[name] = [Fault(path, line, f"there is no recording of {name!r}", cure)]
    return fold_by_name, faults, mismatches


def stratum_of(name):
    """Country and programme type of an excerpt, or "" if its name does not tell.

    Both may hold an underscore, as in ``United_Kingdom_Series_Films_12_345``.

    Example
    -------
    >>> stratum_of("United_Kingdom_Series_Films_12_345"), stratum_of("my recording")
    ('United_Kingdom_Series_Films', '')
    """
    match = re.fullmatch(r"([^_\d]+(?:_[^_\d]+)+)_\d+_\d+", name)
    return match.group(1) if match else ""


def stratified_folds(names, seed):
    """Divide names into ten folds, alike in country and programme type.

    The strata are shuffled, laid end to end and dealt out in turn, so that the
    sizes of the folds differ by one at most, within each stratum as well.

    Arguments
    ---------
    names : collection of str
        Names of the recordings; their order does not matter.
    seed : int
        Another seed gives another division.

    Returns
    -------
    dict
        Name to fold.

    Example
    -------
    >>> names = [f"Spain_Talk_{i}_0" for i in range(10)] + [f"Spain_News_{i}_0" for i in range(10)]
    >>> folds = stratified_folds(names, seed=1)
    >>> [sum(fold == number for fold in folds.values()) for number in range(10)]
    [2, 2, 2, 2, 2, 2, 2, 2, 2, 2]
    """
    generator = random.Random(seed)
    strata = {}
    for name in sorted(names):
        strata.setdefault(stratum_of(name), []).append(name)
    dealt = []
    for stratum in sorted(strata):
        generator.shuffle(strata[stratum])
        dealt += strata[stratum]
    return {name: position % N_FOLDS for position, name in enumerate(dealt)}


def recording_folds(durations_s, seed):
    """Divide recordings into folds of about the same time: ten, or one each where there are fewer.

    They are shuffled, and each goes to the fold that is the shortest so far.

    Arguments
    ---------
    durations_s : dict of str to float
        Length of each recording by its name.
    seed : int
        Another seed gives another division.

    Returns
    -------
    dict
        Name to fold.

    Example
    -------
    >>> folds = recording_folds({"a": 3600.0, "b": 60.0, "c": 1800.0}, seed=1)
    >>> sorted(folds.values())
    [0, 1, 2]
    """
    names = sorted(durations_s)
    random.Random(seed).shuffle(names)
    totals, folds = [0.0] * min(N_FOLDS, len(names)), {}
    for name in names:
        folds[name] = totals.index(min(totals))
        totals[folds[name]] += durations_s[name]
    return folds


def check_recording_folds(root, n_folds, fold):
    """Raise ValueError if there are too few own recordings, or none for a fold.

    Example
    -------
    >>> check_recording_folds("shows", 5, 7)
    Traceback (most recent call last):
    ...
    ValueError: shows: fold is 7; 5 recordings make 5 folds, so use 0 to 4
    """
    if n_folds < FEWEST_RECORDINGS:
        raise ValueError(
            f"{root}: holds {n_folds} annotated recording{'s' * (n_folds != 1)} that can be used, and "
            f"{FEWEST_RECORDINGS} are needed, to train, to validate and to test; annotate more, or fit the "
            "shipped model to what there is with 'hrin adapt'"
        )
    if fold >= n_folds:
        raise ValueError(
            f"{root}: fold is {fold}; {n_folds} recordings make {n_folds} folds, so use 0 to {n_folds - 1}"
        )
