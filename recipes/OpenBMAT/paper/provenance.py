"""What the runs behind a table were trained on, and how they differ from their YAML files."""

import functools
from pathlib import Path

from hrin_plugin.training.openbmat import MINIATURE, OWN, SYNTHETIC
from hrin_plugin.training.settings import comparable, deviations, format_numbers, read_hparams

HPARAMS = Path(__file__).parents[1] / "hparams"

#: What a heading says of trials.
TRIAL = "TRIAL ON SYNTHETIC SOUND OR WITH --debug, NOT THE PAPER'S EXPERIMENT"


def why_trial(settings):
    """Why a run says nothing about the paper, or None.

    Arguments
    ---------
    settings : mapping
        As ``settings.json`` holds them.

    Returns
    -------
    str or None
        The reason.

    Example
    -------
    >>> why_trial({"data": "miniature"}), why_trial({"data": "1647 recordings (0b0a)"})
    ('was trained on synthetic sound', None)
    """
    data = str(settings.get("data", ""))
    if data == MINIATURE or SYNTHETIC in data:
        return "was trained on synthetic sound"
    return "was made with --debug" if settings.get("debug") else None


def describe_runs(runs):
    """What stands above a table or a picture: data, runs, and settings that are not the YAML's.

    Arguments
    ---------
    runs : mapping of str to sequence
        Runs of each experiment, each with ``fold``, ``seed``, ``settings`` and ``path``.

    Returns
    -------
    list of str
        Sentences; empty without any run.

    Example
    -------
    >>> describe_runs({"hrin_cr": []})
    []
    """
    every = [run for each in runs.values() for run in each]
    if not every:
        return []
    lines = [TRIAL + "."] if any(why_trial(run.settings) for run in every) else []
    data = sorted({_data_of(run) for run in every})
    sources = sorted(
        {
            (
                ""
                if f" {OWN} " in _data_of(run)
                else f"annotator {run.settings.get('annotator', 'not recorded')}, "
            )
            + f"music detection from {run.settings.get('md_from', 'not recorded')}"
            for run in every
        }
    )
    lines.append(f"Data: {', '.join(data)}; {'; '.join(sources)}.{_tested(every)}")
    for experiment, each in runs.items():
        if each:
            lines.append(f"{experiment}: {_describe_experiment(experiment, each)}.")
    return lines


def _data_of(run):
    """The data set of a run."""
    return str(run.settings.get("data", "not recorded"))


def _tested(runs):
    """How many recordings the runs were tested on."""
    counts = {len(list(run.path.parent.glob("predictions/md/**/*.tsv"))) for run in runs} - {0}
    if not counts:
        return ""
    few, many = min(counts), max(counts)
    what = "Excerpts" if any(f" {OWN} " in _data_of(run) for run in runs) else "Recordings"
    return f" {what} in a test fold: {few}{f' to {many}' * (few != many)}."


def _describe_experiment(experiment, runs):
    """Folds, seeds, epochs and overrides of an experiment's runs."""
    folds, seeds = ({getattr(run, name) for run in runs} for name in ("fold", "seed"))
    words = [f"folds {format_numbers(folds)}", f"seeds {format_numbers(seeds)}"]
    recorded = [run.settings for run in runs if "data" in run.settings]
    if not recorded:
        return ", ".join([*words, "settings not recorded"])
    epochs = {str(settings.get("number_of_epochs", "not recorded")) for settings in recorded}
    words.append(f"{' or '.join(sorted(epochs))} epochs")
    changes = dict.fromkeys(text for settings in recorded for text in deviations(_yaml(experiment), settings))
    words.append("as its YAML" if not changes else f"not as its YAML: {', '.join(changes)}")
    if any(settings.get("debug") for settings in recorded):
        words.append("with --debug")
    return ", ".join(words)


@functools.cache
def _yaml(experiment):
    """The settings of an experiment's YAML file; none if there is no such file."""
    path = HPARAMS / f"{experiment}.yaml"
    return comparable(read_hparams(path, "")) if path.exists() else {}
