"""``hrin evaluate``: scores results against annotations."""

import sys

from hrin_plugin.commands import Failure
from hrin_plugin.commands.options import add_classes_option, add_unlabelled_option, classes_asked_for


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
    >>> parser.parse_args(["evaluate", "annotations", "results"]).estimates
    'results'
    """
    parser = commands.add_parser(
        "evaluate",
        help="score results against annotations",
        description="Score results against annotations of the same recordings: accuracy and F-measures, as "
        "in the paper. Files are matched by their paths below the two folders. The music detection level is "
        "derived from relative loudness where it is missing.",
    )
    parser.add_argument(
        "references",
        metavar="REF",
        help="annotations: a data set in OpenBMAT's layout, a folder in any format of 'hrin detect', or "
        "results that were corrected with 'hrin review'",
    )
    parser.add_argument("estimates", metavar="EST", help="folder of results, in any format of 'hrin detect'")
    parser.add_argument("--json", metavar="FILE", help="also write every score and count as JSON")
    add_unlabelled_option(parser)
    parser.add_argument(
        "--duration",
        type=float,
        metavar="SECONDS",
        help="length of every recording (default: that of the recording beside the annotation, else that of "
        "annotation or result, whichever is longer)",
    )
    add_classes_option(parser)
    parser.set_defaults(handler=_evaluate, prog=parser.prog)


def _evaluate(arguments):
    """Match the recordings, score them and print the scores."""
    import json

    from hrin_plugin.archive.corrected import is_corrected
    from hrin_plugin.events import MOST_S
    from hrin_plugin.files import write_atomically
    from hrin_plugin.metrics.scores import fast_scores, format_level

    if arguments.duration is not None and not 0 < arguments.duration <= MOST_S:
        raise ValueError(f"--duration is {arguments.duration}; give seconds, more than 0")
    estimates = _read_results(arguments.estimates, classes_asked_for(arguments))
    taxonomy = _only_taxonomy(estimates)
    references, measured = _read_references(arguments, taxonomy)
    _only_taxonomy([*estimates, *references])
    references, estimates = _by_name(references, "annotations"), _by_name(estimates, "results")
    if is_corrected(arguments.references):  # what is not reviewed to the end is no annotation
        estimates = {name: found for name, found in estimates.items() if name in references}
    _check_pairs(references, estimates)
    if not measured:
        references = _checked(references, estimates, arguments)
    estimates = {name: _with_upper_level(found, taxonomy) for name, found in estimates.items()}
    _note_lengths(references, estimates)
    durations_s = [reference.duration_s for reference in references.values()]
    scores = {}
    for level in _common_levels(references, estimates, taxonomy):
        events = ([found[name].events[level] for name in references] for found in (references, estimates))
        scores[level] = fast_scores(*events, durations_s, taxonomy.labels[level])
    if arguments.json:
        write_atomically(arguments.json, json.dumps(scores, indent=2, allow_nan=False) + "\n")
    print(f"{len(references)} recordings, {sum(durations_s) / 3600:.2f} hours\n")
    print("\n\n".join(format_level(level, of_level) for level, of_level in scores.items()))
    return 0


def _read_references(arguments, taxonomy):
    """Annotations of a folder, and whether recordings beside them tell their lengths."""
    from hrin_plugin.archive.corrected import is_corrected
    from hrin_plugin.archive.references import mapped_annotations, read_references

    folder = arguments.references
    references = read_references(folder, taxonomy, arguments.unlabelled)
    if not references and is_corrected(folder):
        raise Failure(f"{folder}: no corrected recording is reviewed to the end; mark it so in 'hrin review'")
    if references:
        if arguments.duration is not None:
            raise ValueError(f"--duration: {folder} holds recordings, which tell their length; leave it out")
        return [reference.detection for reference in references], True
    return _read_results(mapped_annotations(folder) or folder, taxonomy), False


def _checked(references, estimates, arguments):
    """Annotations without recordings, checked against the length that is scored."""
    from hrin_plugin.archive.references import tile_levels
    from hrin_plugin.events import AnnotationError

    checked, faults = {}, []
    for name, reference in references.items():
        duration_s = arguments.duration or max(reference.duration_s, estimates[name].duration_s)
        try:
            checked[name] = tile_levels(reference, duration_s, arguments.unlabelled)
        except AnnotationError as error:
            faults += error.faults
    if faults:
        raise AnnotationError(faults)
    return checked


def _note_lengths(references, estimates):
    """Say where a result has another length than what is scored."""
    from hrin_plugin.events import TOLERANCE_S

    for name, reference in references.items():
        ends_s, of_s = estimates[name].duration_s, reference.duration_s
        if abs(ends_s - of_s) > TOLERANCE_S:
            print(f"{name}: the result ends at {ends_s:.3f} s; {of_s:.3f} s are scored", file=sys.stderr)


def _read_results(folder, taxonomy):
    """Results in any format."""
    from hrin_plugin.events import AnnotationError
    from hrin_plugin.report.tables import read_results

    detections, faults = read_results([folder], taxonomy)
    if faults:
        raise AnnotationError(faults)
    return detections


def _only_taxonomy(detections):
    """The taxonomy of all recordings; refuses results of models with different classes."""
    first, *others = {found.taxonomy.levels: found for found in detections}.values()
    if others:
        classes = " and ".join(
            f"{', '.join(found.taxonomy.levels[-1])} ({found.name})" for found in (first, others[0])
        )
        raise Failure(f"not the same classes everywhere: {classes}; score the results of each model alone")
    return first.taxonomy


def _by_name(detections, side):
    """Recordings by name; names that differ in how accents are written are the same."""
    from hrin_plugin.text import comparable

    found = {}
    for detection in detections:
        name = comparable(detection.name)
        if name in found:
            raise Failure(f"two {side} of {name}, whose names differ in how accents are written; keep one")
        found[name] = detection
    return found


def _check_pairs(references, estimates):
    """Refuse recordings on one side only."""
    unmatched = [f"{name}: has no result" for name in references if name not in estimates]
    unmatched += [f"{name}: has no annotation" for name in estimates if name not in references]
    if unmatched:
        raise Failure("\n  ".join(["not the same recordings in both folders:", *unmatched]))


def _with_upper_level(detection, taxonomy):
    """A result with the upper level, derived where it is missing."""
    from hrin_plugin.archive.references import derive_md

    events = dict(detection.events)
    if "mrle" in events:
        events.setdefault("md", derive_md(events["mrle"], taxonomy))
    return detection._replace(events=events)


def _common_levels(references, estimates, taxonomy):
    """Levels that every recording has on both sides."""
    found = [*references.values(), *estimates.values()]
    levels = [
        level for level in taxonomy.level_names if all(level in detection.events for detection in found)
    ]
    if not levels:
        raise Failure("no level is there for every recording in both folders")
    return levels
