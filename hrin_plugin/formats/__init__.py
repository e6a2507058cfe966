"""Results of detection in files that other programs open, and read back from them.

Formats that hold both levels in one file do so; of the others, each level has a file
of its own where several are asked for. Times are rounded once, to the millisecond.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from hrin_plugin.detection import TASKS, Detection
from hrin_plugin.events import AnnotationError, Fault
from hrin_plugin.files import write_atomically
from hrin_plugin.formats.drafts import check_draft
from hrin_plugin.formats.reading import (
    read_audacity,
    read_csv,
    read_jams,
    read_json,
    read_rttm,
    read_textgrid,
    read_tsv,
    read_webvtt,
)
from hrin_plugin.formats.records import nearest_record, recorded_taxonomy
from hrin_plugin.formats.writing import (
    csv_text,
    jams_text,
    json_text,
    rttm_text,
    textgrid_text,
    to_milliseconds,
    tsv_text,
    webvtt_text,
)
from hrin_plugin.taxonomy import MUSIC_LOUDNESS, Taxonomy


class Format(NamedTuple):
    """A kind of file.

    Example
    -------
    >>> FORMATS["rttm"].suffix, FORMATS["rttm"].joint
    ('.rttm', False)
    """

    suffix: str
    joint: bool  # whether a file holds several levels
    write: Callable  # Detection to text
    read: Callable  # path to Draft


#: Name of each format, as the command takes it.
FORMATS = {
    "tsv": Format(".tsv", False, tsv_text, read_tsv),
    "csv": Format(".csv", True, csv_text, read_csv),
    "json": Format(".json", True, json_text, read_json),
    "audacity": Format(".txt", False, tsv_text, read_audacity),
    "textgrid": Format(".TextGrid", True, textgrid_text, read_textgrid),
    "rttm": Format(".rttm", False, rttm_text, read_rttm),
    "webvtt": Format(".vtt", False, webvtt_text, read_webvtt),
    "jams": Format(".jams", True, jams_text, read_jams),
}

_BY_SUFFIX = {format.suffix.lower(): name for name, format in FORMATS.items()}

#: The endings of the files of all formats, in lower case.
SUFFIXES = tuple(_BY_SUFFIX)


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
        One of FORMATS.
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
        One of FORMATS.
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
    return {
        ending: FORMATS[format].write(to_milliseconds(detection, tasks)) for ending, tasks in endings.items()
    }


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
        One of FORMATS.
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
    format_name = _BY_SUFFIX.get(path.suffix.lower())
    if format_name is None:
        raise AnnotationError(
            [Fault(path, 0, "is not in a known format", f"use one of {', '.join(SUFFIXES)}")]
        )
    format = FORMATS[format_name]
    draft = format.read(path)
    name, dot, level = path.stem.rpartition(".")
    task = level if dot and level in TASKS and not format.joint else None
    name = name if task else path.stem
    _, record = nearest_record(path, format_name) or (None, {})
    likely = tuple(record["levels"]) if isinstance(record.get("levels"), list) else ()
    classes = draft.taxonomy or recorded_taxonomy(path, format_name) or taxonomy or MUSIC_LOUDNESS
    return check_draft(path, draft, name, task, classes, likely)


def _endings(name, format, levels):
    """What follows a recording's name in those of its files, to the tasks in each."""
    if format not in FORMATS:
        raise ValueError(f"unknown format {format!r}; use one of {', '.join(FORMATS)}")
    if not levels or not set(levels) <= set(TASKS) or len(set(levels)) < len(levels):
        raise ValueError(f"levels {list(levels)} are not some of {', '.join(TASKS)}")
    suffix = FORMATS[format].suffix
    if FORMATS[format].joint:
        return {suffix: tuple(levels)}
    if len(levels) == 1 and not name.endswith(tuple(f".{task}" for task in TASKS)):
        return {suffix: tuple(levels)}
    return {f".{task}{suffix}": (task,) for task in levels}
