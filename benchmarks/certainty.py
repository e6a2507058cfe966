"""Intervals and confidences on annotated sets: measures a model's errors, or counts how often they hold.

Each folder is a set in OpenBMAT's layout, as ``hrin mix`` writes it, and is a kind of its own: with
``audio``, or with ``probs``, which ``hrin detect --keep-probabilities`` kept. Its recordings together are one
case, such as an hour of sixty minutes. Cases are grouped by the names of the folders above.
"""

import argparse
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

from hrin_plugin.decoding.certainty import Calibration, read_certainty, write_certainty
from hrin_plugin.decoding.errors import Heard, Sums, judged, measure, sums_of
from hrin_plugin.decoding.kept import read_kept
from hrin_plugin.detection import Detection
from hrin_plugin.events import parse_tsv, relabel

#: Edges of the confidences in the table of reliability.
EDGES = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 1.0)


def main():
    """Measure, or check."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sets", nargs="+", type=Path, metavar="SET", help="folder of a set")
    parser.add_argument("--model", type=Path, help="folder of the model (default: the one that ships)")
    parser.add_argument("--fit", type=Path, metavar="FILE", help="measure the errors; write them here")
    parser.add_argument("--about", default="", help="what the sets are, for the file")
    arguments = parser.parse_args()
    listen = _listener(arguments.model)
    cases = defaultdict(dict)
    for folder in arguments.sets:
        cases[folder.parent.name][folder.name] = [_heard(each, listen) for each in _annotations(folder)]
        print(f"{folder}: {len(cases[folder.parent.name][folder.name])} recordings", file=sys.stderr)
    if arguments.fit:
        kinds = {f"{group}/{name}": of for group, sets in cases.items() for name, of in sets.items()}
        calibration = measure(kinds, {"what": arguments.about} if arguments.about else {})
        write_certainty(arguments.fit, calibration)
    else:
        from hrin_plugin.pretrained.sources import find_model

        calibration = read_certainty(find_model(arguments.model))
    print("\n".join([*coverage_table(cases, calibration), "", *reliability_table(cases, calibration)]))


def _listener(model):
    """A function that hears a recording, or reads its kept probabilities, without the model's calibration."""
    detector = None

    def listen(path):
        """The Detection of a file."""
        nonlocal detector
        if path.suffix == ".probs":
            kept = read_kept(path)
            return kept._replace(header=kept.header._replace(calibration=Calibration())).detect()
        if detector is None:
            from hrin_plugin.inference.detector import MusicDetector

            detector = MusicDetector.from_hparams(model, run_opts={"device": "cpu"})
            detector.calibration = Calibration()
        return detector.detect_file(path)

    return listen


def _annotations(folder):
    """Each recording of a set with its annotation."""
    for path in sorted((folder / "annotations" / "tsv" / "RMLE_mapping").glob("*/*.tsv")):
        (recording,) = [*folder.glob(f"probs/{path.stem}.probs"), *folder.glob(f"audio/{path.stem}.*")][:1]
        yield recording, path


def _heard(pair, listen):
    """What was found in a recording, and the truth."""
    recording, annotation = pair
    found = listen(recording)
    lower = parse_tsv(annotation, found.duration_s)
    levels = {"md": relabel(lower, found.taxonomy.parents[0]), "mrle": lower}
    return Heard(Detection(found.name, found.duration_s, levels, taxonomy=found.taxonomy), found)


def coverage_table(cases, calibration):
    """How many cases' intervals hold the truth, their mean width, and the mean error; Markdown."""
    yield "| cases | class | 90 % intervals that hold the truth | mean width | mean of truth - found |"
    yield "| --- | --- | --: | --: | --: |"
    groups = {**cases, "all": {f"{g}/{n}": of for g, sets in cases.items() for n, of in sets.items()}}
    for group, sets in groups.items():
        for level, label in (("mrle", "fg-music"), ("mrle", "bg-music"), ("md", "music")):
            spread, held, widths, errors = calibration.spreads[level][label], 0, [], []
            for recordings in sets.values():
                sums = Sums(*np.sum([sums_of(each, level, label) for each in recordings], axis=0))
                low, high = spread.interval(sums.found, sums.of_s, sums.doubt)
                held += low <= sums.true <= high
                widths.append((high - low) / sums.of_s)
                errors.append(sums.error / sums.of_s)
            share = f"{held} of {len(sets)} ({held / len(sets):.0%})"
            shown = f"{60 * np.mean(widths):.1f} min/h | {60 * np.mean(errors):+.1f} min/h"
            yield f"| {group} | {label} | {share} | {shown} |"


def reliability_table(cases, calibration):
    """Mean confidence and right share of events, by confidence, weighted by their length; Markdown."""
    yield "| cases | confidence | events | hours | mean confidence | right |"
    yield "| --- | --- | --: | --: | --: | --: |"
    for group, sets in cases.items():
        rows = np.array(
            [
                (calibration.confidence("mrle", label, mean), right, seconds)
                for recordings in sets.values()
                for each in recordings
                for label in each.found.taxonomy.labels["mrle"]
                for mean, right, seconds in judged(each, "mrle", label)
            ]
        )
        for low, high in zip(EDGES, EDGES[1:]):
            sure, right, seconds = rows[(rows[:, 0] >= low) & (rows[:, 0] < (high if high < 1 else 2))].T
            if len(sure):
                means = (np.average(each, weights=seconds) for each in (sure, right))
                shown = " | ".join(f"{mean:.2f}" for mean in means)
                hours = f"{seconds.sum() / 3600:.1f}"
                yield f"| {group} | {low:g} to {high:g} | {len(sure)} | {hours} | {shown} |"


if __name__ == "__main__":
    main()
