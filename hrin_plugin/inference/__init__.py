"""Samples of any length come in, probabilities of each frame and events go out.

Windows that leave no seam, the detector for recordings and streams, and what computes it.
"""

from hrin_plugin.inference.detector import MusicDetector
from hrin_plugin.inference.loading import load_detector, load_taxonomy

__all__ = ["MusicDetector", "load_detector", "load_taxonomy"]
