"""Progress of runs: a bar on a terminal, else a line for each start and end."""

import sys
import time

from tqdm import tqdm


def format_duration(seconds):
    """A duration in its two largest units.

    Arguments
    ---------
    seconds : float
        The length.

    Returns
    -------
    str
        The words.

    Example
    -------
    >>> [format_duration(seconds) for seconds in (3.4, 75, 3660, 200_000)]
    ['3 s', '1 min 15 s', '1 h 1 min', '2 d 7 h']
    """
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    for size, name, small, small_name in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if seconds >= size:
            return f"{seconds // size} {name} {seconds % size // small} {small_name}"


def status_text(n_done, n_total, n_running, n_failed, left_s=None):
    """The progress of a plan, in one line.

    Arguments
    ---------
    n_done, n_total, n_running, n_failed : int
        Numbers of runs.
    left_s : float or None
        Estimated seconds to the end; None where nothing is known.

    Returns
    -------
    str
        The line.

    Example
    -------
    >>> status_text(3, 10, 2, 1, 5400.0)
    '3 of 10 done, 2 running, 1 failed, about 1 h 30 min left'
    """
    left = "time left unknown" if left_s is None else f"about {format_duration(left_s)} left"
    return f"{n_done} of {n_total} done, {n_running} running, {n_failed} failed, {left}"


class Progress:
    """Counts runs and shows the count.

    Arguments
    ---------
    n_total : int
        Runs of the plan.
    n_done : int
        Those that were done before.
    left_s : callable
        Takes the lists of waiting and running runs, returns the remaining seconds or None.
    stream : file
        Where it is shown.
    every_s : float
        Refresh interval of the bar, in seconds.

    Example
    -------
    >>> progress = Progress(2, 0, lambda waiting, running: 60.0, stream=sys.stdout)
    >>> progress.began("gru fold 0 seed 0")
    gru fold 0 seed 0: begins
    >>> progress.show([], ["gru fold 0 seed 0"])
    [0 of 2 done, 1 running, 0 failed, about 1 min 0 s left]
    """

    def __init__(self, n_total, n_done, left_s=lambda waiting, running: None, stream=None, every_s=2.0):
        self.stream = sys.stderr if stream is None else stream
        self.n_total, self.n_done, self.n_failed = n_total, n_done, 0
        self.left_s, self.every_s = left_s, every_s
        self.shown_at, self.news = float("-inf"), False
        self.starts = {}
        self.bar = None
        if self.stream.isatty():
            layout = "{percentage:3.0f}%|{bar}| {desc} [{elapsed}]"
            self.bar = tqdm(
                total=n_total, initial=n_done, file=self.stream, bar_format=layout, dynamic_ncols=True
            )

    def began(self, run):
        """A run begins."""
        self.starts[run] = time.monotonic()
        self._say(f"{run}: begins")

    def ended(self, outcome):
        """A run has ended."""
        self.n_done += outcome.status == "done"
        self.n_failed += outcome.status == "failed"
        took = ""
        if outcome.run in self.starts:
            took = f" after {format_duration(time.monotonic() - self.starts.pop(outcome.run))}"
        reason = f" ({outcome.reason})" if outcome.reason else ""
        self._say(f"{outcome.run}: {outcome.status}{took}{reason}")

    def show(self, waiting, running):
        """Show the progress after each change, and regularly on a terminal."""
        if not self.news and (self.bar is None or time.monotonic() - self.shown_at < self.every_s):
            return
        left_s = self.left_s(waiting, running)
        text = status_text(self.n_done, self.n_total, len(running), self.n_failed, left_s)
        if self.bar is None:
            print(f"[{text}]", file=self.stream, flush=True)
        else:
            self.bar.n = self.n_done
            self.bar.set_description_str(text)
        self.shown_at, self.news = time.monotonic(), False

    def close(self):
        """Close the bar and leave it on the terminal."""
        if self.bar is not None:
            self.bar.close()

    def _say(self, line):
        """Show a line above the bar."""
        self.news = True
        if self.bar is None:
            print(line, file=self.stream, flush=True)
        else:
            self.bar.write(line, file=self.stream)
