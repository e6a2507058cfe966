"""Starting, waiting for and ending commands on this machine."""

import os
import shlex
import signal
import subprocess
import time

from hrin_plugin.machine import n_cores


class LocalEngine:
    """Starts commands on this machine.

    Arguments
    ---------
    jobs : int
        Number of commands side by side; they share the CPU cores.
    gpus : sequence of str
        GPUs as ``CUDA_VISIBLE_DEVICES`` names them, assigned in turn; empty leaves the environment unchanged.

    Example
    -------
    >>> log = getfixture("tmp_path") / "run.log"
    >>> engine = LocalEngine(jobs=2, gpus=["0", "1"])
    >>> job = engine.start(["sh", "-c", "echo GPU $CUDA_VISIBLE_DEVICES"], log, slot=1)
    >>> wait_for([job])
    [0]
    >>> log.read_text().splitlines()[-1]
    'GPU 1'
    """

    def __init__(self, jobs=1, gpus=()):
        self.jobs, self.gpus = jobs, list(gpus)

    def environment(self, slot):
        """Environment of the command in one of the slots 0 to jobs - 1, a dict."""
        environment = dict(os.environ)
        if self.jobs > 1:
            environment.setdefault("OMP_NUM_THREADS", str(max(1, n_cores() // self.jobs)))
        if self.gpus:
            environment["CUDA_VISIBLE_DEVICES"] = self.gpus[slot % len(self.gpus)]
        return environment

    def start(self, command, log, slot):
        """Start a command that appends its output to a log.

        Arguments
        ---------
        command : sequence of str
            Program and arguments.
        log : pathlib.Path
            The log; its folder is made.
        slot : int
            Number of the slot, 0 to jobs - 1.

        Returns
        -------
        LocalJob
            The running command.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        # A session of its own, so that Ctrl-C comes through this process only, and reaches its workers.
        return LocalJob(open_logged(command, log, env=self.environment(slot), start_new_session=True))


def open_logged(command, log, **options):
    """Start a command whose output is appended to a log, after the command itself.

    Arguments
    ---------
    command : sequence of str
        Program and arguments.
    log : str or pathlib.Path
        The log, in a folder that is there.
    **options
        Further options of ``subprocess.Popen``.

    Returns
    -------
    subprocess.Popen
        The running command.

    Example
    -------
    >>> log = getfixture("tmp_path") / "run.log"
    >>> open_logged(["echo", "trained"], log).wait()
    0
    >>> log.read_text()
    '$ echo trained\\ntrained\\n'
    """
    words = list(map(str, command))
    with open(log, "ab") as file:
        file.write(f"$ {shlex.join(words)}\n".encode())
        file.flush()
        output = {"stdout": file, "stderr": subprocess.STDOUT}
        return subprocess.Popen(words, stdin=subprocess.DEVNULL, **output, **options)


class LocalJob:
    """A command that runs on this machine.

    Example
    -------
    >>> job = LocalEngine().start(["sleep", "60"], getfixture("tmp_path") / "log", slot=0)
    >>> job.poll() is None
    True
    >>> job.stop()
    >>> wait_for([job])
    [-15]
    """

    def __init__(self, process):
        self.process = process

    def poll(self):
        """Exit status, or None while it runs."""
        return self.process.poll()

    def stop(self, kill=False):
        """Ask the command to end, or kill it with all its child processes; on Windows the command alone."""
        if self.process.poll() is not None:
            return
        if not kill:
            # Not its processes that load data: they are needed until the last batch is done.
            self.process.terminate()
        elif hasattr(os, "killpg"):
            os.killpg(self.process.pid, signal.SIGKILL)
        else:
            self.process.kill()

    def trouble(self):
        """Details of a failure that are not in the log."""
        return ""


def wait_for(jobs, poll_s=0.05):
    """Wait until jobs have ended; an interruption ends them.

    Arguments
    ---------
    jobs : sequence of LocalJob or ClusterJob
        The started jobs.
    poll_s : float
        Polling interval, in seconds.

    Returns
    -------
    list of int
        Their exit statuses.

    Example
    -------
    >>> wait_for([])
    []
    """
    try:
        while any(job.poll() is None for job in jobs):
            time.sleep(poll_s)
    finally:
        stop_all(jobs)
    return [job.poll() for job in jobs]


def stop_all(jobs, patience_s=120.0):
    """End jobs and wait for their end; a training finishes its batch and saves it.

    Arguments
    ---------
    jobs : sequence of LocalJob or ClusterJob
        Jobs that may be running.
    patience_s : float
        Time before they are killed, in seconds.

    Example
    -------
    >>> stop_all([])
    """
    for job in jobs:
        job.stop()
    deadline = time.monotonic() + patience_s
    try:
        while any(job.poll() is None for job in jobs) and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:  # also where another signal ends the patience
        for job in jobs:
            job.stop(kill=True)


def visible_gpus():
    """GPUs of this machine as ``CUDA_VISIBLE_DEVICES`` names them, a list of str; it may be empty.

    Example
    -------
    >>> os.environ["CUDA_VISIBLE_DEVICES"] = "2,3"
    >>> visible_gpus()
    ['2', '3']
    >>> del os.environ["CUDA_VISIBLE_DEVICES"]
    """
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [name for name in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if name]
    import torch

    return [str(index) for index in range(torch.cuda.device_count())]
