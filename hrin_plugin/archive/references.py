"""Annotated recordings: a data set in OpenBMAT's layout, or a folder of recordings and TSV files of
the same name.
"""

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NamedTuple

from hrin_plugin.archive.collection import SUFFIXES
from hrin_plugin.archive.corrected import is_corrected, read_corrected
from hrin_plugin.audio.signals import AudioError
from hrin_plugin.audio.streams import open_stream
from hrin_plugin.detection import Detection
from hrin_plugin.events import AnnotationError, Event, Fault, check_events, parse_tsv, relabel
from hrin_plugin.files import visible_files
from hrin_plugin.formats import read_detection, suffixes
from hrin_plugin.taxonomy import MUSIC_LOUDNESS, Taxonomy
from hrin_plugin.text import comparable

#: Spellings of the mapping that the paper uses: the released one, and that of scripts which build it.
MAPPINGS = ("RMLE_mapping", "MRLE_mapping")
#: Where OpenBMAT has its recordings.
AUDIO = "audio"

#: Samples a second at which a recording of unknown length is measured.
RATE = 8000


class Reference(NamedTuple):
    """A recording and its annotation.

    Example
    -------
    >>> Reference("a.wav", Detection("a", 2.0, {})).detection.name
    'a'
    """

    path: str
    detection: Detection  # its name may begin with folders


def read_references(
    folder: str | Path, taxonomy: Taxonomy = MUSIC_LOUDNESS, unlabelled: str | None = None
) -> list[Reference]:
    """Read the annotations of a folder's recordings, and check them.

    Where results were corrected with ``hrin review``, those count that are reviewed to the end, and nothing
    else. In the layout of OpenBMAT, annotator a's RMLE (or MRLE) mapping is read, as in the paper.
    Elsewhere every TSV file is read, except hidden ones; where there is none, every file of another
    format that has the name of a recording.

    Arguments
    ---------
    folder : str or pathlib.Path
        The folder.
    taxonomy : Taxonomy
        The classes that are annotated.
    unlabelled : str or None
        Class of the time that no event covers; None refuses such time.

    Returns
    -------
    list of Reference
        By name; none where no annotation has a recording beside it. Music detection, the upper level,
        is derived where relative loudness, the lower one, is annotated.

    Raises
    ------
    AnnotationError
        With every fault of every file. An annotation without a recording is one where
        others have theirs; so are two annotations or two recordings of one name.
    ValueError
        If there is no such folder.

    Example
    -------
    >>> import numpy as np, soundfile
    >>> folder = getfixture("tmp_path")
    >>> soundfile.write(folder / "a.wav", np.zeros(16000), 8000)
    >>> _ = (folder / "a.tsv").write_text("bg-music")
    >>> read_references(folder)[0].detection.events["md"]
    [Event(onset_s=0.0, offset_s=2.0, label='music')]
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder}: is not a folder; name the folder of the annotations")
    if is_corrected(folder):
        return [Reference(*each) for each in read_corrected(folder, taxonomy).found]
    annotated, heard = folder, folder
    if mapped_annotations(folder):
        annotated, heard = mapped_annotations(folder), folder / AUDIO
    annotations = files_by_name(annotated, {".tsv"})
    recordings = files_by_name(heard, SUFFIXES)
    if not annotations:
        annotations = files_by_name(annotated, set(suffixes()))
        annotations = {name: annotations[name] for name in annotations if name in recordings}
    if not annotations.keys() & recordings.keys():
        return []
    references, faults = [], []
    for name, paths in annotations.items():
        path = paths[0]
        several = paths if len(paths) > 1 else recordings.get(name, [])
        if len(several) > 1:
            shown = " and ".join(each.name for each in several)
            faults.append(Fault(path, 0, f"{shown} have one name", "keep one of them"))
            continue
        if name not in recordings:
            faults.append(
                Fault(path, 0, "has no recording", f"put it there as {heard / name}, .wav or another")
            )
            continue
        try:
            found = read_reference(name, path, recordings[name][0], taxonomy, unlabelled)
            references.append(Reference(str(recordings[name][0]), found))
        except AnnotationError as error:
            faults += error.faults
        except AudioError as error:
            faults.append(Fault(error.path, 0, error.problem, error.cure))
    if faults:
        raise AnnotationError(faults)
    return references


def mapped_annotations(folder: str | Path) -> Path | None:
    """Annotator a's folder in the layout of OpenBMAT, however the mapping is spelt; None in others.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> (folder / "annotations/tsv/MRLE_mapping/annotator_a").mkdir(parents=True)
    >>> mapped_annotations(folder).relative_to(folder).as_posix()
    'annotations/tsv/MRLE_mapping/annotator_a'
    """
    places = (Path(folder, "annotations", "tsv", mapping, "annotator_a") for mapping in MAPPINGS)
    return next((place for place in places if place.is_dir()), None)


def derive_md(events: Iterable[Event], taxonomy: Taxonomy = MUSIC_LOUDNESS) -> list[Event]:
    """Music detection from relative loudness, of events that may overlap or leave gaps.

    Arguments
    ---------
    events : iterable of Event
        Events of the second level.
    taxonomy : Taxonomy
        Tells the parent of each class.

    Returns
    -------
    list of Event
        In the order of their onsets; those of a class neither touch nor overlap.

    Example
    -------
    >>> from hrin_plugin.events import Event
    >>> derive_md([Event(0.0, 2.0, "fg-music"), Event(1.0, 5.0, "bg-music")])
    [Event(onset_s=0.0, offset_s=5.0, label='music')]
    """
    joined = {}
    for event in relabel(sorted(events, key=lambda event: event.onset_s), taxonomy.parents[0]):
        known = joined.setdefault(event.label, [])
        if known and event.onset_s <= known[-1].offset_s:
            known[-1] = known[-1]._replace(offset_s=max(known[-1].offset_s, event.offset_s))
        else:
            known.append(event)
    return sorted((event for known in joined.values() for event in known), key=lambda event: event.onset_s)


def files_by_name(folder: str | Path, suffixes: Collection[str]) -> dict[str, list[Path]]:
    """Visible files with one of these suffixes at any depth, by their path below the folder without suffix.

    Arguments
    ---------
    folder : str or pathlib.Path
        The folder.
    suffixes : collection of str
        In lower case, with their dots.

    Returns
    -------
    dict of str to list of pathlib.Path
        Names have forward slashes, and composed letters. Several files may have one name.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> (folder / "show.WAV").touch()
    >>> list(files_by_name(folder, {".wav"}))
    ['show']
    """
    found = {}
    for path in map(Path, visible_files(folder)):
        fitting = [suffix for suffix in suffixes if path.name.lower().endswith(suffix)]
        if fitting:
            name = path.relative_to(folder).as_posix()[: -max(map(len, fitting))]
            found.setdefault(comparable(name), []).append(path)
    return found


def tile_levels(
    detection: Detection, duration_s: float, unlabelled: str | None = None, place: str | Path | None = None
) -> Detection:
    """Check that the events of each level of an annotation tile a recording, and repair what can be.

    Arguments
    ---------
    detection : Detection
        The annotation, its events by onset.
    duration_s : float
        Length of the recording in seconds.
    unlabelled : str or None
        Class of the time that no event covers; None refuses such time.
    place : str or pathlib.Path or None
        What messages name; None for the annotation's name.

    Returns
    -------
    Detection
        The annotation with this length. The upper level is derived where it is missing.

    Raises
    ------
    AnnotationError
        With every fault of every level; see :func:`hrin_plugin.events.check_events`.

    Example
    -------
    >>> from hrin_plugin.events import Event
    >>> found = Detection("a", 2.0, {"mrle": [Event(0.0, 2.0, "bg-music")]})
    >>> tile_levels(found, 5.0, "no-music").events["md"]
    [Event(onset_s=0.0, offset_s=2.0, label='music'), Event(onset_s=2.0, offset_s=5.0, label='no-music')]
    """
    events, faults, taxonomy = {}, [], detection.taxonomy
    for level, of_level in detection.events.items():
        labels = taxonomy.labels[level]
        try:
            events[level] = check_events(of_level, duration_s, labels, detection.name, unlabelled)
        except AnnotationError as error:
            faults += [fault._replace(path=place or detection.name, line=0) for fault in error.faults]
    if faults:
        raise AnnotationError(faults)
    upper, lower = taxonomy.level_names
    if lower in events:
        events.setdefault(upper, derive_md(events[lower], taxonomy))
    return detection._replace(duration_s=float(duration_s), events=events)


def read_reference(
    name: str,
    path: str | Path,
    recording: str | Path,
    taxonomy: Taxonomy = MUSIC_LOUDNESS,
    unlabelled: str | None = None,
) -> Detection:
    """Read the annotation of one recording, and check it against the recording's length.

    Arguments
    ---------
    name : str
        Name of the recording.
    path : str or pathlib.Path
        The annotation, in any format.
    recording : str or pathlib.Path
        The recording; it is decoded where it does not announce its length.
    taxonomy : Taxonomy
        The classes that are annotated.
    unlabelled : str or None
        Class of the time that no event covers; None refuses such time.

    Returns
    -------
    Detection
        Events that tile the recording. The upper level is derived where it is missing.

    Raises
    ------
    AnnotationError
        With every fault of the annotation.
    AudioError
        If the recording cannot be used.

    Example
    -------
    >>> import numpy as np, soundfile
    >>> folder = getfixture("tmp_path")
    >>> soundfile.write(folder / "a.wav", np.zeros(16000), 8000)
    >>> _ = (folder / "a.txt").write_text("0\\t2\\tbg-music")
    >>> read_reference("a", folder / "a.txt", folder / "a.wav").events["md"]
    [Event(onset_s=0.0, offset_s=2.0, label='music')]
    """
    path = Path(path)
    with open_stream(recording, RATE) as blocks:
        duration_s = blocks.duration_s
        if duration_s is None:
            duration_s = sum(map(len, blocks)) / RATE
    if path.suffix.lower() != ".tsv":
        found = read_detection(path, taxonomy)._replace(name=name)
        return tile_levels(found, duration_s, unlabelled, path)
    events = parse_tsv(path, duration_s)
    (md, md_labels), (mrle, mrle_labels) = taxonomy.labels.items()
    n_md, n_mrle = (sum(event.label in labels for event in events) for labels in (md_labels, mrle_labels))
    only_md = n_md > n_mrle
    events = check_events(events, duration_s, md_labels if only_md else mrle_labels, path, unlabelled)
    levels = {md: events} if only_md else {md: derive_md(events, taxonomy), mrle: events}
    return Detection(name, duration_s, levels, taxonomy=taxonomy)
