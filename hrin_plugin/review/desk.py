"""The desk: all recordings under review with their corrections, shared by the windows of the page."""

import os
import threading
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from hrin_plugin.events import AnnotationError
from hrin_plugin.files import change_stamp
from hrin_plugin.formats.corrected import (
    Correction,
    finest_level,
    read_correction,
    to_segments,
    write_correction,
)
from hrin_plugin.review.changes import ChangeRefused, change, start_anew
from hrin_plugin.review.library import Item, is_inside

#: Segments that the queue names.
MOST_QUEUED = 500

#: From this confidence on a segment is not doubtful.
SURE = 0.95


class Conflict(Exception):
    """Raised where a window has not seen what another one did.

    Example
    -------
    >>> raise Conflict("another window was faster")
    Traceback (most recent call last):
    ...
    Conflict: another window was faster
    """


class Doubt(NamedTuple):
    """A doubtful segment; the smallest one is the most doubtful.

    Example
    -------
    >>> Doubt(0, 0.4, 7, 0) < Doubt(0, 0.5, 3, 0)
    True
    """

    kind: int  # 0: by its confidence; 1: by its length alone
    value: float  # confidence, or length in seconds
    item: int  # number of the recording
    onset_ms: int
    label: str = ""


class Desk:
    """Recordings under review.

    Arguments
    ---------
    items : sequence of Item
        The recordings.
    results : pathlib.Path
        The folder in which corrections are written.

    Example
    -------
    >>> from hrin_plugin.detection import Detection
    >>> from hrin_plugin.events import Event
    >>> folder = getfixture("tmp_path")
    >>> found = Detection("a", 2.0, {"md": [Event(0.0, 2.0, "music")]})
    >>> desk = Desk([Item("a", folder / "a.corrected", found)], folder)
    >>> desk.apply(0, 0, {"do": "split", "at": 500}, "anna").segments[1].onset_ms
    500
    >>> (folder / "a.corrected").exists()
    True
    """

    def __init__(self, items: Sequence[Item], results):
        self.items, self._results = list(items), results
        self._machine = [to_segments(item.detection) for item in self.items]
        self._confidences = [_confidences(*both) for both in zip(self.items, self._machine)]
        self._lock = threading.RLock()
        self._known = {}  # number to (stamp of the file, Correction)
        self._problems = {}
        self.news = 0  # grows with each change
        self._changed = {}  # number to the news with which it changed
        self._doubts = {}  # number to (revision, list of Doubt)

    def correction(self, number: int) -> Correction:
        """The recording as it is now; what another program wrote meanwhile is read."""
        item = self.items[number]
        with self._lock:
            try:
                stamp = change_stamp(item.correction)
            except OSError:
                stamp = None
            known = self._known.get(number)
            if known is None or known[0] != stamp:
                known = stamp, self._read(number, stamp)
                if number in self._known:
                    self._tell(number)
                self._known[number] = known
            return known[1]

    def problem(self, number: int) -> str | None:
        """Why a recording cannot be corrected; None where it can be."""
        self.correction(number)
        return self._problems.get(number)

    def is_outdated(self, number: int) -> bool:
        """Whether the machine's result is another than the one that was corrected."""
        return self.correction(number).machine != self._machine[number]

    def apply(self, number: int, revision: int, order: Mapping, who: str) -> Correction:
        """Carry out a change, and save it before anything else happens.

        Raises
        ------
        Conflict
            If the window that asks has not seen this revision.
        ChangeRefused
            If the change is not possible.
        OSError
            If it cannot be saved; nothing has changed then.
        """
        item = self.items[number]
        with self._lock:
            correction = self.correction(number)
            if number in self._problems:
                raise ChangeRefused(self._problems[number])
            if revision != correction.revision:
                raise Conflict(f"{item.name} was changed in another window; it is shown as it is now")
            if not is_inside(item.correction, self._results):
                raise ChangeRefused(f"{item.correction}: leads out of the folder of the results by a link")
            if order.get("do") in ("keep", "restart"):
                changed = start_anew(correction, self._machine[number], order, who)
            else:
                changed = change(correction, order, who)
            write_correction(item.correction, changed)
            self._known[number] = change_stamp(item.correction), changed
            self._tell(number)
            return changed

    def changed_since(self, news: int) -> list[int]:
        """Numbers of the recordings that changed after these news."""
        with self._lock:
            return [number for number, at in self._changed.items() if at > news]

    def look(self) -> None:
        """Notice what other programs did to the corrections that a window has seen."""
        for number in list(self._known):
            self.correction(number)

    def confidence(self, number: int, segment) -> float | None:
        """How sure the machine was of a segment that no person touched; None where it does not tell."""
        return self._confidences[number].get(segment[:3])

    def queue(self) -> tuple[list[Doubt], int]:
        """The most doubtful segments, and how many there are in all.

        Those with a confidence come first, the least sure at the front; then those without, the shortest at
        the front. What a person confirmed or changed is not doubtful.
        """
        with self._lock:
            doubts = [doubt for number in range(len(self.items)) for doubt in self._doubts_of(number)]
        return sorted(doubts)[:MOST_QUEUED], len(doubts)

    def _doubts_of(self, number):
        """The doubtful segments of a recording."""
        correction = self.correction(number)
        known = self._doubts.get(number)
        if known is None or known[0] != (correction.revision, correction.reviewed):
            told, doubts = self._confidences[number], []
            for segment in () if correction.reviewed else correction.segments:
                if segment.checked or segment[:3] not in told:
                    continue
                sure, length_s = told[segment[:3]], (segment.offset_ms - segment.onset_ms) / 1000
                if sure is None:
                    doubts.append(Doubt(1, length_s, number, segment.onset_ms, segment.label))
                elif sure < SURE:
                    doubts.append(Doubt(0, sure, number, segment.onset_ms, segment.label))
            known = self._doubts[number] = (correction.revision, correction.reviewed), doubts
        return known[1]

    def _read(self, number, stamp):
        """The correction of a recording from its file; the machine's result where there is none."""
        item, machine = self.items[number], self._machine[number]
        self._problems.pop(number, None)
        audio = item.audio and os.path.relpath(item.audio, item.correction.parent).replace(os.sep, "/")
        level, taxonomy = finest_level(item.detection), item.detection.taxonomy
        fresh = Correction(level, taxonomy, machine, machine, recording=audio)
        if stamp is None:
            return fresh
        try:
            if not is_inside(item.correction, self._results):
                raise ValueError(f"{item.correction}: leads out of the folder of the results by a link")
            found = read_correction(item.correction)
            if (found.level, found.taxonomy) != (level, taxonomy):
                raise ValueError(f"{item.correction}: is of other classes than the result; move it away")
            if not found.is_of_use:  # all was undone: nothing stands against the machine's result
                return fresh._replace(revision=found.revision)
            return found._replace(recording=audio or found.recording)
        except (AnnotationError, ValueError) as error:
            self._problems[number] = str(error)
            return fresh

    def _tell(self, number):
        """Note that a recording has changed."""
        self.news += 1
        self._changed[number] = self.news


def _confidences(item, machine):
    """The confidence of each of the machine's segments, None where it tells none."""
    found = dict.fromkeys((segment[:3] for segment in machine), None)
    level, told = finest_level(item.detection), getattr(item.detection, "confidences", None)
    if told and told.get(level) is not None:
        alone = item.detection._replace(events={level: []})
        for event, sure in zip(item.detection.events[level], told[level]):
            segments = to_segments(alone._replace(events={level: [event]}))
            found |= {s[:3]: sure for s in segments if s.label == event.label and s[:3] in found}
    return found
