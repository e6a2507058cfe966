"""A folder that recordings are put into: each is detected when it has finished growing.

The folder is looked through again and again, so that it may lie on another machine.
"""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator

from hrin_plugin.archive.claims import claim_results
from hrin_plugin.archive.collection import ArchiveFile, collect
from hrin_plugin.archive.jobs import Outcome
from hrin_plugin.archive.orders import Order
from hrin_plugin.formats.journal import Facts, facts_of


class Settling:
    """Tells which recordings have finished growing, and were not tried since.

    It remembers what is in the folder now, and nothing else.

    Arguments
    ---------
    settle_s : float
        For so long size and modification time must stay the same, in seconds.

    Example
    -------
    >>> settling = Settling(10.0)
    >>> recordings = [ArchiveFile("a.wav", "a")]
    >>> facts = {"a.wav": Facts(4, 5)}
    >>> [len(settling.ready(recordings, now, facts.get)) for now in (0.0, 9.0, 10.0)]
    [0, 0, 1]
    >>> settling.tried("a.wav", facts["a.wav"])
    >>> settling.ready(recordings, 20.0, facts.get), settling.ready(recordings, 30.0, {}.get)
    ([], [])
    """

    def __init__(self, settle_s: float):
        self._settle_s, self._seen, self._tried = settle_s, {}, {}

    def ready(
        self,
        recordings: Iterable[ArchiveFile],
        now_s: float,
        facts_of: Callable[[str], Facts | None] = facts_of,
    ) -> list[ArchiveFile]:
        """Those of the recordings that may be read.

        Arguments
        ---------
        recordings : iterable of ArchiveFile
            All that are in the folder.
        now_s : float
            A clock that counts elapsed time, in seconds.
        facts_of : callable
            Gives size and modification time of a path; None for what has vanished.
        """
        seen, ready = {}, []
        for recording in recordings:
            facts = facts_of(recording.path)
            if facts is None:
                continue
            before, since_s = self._seen.get(recording.path, (None, now_s))
            seen[recording.path] = facts, since_s if facts == before else now_s
            has_settled = now_s - seen[recording.path][1] >= self._settle_s
            if has_settled and facts.size and self._tried.get(recording.path) != facts:
                ready.append(recording)
        self._seen = seen
        self._tried = {path: facts for path, facts in self._tried.items() if path in seen}
        return ready

    def tried(self, path: str, facts: Facts | None) -> None:
        """Note that a recording was tried as it is; it is not, again, before it changes."""
        self._tried[path] = facts

    @property
    def is_settled(self) -> bool:
        """Whether everything in the folder was tried as it is."""
        return all(self._tried.get(path) == facts for path, (facts, _) in self._seen.items() if facts.size)


class FolderWatch:
    """Detects in what has finished growing in a folder.

    Arguments
    ---------
    folder : str
        The folder.
    order : Order
        Settings of the detection.
    settling : Settling
        Which recordings are ready.
    detect : callable
        Takes recordings and gives the Outcome of each, as
        :func:`hrin_plugin.archive.jobs.detect_recordings` does.
    tell : callable
        Takes what is wrong with the folder, in a line; each once, until it is well again.

    Example
    -------
    >>> order = Order(output=getfixture("tmp_path") / "results")
    >>> told = []
    >>> watch = FolderWatch(str(getfixture("tmp_path") / "in"), order, Settling(0.0), None, told.append)
    >>> list(watch.look(0.0)), told[0].partition(": ")[2]
    ([], 'there is no such folder, or it cannot be reached; waiting')
    """

    def __init__(self, folder: str, order: Order, settling: Settling, detect: Callable, tell: Callable):
        self._folder, self._order, self._settling = folder, order, settling
        self._detect, self._tell, self._told = detect, tell, set()

    def look(self, now_s: float) -> Iterator[Outcome]:
        """Look through the folder once, and detect in what is ready.

        Arguments
        ---------
        now_s : float
            A clock that counts elapsed time, in seconds.
        """
        if not os.path.isdir(self._folder):
            self._tell_once({f"{self._folder}: there is no such folder, or it cannot be reached; waiting"})
            return
        found = collect([self._folder])
        empty = f"{self._folder}: holds no recording"
        self._tell_once({problem for problem in found.problems if not problem.startswith(empty)})
        ready = self._settling.ready(found.recordings, now_s)
        if not ready:
            return
        with contextlib.ExitStack() as until:
            facts = {recording.path: facts_of(recording.path) for recording in ready}
            to_do = claim_results(ready, self._order, until=until)
            missing = {recording.path for recording in ready} - {recording.path for recording in to_do}
            for path in missing:  # finished in an earlier run
                self._settling.tried(path, facts[path])
            for outcome in self._detect(to_do):
                path = outcome.recording.path
                # What changed while it was read will settle again, and is tried then.
                self._settling.tried(path, outcome.facts or facts[path])
                yield outcome

    def _tell_once(self, problems):
        """Tell problems that were not there the last time."""
        for problem in sorted(problems - self._told):
            self._tell(problem)
        self._told = problems
