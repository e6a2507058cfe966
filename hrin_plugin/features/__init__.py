"""Samples come in, normalised log-mel frames ``[batch, frame, band]`` go out (paper, section V-B).

The transform, the statistics of a training set, augmentation, and a cache on disk.
"""

from hrin_plugin.features.augmentation import LevelShift, Overlay
from hrin_plugin.features.cache import FeatureLoader
from hrin_plugin.features.logmel import LogMel
from hrin_plugin.features.statistics import BandStatistics

__all__ = ["BandStatistics", "FeatureLoader", "LevelShift", "LogMel", "Overlay"]
