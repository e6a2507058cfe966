"""Where results come from: versions, model, decisions, and the recordings with their checksums.

``hrin detect`` notes it in the folder of its results: in the record (:mod:`hrin_plugin.formats.records`) and
in the journal (:mod:`hrin_plugin.formats.journal`).
"""

import functools
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from hrin_plugin.formats import format_of
from hrin_plugin.formats.journal import Entry, read_journal, result_name
from hrin_plugin.formats.records import nearest_record
from hrin_plugin.report.corrections import Corrected
from hrin_plugin.report.display import clock

#: Bytes that are read at a time.
_BLOCK = 1 << 20


class Origin(NamedTuple):
    """Where a result comes from; empty or None where that is not known.

    Example
    -------
    >>> Origin().sha256 is None
    True
    """

    recording: str | None = None  # path
    size: int | None = None  # in bytes
    sha256: str | None = None  # of the recording's bytes
    duration_s: float | None = None
    detected: str | None = None  # time of the detection, ISO 8601 in UTC
    version: str | None = None  # of this package, which made the result
    model: str | None = None  # name
    model_sha256: str | None = None  # of the weights
    decisions: str | None = None  # settings of the decoding, JSON
    corrected_s: float | None = None  # that a person gave another class; None where nothing was reviewed
    corrected_by: str | None = None  # who, between commas
    corrected: str | None = None  # when last, ISO 8601 in UTC
    reviewed: bool = False  # whether a person went through all of it


def trace(files: Mapping[str, Path]) -> dict[str, Origin]:
    """The origins of results, as their folders tell them.

    Arguments
    ---------
    files : mapping of str to pathlib.Path
        A file of each recording's results, by its name.

    Returns
    -------
    dict of str to Origin
        One for each recording; results of other programs have an empty one.

    Example
    -------
    >>> from hrin_plugin.formats.journal import Facts, Made, journal_path, journal_text
    >>> folder = getfixture("tmp_path")
    >>> made = Made("0.3", "2026-03-28T06:00:00Z", 2.0, "12ab")
    >>> entry = Entry("a", str(folder / "a.wav"), Facts(4, 5), made)
    >>> _ = journal_path(folder, "tsv").write_text(journal_text(folder, [entry]))
    >>> trace({"a": folder / "a.tsv"})["a"].sha256
    '12ab'
    """
    journals = functools.cache(read_journal)
    records = functools.cache(_record_of)
    return {
        name: _origin(path.absolute(), format_of(path), journals, records) for name, path in files.items()
    }


def with_corrections(origins: Mapping[str, Origin], corrected: Mapping[str, Corrected]) -> dict[str, Origin]:
    """The origins of results, with how much of each a person corrected.

    Example
    -------
    >>> done = Corrected(1500, 2, ("anna",), ("2026-03-28T06:00:00Z",), True)
    >>> with_corrections({"a": Origin()}, {"a": done})["a"].corrected_s
    1.5
    """
    told = {
        name: {
            "corrected_s": each.changed_ms / 1000,
            "corrected_by": ", ".join(each.reviewers),
            "corrected": each.times[-1],
            "reviewed": each.reviewed,
        }
        for name, each in corrected.items()
    }
    return {name: origin._replace(**told.get(name, {})) for name, origin in origins.items()}


def summarise(origins: Iterable[Origin]) -> dict[str, list[str]]:
    """Versions, models, decisions and dates that results were made with, each once; and what was corrected.

    Example
    -------
    >>> summarise([Origin(version="0.3"), Origin(version="0.3")])["version"]
    ['0.3']
    """
    origins = list(origins)
    days = sorted({origin.detected[:10] for origin in origins if origin.detected})
    models = {
        f"{origin.model or 'model'}{f', SHA-256 {origin.model_sha256}' if origin.model_sha256 else ''}": None
        for origin in origins
        if origin.model or origin.model_sha256
    }
    return {
        "version": sorted({origin.version for origin in origins if origin.version}),
        "model": list(models),
        "decisions": sorted({origin.decisions for origin in origins if origin.decisions}),
        "detected": [" to ".join(dict.fromkeys((days[0], days[-1])))] if days else [],
        "corrected": _corrected(origins),
    }


def checksum(path: str | Path, tell=lambda n_bytes: None) -> str:
    """SHA-256 of a file's bytes, in hexadecimal digits.

    Arguments
    ---------
    path : str or pathlib.Path
        The file.
    tell : callable
        Called with the number of bytes after each block.

    Returns
    -------
    str
        64 digits.

    Raises
    ------
    OSError
        If it cannot be read.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.wav"
    >>> _ = path.write_bytes(b"RIFF")
    >>> checksum(path)[:8]
    'a40ff3d5'
    """
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            tell(len(block))
    return digest.hexdigest()


def with_checksums(origins: Mapping[str, Origin], progress=None) -> tuple[dict[str, Origin], list[str]]:
    """Compute the checksum of every recording; compare it with the one noted, if there is one.

    Arguments
    ---------
    origins : mapping of str to Origin
        By the recordings' names.
    progress : callable, optional
        Makes a progress bar of ``tqdm``'s kind from the number of bytes in all.

    Returns
    -------
    tuple of (dict of str to Origin, list of str)
        The origins with checksums, and a line for each recording that is missing or has other bytes.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.wav"
    >>> _ = path.write_bytes(b"RIFF")
    >>> with_checksums({"a": Origin(str(path), 4, "00")})[1][0].partition(": ")[2]
    'is not the recording that was read, whose SHA-256 is 00; detect again'
    """
    sizes = {name: _size(origin.recording) for name, origin in origins.items()}
    completed, problems = dict(origins), []
    total = progress(sum(size or 0 for size in sizes.values())) if progress else None
    for name, origin in origins.items():
        if origin.recording is None:
            problems.append(f"{name}: its recording is not known; detect again to note its checksum")
            continue
        try:
            sha256 = checksum(origin.recording, total.update if total is not None else lambda _: None)
        except OSError as error:
            problems.append(
                f"{origin.recording}: cannot be read ({error.strerror}); its checksum is as noted"
            )
            continue
        if origin.sha256 not in (None, sha256):
            problem = f"is not the recording that was read, whose SHA-256 is {origin.sha256}"
            problems.append(f"{origin.recording}: {problem}; detect again")
            continue
        completed[name] = origin._replace(sha256=sha256, size=sizes[name])
    if total is not None:
        total.close()
    return completed, problems


def _corrected(origins):
    """How much a person corrected, in words; an empty list where that is nothing."""
    done = [origin for origin in origins if origin.corrected_by]
    if not done:
        return []
    who = ", ".join(dict.fromkeys(name for each in done for name in each.corrected_by.split(", ")))
    days = sorted(each.corrected[:10] for each in done)
    number = f"{len(done)} of {len(origins)} recording{'s' * (len(origins) != 1)}"
    changed = clock(sum(round(1000 * each.corrected_s) for each in done))
    whole = sum(each.reviewed for each in done)
    when = " to ".join(dict.fromkeys((days[0], days[-1])))
    return [f"{number}, {changed} changed, {whole} reviewed to the end; by {who}, {when}"]


def _origin(path, format, journals, records):
    """The origin of a result."""
    name, journal, _ = result_name(path, format, journals)
    entry = (journal and journal.entries.get(name)) or Entry(name, "", None)
    record = records(path.parent, format.name)
    about = record.get("provenance") if isinstance(record.get("provenance"), dict) else {}
    made, decisions = entry.made, about.get("decoding", record.get("decoding"))
    return Origin(
        recording=entry.path or None,
        size=entry.facts.size if entry.facts else None,
        sha256=made.sha256 if made else None,
        duration_s=made.duration_s if made else None,
        detected=made.detected if made else None,
        version=made.version if made else None,
        model=_text(about.get("model") or record.get("model")),
        model_sha256=_text(about.get("model_sha256")),
        decisions=None if decisions is None else json.dumps(decisions, sort_keys=True),
    )


def _record_of(folder, format):
    """The record of a folder's results."""
    return (nearest_record(folder / "a", format) or (None, {}))[1]


def _text(value):
    """A text, or None for anything else."""
    return value if isinstance(value, str) else None


def _size(path):
    """Size of a recording in bytes; None where it is missing."""
    try:
        return os.path.getsize(path) if path else None
    except OSError:
        return None
