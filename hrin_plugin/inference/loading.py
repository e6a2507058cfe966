"""Loading of taxonomies and detectors for the commands."""

import hashlib
import json
from pathlib import Path

from hrin_plugin.inference.detector import MusicDetector, read_own_decoding
from hrin_plugin.networks.devices import check_device
from hrin_plugin.pretrained.folder import SETTINGS_FILE, WEIGHTS_FILE
from hrin_plugin.pretrained.sources import PROGRAM_FILE, find_model
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


def load_detector(model=None, backend="auto", device=None, decoding=None, run_code=False):
    """A detector on a device, with changed decoding settings.

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
    MusicDetector
        The detector.

    Raises
    ------
    ValueError
        If there is no such model or device, it needs `run_code`, or the decoding does not fit it.

    Example
    -------
    >>> from hrin_plugin.features import BandStatistics, LogMel
    >>> from hrin_plugin.networks.hrin import HRIN
    >>> from hrin_plugin.pretrained.folder import PretrainedModel, save_pretrained
    >>> folder = getfixture("tmp_path")
    >>> save_pretrained(folder, PretrainedModel(LogMel(), BandStatistics(128), HRIN()))
    >>> load_detector(folder, "torch", "cpu", {"thresholds": 0.4}).decoding.thresholds
    0.4
    """
    if device is not None:
        check_device(device)
    detector = MusicDetector.from_hparams(
        model, backend=backend, run_opts=device and {"device": device}, run_code=run_code
    )
    if decoding:
        detector.decoding = detector.decoding.changed(decoding)
    return detector
