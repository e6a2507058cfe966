"""A trained network comes in, a folder of data or an ONNX file goes out; and back.

Also the sources of models, and the shipped model.
"""

from typing import TYPE_CHECKING

from hrin_plugin.lazy import lazy_names

if TYPE_CHECKING:
    from hrin_plugin.pretrained.folder import PretrainedModel, load_pretrained, save_pretrained

_HOMES = {
    "PretrainedModel": "folder",
    "load_pretrained": "folder",
    "save_pretrained": "folder",
}

__all__ = sorted(_HOMES)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
