"""The page in a real browser: hear, relabel, drag, split, merge, undo, reload, two windows, a month."""

import csv
import os
import time

import numpy as np
import pytest
import soundfile

from hrin_plugin.cli import main
from hrin_plugin.detection import Detection
from hrin_plugin.events import Event
from hrin_plugin.formats import write_detection
from hrin_plugin.formats.corrected import correction_path, read_correction
from hrin_plugin.review.peaks import N_LEVELS, facts_of, peaks_path, write_peaks

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

CHOSEN = "#told"


@pytest.fixture
def open_page(browser):
    """Opens an address in a window of its own; nothing may go wrong there."""
    opened = []

    def open_one(address, context=None, **options):
        context = context or browser.new_context(viewport={"width": 1200, "height": 720}, **options)
        page = context.new_page()
        page.problems = []
        page.on("console", lambda message: page.problems.append(message.text))
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.goto(address)
        page.wait_for_selector("body[data-ready]", state="attached")
        opened.append(page)
        return page

    yield open_one
    for page in opened:
        # Chromium logs a conflict between windows, and what these tests do to the canvas.
        assert [line for line in page.problems if "409" not in line and "willRead" not in line] == []
        page.context.close()


def until(page, expected, timeout=5000, words=lambda: None):
    """Wait until an expression of the page, or of ours, is true; its policy forbids Playwright's own way."""
    end = time.monotonic() + timeout / 1000
    while not (page.evaluate(expected) if isinstance(expected, str) else expected()):
        assert time.monotonic() < end, words() or expected
        page.wait_for_timeout(30)


def told(page, words, timeout=5000):
    until(
        page,
        lambda: words in page.inner_text(CHOSEN),
        timeout,
        lambda: f"{words!r} not in {page.inner_text(CHOSEN)!r}",
    )


def point(page, number, ms):
    """Where a time of a recording is drawn, in the window."""
    x = page.evaluate(
        """([number, ms]) => {
          const [from, to] = location.hash.slice(1).split(',').map(Number);
          return fetch('/library').then(a => a.json()).then(({items}) => {
            const box = document.getElementById('lanes').getBoundingClientRect();
            return box.left + (items[number].start + ms - from) / (to - from) * box.width;
          });
        }""",
        [number, ms],
    )
    return x, page.locator("#lanes").bounding_box()["y"] + 64


def first(page):
    """Choose the first recording's second segment by keys, and zoom to it."""
    page.keyboard.press("n")
    told(page, "Background music")
    page.wait_for_timeout(400)


def correction(results, station="fm4", name="2026-03-28_00-00"):
    return read_correction(correction_path(results / station, name))


def test_a_segment_is_heard_from_its_start(day, serve, open_page):
    address, _ = serve(*day)
    page = open_page(address)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    first(page)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    told(page, "Foreground music")
    page.keyboard.press(" ")
    until(page, "document.getElementById('audio').currentTime > 0.3", 10_000)
    assert any(url.endswith("/sound/0?from=40000&to=60000") for url in asked)
    assert page.evaluate("document.getElementById('audio').duration") == pytest.approx(20, abs=0.01)
    page.keyboard.press(" ")
    until(page, "document.getElementById('audio').paused")


def test_a_click_sets_the_cursor_and_is_heard_there(day, serve, open_page):
    page = open_page(serve(*day)[0])
    first(page)
    page.mouse.click(*point(page, 0, 20_700))
    until(page, "document.getElementById('audio').currentTime > 0.1", 10_000)
    source = page.evaluate("document.getElementById('audio').src")
    assert abs(int(source.partition("from=")[2].partition("&")[0]) - 20_700) < 30


def test_a_key_relabels_at_once_and_a_reload_shows_it(day, serve, open_page):
    page = open_page(serve(*day)[0])
    first(page)
    page.keyboard.press("2")
    told(page, "Foreground music")
    saved = correction(day[0])
    assert saved.segments[1][:4] == (20_000, 21_500, "fg-music", True)
    assert saved.in_force[0].who == "anna" and saved.in_force[0].when.startswith("20")
    page.wait_for_timeout(400)
    page.reload()
    page.wait_for_selector("body[data-ready]", state="attached")
    told(page, "Foreground music")
    assert page.inner_text(CHOSEN).count("00:00:20.000") == 1


def test_a_digit_right_after_n_is_meant_for_the_segment_that_n_brings(day, serve, open_page, browser):
    context = browser.new_context(viewport={"width": 1200, "height": 720})

    def slowly(route):
        time.sleep(0.5)
        route.continue_()

    context.route("**/segments?*", slowly)
    page = open_page(serve(*day)[0], context)
    page.keyboard.press("n")
    page.keyboard.press("2")
    told(page, "Foreground music", 10_000)
    saved = correction(day[0])
    assert saved.segments[1][:4] == (20_000, 21_500, "fg-music", True) and len(saved.in_force) == 1


def test_an_edge_is_dragged_and_undone_after_a_reload(day, serve, open_page):
    page = open_page(serve(*day)[0])
    first(page)
    page.mouse.move(*point(page, 0, 21_500))
    page.mouse.down()
    page.mouse.move(*point(page, 0, 21_900), steps=5)
    page.mouse.move(*point(page, 0, 22_000), steps=5)
    page.mouse.up()
    told(page, "00:00:22.0")
    edge = correction(day[0]).segments[1].offset_ms
    assert abs(edge - 22_000) < 30 and correction(day[0]).segments[2].onset_ms == edge
    page.wait_for_timeout(400)
    page.reload()
    page.wait_for_selector("body[data-ready]", state="attached")
    page.keyboard.press("u")
    until(page, "document.getElementById('undo').disabled")
    assert correction(day[0]).segments[1].offset_ms == 21_500
    page.keyboard.press("Shift+U")
    until(page, "!document.getElementById('undo').disabled")
    assert correction(day[0]).segments[1].offset_ms == edge
    page.keyboard.press("Control+z")
    until(page, "document.getElementById('undo').disabled")
    assert correction(day[0]).changed_ms == 0


def test_keys_split_merge_move_edges_confirm_and_close(day, serve, open_page):
    page = open_page(serve(*day)[0])
    first(page)
    for _ in range(5):
        page.keyboard.press(".")
    told(page, "cursor 2026-03-28 00:00:20.500")
    page.keyboard.press("s")
    told(page, "00:00:20.500 to")
    page.keyboard.press("3")
    told(page, "a person decided")
    page.keyboard.press("2")
    told(page, "Foreground music")
    labels = [(s.onset_ms, s.label) for s in correction(day[0]).segments]
    assert labels[1:3] == [(20_000, "bg-music"), (20_500, "fg-music")]
    for key in ("ArrowLeft", ".", "]"):
        page.keyboard.press(key)
    told(page, "20.100")
    page.wait_for_timeout(300)
    assert [s.onset_ms for s in correction(day[0]).segments[1:3]] == [20_000, 20_100]
    told(page, "00:00:20.000 to 2026-03-28 00:00:20.100")
    page.keyboard.press("m")
    told(page, "00:00:20.000 to 2026-03-28 00:00:21.500")
    page.keyboard.press("r")
    page.wait_for_selector("#reviewed[aria-pressed=true]")
    assert correction(day[0]).reviewed[0] == "anna" and len(correction(day[0]).segments) == 4


def test_a_confirmed_segment_leaves_the_queue(day, serve, open_page):
    page = open_page(serve(*day)[0])
    assert page.inner_text("#left") == "16" and page.locator("#queue li").count() == 16
    first(page)
    page.keyboard.press("Enter")
    until(page, "document.getElementById('left').textContent === '15'")
    page.keyboard.press("n")
    told(page, "2026-03-28_01-00")


def test_two_windows_tell_each_other_and_lose_nothing(day, serve, open_page):
    address, _ = serve(*day)
    one = open_page(address)
    two = open_page(address)
    for page in (one, two):
        first(page)
    stale = {"news": 0, "changed": [], "waveforms": 0}
    two.route(
        "**/news*", lambda route: route.fulfill(json=stale)
    )  # the second window hears nothing for a while
    one.keyboard.press("2")
    told(one, "Foreground music")
    two.keyboard.press("1")
    until(two, "document.getElementById('message').textContent.includes('another window')")
    told(two, "Foreground music")
    assert [change.what for change in correction(day[0]).in_force] == ["relabel"]
    two.unroute("**/news*")
    two.problems.clear()
    two.keyboard.press("1")
    told(two, "No music")
    told(one, "No music", timeout=10_000)
    assert correction(day[0]).segments[1].label == "no-music"


def test_the_reviewer_can_change_on_the_page(day, serve, open_page):
    page = open_page(serve(*day)[0])
    page.fill("#who", "bob")
    page.locator("#lanes").focus()
    first(page)
    page.keyboard.press("2")
    told(page, "Foreground music")
    assert correction(day[0]).in_force[0].who == "bob"


def test_a_server_that_stopped_is_told(day, serve, open_page):
    address, process = serve(*day)
    page = open_page(address)
    first(page)
    process.kill()
    process.wait()
    page.keyboard.press("2")
    until(page, "document.getElementById('message').textContent.includes('does not answer')")
    page.problems.clear()


def test_nothing_is_asked_of_other_machines(day, serve, open_page, browser):
    context = browser.new_context()
    asked = []
    context.on("request", lambda request: asked.append(request.url))
    address, _ = serve(*day)
    page = open_page(address, context)
    first(page)
    host = address.partition("/?")[0]
    assert asked and all(url.startswith(host) for url in asked)
    assert "token" not in page.url


def test_every_control_has_a_name_and_keys_reach_it(day, serve, open_page):
    page = open_page(serve(*day)[0], color_scheme="dark")
    names = page.evaluate(
        "[...document.querySelectorAll('button, input, select')].map(each => "
        "(each.getAttribute('aria-label') || each.textContent || each.closest('label')?.textContent).trim())"
    )
    assert all(names) and len(names) > 15
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("#help").is_visible()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "BUTTON"
    page.emulate_media(color_scheme="light")


def test_ten_corrections_change_the_totals_of_the_report_as_they_should(
    tmp_path, make_day, serve, open_page, capsys
):
    results, archive = make_day(tmp_path, n_hours=5)
    assert main(["report", str(results), "--csv", str(tmp_path / "before.csv")]) == 0
    assert "corrected" not in capsys.readouterr().out
    page = open_page(serve(results, archive)[0])
    for number in range(10):  # of each recording the jingle of 1.5 s is in the foreground
        first(page)
        page.keyboard.press("2")
        told(page, "a person decided")
        until(page, lambda: len(list(results.rglob("*.corrected"))) == number + 1)  # noqa: B023
    assert main(["report", str(results), "--csv", str(tmp_path / "after.csv")]) == 0
    out = capsys.readouterr().out
    assert "corrected: 10 of 10 recordings, 0:00:15 changed, 0 reviewed to the end; by anna, 20" in out
    totals = {name: total_seconds(tmp_path / f"{name}.csv") for name in ("before", "after")}
    assert totals["before"]["mrle", "fg-music"] == 200.0
    assert totals["after"] == totals["before"] | {("mrle", "fg-music"): 215.0, ("mrle", "bg-music"): 0.0}


def total_seconds(path):
    with open(path, newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["scope"] == "total"]
    return {(row["task"], row["label"]): float(row["seconds"]) for row in rows}


def write_month(folder):
    """30 days of two stations, an hour a file: results made by chance, with waveforms."""
    results, archive = folder / "results", folder / "archive"
    random = np.random.default_rng(0)
    labels = ["no-music", "bg-music", "fg-music"]
    (archive / "fm4").mkdir(parents=True)
    (archive / "oe1").mkdir()
    soundfile.write(folder / "silence.flac", np.zeros(3600 * 8000, np.int16), 8000)
    levels = [np.tile(np.int8([[-60, 60], [-20, 20]]), (45_000 // 8**n + 1, 1)) for n in range(N_LEVELS)]
    for station in ("fm4", "oe1"):
        for hour in range(30 * 24):
            name = f"{station}_2026-03-{1 + hour // 24:02d}_{hour % 24:02d}h"
            edges = [0, *sorted(random.choice(np.arange(10, 3590), 59, replace=False)), 3600]
            events = [
                Event(float(a), float(b), labels[n % 3]) for n, (a, b) in enumerate(zip(edges, edges[1:]))
            ]
            write_detection(results / station, Detection(name, 3600.0, {"mrle": events}), "tsv")
            audio = archive / station / f"{name}.flac"
            os.link(folder / "silence.flac", audio)
            write_peaks(peaks_path(correction_path(results / station, name)), levels, facts_of(audio))
    return results, archive


def test_a_month_of_two_stations_opens_and_zooms(tmp_path, serve, open_page):
    results, archive = write_month(tmp_path)
    address, _ = serve(results, archive, "--zone", "Europe/Vienna")
    begin = time.monotonic()
    page = open_page(address)
    until(page, lambda: coloured(page) > 1000, 15_000)
    opened_s = time.monotonic() - begin
    assert opened_s < 10, opened_s
    assert page.inner_text("#left") == str(2 * 720 * 60)
    page.keyboard.press("n")
    told(page, " s long")
    for step, span in (
        ("a day", 86_400_000),
        ("an hour", 3_600_000),
        ("a minute", 60_000),
        ("a second", 1000),
    ):
        page.select_option("#span", step)
        until(page, lambda: width_ms(page) == span and coloured(page) > 1000, 5000)  # noqa: B023
    page.mouse.move(300, 200)
    for _ in range(40):
        page.mouse.wheel(0, 400)
    until(page, lambda: width_ms(page) > 29 * 86_400_000)
    page.keyboard.press("2")
    told(page, "a person decided")
    assert len(list(results.rglob("*.corrected"))) == 1


def width_ms(page):
    begin, end = page.url.partition("#")[2].split(",")[:2]
    return int(end) - int(begin)


def coloured(page):
    """Pixels in the colours of the classes."""
    return page.evaluate(
        """() => {
          const canvas = document.getElementById('lanes');
          const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
          let n = 0;
          for (let at = 0; at < data.length; at += 4) {
            const [red, green, blue] = data.subarray(at, at + 3);
            n += (red === 0xd5 && green === 0x5e) || (green === 0x72 && blue === 0xb2);
          }
          return n;
        }"""
    )
