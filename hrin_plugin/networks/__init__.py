"""Frames ``[batch, frame, band]`` come in, logits of each level ``[batch, frame, class]`` go out.

HRIN, the paper's baselines, heads for any encoder, their layers, and the contract for your own
network.
"""

from typing import TYPE_CHECKING

from hrin_plugin.lazy import lazy_names

if TYPE_CHECKING:
    from hrin_plugin.networks.baselines import MMG, SinglePath, derive_upper_level
    from hrin_plugin.networks.contract import Network, check_network
    from hrin_plugin.networks.heads import HierarchicalHeads
    from hrin_plugin.networks.hrin import HRIN, HRINOutput
    from hrin_plugin.networks.units import carry_states, keep_statistics

_HOMES = {
    "HRIN": "hrin",
    "HRINOutput": "hrin",
    "HierarchicalHeads": "heads",
    "MMG": "baselines",
    "Network": "contract",
    "SinglePath": "baselines",
    "carry_states": "units",
    "check_network": "contract",
    "derive_upper_level": "baselines",
    "keep_statistics": "units",
}

__all__ = sorted(_HOMES)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
