"""Samples of any length come in, probabilities of each frame and events go out.

The windows, the detector for recordings and streams, and its backends.
"""

from hrin_plugin.inference.detector import MusicDetector
from hrin_plugin.inference.loading import load_detector, load_taxonomy

__all__ = ["MusicDetector", "load_detector", "load_taxonomy"]
