"""``hrin evaluate``: the paper's scores of results against annotations."""

from hrin_plugin.commands import Failure


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
        description="Accuracy and F-measures, as in the paper, of results against annotations of the same "
        "recordings, which are matched by their names below the two folders. Music detection is derived "
        "where only relative loudness is there.",
    )
    parser.add_argument(
        "references",
        metavar="REF",
        help="annotations: a set in the layout of OpenBMAT, or a folder in any format of 'hrin detect'",
    )
    parser.add_argument("estimates", metavar="EST", help="folder of results, in any format of 'hrin detect'")
    parser.add_argument("--json", metavar="FILE", help="write every score and count")
    parser.set_defaults(handler=_evaluate, prog=parser.prog)


def _evaluate(arguments):
    """Match, score and print."""
    import json

    from hrin_plugin.detection import TASKS
    from hrin_plugin.files import write_atomically
    from hrin_plugin.metrics.scores import fast_scores, format_scores
    from hrin_plugin.taxonomy import MUSIC_LOUDNESS

    references = _by_name(_read_references(arguments.references))
    estimates = _by_name(_read_results(arguments.estimates))
    tasks = _common_tasks(references, estimates)
    durations_s = [reference.duration_s for reference in references.values()]
    scores = {}
    for task in tasks:
        events = ([found[name].events[task] for name in references] for found in (references, estimates))
        scores[task] = fast_scores(*events, durations_s, MUSIC_LOUDNESS.levels[TASKS.index(task)])
    if arguments.json:
        write_atomically(arguments.json, json.dumps(scores, indent=2, allow_nan=False) + "\n")
    print(f"{len(references)} recordings, {sum(durations_s) / 3600:.2f} hours\n")
    tables = format_scores(*(scores.get(task, scores[tasks[0]]) for task in TASKS)).split("\n\n")
    print("\n\n".join(table for task, table in zip(TASKS, tables) if task in tasks))
    return 0


def _read_references(folder):
    """Annotations of recordings that lie beside them, or else annotations alone."""
    from pathlib import Path

    from hrin_plugin.archive.references import ANNOTATIONS, read_references

    found = [reference.detection for reference in read_references(folder)]
    annotations = Path(folder, ANNOTATIONS)
    return found or _read_results(annotations if annotations.is_dir() else folder)


def _read_results(folder):
    """Results in any format."""
    from hrin_plugin.events import AnnotationError
    from hrin_plugin.report.tables import read_results

    detections, faults = read_results([folder])
    if faults:
        raise AnnotationError(faults)
    return detections


def _by_name(detections):
    """Recordings by name, each with music detection."""
    from hrin_plugin.archive.references import derive_detection

    found = {}
    for detection in detections:
        events = dict(detection.events)
        if "mrle" in events:
            events.setdefault("md", derive_detection(events["mrle"]))
        found[detection.name] = detection._replace(events=events)
    return found


def _common_tasks(references, estimates):
    """The tasks that every recording has on both sides; refuses recordings that are on one side only."""
    from hrin_plugin.detection import TASKS

    unmatched = [f"{name}: has no result" for name in references if name not in estimates]
    unmatched += [f"{name}: has no annotation" for name in estimates if name not in references]
    if unmatched:
        raise Failure("\n  ".join(["not the same recordings in both folders:", *unmatched]))
    found = [*references.values(), *estimates.values()]
    tasks = [task for task in TASKS if all(task in detection.events for detection in found)]
    if not tasks:
        raise Failure("no level is there for every recording in both folders")
    return tasks
