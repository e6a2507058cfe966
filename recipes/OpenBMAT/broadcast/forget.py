#!/usr/bin/env python3
"""A model whose recurrent states forget within some seconds.

Excerpts of a training are short, and hardly tell a GRU how long it may hold a state. Some of
its units come to hold theirs for minutes, always or now and then: in a recording of hours they
depend on what nobody would look for there, and windows cannot give them what a whole pass does.
What a unit has left of its state after some seconds is measured on recordings, and where that is
too much, the bias of its update gate is lowered by so much that it isn't.

> python recipes/OpenBMAT/broadcast/forget.py OUT MODEL RECORDING ... [--quantise]
"""

import argparse
import math
import sys
from pathlib import Path

import torch
from torch import nn
from tqdm import tqdm

from hrin_plugin.audio.signals import read_audio
from hrin_plugin.networks.states import one_direction
from hrin_plugin.networks.units import RecurrentUnit
from hrin_plugin.pretrained.folder import load_pretrained, save_pretrained

#: Every so many frames, decays are looked at; a bias is lowered by no more than this.
_STRIDE, _MOST_OFF = 50, 8.0


def main(argv=None):
    """Load, measure, shorten, save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="folder for the model that forgets")
    parser.add_argument("model", type=Path, help="folder of the model")
    parser.add_argument("recordings", type=Path, nargs="+", help="audio files of what it is for")
    parser.add_argument("--seconds", type=float, default=10.0, help="time to forget in (default: 10)")
    parser.add_argument(
        "--left", type=float, default=0.05, help="largest part of a state that is left then (default: 0.05)"
    )
    parser.add_argument("--quantise", action="store_true", help="write the weights in 8 bits")
    arguments = parser.parse_args(argv)
    try:
        if not 0 < arguments.seconds < math.inf:
            raise ValueError(f"--seconds is {arguments.seconds}; give a time above 0")
        if not 0 < arguments.left < 1:
            raise ValueError(f"--left is {arguments.left}; give a part between 0 and 1")
        model = load_pretrained(arguments.model)
        rate = model.features.grid.sample_rate
        wavs = (read_audio(path, rate) for path in tqdm(arguments.recordings))
        for name, left in forget(model, decays(model, wavs, arguments.seconds), arguments.left):
            print(f"{name}: {left:.0%} was left")
        save_pretrained(arguments.out, model, arguments.quantise)
    except (OSError, ValueError) as error:
        sys.exit(f"{error}")


def decays(model, wavs, seconds):
    """How far each recurrent unit forgets its state within a time, at any time of some recordings.

    Of ``h_t = (1 - z_t) n_t + z_t h_(t-1)``, eq. (7), the part of a state that is left after some
    frames is the product of their update gates ``z_t``.

    Arguments
    ---------
    model : PretrainedModel
        A model whose recurrent layers are GRUs.
    wavs : iterable of numpy.ndarray
        Recordings ``[sample]`` at the features' rate, longer than ``seconds``.
    seconds : float
        The time.

    Returns
    -------
    dict
        For each update gate, by the name of its bias in the network, ``[time, unit]``: minus the
        logarithm of what is left.

    Raises
    ------
    ValueError
        If the network has recurrent layers that are no GRUs, or none at all, or if no recording
        is long enough.

    Example
    -------
    >>> from hrin_plugin.features import BandStatistics, LogMel
    >>> from hrin_plugin.networks.hrin import HRIN
    >>> from hrin_plugin.pretrained.folder import PretrainedModel
    >>> model = PretrainedModel(LogMel(), BandStatistics(128), HRIN(hidden_size=5, num_layers=1))
    >>> sound = torch.randn(24000).numpy()
    >>> {name: tuple(values.shape) for name, values in decays(model, [sound], 2.0).items()}
    ... # doctest: +NORMALIZE_WHITESPACE
    {'recurrent_1.rnn.bias_ih_l0': (2, 5), 'recurrent_1.rnn.bias_ih_l0_reverse': (2, 5),
     'recurrent_2.rnn.bias_ih_l0': (2, 5), 'recurrent_2.rnn.bias_ih_l0_reverse': (2, 5)}
    """
    units = {name: unit for name, unit in model.network.named_modules() if isinstance(unit, RecurrentUnit)}
    if not units or any(not isinstance(unit.rnn, nn.GRU) for unit in units.values()):
        raise ValueError(f"a {type(model.network).__name__} of these settings has no GRU; give one that has")
    n_frames = max(round(seconds / model.features.grid.time_of(1)), 1)
    found = {}

    def measure(name, inputs):
        """Add the decays of all gates of a unit's layers, whose input is known."""
        rnn, frames = units[name].rnn, inputs[0]
        for layer in range(rnn.num_layers):
            outputs = []
            for suffix in ("", "_reverse"):
                states, rates = _run(one_direction(rnn, layer, suffix), frames.flip(1) if suffix else frames)
                outputs.append(states.flip(1) if suffix else states)
                sums = nn.functional.pad(rates.cumsum(dim=0), (0, 0, 1, 0))
                found.setdefault(f"{name}.rnn.bias_ih_l{layer}{suffix}", []).append(
                    (sums[n_frames:] - sums[:-n_frames])[::_STRIDE]
                )
            frames = torch.cat(outputs, dim=-1)

    hooks = [
        unit.register_forward_pre_hook(lambda _, inputs, name=name: measure(name, inputs))
        for name, unit in units.items()
    ]
    with torch.no_grad():
        for wav in wavs:
            model.network(model.statistics(model.features(torch.from_numpy(wav)[None])))
    for hook in hooks:
        hook.remove()
    found = {gate: torch.cat(values) for gate, values in found.items()}
    if not found or not all(len(values) for values in found.values()):
        raise ValueError(f"no recording is longer than {seconds:g} s; give longer ones")
    return found


def _run(gru, frames):
    """States of one direction, ``[1, frame, unit]``, and ``-log z`` of each frame, ``[frame, unit]``."""
    states, _ = gru(frames)
    before = torch.cat((torch.zeros_like(states[:, :1]), states[:, :-1]), dim=1)
    inputs = nn.functional.linear(frames, gru.weight_ih_l0, gru.bias_ih_l0)
    recalled = nn.functional.linear(before, gru.weight_hh_l0, gru.bias_hh_l0)
    _, update, _ = (inputs + recalled)[0].chunk(3, dim=-1)
    return states, -nn.functional.logsigmoid(update).double()


def forget(model, exponents, most):
    """Let units forget of which too much is left, on the average.

    Arguments
    ---------
    model : PretrainedModel
        The model; changed.
    exponents : dict
        What :func:`decays` gave.
    most : float
        The largest part of a state that may be left.

    Returns
    -------
    list of tuple of (str, float)
        For each unit that was changed, its name and what part of its state was left.

    Example
    -------
    >>> from hrin_plugin.features import BandStatistics, LogMel
    >>> from hrin_plugin.networks.hrin import HRIN
    >>> from hrin_plugin.pretrained.folder import PretrainedModel
    >>> model = PretrainedModel(LogMel(), BandStatistics(128), HRIN(hidden_size=2, num_layers=1))
    >>> forget(model, {"recurrent_1.rnn.bias_ih_l0": torch.tensor([[0.0, 5.0], [1.0, 9.0]])}, most=0.05)
    [('recurrent_1.rnn.bias_ih_l0[0]', 0.68...)]
    """
    changed = []
    for name, values in exponents.items():
        bias = model.network.get_parameter(name)
        hidden_size = values.shape[1]
        left = torch.exp(-values).mean(dim=0)
        # Where the gate is nearly open, -log z is exp(-a) for its input a: what is taken off the
        # bias multiplies the exponent. How much that has to be is found by halving.
        low, high = torch.zeros_like(left), torch.full_like(left, _MOST_OFF)
        for _ in range(30):
            off = (low + high) / 2
            enough = torch.exp(-values * off.exp()).mean(dim=0) <= most
            low, high = torch.where(enough, low, off), torch.where(enough, off, high)
        with torch.no_grad():
            bias[hidden_size : 2 * hidden_size] -= torch.where(left > most, high, 0.0).to(bias)
        changed += [(f"{name}[{unit}]", float(part)) for unit, part in enumerate(left) if part > most]
    return changed


if __name__ == "__main__":
    main()
