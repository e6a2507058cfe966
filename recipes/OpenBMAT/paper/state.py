"""How far a plan is, read from the results on disk."""

import functools
from pathlib import Path

from hrin_plugin.training.folder import SettingsChanged, is_done, set_aside
from hrin_plugin.training.openbmat import identify_data
from hrin_plugin.training.settings import resolve_settings
from paper.options import training_arguments


def all_settings(runs, options):
    """The settings of every run.

    Arguments
    ---------
    runs : sequence of Run
        The runs.
    options : argparse.Namespace
        As :func:`parse_arguments` gives them.

    Returns
    -------
    dict of Run to dict
        As :func:`hrin_plugin.training.settings.resolve_settings` gives them.

    Raises
    ------
    FileNotFoundError
        If the data folder does not hold OpenBMAT.
    ValueError
        If train.py does not know an override.
    """
    import speechbrain as sb

    identify = functools.cache(identify_data)
    settings = {}
    for run in runs:
        hparams_file, run_opts, overrides = sb.parse_arguments(training_arguments(run, options))
        settings[run] = each = resolve_settings(hparams_file, run_opts, overrides, identify)
        if each["data"] == "unreadable":
            identify_data(each["data_folder"], each.get("annotator", "a"), each.get("md_from", "mrle"))
    return settings


def find_done(runs, settings, options):
    """Which runs are done; runs of other settings are refused, or set aside with ``--fresh``.

    Arguments
    ---------
    runs : sequence of Run
        The plan.
    settings : dict
        Their settings.
    options : argparse.Namespace
        As :func:`parse_arguments` gives them.

    Returns
    -------
    set of Run
        The runs whose results are whole and of these settings.

    Raises
    ------
    SettingsChanged
        With each of the runs that are of other settings.
    """
    done, changed = set(), []
    for run in runs:
        folder = run.folder(options.results_folder)
        try:
            if is_done(folder, settings[run]):
                done.add(run)
        except SettingsChanged as error:
            if not options.fresh:
                changed += error.what
            elif not options.dry_run:
                print(f"{run}: the old run is now in {set_aside(folder, Path(options.results_folder))}")
    if changed:
        raise SettingsChanged(changed)
    return done
