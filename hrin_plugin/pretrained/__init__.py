"""A trained network goes in and a folder of plain data comes out, and the other way round.

Where a model may come from, its ONNX graph, and the model that ships.
"""

from hrin_plugin.pretrained.folder import PretrainedModel, load_pretrained, save_pretrained

__all__ = ["PretrainedModel", "load_pretrained", "save_pretrained"]
