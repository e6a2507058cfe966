"""Means of the objective over an epoch, and the error where it is not finite."""

import json

from speechbrain.utils.checkpoints import mark_as_loader, mark_as_saver, register_checkpoint_hooks

#: Names of terms of the objective in checkpoints of earlier versions.
FORMER_TERMS = {"level_1": "md", "level_2": "mrle"}


class NonFiniteLoss(ArithmeticError):
    """Raised when a batch's loss is not a finite number; names the recordings.

    Arguments
    ---------
    stage : str
        Training, validation or test.
    names : sequence of str
        The recordings of the batch.
    terms : mapping of str to float
        The terms of the objective.

    Example
    -------
    >>> print(NonFiniteLoss("train", ["a", "b"], {"md": float("nan")}))
    the train loss of the batch a, b is not finite (md nan); ...
    """

    def __init__(self, stage, names, terms):
        values = ", ".join(f"{name} {value:.4g}" for name, value in terms.items())
        super().__init__(
            f"the {stage} loss of the batch {', '.join(names)} is not finite ({values}); "
            "look at these recordings, or lower the learning rate; the last checkpoint is intact"
        )


@register_checkpoint_hooks
class LossMeter:
    """Mean of each term of the objective over the frames of an epoch; saved in checkpoints.

    Example
    -------
    >>> meter = LossMeter()
    >>> meter.add({"loss": 1.0}, n_frames=10)
    >>> meter.add({"loss": 4.0}, n_frames=20)
    >>> meter.means()
    {'loss': 3.0}
    """

    def __init__(self):
        self.reset()

    def reset(self):
        """Reset the sums."""
        self.sums, self.n_frames = {}, 0

    def add(self, values, n_frames):
        """Add a batch's means over ``n_frames`` frames."""
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + value * n_frames
        self.n_frames += n_frames

    def means(self):
        """Mean of each term over all frames added, a dict of float."""
        return {name: total / self.n_frames for name, total in self.sums.items()}

    @mark_as_saver
    def save(self, path):
        """Store the sums as JSON."""
        with open(path, "w", encoding="utf-8") as file:
            json.dump([self.sums, self.n_frames], file)

    @mark_as_loader
    def load(self, path, end_of_epoch):
        """Restore the sums; none are left of an epoch that is over."""
        self.reset()
        if not end_of_epoch:
            with open(path, encoding="utf-8") as file:
                sums, self.n_frames = json.load(file)
            self.sums = {FORMER_TERMS.get(name, name): total for name, total in sums.items()}
