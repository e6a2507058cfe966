"""Results by the clock: a file for each hour of UTC, or for each part of it between two gaps.

A file is written once, when its end is certain, and never changed. Its name is the time at which it begins.
Until then what is certain of it lies beside it, in a file that ends in ``.partial``. A run that was killed
leaves that behind; the next one makes it a file of its own, which ends where the killed run was.
"""

import contextlib
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from hrin_plugin.detection import Detection, Heard
from hrin_plugin.events import Event
from hrin_plugin.files import write_atomically
from hrin_plugin.formats import output_paths, read_detection, render, write_detection
from hrin_plugin.formats.drafts import check_draft
from hrin_plugin.formats.json_file import read_json
from hrin_plugin.live.clock import file_name, iso
from hrin_plugin.taxonomy import Taxonomy

#: Length of a file, and how often the one that is open is saved, in seconds of sound.
HOUR_S, SAVED_S = 3600, 10.0

PARTIAL = ".partial"


class HourFiles:
    """Writes what is certain of one station.

    Arguments
    ---------
    folder : str or pathlib.Path
        The station's folder.
    formats, levels : sequence of str
        As :func:`hrin_plugin.formats.write_detection` takes them.
    taxonomy : Taxonomy
        The classes.

    Example
    -------
    >>> from hrin_plugin.taxonomy import MUSIC_LOUDNESS
    >>> hours = HourFiles(getfixture("tmp_path") / "oe1", ["tsv"], ["md"], MUSIC_LOUDNESS)
    >>> hours.begin(1795867200.0 + 3590)
    >>> [path.name for path in hours.hear(Heard(30.0, [("md", Event(0.0, 30.0, "music"))], [], True))]
    ['2026-11-28_12-59-50Z.tsv', '2026-11-28_13-00-00Z.tsv']
    """

    def __init__(self, folder: str | Path, formats: Sequence[str], levels: Sequence[str], taxonomy: Taxonomy):
        self._folder, self._formats, self._levels = Path(folder), tuple(formats), tuple(levels)
        self._taxonomy = taxonomy
        self._folder.mkdir(parents=True, exist_ok=True)
        self._begin = self._stretch = self._saved_s = None
        self._warnings, self._ended = (), []

    def recover(self) -> list[Path]:
        """Make files of what killed runs left, and return them.

        Example
        -------
        >>> from hrin_plugin.taxonomy import MUSIC_LOUDNESS
        >>> hours = HourFiles(getfixture("tmp_path") / "oe1", ["tsv"], ["md"], MUSIC_LOUDNESS)
        >>> hours.begin(1795867200.0)
        >>> hours.hear(Heard(30.0, [], [("md", Event(0.0, 30.0, "music"))]))  # and then it is killed
        []
        >>> hours = HourFiles(getfixture("tmp_path") / "oe1", ["tsv"], ["md"], MUSIC_LOUDNESS)
        >>> [path.read_text() for path in hours.recover()], iso(hours.heard_until())
        (['0.000\\t30.000\\tmusic\\n'], '2026-11-28T12:00:30Z')
        """
        written = []
        for path in sorted(self._folder.glob(f"*Z{PARTIAL}")):
            name = path.name.removesuffix(PARTIAL)
            found = check_draft(path, read_json(path), name, taxonomy=self._taxonomy)
            written += self._write(found._replace(begun_at=iso(_instant(name))))
            path.unlink()
        return written

    def heard_until(self) -> float:
        """When the last file ends, in seconds since 1970; 0 where there is none."""
        ends = [0.0]
        for format in self._formats:
            names = [path for path in self._folder.glob("*") if _instant(path.name[:20])]
            paths = {path for name in names for path in self._paths(name.name[:20], format) if path.exists()}
            last = max(paths, key=lambda path: path.name, default=None)
            if last:
                ends.append(_instant(last.name[:20]) + read_detection(last, self._taxonomy).duration_s)
        return max(ends)

    def begin(self, instant: float, gap: str | None = None) -> None:
        """Begin a stretch of sound.

        Arguments
        ---------
        instant : float
            When it begins, seconds since 1970; a whole second.
        gap : str or None
            What is missing before it.
        """
        self._stretch = self._begin = instant
        self._warnings, self._ended, self._saved_s = (gap,) if gap else (), [], 0.0

    def hear(self, heard: Heard) -> list[Path]:
        """Take what is certain, times from the stretch's begin; returns the files that are now closed."""
        self._ended += heard.ended
        closed, end = [], self._stretch + heard.decided_s
        while end >= self._hour_end():
            closed += self._close(self._hour_end(), heard.going_on)
        if heard.is_end:
            if end > self._begin:
                closed += self._close(end, heard.going_on)
            self._begin = None
        elif heard.decided_s >= self._saved_s + SAVED_S and end > self._begin:
            self._saved_s = heard.decided_s
            text = render(self._part(end, heard.going_on), "json", self._levels)[".json"]
            write_atomically(self._partial(), text)
        return closed

    def _hour_end(self):
        """When the hour ends in which the open part begins."""
        return (self._begin // HOUR_S + 1) * HOUR_S

    def _part(self, end, going_on):
        """The open part until an instant."""
        offset_s = self._begin - self._stretch
        length_s = end - self._begin
        events = {task: [] for task in self._levels}
        for task, event in (*self._ended, *going_on):
            onset_s, offset = max(event.onset_s - offset_s, 0.0), min(event.offset_s - offset_s, length_s)
            if task in events and onset_s < offset:
                events[task].append(Event(onset_s, offset, event.label))
        events = {task: sorted(found) for task, found in events.items()}
        name = file_name(self._begin)
        return Detection(
            name, length_s, events, None, self._taxonomy, self._warnings, begun_at=iso(self._begin)
        )

    def _close(self, end, going_on):
        """Write the open part, and begin the next one where it ends."""
        written, partial = self._write(self._part(end, going_on)), self._partial()
        partial.unlink(missing_ok=True)
        self._ended = [found for found in self._ended if found[1].offset_s > end - self._stretch]
        self._begin, self._warnings = end, ()
        return written

    def _write(self, detection):
        """Write a part in each format; what is there already stays as it is."""
        written = []
        for format in self._formats:
            if not all(path.exists() for path in self._paths(detection.name, format)):
                written += write_detection(self._folder, detection, format, self._levels)
        return written

    def _paths(self, name, format):
        """The files of a part in a format."""
        return output_paths(self._folder, name, format, self._levels)

    def _partial(self):
        """Where what is certain of the open part lies."""
        return self._folder / f"{file_name(self._begin)}{PARTIAL}"


def _instant(name):
    """The time that a file's name tells, in seconds since 1970; None where it tells none."""
    with contextlib.suppress(ValueError):
        return datetime.strptime(name, "%Y-%m-%d_%H-%M-%SZ").replace(tzinfo=timezone.utc).timestamp()
    return None
