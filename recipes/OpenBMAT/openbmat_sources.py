"""The files of OpenBMAT, and what its excerpts say: recordings and annotations,
read and checked, with every fault collected.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from hrin_plugin.audio.signals import AudioError, audio_duration
from hrin_plugin.events import AnnotationError, Fault, read_tsv, relabel
from hrin_plugin.taxonomy import MUSIC_LOUDNESS
from openbmat_folds import canonical

#: Labels of music detection and of music relative loudness, by their names in a manifest.
LABELS = dict(zip(("md", "mrle"), MUSIC_LOUDNESS.levels))


class Sources(NamedTuple):
    """The files of the dataset that the manifests are made from."""

    root: Path
    folders: dict  # kind ("audio", "mrle" or "md") -> folder below the root
    files: dict  # kind -> {name: path}
    splits: Path  # may be missing
    faults: dict  # name -> [Fault], for names that two files share


class Excerpt(NamedTuple):
    """One excerpt as read: its entry in a manifest (None if it has faults)."""

    name: str
    entry: dict
    faults: list
    disagreement_s: float  # between the derived and the annotated music detection


def find_sources(data_folder, annotator, with_md):
    """List the files of OpenBMAT that one annotator's manifests are made from.

    Arguments
    ---------
    data_folder : str or pathlib.Path
        The folder that holds ``audio`` and ``annotations``.
    annotator : str
        "a", "b" or "c".
    with_md : bool
        Whether the music detection annotations are needed.

    Returns
    -------
    Sources
        Names and paths; hidden files and other extensions are passed over.

    Raises
    ------
    FileNotFoundError
        If a folder is missing or there is no recording.

    Example
    -------
    >>> root = getfixture("tmp_path")
    >>> (root / "audio").mkdir()
    >>> find_sources(root, "a", with_md=False)
    Traceback (most recent call last):
    ...
    FileNotFoundError: ...: there is no folder annotations/tsv/RMLE_mapping/annotator_a; ...
    """
    root = Path(data_folder)
    folders = {"audio": "audio", "mrle": f"annotations/tsv/RMLE_mapping/annotator_{annotator}"}
    if with_md:
        folders["md"] = f"annotations/tsv/MD_mapping/annotator_{annotator}"
    missing = [folder for folder in folders.values() if not (root / folder).is_dir()]
    if missing:
        raise FileNotFoundError(
            f"{root}: there is no folder {' and no folder '.join(missing)}; {_advice(root)}"
        )

    files, faults = {}, {}
    for kind, folder in folders.items():
        files[kind] = {}
        extension = ".wav" if kind == "audio" else ".tsv"
        for path in sorted((root / folder).iterdir()):
            if path.name.startswith(".") or path.suffix.lower() != extension or not path.is_file():
                continue
            name = canonical(path.stem)
            other = files[kind].setdefault(name, path)
            if other != path:
                fault = Fault(path, 0, f"has the same name as {other.name}", "delete one of the two")
                faults.setdefault(name, []).append(fault)
    if not files["audio"]:
        raise FileNotFoundError(f"{root / 'audio'}: there is no .wav file; {_advice(root)}")
    return Sources(root, folders, files, root / "splits" / "splits.csv", faults)


def _advice(root):
    """Where the dataset may be, or is to be had."""
    near = [root.parent] + (sorted(root.iterdir()) if root.is_dir() else [])
    for folder in near:
        if folder != root and (folder / "audio").is_dir() and (folder / "annotations").is_dir():
            return f"did you mean {folder}?"
    return (
        "give the folder of OpenBMAT that holds audio/ and annotations/ "
        "(access on request: Zenodo, record 3381249, https://zenodo.org/record/3381249)"
    )


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
    list of Excerpt
        One for each name that has a recording or an annotation.

    Example
    -------
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
        return Excerpt(name, None, faults, 0.0)

    derived = relabel(events["mrle"], MUSIC_LOUDNESS.parents[0])
    entry = {
        "wav": wav_template(paths["audio"].name),
        "duration": duration_s,
        "mrle": _as_rows(events["mrle"]),
        "md": _as_rows(events["md"] if md_from == "mapping" else derived),
    }
    return Excerpt(name, entry, [], disagreement_s(derived, events.get("md", derived)))


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
    ...     [Event("no-music", 0.0, 2.0), Event("music", 2.0, 5.0)], [Event("music", 0.0, 5.0)]
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
