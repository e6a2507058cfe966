"""Which stem sounds next: a kind by its weight, a package by its length, a recording of that."""

import math

import numpy as np

from hrin_plugin.mixing.stem_cache import SAMPLE_RATE


class Chooser:
    """Draws stems of a role: a kind, a package of it, and a recording of that.

    Arguments
    ---------
    stems : sequence of Stem
        The stems.
    kind_weights : mapping of str to float, or None
        Weight of each kind; 1 for those not named.
    longest_s : float or None
        Recordings come up by their length, up to this.

    Example
    -------
    >>> from hrin_plugin.mixing.stem_cache import Stem
    >>> chooser = Chooser([Stem("music", "rock", "a", "a.ogg", "train", 0, 80, "")], None)
    >>> rng = np.random.default_rng(0)
    >>> chooser.draw(rng, chooser.draw_package(rng))
    (0, 80)
    """

    def __init__(self, stems, kind_weights, longest_s=None):
        kinds = {}
        for stem in stems:
            kinds.setdefault(stem.kind, {}).setdefault(stem.package, []).append(stem)
        self._packages, weights = [], []
        for kind, packages in kinds.items():
            shares = []
            for chosen in packages.values():
                lengths = np.array([stem.n_samples for stem in chosen], dtype=float)
                if longest_s is not None:
                    lengths = np.minimum(lengths, longest_s * SAMPLE_RATE)
                places = np.array([(stem.onset_sample, stem.n_samples) for stem in chosen])
                self._packages.append((places, _cumulative(lengths)))
                # A package of nine hours comes up thrice as often as one of an hour.
                shares.append(math.sqrt(lengths.sum()))
            weight = (kind_weights or {}).get(kind, 1.0)
            weights += [weight * share / sum(shares) for share in shares]
        self._weights = _cumulative(np.array(weights))

    def draw_package(self, rng):
        """Draw a package, a number."""
        return int(np.searchsorted(self._weights, rng.random(), side="right"))

    def draw(self, rng, package):
        """Draw a recording of a package: its first sample and how many there are."""
        places, weights = self._packages[package]
        onset, n_samples = places[np.searchsorted(weights, rng.random(), side="right")]
        return int(onset), int(n_samples)


def _cumulative(weights):
    """Upper ends of the classes in 0 to 1; the last one is above 1."""
    ends = np.cumsum(weights) / np.sum(weights)
    ends[-1] = 2.0
    return ends
