"""Backends of a detector: torch, or onnxruntime if it is installed."""

import importlib.util

from hrin_plugin.networks.onnx_nodes import has_onnx
from hrin_plugin.pretrained.onnx_stages import fast_model

BACKENDS = ("auto", "torch", "onnx")


def onnx_backend(model, device_type, required):
    """A model's network for onnxruntime, with states.

    Arguments
    ---------
    model : PretrainedModel
        The model.
    device_type : str
        Device type; onnxruntime is used on ``"cpu"`` only.
    required : bool
        Whether to raise an error if onnxruntime is unavailable.

    Returns
    -------
    StagedModel, OnnxModel or None
        None if it is unavailable and not required.

    Raises
    ------
    ValueError
        If it is required and unavailable; names the cure.

    Example
    -------
    >>> from hrin_plugin.features import BandStatistics, LogMel
    >>> from hrin_plugin.networks.hrin import HRIN
    >>> from hrin_plugin.pretrained.folder import PretrainedModel
    >>> model = PretrainedModel(LogMel(), BandStatistics(128), HRIN(hidden_size=5))
    >>> onnx_backend(model, "cpu", required=True).taxonomy.sizes
    (2, 3)
    >>> onnx_backend(model, "cuda", required=False)
    """
    problem = None
    if device_type != "cpu":
        problem = f"it runs on the CPU, not on {device_type}; choose the device 'cpu'"
    if importlib.util.find_spec("onnxruntime") is None:
        problem = "onnxruntime is not installed; run: pip install onnxruntime"
    if not has_onnx(model.network):
        problem = f"the class {type(model.network).__name__} has no ONNX builder; use 'torch'"
    if problem and required:
        raise ValueError(f"backend 'onnx' cannot be had: {problem}")
    if problem:
        return None
    # Made anew from the weights, so that it cannot be another model's.
    return fast_model(model)
