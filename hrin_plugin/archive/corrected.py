"""Corrected results as annotations: those of recordings that a person went through to the end."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from hrin_plugin.detection import Detection
from hrin_plugin.events import AnnotationError, Fault
from hrin_plugin.files import visible_files
from hrin_plugin.formats.corrected import SUFFIX, read_correction
from hrin_plugin.taxonomy import Taxonomy


class CorrectedFolder(NamedTuple):
    """The corrected results of a folder.

    Example
    -------
    >>> CorrectedFolder([], 2).n_open
    2
    """

    found: list  # of (path of the recording, Detection), by name
    n_open: int  # corrected results that are not reviewed to the end, and do not count


def is_corrected(folder: str | Path) -> bool:
    """Whether a folder holds a corrected result.

    Example
    -------
    >>> is_corrected(getfixture("tmp_path"))
    False
    """
    return next(_files(folder), None) is not None


def read_corrected(folder: str | Path, taxonomy: Taxonomy) -> CorrectedFolder:
    """Read the corrected results that are reviewed to the end.

    Arguments
    ---------
    folder : str or pathlib.Path
        A folder of results that were corrected with ``hrin review``.
    taxonomy : Taxonomy
        The classes that are wanted.

    Returns
    -------
    CorrectedFolder
        Each recording as the reviewer saw it, with all levels down to the corrected one.

    Raises
    ------
    AnnotationError
        With every fault of every file: one that cannot be read or has other classes.

    Example
    -------
    >>> from hrin_plugin.formats.corrected import Correction, Segment, correction_path, write_correction
    >>> from hrin_plugin.taxonomy import MUSIC_LOUDNESS
    >>> folder = getfixture("tmp_path")
    >>> segments, done = (Segment(0, 2000, "bg-music"),), ("anna", "2026-03-28T06:00:00Z")
    >>> known = Correction("mrle", MUSIC_LOUDNESS, (), segments, reviewed=done, recording="../a.wav")
    >>> write_correction(correction_path(folder, "a"), known)
    >>> read_corrected(folder, MUSIC_LOUDNESS).found[0][1].events["md"]
    [Event(onset_s=0.0, offset_s=2.0, label='music')]
    """
    found, faults, n_open = [], [], 0
    for path in _files(folder):
        try:
            correction = read_correction(path)
        except AnnotationError as error:
            faults += error.faults
            continue
        if correction.reviewed is None:
            n_open += 1
            continue
        if correction.taxonomy != taxonomy:
            classes = ", ".join(correction.taxonomy.levels[-1])
            faults.append(Fault(path, 0, f"has other classes ({classes})", "use the model of these results"))
            continue
        if correction.recording is None:
            faults.append(Fault(path, 0, "names no recording", "review it with --audio ARCHIVE"))
            continue
        name = path.relative_to(folder).as_posix().removesuffix(SUFFIX)
        place = (path.parent / correction.recording).resolve()
        events = correction.events()
        found.append((str(place), Detection(name, correction.duration_ms / 1000, events, taxonomy=taxonomy)))
    if faults:
        raise AnnotationError(faults)
    return CorrectedFolder(found, n_open)


def _files(folder) -> Iterator[Path]:
    """The corrected results in a folder."""
    return (path for path in map(Path, visible_files(folder)) if path.name.endswith(SUFFIX))
