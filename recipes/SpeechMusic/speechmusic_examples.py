"""Examples to train on: segments of music, speech and noise in a row, so that a network meets boundaries."""

import hashlib
import json
import os
import random

import numpy as np
import soundfile
import torch

from hrin_plugin.audio.recordings import COPY, Recording, reason
from hrin_plugin.audio.signals import AudioError, first_not_finite, not_finite_error, resample, to_mono
from hrin_plugin.events import TOLERANCE_S, Event, relabel
from hrin_plugin.features.cache import FeatureLoader
from hrin_plugin.files import change_stamp


def join_segments(entries, taxonomy, example_s, seed):
    """Put segments in random order, and cut the row into examples.

    Arguments
    ---------
    entries : dict of str to dict
        A manifest of ``speechmusic_prepare.py``; each segment is used once.
    taxonomy : Taxonomy
        Two levels; the classes of the segments are those of the lower.
    example_s : float
        An example ends with the segment that makes it so long, in seconds.
    seed : int
        Another seed gives another order.

    Returns
    -------
    dict of str to dict
        Name to example: ``pieces`` (each a ``wav`` of the manifest), ``duration`` in seconds, ``md``
        and ``mrle`` (events of the upper and the lower level, lists of onset, offset and label).

    Example
    -------
    >>> from hrin_plugin import Taxonomy
    >>> sounds = Taxonomy(
    ...     levels=[["no-music", "music"], ["speech", "music"]],
    ...     parents=[{"speech": "no-music", "music": "music"}],
    ... )
    >>> segment = {"wav": {"file": "a.wav", "start": 0, "stop": 80000}, "duration": 5.0, "class": "music"}
    >>> joined = join_segments({"a 1": segment, "b 1": segment}, sounds, example_s=10.0, seed=0)
    >>> joined["example_0"]["duration"], joined["example_0"]["md"]
    (10.0, [[0.0, 10.0, 'music']])
    """
    row = list(entries.values())
    random.Random(seed).shuffle(row)
    examples, pieces, events = {}, [], []
    for number, entry in enumerate(row, start=1):
        onset_s = events[-1].offset_s if events else 0.0
        pieces.append(entry["wav"])
        events.append(Event(onset_s, onset_s + entry["duration"], entry["class"]))
        if events[-1].offset_s >= example_s or number == len(row):
            examples[f"example_{len(examples)}"] = {
                "pieces": pieces,
                "duration": events[-1].offset_s,
                "md": _as_rows(events, taxonomy.parents[0]),
                "mrle": _as_rows(events, {name: name for name in taxonomy.levels[1]}),
            }
            pieces, events = [], []
    return examples


def _as_rows(events, mapping):
    """Events under other labels, as SpeechBrain's pipelines hold them."""
    return [[event.onset_s, event.offset_s, event.label] for event in relabel(events, mapping)]


def read_segment(file, start, stop, sample_rate):
    """Read a part of a recording as mono at a given rate.

    Arguments
    ---------
    file : str or pathlib.Path
        The recording.
    start, stop : int
        First sample and the one after the last, at the recording's own rate.
    sample_rate : int
        Samples a second of the result.

    Returns
    -------
    numpy.ndarray
        Samples, ``[sample]``, float32, full scale at 1.

    Raises
    ------
    AudioError
        If the recording cannot be read, is shorter, or holds a sample that is not a finite number.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.wav"
    >>> soundfile.write(path, np.zeros((32000, 2)), 16000)
    >>> read_segment(path, 16000, 32000, sample_rate=8000).shape
    (8000,)
    """
    try:
        with soundfile.SoundFile(file) as sound:
            source_rate, is_mpeg = sound.samplerate, sound.subtype.startswith("MPEG")
            if not is_mpeg:
                sound.seek(start)
                channels = sound.read(stop - start, dtype="float32", always_2d=True)
    except soundfile.SoundFileError as error:
        raise AudioError(file, f"cannot be read ({reason(error)})", COPY) from None
    if is_mpeg:
        channels = _read_forwards(file, start, stop)
    if len(channels) < stop - start - TOLERANCE_S * source_rate:
        problem = f"holds {start + len(channels)} samples, {stop} were announced"
        raise AudioError(file, problem, COPY)
    broken = first_not_finite(channels)
    if broken is not None:
        raise not_finite_error(file, (start + broken) / source_rate)
    return resample(to_mono(channels), source_rate, sample_rate)


def _read_forwards(file, start, stop):
    """Samples of a recording in which seeking cannot be trusted, ``[sample, channel]``."""
    kept, position = [], 0
    with Recording(file) as recording:
        for block in recording:
            kept.append(block[max(0, start - position) : max(0, stop - position)])
            position += len(block)
            if position >= stop:
                break
    return np.concatenate(kept)


class ExampleLoader(FeatureLoader):
    """Features of one example at a time, from the cache where there is one.

    Arguments as those of :class:`hrin_plugin.features.cache.FeatureLoader`; in place of a path
    it takes the ``pieces`` of :func:`join_segments`.

    Example
    -------
    >>> from hrin_plugin import LogMel
    >>> folder = getfixture("tmp_path")
    >>> soundfile.write(folder / "a.wav", np.random.default_rng(0).normal(0, 0.1, 16000), 16000)
    >>> piece = {"file": str(folder / "a.wav"), "start": 0, "stop": 8000}
    >>> ExampleLoader(LogMel(), folder / "cache")([piece, piece]).shape
    torch.Size([63, 128])
    """

    def entry(self, pieces):
        """File of the cache that holds an example's features.

        Arguments
        ---------
        pieces : sequence of dict
            The example.

        Returns
        -------
        pathlib.Path
            The entry, which may not exist yet.
        """
        identity = [self.key]
        for piece in pieces:
            identity.append([os.path.abspath(piece["file"]), *change_stamp(piece["file"])])
            identity.append([piece["start"], piece["stop"]])
        return self.folder / f"example-{hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:32]}.npy"

    def _compute(self, pieces):
        """Features of the pieces in a row: decibels relative to the loudest of all."""
        wavs = [read_segment(**piece, sample_rate=self.features.grid.sample_rate) for piece in pieces]
        with torch.no_grad():
            return self.features(torch.from_numpy(np.concatenate(wavs))[None])[0]
