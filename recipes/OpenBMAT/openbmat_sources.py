"""What OpenBMAT's excerpts say: recordings and annotations, read and checked, with every fault collected."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from hrin_plugin.archive.references import read_reference
from hrin_plugin.audio.signals import AudioError, audio_duration
from hrin_plugin.events import AnnotationError, Fault, check_events, parse_tsv, relabel
from hrin_plugin.taxonomy import MUSIC_LOUDNESS
from hrin_plugin.training.mapping_json import read_mapped_events
from hrin_plugin.training.own_recordings import clip, cut_points

#: Labels of music detection and of music relative loudness, by their names in a manifest.
LABELS = MUSIC_LOUDNESS.labels


class AnnotatedExcerpt(NamedTuple):
    """One excerpt as read: its entry in a manifest (None if it has faults)."""

    name: str
    entry: dict
    faults: list
    disagreement_s: float  # between the derived and the annotated music detection
    recording: str  # the own recording that it is a part of, or its name


def read_excerpts(sources, md_from, excerpt_s=60.0, unlabelled=None):
    """Read the header and the annotations of every recording, in the order of names.

    Arguments
    ---------
    sources : Sources
        The files to read.
    md_from : str
        "mrle" or "mapping"; see :func:`prepare_openbmat`.
    excerpt_s : float
        Length in seconds of the excerpts that own recordings are cut into.
    unlabelled : str or None
        Class of the time that no event covers; None refuses such time.

    Returns
    -------
    list of AnnotatedExcerpt
        One for each name that has a recording or an annotation; of an own recording without faults,
        one for each excerpt.

    Example
    -------
    >>> from pathlib import Path
    >>> from hrin_plugin.training.openbmat import Sources
    >>> empty = Sources(Path("OpenBMAT"), {}, {"audio": {}, "mrle": {}}, None, {})
    >>> read_excerpts(empty, "mrle")
    []
    """
    cut_points(1.0, excerpt_s)  # refuses lengths that are none
    names = sorted(set().union(*sources.files.values()))
    read = _read_own if sources.is_own else _read_excerpt
    with ThreadPoolExecutor() as pool:
        found = pool.map(lambda name: read(name, sources, md_from, excerpt_s, unlabelled), names)
        found = list(tqdm(found, total=len(names), desc="annotations", unit="recording", disable=None))
    return [excerpt for excerpts in found for excerpt in excerpts]


def _read_excerpt(name, sources, md_from, _, unlabelled):
    """Read one excerpt of OpenBMAT; its faults are returned, not raised."""
    paths = {kind: files[name] for kind, files in sources.files.items() if name in files}
    faults = list(sources.faults.get(name, []))
    for kind in [kind for kind in sources.files if kind not in paths]:
        present, folder = next(iter(paths.values())), sources.folders[kind]
        if folder.endswith(".json"):
            faults.append(Fault(present, 0, f"{folder} does not hold {name!r}", "add it or delete this file"))
            continue
        counterpart = f"{folder}/{name}.{'wav' if kind == 'audio' else 'tsv'}"
        if present.suffix == ".json":
            problem, cure = f"there is no {counterpart} for {name!r}", "add that file or delete it here"
        else:
            problem, cure = f"there is no {counterpart} beside it", "add that file or delete this one"
        faults.append(Fault(present, 0, problem, cure))

    events = {}
    try:
        if "audio" in paths:
            duration_s = audio_duration(paths["audio"]).duration_s
            for kind in [kind for kind in LABELS if kind in paths]:
                try:
                    events[kind] = _read_events(name, paths[kind], sources, duration_s, kind, unlabelled)
                except AnnotationError as error:
                    faults += error.faults
    except AudioError as error:
        faults.append(Fault(error.path, 0, error.problem, error.cure))
    if faults:
        return [AnnotatedExcerpt(name, None, faults, 0.0, name)]

    derived = relabel(events["mrle"], MUSIC_LOUDNESS.parents[0])
    entry = {
        "wav": wav_template(paths["audio"].relative_to(sources.given)),
        "duration": duration_s,
        "mrle": _as_rows(events["mrle"]),
        "md": _as_rows(events["md"] if md_from == "mapping" else derived),
    }
    return [AnnotatedExcerpt(name, entry, [], disagreement_s(derived, events.get("md", derived)), name)]


def _read_events(name, path, sources, duration_s, kind, unlabelled):
    """Events of one level of an excerpt of OpenBMAT, from its TSV file or from the JSON file of all."""
    if path.suffix == ".json":
        return read_mapped_events(path, sources.annotator, name, duration_s, LABELS[kind], unlabelled)
    return check_events(parse_tsv(path, duration_s), duration_s, LABELS[kind], path, unlabelled)


def _read_own(name, sources, md_from, excerpt_s, unlabelled):
    """Read one own recording and cut it into excerpts; its faults are returned, not raised."""
    paths = {kind: files[name] for kind, files in sources.files.items() if name in files}
    faults = list(sources.faults.get(name, []))
    if "mrle" not in paths:
        cure = f"annotate it as {name}.tsv or in another format, or move it elsewhere"
        faults.append(Fault(paths["audio"], 0, "has no annotation beside it", cure))
    if "audio" not in paths:
        faults.append(Fault(paths["mrle"], 0, "has no recording beside it", "add it or move this file"))
    if not faults:
        try:
            found = read_reference(name, paths["mrle"], paths["audio"], MUSIC_LOUDNESS, unlabelled)
        except AnnotationError as error:
            faults += error.faults
        except AudioError as error:
            faults.append(Fault(error.path, 0, error.problem, error.cure))
        else:
            if "mrle" not in found.events:
                problem = "tells music from no-music only, and the networks learn its loudness too"
                cure = "label music as fg-music or bg-music"
                faults.append(Fault(paths["mrle"], 0, problem, cure))
    if faults:
        return [AnnotatedExcerpt(name, None, faults, 0.0, name)]

    derived, template = (
        relabel(found.events["mrle"], MUSIC_LOUDNESS.parents[0]),
        wav_template(paths["audio"].relative_to(sources.given)),
    )
    excerpts = []
    for begin_s, end_s in cut_points(found.duration_s, excerpt_s):
        md, mrle, own = (
            clip(events, begin_s, end_s) for events in (derived, found.events["mrle"], found.events["md"])
        )
        entry = {
            "wav": [template, begin_s, end_s],
            "duration": round(end_s - begin_s, 6),
            "mrle": _as_rows(mrle),
            "md": _as_rows(own if md_from == "mapping" else md),
        }
        place = f"{name}@{begin_s:.3f}".rstrip("0").rstrip(".")
        excerpts.append(AnnotatedExcerpt(place, entry, [], disagreement_s(md, own), name))
    return excerpts


def wav_template(path):
    """Path of a recording below the data's folder as SpeechBrain expands it, braces of the name escaped.

    Example
    -------
    >>> wav_template("audio/a {b}.wav")
    '{data_root}/audio/a {{b}}.wav'
    """
    return "{data_root}/" + Path(path).as_posix().replace("{", "{{").replace("}", "}}")


def _as_rows(events):
    """Events as lists that JSON can hold."""
    return [[event.onset_s, event.offset_s, event.label] for event in events]


def disagreement_s(events, others):
    """Seconds in which two annotations of a recording have different labels.

    Arguments
    ---------
    events, others : sequence of Event
        Events that tile the recording.

    Returns
    -------
    float
        Seconds.

    Example
    -------
    >>> from hrin_plugin.events import Event
    >>> disagreement_s(
    ...     [Event(0.0, 2.0, "no-music"), Event(2.0, 5.0, "music")], [Event(0.0, 5.0, "music")]
    ... )
    2.0
    """
    overlaps = (
        min(event.offset_s, other.offset_s) - max(event.onset_s, other.onset_s)
        for event in events
        for other in others
        if event.label != other.label
    )
    return sum(overlap for overlap in overlaps if overlap > 0)
