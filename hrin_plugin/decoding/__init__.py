"""Frame probabilities come in, events go out: the paper's threshold, argmax, median and Viterbi.

``methods`` names a method and its settings; ``decoders`` runs it piece by piece, by the
``decisions`` on frames, the ``smoothing`` before them and the ``runs`` of equal ones. ``silence`` makes
near-silence no music. ``keeping`` writes probabilities to a file by their ``coding``, and ``kept`` decides
on them again. ``certainty`` tells how sure events and totals are, by a model's ``errors`` on annotated
recordings.
``scores`` measures, ``searches`` tries settings, and ``tuning`` chooses.
"""

from hrin_plugin.decoding.decoders import EventDecoder, decode_events
from hrin_plugin.decoding.methods import Decoding

__all__ = ["Decoding", "EventDecoder", "decode_events"]
