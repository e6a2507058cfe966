"""Events of references and estimates come in, counts and scores go out (paper, section V-E).

All counts equal those of sed_eval.
"""

from hrin_plugin.metrics.scores import fast_scores, format_scores, sed_eval_scores

__all__ = ["fast_scores", "format_scores", "sed_eval_scores"]
