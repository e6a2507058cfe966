"""Frames ``[batch, frame, band]`` come in, logits of each level ``[batch, frame, class]`` go out.

HRIN, the paper's baselines, the heads that fit any encoder, and what they are built from.
"""

from hrin_plugin.networks.baselines import MMG, SinglePath, derive_upper_level
from hrin_plugin.networks.heads import HierarchicalHeads
from hrin_plugin.networks.hrin import HRIN, HRINOutput
from hrin_plugin.networks.units import carry_states, keep_statistics

__all__ = [
    "HRIN",
    "MMG",
    "HRINOutput",
    "HierarchicalHeads",
    "SinglePath",
    "carry_states",
    "derive_upper_level",
    "keep_statistics",
]
