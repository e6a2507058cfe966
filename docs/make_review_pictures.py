"""Takes the pictures of docs/review.md in Chromium, of recordings that it makes itself.

> python docs/make_review_pictures.py
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from playwright.sync_api import sync_playwright

from hrin_plugin.detection import Detection
from hrin_plugin.events import Event
from hrin_plugin.formats import write_detection

RATE, HOUR_S = 4000, 3600
#: How loud each class is, and how long its segments are, in seconds.
CLASSES = {"no-music": (0.25, 90), "bg-music": (0.3, 60), "fg-music": (0.6, 180)}


def make_day(folder, n_hours=6):
    """Write a morning of two stations: noise with the rhythm of speech, chords, and both together.

    Arguments
    ---------
    folder : pathlib.Path
        Where the folders ``results`` and ``archive`` go.
    n_hours : int
        Recordings of each station, an hour each.

    Returns
    -------
    tuple of pathlib.Path
        Both folders.

    Example
    -------
    >>> results, archive = make_day(getfixture("tmp_path"), n_hours=0)
    >>> results.name, archive.name
    ('results', 'archive')
    """
    results, archive = folder / "results", folder / "archive"
    random = np.random.default_rng(7)
    for station in ("fm4", "oe1"):
        (archive / station).mkdir(parents=True)
        for hour in range(n_hours):
            name = f"{station}_2026-03-28_{hour:02d}-00"
            events = _events(random)
            soundfile.write(archive / station / f"{name}.flac", _sound(events, random), RATE)
            write_detection(results / station, Detection(name, float(HOUR_S), {"mrle": events}), "json")
    return results, archive


def _events(random):
    """Segments of an hour, by chance."""
    events, at_s, label = [], 0.0, "no-music"
    while at_s < HOUR_S:
        label = random.choice([other for other in CLASSES if other != label])
        end_s = min(at_s + max(random.exponential(CLASSES[label][1]), 1.2), HOUR_S)
        events.append(Event(round(at_s, 3), round(end_s, 3), str(label)))
        at_s = end_s
    return events


def _sound(events, random):
    """Sound that looks like what the segments say."""
    times = np.arange(HOUR_S * RATE) / RATE
    words = np.abs(np.sin(2 * np.pi * 1.7 * times) * np.sin(2 * np.pi * 0.31 * times)) ** 2
    speech = random.uniform(-1, 1, len(times)) * words
    music = sum(np.sin(2 * np.pi * 220 * ratio * times) for ratio in (1, 1.25, 1.5)) / 3
    music *= 0.6 + 0.4 * np.abs(np.sin(2 * np.pi * 1.0 * times))
    signal = np.zeros(len(times), np.float32)
    for onset_s, offset_s, label in events:
        span = slice(round(onset_s * RATE), round(offset_s * RATE))
        loud = CLASSES[label][0]
        signal[span] = loud * (music[span] if label == "fg-music" else speech[span])
        signal[span] += 0.12 * music[span] * (label == "bg-music")
    return signal


def take_pictures(address, folder):
    """Take the pictures of a running ``hrin review``.

    Arguments
    ---------
    address : str
        As it printed it.
    folder : pathlib.Path
        Where the pictures go.
    """
    with sync_playwright() as started:
        arguments = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        page = browser.new_page(viewport={"width": 1180, "height": 700})
        page.goto(address)
        page.wait_for_selector("body[data-ready]", state="attached")
        left = "fetch('/news?since=0').then(answer => answer.json()).then(news => news.waveforms)"
        while page.evaluate(left):
            page.wait_for_timeout(1000)
        page.reload()
        page.wait_for_timeout(4000)
        page.screenshot(path=folder / "review_day.png")
        page.keyboard.press("n")
        page.wait_for_timeout(1000)
        for key in ("2", "n", "Enter", "n", "-"):
            page.keyboard.press(key)
            page.wait_for_timeout(700)
        page.keyboard.press(" ")
        page.wait_for_timeout(1500)
        page.screenshot(path=folder / "review_segment.png")
        page.emulate_media(color_scheme="dark")
        page.keyboard.press("?")
        page.wait_for_timeout(500)
        page.screenshot(path=folder / "review_keys.png")
        browser.close()


def main():
    """Make the day, start the page, and take the pictures."""
    with tempfile.TemporaryDirectory() as folder:
        results, archive = make_day(Path(folder))
        words = [sys.executable, "-m", "hrin_plugin.cli", "review", results, "--audio", archive]
        options = ["--no-browser", "--reviewer", "anna", "--zone", "Europe/Vienna"]
        with subprocess.Popen([*words, *options], stdout=subprocess.PIPE, text=True) as server:
            take_pictures(re.search(r"http\S+", server.stdout.readline())[0], Path(__file__).parent)
            server.terminate()


if __name__ == "__main__":
    main()
