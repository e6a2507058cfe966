"""A trained model as a folder of data: settings in JSON and weights in safetensors.

Loading builds classes of this package only, so a folder from an unknown source cannot run code.
A network class from another package is imported only with ``run_code``.
"""

import json
import logging
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import nn

from hrin_plugin.features import BandStatistics, LogMel
from hrin_plugin.files import replacing, write_atomically
from hrin_plugin.networks.classes import class_path, find_class, is_of_package
from hrin_plugin.networks.contract import Network, check_description
from hrin_plugin.pretrained.checks import check_settings, check_shapes, check_values, weight_shapes
from hrin_plugin.pretrained.plain import PLAIN, QUANTISED, SCALE, blaming, read_settings, restore
from hrin_plugin.pretrained.sources import SETTINGS_FILE, WEIGHTS_FILE
from hrin_plugin.taxonomy import Taxonomy
from hrin_plugin.text import shown

_logger = logging.getLogger(__name__)


class PretrainedModel(NamedTuple):
    """Features, statistics and network: from a waveform to logits.

    Example
    -------
    >>> from hrin_plugin.networks import HRIN
    >>> model = PretrainedModel(LogMel(), BandStatistics(128), HRIN(hidden_size=5, num_layers=1))
    >>> model.network.taxonomy.sizes
    (2, 3)
    """

    features: LogMel
    statistics: BandStatistics
    network: Network


def save_pretrained(
    folder: str | Path, model: PretrainedModel, quantised: bool = False, training: dict | None = None
) -> None:
    """Write a model's settings and weights to a folder.

    Arguments
    ---------
    folder : str or pathlib.Path
        The folder; created if missing.
    model : PretrainedModel
        The model; its network keeps the contract of :class:`hrin_plugin.networks.contract.Network`.
    quantised : bool
        Whether matrices and kernels are stored as integers of -127 to 127 with a scale for each
        row, at a quarter of the size. Computation is in single precision either way.
    training : dict or None
        Facts of the training, as JSON can hold them; written to ``model.json`` and ignored by loading.

    Raises
    ------
    ValueError
        If the network lacks the settings to rebuild it.

    Example
    -------
    >>> from hrin_plugin.networks import HRIN
    >>> folder = getfixture("tmp_path")
    >>> save_pretrained(folder, PretrainedModel(LogMel(), BandStatistics(128), HRIN()))
    >>> sorted(path.name for path in folder.iterdir())
    ['model.json', 'model.safetensors']
    """
    check_description(model.network)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    taxonomy = model.network.taxonomy
    settings = {
        "format": QUANTISED if quantised else PLAIN,
        "features": model.features.settings,
        "network": {"class": class_path(type(model.network)), **model.network.settings},
        "taxonomy": {"levels": taxonomy.levels, "parents": taxonomy.parents},
    }
    if training is not None:
        settings["training"] = training
    modules = nn.ModuleDict({"statistics": model.statistics, "network": model.network})
    # Copies, as the format has no way to say that two weights are one.
    weights = {
        name: tensor.detach().cpu().contiguous().clone() for name, tensor in modules.state_dict().items()
    }
    if quantised:
        weights = _quantise(weights)
    with replacing(folder / WEIGHTS_FILE) as draft:
        # Written by python, which knows why it could not be written.
        draft.write_bytes(to_bytes(weights))
    write_atomically(folder / SETTINGS_FILE, json.dumps(settings, indent=2) + "\n")


def load_pretrained(folder: str | Path, run_code: bool = False) -> PretrainedModel:
    """Build a model from a folder that :func:`save_pretrained` wrote.

    Arguments
    ---------
    folder : str or pathlib.Path
        The folder.
    run_code : bool
        Whether to import a network class from outside this package, which runs its module's
        code.

    Returns
    -------
    PretrainedModel
        In evaluation mode, on the CPU.

    Raises
    ------
    ValueError
        If the folder lacks a file, the files are damaged, do not fit each other, or are of a later
        format; or if a foreign network class needs `run_code`, or cannot be imported.

    Example
    -------
    >>> from hrin_plugin.networks import HRIN
    >>> folder = getfixture("tmp_path")
    >>> save_pretrained(folder, PretrainedModel(LogMel(), BandStatistics(128), HRIN()))
    >>> load_pretrained(folder).network.settings["num_layers"]
    4
    """
    folder = Path(folder)
    settings, path, network_settings = read_settings(folder)
    network_class = _import_class(folder, path, run_code)
    with blaming(folder, "export the model again"):
        taxonomy = Taxonomy(**settings["taxonomy"])
        shapes = _plain_shapes(weight_shapes(folder / WEIGHTS_FILE))
        features = _features(settings["features"], shapes)

        def build():
            """The statistics and the network, without their weights."""
            network = network_class(**network_settings, taxonomy=taxonomy)
            check_description(network)
            return nn.ModuleDict({"statistics": BandStatistics(features.n_mels), "network": network})

        if is_of_package(path):
            check_settings(network_class, network_settings, len(shapes))
            # Nothing is allocated before the sizes are known to be those of the file.
            with torch.device("meta"):
                draft = build()
            n_inputs = draft["network"].settings["input_size"]
            if n_inputs != features.n_mels:
                raise ValueError(f"its network takes {n_inputs} bands, its features give {features.n_mels}")
            check_shapes(draft, shapes)
        modules = build()
        weights = restore(load_file(folder / WEIGHTS_FILE))
        for name, tensor in modules.state_dict().items():
            if name in weights and tensor.is_floating_point() != weights[name].is_floating_point():
                raise ValueError(f"its weights are of the wrong type, {weights[name].dtype}, in {name}")
        modules.load_state_dict(weights)
        check_values(modules)
        model = PretrainedModel(features, modules["statistics"], modules["network"])
    for module in model:
        module.eval()
    return model


def _import_class(folder, path, run_code):
    """The class of a folder's network; foreign classes need `run_code`."""
    if not is_of_package(path):
        if not run_code:
            raise ValueError(
                f"{folder}: its network is of the class {path}, and loading it would import the module "
                f"{path.rpartition('.')[0]} and run its code; pass run_code=True (--run-code on the command "
                "line) if you trust that module"
            )
        _logger.warning("%s runs code: it imports %s", folder, path)
    with blaming(folder):
        return find_class(path)


def _features(settings, shapes):
    """The features, once their number of bands is known to be that of the statistics."""
    (n_bands,) = shapes["statistics.mean"]
    if settings["n_mels"] != n_bands:
        raise ValueError(f"its features have {shown(settings['n_mels'])} bands, its statistics {n_bands}")
    return LogMel(**settings)


def _plain_shapes(shapes):
    """The shapes of weights without the scales of quantised ones."""
    return {name: shape for name, shape in shapes.items() if not name.endswith(SCALE)}


def _quantise(weights):
    """Quantise matrices and kernels to integers with a scale for each row."""
    quantised = {}
    for name, tensor in weights.items():
        if tensor.ndim > 1:
            largest = tensor.abs().amax(dim=tuple(range(1, tensor.ndim)), keepdim=True)
            scale = largest.clamp_min(torch.finfo(tensor.dtype).tiny) / 127
            tensor, quantised[name + SCALE] = (tensor / scale).round().to(torch.int8), scale
        quantised[name] = tensor
    return quantised
