"""Agreement of two results of the same recordings, as of two models, two settings or two listeners.

Time is compared to the millisecond: two results agree where they have the same classes of a level.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from hrin_plugin.detection import Detection
from hrin_plugin.report.ledger import level_segments
from hrin_plugin.totals import milliseconds


class Shared(NamedTuple):
    """Time that a class has in both results, and in one of them only, in milliseconds.

    Example
    -------
    >>> Shared(8000, 1000, 3000).f_measure
    0.8
    """

    both_ms: int = 0
    first_ms: int = 0
    second_ms: int = 0

    @property
    def f_measure(self) -> float:
        """Twice the shared time over the sum of both times; 1 where neither has the class."""
        whole = 2 * self.both_ms + self.first_ms + self.second_ms
        return 2 * self.both_ms / whole if whole else 1.0


class Disagreement(NamedTuple):
    """A stretch in which two results differ.

    Example
    -------
    >>> Disagreement("a", 1000, 3000, ("music",), ("no-music",)).length_ms
    2000
    """

    name: str  # of the recording
    onset_ms: int
    offset_ms: int
    first: tuple  # classes
    second: tuple

    @property
    def length_ms(self) -> int:
        """Its length."""
        return self.offset_ms - self.onset_ms


class Agreement(NamedTuple):
    """Agreement on one level.

    Example
    -------
    >>> Agreement("md", {}, {}, [("a", 4000, 3000), ("b", 4000, 1000)], []).share
    0.5
    """

    level: str
    classes: dict  # label to Shared
    confusion: dict  # (classes of the first, classes of the second) to milliseconds
    recordings: list  # of (name, length, agreed time in milliseconds)
    disagreements: list  # of Disagreement, the longest first

    @property
    def of_ms(self) -> int:
        """Length of all recordings."""
        return sum(of_ms for _, of_ms, _ in self.recordings)

    @property
    def agreed_ms(self) -> int:
        """Time in which both results are the same."""
        return sum(agreed_ms for _, _, agreed_ms in self.recordings)

    @property
    def share(self) -> float:
        """Share of the time in which both results are the same; 1 for no time."""
        return self.agreed_ms / self.of_ms if self.of_ms else 1.0


def match(
    first: Sequence[Detection], second: Sequence[Detection]
) -> tuple[list[tuple[Detection, Detection]], list[str]]:
    """Pairs of results of the same recordings, by name; two single results are a pair by themselves.

    Returns
    -------
    tuple of (list of (Detection, Detection), list of str)
        The pairs, and the names of recordings that only one side has.

    Example
    -------
    >>> a, b = Detection("a", 1.0, {}), Detection("b", 1.0, {})
    >>> match([a], [b]) == ([(a, b)], []), match([a, b], [b])
    (True, ([(Detection(name='b', ...), Detection(name='b', ...))], ['a']))
    """
    if len(first) == len(second) == 1:
        return [(first[0], second[0])], []
    by_name = {found.name: found for found in second}
    pairs = [(found, by_name[found.name]) for found in first if found.name in by_name]
    paired = {found.name for found, _ in pairs}
    return pairs, sorted({found.name for found in (*first, *second)} - paired)


def compare(pairs: Sequence[tuple[Detection, Detection]]) -> list[Agreement]:
    """Agreement of pairs of results, on each level that both of a pair have.

    Arguments
    ---------
    pairs : sequence of (Detection, Detection)
        Two results of each recording. Where their lengths differ, the longer one counts.

    Returns
    -------
    list of Agreement
        One for each level, the upper first.

    Example
    -------
    >>> from hrin_plugin.events import Event
    >>> first = Detection("a", 4.0, {"md": [Event(0.0, 4.0, "music")]})
    >>> second = Detection("a", 4.0, {"md": [Event(0.0, 3.0, "music"), Event(3.0, 4.0, "no-music")]})
    >>> (agreement,) = compare([(first, second)])
    >>> agreement.share, agreement.classes["music"].both_ms
    (0.75, 3000)
    """
    levels = dict.fromkeys(level for first, _ in pairs for level in first.taxonomy.level_names)
    agreements = (_on_level(pairs, level) for level in levels)
    return [agreement for agreement in agreements if agreement.recordings]


def _on_level(pairs, level):
    """Agreement on one level."""
    confusion, recordings, disagreements, labels = Counter(), [], [], {}
    for first, second in pairs:
        if level not in first.events or level not in second.events:
            continue
        labels |= dict.fromkeys((*first.taxonomy.labels[level], *second.taxonomy.labels[level]))
        agreed_ms = 0
        for onset, offset, ours, theirs in _stretches(first, second, level):
            confusion[ours, theirs] += offset - onset
            if ours == theirs:
                agreed_ms += offset - onset
            else:
                disagreements.append(Disagreement(first.name, onset, offset, ours, theirs))
        recordings.append((first.name, _length(first, second), agreed_ms))
    classes = {label: _shared(confusion, label) for label in labels}
    disagreements.sort(key=lambda each: -each.length_ms)
    return Agreement(level, classes, dict(confusion), recordings, disagreements)


def _length(first, second):
    """Length of the longer result, in milliseconds."""
    return max(milliseconds(first.duration_s), milliseconds(second.duration_s))


def _stretches(first, second, level):
    """Onset, offset and the classes of both, of each longest stretch in which neither changes."""
    changes = {}  # instant to the classes that begin or end there, of both results
    for side, found in enumerate((first, second)):
        for label, spans in level_segments(found, level).items():
            for onset, offset in spans:
                changes.setdefault(onset, []).append((side, label, True))
                changes.setdefault(offset, []).append((side, label, False))
    changes.setdefault(_length(first, second), [])
    active, last = (set(), set()), 0
    for instant in sorted(changes):
        if instant > last:
            yield last, instant, *(tuple(sorted(labels)) for labels in active)
        for side, label, begins in changes[instant]:
            (active[side].add if begins else active[side].discard)(label)
        last = instant


def _shared(confusion, label):
    """The time of a class in both results and in one only."""
    times = Counter()
    for (ours, theirs), lasting in confusion.items():
        times[label in ours, label in theirs] += lasting
    return Shared(times[True, True], times[True, False], times[False, True])
