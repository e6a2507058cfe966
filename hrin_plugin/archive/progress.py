"""Progress over many recordings, in seconds of audio."""

import os

from tqdm import tqdm


class AudioProgress:
    """A progress bar on a terminal, in seconds of audio of all recordings.

    No recording is opened in advance. The length of a recording becomes known while it is read.
    The length of the others is estimated from their file size.

    Arguments
    ---------
    paths : sequence of str
        The recordings.

    Example
    -------
    >>> with AudioProgress(["a.mp3", "b.mp3"]) as progress:
    ...     progress.advance(0, (30.0, 60.0))
    ...     progress.settle(0, 60.0)
    ...     progress.done_s
    60.0
    """

    def __init__(self, paths):
        self._sizes = [os.path.getsize(path) if os.path.isfile(path) else 0 for path in paths]
        self._done_s = [0.0] * len(paths)
        self._lengths_s = {}  # of the recordings whose length is known
        self._known_bytes, self._all_bytes, self._n_settled = 0, sum(self._sizes), 0
        self.done_s, self._known_s = 0.0, 0.0
        form = "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_noinv_fmt}]"
        self._bar = tqdm(total=None, unit=" s of audio", bar_format=form, disable=None)

    def __enter__(self):
        """Start; the bar exists already."""
        return self

    def __exit__(self, *_):
        """Close the bar and leave it on the terminal."""
        self._bar.close()

    def advance(self, number, told):
        """Update the processed seconds of a recording.

        Arguments
        ---------
        number : int
            Index of the recording among the paths.
        told : tuple of (float, float or None)
            Processed seconds, and the length in seconds if it is known.
        """
        done_s, length_s = told
        if length_s is not None:
            self._learn(number, max(length_s, done_s))
        self.done_s += done_s - self._done_s[number]
        self._done_s[number] = done_s
        self._show()

    def settle(self, number, length_s):
        """Mark a recording as finished or failed.

        Arguments
        ---------
        number : int
            Index of the recording among the paths.
        length_s : float or None
            Its length in seconds; None if it failed.
        """
        self._n_settled += 1
        # Of one that was given up, what was read of it is all that there will be.
        length_s = self._done_s[number] if length_s is None else length_s
        self.advance(number, (length_s, None))
        self._learn(number, length_s)
        self._show()

    def _learn(self, number, length_s):
        """Update the length of a recording."""
        if number not in self._lengths_s:
            self._known_bytes += self._sizes[number]
        self._known_s += length_s - self._lengths_s.get(number, 0.0)
        self._lengths_s[number] = length_s

    def _show(self):
        """Redraw the bar."""
        if self._known_bytes:
            rest = (self._all_bytes - self._known_bytes) / self._known_bytes
            self._bar.total = max(round(self._known_s * (1 + rest)), round(self.done_s))
        self._bar.set_description_str(f"{self._n_settled}/{len(self._sizes)} files", refresh=False)
        self._bar.update(round(self.done_s) - self._bar.n)
