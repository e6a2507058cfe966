"""Own annotated recordings of any length: pairs of files, cut into excerpts (docs/own_recordings.md)."""

import math
import numbers

from hrin_plugin.archive.collection import SUFFIXES
from hrin_plugin.archive.references import files_by_name
from hrin_plugin.events import AnnotationError, Event, Fault
from hrin_plugin.formats import read_detection, suffixes

#: Shortest excerpt in seconds; a shorter rest goes with the excerpt before it.
SHORTEST_S = 1.0
#: Files with these suffixes may well be no annotations.
_OF_ANY_USE = {".txt", ".csv", ".json", ".vtt"}


def find_pairs(folder):
    """Recordings with an annotation of the same name beside them, at any depth.

    Arguments
    ---------
    folder : str or pathlib.Path
        The folder.

    Returns
    -------
    tuple of (dict, dict) or None
        Kind ("audio" or "mrle") to paths by name, and the faults of names that several files share.
        None where no recording has an annotation.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> for name in ("show.mp3", "show.tsv", "README.txt"):
    ...     (folder / name).touch()
    >>> files, faults = find_pairs(folder)
    >>> sorted(path.name for kind in files.values() for path in kind.values()), faults
    (['show.mp3', 'show.tsv'], {})
    """
    recordings, annotations = _files(folder, SUFFIXES), _files(folder, set(suffixes()))
    if not recordings.keys() & annotations.keys():
        return None
    for name, paths in annotations.items():
        if name not in recordings:
            paths[:] = [
                path for path in paths if path.suffix.lower() not in _OF_ANY_USE or _is_annotation(path)
            ]
        elif len(paths) > 1:  # as subtitles beside labels
            paths[:] = [path for path in paths if _is_annotation(path)] or paths[:1]
    faults = {}
    for paths_by_name in (recordings, annotations):
        for name, paths in paths_by_name.items():
            if len(paths) > 1:
                names = " and ".join(path.name for path in paths)
                fault = Fault(paths[0], 0, f"{names} have one name", "keep one of them")
                faults.setdefault(name, []).append(fault)
    files = {
        kind: {name: paths[0] for name, paths in paths_by_name.items() if paths}
        for kind, paths_by_name in (("audio", recordings), ("mrle", annotations))
    }
    return files, faults


def _files(folder, wanted):
    """Files by name, without pipes, which would be waited for without end."""
    found = files_by_name(folder, wanted)
    whole = {name: [path for path in paths if path.is_file()] for name, paths in found.items()}
    return {name: paths for name, paths in whole.items() if paths}


def _is_annotation(path):
    """Whether a file can be read as an annotation."""
    try:
        return any(read_detection(path).events.values())
    except AnnotationError:
        return False


def cut_points(duration_s, excerpt_s):
    """Begin and end of each excerpt of a recording.

    Arguments
    ---------
    duration_s : float
        Length of the recording in seconds.
    excerpt_s : float
        Length of an excerpt in seconds. The last one may be shorter, or longer by
        less than :data:`SHORTEST_S`.

    Returns
    -------
    list of tuple of (float, float)
        Seconds.

    Raises
    ------
    ValueError
        If the length is no number, or too small.

    Example
    -------
    >>> cut_points(150.0, 60.0), cut_points(120.5, 60.0)
    ([(0.0, 60.0), (60.0, 120.0), (120.0, 150.0)], [(0.0, 60.0), (60.0, 120.5)])
    """
    is_number = isinstance(excerpt_s, numbers.Real) and not isinstance(excerpt_s, bool)
    if not is_number or not SHORTEST_S <= excerpt_s < math.inf:
        raise ValueError(f"excerpt_s is {excerpt_s!r}; use seconds, {SHORTEST_S:g} or more")
    count = max(1, math.floor((duration_s - SHORTEST_S) / excerpt_s) + 1)
    begins = [round(number * excerpt_s, 6) for number in range(count)]
    return list(zip(begins, [*begins[1:], float(duration_s)]))


def clip(events, begin_s, end_s):
    """Events of a stretch, in seconds from its begin, to the microsecond.

    Arguments
    ---------
    events : iterable of Event
        Events of the recording.
    begin_s, end_s : float
        The stretch, in seconds.

    Returns
    -------
    list of Event
        What lies in it.

    Example
    -------
    >>> clip([Event(0.0, 70.0, "music"), Event(70.0, 90.0, "no-music")], 60.0, 120.0)
    [Event(onset_s=0.0, offset_s=10.0, label='music'), Event(onset_s=10.0, offset_s=30.0, label='no-music')]
    """
    times = ((max(event.onset_s, begin_s), min(event.offset_s, end_s), event.label) for event in events)
    inside = (Event(round(on - begin_s, 6), round(off - begin_s, 6), label) for on, off, label in times)
    return [event for event in inside if event.onset_s < event.offset_s]
