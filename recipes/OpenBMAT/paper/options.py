"""The command line of ``experiments.py``, and what starts the runs."""

import argparse
from pathlib import Path

from hrin_plugin.training.commands import LocalEngine, visible_gpus
from hrin_plugin.training.openbmat import MINIATURE
from paper.cluster import KINDS, ClusterEngine, parse_options
from paper.gpus import find_sharing

#: Options of train.py that follow from the plan.
OF_THE_PLAN = ("fold", "seed", "data_folder", "results_folder", "output_folder")


def parse_arguments(argv):
    """Words of the command line.

    Arguments
    ---------
    argv : sequence of str
        The words; those after ``--`` are for train.py.

    Returns
    -------
    argparse.Namespace
        The options, and ``overrides``, the words for train.py.

    Raises
    ------
    ValueError
        If an override is the plan's business.

    Example
    -------
    >>> options = parse_arguments(["--tables", "V", "--", "--number_of_epochs=1"])
    >>> options.tables, options.folds, options.overrides
    ('V', None, ['--number_of_epochs=1'])
    """
    parser = argparse.ArgumentParser(
        description="Runs any selection of experiments, folds and seeds; the same command goes on where "
        "it was stopped. Without --tables and --experiments: all experiments of all tables. "
        "What follows -- goes to train.py: -- --precision=bf16"
    )
    add = parser.add_argument
    add("--tables", metavar="I,II", help="experiments of these tables of the paper")
    add("--experiments", metavar="NAME,NAME", help="these experiments, files of hparams without .yaml")
    add(
        "--folds", metavar="0-9", help="test folds (default: all, ten or as many as there are own recordings)"
    )
    add("--seeds", default="0", help="seeds (default: %(default)s)")
    add(
        "--data_folder",
        help="OpenBMAT's folder, a zip file of it, or a folder of own annotated recordings; without it, a "
        "synthetic set with results of its own",
    )
    add("--results_folder", default="results", help="where everything goes (default: %(default)s)")
    add(
        "--jobs",
        type=int,
        metavar="N",
        help="runs side by side (default: what suits the GPUs; 1 without one; on a cluster all)",
    )
    add(
        "--measured",
        metavar="FILE",
        help="rows of benchmarks/gpu.py --json: how many runs a GPU takes at once",
    )
    add("--gpus", metavar="0,1", help="GPUs to use, in turn (default: all that are visible)")
    add("--cluster", choices=KINDS, help="submit each run as a job, with submitit")
    add(
        "--cluster_option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter of the jobs, such as slurm_partition=gpu; may be given again",
    )
    add("--dry_run", action="store_true", help="say what is done and how long the rest takes, and stop")
    add("--no_measure", action="store_true", help="estimate from finished runs only")
    add("--fresh", action="store_true", help="set runs of other settings aside, and do them again")
    words = list(argv)
    own, overrides = words, []
    if "--" in words:
        own, overrides = words[: words.index("--")], words[words.index("--") + 1 :]
    options = parser.parse_args(own)
    for word in overrides:
        name = word.partition("=")[0].removeprefix("--")
        if word.startswith("--") and name in OF_THE_PLAN:
            raise ValueError(f"{word}: the plan sets --{name}; give its own options before the --")
    if options.jobs is not None and options.jobs < 1:
        raise ValueError(f"--jobs {options.jobs}: use 1 or more")
    options.overrides = overrides
    if not options.data_folder:
        # Synthetic data have results of their own, as with train.py.
        options.results_folder = str(Path(options.results_folder) / MINIATURE)
    return options


def make_engine(options, n_runs):
    """What starts the runs, and how many go on side by side.

    Arguments
    ---------
    options : argparse.Namespace
        As :func:`parse_arguments` gives them.
    n_runs : int
        Runs that are to be done.

    Returns
    -------
    LocalEngine or ClusterEngine
        The engine.
    int
        How many runs side by side.
    Sharing
        How they share this machine's GPUs.

    Raises
    ------
    ValueError
        If the cluster cannot be used, or ``--measured`` tells nothing.
    """
    if options.cluster:
        folder = Path(options.results_folder).absolute() / "jobs"
        engine = ClusterEngine(options.cluster, folder, parse_options(options.cluster_option))
        return engine, options.jobs or max(1, n_runs), find_sharing([])
    if options.cluster_option:
        raise ValueError("--cluster_option needs --cluster")
    gpus = options.gpus.split(",") if options.gpus else visible_gpus()
    on_cpu = "--device=cpu" in options.overrides
    sharing = find_sharing([] if on_cpu else gpus, options.measured)
    jobs = options.jobs or sharing.jobs
    return LocalEngine(jobs, gpus), jobs, sharing
