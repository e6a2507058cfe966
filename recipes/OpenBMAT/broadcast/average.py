#!/usr/bin/env python3
"""The mean of models that were trained on from the same one.

It is as good as each of them or better where they differ by the order of their batches, and
has less of what each learned last. A model's folder, ``pretrained``, is data: settings and
weights.

> python recipes/OpenBMAT/broadcast/average.py OUT MODEL MODEL ...
"""

import argparse
import sys
from pathlib import Path

import torch

from hrin_plugin.pretrained.folder import load_pretrained, save_pretrained


def main(argv=None):
    """Load, average, save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="folder for the mean")
    parser.add_argument("models", type=Path, nargs="+", help="folders of the models")
    arguments = parser.parse_args(argv)
    try:
        save_pretrained(arguments.out, mean_model([load_pretrained(folder) for folder in arguments.models]))
    except (OSError, ValueError) as error:
        sys.exit(f"{error}")


def mean_model(models):
    """One model with the mean of all weights, statistics included.

    Arguments
    ---------
    models : sequence of PretrainedModel
        Of the same network and features; the first one is changed.

    Returns
    -------
    PretrainedModel
        The first, changed.

    Raises
    ------
    ValueError
        If they are of different networks or features.

    Example
    -------
    >>> from hrin_plugin.features import BandStatistics, LogMel
    >>> from hrin_plugin.networks.hrin import HRIN
    >>> from hrin_plugin.pretrained.folder import PretrainedModel
    >>> one, two = (PretrainedModel(LogMel(), BandStatistics(128), HRIN(hidden_size=5)) for _ in range(2))
    >>> bias = (one.network.heads.layers[0].bias + two.network.heads.layers[0].bias) / 2
    >>> torch.equal(mean_model([one, two]).network.heads.layers[0].bias, bias)
    True
    """
    first = models[0]
    for other in models[1:]:
        if describe(other) != describe(first):
            raise ValueError("these models are of different networks or features; take trainings of one")
    with torch.no_grad():
        for part in ("statistics", "network"):
            states = [getattr(model, part).state_dict() for model in models]
            for name, tensor in states[0].items():
                if tensor.is_floating_point():
                    tensor.copy_(torch.stack([state[name] for state in states]).mean(dim=0))
    return first


def describe(model):
    """What must be the same of two models for their weights to have a mean."""
    return model.features.settings, type(model.network), model.network.settings, model.network.taxonomy


if __name__ == "__main__":
    main()
