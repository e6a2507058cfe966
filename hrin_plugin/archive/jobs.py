"""Detection in many recordings: a failure stops no other recording, and finished results are noted.

A result is finished if its recording did not change while it was read.
"""

import errno
import functools
import json
import os
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

from hrin_plugin import __version__
from hrin_plugin.archive.claims import claim_results, note_finished, result_paths
from hrin_plugin.archive.collection import ArchiveFile
from hrin_plugin.archive.orders import Order
from hrin_plugin.archive.processes import Lost
from hrin_plugin.archive.progress import AudioProgress
from hrin_plugin.archive.watch import Watch
from hrin_plugin.detection import Detection
from hrin_plugin.files import FileInUse, is_reserved
from hrin_plugin.formats import write_detection
from hrin_plugin.formats.journal import Facts, Made

__all__ = ["Order", "Outcome", "claim_results", "detect_recording", "detect_recordings"]

#: What is wrong with a single result's name, not with the disk.
OF_THE_NAME = frozenset(
    (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ, errno.ENOTDIR, errno.EISDIR, errno.EEXIST)
)


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
    facts: Facts | None = None  # of the recording while it was read
    made: Made | None = None  # what the journal tells of the result


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
            elif order.output and result.detection:
                note_finished(order, result.recording, result.facts, result.made)
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
    problem = _name_problem(recording, order) if order.output else None
    if problem:
        return Outcome(recording, None, problem)
    begun, sha256 = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"), None
    with Watch(recording.path) as watch:
        try:
            detection = detector.detect_file(recording.path, progress=lambda *told: notify(told), **options)
        except MemoryError:
            problem = f"{recording.path}: does not fit in memory; try fewer jobs"
        except Exception as error:  # whatever is wrong with one recording, the others go on
            problem = _describe(error, recording.path)
        if order.output and not problem:
            sha256 = watch.sha256()
        if watch.has_changed():
            problem = (
                f"{recording.path}: was changed or replaced while it was read; detect again when it is whole"
            )
    if problem:
        return Outcome(recording, None, problem)
    detection = detection._replace(name=Path(recording.name).name)
    if order.output:
        folder = Path(order.output, recording.name).parent
        try:
            write_detection(folder, detection, order.format, order.levels)
        except FileInUse as error:
            return Outcome(recording, None, f"{recording.path}: {error.filename} {error.strerror}")
        except OSError as error:
            if error.errno in OF_THE_NAME:
                return Outcome(recording, None, _not_written(recording, error))
            raise OSError(error.errno, error.strerror, str(folder)) from error
    events = {task: detection.events[task] for task in order.levels}
    made = Made(__version__, begun, detection.duration_s, sha256)
    return Outcome(recording, detection._replace(events=events), None, watch.facts, made)


def _name_problem(recording, order):
    """Why a result cannot have its name, in one line; None where it can."""
    for path in result_paths(recording, order):
        if is_reserved(path.name):
            return f"{recording.path}: Windows keeps the name {path.name} for a device; rename the recording"
        try:
            os.lstat(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            if error.errno in OF_THE_NAME:
                return _not_written(recording, error)
    return None


def _not_written(recording, error):
    """The problem of a recording whose name cannot be that of a result, in one line."""
    words = "name too long" if error.errno == errno.ENAMETOOLONG else error.strerror
    return f"{recording.path}: its result cannot be written ({words}); rename the recording"


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
