"""Dry runs: a few real steps of each experiment, in processes of their own."""

import json
import sys
import tempfile
from pathlib import Path

from tqdm import tqdm

from hrin_plugin.training.folder import last_lines
from hrin_plugin.training.processes import wait_for
from paper.options import training_arguments

SCRIPT = Path(__file__).parents[1] / "measure_speed.py"


def measure_unknown(runs, estimator, engine, options):
    """Measure a few steps of each experiment of which no speed is known, side by side as the runs will be.

    Arguments
    ---------
    runs : sequence of Run
        What is to be done.
    estimator : Estimator
        Is told the figures.
    engine : LocalEngine or ClusterEngine
        Starts the measurements.
    options : argparse.Namespace
        As :func:`parse_arguments` gives them.
    """
    copies = 1 if options.cluster else min(estimator.jobs, len(runs))
    with tempfile.TemporaryDirectory(prefix=".measure-", dir=options.results_folder) as folder:
        for run in tqdm(estimator.unknown(runs), "measuring", unit="experiment"):
            targets = [Path(folder) / f"{run.experiment}-{copy}.json" for copy in range(copies)]
            jobs = [
                engine.start(
                    [sys.executable, SCRIPT, target, *training_arguments(run, options)],
                    target.with_suffix(".log"),
                    slot,
                )
                for slot, target in enumerate(targets)
            ]
            wait_for(jobs)
            figures = [json.loads(target.read_text()) for target in targets if target.exists()]
            if len(figures) < copies:
                failed = next(target for target in targets if not target.exists())
                lines = "\n    ".join(last_lines(failed.with_suffix(".log")))
                tqdm.write(f"{run.experiment} could not be measured:\n    {lines}", file=sys.stderr)
                continue
            mean = {
                name: sum(each[name] for each in figures) / copies if name != "device" else value
                for name, value in figures[0].items()
            }
            estimator.note(run, mean | {"side_by_side": copies})
