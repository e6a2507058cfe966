"""Stateful inference: networks process a signal window by window and carry their states.

A window has frames to classify and, after them, a context window. Recurrent states are carried
from window to window, as in one pass over the whole signal. A network without carried states
gets the frames before the window as additional context.
"""

import inspect

import torch

from hrin_plugin.networks.frame_memory import FrameMemory


def begin_network(model, context):
    """Start a signal that a network processes window by window.

    Arguments
    ---------
    model : PretrainedModel
        The statistics and the network. A network whose ``forward`` takes ``states`` gives
        them to its recurrent units (see :class:`CarriedStates`), as HRIN does.
    context : int
        Frames before a window that other networks get as context.

    Returns
    -------
    callable
        Takes a window's frames in decibels, a tensor ``[1, frame, band]``, and the number of
        frames to classify. Returns a tuple of arrays ``[frame, class]``, float32, one a level.
        The next window begins after the classified frames.

    Example
    -------
    >>> from hrin_plugin.features import BandStatistics, LogMel
    >>> from hrin_plugin.networks.hrin import HRIN
    >>> from hrin_plugin.pretrained.folder import PretrainedModel
    >>> model = PretrainedModel(LogMel(), BandStatistics(128), HRIN(hidden_size=4, num_layers=1))
    >>> step = begin_network(model, context=2)
    >>> [level.shape for level in step(torch.zeros(1, 5, 128), 3)]
    [(3, 2), (3, 3)]
    """

    def classify(frames, **options):
        """Probabilities ``[1, frame, class]`` of frames in decibels."""
        with torch.inference_mode():
            logits = model.network(model.statistics(frames), **options)
            return tuple(torch.sigmoid(level.float()).cpu().numpy() for level in logits)

    if "states" not in inspect.signature(model.network.forward).parameters:
        return FrameMemory(classify, context, torch.cat)
    states = CarriedStates()

    def step(frames, n_wanted):
        """Probabilities of the wanted frames."""
        states.n_wanted = n_wanted
        return tuple(level[0, :n_wanted] for level in classify(frames, states=states))

    return step


class CarriedStates:
    """States of recurrent layers, carried from one window of a signal to the next.

    Forward states are taken after the classified frames of a window, as in one pass over
    the whole. The backward direction starts at a window's end, where its true state is
    unknown. It starts with its last state of the window before, since its long-term memory
    hardly differs. At the signal's end it starts with zeros, as in one pass.

    Example
    -------
    >>> rnn = torch.nn.GRU(3, 4, num_layers=2, batch_first=True, bidirectional=True)
    >>> frames, states = torch.randn(1, 9, 3), CarriedStates()
    >>> states.n_wanted = 5
    >>> first = states.outputs(rnn, frames)[:, :5]
    >>> states.n_wanted = 4
    >>> second = states.outputs(rnn, frames[:, 5:])
    >>> whole = rnn(frames)[0]
    >>> bool(torch.allclose(torch.cat((first, second), dim=1)[..., :4], whole[..., :4], atol=0.1))
    True
    """

    def __init__(self):
        #: Frames of the present window after which the states go over to the next one.
        self.n_wanted = None
        self._layers, self._ahead, self._behind = {}, {}, {}

    def outputs(self, rnn, frames):
        """Outputs of recurrent layers for a window.

        Arguments
        ---------
        rnn : torch.nn.GRU or torch.nn.LSTM
            Bidirectional, ``batch_first``.
        frames : torch.Tensor
            The window, ``[batch, frame, feature]``.

        Returns
        -------
        torch.Tensor
            ``[batch, frame, 2 * hidden_size]``.
        """
        if rnn not in self._layers:
            self._layers[rnn] = [
                (one_direction(rnn, layer, ""), one_direction(rnn, layer, "_reverse"))
                for layer in range(rnn.num_layers)
            ]
        ends = self.n_wanted == frames.shape[1]
        for layer, (forwards, backwards) in enumerate(self._layers[rnn]):
            place = rnn, layer
            ahead, self._ahead[place] = forwards(frames[:, : self.n_wanted], self._ahead.get(place))
            if not ends:
                context, _ = forwards(frames[:, self.n_wanted :], self._ahead[place])
                ahead = torch.cat((ahead, context), dim=1)
            behind, self._behind[place] = backwards(frames.flip(1), None if ends else self._behind.get(place))
            frames = torch.cat((ahead, behind.flip(1)), dim=-1)
        return frames


def one_direction(rnn, layer, suffix):
    """One direction of one layer as a separate module.

    Arguments
    ---------
    rnn : torch.nn.GRU or torch.nn.LSTM
        Recurrent layers, ``batch_first``.
    layer : int
        Which one, from 0.
    suffix : str
        Suffix of the weight names: ``""`` for forward, ``"_reverse"`` for backward.

    Returns
    -------
    torch.nn.GRU or torch.nn.LSTM
        One layer with one direction, with a copy of the weights.

    Example
    -------
    >>> rnn = torch.nn.GRU(3, 4, num_layers=2, batch_first=True, bidirectional=True)
    >>> one_direction(rnn, 1, "_reverse")
    GRU(8, 4, batch_first=True)
    """
    weights = {
        name: getattr(rnn, f"{name}_l{layer}{suffix}")
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    }
    first = weights["weight_ih"]
    place = {"device": first.device, "dtype": first.dtype}
    alone = type(rnn)(first.shape[1], rnn.hidden_size, batch_first=True, **place)
    alone.load_state_dict({f"{name}_l0": weight for name, weight in weights.items()})
    return alone
