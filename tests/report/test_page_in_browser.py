"""The page in a real browser, Chromium: sort, filter, zoom, segments by keys and touch, the CSV, print."""

from datetime import datetime

import pytest

from hrin_plugin.detection import Certainty, Detection, Spread
from hrin_plugin.events import Event
from hrin_plugin.report.account import open_account
from hrin_plugin.report.airtime import place
from hrin_plugin.report.calendar import find_zone
from hrin_plugin.report.names import NamedTime
from hrin_plugin.report.tables import write_csv, write_html


@pytest.fixture(scope="module")
def account():
    detections, times = [], []
    for number in range(8):  # the night of 25 hours, of two stations
        events = [Event(0.0, 900.0 + number, "fg-music"), Event(900.0 + number, 3600.0, "no-music")]
        doubts = {"mrle": {"fg-music": (1.0,) * 20 + (3.0 + number,) + (1.0,) * 39}}
        spread = Spread(bias=0.2, doubt=1.0, chance=1.0, share=0.0, low=-1.5, high=1.5)
        detections.append(
            Detection(
                *(f"{'ab'[number % 2]}/{number}", 3600.0, {"mrle": events}),
                confidences={"mrle": (0.9, 0.8)},
                certainty=Certainty(doubts, {"mrle": {"fg-music": spread}}),
            )
        )
        times.append(NamedTime(datetime(2026, 10, 25, (0, 1, 2, 2)[number // 2]), (2, 3)))
    return open_account(place(detections, times, find_zone("Europe/Vienna")))


@pytest.fixture
def page(account, browser, tmp_path):
    write_html(tmp_path / "report.html", account)
    page = browser.new_context(has_touch=True, viewport={"width": 700, "height": 700}).new_page()
    page.problems = []
    page.on("console", lambda message: page.problems.append(message.text))
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.goto((tmp_path / "report.html").as_uri())
    yield page
    assert page.problems == []
    page.context.close()


def first_column(page, title):
    rows = page.locator(f"details:has(summary:has-text('{title}')) tbody tr:visible")
    return rows.locator("td:first-child").all_inner_texts()


def test_a_press_on_a_head_sorts_and_a_second_one_reverses(page):
    page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
    head = page.locator("details:has(summary:has-text('by recording')) th[data-column='3'] button")
    head.click()
    assert first_column(page, "by recording") == [f"{'ab'[n % 2]}/{n}" for n in range(8)]
    head.click()
    assert first_column(page, "by recording") == [f"{'ab'[n % 2]}/{n}" for n in range(7, -1, -1)]


def test_the_filter_keeps_rows_with_all_its_words(page):
    page.fill("#filter", "b 10-25")
    assert first_column(page, "by day") == ["2026-10-25"]
    assert page.locator(".strip[data-name]:visible").count() == 1


def test_keys_reach_segments_and_their_times_are_read_out(page):
    page.locator("svg").first.focus()
    texts = []
    for _ in range(4):
        page.keyboard.press("ArrowRight")
        texts.append(page.inner_text("output"))
    assert (
        texts[0]
        == "Foreground music, 00:00:00.000 to 00:15:00.000, 00:15:00.000 long. a Sun 2026-10-25 (25 h)"
    )
    assert texts[2].startswith("Foreground music, 02:00:00.000 (+02:00) to 02:15:04.000 (+02:00)")
    assert texts[3].startswith("Foreground music, 02:00:00.000 (+01:00) to 02:15:06.000 (+01:00)")
    page.keyboard.press("Escape")
    assert page.locator("output").inner_text() == ""


def test_a_touch_reads_out_a_segment_and_the_zoom_keeps_names_in_view(page):
    page.locator("#zoom").evaluate("each => { each.value = 3; each.dispatchEvent(new Event('input')) }")
    lanes = page.locator(".lanes").first
    assert lanes.evaluate("each => each.scrollWidth > 6 * each.clientWidth")
    lanes.evaluate("each => { each.scrollLeft = 400 }")
    name, box = page.locator(".strip[data-name] b").first, lanes.bounding_box()
    assert abs(name.bounding_box()["x"] - box["x"]) < 1
    lanes.evaluate("each => { each.scrollLeft = 0 }")
    lanes.evaluate("each => each.scrollIntoView({block: 'center'})")
    box = page.locator("svg").first.bounding_box()
    page.touchscreen.tap(box["x"] + 20, box["y"] + 5)
    assert page.inner_text("output").startswith("Foreground music, 00:00:00.000 to 00:15:00.000")


def test_a_doubtful_minute_leads_to_its_place_in_the_timeline(page):
    links = page.locator("a[data-from]")
    assert links.count() == 8
    links.first.click()  # of the last recording, in the second hour from 2 to 3
    page.wait_for_timeout(200)
    told = page.locator("output").inner_text()
    assert told.startswith("Doubtful minute, found: No music, 02:20:00.000 (+01:00) to 02:21:00.000 (+01:00)")
    assert "b Sun 2026-10-25" in told
    mark, lanes = page.locator("svg .chosen").bounding_box(), page.locator(".lanes").nth(1).bounding_box()
    middle = mark["x"] + mark["width"] / 2
    assert lanes["x"] + 100 < middle < lanes["x"] + lanes["width"]


def test_a_time_with_an_interval_sorts_by_the_time(page):
    page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
    table = page.locator("details:has(summary:has-text('by recording'))").first
    table.locator("th[data-column='3'] button").click()
    times = table.locator("tbody td:nth-child(4)").all_inner_texts()
    assert times == sorted(times) and all(" to " in time for time in times)


def test_the_csv_can_be_saved(page, account, tmp_path):
    with page.expect_download() as download:
        page.click("a[download]")
    download.value.save_as(tmp_path / "saved.csv")
    write_csv(tmp_path / "report.csv", account)
    assert (tmp_path / "saved.csv").read_bytes() == (tmp_path / "report.csv").read_bytes()


def test_a_foreign_script_is_refused(page):
    foreign = "const s = document.createElement('script'); s.textContent = 'window.run = 1'"
    page.evaluate(f"{foreign}; document.body.append(s)")
    assert page.evaluate("window.run === undefined")
    assert len(page.problems) == 1 and "Content Security Policy" in page.problems.pop()


def test_what_is_folded_is_printed(page):
    page.evaluate("for (const part of document.querySelectorAll('details')) part.open = false")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details[open]").count() == 0
