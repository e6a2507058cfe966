"""Fine-tuning of a pretrained model on annotated recordings (paper, section VI: transfer)."""

import json
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from speechbrain import Stage
from speechbrain.nnet.schedulers import StepScheduler
from speechbrain.utils.epoch_loop import EpochCounterWithStopper

from hrin_plugin.adaptation.excerpts import make_dataset, part_entries, rehearsal_entries, repeated
from hrin_plugin.adaptation.parts import Part
from hrin_plugin.features.augmentation import LevelShift
from hrin_plugin.features.cache import FeatureLoader
from hrin_plugin.files import write_atomically
from hrin_plugin.hierarchy.losses import HierarchicalLoss
from hrin_plugin.networks import keep_statistics
from hrin_plugin.pretrained.folder import PretrainedModel
from hrin_plugin.pretrained.rehearsal import Rehearsal
from hrin_plugin.training.brain import HRINBrain
from hrin_plugin.training.checkpoints import AtomicCheckpointer

#: Share of what is rehearsed that tells when to stop, and is not trained on.
HELD_REHEARSAL = 0.25
#: Each epoch has so many steps at least: scores after every few steps would take longer than the steps.
LEAST_STEPS = 16


class AdaptSettings(NamedTuple):
    """How a model is adapted.

    Example
    -------
    >>> AdaptSettings(max_minutes=2.0).batch_size
    8
    """

    lr: float = 0.0002
    lr_decay: float = 0.8  # each epoch
    max_epochs: int = 8
    patience: int = 2  # epochs without a lower loss of what is held out, after which it stops
    max_minutes: float | None = None  # it ends with the epoch in which they are over
    batch_size: int = 8
    excerpt_s: float = 24.576
    level_db: float = 10.0  # largest random gain of an excerpt, either way
    seed: int = 0


class _AdaptationBrain(HRINBrain):
    """Stops when the held-out loss no longer falls, or the time is over."""

    def __init__(self, *args, epochs, end_s, **kwargs):
        super().__init__(*args, **kwargs)
        self.epochs, self.end_s = epochs, end_s

    def on_stage_end(self, stage, stage_loss, epoch=None):
        """Tell the stopper before the checkpoint is written, which holds it."""
        if stage == Stage.VALID:
            self.epochs.update_metric(self.stage_meter.means()["loss"])
            if time.monotonic() > self.end_s:
                self.epochs.should_stop = True
        super().on_stage_end(stage, stage_loss, epoch)


class _TellingLogger:
    """Tells the losses of each epoch, as SpeechBrain's loggers are asked to."""

    def __init__(self, tell):
        self._tell = tell

    def log_stats(self, stats_meta, train_stats=None, valid_stats=None, **_):
        """One line for an epoch."""
        self._tell(
            f"epoch {stats_meta['epoch']}: loss {train_stats['loss']:.3f}, held out {valid_stats['loss']:.3f}"
        )


def adapt(
    model: PretrainedModel,
    train: Sequence[Part],
    held_out: Sequence[Part],
    work_folder: str | Path,
    rehearsal: Rehearsal | None = None,
    settings: AdaptSettings | None = None,
    device: str = "cpu",
    tell: Callable[[str], None] = print,
) -> tuple[float, float]:
    """Fine-tune a model in place, and take its best epoch.

    All weights are trained, but the statistics of the features and of batch normalisation
    stay. Half of each epoch is rehearsal, where there is any. A second call with the same
    folder goes on where the first was interrupted.

    Arguments
    ---------
    model : PretrainedModel
        The model; its network is changed.
    train : sequence of Part
        Parts of annotated recordings to train on.
    held_out : sequence of Part
        Parts that tell which epoch is the best.
    work_folder : str or pathlib.Path
        For features and checkpoints; can be deleted afterwards.
    rehearsal : Rehearsal or None
        Excerpts of the model's own training.
    settings : AdaptSettings or None
        How to train; None for the defaults.
    device : str
        Where to train.
    tell : callable
        Takes a line after each epoch.

    Returns
    -------
    tuple of float
        Loss of what is held out before, and in the best epoch (eq. 24). Where the second is not
        lower, the network is as it was.

    Raises
    ------
    NonFiniteLoss
        If the training diverges.

    Example
    -------
    >>> import numpy as np, soundfile
    >>> from hrin_plugin import HRIN, BandStatistics, LogMel
    >>> from hrin_plugin.adaptation import hold_out
    >>> from hrin_plugin.archive.references import read_references
    >>> folder = getfixture("tmp_path")
    >>> sound = np.random.default_rng(0).normal(0, 0.1, 880000)
    >>> sound[:240000] /= 100
    >>> soundfile.write(folder / "a.wav", sound, 8000)
    >>> _ = (folder / "a.tsv").write_text("0\\t30\\tfg-music\\n30\\t110\\tno-music\\n")
    >>> parts = hold_out(read_references(folder), 0.25)
    >>> _ = torch.manual_seed(0)
    >>> network = HRIN(hidden_size=4, num_layers=1).eval()
    >>> model = PretrainedModel(LogMel(hop_length=512, n_fft=1024), BandStatistics(128), network)
    >>> settings = AdaptSettings(max_epochs=1, lr=0.01)
    >>> before, after = adapt(model, *parts, folder / "work", settings=settings, tell=lambda line: None)
    >>> after < before
    True
    """
    begin_s = time.monotonic()
    settings = settings or AdaptSettings()
    features, statistics, network = model
    taxonomy, grid = network.taxonomy, features.grid
    work_folder = Path(work_folder)
    work_folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(settings.seed)
    known = {name: weight.clone() for name, weight in network.state_dict().items()}
    frames_of = _frames_of(features, [*train, *held_out], work_folder)
    datasets = [
        make_dataset(entries, frames_of, taxonomy, grid)
        for entries in _entries(train, held_out, rehearsal, frames_of, settings, taxonomy, grid)
    ]
    keep_statistics(network)
    epochs = EpochCounterWithStopper(settings.max_epochs, settings.patience, 0, "min")
    brain = _AdaptationBrain(
        {"model": network, "statistics": statistics},
        partial(torch.optim.AdamW, lr=settings.lr, weight_decay=0.01),
        run_opts={"device": device, "max_grad_norm": 5.0, "ckpt_interval_minutes": 1},
        checkpointer=AtomicCheckpointer(work_folder / "save", {"model": network, "epochs": epochs}),
        objective=HierarchicalLoss(taxonomy=taxonomy),
        grid=grid,
        lr_annealing=StepScheduler(settings.lr, settings.lr_decay, 1),
        train_logger=_TellingLogger(tell),
        fea_augment=LevelShift(-settings.level_db, settings.level_db) if _absolute(features) else None,
        epochs=epochs,
        end_s=begin_s + 60 * settings.max_minutes if settings.max_minutes else float("inf"),
    )
    options = {"batch_size": settings.batch_size}
    before = _loss_before(brain, datasets[1], options, work_folder / "before.json")
    tell(f"before: held out {before:.3f}")
    brain.fit(
        epochs,
        *datasets,
        train_loader_kwargs={**options, "shuffle": True},
        valid_loader_kwargs=options,
    )
    best = brain.checkpointer.recover_if_possible(min_key="loss")
    network.cpu().eval()
    statistics.cpu()
    after = best.meta["loss"]
    if after >= before:
        network.load_state_dict(known)
    return before, after


def _absolute(features):
    """Whether a level is part of the features: decibels relative to a fixed power."""
    return features.reference != "max"


def _frames_of(features, parts, work_folder):
    """Log-mel frames of each recording by its path, in half precision."""
    load = FeatureLoader(features, work_folder / "features", "float16")
    paths = sorted({part.reference.path for part in parts})
    load.fill(paths)
    return {path: load(path).half() for path in paths}


def _entries(train, held_out, rehearsal, frames_of, settings, taxonomy, grid):
    """Entries to train on, and held out; what is rehearsed is added to both, and its frames."""
    wanted = LEAST_STEPS * settings.batch_size
    new = part_entries(train, settings.excerpt_s, grid)
    judged = part_entries(held_out, settings.excerpt_s, grid)
    if rehearsal is None:
        return repeated(new, wanted), judged
    frames_of |= dict(enumerate(rehearsal.frames))
    old = list(rehearsal_entries(rehearsal, taxonomy, grid).items())
    # Their order says nothing: neighbours have nothing in common.
    n_held = round(HELD_REHEARSAL * len(old))
    half = max(len(new), wanted // 2)
    return (
        repeated(new, half) | repeated(dict(old[n_held:]), half),
        judged | dict(old[:n_held]),
    )


def _loss_before(brain, dataset, options, path):
    """Loss of what is held out before any step; kept, for a training that goes on."""
    if not path.is_file():
        brain.modules.eval()
        with torch.no_grad():
            loader = brain.make_dataloader(dataset, Stage.TEST, ckpt_prefix=None, **options)
            brain.on_stage_start(Stage.TEST)
            for batch in loader:
                brain.compute_objectives(brain.compute_forward(batch, Stage.TEST), batch, Stage.TEST)
        write_atomically(path, json.dumps(brain.stage_meter.means()["loss"]) + "\n")
    return json.loads(path.read_text(encoding="utf-8"))
