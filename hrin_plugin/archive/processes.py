"""Tasks spread over processes of this machine.

A killed process loses only its own task, since each process has its own pipe and shares no lock. An
exception in the function ends all work. A task that may fail alone has to return its failure.
"""

import contextlib
import functools
import multiprocessing
import multiprocessing.connection
import os
import pickle
import signal
import threading
from typing import NamedTuple

from hrin_plugin.machine import n_cores

#: Most processes at a time; more are a mistake.
MOST_JOBS = 4096


class Lost(NamedTuple):
    """Result of a task whose process was killed.

    Example
    -------
    >>> print(Lost("SIGKILL"))
    its process was ended (SIGKILL), for want of memory perhaps; try fewer jobs
    """

    cause: str

    def __str__(self):
        """The cause, in one line."""
        return f"its process was ended ({self.cause}), for want of memory perhaps; try fewer jobs"


class LostTask(Exception):
    """Raised if the process of a task was killed and every task is needed.

    Example
    -------
    >>> raise LostTask(f"task 1 of 2: {Lost('SIGKILL')}")
    Traceback (most recent call last):
    ...
    LostTask: task 1 of 2: its process was ended (SIGKILL), for want of memory perhaps; try fewer jobs
    """


def run_local(function, tasks, jobs, notify):
    """Run tasks on this machine.

    Arguments
    ---------
    function : callable
        Takes a task and a ``notify`` of one argument, returns a result. With more than one job,
        function, tasks and results are pickled.
    tasks : sequence
        The tasks.
    jobs : int
        Number of processes. With 1, everything runs in this process. Otherwise each process gets
        its share of the cores, and the caller must be below ``if __name__ == "__main__":``.
    notify : callable
        Called in this process with a task's number and the argument of the function's ``notify``.

    Yields
    ------
    tuple of (int, object)
        A task's number and its result, or :class:`Lost`.

    Example
    -------
    >>> list(run_local(lambda task, notify: task.upper(), ["a", "b"], 1, print))
    [(0, 'A'), (1, 'B')]
    """
    if jobs == 1:
        for number, task in enumerate(tasks):
            yield number, function(task, functools.partial(notify, number))
        return
    queue = iter(enumerate(tasks))
    threads = max(1, n_cores() // jobs)
    workers = {}  # from the connection to the process and the number of its task
    try:
        for number, task in take(queue, jobs):
            _employ(workers, _start(function, threads), number, task)
        while workers:
            for connection in multiprocessing.connection.wait(list(workers)):
                process, number = workers[connection]
                kind, content = _hear(connection, process)
                if kind == "note":
                    notify(number, content)
                    continue
                if kind == "error":
                    raise content
                del workers[connection]
                free = None if kind == "lost" else (connection, process)
                # The next task goes out before the result does, for the caller may take its time.
                for following, task in take(queue, 1):
                    _employ(workers, free or _start(function, threads), following, task)
                    free = None
                if free:
                    connection.close()
                yield number, content
    finally:
        for connection, (process, _) in workers.items():
            process.terminate()
            connection.close()


def map_local(function, tasks, jobs):
    """Results of a function over processes of this machine, in the order of the tasks.

    Arguments
    ---------
    function : callable
        Takes a task, returns a result.
    tasks : sequence
        The tasks.
    jobs : int
        Number of processes, as :func:`run_local` takes it.

    Yields
    ------
    object
        The result of each task.

    Raises
    ------
    LostTask
        If a process was killed.

    Example
    -------
    >>> list(map_local(str.upper, ["a", "b"], 1))
    ['A', 'B']
    """
    ready, following = {}, 0
    for number, result in run_local(functools.partial(without_notes, function), tasks, jobs, lambda *_: None):
        if isinstance(result, Lost):
            raise LostTask(f"task {number + 1} of {len(tasks)}: {result}")
        ready[number] = result
        while following in ready:
            yield ready.pop(following)
            following += 1


def without_notes(function, task, notify):
    """Run a task whose function reports no progress.

    Example
    -------
    >>> without_notes(str.upper, "a", None)
    'A'
    """
    return function(task)


def take(queue, count):
    """The next items of a queue, at most a given number.

    Example
    -------
    >>> take(iter("abc"), 2)
    ['a', 'b']
    """
    return [item for _, item in zip(range(count), queue)]


def _employ(workers, worker, number, task):
    """Hand a task to a worker."""
    connection, process = worker
    workers[connection] = process, number
    with contextlib.suppress(OSError):  # it has ended already, which hearing from it will tell
        connection.send(task)


def _hear(connection, process):
    """Receive a message of a worker: a kind and a content."""
    try:
        return connection.recv()
    except (EOFError, OSError):
        process.join()
        return "lost", Lost(_cause(process.exitcode))


def _start(function, threads):
    """A new worker: the connection to it and its process."""
    # Not forked: the caller may have threads, and forking those can hang.
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, function, threads), daemon=True)
    process.start()
    there.close()  # the worker's end is the worker's alone, so that its death closes it
    return here, process


def _serve(connection, function, threads):
    """Run tasks until the caller closes the pipe; runs in a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the caller decides what an interruption means
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))  # read when the libraries are first imported
    send = functools.partial(_send, connection)
    while True:
        try:
            task = connection.recv()
        except (EOFError, OSError):
            signal.signal(signal.SIGTERM, signal.SIG_DFL)  # from here on there is nothing to leave behind
            return
        try:
            send("result", function(task, functools.partial(send, "note")))
        except Exception as error:  # whatever it is, it is raised again where it can be reported
            send("error", _portable(error))


def _send(connection, kind, content):
    """Send a message to the caller; exit if the caller is gone."""
    try:
        connection.send((kind, content))
    except OSError:
        raise SystemExit(1) from None


def _end_with_parent():
    """End this worker when its caller ends, even if the caller was killed."""
    multiprocessing.parent_process().join()
    os.kill(os.getpid(), signal.SIGTERM)


def _leave(*_):
    """Exit cleanly without half-written files; a second signal ends at once."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    raise SystemExit(1)


def _portable(error):
    """A picklable exception with the same message."""
    try:
        pickle.loads(pickle.dumps(error))
        return error
    except Exception:  # any class may refuse in its own way
        return RuntimeError(f"{type(error).__name__}: {error}")


def _cause(exit_code):
    """Name of the signal, or exit status, that ended a process."""
    try:
        return signal.Signals(-exit_code).name
    except ValueError:
        return f"status {exit_code}"
