"""Runs side by side: a failure stops no other run, an interruption ends all."""

import signal
import time
from collections import deque
from typing import NamedTuple

from hrin_plugin.training.commands import stop_all
from hrin_plugin.training.folder import last_lines
from hrin_plugin.training.lock import IN_USE_STATUS, RunRefused, is_in_use

#: A run's output, in its folder.
LOG_FILE = "run.log"
DONE, FAILED, ELSEWHERE = "done", "failed", "being done by another process"


class EndedRun(NamedTuple):
    """How a run ended.

    Example
    -------
    >>> EndedRun("fold_0", FAILED, "exit status 1").status
    'failed'
    """

    run: object  # as its engine and folder know it
    status: str  # DONE, FAILED or ELSEWHERE
    reason: str = ""


def run_all(runs, engine, jobs, command_of, folder_of, is_done, progress, poll_s=0.5):
    """Execute every run, some side by side; a failure stops no other run.

    An interruption ends all running runs before the exception propagates.

    Arguments
    ---------
    runs : sequence
        The runs, in the order of execution.
    engine : LocalEngine or ClusterEngine
        Starts commands.
    jobs : int
        Number of runs side by side.
    command_of : callable
        Takes a run, returns its command.
    folder_of : callable
        Takes a run, returns its folder.
    is_done : callable
        Takes a run, returns whether its results exist.
    progress : Progress
        Receives the start and end of each run.
    poll_s : float
        Polling interval, in seconds.

    Returns
    -------
    list of EndedRun
        One for each run, in the order of their ends.

    Example
    -------
    >>> from hrin_plugin.training.commands import LocalEngine
    >>> from hrin_plugin.training.progress import Progress
    >>> root = getfixture("tmp_path")
    >>> outcomes = run_all(
    ...     ["fold_0", "fold_1"], LocalEngine(), jobs=2,
    ...     command_of=lambda run: ["mkdir", root / run / "done" if run == "fold_0" else ""],
    ...     folder_of=root.joinpath, is_done=lambda run: (root / run / "done").exists(),
    ...     progress=Progress(2, 0), poll_s=0.01,
    ... )
    >>> sorted((outcome.status, outcome.reason) for outcome in outcomes)
    [('done', ''), ('failed', 'exit status 1')]
    """
    waiting, running, outcomes = deque(runs), {}, []

    def end(outcome):
        """Keep an outcome, and show it."""
        outcomes.append(outcome)
        progress.ended(outcome)

    try:
        while waiting or running:
            for slot in range(jobs):
                while waiting and slot not in running:
                    run = waiting.popleft()
                    if is_in_use(folder_of(run)):
                        end(EndedRun(run, ELSEWHERE))
                        continue
                    if is_done(run):  # by another process, since the plan was made
                        end(EndedRun(run, DONE))
                        continue
                    try:
                        job = engine.start(command_of(run), folder_of(run) / LOG_FILE, slot)
                    except OSError as error:
                        end(EndedRun(run, FAILED, f"could not be started: {error}"))
                        continue
                    running[slot] = run, job
                    progress.began(run)
            for slot, (run, job) in list(running.items()):
                status = job.poll()
                if status is not None:
                    del running[slot]
                    end(_outcome(run, job, status, is_done))
            progress.show(list(waiting), [run for run, _ in running.values()])
            if running:
                time.sleep(poll_s)
    finally:
        stop_all([job for _, job in running.values()])
    return outcomes


def _outcome(run, job, status, is_done):
    """The EndedRun of a finished command."""
    if status == IN_USE_STATUS:
        return EndedRun(run, ELSEWHERE)
    if status < 0:
        name = signal.Signals(-status).name
        hint = ", for want of memory perhaps" if name == "SIGKILL" else ""
        return EndedRun(run, FAILED, f"ended by {name}{hint}")
    if status - 128 in (signal.SIGTERM, signal.SIGINT):
        return EndedRun(run, FAILED, f"stopped by {signal.Signals(status - 128).name}, and saved")
    if status:
        return EndedRun(run, FAILED, job.trouble() or f"exit status {status}")
    try:
        return (
            EndedRun(run, DONE) if is_done(run) else EndedRun(run, FAILED, "it ended without whole results")
        )
    except RunRefused as error:
        return EndedRun(run, FAILED, str(error))


def describe_failures(outcomes, folder_of):
    """The failed runs, with the path and the last lines of their logs.

    Arguments
    ---------
    outcomes : sequence of EndedRun
        The ends of all runs.
    folder_of : callable
        Takes a run, returns its folder.

    Returns
    -------
    str
        Empty if nothing failed.

    Example
    -------
    >>> describe_failures([EndedRun("fold_0", DONE)], folder_of=None)
    ''
    """
    failed = [outcome for outcome in outcomes if outcome.status == FAILED]
    lines = []
    for outcome in failed:
        log = folder_of(outcome.run) / LOG_FILE
        lines += [f"FAILED: {outcome.run}: {outcome.reason}; log: {log}"]
        lines += [f"    {line}" for line in last_lines(log)]
    return "\n".join(lines)
