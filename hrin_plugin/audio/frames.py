"""Frames of MPEG audio (MP3, MP2) and of AAC in ADTS: every byte of a file is counted.

Such files have no index. Each frame tells its own length and kind, so that following them finds
what is damaged, for how long, and where another recording begins. Lost frames are replaced by
a copy of a good one, which keeps all later times right; the copies are silenced after decoding.
"""

from typing import NamedTuple

from hrin_plugin.audio.framing import MP3, Frame
from hrin_plugin.audio.mp3 import FRAMES_IN_A_ROW, encoder_gap, mark_position, xing_counts
from hrin_plugin.audio.notes import DAMAGED, UNSURE, Note, missing
from hrin_plugin.audio.parts import Part
from hrin_plugin.audio.pieces import BLOCK_BYTES, Span
from hrin_plugin.audio.tags import after_tags

#: A Xing header that counts so many frames more or less than there are is right: some count itself.
_XING_TOLERANCE = 2


class Run(NamedTuple):
    """Frames that follow each other without a gap."""

    start: int
    end: int
    n_frames: int
    frame: Frame  # the first
    last: int  # where the last frame begins
    is_first: bool  # whether a recording begins with it
    announced: int  # frames that its Xing header counts, else 0
    is_constant: bool  # whether all frames have the same length, but for padding


def find_frames(window, framing, position, end):
    """Position of the first of several frames in a row, or of fewer that reach the end.

    Arguments
    ---------
    window : Window
        The file.
    framing : Framing
        The kind of frames.
    position, end : int
        They begin between these.

    Returns
    -------
    int or None
        Position in the file, in bytes.

    Example
    -------
    >>> import io
    >>> from hrin_plugin.audio.pieces import Window
    >>> frame = bytes([0xFF, 0xFB, 0x90, 0xC0]) + bytes(413)
    >>> find_frames(Window(io.BytesIO(b"junk" + 4 * frame)), MP3, 0, 100)
    4
    """
    while position < end:
        data = window.get(position, min(BLOCK_BYTES, end - position) + 1)
        for found in framing.header.finditer(data):
            if _is_stream(window, framing, position + found.start()):
                return position + found.start()
        position += max(1, len(data) - 1)
        if len(data) < 2:
            return None
    return None


def _is_stream(window, framing, position):
    """Whether several frames of one kind follow from this position."""
    kind = None
    for number in range(FRAMES_IN_A_ROW):
        if number > 1 and position >= window.size - 1:
            return position == window.size  # the file's last frames
        frame = framing.read(window.get(position, framing.header_bytes))
        if frame is None or kind not in (None, frame.kind):
            return False
        kind, position = frame.kind, position + frame.size
    return position <= window.size


def runs_of(window, framing, position):
    """All runs of frames of a file from the position of the first frame on.

    Arguments
    ---------
    window : Window
        The file.
    framing : Framing
        The kind of frames.
    position : int
        The first frame.

    Yields
    ------
    Run
        In order; the bytes between them are tags, damage or something else.
    """
    while position is not None:
        run = _run(window, framing, position)
        yield run
        # Bytes may be missing from the last frame: the next may begin within it.
        position = find_frames(window, framing, run.last + framing.header_bytes, run.end)
        if position is None or position == run.end:
            position = find_frames(window, framing, after_tags(window, run.end), window.size)


def _run(window, framing, start):
    """The run of frames that begins here; ends where another recording begins."""
    read, header_bytes, size = framing.read, framing.header_bytes, window.size
    first = read(window.get(start, header_bytes))
    kind, position, last, n_frames, sizes = first.kind, start, start, 0, set()
    counts = _xing(window, framing, start)
    marks = ()
    if framing is MP3:
        marks = (b"Xing", b"Info")
        mark = mark_position(first.kind[0] >> 3 & 3 == 3, first.kind[2])
    while True:
        head = window.get(position, 64)
        frame = read(head[:header_bytes])
        if frame is None or frame.kind != kind or position + frame.size > size:
            break
        if n_frames and marks and head[mark : mark + 4] in marks:
            break
        sizes.add(frame.size)
        last, n_frames, position = position, n_frames + 1, position + frame.size
    is_constant = framing is MP3 and max(sizes) - min(sizes) <= 4
    return Run(start, position, n_frames, first, last, counts is not None, (counts or (0,))[0], is_constant)


def _xing(window, framing, position):
    """Numbers of frames and bytes in a Xing header; None where there is no such header."""
    return xing_counts(window.get(position, 256)) if framing is MP3 else None


def _gap_s(window, framing, run):
    """Seconds before and after the sound that the encoder put there, where the header tells them."""
    gap = encoder_gap(window.get(run.start, 256)) if framing is MP3 and run.is_first else (0, 0)
    return tuple(n_samples / run.frame.sample_rate for n_samples in gap)


def count_frames(window, framing, start):
    """The recordings in a file of frames, with their damage.

    Arguments
    ---------
    window : Window
        The file.
    framing : Framing
        The kind of frames.
    start : int
        The first frame.

    Returns
    -------
    list of Part
        One for each recording of a single kind.
    """
    parts, runs, lost = [], [], []
    for run in runs_of(window, framing, start):
        if runs:
            lost.append(_lost_bytes(window, runs[-1], run.start))
            if _begins_another(window, runs[-1], run):
                parts += _parts(window, framing, runs, lost)
                runs, lost = [], []
        runs.append(run)
    end = _without_zeros(window, after_tags(window, runs[-1].end))
    frame = framing.read(window.get(end, framing.header_bytes))
    is_cut = frame is not None and frame.kind == runs[-1].frame.kind  # the last frame, and nothing else
    return parts + _parts(window, framing, runs, [*lost, 0 if is_cut else window.size - end])


def _begins_another(window, run, following):
    """Whether a run is the beginning of another recording, not what follows damage."""
    if following.is_first or following.frame.kind != run.frame.kind:
        return True
    start = after_tags(window, run.end)
    if _without_zeros(window, start) < following.start:
        return False
    if start > run.end:
        return True
    # Zeros alone: padding, if they follow a whole frame and the next needs nothing from before it.
    head = window.get(following.start, 8)
    begins_anew = head[1] & 0x06 == 0x02 and head[4 if head[1] & 1 else 6] == 0
    return following.start > run.end and begins_anew and window.get(run.end - 8, 8) != bytes(8)


def _without_zeros(window, position):
    """Position of the first byte from here on that is not zero, or tag after zeros; the end if none is."""
    while data := window.get(position, 4096):
        rest = data.lstrip(b"\0")
        position += len(data) - len(rest)
        if rest:
            return after_tags(window, position)
    return position


def _lost_bytes(window, run, start):
    """Bytes between two runs that were sound: without tags and titles; negative where some are missing."""
    lost = start - after_tags(window, run.end) if start >= run.end else start - run.end
    title = window.find(b"StreamTitle=", run.last, max(start, run.last))
    return lost - 1 - 16 * window.get(title - 1, 1)[0] if title > 0 else lost


def _parts(window, framing, runs, lost):
    """A Part of runs of one kind, with fillers where frames are lost; a list of none or one.

    `lost` are the bytes that are lost after each run.
    """
    frame, announced, has_header = runs[0].frame, runs[0].announced, runs[0].is_first
    n_good = sum(run.n_frames for run in runs) - has_header
    if n_good < 1:
        return []
    n_lost, is_exact = _lost_frames(runs, lost, announced - n_good if announced else None)
    is_counted = announced and abs(n_good + sum(n_lost) - announced) <= _XING_TOLERANCE
    skipped = frame.size if has_header and not is_counted else 0  # a header that counts wrongly is left out
    filler = _filler(window, framing, runs[0])
    before_s, after_s = _gap_s(window, framing, runs[0])
    pieces, muted, at, seconds = [], [], -1 if has_header else 0, frame.n_samples / frame.sample_rate
    for number, (run, n_missing) in enumerate(zip(runs, n_lost)):
        pieces += [Span(run.start + (skipped if number == 0 else 0), run.end), *[filler] * n_missing]
        at += run.n_frames + n_missing
        if number < len(runs) - 1 or n_missing:
            # The frame before is cut, and those after need what it held.
            n_after = 2 if number < len(runs) - 1 else 0
            span = (at - n_missing - 1) * seconds - before_s, (at + n_after) * seconds - before_s
            muted.append(tuple(max(0.0, time_s) for time_s in span))
    notes = [Note(DAMAGED, *span) for span in muted]
    length_s = max(0.0, at * seconds - before_s - (after_s if is_counted else 0))
    if announced and at < announced - _XING_TOLERANCE:
        announced_s = announced * seconds - before_s - after_s
        notes.append(Note(missing(f"the header announces {announced_s:.3f} s"), length_s))
    if not is_exact and muted:
        notes.append(Note(UNSURE, muted[0][0]))
    return [
        Part(
            pieces=tuple(pieces),
            by=framing.by,
            form=framing.form,
            sample_rate=frame.sample_rate,
            length_s=length_s,
            n_delay=0 if is_counted else round(before_s * frame.sample_rate),
            is_counted=bool(is_counted),
            muted=tuple(muted),
            notes=tuple(notes),
        )
    ]


def _lost_frames(runs, lost, n_expected):
    """Frames that are lost after each run, and whether that is exact.

    `n_expected` of them are lost if the header is right; None without a header.
    """
    mean = sum(run.end - run.start for run in runs) / sum(run.n_frames for run in runs)
    counts = [max(0, round(n_bytes / mean)) for n_bytes in lost]
    if n_expected is not None and any(counts) and -_XING_TOLERANCE <= n_expected <= 2 * sum(counts) + 10:
        largest = counts.index(max(counts))
        counts[largest] = max(0, counts[largest] + n_expected - sum(counts))
        return counts, True
    is_constant = all(run.is_constant for run in runs)
    # Bytes that were overwritten are whole frames, evenly padded; what was added or cut out is not.
    odd = [abs(n_bytes - count * mean) > 1.5 for n_bytes, count in zip(lost, counts)]
    return counts, is_constant and not any(odd[: len(runs) - 1])


def _filler(window, framing, run):
    """The second frame of a recording, or its only one."""
    second = run.start + run.frame.size
    frame = framing.read(window.get(second, framing.header_bytes)) if run.n_frames > 1 else None
    return Span(second, second + frame.size) if frame else Span(run.start, second)
