"""Results of detection in files that other programs open, and read back from them.

A detection comes in and text goes out, or a file comes in and a detection goes out. A file of this room that
sets ``FORMAT`` is a format (:class:`~hrin_plugin.formats.contract.Format`); nothing else lists it. Formats
that hold both levels in one file do so; of the others, each level has a file of its own where several are
asked for. Times are rounded once, to the millisecond.
"""

import functools
import importlib
import os
import pkgutil
from collections.abc import Sequence
from pathlib import Path

from hrin_plugin.detection import TASKS, Detection
from hrin_plugin.events import AnnotationError, Fault
from hrin_plugin.files import write_atomically
from hrin_plugin.formats.contract import Format
from hrin_plugin.formats.drafts import check_draft
from hrin_plugin.formats.records import nearest_record, recorded_taxonomy
from hrin_plugin.formats.text import to_milliseconds
from hrin_plugin.taxonomy import MUSIC_LOUDNESS, Taxonomy


def find_formats() -> dict[str, Format]:
    """All formats: the ``FORMAT`` of each file of this room that has one.

    Returns
    -------
    dict of str to Format
        Each by its name, as the command takes it: ``tsv`` first, then in the order of the alphabet.

    Example
    -------
    >>> list(find_formats())[:3], find_formats()["rttm"].suffix
    (['tsv', 'audacity', 'csv'], '.rttm')
    """
    return dict(_formats_in(tuple(__path__)))


@functools.cache
def _formats_in(folders):
    """The formats in these folders, which are looked through once."""
    names = [name for _, name, _ in pkgutil.iter_modules(folders)]
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names]
    formats = [module.FORMAT for module in modules if hasattr(module, "FORMAT")]
    return {format.name: format for format in sorted(formats, key=lambda f: (f.name != "tsv", f.name))}


def suffixes() -> tuple[str, ...]:
    """The endings of the files of all formats, in lower case.

    Example
    -------
    >>> suffixes()[:3]
    ('.tsv', '.txt', '.csv')
    """
    return tuple(format.suffix.lower() for format in find_formats().values())


def format_of(path: str | Path) -> Format | None:
    """The format of a file, told by its ending, the longest that fits; None where none does.

    Example
    -------
    >>> format_of("monday/06h.JSON").name, format_of("06h.doc")
    ('json', None)
    """
    name = os.path.basename(path).lower()
    fitting = [format for format in find_formats().values() if name.endswith(format.suffix.lower())]
    return max(fitting, key=lambda format: len(format.suffix), default=None)


def recording_name(path: str | Path, format: Format) -> tuple[str, str | None]:
    """Name of a result's recording, and the level that the file's name tells, or None.

    Arguments
    ---------
    path : str or pathlib.Path
        The result.
    format : Format
        Its format.

    Returns
    -------
    tuple of (str, str or None)
        The name without folder, ending and level.

    Example
    -------
    >>> recording_name("monday/06h.md.tsv", find_formats()["tsv"])
    ('06h', 'md')
    """
    stem = os.path.basename(path)[: -len(format.suffix)]
    name, dot, level = stem.rpartition(".")
    return (name, level) if dot and level in TASKS and not format.joint else (stem, None)


def output_paths(folder: str | Path, name: str, format: str, levels: Sequence[str] = ("mrle",)) -> list[Path]:
    """The files that :func:`write_detection` makes of a recording.

    A level is part of a file's name where there are several files, or where the
    recording's own name ends as if it were one.

    Arguments
    ---------
    folder : str or pathlib.Path
        Where the files go.
    name : str
        The recording's name, without folder and suffix; it may hold dots.
    format : str
        Name of one of :func:`find_formats`.
    levels : sequence of str
        Some of TASKS.

    Returns
    -------
    list of pathlib.Path
        One file, or one a level.

    Raises
    ------
    ValueError
        If the format or a level is unknown, or the name has a folder.

    Example
    -------
    >>> [path.name for path in output_paths("out", "show.2024", "tsv", ["md", "mrle"])]
    ['show.2024.md.tsv', 'show.2024.mrle.tsv']
    >>> [path.name for path in output_paths("out", "show.2024", "json", ["md", "mrle"])]
    ['show.2024.json']
    """
    if name in ("", ".", "..") or os.path.basename(name) != name:
        raise ValueError(f"{name!r} is not the name of a recording; give it without its folder")
    return [Path(folder) / f"{name}{ending}" for ending in _endings(name, format, levels)]


def render(detection: Detection, format: str, levels: Sequence[str] = ("mrle",)) -> dict[str, str]:
    """What was found in a recording, as the text of each of its files.

    Arguments
    ---------
    detection : Detection
        What was found.
    format : str
        Name of one of :func:`find_formats`.
    levels : sequence of str
        Some of TASKS.

    Returns
    -------
    dict of str to str
        What follows the recording's name in the file's (``.md.tsv``), to the content.

    Raises
    ------
    ValueError
        If the format or a level is unknown, a level was not detected, or a label is
        not made of printable characters.

    Example
    -------
    >>> from hrin_plugin.detection import Detection
    >>> from hrin_plugin.events import Event
    >>> render(Detection("a", 2.0, {"mrle": [Event(0.0, 2.0, "bg-music")]}), "audacity")
    {'.txt': '0.000\\t2.000\\tbg-music\\n'}
    """
    endings = _endings(detection.name, format, levels)
    for task in levels:
        if task not in detection.events:
            raise ValueError(f"{detection.name}: level {task!r} was not detected")
        for event in detection.events[task]:
            if not event.label.strip() or not event.label.isprintable():
                raise ValueError(f"{detection.name}: label {event.label!r} cannot be written; rename it")
    write = find_formats()[format].write
    return {ending: write(to_milliseconds(detection, tasks)) for ending, tasks in endings.items()}


def write_detection(
    folder: str | Path, detection: Detection, format: str, levels: Sequence[str] = ("mrle",)
) -> list[Path]:
    """Write what was found in a recording; each file appears when it is complete.

    Arguments
    ---------
    folder : str or pathlib.Path
        Where the files go; it is made if it is not there.
    detection : Detection
        What was found.
    format : str
        Name of one of :func:`find_formats`.
    levels : sequence of str
        Some of TASKS.

    Returns
    -------
    list of pathlib.Path
        The files, as :func:`output_paths` tells them.

    Example
    -------
    >>> from hrin_plugin.detection import Detection
    >>> from hrin_plugin.events import Event
    >>> found = Detection("a", 2.0, {"mrle": [Event(0.0, 2.0, "bg-music")]})
    >>> paths = write_detection(getfixture("tmp_path"), found, "webvtt")
    >>> paths[0].name, read_detection(paths[0]) == found
    ('a.vtt', True)
    """
    paths = output_paths(folder, detection.name, format, levels)
    texts = render(detection, format, levels)
    Path(folder).mkdir(parents=True, exist_ok=True)
    for path, text in zip(paths, texts.values()):
        write_atomically(path, text)
    return paths


def read_detection(path: str | Path, taxonomy: Taxonomy | None = None) -> Detection:
    """Read a result in any of the formats, told by the file's ending.

    CSV, JSON, JAMS and RTTM tell the recording's name; for the others it is the
    file's, without ending and level. JSON, JAMS and TextGrid tell its length;
    for the others it ends with its last event.

    The classes are told by the file (JSON, JAMS); or else by the record that ``hrin detect`` leaves in
    the folder of its results (:mod:`hrin_plugin.formats.records`), this folder or one above; or else by
    ``taxonomy``; or else they are music and its loudness. Any other label is refused. The levels are told
    by the file's content or its name (``name.md.tsv``), or else by the labels. A file whose labels both
    levels have is read as those that the record names, or as both.

    Arguments
    ---------
    path : str or pathlib.Path
        The file.
    taxonomy : Taxonomy or None
        The classes where neither the file nor a record tells.

    Returns
    -------
    Detection
        The events of each level that the file holds, ordered by onset; they may overlap
        or leave gaps.

    Raises
    ------
    AnnotationError
        With every fault, its line and its cure.

    Example
    -------
    >>> path = getfixture("tmp_path") / "show.2024.md.tsv"
    >>> _ = path.write_text("0.0\\t2.5\\tmusic\\n")
    >>> found = read_detection(path)
    >>> found.name, found.duration_s, found.events
    ('show.2024', 2.5, {'md': [Event(onset_s=0.0, offset_s=2.5, label='music')]})
    """
    path = Path(path)
    format = format_of(path)
    if format is None:
        raise AnnotationError(
            [Fault(path, 0, "is not in a known format", f"use one of {', '.join(suffixes())}")]
        )
    draft = format.read(path)
    name, task = recording_name(path, format)
    _, record = nearest_record(path, format.name) or (None, {})
    likely = tuple(record["levels"]) if isinstance(record.get("levels"), list) else ()
    classes = draft.taxonomy or recorded_taxonomy(path, format.name) or taxonomy or MUSIC_LOUDNESS
    return check_draft(path, draft, name, task, classes, likely)


def _endings(name, format, levels):
    """What follows a recording's name in those of its files, to the tasks in each."""
    formats = find_formats()
    if format not in formats:
        raise ValueError(f"unknown format {format!r}; use one of {', '.join(formats)}")
    if not levels or not set(levels) <= set(TASKS) or len(set(levels)) < len(levels):
        raise ValueError(f"levels {list(levels)} are not some of {', '.join(TASKS)}")
    suffix = formats[format].suffix
    if formats[format].joint:
        return {suffix: tuple(levels)}
    if len(levels) == 1 and not name.endswith(tuple(f".{task}" for task in TASKS)):
        return {suffix: tuple(levels)}
    return {f".{task}{suffix}": (task,) for task in levels}
