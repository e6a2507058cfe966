"""The detector on onnxruntime, which needs no torch."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

from hrin_plugin.decoding.certainty import read_certainty
from hrin_plugin.decoding.methods import Decoding
from hrin_plugin.features.mel_frames import MelFrames
from hrin_plugin.formats.records import model_identity
from hrin_plugin.inference.core import Detector, read_own_decoding
from hrin_plugin.networks.onnx_networks import BUILDERS
from hrin_plugin.pretrained.onnx_model import OnnxModel
from hrin_plugin.pretrained.onnx_stages import StagedModel, fast_model
from hrin_plugin.pretrained.plain import blaming, read_plain, read_settings
from hrin_plugin.pretrained.sources import PROGRAM_FILE, SETTINGS_FILE, find_model


class OnnxDetector(Detector):
    """Events and frame probabilities of recordings on a CPU, in a process without torch.

    It starts in a fraction of a second, and can be pickled.

    Arguments
    ---------
    network : StagedModel or OnnxModel
        The network, which takes frames.
    decoding : Decoding or dict
        How frame probabilities become events.
    identity : dict or None
        Identity of the model, as records of results have it.

    Example
    -------
    >>> import numpy as np
    >>> detector = OnnxDetector.from_folder()
    >>> found = detector.detect_batch(np.zeros((2, 8000), np.float32), [1.0, 0.5])
    >>> [(detection.duration_s, detection.events["md"][0].label) for detection in found]
    [(1.0, 'no-music'), (0.5, 'no-music')]
    """

    backend = "onnx"

    def __init__(self, network: StagedModel | OnnxModel, decoding: Decoding | dict, identity=None):
        self._network = network
        super().__init__(network.taxonomy, network.features.grid, decoding)
        self.identity = identity

    @classmethod
    def from_folder(cls, source: str | Path | None = None) -> "OnnxDetector":
        """Load a model.

        Arguments
        ---------
        source : str, pathlib.Path or None
            As :meth:`hrin_plugin.inference.detector.MusicDetector.from_hparams` takes it.

        Returns
        -------
        OnnxDetector
            The detector.

        Raises
        ------
        ValueError
            If there is no such model, it is damaged, or onnxruntime is not installed.

        Example
        -------
        >>> OnnxDetector.from_folder().grid.hop_length
        512
        """
        folder = find_model(source)
        model = read_plain(folder)
        with blaming(folder, "export the model again"):
            network = fast_model(model)
        detector = cls(network, read_own_decoding(folder), model_identity(source))
        detector.calibration = read_certainty(folder)
        return detector

    @property
    def features(self) -> MelFrames:
        """The features."""
        return self._network.features

    @property
    def block_frames(self) -> int:
        """Number of frames that the network classifies together."""
        return self._network.settings["network"].get("block_frames", 1)

    def begin(self, context: int) -> Callable:
        """Start a signal, as :meth:`hrin_plugin.inference.core.Detector.begin` says."""
        return self._network.begin(context)


def can_do_without_torch(source: str | Path | None = None) -> bool:
    """Whether a model can run on onnxruntime alone: a network of this package, and the runtime installed.

    Arguments
    ---------
    source : str, pathlib.Path or None
        As :meth:`OnnxDetector.from_folder` takes it.

    Returns
    -------
    bool
        True if :class:`OnnxDetector` can load it.

    Raises
    ------
    ValueError
        If there is no such model, or its settings are damaged.

    Example
    -------
    >>> can_do_without_torch()
    True
    """
    if importlib.util.find_spec("onnxruntime") is None:
        return False
    folder = find_model(source)
    if (folder / PROGRAM_FILE).is_file() and not (folder / SETTINGS_FILE).is_file():
        return False
    return read_settings(folder)[1] in BUILDERS
