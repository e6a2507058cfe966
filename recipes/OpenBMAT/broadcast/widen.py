#!/usr/bin/env python3
"""A model with more recurrent units that begins with what a smaller one has learnt.

The units of the smaller network take nothing from the new ones at first, and the output layers
don't either, so that the first path gives what it gave; training then finds use for the rest.
Only the second path's convolutions, which look across the first one's directions, eq. (10), find
new units in the place of some old ones, and give nearly, not wholly, what they gave.

> python recipes/OpenBMAT/broadcast/widen.py OUT MODEL HIDDEN_SIZE
"""

import argparse
import sys
from pathlib import Path

import torch

from hrin_plugin.networks.hrin import HRIN
from hrin_plugin.pretrained.folder import load_pretrained, save_pretrained

#: Gates of a GRU; their weights stand below one another.
GATES = 3


def main(argv=None):
    """Load, widen, save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="folder for the wider model")
    parser.add_argument("model", type=Path, help="folder of the model")
    parser.add_argument("hidden_size", type=int, help="size of one direction's state, as in the YAML")
    arguments = parser.parse_args(argv)
    torch.manual_seed(0)
    try:
        model = load_pretrained(arguments.model)
        save_pretrained(arguments.out, model._replace(network=widen(model.network, arguments.hidden_size)))
    except (OSError, ValueError) as error:
        sys.exit(f"{error}")


def widen(network, hidden_size):
    """A network with more recurrent units, the first of them those of a smaller one.

    Arguments
    ---------
    network : HRIN
        The smaller one, HRIN-cr with GRUs as in section IV-A.
    hidden_size : int
        Size of one direction's state of the wider one.

    Returns
    -------
    HRIN
        The wider one; its new units are drawn at random.

    Raises
    ------
    ValueError
        If the network is of another kind, or not smaller.

    Example
    -------
    >>> small = HRIN(hidden_size=5, num_layers=2, conv_unit=True).eval()
    >>> wide, frames = widen(small, 9).eval(), torch.randn(1, 10, 128)
    >>> torch.allclose(wide(frames).md, small(frames).md, atol=1e-5)
    True
    """
    if not isinstance(network, HRIN) or network.settings != _hrin_cr(network.settings):
        raise ValueError("only HRIN-cr with GRUs can be widened; give such a model")
    small_size = network.settings["hidden_size"]
    if hidden_size <= small_size:
        raise ValueError(f"the model has {small_size} units a direction; give more, not {hidden_size}")
    wide = HRIN(**{**network.settings, "hidden_size": hidden_size}, taxonomy=network.taxonomy)
    units = torch.arange(small_size)
    rows = (torch.arange(GATES)[:, None] * hidden_size + units).flatten()
    directions = torch.cat((units, hidden_size + units))
    state = wide.state_dict()
    for name, weights in network.state_dict().items():
        if name.startswith("recurrent") and "weight_hh" in name:
            _place(weights, state[name], rows, units)
        elif name.startswith("recurrent_2") and "weight_ih_l0" in name:
            _place(weights, state[name], rows, _positions(network.conv_2, wide.conv_2))
        elif name.startswith("recurrent") and "weight_ih" in name:
            columns = torch.arange(weights.shape[1]) if "_l0" in name else directions
            _place(weights, state[name], rows, columns)
        elif name.startswith("recurrent"):
            state[name][rows] = weights
        elif name.startswith("heads") and name.endswith("weight"):
            _place(weights, state[name], torch.arange(len(weights)), directions)
        else:
            state[name].copy_(weights)
    return wide


def _hrin_cr(settings):
    """Settings of an HRIN-cr with GRUs that is like this network in all else."""
    return {**settings, "unit": "gru", "conv_unit": True, "concatenation": "input", "output_layer": False}


def _place(weights, wide, rows, columns):
    """Old weights at their rows and columns, in place; old rows take nothing from new columns."""
    wide[rows] = 0.0
    wide[rows[:, None], columns] = weights


def _positions(small, wide):
    """Where the values of a convolutional unit stand among those of one that sees more of the first path."""
    channels = small.layers[-4].out_channels
    before, now = (unit.output_size // channels for unit in (small, wide))
    return (torch.arange(channels)[:, None] * now + torch.arange(before)).flatten()


if __name__ == "__main__":
    main()
