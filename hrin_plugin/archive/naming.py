"""Names of results in a folder that has results already: one result for each recording, never one for two."""

import os
import secrets
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from hrin_plugin.archive.collection import ArchiveFile
from hrin_plugin.formats.journal import Journal, place_of


def keep_names(recordings: Sequence[ArchiveFile], output: str | Path, journal: Journal) -> list[ArchiveFile]:
    """Give each recording the name that its result in the folder has.

    ``a.wav`` stays ``a`` when ``a.flac`` appears beside it, which becomes ``a.flac``. A recording that was
    moved keeps its result if that was told by name. A name that belongs to another recording is not taken.

    Arguments
    ---------
    recordings : sequence of ArchiveFile
        The recordings, with the names that they have in an empty folder.
    output : str or pathlib.Path
        The folder of the results, for messages.
    journal : Journal
        What the folder tells of its results.

    Returns
    -------
    list of ArchiveFile
        The same recordings, each with a name of its own; one that links lead to twice comes once.

    Raises
    ------
    ValueError
        If two recordings would share a result.

    Example
    -------
    >>> from hrin_plugin.formats.journal import Entry
    >>> journal = Journal({"a": Entry("a", place_of("a.wav"), None)})
    >>> both = [ArchiveFile("a.wav", "a.wav"), ArchiveFile("a.flac", "a.flac")]
    >>> [recording.name for recording in keep_names(both, "results", journal)]
    ['a', 'a.flac']
    """
    names = {entry.path: entry.name for entry in journal.entries.values()}
    kept, owners = [], {}
    for place, recording in {place_of(each.path): each for each in reversed(recordings)}.items():
        name, owner = names.get(place), None
        if name is None:
            name, owner = _free_name(recording, place, journal)
        owner = owner or owners.setdefault(name, recording.path)
        if owner != recording.path:
            problem = f"its result {Path(output, name)} would be that of {owner} too"
            raise ValueError(f"{recording.path}: {problem}; give another --output")
        kept.append(recording._replace(name=name))
    return kept[::-1]


def check_case(output: str | Path, recordings: Sequence[ArchiveFile], journal: Journal) -> None:
    """Refuse names that the file system of the results would take for one.

    Arguments
    ---------
    output : str or pathlib.Path
        The folder of the results.
    recordings : sequence of ArchiveFile
        Recordings with the names of their results.
    journal : Journal
        What the folder tells of its results.

    Raises
    ------
    ValueError
        If names differ only in case or in the composition of letters, and the file system ignores it.

    Example
    -------
    >>> check_case(getfixture("tmp_path"), [ArchiveFile("a.wav", "a")], Journal({}))
    """
    folded = {}
    for name in (*journal.entries, *(recording.name for recording in recordings)):
        twin = folded.setdefault(unicodedata.normalize("NFC", name).casefold(), name)
        if twin != name and _ignores_case(output):
            raise ValueError(
                f"{output}: the results {twin!r} and {name!r} would be one file there, since its file system "
                "ignores case; rename a recording, or give another --output"
            )


def _free_name(recording, place, journal):
    """The recording's own name, or that with its suffix; and the other recording that has it, or None."""
    name, owner = recording.name, _owner(recording.name, place, journal)
    suffix = os.path.splitext(place)[1]
    if owner and os.path.dirname(owner) == os.path.dirname(place) and not name.endswith(suffix):
        name, owner = name + suffix, _owner(name + suffix, place, journal)
    return name, owner


def _owner(name, place, journal):
    """Another recording that has a name and is still there; None where the name is free."""
    entry = journal.entries.get(name)
    return entry.path if entry and entry.path != place and os.path.exists(entry.path) else None


def _ignores_case(folder):
    """Whether the file system of a folder takes names for one that differ in case or composition."""
    name = f".hrin-draft-{secrets.token_hex(6)}-caf\N{LATIN SMALL LETTER E WITH ACUTE}"
    path = Path(folder, name)
    path.touch()
    try:
        others = (name.upper().replace(".HRIN-DRAFT", ".hrin-draft"), unicodedata.normalize("NFD", name))
        return any(Path(folder, other).exists() for other in others)
    finally:
        path.unlink()
