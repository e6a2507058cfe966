"""Where decoded frames stand in time, by their time stamps or by counting."""

import bisect

#: Time stamps may be so many seconds beside the counted time: they are rounded, and drift.
TOLERANCE_S = 0.05

#: Frames whose length has to agree with their time stamps before these are trusted.
_CHECKED_FRAMES = 8

#: A hole after the first frame that is none: some decoders need frames to begin with.
_LATE_START_S = 0.15

#: The longest hole that is filled where no length is announced; a longer one is another clock.
LONGEST_HOLE_S = 600


class Clock:
    """Places frames one after another: holes become silence, steps back and odd jumps are passed over.

    Arguments
    ---------
    sample_rate : int
        Samples and ticks a second.
    trust : str
        "stamps"; "count" for frames that follow each other, whatever their time stamps; "check"
        for stamps if they agree with the length of the first frames.
    limit_s : float or None
        The announced length: a hole that ends before it is filled.

    Example
    -------
    >>> from hrin_plugin.audio.probe import DecodedFrame
    >>> clock = Clock(1000)
    >>> [clock.place(DecodedFrame(stamp, 100, 1), None) for stamp in (0, 100, 500)], clock.holes
    ([0, 0, 300], [(200, 500)])
    """

    JUMP = "the clock of the recording jumps at {}; times after it are counted from the sound"

    def __init__(self, sample_rate, trust="stamps", limit_s=None):
        self._rate, self._trust, self._limit_s = sample_rate, trust, limit_s
        self._position, self._offset, self._n_frames, self._origin = 0, 0, 0, 0
        #: Whether silence stands for the time before the first frame.
        self.waits = False
        #: Filled holes and passed jumps, in samples.
        self.holes, self.jumps = [], []
        self._before, self._first = None, None
        self._landmarks = []  # number, place and length of frames from which on all are alike

    def begin(self, time_s):
        """Let the clock stand at a time, as for sound that goes on from other sound."""
        self._origin = round(time_s * self._rate)

    def place(self, frame, following):
        """Samples of silence before a frame; `following` is the one after it, or None."""
        gap = 0
        if frame.stamp is None:
            self._before = None
        elif self._is_trusted(frame):
            gap = self._gap(frame.stamp - self._origin, _agree(frame, following, TOLERANCE_S * self._rate))
        self._position += gap
        if not self._landmarks or gap or self._landmarks[-1][2] != frame.n_samples:
            self._landmarks.append((self._n_frames, self._position, frame.n_samples))
        self._n_frames += 1
        self._position += frame.n_samples
        return gap

    def _is_trusted(self, frame):
        """Whether the time stamps count."""
        if self._trust == "check":
            before, self._before = self._before, frame
            if self._n_frames < _CHECKED_FRAMES:
                if self._n_frames > 1 and before and abs(before.stamp + before.n_samples - frame.stamp) > 2:
                    self._trust = "count"
                return False
        return self._trust != "count"

    def _gap(self, stamp, is_sure):
        """Samples of silence that the time stamp asks for; one that is not sure is passed over."""
        tolerance = TOLERANCE_S * self._rate
        if self._offset and abs(stamp - self._position) <= tolerance:
            self._offset = 0  # the clock is back
        self._first = stamp if self._first is None else self._first
        step = stamp + self._offset - self._position
        if not self._n_frames and step < -tolerance:
            self._offset -= step  # what came before lasts longer
            return 0
        if abs(step) <= tolerance or not is_sure or not (self._n_frames or (self.waits and step > 0)):
            return 0
        if 0 < step < _LATE_START_S * self._rate and self._n_frames == 1:
            self._offset -= step  # a decoder that begins late
            return 0
        if step > 0 and self._may_fill(step):
            if self._n_frames:
                self.holes.append((self._position, self._position + step))
            return step
        self._offset -= step
        if step > 0 or abs(stamp - self._first) > self._rate:  # else another recording begins
            self.jumps.append(self._position)
        return 0

    def _may_fill(self, step):
        """Whether a hole is believed."""
        if self._limit_s is None:
            return step <= LONGEST_HOLE_S * self._rate
        return self._position + step <= (self._limit_s + 1) * self._rate

    def time_of(self, number):
        """When a frame begins, in seconds; the end for a number behind the last."""
        if number >= self._n_frames:
            return self._position / self._rate
        at = bisect.bisect_right(self._landmarks, number, key=lambda landmark: landmark[0]) - 1
        first, position, n_samples = self._landmarks[at]
        return (position + (number - first) * n_samples) / self._rate


def _agree(frame, following, tolerance):
    """Whether the next frame follows a frame by its time stamp, too; those of damaged frames are odd."""
    if following is None or following.stamp is None:
        return True
    return abs(frame.stamp + frame.n_samples - following.stamp) <= tolerance
