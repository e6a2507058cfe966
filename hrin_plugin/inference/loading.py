"""Loading of taxonomies and detectors for the commands."""

import hashlib
import json
from pathlib import Path

from hrin_plugin.inference.core import Detector, read_own_decoding
from hrin_plugin.inference.onnx_detector import OnnxDetector, can_do_without_torch
from hrin_plugin.machine import may_have_gpu
from hrin_plugin.pretrained.sources import PROGRAM_FILE, SETTINGS_FILE, WEIGHTS_FILE, find_model
from hrin_plugin.taxonomy import Taxonomy
from hrin_plugin.text import read_plain, shorten


def load_taxonomy(model: str | Path | None = None, run_code: bool = False) -> Taxonomy:
    """The taxonomy of a model, without loading its weights if its files are data.

    Arguments
    ---------
    model : str, pathlib.Path or None
        As :meth:`hrin_plugin.inference.detector.MusicDetector.from_hparams` takes it.
    run_code : bool
        Whether a ``hyperparams.yaml`` (for models without ``model.json``) may run code.

    Returns
    -------
    Taxonomy
        The classes.

    Raises
    ------
    ValueError
        If there is no such model, or it is damaged.

    Example
    -------
    >>> load_taxonomy().labels["md"]
    ('no-music', 'music')
    """
    folder = find_model(model)
    path = folder / SETTINGS_FILE
    if (folder / PROGRAM_FILE).is_file() and not path.is_file():
        return load_detector(model, "torch", "cpu", run_code=run_code).taxonomy
    try:
        return Taxonomy(**json.loads(read_plain(path))["taxonomy"])
    except OSError as error:
        raise ValueError(
            f"{path}: cannot be read ({error.strerror}); give the 'pretrained' folder of a finished training"
        ) from None
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path}: holds no taxonomy ({shorten(str(error), 200)}); export the model again"
        ) from None


def describe_model(model: str | Path | None = None, decoding: dict | None = None) -> dict:
    """What tells of a model and its decisions, for who must repeat a detection.

    Arguments
    ---------
    model : str, pathlib.Path or None
        As :meth:`hrin_plugin.inference.detector.MusicDetector.from_hparams` takes it.
    decoding : dict or None
        Settings that override the model's own Decoding.

    Returns
    -------
    dict
        ``model``, its name; ``model_sha256``, of the file of its weights; ``decoding``, all settings.

    Example
    -------
    >>> about = describe_model(decoding={"min_event_s": 2.0})
    >>> about["model"], len(about["model_sha256"]), about["decoding"]["min_event_s"]
    ('hrin_cr', 64, 2.0)
    """
    folder = find_model(model)
    weights = folder / WEIGHTS_FILE
    parts = folder.resolve().parts[-2:] if model else (folder.name,)
    about = {"model": "/".join(parts) if not model or Path(model).is_dir() else str(model)}
    if weights.is_file():
        about["model_sha256"] = hashlib.sha256(weights.read_bytes()).hexdigest()
    if not (folder / PROGRAM_FILE).is_file() or (folder / SETTINGS_FILE).is_file():
        about["decoding"] = read_own_decoding(folder).changed(decoding or {}).to_dict()
    return about


def load_detector(
    model: str | Path | None = None,
    backend: str = "auto",
    device: str | None = None,
    decoding: dict | None = None,
    run_code: bool = False,
) -> Detector:
    """A detector on a device, with changed decoding settings.

    On a CPU, and with onnxruntime installed, the networks of this package need no torch: it is not
    imported then.

    Arguments
    ---------
    model, backend : str or None
        As :meth:`hrin_plugin.inference.detector.MusicDetector.from_hparams` takes them.
    device : str or None
        "cpu", "cuda", "cuda:1"; None for an accelerator where there is one.
    decoding : dict or None
        Settings that override the model's own Decoding.
    run_code : bool
        Whether a model may run code, as :meth:`MusicDetector.from_hparams` says.

    Returns
    -------
    Detector
        An :class:`~hrin_plugin.inference.onnx_detector.OnnxDetector`, or a
        :class:`~hrin_plugin.inference.detector.MusicDetector` where torch is needed.

    Raises
    ------
    ValueError
        If there is no such model or device, it needs `run_code`, the decoding does not fit it, or torch is
        needed and not installed.

    Example
    -------
    >>> detector = load_detector(device="cpu", decoding={"min_event_s": 2.0})
    >>> detector.backend, detector.decoding.min_event_s
    ('onnx', 2.0)
    """
    on_cpu = device == "cpu" or (device is None and not may_have_gpu())
    if on_cpu and backend in ("auto", "onnx") and can_do_without_torch(model):
        detector = OnnxDetector.from_folder(model)
    else:
        detector = _load_on_torch(model, backend, device, run_code)
    if decoding:
        detector.decoding = detector.decoding.changed(decoding)
    return detector


def _load_on_torch(model, backend, device, run_code):
    """A MusicDetector."""
    try:
        from hrin_plugin.inference.detector import MusicDetector
        from hrin_plugin.networks.devices import check_device
    except ModuleNotFoundError as error:
        raise ValueError(
            f"{error.name} is not installed, and this model, backend or device needs it; run: "
            "pip install hrin-plugin, or use a network of this package on the device 'cpu' with onnxruntime"
        ) from error
    if device is not None:
        check_device(device)
    run_opts = device and {"device": device}
    return MusicDetector.from_hparams(model, backend=backend, run_opts=run_opts, run_code=run_code)
