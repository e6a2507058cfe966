"""What the tests of the review share: results of two stations, their recordings, and a running server."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from hrin_plugin.detection import Detection
from hrin_plugin.events import Event
from hrin_plugin.formats import write_detection

#: Seconds of each recording, and its segments.
LENGTH_S = 60.0
EVENTS = [
    *(Event(0.0, 20.0, "no-music"), Event(20.0, 21.5, "bg-music"), Event(21.5, 40.0, "no-music")),
    Event(40.0, 60.0, "fg-music"),
]
STATIONS = ("fm4", "oe1")


def write_day(folder, n_hours=2, level=("md", "mrle")):
    """Recordings of two stations, one for each hour, and their results; returns both folders."""
    results, archive = folder / "results", folder / "archive"
    signal = np.zeros(int(LENGTH_S * 8000))
    signal[40 * 8000 :] = 0.4 * np.sin(2 * np.pi * 440 * np.arange(20 * 8000) / 8000)
    md = [Event(0.0, 20.0, "no-music"), Event(20.0, 21.5, "music"), Event(21.5, 40.0, "no-music")]
    events = {"md": [*md, Event(40.0, 60.0, "music")], "mrle": EVENTS}
    for station in STATIONS:
        (archive / station).mkdir(parents=True, exist_ok=True)
        for hour in range(n_hours):
            name = f"2026-03-{28 + hour // 24}_{hour % 24:02d}-00"
            soundfile.write(archive / station / f"{name}.flac", signal, 8000)
            found = Detection(name, LENGTH_S, {each: events[each] for each in level})
            write_detection(results / station, found, "json", level)
    return results, archive


@pytest.fixture
def make_day():
    """Writes such folders, of so many hours."""
    return write_day


@pytest.fixture
def day(tmp_path):
    """Both folders of two hours of two stations."""
    return write_day(tmp_path)


@pytest.fixture
def serve():
    """Starts ``hrin review`` on two folders; gives its address, and ends it after the test."""
    running = []

    def start(results, archive, *options):
        words = [sys.executable, "-m", "hrin_plugin.cli", "review", str(results), "--audio", str(archive)]
        process = subprocess.Popen(
            [*words, "--no-browser", "--reviewer", "anna", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        running.append(process)
        line = process.stdout.readline()
        if "http" not in line:
            process.kill()
            raise AssertionError(process.communicate())
        return re.search(r"http\S+", line)[0], process

    yield start
    for process in running:
        process.kill()
        process.communicate()
