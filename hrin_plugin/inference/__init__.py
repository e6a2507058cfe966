"""Samples of any length come in, probabilities of each frame and events go out.

The windows, the detector for recordings and streams, and its backends.
"""

from typing import TYPE_CHECKING

from hrin_plugin.lazy import lazy_names

if TYPE_CHECKING:
    from hrin_plugin.inference.detector import MusicDetector
    from hrin_plugin.inference.loading import load_detector, load_taxonomy

_HOMES = {
    "MusicDetector": "detector",
    "load_detector": "loading",
    "load_taxonomy": "loading",
}

__all__ = sorted(_HOMES)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
