"""Many tasks over many processes, of this machine or of a Ray cluster.

An engine calls ``function(task, notify)`` for every task and gives its results in the order in
which they are ready. A process that the system ends costs its own task and no other; an
exception of the function ends everything, so what may fail alone has to return its failure.
"""

import contextlib
import functools
import multiprocessing
import multiprocessing.connection
import os
import pickle
import signal
from typing import NamedTuple


class Lost(NamedTuple):
    """Stands for the result of a task whose process was ended from outside.

    Example
    -------
    >>> print(Lost("SIGKILL"))
    its process was ended (SIGKILL), for want of memory perhaps; try fewer jobs
    """

    cause: str

    def __str__(self):
        """What happened, in one line."""
        return f"its process was ended ({self.cause}), for want of memory perhaps; try fewer jobs"


def n_cores():
    """Number of cores that this process may use.

    Returns
    -------
    int
        At least 1.

    Example
    -------
    >>> n_cores() >= 1
    True
    """
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def run_local(function, tasks, jobs, notify):
    """Run tasks on this machine.

    Arguments
    ---------
    function : callable
        From a task and a ``notify`` of one argument to a result. With more than one job, it,
        the tasks and the results are pickled.
    tasks : sequence
        What to do.
    jobs : int
        Number of processes. With 1 everything is done in this process; else each new one gets
        its share of the cores, and the caller must be below ``if __name__ == "__main__":``.
    notify : callable
        Called in this process with a task's number and what the function told its ``notify``.

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
        for number, task in _take(queue, jobs):
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
                for following, task in _take(queue, 1):
                    _employ(workers, free or _start(function, threads), following, task)
                    free = None
                if free:
                    connection.close()
                yield number, content
    finally:
        for connection, (process, _) in workers.items():
            process.terminate()
            connection.close()


def _take(queue, count):
    """The next so many of a queue, or what is left."""
    return [item for _, item in zip(range(count), queue)]


def _employ(workers, worker, number, task):
    """Hand a task to a worker."""
    connection, process = worker
    workers[connection] = process, number
    with contextlib.suppress(OSError):  # it has ended already, which hearing from it will tell
        connection.send(task)


def _hear(connection, process):
    """What a worker tells: a kind and a content."""
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
    """Do one task after the other, until the caller hangs up; runs in a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the caller decides what an interruption means
    signal.signal(signal.SIGTERM, _leave)
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
    """Tell the caller something, or leave if there is no caller any more."""
    try:
        connection.send((kind, content))
    except OSError:
        raise SystemExit(1) from None


def _leave(*_):
    """Leave in order, so that no half-written file is left behind; a second signal ends at once."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    raise SystemExit(1)


def _portable(error):
    """An exception that can be sent, with the same words."""
    try:
        pickle.loads(pickle.dumps(error))
        return error
    except Exception:  # any class may refuse in its own way
        return RuntimeError(f"{type(error).__name__}: {error}")


def _cause(exit_code):
    """Name of the signal or number of the status that ended a process."""
    try:
        return signal.Signals(-exit_code).name
    except ValueError:
        return f"status {exit_code}"


def run_ray(function, tasks, jobs, notify, address=None, n_gpus=0):
    """Run tasks on a Ray cluster, whose nodes must see the same files.

    Arguments
    ---------
    function : callable
        As for :func:`run_local`; importable on every node. What it tells its ``notify`` stays
        there.
    tasks : sequence
        What to do.
    jobs : int or None
        How many at a time; None for as many as the cluster has cores.
    notify : callable
        Not called; here so that both engines are called alike.
    address : str or None
        Address of the cluster; None for that of the environment variable ``RAY_ADDRESS``, for
        one that runs on this machine, or else for a new one on this machine.
    n_gpus : float
        GPUs that each task needs.

    Yields
    ------
    tuple of (int, object)
        A task's number and its result, or :class:`Lost`.

    Raises
    ------
    ImportError
        If Ray is not installed.
    OSError
        If there is no cluster at the address.

    Example
    -------
    >>> list(run_ray(print, [], None, print))
    []
    """
    if not tasks:
        return
    try:
        import ray
    except ImportError:
        raise ImportError("the engine 'ray' needs Ray; run: pip install 'hrin-plugin[ray]'") from None

    ours = not ray.is_initialized()
    if ours:
        try:
            ray.init(address=address, logging_level="ERROR", log_to_driver=False)
        except (ConnectionError, ValueError) as error:
            raise OSError(f"no Ray cluster answers at {address!r} ({error}); check --ray-address") from None
    try:
        # A lost node is tried again elsewhere; what kills its process twice is at fault itself.
        call = ray.remote(num_cpus=1, num_gpus=n_gpus, max_retries=1)(_call)
        function, queue = ray.put(function), iter(enumerate(tasks))
        at_once = jobs or max(1, int(ray.cluster_resources().get("CPU", 1)))
        running = {call.remote(function, task): number for number, task in _take(queue, at_once)}
        while running:
            (reference,), _ = ray.wait(list(running))
            number = running.pop(reference)
            running |= {call.remote(function, task): following for following, task in _take(queue, 1)}
            try:
                result = ray.get(reference)
            except ray.exceptions.RayTaskError as error:
                raise error.cause from None
            except ray.exceptions.RayError as error:
                result = Lost(type(error).__name__)
            yield number, result
    finally:
        if ours:
            ray.shutdown()


def _call(function, task):
    """Do a task on a node."""
    return function(task, lambda told: None)
