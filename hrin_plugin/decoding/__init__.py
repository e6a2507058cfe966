"""From the probabilities of frames to events: the paper's rule, and others that do better on recordings.

``paper`` has pure functions of whole recordings. ``methods`` names a method and its
settings; ``decoders`` runs it piece by piece, by the ``decisions`` on frames, the
``smoothing`` before them and the ``runs`` of equal ones. ``scores`` and ``tuning``
measure and choose.
"""

from hrin_plugin.decoding.decoders import EventDecoder, decode_events
from hrin_plugin.decoding.methods import Decoding
from hrin_plugin.decoding.paper import argmax_events, threshold_events

__all__ = ["Decoding", "EventDecoder", "argmax_events", "decode_events", "threshold_events"]
