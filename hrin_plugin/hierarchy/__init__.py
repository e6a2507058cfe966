"""Logits and targets of each level come in, the objective and violations go out (eq. (19) to (24)).

It works with any encoder and any taxonomy.
"""

from hrin_plugin.hierarchy.losses import HierarchicalLoss, LevelLoss
from hrin_plugin.hierarchy.statistics import HierarchyStats

__all__ = ["HierarchicalLoss", "HierarchyStats", "LevelLoss"]
