"""Which recordings there are to review: the machine's results, where each recording lies, when it began."""

import functools
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from hrin_plugin.archive.collection import collect
from hrin_plugin.detection import Detection
from hrin_plugin.formats import format_of, recording_name
from hrin_plugin.formats.corrected import correction_path, finest_level
from hrin_plugin.formats.journal import read_journal, result_name
from hrin_plugin.report.airtime import Airtime
from hrin_plugin.text import comparable
from hrin_plugin.totals import milliseconds

NOT_FOUND = "its recording was not found; give the folder of the recordings as --audio"
OUTSIDE = "its recording lies outside of the folder that --audio names, by a link; name that folder"


class Item(NamedTuple):
    """A recording to review.

    Example
    -------
    >>> Item("a", Path("a.corrected"), Detection("a", 2.0, {})).length_ms
    2000
    """

    name: str  # of the result; may begin with folders
    correction: Path
    detection: Detection  # the machine's
    audio: Path | None = None  # None where it was not found
    problem: str | None = None  # why there is nothing to hear
    station: str = ""
    start_ms: int | None = None  # instant of its first sample; None where it is not known

    @property
    def length_ms(self) -> int:
        """Length of the result."""
        return milliseconds(self.detection.duration_s)


def is_inside(path: str | Path, folder: str | Path) -> bool:
    """Whether a file lies in a folder once all links are followed.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> (folder / "a").mkdir()
    >>> is_inside(folder / "a" / "b.wav", folder / "a"), is_inside(folder / "b.wav", folder / "a")
    (True, False)
    """
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def find_items(airtime: Airtime, files: Mapping[str, Path], results: Path, archive: Path) -> list[Item]:
    """The recordings of results, in the order of stations and times.

    A recording is the one that the journal of the results names, or else the one of the same name below the
    archive, or whose name ends so. Results and recordings outside of the two folders are left alone.

    Arguments
    ---------
    airtime : Airtime
        The machine's results on their clocks.
    files : mapping of str to pathlib.Path
        A file of each result, by its name.
    results, archive : pathlib.Path
        The two folders.

    Returns
    -------
    list of Item
        One for each result that lies in its folder.

    Example
    -------
    >>> from hrin_plugin.report.airtime import untimed
    >>> folder = getfixture("tmp_path")
    >>> (folder / "a.wav").touch()
    >>> airtime = untimed([Detection("a", 2.0, {"md": []})])
    >>> find_items(airtime, {"a": folder / "a.tsv"}, folder, folder)[0].audio.name
    'a.wav'
    """
    journals = functools.cache(read_journal)
    known = _names(collect([os.fspath(archive)]).recordings)
    items = []
    for airing in airtime.airings:
        found = airing.detection
        path = files[found.name]
        if finest_level(found) is None or not is_inside(path.parent, results):
            continue
        audio, problem = _recording(path, found.name, known, archive, journals)
        name = recording_name(path, format_of(path))[0]
        correction = correction_path(path.parent, name)
        items.append(Item(found.name, correction, found, audio, problem, airing.station, airing.start_ms))
    return items


def _names(recordings: Iterable) -> dict:
    """The recordings by their names, and by each ending of these that only one has."""
    whole, ends = {}, defaultdict(list)
    for recording in recordings:
        name = comparable(recording.name)
        whole[name] = Path(recording.path)
        parts = name.split("/")
        for number in range(1, len(parts)):
            ends["/".join(parts[number:])].append(Path(recording.path))
    return {name: paths[0] for name, paths in ends.items() if len(paths) == 1} | whole


def _recording(result, name, known, archive, journals):
    """The recording of a result, and what keeps it from being heard; None for either."""
    journal_name, journal, _ = result_name(result.absolute(), format_of(result), journals)
    entry = journal and journal.entries.get(journal_name)
    places = [Path(entry.path)] if entry and entry.path else []
    name = comparable(name)
    parts = name.split("/")
    tails = ("/".join(parts[number:]) for number in range(len(parts)))
    places += [known[tail] for tail in tails if tail in known][:1]
    there = [place for place in places if place.is_file()]
    inside = [place for place in there if is_inside(place, archive)]
    if inside:
        return inside[0], None
    return None, OUTSIDE if there else NOT_FOUND
