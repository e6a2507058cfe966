"""Detection in many recordings: a failure stops no other recording, and finished results are kept.

The folder of results has a record of their settings for each format. A result is finished if it is
newer than the record and its recording.
"""

import errno
import functools
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from hrin_plugin.archive.collection import ArchiveFile
from hrin_plugin.archive.processes import Lost
from hrin_plugin.archive.progress import AudioProgress
from hrin_plugin.detection import Detection
from hrin_plugin.files import write_atomically
from hrin_plugin.formats import output_paths, write_detection
from hrin_plugin.formats.records import read_record, record_path
from hrin_plugin.taxonomy import MUSIC_LOUDNESS, Taxonomy


class Order(NamedTuple):
    """Settings for the detection in every recording.

    Example
    -------
    >>> Order(output="results").format
    'tsv'
    """

    output: str | None = None  # folder of the results; None where they are only returned
    format: str = "tsv"
    levels: tuple = ("mrle",)
    model: str | None = None  # as MusicDetector.from_hparams takes it
    backend: str = "auto"
    device: str | None = None  # None for an accelerator where there is one
    decoding: dict = {}  # what differs from the model's own Decoding
    run_code: bool = False  # whether the model may run code
    taxonomy: Taxonomy = MUSIC_LOUDNESS  # the model's
    track: int | None = None  # of sound, from 1 on; None for the first


class Outcome(NamedTuple):
    """Outcome of a recording: its Detection, or its problem in one line.

    Example
    -------
    >>> Outcome(ArchiveFile("a.mp3", "a"), None, "a.mp3: holds no samples; record it again").detection is None
    True
    """

    recording: ArchiveFile
    detection: Detection | None
    problem: str | None = None


def claim_results(
    recordings: Sequence[ArchiveFile], order: Order, overwrite: bool = False
) -> list[ArchiveFile]:
    """Make the folder for the results, and return the recordings without finished results.

    Arguments
    ---------
    recordings : sequence of ArchiveFile
        All of them.
    order : Order
        Settings of the detection.
    overwrite : bool
        Whether finished results are made again.

    Returns
    -------
    list of ArchiveFile
        Recordings to process.

    Raises
    ------
    ValueError
        If the folder holds results of other settings, or files of other programs, and
        ``overwrite`` is not set.

    Example
    -------
    >>> order = Order(output=getfixture("tmp_path") / "results")
    >>> len(claim_results([ArchiveFile("a.mp3", "a")], order))
    1
    """
    output = Path(order.output)
    path = record_path(output, order.format)
    settings = {
        "model": _identity(order.model),
        "taxonomy": order.taxonomy.to_dict(),
        "levels": sorted(order.levels),
        "decoding": order.decoding,
    }
    if order.track is not None:
        settings["track"] = order.track
    text = json.dumps(settings, indent=2, sort_keys=True) + "\n"
    record = read_record(path)
    if record and not overwrite and settings == {"taxonomy": settings["taxonomy"], **record} != record:
        _complete_record(path, text)
    elif record != settings or overwrite:
        there = next((file for each in recordings for file in _paths(each, order) if file.exists()), None)
        if there and not overwrite:
            changed = [
                name for name, value in settings.items() if record and record.get(name, value) != value
            ]
            cause = (
                f"was made with another {' and '.join(changed)}"
                if changed
                else "is no result of this command"
            )
            raise ValueError(f"{there}: {cause}; give another --output, or --overwrite to replace it")
        output.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text)
    claimed_ns = path.stat().st_mtime_ns
    return [recording for recording in recordings if not _is_finished(recording, order, claimed_ns)]


def detect_recordings(recordings, order, run, load):
    """Detect in every recording, with a progress bar in seconds of audio.

    Arguments
    ---------
    recordings : sequence of ArchiveFile
        Recordings to process.
    order : Order
        Settings of the detection.
    run : callable
        ``run_local`` or ``run_ray`` with its jobs; takes a function, tasks and a ``notify``.
    load : callable
        Loads the detector in each process, such as :func:`hrin_plugin.inference.load_detector`.

    Yields
    ------
    Outcome
        One for each recording, in the order in which they are ready.

    Raises
    ------
    OSError
        If results cannot be written, as on a full disk.

    Example
    -------
    >>> from hrin_plugin.archive.processes import run_local
    >>> run = functools.partial(run_local, jobs=1)
    >>> list(detect_recordings([], Order(), run, load=None))
    []
    """
    with AudioProgress([recording.path for recording in recordings]) as progress:
        work = functools.partial(detect_recording, order=order, load=load)
        for number, result in run(work, recordings, notify=progress.advance):
            if isinstance(result, Lost):
                result = Outcome(recordings[number], None, f"{recordings[number].path}: {result}")
            progress.settle(number, result.detection and result.detection.duration_s)
            yield result


def detect_recording(recording, notify, order, load):
    """Detect in one recording and write the result; runs in a worker.

    Arguments
    ---------
    recording : ArchiveFile
        The recording, and the name of its results.
    notify : callable
        Called with the processed seconds and the length, if it is known.
    order : Order
        Settings of the detection.
    load : callable
        As :func:`detect_recordings` takes it.

    Returns
    -------
    Outcome
        The Detection without probabilities, or the problem of the recording.

    Raises
    ------
    ValueError
        If the model cannot be loaded.
    OSError
        If the results cannot be written.

    Example
    -------
    >>> from hrin_plugin.inference import load_detector
    >>> detect_recording(ArchiveFile("a.mp3", "a"), print, Order(model="none"), load_detector)
    Traceback (most recent call last):
    ...
    ValueError: ...
    """
    detector = _detector(
        load, order.model, order.backend, order.device, json.dumps(order.decoding), order.run_code
    )
    options = {} if order.track is None else {"track": order.track}
    try:
        detection = detector.detect_file(recording.path, progress=lambda *told: notify(told), **options)
    except MemoryError:
        return Outcome(recording, None, f"{recording.path}: does not fit in memory; try fewer jobs")
    except Exception as error:  # whatever is wrong with one recording, the others go on
        return Outcome(recording, None, _describe(error, recording.path))
    detection = detection._replace(name=Path(recording.name).name)
    if order.output:
        folder = Path(order.output, recording.name).parent
        try:
            write_detection(folder, detection, order.format, order.levels)
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                return Outcome(
                    recording, None, f"{recording.path}: its result cannot be written (name too long)"
                )
            raise OSError(error.errno, error.strerror, str(folder)) from error
    return Outcome(
        recording, detection._replace(events={task: detection.events[task] for task in order.levels})
    )


@functools.lru_cache(maxsize=1)
def _detector(load, model, backend, device, decoding, run_code):
    """The detector, loaded once for each process."""
    return load(model, backend, device, json.loads(decoding), run_code)


def _describe(error, path):
    """The problem of a recording, in one line that names it."""
    words = str(getattr(error, "strerror", None) or error).partition("\n")[0]
    if not isinstance(error, (ValueError, OSError)):
        words = f"{type(error).__name__}: {words}"
    return words if str(path) in words else f"{path}: {words}"


def _paths(recording, order):
    """The files of a recording's results."""
    place = Path(order.output, recording.name)
    return output_paths(place.parent, place.name, order.format, order.levels)


def _complete_record(path, text):
    """Complete a record of an earlier version, and keep its time so that results stay newer."""
    changed = path.stat()
    write_atomically(path, text)
    os.utime(path, ns=(changed.st_atime_ns, changed.st_mtime_ns))


def _is_finished(recording, order, claimed_ns):
    """Whether all results exist and are newer than their recording and the record."""
    try:
        after_ns = max(claimed_ns, os.stat(recording.path).st_mtime_ns)
        return all(path.stat().st_mtime_ns >= after_ns for path in _paths(recording, order))
    except OSError:
        return False


def _identity(model):
    """Identity of a model: the digest of its files, or its name on the Hub."""
    folder = Path(__file__).parents[1] / "pretrained" / "models" if model is None else Path(model)
    if model is not None and not folder.is_dir():
        return model
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".json", ".safetensors") and path.is_file():
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]
