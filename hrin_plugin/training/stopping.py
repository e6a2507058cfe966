"""SIGTERM, Ctrl-C and a closed terminal: what was begun is finished and saved, then the process ends."""

import contextlib
import os
import signal
import threading

#: Signals that ask for an end; a system may lack some.
NAMES = ("SIGTERM", "SIGINT", "SIGHUP")


class Stopped(KeyboardInterrupt):
    """Raised for a signal that asks for an end.

    Arguments
    ---------
    number : int
        The signal.

    Example
    -------
    >>> stopped = Stopped(signal.SIGTERM)
    >>> print(stopped, stopped.status)
    stopped by SIGTERM 143
    """

    def __init__(self, number):
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = int(number)

    @property
    def status(self):
        """Exit status, as a shell would give it."""
        return 128 + self.number


class StopRequest:
    """Whether a signal has asked for an end, and which.

    Example
    -------
    >>> StopRequest().number
    0
    """

    def __init__(self):
        self.number = 0

    def note(self, number, frame=None):
        """Handle a signal: note the first one, raise Stopped at the second."""
        if self.number:
            raise Stopped(number)
        self.number = int(number)


@contextlib.contextmanager
def signals_noted():
    """Note the first signal that asks for an end; the second one raises Stopped.

    Yields
    ------
    StopRequest
        To be asked at moments at which work can be saved.

    Example
    -------
    >>> with signals_noted() as request:
    ...     signal.raise_signal(signal.SIGTERM)
    ...     request.number == signal.SIGTERM
    True
    """
    request = StopRequest()
    with _handled(request.note):
        yield request


@contextlib.contextmanager
def signals_raised():
    """Raise Stopped for each signal that asks for an end.

    Example
    -------
    >>> try:
    ...     with signals_raised():
    ...         signal.raise_signal(signal.SIGTERM)
    ... except Stopped as stopped:
    ...     print(stopped)
    stopped by SIGTERM
    """
    request = StopRequest()
    request.number = -1
    with _handled(request.note):
        yield


@contextlib.contextmanager
def _handled(handle):
    """Handle the signals in this process; those that are ignored, as below nohup, stay so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    owner = os.getpid()

    def in_owner(number, frame):
        """Handle a signal in the process that asked for it."""
        # Processes that load data inherit this; they end with the one that started them.
        if os.getpid() == owner:
            handle(number, frame)

    numbers = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        for number in numbers:
            if before[number] != signal.SIG_IGN:
                signal.signal(number, in_owner)
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)
