"""Samples come in, normalised log-mel frames ``[batch, frame, band]`` go out (paper, section V-B).

The transform, the statistics of a training set, augmentation, and a cache on disk.
"""

from typing import TYPE_CHECKING

from hrin_plugin.lazy import lazy_names

if TYPE_CHECKING:
    from hrin_plugin.features.augmentation import LevelShift, Overlay
    from hrin_plugin.features.cache import FeatureLoader
    from hrin_plugin.features.logmel import LogMel
    from hrin_plugin.features.statistics import BandStatistics

_HOMES = {
    "BandStatistics": "statistics",
    "FeatureLoader": "cache",
    "LevelShift": "augmentation",
    "LogMel": "logmel",
    "Overlay": "augmentation",
}

__all__ = sorted(_HOMES)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
