"""A recipe's settings and data sets come in; checkpoints, results and a trained network go out.

What every recipe shares: the Brain, checkpoints, transfer, and a run's folder, lock and settings.
"""

from hrin_plugin.training.brain import HRINBrain
from hrin_plugin.training.checkpoints import AtomicCheckpointer
from hrin_plugin.training.transfer import load_first_stages

__all__ = ["AtomicCheckpointer", "HRINBrain", "load_first_stages"]
