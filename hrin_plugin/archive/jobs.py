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
from hrin_plugin.decoding.keeping import KIND
from hrin_plugin.detection import Detection
from hrin_plugin.files import FileInUse, is_reserved
from hrin_plugin.formats import write_detection
from hrin_plugin.formats.journal import Facts, Made, place_of

__all__ = ["Order", "Outcome", "claim_results", "detect_recording", "detect_recordings"]

#: What is wrong with a single result's name, not with the disk.
OF_THE_NAME = frozenset(
    (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ, errno.ENOTDIR, errno.EISDIR, errno.EEXIST)
)

#: What is wrong with the disk, not with a recording.
OF_THE_DISK = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS))


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
    work = functools.partial(detect_recording, order=order, load=load)
    paths = [recording.path for recording in recordings]
    yield from run_recordings(work, recordings, recordings, paths, order, run)


def run_recordings(work, recordings, tasks, paths, order, run):
    """Do the work of every recording, and note what is finished, with a progress bar in seconds of audio.

    Arguments
    ---------
    work : callable
        Takes a task and ``notify``, as :func:`detect_recording` does, and gives its Outcome.
    recordings : sequence of ArchiveFile
        The recordings.
    tasks : sequence
        One for each recording.
    paths : sequence of str
        The file that each task reads.
    order : Order
        Settings of the results.
    run : callable
        As :func:`detect_recordings` takes it.

    Yields
    ------
    Outcome
        One for each recording, in the order in which they are ready.

    Example
    -------
    >>> from hrin_plugin.archive.processes import run_local
    >>> list(run_recordings(None, [], [], [], Order(), functools.partial(run_local, jobs=1)))
    []
    """
    with AudioProgress(paths) as progress:
        for number, result in run(work, tasks, notify=progress.advance):
            if isinstance(result, Lost):
                result = Outcome(recordings[number], None, f"{paths[number]}: {result}")
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
    begun, made, kept = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"), None, None
    if order.keep_probabilities:
        (kept,) = result_paths(recording, order, KIND)
        kept.parent.mkdir(parents=True, exist_ok=True)
        options["keep"] = kept
    with Watch(recording.path) as watch:
        try:
            detection = detector.detect_file(recording.path, progress=lambda *told: notify(told), **options)
        except MemoryError:
            problem = f"{recording.path}: does not fit in memory; try fewer jobs"
        except Exception as error:  # whatever is wrong with one recording, the others go on
            if kept and getattr(error, "errno", None) in OF_THE_DISK:
                raise OSError(error.errno, error.strerror, str(kept.parent)) from error
            problem = _describe(error, recording.path)
        if order.output and not problem:
            made = Made(__version__, begun, detection.duration_s, watch.sha256())
        if watch.has_changed():
            problem = (
                f"{recording.path}: was changed or replaced while it was read; detect again when it is whole"
            )
            if kept:
                kept.unlink(missing_ok=True)
    if problem:
        return Outcome(recording, None, problem)
    return finish_recording(recording, detection, order, watch.facts, made)


def finish_recording(recording, detection, order, facts, made=None):
    """Write what was found in a recording, in all formats that are ordered.

    Arguments
    ---------
    recording : ArchiveFile
        The recording, and the name of its results.
    detection : Detection
        What was found.
    order : Order
        Settings of the detection.
    facts : Facts or None
        Of the recording while it was read.
    made : Made or None
        How it was detected.

    Returns
    -------
    Outcome
        The Detection on the ordered levels, or why it cannot be written.

    Raises
    ------
    OSError
        If no result can be written, as on a full disk.

    Example
    -------
    >>> order = Order(output=getfixture("tmp_path"), formats=("tsv", "webvtt"), levels=("md",))
    >>> found = Detection("a", 2.0, {"md": []})
    >>> finish_recording(ArchiveFile("a.wav", "monday/a"), found, order, None).detection.name
    'a'
    >>> sorted(path.name for path in (order.output / "monday").iterdir())
    ['a.tsv', 'a.vtt']
    """
    detection = detection._replace(name=Path(recording.name).name, path=place_of(recording.path))
    if order.output:
        folder = Path(order.output, recording.name).parent
        try:
            for format in order.formats:
                write_detection(folder, detection, format, order.levels)
        except FileInUse as error:
            return Outcome(recording, None, f"{recording.path}: {error.filename} {error.strerror}")
        except OSError as error:
            if error.errno in OF_THE_NAME:
                return Outcome(recording, None, _not_written(recording, error))
            raise OSError(error.errno, error.strerror, str(folder)) from error
    events = {task: detection.events[task] for task in order.levels}
    return Outcome(recording, detection._replace(events=events), None, facts, made)


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
