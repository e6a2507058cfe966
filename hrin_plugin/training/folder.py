"""The folder of a run: its lock, its settings and its results."""

import contextlib
import json
import os
from pathlib import Path

from hrin_plugin.files import write_atomically
from hrin_plugin.training.lock import FolderInUse, RunRefused, hold_folder, is_in_use
from hrin_plugin.training.settings import comparable, describe_changes

SETTINGS_FILE, RESULTS_FILE = "settings.json", "results.json"
#: Where :func:`set_aside` puts folders, below the results folder.
ASIDE = "set_aside"


class SettingsChanged(RunRefused):
    """Raised for folders with runs of other settings.

    Arguments
    ---------
    what : sequence of str
        The fault of each folder.

    Example
    -------
    >>> SettingsChanged(["run: alpha was 1.0, is now 0.5"]).what
    ['run: alpha was 1.0, is now 0.5']
    """

    #: Folders that one message names.
    SHOWN = 5

    def __init__(self, what):
        self.what = list(what)
        more = [f"... and {len(self.what) - self.SHOWN} more"] if len(self.what) > self.SHOWN else []
        cure = (
            "Nothing was touched. Take the change back, or give another --results_folder, "
            "or let experiments.py --fresh set the old runs aside."
        )
        super().__init__("\n".join([*self.what[: self.SHOWN], *more, cure]))


@contextlib.contextmanager
def claim_folder(settings):
    """Lock a run's folder and store its settings.

    Arguments
    ---------
    settings : dict
        As :func:`hrin_plugin.training.settings.resolve_settings` gives them; ``output_folder`` is claimed.

    Yields
    ------
    pathlib.Path
        The folder.

    Raises
    ------
    FolderInUse
        If another process holds it.
    SettingsChanged
        If it holds a run of other settings.

    Example
    -------
    >>> folder = getfixture("tmp_path") / "run"
    >>> with claim_folder({"output_folder": str(folder), "lr": 0.1}):
    ...     json.loads((folder / "settings.json").read_text())
    {'lr': 0.1}
    """
    with hold_folder(settings["output_folder"]) as folder:
        check_settings(folder, settings)
        write_atomically(folder / SETTINGS_FILE, json.dumps(comparable(settings), indent=1) + "\n")
        yield folder


def check_settings(folder, settings):
    """Raise SettingsChanged for a folder with results or checkpoints of other settings.

    Arguments
    ---------
    folder : str or pathlib.Path
        The run's folder.
    settings : dict
        As :func:`hrin_plugin.training.settings.resolve_settings` gives them.

    Raises
    ------
    SettingsChanged
        With the settings that differ, and the cure.

    Example
    -------
    >>> check_settings(getfixture("tmp_path"), {"lr": 0.1})
    """
    folder = Path(folder)
    if not has_work(folder):
        return
    recorded = _read_json(folder / SETTINGS_FILE)
    if recorded is None:
        what = f"holds a run, but its {SETTINGS_FILE}, which tells of which settings, is missing or damaged"
    else:
        changes = describe_changes(recorded, json.loads(json.dumps(comparable(settings))))
        if not changes:
            return
        what = f"holds a run of other settings: {'; '.join(changes)}"
    raise SettingsChanged([f"{folder} {what}"])


def has_work(folder):
    """Whether a run's folder holds results or a checkpoint.

    Example
    -------
    >>> has_work(getfixture("tmp_path"))
    False
    """
    return (Path(folder) / RESULTS_FILE).exists() or any(Path(folder).glob("save/CKPT*"))


def is_done(folder, settings):
    """Whether a run's results are complete and have these settings.

    Arguments
    ---------
    folder : str or pathlib.Path
        The run's folder.
    settings : dict
        As :func:`hrin_plugin.training.settings.resolve_settings` gives them.

    Returns
    -------
    bool
        False also for a results file that is cut short, or that is another run's.

    Raises
    ------
    SettingsChanged
        If the folder holds a run of other settings.

    Example
    -------
    >>> is_done(getfixture("tmp_path"), {"fold": 0, "seed": 0})
    False
    """
    check_settings(folder, settings)
    results = _read_json(Path(folder) / RESULTS_FILE)
    try:
        same = all(results["settings"][name] == settings[name] for name in ("fold", "seed"))
        whole = all(results["scores"][task]["segment"] for task in ("md", "mrle"))
    except (KeyError, TypeError):
        return False
    return same and whole


def set_aside(folder, results_folder):
    """Move a run's folder to ``<results_folder>/set_aside``.

    Arguments
    ---------
    folder : pathlib.Path
        The run's folder.
    results_folder : str or pathlib.Path
        The folder of all runs.

    Returns
    -------
    pathlib.Path
        Where it is now.

    Raises
    ------
    FolderInUse
        If a run is writing there.

    Example
    -------
    >>> results = getfixture("tmp_path")
    >>> (results / "gru/fold_0/seed_0").mkdir(parents=True)
    >>> set_aside(results / "gru/fold_0/seed_0", results).relative_to(results).as_posix()
    'set_aside/gru/fold_0/seed_0.1'
    """
    if is_in_use(folder):
        raise FolderInUse(f"{folder} is in use: another run is writing there; wait for its end")
    base = Path(results_folder) / ASIDE / folder.relative_to(results_folder)
    number = 1
    while (target := base.with_name(f"{base.name}.{number}")).exists():
        number += 1
    target.parent.mkdir(parents=True, exist_ok=True)
    os.rename(folder, target)
    return target


def last_lines(path, count=10):
    """The last lines of a log, with only the last state of each progress bar.

    Arguments
    ---------
    path : str or pathlib.Path
        The log, which may be missing.
    count : int
        Number of lines.

    Returns
    -------
    list of str
        The lines.

    Example
    -------
    >>> path = getfixture("tmp_path") / "run.log"
    >>> _ = path.write_bytes(b"10 %\\r20 %\\nno space left\\n")
    >>> last_lines(path)
    ['20 %', 'no space left']
    """
    try:
        with open(path, "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 20_000))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return []
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")]
    return [line for line in lines if line.strip()][-count:]


def _read_json(path):
    """The JSON object in a file, or None."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
