"""Tasks over processes: every result once, and what happens when one goes wrong."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from hrin_plugin.archive.processes import Lost, LostTask, map_local, run_local


def work(task, notify):
    """Does what the task says; small imports, for the processes that run it."""
    notify(f"at {task}")
    if task == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if task == "die while sending":
        threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGKILL)).start()
        return bytes(200_000_000)
    if task == "fail":
        raise FileNotFoundError(2, "No such file", "model")
    if task == "fail oddly":
        raise OddError("a", "b")
    return task, os.getpid()


class OddError(Exception):
    """Cannot be unpickled: it wants two arguments and remembers one."""

    def __init__(self, first, second):
        super().__init__(first + second)


def silent(*_):
    """Notes nothing."""


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_task_is_done_once_and_noted_under_its_number(jobs):
    notes = []
    tasks = ["a", "b", "c", "d", "e"]
    results = dict(run_local(work, tasks, jobs, lambda *note: notes.append(note)))
    assert [results[number][0] for number in range(5)] == tasks
    assert sorted(notes) == [(number, f"at {task}") for number, task in enumerate(tasks)]
    processes = {process for _, process in results.values()}
    assert len(processes) <= jobs and (os.getpid() in processes) == (jobs == 1)


def test_a_killed_process_costs_its_own_task_only():
    results = dict(run_local(work, ["a", "die", "b", "die", "c"], 2, silent))
    assert [results[number] for number in (1, 3)] == [Lost("SIGKILL")] * 2
    assert [results[number][0] for number in (0, 2, 4)] == ["a", "b", "c"]


def test_a_process_that_is_killed_while_it_sends_blocks_no_other():
    results = dict(run_local(work, ["die while sending", "a", "die while sending", "b"], 2, silent))
    assert [results[number] for number in (0, 2)] == [Lost("SIGKILL")] * 2
    assert [results[number][0] for number in (1, 3)] == ["a", "b"]


def wait(seconds):
    """Takes its time, and kills itself if there is none to take."""
    if seconds < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(seconds)
    return seconds


def test_mapped_results_are_in_the_order_of_the_tasks():
    assert list(map_local(wait, [0.5, 0.0, 0.1], 3)) == [0.5, 0.0, 0.1]


def test_a_map_ends_with_the_reason_when_a_process_was_killed():
    with pytest.raises(LostTask, match=r"task 2 of 2: its process was ended \(SIGKILL\)"):
        list(map_local(wait, [0.0, -1], 2))


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_exception_ends_the_run_with_its_own_type(jobs):
    with pytest.raises(FileNotFoundError, match="No such file: 'model'"):
        list(run_local(work, ["fail", "a"], jobs, silent))


def test_an_exception_that_cannot_be_sent_keeps_its_words():
    with pytest.raises(RuntimeError, match="OddError: ab"):
        list(run_local(work, ["fail oddly"], 2, silent))


def test_no_task_needs_no_process():
    assert list(run_local(work, [], 2, silent)) == []


@pytest.fixture
def program(tmp_path):
    """A program with two workers that would never end, of which one tells nothing; and their processes."""
    code = (
        "import os, signal, time\n"
        "from hrin_plugin.archive.processes import run_local\n"
        "def work(task, notify):\n"
        f"    open(os.path.join({str(tmp_path)!r}, str(os.getpid())), 'w').close()\n"
        "    while True: task == 1 and notify(0); time.sleep(0.05)\n"
        "if __name__ == '__main__':\n"
        "    signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "    try: list(run_local(work, [1, 2], 2, lambda *_: None))\n"
        "    except KeyboardInterrupt: print('interrupted')\n"
    )
    (tmp_path / "program.py").write_text(code)
    command = [sys.executable, str(tmp_path / "program.py")]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    try:
        await_true(lambda: len(list(tmp_path.glob("[0-9]*"))) == 2)
        yield process, [int(path.name) for path in tmp_path.glob("[0-9]*")]
    finally:
        process.kill()
        process.communicate()


ON_LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks processes up in /proc")


@ON_LINUX
def test_processes_end_with_the_caller_even_if_it_is_killed(program):
    process, workers = program
    process.kill()
    await_true(lambda: not any(alive(worker) for worker in workers))


@ON_LINUX
def test_an_interruption_reaches_the_caller_alone_and_ends_all(program):
    process, workers = program
    os.killpg(process.pid, signal.SIGINT)
    assert process.communicate(timeout=30)[0] == "interrupted\n"
    await_true(lambda: not any(alive(worker) for worker in workers))


def await_true(condition, limit_s=30.0):
    """Wait until a condition holds, for a limited time."""
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def alive(process):
    """Whether a process runs; one that has ended but is not yet waited for does not."""
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
