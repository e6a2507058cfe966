"""``hrin tune``: searches the best decoding settings of a model on annotated recordings."""

import sys

from hrin_plugin.commands import Failure
from hrin_plugin.commands.options import add_model_options, add_unlabelled_option


def add_parser(commands):
    """Add the subcommand to a parser.

    Arguments
    ---------
    commands : argparse action
        As ``ArgumentParser.add_subparsers`` returns it.

    Example
    -------
    >>> import argparse
    >>> parser = argparse.ArgumentParser()
    >>> add_parser(parser.add_subparsers())
    >>> parser.parse_args(["tune", "labelled", "--output", "decoding.json"]).output
    'decoding.json'
    """
    parser = commands.add_parser(
        "tune",
        help="find the best decoding settings of a model",
        description="Search the switching cost, offsets, thresholds and minimum durations on annotated "
        "recordings that the model was not trained on. Write the best for 'hrin detect --decoding'. As "
        "decoding.json in a model's folder, they become the model's defaults.",
    )
    parser.add_argument(
        "labelled",
        metavar="LABELLED",
        help="data set in OpenBMAT's layout, as 'hrin mix' writes it, or folder of recordings with a TSV of "
        "the same name beside each, or results that were corrected with 'hrin review'",
    )
    parser.add_argument("--output", metavar="FILE.json", help="file for the best settings")
    parser.add_argument(
        "--certainty",
        metavar="FILE.json",
        help="also measure the model's errors with the best settings, for the intervals of 'hrin report'; "
        "as certainty.json in a model's folder, they count. Each folder in LABELLED is a kind of recordings, "
        "such as a station; without folders, each recording is",
    )
    parser.add_argument(
        "--test",
        metavar="LABELLED",
        help="other annotated recordings, on which the best of each method and the untuned methods are "
        "scored",
    )
    parser.add_argument(
        "--decode",
        action="append",
        choices=("threshold", "argmax", "median", "viterbi"),
        help="method to tune (repeatable; default: all)",
    )
    add_unlabelled_option(parser)
    add_model_options(parser)
    parser.set_defaults(handler=_tune, prog=parser.prog)


def _tune(arguments):
    """Detect once, tune each method, print the scores, and write the best settings."""
    from hrin_plugin.decoding.errors import check_kinds, kind_of
    from hrin_plugin.decoding.methods import METHODS, write_decoding
    from hrin_plugin.decoding.scores import format_table
    from hrin_plugin.decoding.tuning import compare, tune
    from hrin_plugin.inference import load_detector, load_taxonomy

    taxonomy = load_taxonomy(arguments.model, arguments.run_code)
    to_tune, to_test = (
        annotated_recordings(folder, taxonomy, arguments.unlabelled)
        for folder in (arguments.labelled, arguments.test)
    )
    if arguments.certainty:
        check_kinds({kind_of(truth.name) for _, truth in to_tune})
    _note_absent(
        to_tune, taxonomy, f"{arguments.labelled}: {{}} never occurs; what is tuned for it is a guess"
    )
    _note_absent(to_test, taxonomy, f"{arguments.test}: {{}} never occurs; it is not scored")
    detector = load_detector(
        arguments.model, arguments.backend, arguments.device, run_code=arguments.run_code
    )
    model = taxonomy, detector.grid
    predictions = _predictions(detector, to_tune)
    tuning = tune(predictions, *model, arguments.decode or METHODS)
    rows = tuning.rows
    if to_test:
        rows = compare(tuning.best, detector.decoding, _predictions(detector, to_test), *model)
    print(format_table(rows))
    if to_test:
        print(f"\nTuned on {arguments.labelled}, the best first:\n")
        print("\n".join(f"- {decoding}" for decoding in tuning.best.values()))
    # What the recordings were heard with; it is not searched.
    gate = {"silence_gate_db": detector.decoding.silence_gate_db}
    best = next(iter(tuning.best.values())).changed(gate)
    if arguments.output:
        write_decoding(arguments.output, best)
        print(f"\n{arguments.output}: {best}")
    if arguments.certainty:
        _measure(arguments, to_tune, predictions, best, detector.grid)
    return 0


def _measure(arguments, references, predictions, decoding, grid):
    """Measure the errors of the model with a decoding, and write them."""
    from pathlib import Path

    from hrin_plugin.decoding.certainty import write_certainty
    from hrin_plugin.decoding.errors import heard_with, kind_of, measure

    kinds = {}
    for (_, truth), prediction in zip(references, predictions, strict=True):
        heard = heard_with(truth, prediction.probabilities, decoding, grid)
        kinds.setdefault(kind_of(truth.name), []).append(heard)
    about = {"what": Path(arguments.labelled).resolve().name, "decoding": decoding.to_dict()}
    calibration = measure(kinds, about)
    write_certainty(arguments.certainty, calibration)
    facts = calibration.about
    print(f"\n{arguments.certainty}: errors of {facts['kinds']} kinds, {facts['hours']:g} hours")


def _note_absent(references, taxonomy, words):
    """Say which classes never occur in annotated recordings."""
    for level, labels in taxonomy.labels.items() if references else ():
        there = {event.label for _, truth in references for event in truth.events[level]}
        for label in labels:
            if label not in there:
                print(words.format(label), file=sys.stderr)


def annotated_recordings(folder, taxonomy, unlabelled=None):
    """The annotated recordings of a folder, each annotated on every level.

    Arguments
    ---------
    folder : str or None
        The folder.
    taxonomy : Taxonomy
        The levels.
    unlabelled : str or None
        The class of what is not annotated; None to refuse gaps.

    Returns
    -------
    list of Reference
        By name; an empty list for None.

    Raises
    ------
    Failure
        If there is none, or some are annotated on the upper level alone.

    Example
    -------
    >>> annotated_recordings(None, None)
    []
    """
    import os

    from hrin_plugin.archive.corrected import is_corrected, read_corrected
    from hrin_plugin.archive.references import read_references

    if folder is None:
        return []
    references = read_references(folder, taxonomy, unlabelled)
    if is_corrected(folder):
        n_open = read_corrected(folder, taxonomy).n_open
        number = f"{len(references)} corrected recordings are reviewed to the end"
        if not references:
            raise Failure(
                f"{folder}: no corrected recording is reviewed to the end; mark it so in 'hrin review'"
            )
        print(f"{folder}: {number} and count, {n_open} are not", file=sys.stderr)
        absent = [path for path, _ in references if not os.path.isfile(path)]
        if absent:
            raise Failure(
                "\n  ".join(
                    ["recordings that are gone; open 'hrin review' with --audio where they are:", *absent]
                )
            )
    if not references:
        raise Failure(f"{folder}: holds no recording with a TSV of the same name beside it")
    without = [path for path, truth in references if set(truth.events) < set(taxonomy.level_names)]
    if without:
        classes = ", ".join(taxonomy.levels[-1])
        raise Failure("\n  ".join([f"annotations of the upper level alone, without {classes}:", *without]))
    return references


def _predictions(detector, references):
    """Predicted probabilities of annotated recordings, with the annotations."""
    from tqdm import tqdm

    from hrin_plugin.training.results import Prediction

    predictions = []
    for path, truth in tqdm(references, "detecting", unit="file", disable=None):
        found = detector.detect_file(path, probabilities=True)
        levels = (
            tuple(each[level] for level in detector.taxonomy.level_names)
            for each in (truth.events, found.probabilities)
        )
        predictions.append(Prediction(truth.name, truth.duration_s, *levels))
    return predictions
