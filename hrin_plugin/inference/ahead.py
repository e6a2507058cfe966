"""Work on several windows of a recording at a time: one is read while another is classified.

Every part takes the windows in order, so results are those of one after another.
"""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

#: What ends a queue.
_END = object()


def through(parts: Sequence[Callable], items: Iterable, n_threads: int = 1) -> Iterator:
    """Items on their way through parts of a computation.

    Arguments
    ---------
    parts : sequence of callable
        Each takes what the one before gave; the first takes items.
    items : iterable
        The items, whose iterator may compute too. With several threads it runs in another one.
    n_threads : int
        How many parts compute at a time. With 1, all is done in the caller's thread, item by item.

    Yields
    ------
    object
        What the last part gives, in order. At most one item waits between two parts.

    Example
    -------
    >>> list(through([float, lambda number: number / 2], ["1", "5"], n_threads=2))
    [0.5, 2.5]
    """
    if n_threads == 1:
        for item in items:
            for part in parts:
                item = part(item)
            yield item
        return
    computing, workers = threading.Semaphore(n_threads), []
    try:
        # Reading is part of the first worker's turn, as it computes too.
        items = iter(items)
        given = iter(lambda: next(items, _END), _END)
        for number, part in enumerate(parts[:-1]):
            workers.append(_Worker(part, given, computing, reads=number == 0))
            given = workers[-1]
        if not workers:
            workers.append(_Worker(_same, given, computing, reads=True))
        for item in workers[-1]:
            with computing:
                item = parts[-1](item)
            yield item
    finally:
        for worker in reversed(workers):
            worker.close()


def _same(item):
    """The item."""
    return item


class _Worker:
    """A thread that computes a part, one item ahead of who iterates over it."""

    def __init__(self, part, items, computing, reads):
        self._part, self._items, self._computing, self._reads = part, items, computing, reads
        self._results, self._is_closed = queue.Queue(maxsize=1), False
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def __iter__(self):
        return self

    def __next__(self):
        result, error = self._results.get()
        if error is not None:
            raise error
        if result is _END:
            raise StopIteration
        return result

    def _work(self):
        """Compute until the items end, one fails, or nobody waits for more."""
        result = None
        while result is not _END and not self._is_closed:
            try:
                result, error = self._next(), None
            except BaseException as problem:  # raised again where it is waited for
                result, error = _END, problem
            self._results.put((result, error))

    def _next(self):
        """The next result."""
        if not self._reads:  # it waits for another worker, which must be able to compute
            item = next(self._items, _END)
        with self._computing:
            if self._reads:
                item = next(self._items, _END)
            return _END if item is _END else self._part(item)

    def close(self):
        """End the thread; what it computes now is lost."""
        self._is_closed = True
        while self._thread.is_alive():
            try:
                self._results.get_nowait()  # so that it can put what it has
            except queue.Empty:
                self._thread.join(0.01)


class Later:
    """Calls that were made while items were prepared, and are done when these arrive.

    Arguments
    ---------
    function : callable
        What is called.

    Example
    -------
    >>> later = Later(print)
    >>> def prepared():
    ...     for item in "ab":
    ...         later(f"prepared {item}")
    ...         yield item
    >>> for item in later.done(through([str], map(later.marked, prepared()), n_threads=2)):
    ...     print("arrived", item)
    prepared a
    arrived a
    prepared b
    arrived b
    """

    def __init__(self, function: Callable):
        self._function, self._calls = function, deque()

    def __call__(self, *arguments):
        """Call the function later."""
        self._calls.append(arguments)

    def marked(self, item):
        """The item, which comes after all calls up to now."""
        self._calls.append(None)
        return item

    def done(self, items: Iterable) -> Iterator:
        """The items, each after the calls that were made before it was marked."""
        for item in items:
            self._catch_up()
            yield item
        self._catch_up()

    def _catch_up(self):
        """Do the calls up to the next mark."""
        while self._calls and (arguments := self._calls.popleft()) is not None:
            self._function(*arguments)
