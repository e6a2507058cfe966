"""Networks that go through a signal window by window, and remember what came before.

A step takes a window's frames, of which the first ones are wanted and the others are
there for the sake of these. What a step remembers is what a whole pass would know of
the past: the states of the recurrent layers. A network of which these are not known
gets the frames before the window once more.
"""

import inspect

import torch


def begin_network(model, context):
    """Begin a signal: what a model's network makes of it, window by window.

    Arguments
    ---------
    model : PretrainedModel
        The statistics and the network. A network whose ``forward`` takes ``states`` gives
        them to its recurrent units (see :class:`CarriedStates`), as HRIN does.
    context : int
        Frames before a window that go through any other network again.

    Returns
    -------
    callable
        From a window's frames in decibels, a tensor ``[1, frame, band]``, and the number of
        the wanted ones, to a tuple of arrays ``[wanted frame, class]``, float32, one a level.
        The next window begins after the wanted frames.

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
        return FrameMemory(classify, context)
    states = CarriedStates()

    def step(frames, n_wanted):
        """Probabilities of the wanted frames."""
        states.n_wanted = n_wanted
        return tuple(level[0, :n_wanted] for level in classify(frames, states=states))

    return step


class CarriedStates:
    """The states of recurrent layers, from one window of a signal to the next.

    Those of the forward direction are taken after the wanted frames of a window, which is
    what a whole pass would have there. The backward direction begins at a window's end, and
    what it would bring from there is not known; it begins with where it arrived at the
    first frame of the window before, as its memory of long duration hardly differs between
    the two. At the signal's end it begins with zeros, as in a whole pass.

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
    """One direction of one layer as a layer of its own.

    Arguments
    ---------
    rnn : torch.nn.GRU or torch.nn.LSTM
        Recurrent layers, ``batch_first``.
    layer : int
        Which one, from 0.
    suffix : str
        As in the names of its weights: ``""`` forwards, ``"_reverse"`` backwards.

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


class FrameMemory:
    """Windows for what knows no states: the frames before a window go through it once more.

    Arguments
    ---------
    classify : callable
        From a tensor ``[1, frame, band]`` to a tuple of arrays ``[1, frame, class]``.
    context : int
        How many frames.

    Example
    -------
    >>> remember = FrameMemory(lambda frames: (frames.cumsum(dim=1).numpy(),), context=2)
    >>> [remember(torch.ones(1, 5, 1), 3)[0].flatten().tolist() for _ in range(2)]
    [[1.0, 2.0, 3.0], [3.0, 4.0, 5.0]]
    """

    def __init__(self, classify, context):
        self._classify, self._context, self._before = classify, context, None

    def __call__(self, frames, n_wanted):
        """What `classify` gives for the wanted frames, with the memory of those before them."""
        if self._before is not None:
            frames = torch.cat((self._before, frames), dim=1)
        begin = 0 if self._before is None else self._before.shape[1]
        end = begin + n_wanted
        self._before = frames[:, max(0, end - self._context) : end]
        return tuple(level[0, begin:end] for level in self._classify(frames))
