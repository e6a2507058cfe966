"""Loading of taxonomies and detectors for the commands."""

import json
from pathlib import Path

from hrin_plugin.inference.detector import MusicDetector
from hrin_plugin.networks.devices import check_device
from hrin_plugin.pretrained.folder import SETTINGS_FILE
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
