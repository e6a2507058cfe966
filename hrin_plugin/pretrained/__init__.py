"""A trained network comes in, a folder of data or an ONNX file goes out; and back.

Also the sources of models, and the shipped model.
"""

from hrin_plugin.pretrained.folder import PretrainedModel, load_pretrained, save_pretrained

__all__ = ["PretrainedModel", "load_pretrained", "save_pretrained"]
