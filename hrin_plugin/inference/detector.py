"""The detector: finds music in recordings of any length with a trained model."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from speechbrain.inference.interfaces import Pretrained
from torch import nn

from hrin_plugin.decoding.certainty import read_certainty
from hrin_plugin.decoding.methods import Decoding
from hrin_plugin.detection import Detection
from hrin_plugin.features import BandStatistics, LogMel
from hrin_plugin.features.mel_frames import MelFrames
from hrin_plugin.formats.records import model_identity
from hrin_plugin.inference.backends import BACKENDS, onnx_backend
from hrin_plugin.inference.core import Detector, read_own_decoding
from hrin_plugin.networks.hrin import check_two_levels
from hrin_plugin.networks.states import begin_network
from hrin_plugin.pretrained.checks import check_values
from hrin_plugin.pretrained.folder import PretrainedModel, load_pretrained
from hrin_plugin.pretrained.sources import PROGRAM_FILE, SETTINGS_FILE, check_program, find_model
from hrin_plugin.taxonomy import Taxonomy

_logger = logging.getLogger(__name__)


class MusicDetector(Detector, Pretrained):
    """A :class:`~hrin_plugin.inference.core.Detector` with a model on torch, as SpeechBrain's ``Pretrained``.

    It runs on any device, takes any network, and can hand the network to onnxruntime on a CPU.

    Arguments
    ---------
    modules : dict
        ``features`` (LogMel), ``statistics`` (BandStatistics) and ``network``, whose
        ``taxonomy`` has two levels.
    hparams : dict
        ``decoding``: a Decoding, or its settings as a dict.
    **options : dict
        As for SpeechBrain's Pretrained, for example ``run_opts={"device": "cuda"}``.

    Raises
    ------
    ValueError
        If a module or the decoding is missing or invalid, or a weight is not a finite number.

    Example
    -------
    >>> from hrin_plugin.networks.hrin import HRIN
    >>> from hrin_plugin.pretrained.folder import save_pretrained
    >>> folder = getfixture("tmp_path")
    >>> save_pretrained(folder, PretrainedModel(LogMel(), BandStatistics(128), HRIN()))
    >>> detector = MusicDetector.from_hparams(folder, run_opts={"device": "cpu"})
    >>> found = detector.detect_batch(torch.randn(2, 8000), torch.tensor([1.0, 0.5]), probabilities=True)
    >>> [detection.duration_s for detection in found]
    [1.0, 0.5]
    >>> {task: frames.shape for task, frames in found[0].probabilities.items()}
    {'md': (63, 2), 'mrle': (63, 3)}
    """

    MODULES_NEEDED = ["features", "statistics", "network"]
    HPARAMS_NEEDED = ["decoding"]

    def __init__(
        self, modules: Mapping[str, nn.Module] | None = None, hparams: Mapping | None = None, **options
    ):
        _check_parts(modules or {}, hparams or {}, self.MODULES_NEEDED, self.HPARAMS_NEEDED)
        modules = {name: modules[name] for name in self.MODULES_NEEDED}
        Pretrained.__init__(self, modules, hparams, **options)
        self._onnx = None
        Detector.__init__(self, modules["network"].taxonomy, modules["features"].grid, hparams["decoding"])

    @classmethod
    def from_hparams(
        cls,
        source: str | Path | None = None,
        *,
        backend: str = "auto",
        decoding: Decoding | None = None,
        run_opts: Mapping | None = None,
        savedir: str | Path | None = None,
        run_code: bool = False,
        **options,
    ) -> "MusicDetector":
        """Load a model.

        The files of a model are data. Two kinds of source run code, and need `run_code`: models
        whose network class is not in this package, which is imported; and sources with a
        SpeechBrain ``hyperparams.yaml``. The error lists what such a file would build.

        Arguments
        ---------
        source : str, pathlib.Path or None
            A folder, such as ``pretrained`` of a finished training; a name on the Hugging
            Face Hub, ``owner/model``; None for the model that comes with the package.
        backend : str
            ``"torch"``; ``"onnx"``, several times as fast on a CPU, which needs the package
            onnxruntime; ``"auto"`` for ONNX if it is available.
        decoding : Decoding or None
            How frame probabilities become events; None for the model's ``decoding.json``,
            or the paper's threshold of 0.5 if it has none.
        run_opts : dict or None
            As for SpeechBrain's Pretrained, for example ``{"device": "cuda"}``. The default
            device is a GPU if there is one.
        savedir : str, pathlib.Path or None
            Where to put fetched files; None for the Hub's cache.
        run_code : bool
            Whether to import a network's class from outside this package, and to load a
            ``hyperparams.yaml`` as SpeechBrain does, which runs what it names.
        **options : dict
            Further options of SpeechBrain's ``from_hparams``, such as ``overrides``, with `run_code` only.

        Returns
        -------
        MusicDetector
            The detector.

        Raises
        ------
        ValueError
            If there is no such model, it is damaged or could run code, or the backend
            is unavailable.

        Example
        -------
        >>> MusicDetector.from_hparams(getfixture("tmp_path"))
        Traceback (most recent call last):
        ...
        ValueError: ... holds no model.json; ...
        """
        if backend not in BACKENDS:
            raise ValueError(f"backend is {backend!r}; use one of {', '.join(BACKENDS)}")
        folder = find_model(source, savedir)
        if (folder / PROGRAM_FILE).is_file() and not (folder / SETTINGS_FILE).is_file():
            targets = check_program(folder / PROGRAM_FILE, run_code)
            _logger.warning("%s runs code: %s", folder / PROGRAM_FILE, ", ".join(map(str, targets)))
            detector = super().from_hparams(
                str(source), PROGRAM_FILE, run_opts=run_opts, savedir=savedir, **options
            )
        elif options:
            raise ValueError(
                f"{', '.join(options)}: only a {PROGRAM_FILE} with run_code=True takes such options"
            )
        else:
            hparams = {"decoding": read_own_decoding(folder)}
            detector = cls(load_pretrained(folder, run_code)._asdict(), hparams, run_opts=run_opts)
        detector.identity, detector.calibration = model_identity(source), read_certainty(folder)
        if decoding is not None:
            detector.decoding = decoding
        if backend != "torch":
            detector._onnx = onnx_backend(detector.model, detector.device_type, required=backend == "onnx")
        return detector

    @property
    def model(self) -> PretrainedModel:
        """The PretrainedModel: features, statistics and network."""
        return PretrainedModel(*(self.mods[name] for name in self.MODULES_NEEDED))

    @property
    def backend(self) -> str:
        """The backend: ``"torch"`` or ``"onnx"``."""
        return "torch" if self._onnx is None else "onnx"

    @property
    def features(self) -> LogMel | MelFrames:
        """The features: of the backend, so that every runtime hears the same."""
        return self.mods["features"] if self._onnx is None else self._onnx.features

    @property
    def block_frames(self) -> int:
        """Number of frames that the network classifies together."""
        return getattr(self.mods["network"], "block_frames", 1)

    def forward(
        self,
        wavs: torch.Tensor | np.ndarray,
        lens: torch.Tensor | Sequence[float] | None = None,
        sample_rate: int | None = None,
    ) -> list[Detection]:
        """The same as :meth:`detect_batch`."""
        return self.detect_batch(wavs, lens, sample_rate)

    def begin(self, context: int) -> Callable:
        """Start a signal with the model's network, in SpeechBrain's inference precision."""
        if self._onnx is not None:
            return self._onnx.begin(context)
        step = begin_network(self.model, context)

        def precise(frames, n_wanted):
            """Logits in the detector's precision, without gradients."""
            with self.inference_ctx:
                return step(frames, n_wanted)

        return precise


def _check_parts(modules, hparams, modules_needed, hparams_needed):
    """Raise ValueError for a model with a missing or invalid part."""
    for kind, given, needed in (("module", modules, modules_needed), ("hparam", hparams, hparams_needed)):
        missing = [name for name in needed if given.get(name) is None]
        if missing:
            raise ValueError(
                f"the model has no {kind} {' and no '.join(map(repr, missing))}; "
                f"it needs the {kind}s {', '.join(needed)}"
            )
    for name, expected in (("features", LogMel), ("statistics", BandStatistics)):
        if not isinstance(modules[name], expected):
            raise ValueError(
                f"the model's {name} are a {type(modules[name]).__name__}, not {expected.__name__}"
            )
    network = modules["network"]
    if not isinstance(getattr(network, "taxonomy", None), Taxonomy):
        raise ValueError(f"the model's network, a {type(network).__name__}, has no taxonomy; give it one")
    check_two_levels(network.taxonomy)
    check_values(nn.ModuleDict({"statistics": modules["statistics"], "network": network}))
