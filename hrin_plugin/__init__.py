"""Music detection and music relative loudness estimation with HRIN, on SpeechBrain.

Public names are imported on first use, so that ``import hrin_plugin`` is fast.
"""

import importlib

from hrin_plugin.lazy import lazy_names

__version__ = "0.2.0"

_HOMES = {
    "AtomicCheckpointer": "training",
    "BandStatistics": "features",
    "Decoding": "decoding",
    "Detection": "detection",
    "Event": "events",
    "EventDecoder": "decoding",
    "FeatureLoader": "features",
    "FrameGrid": "timing",
    "HRIN": "networks",
    "HRINBrain": "training",
    "HRINOutput": "networks",
    "HierarchicalHeads": "networks",
    "HierarchicalLoss": "hierarchy",
    "HierarchyStats": "hierarchy",
    "LevelLoss": "hierarchy",
    "LogMel": "features",
    "MMG": "networks",
    "MUSIC_LOUDNESS": "taxonomy",
    "MusicDetector": "inference",
    "SinglePath": "networks",
    "Taxonomy": "taxonomy",
    "check_network": "networks",
    "decode_events": "decoding",
    "derive_upper_level": "networks",
    "load_pretrained": "pretrained",
    "mix_set": "mixing",
    "save_pretrained": "pretrained",
    "synthesise_miniature": "mixing",
}

#: Modules that YAML files of earlier releases name, such as ``!new:hrin_plugin.losses.HierarchicalLoss``.
_FORMER = {
    "baselines": "networks",
    "cache": "features",
    "checkpoints": "training",
    "heads": "networks",
    "hierarchy_metrics": "hierarchy",
    "losses": "hierarchy",
    "transfer": "training",
    "units": "networks",
}

__all__ = sorted(_HOMES)
_get, __dir__ = lazy_names(__name__, _HOMES)


def __getattr__(name):
    """Import a public name from its subpackage."""
    if name in _FORMER:
        return importlib.import_module(f"{__name__}.{_FORMER[name]}")
    return _get(name)
