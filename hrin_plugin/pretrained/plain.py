"""A model's folder as plain data, read without torch: settings, features, taxonomy and arrays."""

import contextlib
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hrin_plugin.features.settings import FrameSettings
from hrin_plugin.networks.onnx_networks import BUILDERS
from hrin_plugin.networks.weights import Weights
from hrin_plugin.pretrained.checks import check_settings
from hrin_plugin.pretrained.sources import SETTINGS_FILE, WEIGHTS_FILE
from hrin_plugin.taxonomy import TWO_LEVELS, Taxonomy
from hrin_plugin.text import decode, shorten, shown

#: Of files whose numbers are as they are computed with, and of those with quantised matrices.
FORMATS = PLAIN, QUANTISED = (1, 2)
#: Ends the name of the rows' scales of a quantised matrix.
SCALE = ".row_scale"
#: The one weight that counts something, and is no float.
_COUNT = "num_batches_tracked"


class PlainModel(NamedTuple):
    """What a model's folder holds.

    Example
    -------
    >>> from hrin_plugin.pretrained.sources import find_model
    >>> model = read_plain(find_model())
    >>> model.network, model.taxonomy.sizes, model.features.hop_length
    ('HRIN', (2, 3), 512)
    """

    settings: dict  # the content of model.json
    features: FrameSettings
    taxonomy: Taxonomy
    network: str  # the name of its class
    network_settings: dict
    weights: Weights  # of "statistics" and "network"


def read_settings(folder: Path) -> tuple[dict, str, dict]:
    """The settings of a model's folder.

    Arguments
    ---------
    folder : pathlib.Path
        The folder.

    Returns
    -------
    tuple of (dict, str, dict)
        The content of ``model.json``, the path of the network's class, and the network's settings.

    Raises
    ------
    ValueError
        If a file is missing, damaged or of a later format.

    Example
    -------
    >>> from hrin_plugin.pretrained.sources import find_model
    >>> read_settings(find_model())[1]
    'HRIN'
    """
    for name in (SETTINGS_FILE, WEIGHTS_FILE):
        if not (folder / name).is_file():
            raise ValueError(f"{folder} holds no {name}; give the 'pretrained' folder of a finished training")
    with blaming(folder, "export the model again"):
        settings = json.loads(decode((folder / SETTINGS_FILE).read_bytes()))
        if settings["format"] not in FORMATS:
            known = f"and this version reads formats {PLAIN} and {QUANTISED}"
            raise ValueError(f"its format is {shown(settings['format'])}, {known}")
        network_settings = dict(settings["network"])
        path = str(network_settings.pop("class"))
        if not all(part.isidentifier() for part in path.split(".")):
            raise ValueError(f"its network's class is {shown(path)}, which names no class")
    return settings, path, network_settings


def read_plain(folder: Path) -> PlainModel:
    """Read a model of a network of this package that has an ONNX builder.

    Arguments
    ---------
    folder : pathlib.Path
        A folder that :func:`hrin_plugin.pretrained.folder.save_pretrained` wrote.

    Returns
    -------
    PlainModel
        Its content. Whether the weights have the shapes of the settings shows when the graph is built.

    Raises
    ------
    ValueError
        If a file is missing or damaged, or the files do not fit each other.

    Example
    -------
    >>> read_plain(getfixture("tmp_path"))
    Traceback (most recent call last):
    ...
    ValueError: ... holds no model.json; ...
    """
    folder = Path(folder)
    settings, network, network_settings = read_settings(folder)
    with blaming(folder, "export the model again"):
        taxonomy, features = Taxonomy(**settings["taxonomy"]), FrameSettings(**settings["features"])
        features.check()
        if len(taxonomy.levels) != len(TWO_LEVELS):
            raise ValueError(f"the network has two levels; this taxonomy has {len(taxonomy.levels)}")
        arrays = _read_arrays(folder / WEIGHTS_FILE)
        (n_bands,) = arrays["statistics.mean"].shape
        if features.n_mels != n_bands:
            raise ValueError(f"its features have {features.n_mels} bands, its statistics {n_bands}")
        check_settings(BUILDERS[network], network_settings, len(arrays))
        n_inputs = network_settings.get("input_size", features.n_mels)
        if n_inputs != features.n_mels:
            raise ValueError(f"its network takes {n_inputs} bands, its features give {features.n_mels}")
        return PlainModel(settings, features, taxonomy, network, network_settings, Weights(arrays))


def _read_arrays(path):
    """Arrays of a file of weights in single precision, restored where they are quantised."""
    from safetensors.numpy import load_file

    arrays = restore(load_file(path))
    for name, array in arrays.items():
        if (array.dtype.kind == "f") == name.endswith(_COUNT):
            raise ValueError(f"its weights are of the wrong type, {array.dtype}, in {name}")
        if array.dtype.kind == "f":
            arrays[name] = array = array.astype(np.float32, copy=False)
            if not np.isfinite(array).all():
                raise ValueError(f"its weights hold a number that is not finite, in {name}")
        if name.endswith(("running_var", "std")) and (array < 0).any():
            raise ValueError(f"its weights hold a negative variance, in {name}")
    return arrays


def restore(weights: dict) -> dict:
    """Weights with their quantised matrices multiplied by the scales of their rows.

    Arguments
    ---------
    weights : dict of str to numpy.ndarray or torch.Tensor
        As a file of weights holds them; it is changed.

    Returns
    -------
    dict
        The same without scales.

    Raises
    ------
    ValueError
        If a scale is not one of each row.

    Example
    -------
    >>> restore({"a": np.array([[100, 50]], np.int8), "a.row_scale": np.array([[0.5]])})["a"].tolist()
    [[50.0, 25.0]]
    """
    scales = {name: weights.pop(name) for name in list(weights) if name.endswith(SCALE)}
    for name, scale in scales.items():
        matrix = weights[name.removesuffix(SCALE)]
        if scale.shape != (*matrix.shape[:1], *[1] * (matrix.ndim - 1)):
            raise ValueError(f"{shown(name)} has the shape {list(scale.shape)}, and is no row's scale")
        weights[name.removesuffix(SCALE)] = matrix * scale
    return weights


@contextlib.contextmanager
def blaming(folder, cure=None):
    """Context that names the folder in errors caused by its content.

    Arguments
    ---------
    folder : pathlib.Path
        The folder.
    cure : str or None
        What is to be done about it.

    Example
    -------
    >>> with blaming(Path("model")):
    ...     {}["taxonomy"]
    Traceback (most recent call last):
    ...
    ValueError: model cannot be loaded: it has no 'taxonomy'; export the model again
    """
    try:
        yield
    except KeyError as error:
        raise ValueError(f"{folder} cannot be loaded: it has no {error}; export the model again") from error
    except Exception as error:  # of another's class, or of a library that is given nonsense
        words = shorten(" ".join(str(error).split()), 400)
        raise ValueError("; ".join(filter(None, (f"{folder} cannot be loaded: {words}", cure)))) from error
