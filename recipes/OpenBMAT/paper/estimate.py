"""How long a plan takes: from the logs of finished runs, or else from one measured batch."""

import itertools
import json
import re
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import NamedTuple

from hrin_plugin.training.commands import wait_for
from hrin_plugin.training.folder import last_lines
from hrin_plugin.training.progress import format_duration

MEASURE = Path(__file__).parents[1] / "measure_speed.py"
_MARK = re.compile(
    r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) - .* - "
    r"(Beginning|Going into epoch|epoch:|Events, scores)(?= )",
    re.M,
)


class Speed(NamedTuple):
    """What one run of an experiment takes.

    Example
    -------
    >>> Speed(epoch_s=60.0, rest_s=40.0, source="2 finished runs").run_s(n_epochs=40)
    2440.0
    """

    epoch_s: float  # training and validation
    rest_s: float  # before the first epoch and after the last
    source: str  # how this is known

    def run_s(self, n_epochs):
        """Seconds of a run of so many epochs."""
        return n_epochs * self.epoch_s + self.rest_s


def times_from_log(text):
    """Seconds of an epoch, and of all else, in a finished run.

    Arguments
    ---------
    text : str
        The run's ``log.txt``.

    Returns
    -------
    tuple of (float, float) or None
        Median seconds of an epoch, and seconds before the first and after the last; None if the log does
        not hold a whole run. An epoch that was interrupted does not count.

    Example
    -------
    >>> lines = ["10:00:00,000 - speechbrain.core - INFO - Beginning experiment!"]
    >>> lines += ["10:00:05,000 - loop - INFO - Going into epoch 1"]
    >>> lines += ["10:01:05,500 - log - INFO - epoch: 1, lr: 1e-4"]
    >>> lines += ["10:01:07,500 - train - INFO - Events, scores and model are in results"]
    >>> times_from_log("\\n".join(f"2020-01-01 {line}" for line in lines))
    (60.5, 7.0)
    """
    marks = [(datetime.strptime(when, "%Y-%m-%d %H:%M:%S,%f"), what) for when, what in _MARK.findall(text)]
    seconds = {}
    for (begin, first), (end, second) in itertools.pairwise(marks):
        seconds.setdefault((first, second), []).append((end - begin).total_seconds())
    try:
        epochs_s = seconds["Going into epoch", "epoch:"]
        start_s, finish_s = seconds["Beginning", "Going into epoch"], seconds["epoch:", "Events, scores"]
    except KeyError:
        return None
    return median(epochs_s), start_s[-1] + finish_s[-1]


class Estimate:
    """What is known of the speed of a plan's runs.

    Arguments
    ---------
    results_folder : str or pathlib.Path
        The folder of all runs; the finished ones are read.
    settings : dict
        From every run of the plan to its settings.
    jobs : int
        How many runs go on side by side.
    speedup : float or None
        How much faster they are than one after another; None for as many times as there are jobs.

    Example
    -------
    >>> Estimate(getfixture("tmp_path"), {}, 1).left_s([], [])
    0.0
    """

    def __init__(self, results_folder, settings, jobs, speedup=None):
        self.results_folder, self.settings, self.jobs = Path(results_folder).absolute(), settings, jobs
        self.speedup = speedup or jobs
        self.finished, self.measured = {}, {}
        for log in self.results_folder.glob("*/fold_*/seed_*/log.txt"):
            self.learn(log.parent)

    def learn(self, folder):
        """Take a run into account, if its log tells of its end."""
        log = Path(folder, "log.txt").absolute()
        times = times_from_log(log.read_text("utf-8", "replace")) if log.exists() else None
        if times:
            self.finished.setdefault(log.parents[2].name, {})[log] = times

    def measure(self, run, engine, words):
        """Measure one training batch, where the runs will be.

        Arguments
        ---------
        run : Run
            A run of the plan.
        engine : LocalEngine or ClusterEngine
            Starts the measurement.
        words : sequence of str
            The run's arguments of ``train.py``.
        """
        with tempfile.TemporaryDirectory(prefix=".measure-", dir=self.results_folder) as folder:
            target, log = Path(folder, "speed.json"), Path(folder, "run.log")
            wait_for([engine.start([sys.executable, MEASURE, target, *words], log, slot=0)])
            if target.exists():
                self.measured[run.experiment] = Speed(**json.loads(target.read_text("utf-8")))
            else:
                lines = "\n    ".join(last_lines(log))
                print(f"{run.experiment} could not be measured:\n    {lines}", file=sys.stderr)

    def speed(self, run):
        """The Speed of a run's experiment, or None if nothing is known."""
        times = self.finished.get(run.experiment)
        if not times:
            return self.measured.get(run.experiment)
        source = f"{len(times)} finished run{'s' * (len(times) > 1)}"
        return Speed(*(median(each) for each in zip(*times.values())), source)

    def unknown(self, runs):
        """The first run of each experiment whose speed is not known, a list of Run."""
        return list({run.experiment: run for run in reversed(runs) if not self.speed(run)}.values())[::-1]

    def remaining_s(self, run):
        """Seconds that a run which is not done still takes; None if nothing is known."""
        log = run.folder(self.results_folder) / "train_log.txt"
        text = log.read_text("utf-8", "replace") if log.exists() else ""
        n_done = len(set(re.findall(r"^epoch: (\d+),", text, re.M)))
        speed, n_epochs = self.speed(run), self.settings[run]["number_of_epochs"]
        return speed and speed.run_s(max(0, n_epochs - n_done))

    def left_s(self, waiting, running):
        """Seconds until all of these runs are done; None if nothing is known of one."""
        runs = [*waiting, *running]
        seconds = [self.remaining_s(run) for run in runs]
        if None in seconds:
            return None
        # Finished runs were slowed down by their neighbours already, a measured batch was alone.
        shares = [self.jobs if self.finished.get(run.experiment) else self.speedup for run in runs]
        return max(0.0, sum(each / share for each, share in zip(seconds, shares)), *seconds)


def describe(estimate, runs, done):
    """The runs of a plan, how many are done, and the hours of the others.

    Arguments
    ---------
    estimate : Estimate
        Knows the speeds.
    runs : sequence of Run
        The plan.
    done : set of Run
        Its runs that are done.

    Returns
    -------
    str
        A table of the experiments, and the sum.

    Example
    -------
    >>> print(describe(Estimate(getfixture("tmp_path"), {}, 1), [], set()))
    experiment    runs  done    an epoch       a run  known from
    0 runs, 0 of them done; all is done
    """
    names = list(dict.fromkeys(run.experiment for run in runs))
    width = max([10, *map(len, names)])
    lines = [f"{'experiment':{width}}  runs  done    an epoch       a run  known from"]
    for name in names:
        each = [run for run in runs if run.experiment == name]
        speed, n_epochs = estimate.speed(each[0]), estimate.settings[each[0]]["number_of_epochs"]
        epoch, whole, source = "?", "?", "nothing; --dry_run measures a batch"
        if speed:
            epoch, whole = f"{speed.epoch_s:.1f} s", format_duration(speed.run_s(n_epochs))
            source = speed.source
        lines.append(f"{name:{width}}{len(each):6}{len(done & set(each)):6}{epoch:>12}{whole:>12}  {source}")
    to_do = [run for run in runs if run not in done]
    total = f"{len(runs)} runs, {len(done)} of them done; "
    seconds = [estimate.remaining_s(run) for run in to_do]
    if not to_do:
        total += "all is done"
    elif None in seconds:
        total += f"{len(to_do)} to do; their time is not known"
    else:
        left = format_duration(estimate.left_s(to_do, []))
        total += f"{len(to_do)} to do: {sum(seconds) / 3600:.2f} hours of runs, "
        total += f"with {estimate.jobs} side by side about {left}"
    return "\n".join([*lines, total])
