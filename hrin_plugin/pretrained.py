"""A trained model as a folder of data: settings in JSON and weights in safetensors.

Loading one builds the classes named here and nothing else, so a folder from a
stranger cannot run code.
"""

import json
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from hrin_plugin.baselines import MMG, SinglePath
from hrin_plugin.features import BandStatistics, LogMel
from hrin_plugin.files import replacing, write_atomically
from hrin_plugin.networks import HRIN
from hrin_plugin.taxonomy import Taxonomy

SETTINGS_FILE, WEIGHTS_FILE = "model.json", "model.safetensors"
#: Of files whose numbers are as they are computed with, and of those with quantised matrices.
FORMATS = PLAIN, QUANTISED = (1, 2)
#: Ends the name of the rows' scales of a quantised matrix.
SCALE = ".row_scale"
NETWORKS = {"HRIN": HRIN, "MMG": MMG, "SinglePath": SinglePath}


class PretrainedModel(NamedTuple):
    """What turns a waveform into logits.

    Example
    -------
    >>> model = PretrainedModel(LogMel(), BandStatistics(128), HRIN(hidden_size=5, num_layers=1))
    >>> model.network.taxonomy.sizes
    (2, 3)
    """

    features: LogMel
    statistics: BandStatistics
    network: nn.Module


def save_pretrained(folder, model, quantised=False, training=None):
    """Write a model's settings and weights to a folder.

    Arguments
    ---------
    folder : str or pathlib.Path
        The folder, made where it is missing.
    model : PretrainedModel
        The model; its network must be of a class in :data:`NETWORKS`.
    quantised : bool
        Whether the numbers of matrices and kernels are written as whole ones of -127 to 127 with
        a scale for each row, for a file of a quarter of the size. They are computed with in
        single precision either way.
    training : dict or None
        Facts of the training, as JSON has them, for whoever reads ``model.json``; loading leaves them alone.

    Raises
    ------
    ValueError
        If the network's class is not known to :func:`load_pretrained`.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> save_pretrained(folder, PretrainedModel(LogMel(), BandStatistics(128), HRIN()))
    >>> sorted(path.name for path in folder.iterdir())
    ['model.json', 'model.safetensors']
    """
    name = type(model.network).__name__
    if name not in NETWORKS:
        raise ValueError(f"a network of class {name} cannot be exported; known are {sorted(NETWORKS)}")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    taxonomy = model.network.taxonomy
    settings = {
        "format": QUANTISED if quantised else PLAIN,
        "features": model.features.settings,
        "network": {"class": name, **model.network.settings},
        "taxonomy": {"levels": taxonomy.levels, "parents": taxonomy.parents},
    }
    if training is not None:
        settings["training"] = training
    modules = nn.ModuleDict({"statistics": model.statistics, "network": model.network})
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in modules.state_dict().items()}
    if quantised:
        weights = _quantise(weights)
    with replacing(folder / WEIGHTS_FILE) as draft:
        save_file(weights, draft)
    write_atomically(folder / SETTINGS_FILE, json.dumps(settings, indent=2) + "\n")


def load_pretrained(folder):
    """Build a model from a folder that :func:`save_pretrained` wrote.

    Arguments
    ---------
    folder : str or pathlib.Path
        The folder.

    Returns
    -------
    PretrainedModel
        In evaluation mode, on the CPU.

    Raises
    ------
    ValueError
        If the folder lacks a file, or the files are damaged, do not fit each
        other, or are of a later format.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> save_pretrained(folder, PretrainedModel(LogMel(), BandStatistics(128), HRIN()))
    >>> load_pretrained(folder).network.settings["num_layers"]
    4
    """
    folder = Path(folder)
    for name in (SETTINGS_FILE, WEIGHTS_FILE):
        if not (folder / name).is_file():
            raise ValueError(f"{folder} holds no {name}; give the 'pretrained' folder of a finished training")
    try:
        settings = json.loads((folder / SETTINGS_FILE).read_text(encoding="utf-8"))
        if settings["format"] not in FORMATS:
            raise ValueError(
                f"its format is {settings['format']}, and this version reads formats {PLAIN} and {QUANTISED}"
            )
        network_settings = dict(settings["network"])
        network_class = NETWORKS[network_settings.pop("class")]
        network = network_class(**network_settings, taxonomy=Taxonomy(**settings["taxonomy"]))
        features = LogMel(**settings["features"])
        model = PretrainedModel(features, BandStatistics(features.n_mels), network)
        modules = nn.ModuleDict({"statistics": model.statistics, "network": model.network})
        modules.load_state_dict(_restore(load_file(folder / WEIGHTS_FILE)))
    except (KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise ValueError(f"{folder} cannot be loaded: {error}; export the model again") from error
    for module in model:
        module.eval()
    return model


def _quantise(weights):
    """Matrices and kernels as whole numbers and scales of their rows; all else as it is."""
    quantised = {}
    for name, tensor in weights.items():
        if tensor.ndim > 1:
            largest = tensor.abs().amax(dim=tuple(range(1, tensor.ndim)), keepdim=True)
            scale = largest.clamp_min(torch.finfo(tensor.dtype).tiny) / 127
            tensor, quantised[name + SCALE] = (tensor / scale).round().to(torch.int8), scale
        quantised[name] = tensor
    return quantised


def _restore(weights):
    """The inverse of :func:`_quantise`, but for the rounding."""
    scales = {name: weights.pop(name) for name in list(weights) if name.endswith(SCALE)}
    for name, scale in scales.items():
        matrix = name.removesuffix(SCALE)
        weights[matrix] = weights[matrix] * scale
    return weights
