"""Common parts of all recipes: command line, data sets and error messages."""

import contextlib
import logging
import os
import sys

import speechbrain as sb
from hyperpyyaml import load_hyperpyyaml
from speechbrain.dataio.dataset import DynamicItemDataset
from speechbrain.utils.distributed import ddp_init_group, if_main_process, run_on_main
from speechbrain.utils.logger import get_logger
from tqdm import tqdm

from hrin_plugin.events import Event, events_to_frames
from hrin_plugin.networks.contract import check_network
from hrin_plugin.networks.cpu_memory import keep_freed_memory
from hrin_plugin.networks.devices import check_device
from hrin_plugin.pretrained.hub import check_hub
from hrin_plugin.training.brain import NonFiniteLoss
from hrin_plugin.training.checkpoints import CheckpointsUnusable
from hrin_plugin.training.folder import claim_folder
from hrin_plugin.training.lock import RunRefused, alone
from hrin_plugin.training.running import (
    debug_folder,
    own_results,
    refusing,
    signals_raised_as_exit,
    unpack_data,
)
from hrin_plugin.training.settings import resolve_settings

logger = get_logger(__name__)


def run_recipe(argv, script, train_and_test, **options):
    """Lock the run's folder from the command line, then train and test there.

    Arguments
    ---------
    argv : list of str
        Words of the command line.
    script : str
        The recipe's ``train.py``; hyperparameter files are looked up beside it too.
    train_and_test : callable
        Called with the hyperparameter file, the run options and the overrides.
    **options
        As :func:`hrin_plugin.training.settings.resolve_settings` takes them.

    Example
    -------
    >>> run_recipe(["hparams/none.yaml"], "recipes/OpenBMAT/train.py", print)
    Traceback (most recent call last):
        ...
    SystemExit: hparams/none.yaml is found neither here (...) nor beside train.py; see ...
    """
    hparams_file, run_opts, overrides = sb.parse_arguments(argv)
    hparams_file = find_hparams(hparams_file, script)
    keep_freed_memory()
    with refusing(ValueError):
        precisions = ("fp16",) if run_opts.auto_mix_prec else (run_opts.precision, run_opts.eval_precision)
        check_device(run_opts.device, *precisions)
    ddp_init_group(run_opts)
    # A log that cannot be written is no reason for a page of text on the terminal.
    logging.raiseExceptions = False
    with signals_raised_as_exit(), contextlib.ExitStack() as stack:
        with refusing(ValueError):
            data_key = options.get("data_key", "data_folder")
            overrides = own_results(hparams_file, overrides, data_key)
            with refusing(OSError):
                overrides = unpack_data(hparams_file, overrides, data_key)
            if run_opts.debug and not run_opts.debug_persistently:
                overrides = stack.enter_context(debug_folder(hparams_file, overrides))
            settings = resolve_settings(hparams_file, run_opts, overrides, **options)
            if settings.get("hub") is not None:
                check_hub(settings["hub"])
        with refusing(
            RunRefused, CheckpointsUnusable, NonFiniteLoss, OSError, folder=settings["output_folder"]
        ):
            run_on_main(stack.enter_context, args=[claim_folder(settings)])
            train_and_test(hparams_file, run_opts, overrides)


def find_hparams(path, script):
    """Find a hyperparameter file in the working folder, or beside a script."""
    if os.path.exists(path):
        return path
    folder = os.path.dirname(os.path.abspath(script))
    beside = os.path.join(folder, path)
    if os.path.exists(beside):
        return beside
    sys.exit(
        f"{path} is found neither here ({os.getcwd()}) nor beside train.py; "
        f"see recipes/{os.path.basename(folder)}/hparams"
    )


def load_hparams(hparams_file, overrides):
    """Load a hyperparameter file; exits if its network breaks the contract.

    Arguments
    ---------
    hparams_file : str
        The YAML file. ``model``, ``features`` and ``objective`` are among its entries.
    overrides : str
        Entries that the command line changes, as YAML.

    Returns
    -------
    dict
        The entries.

    Example
    -------
    >>> path = getfixture("tmp_path") / "linear.yaml"
    >>> _ = path.write_text(
    ...     "model: !new:torch.nn.Linear [128, 3]\\n"
    ...     "features: !new:hrin_plugin.LogMel\\n"
    ...     "objective: !new:hrin_plugin.HierarchicalLoss\\n"
    ... )
    >>> load_hparams(path, "")
    Traceback (most recent call last):
        ...
    SystemExit: the network torch.nn.modules.linear.Linear has no attribute 'taxonomy'; ...
    """
    with open(hparams_file, encoding="utf-8") as file, refusing(ValueError, ImportError):
        hparams = load_hyperpyyaml(file, overrides)
    with refusing(ValueError):
        check_network(hparams["model"], hparams["features"].n_mels, hparams["objective"].taxonomy)
    return hparams


def make_datasets(entries, sound, load_features, taxonomy):
    """Data sets of frames and their classes on both levels.

    Arguments
    ---------
    entries : dict of str to dict
        Split to its manifest's entries: ``duration``, ``md`` and ``mrle`` (rows of onset, offset
        and label), and the sound.
    sound : str
        Key of the audio file in an entry.
    load_features : FeatureLoader
        Computes them.
    taxonomy : Taxonomy
        Labels of ``md`` and ``mrle``.

    Returns
    -------
    dict of str to DynamicItemDataset
        Split to data set, as :class:`hrin_plugin.training.brain.HRINBrain` takes it.

    Example
    -------
    >>> from hrin_plugin import MUSIC_LOUDNESS, FeatureLoader, LogMel
    >>> entries = {"test": {"a": {"wav": "a.wav", "duration": 9.0, "md": [], "mrle": []}}}
    >>> datasets = make_datasets(entries, "wav", FeatureLoader(LogMel()), MUSIC_LOUDNESS)
    >>> sounds(datasets["test"], "wav")
    ['a.wav']
    """
    grid = load_features.features.grid

    @sb.utils.data_pipeline.takes(sound, "md", "mrle")
    @sb.utils.data_pipeline.provides("frames", "md_frames", "mrle_frames")
    def frames_pipeline(heard, md, mrle):
        """Features and the class of each frame on both levels."""
        frames = load_features(heard)
        yield frames
        for rows, labels in zip((md, mrle), taxonomy.levels):
            events = [Event(onset_s, offset_s, label) for onset_s, offset_s, label in rows]
            yield events_to_frames(events, labels, grid, len(frames))

    return {
        split: DynamicItemDataset(
            rows,
            dynamic_items=[frames_pipeline],
            output_keys=["id", "duration", "frames", "md_frames", "mrle_frames", "md", "mrle"],
        )
        for split, rows in entries.items()
    }


def sounds(dataset, sound):
    """The audio files of a data set, in order.

    Arguments
    ---------
    dataset : DynamicItemDataset
        From :func:`make_datasets`.
    sound : str
        The same key as there.

    Returns
    -------
    list
        One for each recording.
    """
    return [dataset.data[name][sound] for name in dataset.data_ids]


def check_recordings(datasets, sound, load_features, folder, skip_bad_files):
    """Decode every recording and fill the cache, before anything is trained.

    Arguments
    ---------
    datasets : dict of str to DynamicItemDataset
        From :func:`make_datasets`.
    sound : str
        The same key as there.
    load_features : FeatureLoader
        Computes the features.
    folder : str
        Locked while the cache is filled.
    skip_bad_files : bool
        Whether to leave out what cannot be decoded instead of raising.

    Returns
    -------
    dict of str to DynamicItemDataset
        The data sets, without what cannot be decoded.

    Raises
    ------
    ValueError
        With every fault, or if nothing is left of a data set.
    """
    names = [(split, name) for split, dataset in datasets.items() for name in dataset.data_ids]
    heard = [datasets[split].data[name][sound] for split, name in names]
    faults = run_on_main(alone, args=[folder, load_features.examine, heard])
    text = "\n".join(dict.fromkeys(faults.values()))
    if faults and not skip_bad_files:
        raise ValueError(f"{text}\n--skip_bad_files=True leaves out what cannot be decoded")
    if not faults:
        return datasets
    logger.warning("left out %d of %d, which cannot be decoded:\n%s", len(faults), len(names), text)
    bad = {names[index] for index in faults}
    kept = {}
    for split, dataset in datasets.items():
        whole = {name for name in dataset.data_ids if (split, name) not in bad}
        if not whole:
            raise ValueError(f"nothing is left of the {split} split:\n{text}")
        kept[split] = dataset.filtered_sorted(key_test={"id": whole.__contains__})
    return kept


def fit_statistics(statistics, load_features, heard):
    """Compute the band statistics, with a progress bar.

    Arguments
    ---------
    statistics : BandStatistics
        Changed in place.
    load_features : FeatureLoader
        Computes the features.
    heard : list
        Files from :func:`sounds`.
    """
    progress = tqdm(heard, "statistics", disable=not if_main_process())
    statistics.fit(load_features(each) for each in progress)
