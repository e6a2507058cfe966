"""What OpenBMAT's excerpts say: recordings and annotations, read and checked, with every fault collected."""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from tqdm import tqdm

from hrin_plugin.audio.signals import AudioError, audio_duration
from hrin_plugin.events import AnnotationError, Fault, read_tsv, relabel
from hrin_plugin.taxonomy import MUSIC_LOUDNESS

#: Labels of music detection and of music relative loudness, by their names in a manifest.
LABELS = MUSIC_LOUDNESS.labels


class AnnotatedExcerpt(NamedTuple):
    """One excerpt as read: its entry in a manifest (None if it has faults)."""

    name: str
    entry: dict
    faults: list
    disagreement_s: float  # between the derived and the annotated music detection


def read_excerpts(sources, md_from):
    """Read the header and the annotations of every excerpt, in the order of names.

    Arguments
    ---------
    sources : Sources
        The files to read.
    md_from : str
        "mrle" or "mapping"; see :func:`prepare_openbmat`.

    Returns
    -------
    list of AnnotatedExcerpt
        One for each name that has a recording or an annotation.

    Example
    -------
    >>> from pathlib import Path
    >>> from hrin_plugin.training.openbmat import Sources
    >>> empty = Sources(Path("OpenBMAT"), {}, {"audio": {}, "mrle": {}}, None, {})
    >>> read_excerpts(empty, "mrle")
    []
    """
    names = sorted(set().union(*sources.files.values()))
    with ThreadPoolExecutor() as pool:
        found = pool.map(lambda name: _read_excerpt(name, sources, md_from), names)
        return list(tqdm(found, total=len(names), desc="OpenBMAT", unit="excerpt", disable=None))


def _read_excerpt(name, sources, md_from):
    """Read one excerpt; its faults are returned, not raised."""
    paths = {kind: files[name] for kind, files in sources.files.items() if name in files}
    faults = list(sources.faults.get(name, []))
    for kind in [kind for kind in sources.files if kind not in paths]:
        present = next(iter(paths.values()))
        counterpart = f"{sources.folders[kind]}/{name}.{'wav' if kind == 'audio' else 'tsv'}"
        faults.append(
            Fault(present, 0, f"there is no {counterpart} beside it", "add that file or delete this one")
        )

    events = {}
    try:
        if "audio" in paths:
            duration_s = audio_duration(paths["audio"]).duration_s
            for kind in [kind for kind in LABELS if kind in paths]:
                try:
                    events[kind] = read_tsv(paths[kind], duration_s, LABELS[kind])
                except AnnotationError as error:
                    faults += error.faults
    except AudioError as error:
        faults.append(Fault(error.path, 0, error.problem, error.cure))
    if faults:
        return AnnotatedExcerpt(name, None, faults, 0.0)

    derived = relabel(events["mrle"], MUSIC_LOUDNESS.parents[0])
    entry = {
        "wav": wav_template(paths["audio"].name),
        "duration": duration_s,
        "mrle": _as_rows(events["mrle"]),
        "md": _as_rows(events["md"] if md_from == "mapping" else derived),
    }
    return AnnotatedExcerpt(name, entry, [], disagreement_s(derived, events.get("md", derived)))


def wav_template(file_name):
    """Path of a recording as SpeechBrain expands it, braces of the name escaped.

    Example
    -------
    >>> wav_template("a {b}.wav")
    '{data_root}/audio/a {{b}}.wav'
    """
    return "{data_root}/audio/" + file_name.replace("{", "{{").replace("}", "}}")


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
