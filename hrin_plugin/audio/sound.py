"""A whole recording: its parts one after another, each by the decoder that can, and what is wrong.

Nothing that holds sound is given up. What libsndfile cannot read on, ffmpeg reads; what neither
can is silence with a note.
"""

import contextlib

import numpy as np

from hrin_plugin.audio.accounting import account
from hrin_plugin.audio.decoding import FfmpegPart
from hrin_plugin.audio.ffmpeg import CURE, probe
from hrin_plugin.audio.notes import DAMAGED, DOUBTFUL, LEAST_ODD_PEAK, Note, missing, texts_of, warnings_of
from hrin_plugin.audio.pieces import Stitched
from hrin_plugin.audio.recordings import (
    BLOCK_SAMPLES,
    AudioError,
    AudioFile,
    DamagedError,
    SndfilePart,
    UnknownFormatError,
)

#: Parts that are opened at the beginning, so that the length is known.
_OPENED_AHEAD = 50

#: How much a part may be shorter than announced or counted, in seconds.
_TOLERANCE_S = 0.15

#: A track that begins so many seconds before another ends goes on from it, and is no other version of it.
_OVERLAP_S = 0.5


class Sound:
    """An open recording of any kind; iterating gives the sample rate and the blocks of each part.

    Arguments
    ---------
    path : str or pathlib.Path
        The recording.
    program : str or None
        The ffmpeg program; None where there is none.
    track : int or None
        Which track of sound is read, from 1 on; None for the first.

    Raises
    ------
    AudioError
        If there is no sound in it that can be read.

    Example
    -------
    >>> import soundfile
    >>> path = getfixture("tmp_path") / "a.wav"
    >>> soundfile.write(path, [0.0] * 800, 8000)
    >>> with Sound(path) as sound:
    ...     [(rate, sum(map(len, blocks))) for rate, blocks in sound], sound.warnings
    ([(8000, 800)], [])
    """

    def __init__(self, path, program=None, track=None):
        self.path, self._program, self._number = path, program, track or 1
        self._is_chosen, self._notes, self._at_s = track is not None, [], 0.0
        with contextlib.ExitStack() as opened:
            self._file = opened.enter_context(AudioFile(path))
            self._parts = account(self._file, path)
            self._readers = {}
            opened.callback(self._close_readers)
            self._open_ahead()
            self._opened = opened.pop_all()

    def _open_ahead(self):
        """Open the first parts; raise if there is no sound in any."""
        first_error = None
        for number, part in enumerate(self._parts[:_OPENED_AHEAD]):
            is_open = any(not isinstance(reader, AudioError) for reader in self._readers.values())
            if is_open and (part.by == "ffmpeg" or part.muted):
                continue  # later: ffmpeg begins to decode at once
            try:
                self._readers[number] = self._open(part)
            except AudioError as error:
                first_error = first_error or error
                self._readers[number] = error
        if all(isinstance(reader, AudioError) for reader in self._readers.values()):
            raise first_error

    def _open(self, part):
        """The reader of a part."""
        if part.by == "libsndfile" and not (part.muted and self._program):
            try:
                reader = SndfilePart(self._file, part, goes_on=self._program is None)
                return _only_track(reader, self._number)
            except UnknownFormatError as refusal:
                if self._program is None:
                    cure = "where it is a recording, install ffmpeg, or run: pip install imageio-ffmpeg"
                    problem = f"{refusal.problem}, and there is no ffmpeg to try"
                    raise AudioError(self.path, problem, cure) from None
        if self._program is None:
            reader = self._open(part._replace(by="libsndfile"))
            reader.notes.append(_WITHOUT_FFMPEG)
            return reader
        return self._open_with_ffmpeg(part)

    def _open_with_ffmpeg(self, part, sample_rate=None):
        """The reader of a part by ffmpeg."""
        if part.form:
            reader = FfmpegPart(
                self.path, self._program, part, sample_rate=sample_rate, source=self._source(part)
            )
            return _only_track(reader, self._number)
        is_whole = part.span is not None
        told = probe(self.path, self._program, part, None if is_whole else self._source(part))
        if not told.tracks:
            why = told.first_error or "does not contain any stream of sound"
            problem = f"cannot be read as audio (ffmpeg: {why})"
            notes = [note.text for note in part.notes if note.start_s is None and "{}" not in note.text]
            raise AudioError(self.path, "; ".join([*notes, problem]), CURE)
        if self._number > len(told.tracks):
            _refuse_track(self.path, self._number, len(told.tracks))
        track = told.tracks[self._number - 1]
        source = None if is_whole else self._source(part)
        reader = FfmpegPart(self.path, self._program, part, track, told, sample_rate, source)
        reader.others = [other for other in told.tracks if other is not track] if is_whole else []
        return reader

    def _source(self, part):
        """The pieces of a part as a file of its own, to be read in another thread."""
        return Stitched(AudioFile(self.path), part.pieces)

    @property
    def duration_s(self):
        """Length in seconds that is announced or counted; None where it is not known in advance."""
        lengths = [
            getattr(self._readers.get(number, part), "length_s", 0.0)
            for number, part in enumerate(self._parts)
        ]
        return None if None in lengths else sum(lengths)

    @property
    def warnings(self):
        """What is wrong with what was read so far, each in a few words with its times."""
        return warnings_of(self._notes)

    @property
    def faults(self):
        """The warnings that tell of damaged or missing sound, without their cure."""
        return texts_of([note for note in self._notes if note.is_fault])

    def __iter__(self):
        for number, part in enumerate(self._parts):
            try:
                reader = self._readers.pop(number, None) or self._open(part)
                if isinstance(reader, AudioError):
                    raise reader
            except AudioError as error:
                self._notes.append(Note(missing(f"a further part {error.problem}"), self._at_s))
                continue
            with reader:
                yield from self._read(reader, part)
        if self._at_s == 0:
            raise AudioError(self.path, "holds no samples", "copy or export it again")

    def _read(self, reader, part):
        """Sample rate and blocks of a part, and of the tracks that go on from it."""
        counter = _Counter(reader.sample_rate, part.muted, reader.is_lossy)
        yield reader.sample_rate, counter.through(self._blocks(reader, part, counter))
        self._note(counter.notes)
        self._conclude(part, counter.length_s)
        others = list(getattr(reader, "others", ()))
        while follower := self._follower(reader, others, counter.length_s):
            with follower:
                counter = _Counter(follower.sample_rate, (), follower.is_lossy)
                yield follower.sample_rate, counter.through(follower)
                self._note([*follower.notes, *counter.notes])
                self._at_s += counter.length_s
        if others and not self._is_chosen:
            self._notes.append(Note(_track_words(reader, others), is_fault=False))

    def _blocks(self, reader, part, counter):
        """Blocks of a part; from where libsndfile cannot read on, by ffmpeg."""
        try:
            yield from _without(reader, part.n_delay)
            self._note(reader.notes)
        except DamagedError as damage:
            self._note(reader.notes)
            yield from self._rescued(reader, part, counter, damage)

    def _rescued(self, reader, part, counter, damage):
        """What ffmpeg decodes after the place where libsndfile gave up."""
        try:
            if self._program is None:
                raise damage
            rescue = self._open_with_ffmpeg(part, reader.sample_rate)
        except AudioError as error:
            if counter.n_samples == 0 and len(self._parts) == 1:
                raise damage from None
            cure = "" if self._program else "; with ffmpeg it may be read on"
            self._notes.append(Note(missing(f"it {error.problem}{cure}"), self._at_s + counter.length_s))
            return
        with rescue:
            damage.at_s = counter.length_s
            for block in _without(rescue, counter.n_samples + part.n_delay):
                yield _with_channels(block, reader.n_channels)
            damaged = Note(DOUBTFUL, damage.at_s, damage.at_s + BLOCK_SAMPLES / reader.sample_rate)
            self._note(rescue.notes or [damaged])

    def _follower(self, reader, others, length_s):
        """A reader of the track that begins where this one ends; None if there is none."""
        if self._is_chosen or not others:
            return None
        if reader.tells_length() and reader.probe.length_s < length_s + _OVERLAP_S:
            return None
        for other in list(others):
            try:
                follower = FfmpegPart(self.path, self._program, reader.part, other, reader.probe)
            except AudioError:
                continue
            if follower.first_s >= length_s - _OVERLAP_S:
                others.remove(other)
                follower.begin_at(length_s)
                return follower
            follower.close()
        return None

    def _note(self, notes):
        """Keep notes of a part."""
        for note in notes:
            note = note.later(self._at_s)
            if not note.is_end() or not any(_is_same_end(note, other) for other in self._notes):
                self._notes.append(note)

    def _conclude(self, part, length_s):
        """Keep what was known of a part before, and whether it was read to its end."""
        notes = [
            note._replace(start_s=length_s) if note.start_s is None and "{}" in note.text else note
            for note in part.notes
        ]
        earlier = (note for note in self._notes if (note.start_s or 0.0) >= self._at_s)
        is_noted = any(note.is_end() for note in [*notes, *earlier])
        if part.length_s and length_s < part.length_s - _TOLERANCE_S and not is_noted:
            notes.append(Note(missing(f"{part.length_s:.3f} s are announced"), length_s))
        self._note(notes)
        self._at_s += length_s

    def _close_readers(self):
        """Close the parts that were opened ahead."""
        for reader in self._readers.values():
            if not isinstance(reader, AudioError):
                reader.close()

    def close(self):
        """Close the file, and end ffmpeg."""
        self._opened.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


_WITHOUT_FFMPEG = Note("it is damaged, and without ffmpeg times after the damage may be too early")


def _is_same_end(note, other):
    """Whether two notes tell of the same missing end."""
    return other.is_end() and abs((note.start_s or 0.0) - (other.start_s or 0.0)) < _TOLERANCE_S


#: How much of the sound before and after such a sample is as bad, in seconds: about a frame.
_AROUND_S = 0.05


class _Counter:
    """Counts the samples of blocks, and silences what is no sound."""

    def __init__(self, sample_rate, muted, is_lossy):
        self._rate, self.n_samples, self._is_lossy = sample_rate, 0, is_lossy
        #: Where damaged frames of a lossy codec were decoded to absurd samples.
        self.notes = []
        self._muted = [(round(begin * sample_rate), round(end * sample_rate)) for begin, end in muted]

    @property
    def length_s(self):
        """Seconds so far."""
        return self.n_samples / self._rate

    def through(self, blocks):
        """The same blocks."""
        for block in blocks:
            begin, self.n_samples = self.n_samples, self.n_samples + len(block)
            if self._is_lossy:
                self._silence_absurd(block, begin)
            while self._muted and self._muted[0][0] < self.n_samples:
                first, last = self._muted[0]
                block[max(first - begin, 0) : max(last - begin, 0)] = 0
                if last > self.n_samples:
                    break
                self._muted.pop(0)
            yield block

    def _silence_absurd(self, block, begin):
        """Silence what no encoder was given, and what stands around it; ``block`` begins at a sample."""
        if len(block) and block.min() > -LEAST_ODD_PEAK and block.max() < LEAST_ODD_PEAK:  # false for NaN
            return
        reach = round(_AROUND_S * self._rate)
        absurd = np.flatnonzero(~(np.abs(block) < LEAST_ODD_PEAK).all(axis=1))
        for places in np.split(absurd, np.flatnonzero(np.diff(absurd) > reach) + 1):
            if len(places):
                span = max(places[0] - reach, 0), min(places[-1] + reach, len(block))
                block[slice(*span)] = 0
                self.notes.append(Note(DAMAGED, *(float(begin + at) / self._rate for at in span)))


def _without(blocks, n_samples):
    """The blocks without so many of their first samples."""
    for block in blocks:
        n_now = min(n_samples, len(block))
        n_samples -= n_now
        if n_now < len(block):
            yield block[n_now:]


def _only_track(reader, number):
    """A reader of a format that has one track."""
    if number > 1:
        reader.close()
        _refuse_track(reader.path, number, 1)
    return reader


def _refuse_track(path, number, n_tracks):
    """Raise AudioError for a track that is not there."""
    has = f"has {n_tracks} tracks of sound" if n_tracks > 1 else "has 1 track of sound"
    cure = f"choose one of 1 to {n_tracks}" if n_tracks > 1 else "leave the choice of a track out"
    raise AudioError(path, f"{has}, no track {number}", cure)


def _track_words(reader, others):
    """The tracks that are left out, in one line."""
    tracks = sorted([reader.track, *others])
    numbers = {track: number for number, track in enumerate(tracks, start=1)}
    named = ", ".join(f"{numbers[track]} ({track.words})" for track in sorted(others))
    used = f"{numbers[reader.track]} ({reader.track.words})"
    return f"has {len(tracks)} tracks of sound: {used} is used, left out: {named}; --track N chooses"


def _with_channels(block, n_channels):
    """A block with another number of channels."""
    if block.shape[1] == n_channels:
        return block
    return np.repeat(block.mean(axis=1, keepdims=True), n_channels, axis=1)
