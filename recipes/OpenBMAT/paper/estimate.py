"""What a plan costs before it starts, and what is left of it while it goes on."""

import functools
import hashlib
import json
import shutil
from pathlib import Path

from hrin_plugin.files import write_atomically
from hrin_plugin.training.folder import RESULTS_FILE, SETTINGS_FILE
from hrin_plugin.training.progress import format_duration
from hrin_plugin.training.settings import comparable
from paper.speed import epochs_done, run_s, speed_from_measurement, speed_from_runs, wall_s

#: Figures of dry runs, below the results folder.
MEASURED_FILE = "measured.json"
#: Settings that cost no time, or whose cost is counted apart; a run's speed is that of all runs that
#: differ in these only.
TIMELESS = ("fold", "seed", "alpha", "beta", "gamma", "objective", "lr", "lr_decay", "lr_annealing")
TIMELESS += ("opt_class", "number_of_epochs", "epoch_counter")


def pace_of(settings):
    """A digest of all settings that a run's speed depends on.

    Arguments
    ---------
    settings : dict
        As :func:`hrin_plugin.training.settings.resolve_settings` gives them, or as kept in a run's folder.

    Returns
    -------
    str
        The same for runs that take the same time an epoch.

    Example
    -------
    >>> pace_of({"batch_size": 8, "alpha": 1.0}) == pace_of({"batch_size": 8, "alpha": 0.5})
    True
    """
    relevant = {
        name: value
        for name, value in comparable(settings).items()
        if name.split(".")[0] not in TIMELESS and not name.startswith("checkpointer.recoverables")
    }
    return hashlib.sha256(json.dumps(relevant, sort_keys=True).encode()).hexdigest()[:16]


def finished_by_pace(results_folder):
    """Folders of finished runs, grouped by what their speed depends on.

    Arguments
    ---------
    results_folder : str or pathlib.Path
        The folder of all runs.

    Returns
    -------
    dict of str to list of pathlib.Path
        By :func:`pace_of`.

    Example
    -------
    >>> finished_by_pace(getfixture("tmp_path"))
    {}
    """
    folders = {}
    for results in sorted(Path(results_folder).glob(f"*/fold_*/seed_*/{RESULTS_FILE}")):
        try:
            settings = json.loads((results.parent / SETTINGS_FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        folders.setdefault(pace_of(settings), []).append(results.parent)
    return folders


class Estimator:
    """Knows how fast experiments run, and how much is left.

    Arguments
    ---------
    results_folder : str or pathlib.Path
        The folder of all runs.
    settings : dict
        From every run of the plan to its settings.
    jobs : int
        How many runs go on side by side.
    place : str
        Where and among how many they run; figures of another place do not count.

    Example
    -------
    >>> Estimator(getfixture("tmp_path"), {}, 1, "here").left_s([], [])
    0.0
    """

    def __init__(self, results_folder, settings, jobs, place):
        self.results_folder, self.settings, self.jobs, self.place = (
            Path(results_folder),
            settings,
            jobs,
            place,
        )
        self.paces = {run: pace_of(each) for run, each in settings.items()}
        self.measured = self._read_measured()
        self.speeds = {}
        self.refresh()

    def refresh(self):
        """Take finished runs into account; they count for more than a dry run."""
        finished = finished_by_pace(self.results_folder)
        for pace in set(self.paces.values()):
            times = _stamps(finished.get(pace, ()))
            speed = _speed_from_runs(times)
            if speed is None and self._key(pace) in self.measured:
                speed = speed_from_measurement(self.measured[self._key(pace)])
            self.speeds[pace] = speed

    def speed(self, run):
        """The speed of a run's experiment, a Speed, or None if nothing is known yet."""
        return self.speeds[self.paces[run]]

    def unknown(self, runs):
        """One run for each speed that is not known, a list of Run."""
        return list({self.paces[run]: run for run in reversed(runs) if self.speed(run) is None}.values())[
            ::-1
        ]

    def note(self, run, figures):
        """Keep the figures of a dry run, a dict as ``measure_speed.py`` writes it."""
        self.measured = self._read_measured() | {self._key(self.paces[run]): figures}
        write_atomically(self.results_folder / MEASURED_FILE, json.dumps(self.measured, indent=1) + "\n")
        self.refresh()

    def remaining_s(self, run):
        """Seconds that a run which is not done still takes; None if nothing is known."""
        speed = self.speed(run)
        n_epochs = self.settings[run]["number_of_epochs"] - epochs_done(run.folder(self.results_folder))
        return None if speed is None else run_s(speed, max(0, n_epochs))

    def left_s(self, waiting, running):
        """Seconds until all of these runs are done; None if nothing is known of one."""
        seconds = [self.remaining_s(run) for run in (*waiting, *running)]
        return None if None in seconds else wall_s(seconds, self.jobs)

    def preparation(self):
        """Seconds and bytes of the features that are still to be computed, as far as dry runs tell."""
        seconds = n_bytes = 0.0
        for run, pace in self.paces.items():
            figures = self.measured.get(self._key(pace))
            if figures:
                cache = Path(self.settings[run]["prepared_folder"]) / "features"
                n_missing = max(0, figures["n_recordings"] - len(list(cache.glob("*.npy"))))
                seconds = max(seconds, n_missing * figures["feature_s"])
                n_bytes = max(n_bytes, n_missing * figures["feature_bytes"])
        return seconds, n_bytes

    def _key(self, pace):
        return f"{pace} {self.place}"

    def _read_measured(self):
        try:
            return dict(json.loads((self.results_folder / MEASURED_FILE).read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return {}


def describe_costs(estimator, runs, done):
    """What a plan takes, and how that is known.

    Arguments
    ---------
    estimator : Estimator
        Knows the speeds.
    runs : sequence of Run
        The plan.
    done : set of Run
        Its runs that are done.

    Returns
    -------
    str
        A table of the experiments, and the sums: runs, hours, disk.

    Example
    -------
    >>> print(describe_costs(Estimator(getfixture("tmp_path"), {}, 1, "here"), [], set()))
    experiment    runs  done    an epoch       a run  known from
    0 runs, 0 of them done; all is done
    """
    names = list(dict.fromkeys(run.experiment for run in runs))
    width = max([10, *map(len, names)])
    lines = [f"{'experiment':{width}}  runs  done    an epoch       a run  known from"]
    for name in names:
        each = [run for run in runs if run.experiment == name]
        speed, n_epochs = estimator.speed(each[0]), estimator.settings[each[0]]["number_of_epochs"]
        epoch, whole, source = "?", "?", "nothing; --dry_run measures it"
        if speed:
            epoch, whole = format_seconds(speed.epoch_s), format_duration(run_s(speed, n_epochs))
            source = speed.source
        lines.append(f"{name:{width}}{len(each):6}{len(done & set(each)):6}{epoch:>12}{whole:>12}  {source}")
    to_do = [run for run in runs if run not in done]
    head = f"{len(runs)} runs, {len(done)} of them done; "
    if not to_do:
        return "\n".join([*lines, head + "all is done"])
    seconds = [estimator.remaining_s(run) for run in to_do]
    if None in seconds:
        return "\n".join([*lines, head + f"{len(to_do)} to do; their time is not known"])
    preparation_s, features_bytes = estimator.preparation()
    plan_s = preparation_s + wall_s(seconds, estimator.jobs)
    lines.append(
        f"{head}{len(to_do)} to do: {sum(seconds) / 3600:.2f} hours of runs, "
        f"with {estimator.jobs} side by side about {format_duration(plan_s)}"
        + (f", {format_duration(preparation_s)} of it for features" if preparation_s >= 1 else "")
    )
    runs_bytes = sum(estimator.speed(run).run_bytes for run in to_do)
    free = shutil.disk_usage(estimator.results_folder).free
    lines.append(
        f"disk: {format_bytes(runs_bytes)} for runs and {format_bytes(features_bytes)} for features; "
        f"{format_bytes(free)} are free in {estimator.results_folder}"
    )
    if runs_bytes + features_bytes > free:
        lines.append("WARNING: the disk will be full before the end; give another --results_folder")
    return "\n".join(lines)


def format_seconds(seconds):
    """A short time with its decimals, a long one in two units.

    Example
    -------
    >>> format_seconds(2.345), format_seconds(150)
    ('2.3 s', '2 min 30 s')
    """
    return f"{seconds:.1f} s" if seconds < 60 else format_duration(seconds)


def format_bytes(n_bytes):
    """A size in MB or GB.

    Example
    -------
    >>> format_bytes(3.2e9), format_bytes(15e6)
    ('3.2 GB', '15.0 MB')
    """
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.1f} MB"


def _stamps(folders):
    """Folders and the times of their results, so that one that has not changed is read once."""
    return tuple((folder, (folder / RESULTS_FILE).stat().st_mtime_ns) for folder in folders)


@functools.cache
def _speed_from_runs(stamps):
    return speed_from_runs([folder for folder, _ in stamps])
