"""Frames ``[batch, frame, band]`` come in, logits of each level ``[batch, frame, class]`` go out.

HRIN, the paper's baselines, heads for any encoder, their layers, and the contract for your own
network.
"""

from hrin_plugin.networks.baselines import MMG, SinglePath, derive_upper_level
from hrin_plugin.networks.contract import Network, check_network
from hrin_plugin.networks.heads import HierarchicalHeads
from hrin_plugin.networks.hrin import HRIN, HRINOutput
from hrin_plugin.networks.units import carry_states, keep_statistics

__all__ = [
    "HRIN",
    "MMG",
    "HRINOutput",
    "HierarchicalHeads",
    "Network",
    "SinglePath",
    "carry_states",
    "check_network",
    "derive_upper_level",
    "keep_statistics",
]
