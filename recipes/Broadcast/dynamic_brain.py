"""The training loop around mixes that are made anew for every step. Wiring, and nothing else."""

import json
import math
import time
from typing import NamedTuple

import numpy as np
import torch
from speechbrain import Brain, Stage
from speechbrain.utils.checkpoints import mark_as_loader, mark_as_saver, register_checkpoint_hooks
from speechbrain.utils.logger import get_logger
from torch.utils.data import DataLoader, Dataset

from hrin_plugin.mixing.dynamic_plan import BatchStyle
from hrin_plugin.training.checkpoints import CarriedStatesRecoverable, RandomStates
from hrin_plugin.training.stopping import Stopped, signals_noted

logger = get_logger(__name__)

#: Stream of random numbers from which lengths of excerpts are drawn, apart from those of the plans.
_LENGTH_STREAM = 7
#: Number of the first plan that statistics of the features are taken of; no step is that late.
_STATISTICS_STEP = 10**9


class Length(NamedTuple):
    """Excerpts of one length: in seconds, how many are a batch, and how often they come.

    Example
    -------
    >>> Length(24.576, 128, 0.5).n_excerpts
    128
    """

    seconds: float
    n_excerpts: int
    share: float


class Plans(Dataset):
    """The plan of each step, for a loader's processes to draw ahead.

    Steps of one length follow each other, a few at a time: the recurrent units carry
    their states from one to the next.

    Arguments
    ---------
    planner : hrin_plugin.mixing.dynamic_plan.Planner
        Draws the plans.
    lengths : sequence of Length
        What a batch may be.
    seed : int
        Seed of the order of lengths.
    steps_together : int
        How many steps have the same length.

    Example
    -------
    >>> plans = Plans(None, [Length(12.288, 4, 0.5), Length(24.576, 2, 0.5)], seed=0, steps_together=4)
    >>> plans.length(4) == plans.length(7)
    True
    """

    def __init__(self, planner, lengths, seed, steps_together):
        self._planner, self._seed, self._steps_together = planner, seed, steps_together
        self.lengths = [Length(*length) for length in lengths]

    def length(self, step):
        """The length of a step's excerpts."""
        rng = np.random.default_rng([self._seed, _LENGTH_STREAM, step // self._steps_together])
        shares = np.array([length.share for length in self.lengths])
        return self.lengths[rng.choice(len(shares), p=shares / shares.sum())]

    def __getitem__(self, step):
        length = self.length(step)
        return self._planner.draw(step, BatchStyle(length.seconds, length.n_excerpts))


@register_checkpoint_hooks
class StepProgress:
    """How far a training is: steps taken and seconds spent; part of a checkpoint.

    Arguments
    ---------
    number_of_steps : int
        Steps of the whole training; with 0 there is none.
    max_minutes : float or None
        Wall-clock time after which it ends, if that comes before.
    warmup_steps : int
        Steps in which the learning rate rises.

    Example
    -------
    >>> progress = StepProgress(100, None, 10)
    >>> progress.step = 4
    >>> round(progress.rate(1.0), 3), progress.done
    (0.498, False)
    """

    def __init__(self, number_of_steps, max_minutes, warmup_steps):
        self.number_of_steps, self.max_minutes, self.warmup_steps = number_of_steps, max_minutes, warmup_steps
        self.step, self._before_s, self._begin_s = 0, 0.0, time.monotonic()

    @property
    def elapsed_s(self):
        """Seconds of training, those before an interruption too."""
        return self._before_s + time.monotonic() - self._begin_s

    @property
    def part(self):
        """Part of the training that is over, 0 to 1: of the steps or of the time, whichever is more."""
        by_time = self.elapsed_s / (60 * self.max_minutes) if self.max_minutes else 0.0
        by_steps = self.step / self.number_of_steps if self.number_of_steps else 1.0
        return min(max(by_steps, by_time), 1.0)

    @property
    def done(self):
        """Whether the training is over."""
        return self.part >= 1.0

    def rate(self, peak):
        """Learning rate of the step: a linear rise to a peak, times a cosine that ends at zero."""
        rise = min((self.step + 1) / self.warmup_steps, 1.0) if self.warmup_steps else 1.0
        return peak * rise * 0.5 * (1 + math.cos(math.pi * self.part))

    def begin(self):
        """Count the time from here."""
        self._begin_s = time.monotonic()

    @mark_as_saver
    def save(self, path):
        """Store steps and seconds as JSON."""
        with open(path, "w", encoding="utf-8") as file:
            json.dump([self.step, self.elapsed_s], file)

    @mark_as_loader
    def load(self, path, end_of_epoch):
        """Bring them back."""
        del end_of_epoch
        with open(path, encoding="utf-8") as file:
            self.step, self._before_s = json.load(file)
        self.begin()


class DynamicBrain(Brain):
    """Trains a network with two levels on excerpts that are mixed on its own device.

    ``modules`` holds ``model`` and ``statistics``. The weights that count in the end are those
    of ``average``. Nothing in a step waits for the device.

    Arguments
    ---------
    *args
        As those of ``speechbrain.Brain``.
    mixer : hrin_plugin.mixing.dynamic.Mixer
        Renders plans.
    plans : Plans
        What is mixed in each step.
    features : hrin_plugin.features.LogMel
        From samples to frames.
    objective : hrin_plugin.hierarchy.losses.HierarchicalLoss
        The objective.
    average : torch.optim.swa_utils.AveragedModel
        Moving average of the model.
    progress : StepProgress
        How far the training is.
    lr : float
        Peak of the learning rate.
    on_save : callable
        Called after each checkpoint.
    **kwargs
        As those of ``speechbrain.Brain``.
    """

    def __init__(self, *args, mixer, plans, features, objective, average, progress, lr, on_save, **kwargs):
        super().__init__(*args, **kwargs)
        # SpeechBrain documents -1 as "no clipping", but it would reverse the gradient.
        if self.max_grad_norm <= 0:
            self.max_grad_norm = math.inf
        self.mixer, self.plans, self.objective = mixer, plans, objective
        self.features, self.average = features.to(self.device), average.to(self.device)
        # Asked for in every step: on the device, that would be a wait.
        self.average.n_averaged = self.average.n_averaged.cpu()
        self.progress, self.lr, self.on_save = progress, lr, on_save
        _flatten(self.average)
        self.meter = None
        if self.checkpointer is not None:
            self.checkpointer.add_recoverable("average", self.average)
            self.checkpointer.add_recoverable("progress", self.progress)
            self.checkpointer.add_recoverable("random_states", RandomStates())
            carrying = [unit for unit in self.modules.modules() if getattr(unit, "carries", False)]
            if carrying:
                self.checkpointer.add_recoverable("carried_states", CarriedStatesRecoverable(carrying))

    def fit_statistics(self, n_batches):
        """Take the features' statistics of mixes that no step trains on.

        Arguments
        ---------
        n_batches : int
            How many batches of mixes.
        """
        frames = []
        for number in range(n_batches):
            mixed = self.mixer.render(self.plans[_STATISTICS_STEP + number])
            frames += list(self.features(mixed.wavs).cpu())
        self.modules.statistics.fit(frames)

    def compute_forward(self, batch, stage):
        """Logits of both levels.

        Arguments
        ---------
        batch : hrin_plugin.mixing.dynamic.Mixed
            Excerpts.
        stage : Stage
            In training the model itself is meant, else its average.

        Returns
        -------
        HRINOutput
            ``[batch, frame, class]`` for each level.
        """
        model = self.modules.model if stage == Stage.TRAIN else self.average.module
        frames = self.modules.statistics(self.features(batch.wavs))
        with self.training_ctx if stage == Stage.TRAIN else self.evaluation_ctx:
            return model(frames)

    def compute_objectives(self, predictions, batch, stage):
        """The objective of a batch, and what it is made of.

        Arguments
        ---------
        predictions : HRINOutput
            Logits.
        batch : Mixed
            Excerpts.
        stage : Stage
            Not used.

        Returns
        -------
        LossTerms
            Eq. (24) over the frames that count.
        """
        return self.objective(predictions, batch.mrle, batch.mask, wait=False)

    def fit_batch(self, plan):
        """One step, without a wait for the device.

        Arguments
        ---------
        plan : dict
            From the loader.

        Returns
        -------
        torch.Tensor
            The loss, on the device.
        """
        meter = self.meter
        meter.mark("begin")
        batch = self.mixer.render(plan)
        meter.mark("mixed")
        predictions = self.compute_forward(batch, Stage.TRAIN)
        loss = self.compute_objectives(predictions, batch, Stage.TRAIN)
        loss.total.backward()
        weights = [weight for weight in self.modules.parameters() if weight.requires_grad]
        norm = torch.nn.utils.clip_grad_norm_(weights, self.max_grad_norm)
        finite = torch.isfinite(norm)
        for group in self.optimizer.param_groups:
            group["lr"] = self.progress.rate(self.lr)
        # Fused optimizers leave the weights alone where this is 1, and nobody has to wait for it.
        self.optimizer.found_inf = 1.0 - finite.float()
        self.optimizer.grad_scale = None
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.average.update_parameters(self.modules.model)
        self.progress.step += 1
        meter.mark("end")
        terms = {"loss": loss.total, **loss.terms, "grad_norm": norm, "skipped": 1.0 - finite.float()}
        meter.add({name: value.detach() for name, value in terms.items()}, batch.wavs.shape)
        return loss.total.detach()

    def fit_steps(self, loader_options, log_interval_steps, save_interval_min, write_log, keep_log):
        """Train until the steps or the time are over; goes on from the newest checkpoint.

        SIGTERM or Ctrl-C lets the step be finished and a checkpoint be saved.

        Arguments
        ---------
        loader_options : dict
            Options of the loader of plans.
        log_interval_steps : int
            Steps between two lines of the log.
        save_interval_min : float
            Minutes between two checkpoints.
        write_log : callable
            Takes each line.
        keep_log : callable
            Takes the number of steps that are done; drops later ones from the log.

        Raises
        ------
        Stopped
            After the checkpoint is saved.
        """
        self.on_fit_start()
        keep_log(self.progress.step)
        self.modules.train()
        self.average.eval()
        self.meter = StepMeter(self.device)
        self.progress.begin()
        first = self.progress.step
        if not self.progress.done:
            loader = DataLoader(
                self.plans,
                batch_size=None,
                sampler=range(first, self.progress.number_of_steps),
                pin_memory=torch.device(self.device).type == "cuda",
                **loader_options,
            )
            with signals_noted() as request:
                self._fit(loader, first, log_interval_steps, save_interval_min, write_log, request)

    def _fit(self, loader, first, log_interval_steps, save_interval_min, write_log, request):
        """Take the steps."""
        saved_s = self.progress.elapsed_s
        for plan in loader:
            self.fit_batch(plan)
            if self.progress.step % log_interval_steps == 0 or self.progress.step == first + 5:
                write_log(self._log_line())
            if request.number:
                self.save(end=False)
                raise Stopped(request.number)
            if self.progress.elapsed_s - saved_s > 60 * save_interval_min:
                self.save(end=False)
                saved_s = self.progress.elapsed_s
            if self.progress.done or (self.debug and self.progress.step - first >= self.debug_batches):
                break
        if self.meter.n_steps:
            write_log(self._log_line())
        self.save(end=True)
        if request.number:
            raise Stopped(request.number)

    def save(self, end):
        """Write a checkpoint, and whatever else is to be written then."""
        if not all(bool(torch.isfinite(weight).all()) for weight in self.modules.state_dict().values()):
            logger.warning("A weight is not finite at step %d: no checkpoint is saved", self.progress.step)
            return
        if self.checkpointer is not None:
            self.checkpointer.save_and_keep_only(
                meta={"step": self.progress.step}, end_of_epoch=end, num_to_keep=2, verbosity=10
            )
        self.on_save()

    def _log_line(self):
        """Figures since the last line, in one."""
        figures = self.meter.figures()
        progress = self.progress
        head = f"step {progress.step}, {progress.elapsed_s:.0f} s, {100 * progress.part:.1f} %"
        return ", ".join([head, f"lr {progress.rate(self.lr):.3g}", *figures])


class StepMeter:
    """Means of what was measured in some steps; asked for with one wait for the device.

    Arguments
    ---------
    device : str or torch.device
        Where the steps run.

    Example
    -------
    >>> meter = StepMeter("cpu")
    >>> for mark in ("begin", "mixed", "end"):
    ...     meter.mark(mark)
    >>> meter.add({"loss": torch.tensor(1.5)}, (2, 8000))
    >>> meter.figures()[0]
    'loss 1.5'
    """

    def __init__(self, device):
        self._cuda = torch.device(device).type == "cuda"
        self._reset()

    def _reset(self):
        self._values, self._marks = {}, {"begin": [], "mixed": [], "end": []}
        self.n_steps, self._n_samples, self._begin_s = 0, 0, time.perf_counter()

    def mark(self, what):
        """Note the time at which a part of a step is over, on the device."""
        if self._cuda:
            event = torch.cuda.Event(enable_timing=True)
            event.record()
        else:
            event = time.perf_counter()
        self._marks[what].append(event)

    def add(self, values, shape):
        """Add a step's values, and the shape of its samples."""
        for name, value in values.items():
            self._values[name] = self._values[name] + value if name in self._values else value
        self.n_steps += 1
        self._n_samples += math.prod(shape)

    def figures(self):
        """Means of the values, milliseconds of mixing and of a whole step, and hours mixed a minute."""
        if not self.n_steps:
            return []
        sums = torch.stack([value.float() for value in self._values.values()]).cpu().tolist()
        means = [f"{name} {total / self.n_steps:.4g}" for name, total in zip(self._values, sums)]
        if self._cuda:
            torch.cuda.synchronize()
        pairs = list(zip(*self._marks.values()))
        spent = [
            sum(begin.elapsed_time(end) if self._cuda else 1000 * (end - begin) for begin, end in which)
            / self.n_steps
            for which in ([pair[:2] for pair in pairs], [(pair[0], pair[2]) for pair in pairs])
        ]
        wall_s = time.perf_counter() - self._begin_s
        means += [f"mixing {spent[0]:.1f} ms", f"step {spent[1]:.1f} ms"]
        means.append(f"with waits {1000 * wall_s / self.n_steps:.1f} ms")
        means.append(f"{self._n_samples / 8000 / 3600 / wall_s * 60:.2f} h/min")
        self._reset()
        return means


def _flatten(network):
    """Lay the weights of recurrent layers next to each other, as cuDNN wants them."""
    for module in network.modules():
        if isinstance(module, torch.nn.RNNBase):
            module.flatten_parameters()
