"""Parts of annotated recordings: those to train on, and those that are held out."""

import random
from collections.abc import Sequence
from typing import NamedTuple

from hrin_plugin.archive.references import Reference
from hrin_plugin.events import Event

#: With fewer recordings, the end of each is held out, in place of whole recordings.
FEWEST_RECORDINGS = 4
#: Least seconds to train on, and to hold out.
LEAST_S = {"training": 60.0, "held out": 20.0}


class Part(NamedTuple):
    """A stretch of an annotated recording.

    Example
    -------
    >>> from hrin_plugin.detection import Detection
    >>> Part(Reference("a.wav", Detection("a", 60.0, {})), 45.0, 60.0).duration_s
    15.0
    """

    reference: Reference
    begin_s: float
    end_s: float

    @property
    def duration_s(self) -> float:
        """Its length in seconds."""
        return self.end_s - self.begin_s

    def clip(self, events: Sequence[Event]) -> list[Event]:
        """Events of the recording within the part, in seconds from its begin."""
        inside = [
            Event(max(event.onset_s, self.begin_s), min(event.offset_s, self.end_s), event.label)
            for event in events
        ]
        return [
            Event(event.onset_s - self.begin_s, event.offset_s - self.begin_s, event.label)
            for event in inside
            if event.onset_s < event.offset_s
        ]


def hold_out(references: Sequence[Reference], share: float, seed: int = 0) -> tuple[list[Part], list[Part]]:
    """Divide recordings into those to train on and those that are held out.

    Whole recordings are held out, as many as make up the share of their time. Of fewer than
    four recordings, the end of each is held out.

    Arguments
    ---------
    references : sequence of Reference
        The annotated recordings.
    share : float
        Share of the time to hold out, between 0 and 1.
    seed : int
        Seed of the choice.

    Returns
    -------
    tuple of list of Part
        To train on, and held out.

    Raises
    ------
    ValueError
        If the share is not between 0 and 1, or there is too little on either side.

    Example
    -------
    >>> from hrin_plugin.detection import Detection
    >>> known = [Reference(name, Detection(name, 300.0, {})) for name in "abcdefgh"]
    >>> [sum(part.duration_s for part in parts) for parts in hold_out(known, 0.25)]
    [1800.0, 600.0]
    """
    if not 0 < share < 1:
        raise ValueError(f"the share to hold out is {share!r}; use a number between 0 and 1, such as 0.25")
    known = sorted(references, key=lambda reference: reference.detection.name)
    durations_s = [reference.detection.duration_s for reference in known]
    if len(known) < FEWEST_RECORDINGS:
        cuts_s = [duration_s * (1 - share) for duration_s in durations_s]
        train = [Part(reference, 0.0, cut_s) for reference, cut_s in zip(known, cuts_s)]
        held_out = [Part(*each) for each in zip(known, cuts_s, durations_s)]
    else:
        wanted_s, held_s, train, held_out = share * sum(durations_s), 0.0, [], []
        for index in random.Random(seed).sample(range(len(known)), len(known)):
            part = Part(known[index], 0.0, durations_s[index])
            # Half of a recording too many is nearer to the share than half of it too few.
            if held_s + part.duration_s / 2 <= wanted_s or not held_out:
                held_out.append(part)
                held_s += part.duration_s
            else:
                train.append(part)
    for (what, least_s), parts in zip(LEAST_S.items(), (train, held_out)):
        found_s = sum(part.duration_s for part in parts)
        if found_s < least_s:
            raise ValueError(
                f"{found_s:.0f} s of the {len(known)} annotated recordings are for "
                f"{what}, and {least_s:.0f} s are needed; annotate more of them"
            )
    return train, held_out
