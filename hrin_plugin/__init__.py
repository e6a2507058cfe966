"""Music detection and music relative loudness estimation with HRIN, on SpeechBrain.

The public names are imported when they are first used, so that ``import hrin_plugin`` costs nothing.
"""

import importlib

__version__ = "0.1.0"

_HOMES = {
    "AtomicCheckpointer": "checkpoints",
    "BandStatistics": "features",
    "Decoding": "decoding.methods",
    "Detection": "detection",
    "Event": "events",
    "EventDecoder": "decoding.decoders",
    "FeatureLoader": "cache",
    "FrameGrid": "timing",
    "HRIN": "networks",
    "HRINBrain": "brain",
    "HRINOutput": "networks",
    "HierarchicalHeads": "heads",
    "HierarchicalLoss": "losses",
    "HierarchyStats": "hierarchy_metrics",
    "LevelLoss": "losses",
    "LogMel": "features",
    "MMG": "baselines",
    "MUSIC_LOUDNESS": "taxonomy",
    "MusicDetector": "inference",
    "SinglePath": "baselines",
    "Taxonomy": "taxonomy",
    "decode_events": "decoding.decoders",
    "derive_upper_level": "baselines",
    "load_pretrained": "pretrained",
    "mix_set": "mixing",
    "save_pretrained": "pretrained",
    "synthesise_miniature": "mixing",
}

__all__ = sorted(_HOMES)


def __getattr__(name):
    """Import a public name from its module."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__():
    """The public names, for completion."""
    return __all__
