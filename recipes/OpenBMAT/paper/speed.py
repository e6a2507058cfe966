"""How fast an experiment runs: from the logs of finished runs, or from a measured dry run."""

import re
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import NamedTuple

_STAMP = r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),(\d{3}) - "
_EVENTS = {
    "begin": re.compile(_STAMP + r"speechbrain\.core - INFO - Beginning experiment!", re.M),
    "epoch begins": re.compile(_STAMP + r".* - Going into epoch (\d+)", re.M),
    "epoch ends": re.compile(_STAMP + r".* - epoch: (\d+), ", re.M),
    "end": re.compile(_STAMP + r".* - Events, scores and model are in ", re.M),
}


class Speed(NamedTuple):
    """What one run of an experiment takes.

    Example
    -------
    >>> Speed(10.0, 60.0, 30.0, 5e6, "2 finished runs").epoch_s
    60.0
    """

    start_s: float  # before the first epoch
    epoch_s: float  # training and validation
    finish_s: float  # test, scores, and writing them
    run_bytes: float  # on disk, at the end
    source: str  # how this is known


def run_s(speed, epochs_left):
    """Seconds that a run still takes.

    Arguments
    ---------
    speed : Speed
        Of its experiment.
    epochs_left : int
        Epochs that are still to be trained.

    Returns
    -------
    float
        The seconds.

    Example
    -------
    >>> run_s(Speed(10.0, 60.0, 30.0, 5e6, ""), epochs_left=40)
    2440.0
    """
    return speed.start_s + epochs_left * speed.epoch_s + speed.finish_s


def wall_s(seconds, jobs):
    """Time until all of some runs are done, where so many go on side by side.

    Arguments
    ---------
    seconds : sequence of float
        What each run takes.
    jobs : int
        How many side by side.

    Returns
    -------
    float
        Seconds; at least those of the longest run.

    Example
    -------
    >>> wall_s([60.0, 60.0, 60.0], jobs=2), wall_s([60.0, 300.0], jobs=4)
    (90.0, 300.0)
    """
    return max(sum(seconds) / jobs, max(seconds, default=0.0))


def speed_from_runs(folders):
    """Median speed of finished runs.

    Arguments
    ---------
    folders : sequence of str or pathlib.Path
        Folders of finished runs of one experiment.

    Returns
    -------
    Speed or None
        None if no log tells.

    Example
    -------
    >>> speed_from_runs([]) is None
    True
    """
    speeds = [
        (*times, folder_bytes(folder))
        for folder in map(Path, folders)
        if (folder / "log.txt").exists()
        and (times := times_from_log((folder / "log.txt").read_text("utf-8", "replace")))
    ]
    if not speeds:
        return None
    source = f"{len(speeds)} finished run{'s' * (len(speeds) > 1)}"
    return Speed(*(median(values) for values in zip(*speeds)), source)


def times_from_log(text):
    """Seconds before, of, and after the epochs of a finished run.

    An epoch that was interrupted does not count, and only the last start does.

    Arguments
    ---------
    text : str
        The run's ``log.txt``.

    Returns
    -------
    tuple of float or None
        Seconds before the first epoch, median seconds of an epoch, seconds after
        the last; None if the log does not hold a whole run.

    Example
    -------
    >>> lines = ["10:00:00,000 - speechbrain.core - INFO - Beginning experiment!"]
    >>> lines += ["10:00:05,000 - loop - INFO - Going into epoch 1"]
    >>> lines += ["10:01:05,500 - log - INFO - epoch: 1, lr: 1e-4"]
    >>> lines += ["10:01:07,500 - train - INFO - Events, scores and model are in results"]
    >>> times_from_log("\\n".join(f"2020-01-01 {line}" for line in lines))
    (5.0, 60.5, 2.0)
    """
    found = {name: list(pattern.finditer(text)) for name, pattern in _EVENTS.items()}
    if not all(found.values()):
        return None
    begun = {}
    for match in found["epoch begins"]:
        begun.setdefault(match[3], []).append(_when(match))
    epochs = [
        _when(match) - begun[match[3]][0]
        for match in found["epoch ends"]
        if len(begun.get(match[3], [])) == 1
    ]
    last_begin, end = _when(found["begin"][-1]), _when(found["end"][-1])
    firsts = [_when(match) for match in found["epoch begins"] if _when(match) >= last_begin]
    lasts = [_when(match) for match in found["epoch ends"] if last_begin <= _when(match) <= end]
    if not (epochs and firsts and lasts):
        return None
    return firsts[0] - last_begin, median(epochs), end - lasts[-1]


def speed_from_measurement(measured):
    """The speed that a dry run makes one expect: measured steps times their number.

    Arguments
    ---------
    measured : dict
        As ``measure_speed.py`` writes it.

    Returns
    -------
    Speed
        Of the experiment.

    Example
    -------
    >>> speed = speed_from_measurement({
    ...     "start_s": 9.0, "train_batches": 40, "train_batch_s": 0.5, "valid_batches": 5,
    ...     "eval_batch_s": 0.2, "valid_scoring_s": 1.0, "test_batches": 6, "test_scoring_s": 30.0,
    ...     "run_bytes": 1e6, "device": "CPU", "side_by_side": 2,
    ... })
    >>> speed.epoch_s, speed.finish_s, speed.source
    (22.0, 31.2, 'dry run, CPU, 2 side by side')
    """
    epoch_s = (
        measured["train_batches"] * measured["train_batch_s"]
        + measured["valid_batches"] * measured["eval_batch_s"]
        + measured["valid_scoring_s"]
    )
    finish_s = measured["test_batches"] * measured["eval_batch_s"] + measured["test_scoring_s"]
    source = f"dry run, {measured['device']}, {measured['side_by_side']} side by side"
    return Speed(measured["start_s"], epoch_s, finish_s, measured["run_bytes"], source)


def epochs_done(folder):
    """Epochs that a run's ``train_log.txt`` tells of.

    Arguments
    ---------
    folder : str or pathlib.Path
        The run's folder.

    Returns
    -------
    int
        Number of the last epoch; 0 where there is no log.

    Example
    -------
    >>> epochs_done(getfixture("tmp_path"))
    0
    """
    try:
        text = (Path(folder) / "train_log.txt").read_text("utf-8", "replace")
    except OSError:
        return 0
    return max(map(int, re.findall(r"^epoch: (\d+),", text, re.M)), default=0)


def folder_bytes(folder):
    """Bytes of all files of a folder.

    Arguments
    ---------
    folder : str or pathlib.Path
        The folder; what vanishes from it meanwhile is not counted.

    Returns
    -------
    int
        The bytes.

    Example
    -------
    >>> folder_bytes(getfixture("tmp_path"))
    0
    """
    total = 0
    for path in Path(folder).rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue
    return total


def _when(match):
    """Seconds of a log line's time stamp."""
    return datetime.strptime(match[1], "%Y-%m-%d %H:%M:%S").timestamp() + int(match[2]) / 1000
