"""A pretrained model and annotated recordings come in, a model that fits such recordings goes out.

What it knew before is rehearsed; recordings that no step is trained on tell when to stop.
"""

from hrin_plugin.adaptation.parts import Part, hold_out
from hrin_plugin.adaptation.scores import Score, score_parts
from hrin_plugin.adaptation.tuning import AdaptSettings, adapt

__all__ = ["AdaptSettings", "Part", "Score", "adapt", "hold_out", "score_parts"]
