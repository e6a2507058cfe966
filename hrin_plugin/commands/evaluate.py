"""``hrin evaluate``: scores results against annotations."""

from hrin_plugin.commands import Failure
from hrin_plugin.commands.options import add_classes_option, classes_asked_for


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
        help="annotations: a data set in OpenBMAT's layout, or a folder in any format of 'hrin detect'",
    )
    parser.add_argument("estimates", metavar="EST", help="folder of results, in any format of 'hrin detect'")
    parser.add_argument("--json", metavar="FILE", help="also write every score and count as JSON")
    add_classes_option(parser)
    parser.set_defaults(handler=_evaluate, prog=parser.prog)


def _evaluate(arguments):
    """Match the recordings, score them and print the scores."""
    import json

    from hrin_plugin.files import write_atomically
    from hrin_plugin.metrics.scores import fast_scores, format_level

    estimates = _read_results(arguments.estimates, classes_asked_for(arguments))
    taxonomy = _only_taxonomy(estimates)
    references = _read_references(arguments.references, taxonomy)
    _only_taxonomy([*estimates, *references])
    references, estimates = _by_name(references, taxonomy), _by_name(estimates, taxonomy)
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


def _read_references(folder, taxonomy):
    """Annotations of a data set with recordings, or of a folder of annotations alone."""
    from pathlib import Path

    from hrin_plugin.archive.references import ANNOTATIONS, read_references

    found = [reference.detection for reference in read_references(folder, taxonomy)]
    annotations = Path(folder, ANNOTATIONS)
    return found or _read_results(annotations if annotations.is_dir() else folder, taxonomy)


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


def _by_name(detections, taxonomy):
    """Recordings by name; the upper level is derived where it is missing."""
    from hrin_plugin.archive.references import derive_md

    found = {}
    for detection in detections:
        events = dict(detection.events)
        if "mrle" in events:
            events.setdefault("md", derive_md(events["mrle"], taxonomy))
        found[detection.name] = detection._replace(events=events)
    return found


def _common_levels(references, estimates, taxonomy):
    """Levels that every recording has on both sides; refuses recordings on one side only."""
    unmatched = [f"{name}: has no result" for name in references if name not in estimates]
    unmatched += [f"{name}: has no annotation" for name in estimates if name not in references]
    if unmatched:
        raise Failure("\n  ".join(["not the same recordings in both folders:", *unmatched]))
    found = [*references.values(), *estimates.values()]
    levels = [
        level for level in taxonomy.level_names if all(level in detection.events for detection in found)
    ]
    if not levels:
        raise Failure("no level is there for every recording in both folders")
    return levels
