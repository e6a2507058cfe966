"""``hrin tune``: the decisions that suit a model best, on recordings with annotations."""

from hrin_plugin.commands import Failure
from hrin_plugin.commands.options import add_model_options


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
        help="find the decisions that suit a model best",
        description="Search switching cost, offsets, thresholds and least durations on recordings with "
        "annotations, which the model was not trained on, and write the best for 'hrin detect --decoding'. "
        "Beside a model, as decoding.json, they become its own.",
    )
    parser.add_argument(
        "labelled",
        metavar="LABELLED",
        help="a set in the layout of OpenBMAT, as 'hrin mix' makes it, or a folder of recordings with a TSV "
        "of the same name beside each",
    )
    parser.add_argument("--output", metavar="FILE.json", help="where to write the best")
    parser.add_argument(
        "--test",
        metavar="LABELLED",
        help="other recordings with annotations: scores each method's best on these, beside what needs no "
        "tuning",
    )
    parser.add_argument(
        "--decode",
        action="append",
        choices=("threshold", "argmax", "median", "viterbi"),
        help="a method to be tuned; may be given several times (default: all)",
    )
    add_model_options(parser)
    parser.set_defaults(handler=_tune, prog=parser.prog)


def _tune(arguments):
    """Detect once, decode in every way, print what each is worth, and write the best."""
    from hrin_plugin.decoding.methods import METHODS, write_decoding
    from hrin_plugin.decoding.scores import format_table
    from hrin_plugin.decoding.tuning import compare, tune
    from hrin_plugin.inference import load_detector, load_taxonomy

    taxonomy = load_taxonomy(arguments.model, arguments.run_code)
    to_tune, to_test = (_references(folder, taxonomy) for folder in (arguments.labelled, arguments.test))
    detector = load_detector(
        arguments.model, arguments.backend, arguments.device, run_code=arguments.run_code
    )
    model = taxonomy, detector.grid
    tuning = tune(_predictions(detector, to_tune), *model, arguments.decode or METHODS)
    rows = tuning.rows
    if to_test:
        rows = compare(tuning.best, detector.decoding, _predictions(detector, to_test), *model)
    print(format_table(rows))
    if to_test:
        print(f"\nTuned on {arguments.labelled}, the best first:\n")
        print("\n".join(f"- {decoding}" for decoding in tuning.best.values()))
    if arguments.output:
        best = next(iter(tuning.best.values()))
        write_decoding(arguments.output, best)
        print(f"\n{arguments.output}: {best}")
    return 0


def _references(folder, taxonomy):
    """The annotated recordings of a folder, none for None."""
    from hrin_plugin.archive.references import read_references

    if folder is None:
        return []
    references = read_references(folder, taxonomy)
    if not references:
        raise Failure(f"{folder}: holds no recording with a TSV of the same name beside it")
    without = [path for path, truth in references if set(truth.events) < set(taxonomy.level_names)]
    if without:
        classes = ", ".join(taxonomy.levels[-1])
        raise Failure("\n  ".join([f"annotations of the upper level alone, without {classes}:", *without]))
    return references


def _predictions(detector, references):
    """What the model says of annotated recordings, beside the annotations."""
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
