"""HRINBrain: SpeechBrain's training loop for a network with two levels."""

import math
from collections.abc import Callable, Iterable, Mapping

import torch
from speechbrain import Brain, Stage
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.nnet.schedulers import update_learning_rate
from speechbrain.utils.distributed import is_distributed_initialized, run_on_main
from speechbrain.utils.logger import get_logger
from speechbrain.utils.train_logger import TrainLogger
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, Dataset

from hrin_plugin.events import Event
from hrin_plugin.hierarchy.levels import monotone_sigmoid
from hrin_plugin.hierarchy.losses import HierarchicalLoss, LevelLoss
from hrin_plugin.metrics.scores import fast_scores
from hrin_plugin.networks.hrin import HRINOutput
from hrin_plugin.networks.padding import frame_counts, frame_mask
from hrin_plugin.timing import FrameGrid
from hrin_plugin.training.checkpoints import CarriedStatesRecoverable, RandomStates
from hrin_plugin.training.loggers import keep_epochs
from hrin_plugin.training.meter import LossMeter, NonFiniteLoss
from hrin_plugin.training.results import TASKS, Prediction, score
from hrin_plugin.training.stopping import Stopped, StopRequest, signals_noted

logger = get_logger(__name__)


class HRINBrain(Brain):
    """Trains, validates and tests a network that gives logits of both levels.

    ``modules`` must hold ``model`` (frames and relative lengths in, logits of each
    level out) and ``statistics`` (:class:`hrin_plugin.features.logmel.BandStatistics`).
    Batches must have ``id``, ``duration``, ``frames``, ``md_frames`` and ``mrle_frames`` (class
    indices), ``md`` and ``mrle`` (reference events as lists of onset, offset, label).

    Arguments
    ---------
    *args
        As for ``speechbrain.Brain``.
    objective : HierarchicalLoss or LevelLoss
        The objective; its taxonomy names the classes.
    grid : FrameGrid
        Sample rate and hop of the frames.
    lr_annealing : callable
        A SpeechBrain scheduler: takes the epoch (from 0), returns the current and the next learning rate.
    train_logger : speechbrain.utils.train_logger.TrainLogger
        Receives the figures of every epoch.
    fea_augment : callable or None
        Changes the frames of a training batch, ``[batch, frame, band]``, before they are normalised.
    overlay : callable or None
        Mixture augmentation of the frames before that; its second argument is the mask of
        frames without music, ``[batch, frame]``.
    **kwargs
        As for ``speechbrain.Brain``.

    Example
    -------
    >>> from hrin_plugin import BandStatistics, FrameGrid, HierarchicalLoss, HRIN
    >>> modules = {"model": HRIN(hidden_size=4, num_layers=1), "statistics": BandStatistics(128)}
    >>> brain = HRINBrain(
    ...     modules, run_opts={"device": "cpu"}, objective=HierarchicalLoss(), grid=FrameGrid(),
    ...     lr_annealing=None, train_logger=None,
    ... )
    >>> brain.taxonomy.sizes
    (2, 3)
    """

    def __init__(
        self,
        *args,
        objective: HierarchicalLoss | LevelLoss,
        grid: FrameGrid,
        lr_annealing: Callable[[int], tuple[float, float]],
        train_logger: TrainLogger,
        fea_augment: Callable[[torch.Tensor], torch.Tensor] | None = None,
        overlay: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None = None,
        **kwargs,
    ):
        super().__init__(*args, **kwargs)
        self.objective, self.taxonomy, self.grid = objective, objective.taxonomy, grid
        self.lr_annealing, self.train_logger = lr_annealing, train_logger
        self.fea_augment, self.overlay = fea_augment, overlay
        self.train_meter, self.stage_meter = LossMeter(), LossMeter()
        self.predictions = []
        # The present batch's, once the CPU knows it; and how many of this epoch were not finite.
        self.known_loss, self.nonfinite_count = None, 0
        self._epochs, self._request = None, StopRequest()
        # SpeechBrain documents -1 as "no clipping", but would reverse the gradient.
        if self.max_grad_norm <= 0:
            self.max_grad_norm = math.inf
        if self.checkpointer is not None:
            self.checkpointer.add_recoverable("random_states", RandomStates())
            self.checkpointer.add_recoverable("train_meter", self.train_meter)
            carrying = [unit for unit in self.modules.modules() if getattr(unit, "carries", False)]
            if carrying:
                self.checkpointer.add_recoverable("carried_states", CarriedStatesRecoverable(carrying))

    def compute_forward(self, batch: PaddedBatch, stage: Stage) -> HRINOutput:
        """Logits of both levels.

        Arguments
        ---------
        batch : PaddedBatch
            Recordings.
        stage : Stage
            Training, validation or test.

        Returns
        -------
        HRINOutput
            ``[batch, frame, class]`` for each level.
        """
        _move(batch, self.device)
        frames, lens = batch.frames
        if stage == Stage.TRAIN and self.overlay is not None:
            frames = self.overlay(frames, self._no_music(batch))
        if stage == Stage.TRAIN and self.fea_augment is not None:
            frames = self.fea_augment(frames)
        return self.modules.model(self.modules.statistics(frames), lens)

    def compute_objectives(self, predictions: HRINOutput, batch: PaddedBatch, stage: Stage) -> torch.Tensor:
        """The objective of a batch; its terms are added to the stage's meter.

        Arguments
        ---------
        predictions : HRINOutput
            Logits.
        batch : PaddedBatch
            Recordings.
        stage : Stage
            Training, validation or test.

        Returns
        -------
        torch.Tensor
            Eq. (24), a scalar.

        Raises
        ------
        NonFiniteLoss
            If the objective is not finite, before any weight changes. A gradient scaler (fp16)
            skips such training batches, up to ``nonfinite_patience`` times an epoch.
        ValueError
            If the targets contradict the taxonomy.
        """
        frames, lens = batch.frames
        mask = frame_mask(frames, lens)
        targets = batch.md_frames.data, batch.mrle_frames.data
        loss = self.objective(predictions, targets, mask, wait=False)
        names = ["loss", *loss.terms]
        # The one wait for the device in a training batch.
        values = torch.stack([loss.total, *loss.terms.values()]).detach().cpu().double().tolist()
        values = dict(zip(names, values))
        self.known_loss = values["loss"]
        if math.isfinite(values["loss"]):
            n_frames = int(frame_counts(frames.shape[1], lens).sum())
            (self.train_meter if stage == Stage.TRAIN else self.stage_meter).add(values, n_frames)
        else:
            self.objective(predictions, targets, mask)  # says where, if the targets are at fault
            self._look_at_overflow(stage, batch, values)
        if stage != Stage.TRAIN:
            self.predictions += self._collect(predictions, batch)
        return loss.total

    def _look_at_overflow(self, stage, batch, values):
        """Raise NonFiniteLoss, unless the gradient scaler will skip the batch."""
        scaled = stage == Stage.TRAIN and self.scaler.is_enabled()
        if not scaled or self.nonfinite_count >= self.nonfinite_patience:
            raise NonFiniteLoss(stage.name.lower(), batch.id, values)
        self.nonfinite_count += 1
        logger.warning("a batch overflows in half precision and is left out: %s", ", ".join(batch.id))

    def fit_batch(self, batch: PaddedBatch) -> torch.Tensor:
        """A training step like SpeechBrain's, with one device synchronisation.

        Arguments
        ---------
        batch : PaddedBatch
            Recordings.

        Returns
        -------
        torch.Tensor
            The objective, a scalar on the CPU.
        """
        should_step = self.step % self.grad_accumulation_factor == 0
        self.on_fit_batch_start(batch, should_step)
        self.known_loss = None
        with self.no_sync(not should_step):
            with self.training_ctx:
                outputs = self.compute_forward(batch, Stage.TRAIN)
                loss = self.compute_objectives(outputs, batch, Stage.TRAIN)
            scaled_loss = self.scaler.scale(loss / self.grad_accumulation_factor)
            if self.known_loss is None:  # a subclass has an objective of its own
                self.check_loss_isfinite(scaled_loss)
            scaled_loss.backward()
        if should_step:
            self.optimizers_step()
        self.on_fit_batch_end(batch, outputs, loss, should_step)
        return loss.detach().cpu() if self.known_loss is None else torch.tensor(self.known_loss)

    def _no_music(self, batch):
        """Mask of frames without music, ``[batch, frame]``; False at padding."""
        no_music = batch.md_frames.data == self.taxonomy.levels[0].index("no-music")
        mask = frame_mask(*batch.frames)
        return no_music if mask is None else no_music & mask

    def _collect(self, logits, batch):
        """Predictions of a batch's recordings, without the padding."""
        frames, lens = batch.frames
        counts = frame_counts(frames.shape[1], lens).long().tolist()
        probs = [monotone_sigmoid(level) for level in logits]
        return [
            Prediction(
                name,
                duration_s,
                tuple(
                    [Event(onset_s, offset_s, label) for onset_s, offset_s, label in rows] for rows in events
                ),
                tuple(level[index, :count] for level in probs),
            )
            for index, (name, duration_s, count, *events) in enumerate(
                zip(batch.id, batch.duration.tolist(), counts, *(getattr(batch, task) for task in TASKS))
            )
        ]

    def on_stage_start(self, stage: Stage, epoch: int | None = None) -> None:
        """Reset the predictions of the last validation or test."""
        if stage != Stage.TRAIN:
            self.stage_meter.reset()
            self.predictions = []

    def fit(self, epoch_counter: Iterable[int], *args, **kwargs) -> None:
        """Train as SpeechBrain does, and end well when a signal asks for it.

        SIGTERM or Ctrl-C lets the batch be finished and a checkpoint be saved.

        Arguments
        ---------
        epoch_counter : iterable of int
            Counts epochs from 1.
        *args, **kwargs
            As for ``speechbrain.Brain.fit``.

        Raises
        ------
        Stopped
            After the checkpoint is saved.
        """
        self._epochs = epoch_counter
        with signals_noted() as self._request:
            super().fit(epoch_counter, *args, **kwargs)
        self._stop_if_asked()

    def on_fit_start(self) -> None:
        """Go on from the newest checkpoint, in the log too."""
        super().on_fit_start()
        n_done = getattr(self._epochs, "current", 0)
        if hasattr(self.train_logger, "resume"):
            self.train_logger.resume(n_done)
        elif hasattr(self.train_logger, "save_file"):  # SpeechBrain's own
            run_on_main(keep_epochs, args=[self.train_logger.save_file, n_done])

    def evaluate_batch(self, batch: PaddedBatch, stage: Stage) -> torch.Tensor:
        """Evaluate one batch; stops after it when a signal has asked for it.

        Arguments
        ---------
        batch : PaddedBatch
            Recordings.
        stage : Stage
            Validation or test.

        Returns
        -------
        torch.Tensor
            The objective, a scalar on the CPU.
        """
        loss = super().evaluate_batch(batch, stage)
        if stage == Stage.VALID and self._asked_to_stop():
            # The training part of the epoch is over, and is not done again.
            self._save_intra_epoch_ckpt()
        return loss

    def _should_save_intra_epoch_ckpt(self, *args):
        return self._asked_to_stop() or super()._should_save_intra_epoch_ckpt(*args)

    def _best_loss(self):
        """The lowest validation loss that any checkpoint knows of."""
        metas = [checkpoint.meta for checkpoint in self.checkpointer.list_checkpoints()]
        return min((meta.get("best_loss", meta.get("loss", math.inf)) for meta in metas), default=math.inf)

    def _asked_to_stop(self):
        """The signal that asks for an end, in whichever process it came; 0 if none did."""
        asked = self._request.number
        if is_distributed_initialized():
            number = torch.tensor([asked], device=self.device)
            torch.distributed.all_reduce(number, torch.distributed.ReduceOp.MAX)
            self._request.number = asked = int(number)
        return asked

    def _stop_if_asked(self):
        if self._request.number:
            raise Stopped(self._request.number)

    def on_stage_end(self, stage: Stage, stage_loss: float, epoch: int | None = None) -> None:
        """After validation: log the epoch, lower the learning rate, save a checkpoint.

        Arguments
        ---------
        stage : Stage
            Training, validation or test.
        stage_loss : float
            SpeechBrain's mean over batches; not used, since the last batch may be smaller.
        epoch : int or None
            Number of the epoch, from 1.
        """
        if stage != Stage.VALID:
            return
        valid_stats = self.stage_meter.means()
        scores = score(self.predictions, self.taxonomy, self.grid, fast_scores)
        for task in TASKS:
            valid_stats[f"{task} accuracy"] = scores[task]["segment"]["accuracy"]
            valid_stats[f"{task} event F"] = scores[task]["event"]["500ms_onset"]["macro_f_measure"]
        rate, next_rate = self.lr_annealing(epoch - 1)
        update_learning_rate(self.optimizer, next_rate)
        self.train_logger.log_stats(
            {"epoch": epoch, "lr": rate}, train_stats=self.train_meter.means(), valid_stats=valid_stats
        )
        # Before saving, so that the epoch after the checkpoint begins at zero.
        self.train_meter.reset()
        if self.checkpointer is not None:
            loss = valid_stats["loss"]
            meta = {"loss": loss, "best_loss": min(loss, self._best_loss()), "epoch": epoch}
            # Two of each, so that there is one to fall back to.
            self.checkpointer.save_and_keep_only(meta=meta, min_keys=["loss"], num_to_keep=2)
        if self._asked_to_stop():
            self._stop_if_asked()

    def test(self, dataset: Dataset, loader_kwargs: Mapping) -> list[Prediction]:
        """Predictions of the model with the lowest validation loss.

        Arguments
        ---------
        dataset : DynamicItemDataset
            The test set.
        loader_kwargs : dict
            Options of the loader.

        Returns
        -------
        list of Prediction
            One for each recording.
        """
        best = self.checkpointer and self.checkpointer.find_checkpoint(min_key="loss")
        if best and best.meta["loss"] > self._best_loss():
            logger.warning(
                "The checkpoint with the lowest validation loss is damaged or gone: "
                "the scores are of the best that is left, of epoch %s",
                best.meta.get("epoch"),
            )
        self.evaluate(dataset, min_key="loss", test_loader_kwargs=dict(loader_kwargs))
        return self.predictions

    def make_dataloader(
        self, dataset: Dataset, stage: Stage, ckpt_prefix: str | None = "dataloader-", **loader_kwargs
    ) -> DataLoader:
        """A loader with its own random generator, so that it changes no global random state.

        Arguments
        ---------
        dataset : Dataset
            The recordings.
        stage : Stage
            Training, validation or test.
        ckpt_prefix : str or None
            As in ``speechbrain.Brain.make_dataloader``.
        **loader_kwargs
            Options of the loader.

        Returns
        -------
        DataLoader
            The loader.
        """
        loader_kwargs.setdefault("generator", torch.Generator())
        return super().make_dataloader(dataset, stage, ckpt_prefix, **loader_kwargs)

    def _save_intra_epoch_ckpt(self):
        # A step can spoil the weights although the loss before it was finite; the next loss tells, too late.
        finite = all(bool(torch.isfinite(weight).all()) for weight in self.modules.parameters())
        if finite and self.checkpointer is not None:
            super()._save_intra_epoch_ckpt()
        self._stop_if_asked()

    def _wrap_distributed(self):
        # Synchronised batch normalisation, which SpeechBrain puts in, does not exist on a CPU.
        if not (self.distributed_launch and self.device == "cpu"):
            super()._wrap_distributed()
            return
        for name, module in self.modules.items():
            if any(weight.requires_grad for weight in module.parameters()):
                self.modules[name] = DistributedDataParallel(module)


def _move(batch, device):
    """Move frames and targets to a device; lengths stay on the CPU to avoid synchronisation."""
    for name in ("frames", "md_frames", "mrle_frames"):
        padded = getattr(batch, name)
        setattr(batch, name, padded._replace(data=padded.data.to(device, non_blocking=True)))
