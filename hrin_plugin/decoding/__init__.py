"""From the probabilities of frames to events: the paper's rule, and others that do better on recordings.

``methods`` names a method and its settings; ``decoders`` runs it piece by piece, by the
``decisions`` on frames, the ``smoothing`` before them and the ``runs`` of equal ones.
``scores`` and ``tuning`` measure and choose.
"""

from hrin_plugin.decoding.decoders import EventDecoder, decode_events
from hrin_plugin.decoding.methods import Decoding

__all__ = ["Decoding", "EventDecoder", "decode_events"]
