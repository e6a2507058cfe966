"""F-measures and violation rates of a hierarchy, as a SpeechBrain metric."""

from collections.abc import Sequence
from typing import TextIO

import numpy as np
from speechbrain.utils.metric_stats import MetricStats
from torch import Tensor

from hrin_plugin.hierarchy.levels import ACTIVATIONS, check_batch, monotone_sigmoid
from hrin_plugin.hierarchy.violations import active_classes, violation_rates
from hrin_plugin.taxonomy import MUSIC_LOUDNESS, Taxonomy


class HierarchyStats(MetricStats):
    """F-measures of every level and violation rates, accumulated over the batches of an epoch.

    ``append`` takes the arguments of the objective; ``summarize`` works as in SpeechBrain.
    F-measures count frames or whole recordings. Violations are those of
    :func:`hrin_plugin.hierarchy.violations.violation_rates`.

    Arguments
    ---------
    taxonomy : Taxonomy
        The levels and their classes.
    activation : str
        ``"sigmoid"``: a class is active from a probability of 0.5 on; ``"softmax"``: the
        most probable class of each level is. As in the objective.

    Raises
    ------
    ValueError
        If the activation is unknown.

    Example
    -------
    >>> import torch
    >>> stats = HierarchyStats()
    >>> md, mrle = torch.tensor([[[-9.0, 9.0]] * 4]), torch.tensor([[[-9.0, 9.0, -9.0]] * 4])
    >>> mrle[0, 3] = -9.0  # music that is neither foreground nor background
    >>> stats.append(["a"], (md, mrle), torch.tensor([[1, 1, 2, 1]]))
    >>> stats.summarize("decision_violations"), stats.summarize("mrle_F_fg-music")
    (0.25, 0.6666666666666666)
    """

    def __init__(self, taxonomy: Taxonomy = MUSIC_LOUDNESS, activation: str = "sigmoid"):
        if activation not in ACTIVATIONS:
            raise ValueError(f"unknown activation {activation!r}; use one of {', '.join(ACTIVATIONS)}")
        self.taxonomy, self.activation = taxonomy, activation
        super().__init__(metric=violation_rates)

    def clear(self) -> None:
        """Reset all counts."""
        super().clear()
        self.n_frames = []
        # For each level true positives, reference and estimate, [3, class].
        self.counts = [np.zeros((3, size), dtype=np.int64) for size in self.taxonomy.sizes]

    def append(
        self,
        ids: Sequence[str],
        logits: Sequence[Tensor],
        targets: Sequence[Tensor] | Tensor,
        lens: Tensor | None = None,
    ) -> None:
        """Add a batch.

        Arguments
        ---------
        ids : sequence of str
            The recordings.
        logits : sequence of torch.Tensor
            For each level ``[batch, frame, class]``, or ``[batch, class]`` of whole recordings.
        targets : sequence of torch.Tensor, or torch.Tensor
            For each level class indices, or zeros and ones; a single tensor
            holds the lowest level; the others are derived.
        lens : torch.Tensor or None
            Lengths relative to the longest, ``[batch]``; None where all have the same length.

        Raises
        ------
        ValueError
            If the tensors do not fit the taxonomy, break it, or do not fit the ids.
        """
        logits, targets, mask, _ = check_batch(
            [level.detach() for level in logits],
            targets,
            self.taxonomy,
            lens=lens,
            one_label=self.activation == "softmax",
        )
        if len(ids) != len(mask):
            raise ValueError(f"{len(ids)} ids were given for logits of shape {list(logits[0].shape)}")
        threshold = 0.5 if self.activation == "sigmoid" else None
        real = _per_recording(mask[..., None])[..., 0]
        activation = monotone_sigmoid if self.activation == "sigmoid" else ACTIVATIONS[self.activation]
        probabilities = [_per_recording(activation(level)) for level in logits]
        references = [_per_recording(level) > 0 for level in targets]
        for count, level, reference in zip(self.counts, probabilities, references):
            estimate, reference = active_classes(level[real], threshold), reference[real]
            count += np.stack([(estimate & reference).sum(0), reference.sum(0), estimate.sum(0)])
        for index, name in enumerate(ids):
            frames = [level[index, real[index]] for level in probabilities]
            self.ids.append(name)
            self.scores.append(violation_rates(frames, self.taxonomy, threshold))
            self.n_frames.append(len(frames[0]))

    def summarize(self, field: str | None = None) -> dict | float | None:
        """The figures over all appended batches.

        Arguments
        ---------
        field : str or None
            One of the figures; None for all.

        Returns
        -------
        dict or float or None
            ``score_violations`` and ``decision_violations``, fractions of the frames; for each
            level ``md_F`` (its name), the mean over its classes, and ``md_F_<class>``. None for
            a class that neither targets nor decisions have; the mean leaves it out.

        Raises
        ------
        ValueError
            If nothing was appended.
        """
        if not self.scores:
            raise ValueError("nothing was appended to the statistics, so that there is nothing to sum up")
        rates = np.average(self.scores, axis=0, weights=self.n_frames).tolist()
        self.summary = dict(zip(("score_violations", "decision_violations"), rates))
        for (level, names), (right, *ones) in zip(self.taxonomy.labels.items(), self.counts):
            total = np.sum(ones, axis=0)
            scores = [2 * r / n if n else None for r, n in zip(right.tolist(), total.tolist())]
            defined = [score for score in scores if score is not None]
            self.summary[f"{level}_F"] = sum(defined) / len(defined) if defined else None
            self.summary |= {f"{level}_F_{name}": score for name, score in zip(names, scores)}
        for number, level in enumerate(self.taxonomy.level_names, start=1):
            field = field and field.replace(f"level_{number}_F", f"{level}_F")  # the former name
        return self.summary if field is None else self.summary[field]

    def write_stats(self, filestream: TextIO, verbose: bool = False) -> None:
        """Write the figures, and the recordings with the most violations, as text.

        Arguments
        ---------
        filestream : file-like object
            Where to.
        verbose : bool
            Whether to print them too.
        """
        worst = sorted(zip(self.ids, self.scores), key=lambda pair: -pair[1].decision_violations)[:10]
        lines = [f"{name}: {_as_text(value)}" for name, value in self.summarize().items()]
        lines += [f"decision_violations of {name}: {_as_text(rates[1])}" for name, rates in worst]
        message = "\n".join(lines) + "\n"
        filestream.write(message)
        if verbose:
            print(message)


def _per_recording(values):
    """Values as an array ``[recording, frame, value]``, with one frame for whole recordings."""
    values = values.cpu().numpy() if isinstance(values, Tensor) else values
    return values if values.ndim == 3 else values[:, None]


def _as_text(value):
    """A figure as text, or a dash if it is undefined."""
    return "-" if value is None else f"{value:.4f}"
