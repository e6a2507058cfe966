#!/usr/bin/env python3
"""A model whose recurrent states forget within some seconds.

Excerpts of a training are short, and hardly tell a GRU how long it may hold a state. A few of
its units come to hold theirs for minutes: in a recording of hours they depend on what nobody
would look for there, and windows cannot give them what a whole pass does. How long a unit
holds its state is measured on recordings, and where that is too long, the bias of its update
gate is lowered by so much that it isn't.

> python recipes/OpenBMAT/broadcast/forget.py OUT MODEL RECORDING RECORDING ... [--seconds 10] [--half]
"""

import argparse
import math
import sys
from pathlib import Path

import torch
from torch import nn
from tqdm import tqdm

from hrin_plugin.audio.signals import read_audio
from hrin_plugin.carrying import one_direction
from hrin_plugin.pretrained import load_pretrained, save_pretrained
from hrin_plugin.units import RecurrentUnit


def main(argv=None):
    """Load, measure, shorten, save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="folder for the model that forgets")
    parser.add_argument("model", type=Path, help="folder of the model")
    parser.add_argument("recordings", type=Path, nargs="+", help="audio files of what it is for")
    parser.add_argument("--seconds", type=float, default=10.0, help="longest time constant (default: 10)")
    parser.add_argument("--half", action="store_true", help="write the weights in half precision")
    arguments = parser.parse_args(argv)
    try:
        if not 0 < arguments.seconds < math.inf:
            raise ValueError(f"--seconds is {arguments.seconds}; give a time above 0")
        model = load_pretrained(arguments.model)
        rate = model.features.grid.sample_rate
        times = hold_times(model, (read_audio(path, rate) for path in tqdm(arguments.recordings)))
        for name, longest in forget(model, times, arguments.seconds):
            print(f"{name}: held {longest:.0f} s")
        save_pretrained(arguments.out, model, arguments.half)
    except (OSError, ValueError) as error:
        sys.exit(f"{error}")


def hold_times(model, wavs):
    """How long each recurrent unit holds its state.

    Of ``h_t = (1 - z_t) n_t + z_t h_(t-1)``, eq. (7), it is the time within which the
    product of the update gates ``z_t`` falls to 1/e, on the average.

    Arguments
    ---------
    model : PretrainedModel
        A model whose recurrent layers are GRUs.
    wavs : iterable of numpy.ndarray
        Recordings ``[sample]`` at the features' rate.

    Returns
    -------
    dict
        For each update gate, by the name of its bias in the network, seconds ``[unit]``.

    Raises
    ------
    ValueError
        If the network has recurrent layers that are no GRUs, or none at all.

    Example
    -------
    >>> from hrin_plugin.features import BandStatistics, LogMel
    >>> from hrin_plugin.networks import HRIN
    >>> from hrin_plugin.pretrained import PretrainedModel
    >>> model = PretrainedModel(LogMel(), BandStatistics(128), HRIN(hidden_size=5, num_layers=1))
    >>> {name: len(seconds) for name, seconds in hold_times(model, [torch.randn(8000).numpy()]).items()}
    ... # doctest: +NORMALIZE_WHITESPACE
    {'recurrent_1.rnn.bias_ih_l0': 5, 'recurrent_1.rnn.bias_ih_l0_reverse': 5,
     'recurrent_2.rnn.bias_ih_l0': 5, 'recurrent_2.rnn.bias_ih_l0_reverse': 5}
    """
    units = {name: unit for name, unit in model.network.named_modules() if isinstance(unit, RecurrentUnit)}
    if not units or any(not isinstance(unit.rnn, nn.GRU) for unit in units.values()):
        raise ValueError(f"a {type(model.network).__name__} of these settings has no GRU; give one that has")
    decays, n_frames = {}, 0

    def measure(name, inputs):
        """Add the decays of all gates of a unit's layers, whose input is known."""
        rnn, frames = units[name].rnn, inputs[0]
        for layer in range(rnn.num_layers):
            outputs = []
            for suffix in ("", "_reverse"):
                states, decay = _run(one_direction(rnn, layer, suffix), frames.flip(1) if suffix else frames)
                outputs.append(states.flip(1) if suffix else states)
                gate = f"{name}.rnn.bias_ih_l{layer}{suffix}"
                decays[gate] = decays.get(gate, 0) + decay
            frames = torch.cat(outputs, dim=-1)

    hooks = [
        unit.register_forward_pre_hook(lambda _, inputs, name=name: measure(name, inputs))
        for name, unit in units.items()
    ]
    with torch.no_grad():
        for wav in wavs:
            frames = model.features(torch.from_numpy(wav)[None])
            model.network(model.statistics(frames))
            n_frames += frames.shape[1]
    for hook in hooks:
        hook.remove()
    hop_s = model.features.grid.time_of(1)
    return {gate: hop_s * n_frames / decay for gate, decay in decays.items()}


def _run(gru, frames):
    """States of one direction, ``[1, frame, unit]``, and the sum of ``-log z`` over frames, ``[unit]``."""
    states, _ = gru(frames)
    before = torch.cat((torch.zeros_like(states[:, :1]), states[:, :-1]), dim=1)
    inputs = nn.functional.linear(frames, gru.weight_ih_l0, gru.bias_ih_l0)
    recalled = nn.functional.linear(before, gru.weight_hh_l0, gru.bias_hh_l0)
    _, update, _ = (inputs + recalled)[0].chunk(3, dim=-1)
    return states, -nn.functional.logsigmoid(update).sum(dim=0)


def forget(model, times, longest_s):
    """Shorten the times that are too long.

    Arguments
    ---------
    model : PretrainedModel
        The model; changed.
    times : dict
        What :func:`hold_times` gave.
    longest_s : float
        The longest time in seconds.

    Returns
    -------
    list of tuple of (str, float)
        For each unit that was changed, its name and the seconds for which it held its state.

    Example
    -------
    >>> from hrin_plugin.features import BandStatistics, LogMel
    >>> from hrin_plugin.networks import HRIN
    >>> from hrin_plugin.pretrained import PretrainedModel
    >>> model = PretrainedModel(LogMel(), BandStatistics(128), HRIN(hidden_size=2, num_layers=1))
    >>> forget(model, {"recurrent_1.rnn.bias_ih_l0": torch.tensor([3.0, 20.0])}, longest_s=10.0)
    [('recurrent_1.rnn.bias_ih_l0[1]', 20.0)]
    """
    changed = []
    for name, seconds in times.items():
        bias = model.network.get_parameter(name)
        hidden_size = len(seconds)
        with torch.no_grad():
            # Near z = 1, -log z is exp(-a) for the gate's input a.
            bias[hidden_size : 2 * hidden_size] -= torch.log((seconds / longest_s).clamp(min=1))
        changed += [(f"{name}[{unit}]", float(time)) for unit, time in enumerate(seconds) if time > longest_s]
    return changed


if __name__ == "__main__":
    main()
