"""Totals agree with counting milliseconds, and the report's files say what was found."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import numpy as np
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hrin_plugin.detection import TASKS, Detection
from hrin_plugin.events import Event, relabel
from hrin_plugin.formats import find_formats, write_detection
from hrin_plugin.report import page as report_page
from hrin_plugin.report import tables as report
from hrin_plugin.report.airtime import untimed
from hrin_plugin.report.tables import format_summary, read_results, write_csv, write_html
from hrin_plugin.report.timeline import draw_strips, strips_of
from hrin_plugin.taxonomy import MUSIC_LOUDNESS
from hrin_plugin.totals import add_up, hourly_totals

LABELS = MUSIC_LOUDNESS.labels
LOUDNESS = [
    Event(0.0, 3_000.0, "no-music"),
    Event(3_000.0, 4_000.0, "fg-music"),
    Event(4_000.0, 7_800.25, "bg-music"),
    Event(7_800.25, 8_100.0, "fg-music"),
]
SHOW = Detection("show.2024", 8_100.0, {"mrle": LOUDNESS})
BOTH = SHOW._replace(events={"md": relabel(LOUDNESS, MUSIC_LOUDNESS.parents[0]), "mrle": LOUDNESS})
SHORT = Detection("<b>jingle & more</b>", 4.5, {"mrle": [Event(0.5, 4.5, "fg-music")]})
SILENT = Detection("silent", 900.0, {"mrle": [Event(0.0, 900.0, "no-music")]})


# Totals


@st.composite
def recordings(draw):
    """Events of the loudness task that overlap and leave gaps, of some hours, with times in milliseconds."""
    end_ms = draw(st.integers(0, 3 * 3_600_000))
    events = []
    for label in LABELS["mrle"]:
        for onset, length in draw(
            st.lists(st.tuples(st.integers(0, end_ms), st.integers(1, 5_000_000)), max_size=5)
        ):
            events.append(Event(onset / 1000, (onset + length) / 1000, label))
    return events, end_ms


@given(recordings())
@settings(max_examples=60, deadline=None)
def test_hours_agree_with_counting_milliseconds(recording):
    events, end_ms = recording
    hours = hourly_totals(events, LABELS["mrle"], end_ms / 1000)
    assert len(hours) == max(1, -(-end_ms // 3_600_000))
    for label in LABELS["mrle"]:
        sounds = np.zeros(end_ms, dtype=bool)
        for event in events:
            if event.label == label:
                sounds[round(event.onset_s * 1000) : round(event.offset_s * 1000)] = True
        begins = sounds & ~np.concatenate([[False], sounds])[: len(sounds)]
        for number, hour in enumerate(hours):
            stretch = slice(number * 3_600_000, (number + 1) * 3_600_000)
            assert hour[label] == (sounds[stretch].sum(), len(sounds[stretch]), begins[stretch].sum())
        whole = add_up(hours)[label]
        assert whole == (sounds.sum(), end_ms, begins.sum())


def test_a_segment_over_the_hour_counts_in_the_hour_in_which_it_begins():
    hours = hourly_totals(LOUDNESS, LABELS["mrle"], 8_100.0)
    assert [(hour["fg-music"].seconds, hour["fg-music"].segments) for hour in hours] == [
        (600.0, 1),
        (400.0, 0),
        (299.75, 1),
    ]
    assert [hour["fg-music"].share for hour in hours] == [600 / 3600, 400 / 3600, 299.75 / 900]


def test_rounding_noise_in_a_length_makes_no_further_hour():
    assert len(hourly_totals([], LABELS["md"], 7_200.0000001)) == 2


def test_time_that_two_events_of_a_class_share_counts_once():
    events = [Event(0.0, 10.0, "music"), Event(5.0, 20.0, "music"), Event(20.0, 30.0, "music")]
    (hour,) = hourly_totals(events, LABELS["md"], 60.0)
    assert (hour["music"].seconds, hour["music"].segments) == (30.0, 1)


# Reading results


def test_each_format_gives_the_same_totals(tmp_path):
    reports = set()
    for format in find_formats():
        write_detection(tmp_path / format, BOTH, format, TASKS)
        detections, faults = read_results([tmp_path / format])
        assert faults == []
        write_csv(tmp_path / "report.csv", detections)
        reports.add((tmp_path / "report.csv").read_text())
    assert len(reports) == 1


def test_the_same_result_in_several_formats_counts_once(tmp_path):
    for format in find_formats():
        write_detection(tmp_path, BOTH, format, TASKS)
    assert read_results([tmp_path]) == ([BOTH], [])
    assert read_results([tmp_path, tmp_path, tmp_path / "show.2024.json"]) == ([BOTH], [])


def test_levels_in_files_of_their_own_are_one_recording(tmp_path):
    write_detection(tmp_path, BOTH, "tsv", TASKS)
    assert len(list(tmp_path.iterdir())) == 2
    assert read_results([tmp_path]).detections == [BOTH]


def test_different_results_of_one_recording_are_refused_by_name(tmp_path):
    write_detection(tmp_path, SHOW, "json")
    write_detection(tmp_path, SHOW._replace(events={"mrle": LOUDNESS[:-1]}), "tsv")
    detections, (fault,) = read_results([tmp_path])
    assert detections == [SHOW]
    assert re.search(
        r"show.2024.tsv: differs from .*show.2024.json, a result of the same rec.*; give one", str(fault)
    )


def test_recordings_of_the_same_name_in_two_folders_are_two(tmp_path):
    write_detection(tmp_path / "monday", SHOW, "json")
    write_detection(tmp_path / "tuesday" / "late", SILENT._replace(name="show.2024"), "json")
    names = [found.name for found in read_results([tmp_path]).detections]
    assert names == ["monday/show.2024", "tuesday/late/show.2024"]


def test_hidden_files_reports_and_other_files_are_passed_over(tmp_path):
    write_detection(tmp_path, SHOW, "json")
    write_csv(tmp_path / "report.csv", [SHOW])
    write_html(tmp_path / "report.html", [SHOW])
    (tmp_path / ".cache").mkdir()
    for name in (".a.json", ".cache/a.json", "day.mp3"):
        (tmp_path / name).write_text("nothing")
    assert read_results([tmp_path]) == ([SHOW], [])


def test_bad_files_are_named_and_the_others_count(tmp_path):
    write_detection(tmp_path, SHOW, "json")
    (tmp_path / "bad.json").write_text("{}")
    (tmp_path / "bad.tsv").write_text("0\t1\tjazz\n")
    detections, faults = read_results([tmp_path, tmp_path / "gone.json"])
    assert detections == [SHOW]
    assert [str(fault).split(str(tmp_path))[1].split(";")[0] for fault in faults] == [
        "/bad.json: is no result of music detection",
        "/bad.tsv, line 1: unknown label 'jazz'",
        "/gone.json: cannot be read (No such file or directory)",
    ]


def test_a_folder_without_results_is_a_fault(tmp_path):
    assert "holds no results; give the folder of hrin detect" in str(read_results([tmp_path]).faults[0])


@pytest.mark.parametrize("level", TASKS)
def test_silent_recordings_count_on_the_level_that_the_others_have(level, tmp_path):
    silent = SILENT._replace(events={level: SILENT.events["mrle"]})
    for found in (BOTH, silent):
        write_detection(tmp_path, found, "tsv", [level])
    detections, faults = read_results([tmp_path])
    assert faults == []
    assert [list(found.events) for found in detections] == [[level], [level]]


def test_a_silent_level_that_the_file_states_is_kept(tmp_path):
    music = SILENT._replace(events={"md": SILENT.events["mrle"], "mrle": [Event(0.0, 900.0, "bg-music")]})
    write_detection(tmp_path, music, "json", TASKS)
    assert read_results([tmp_path]).detections == [music]


def test_a_level_with_music_is_kept_though_others_lack_it(tmp_path):
    other = SHORT._replace(name="jingle")
    write_detection(tmp_path, BOTH, "json", TASKS)
    write_detection(tmp_path, other, "json")
    assert read_results([tmp_path]).detections == [other, BOTH]


# CSV


def test_rows_add_up_from_hours_to_recordings_to_the_total(tmp_path):
    write_csv(tmp_path / "report.csv", [BOTH, SHORT, SILENT])
    table = pandas.read_csv(tmp_path / "report.csv")
    first = [
        "scope",
        "name",
        "hour",
        "task",
        "label",
        "seconds",
        "share",
        "segments",
        "station",
        "day",
        "week",
    ]
    assert list(table)[: len(first)] == first
    sums = {
        scope: rows.groupby(["task", "label"])[["seconds", "segments"]].sum().round(3)
        for scope, rows in table.groupby("scope")
    }
    pandas.testing.assert_frame_equal(sums["hour"], sums["recording"])
    pandas.testing.assert_frame_equal(sums["recording"], sums["total"])
    total = table[(table.scope == "total") & (table.label == "fg-music")].iloc[0]
    assert (total.seconds, total.segments) == (1_303.75, 3)
    assert total.share == pytest.approx(1_303.75 / 9_004.5, abs=1e-6)
    assert table[(table.scope == "total") & (table.task == "md")].seconds.sum() == 8_100.0
    assert table[table["name"] == "show.2024"].hour.max() == 2


# The page


class Page(HTMLParser):
    """Tags, attributes and text of a page; refuses tags that are not closed in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.texts = [], [], [], []
        self.source = text
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.handle_startendtag(tag, attributes)
        if tag not in ("meta", "input"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else None, data.strip()))


@pytest.fixture
def page(tmp_path):
    write_html(tmp_path / "report.html", [BOTH, SHORT, SILENT])
    return Page((tmp_path / "report.html").read_text(encoding="utf-8"))


def texts_in(page, tag):
    return [text for inside, text in page.texts if inside == tag and text]


def test_the_page_needs_nothing_else(page):
    assert not {"link", "img", "iframe", "object", "form", "base"} & set(page.tags)
    links = [value for name, value in page.attributes if name in ("src", "href", "xlink:href", "srcset")]
    assert [link.partition(",")[0] for link in links] == ["data:text/csv;charset=utf-8;base64"]
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    (style,) = texts_in(page, "style")
    assert "url(" not in style and "@import" not in style


def test_the_page_allows_its_own_script_only(page):
    (policy,) = [value for name, value in page.attributes if value and value.startswith("default-src 'none'")]
    (script,), (style,) = texts_in(page, "script"), texts_in(page, "style")
    allowed = dict(rule.split(" ", 1) for rule in policy.split("; "))
    for rule, text in (("script-src", script), ("style-src-elem", style)):
        found = [match for match in re.findall("'sha256-([^']+)'", allowed[rule])]
        whole = page.source.partition(f"<{rule.split('-')[0]}>")[2].partition(f"</{rule.split('-')[0]}>")[0]
        assert whole.strip() == text
        assert found == [base64.b64encode(hashlib.sha256(whole.encode()).digest()).decode()]
    assert "unsafe-inline" not in allowed["script-src"] + allowed["style-src-elem"]


@pytest.mark.parametrize(
    "name", ["</script><script>alert(1)</script>", '"onload=alert(1)//', "<img src=x>", "'--\\"]
)
def test_no_name_can_be_a_script(name, tmp_path):
    write_html(tmp_path / "report.html", [SHORT._replace(name=name)])
    source = (tmp_path / "report.html").read_text(encoding="utf-8")
    page = Page(source)
    assert page.tags.count("script") == 1 and "img" not in page.tags
    assert not [attribute for attribute, _ in page.attributes if attribute.startswith("on")]
    assert name in [text for _, text in page.texts]


def test_the_page_holds_the_csv(page, tmp_path):
    write_csv(tmp_path / "report.csv", [BOTH, SHORT, SILENT])
    (link,) = [value for name, value in page.attributes if name == "href"]
    assert base64.b64decode(link.partition(",")[2]) == (tmp_path / "report.csv").read_bytes()


def test_the_page_begins_with_the_totals(page):
    assert texts_in(page, "p")[0] == "3 recordings, 2:30:05 in all (hours:minutes:seconds)"
    assert texts_in(page, "b")[:5] == ["0:21:44", "1:03:20", "1:05:00", "1:25:00", "0:50:00"]
    assert "14.5 % of the time, 3 segments" in texts_in(page, "span")


def test_every_recording_has_its_row_and_its_timeline(page):
    names = ["show.2024", "<b>jingle & more</b>", "silent"]
    assert [text for text in texts_in(page, "summary") if text in names] == names
    cells = texts_in(page, "td")
    assert [cells.count(name) for name in names] == [3, 2, 2]  # of two levels, and of the recordings
    assert page.tags.count("svg") == 3 + 1 + 1  # the first has three hours


def test_segments_tell_their_times_in_milliseconds(page):
    lines = [value for name, value in page.attributes if name == "d"]
    assert any("M400000 28h3200000" in line for line in lines)  # of hour 1, background music from 1:06:40


def lines_of(drawing, label):
    """Start and length of each segment of a class in a row, in milliseconds."""
    groups = re.findall(f'<g class="c-{label}".*?</g>', drawing)
    return [tuple(map(int, line)) for group in groups for line in re.findall(r"M(\d+) [\d.]+h(\d+)", group)]


def drawn(found):
    airtime = untimed([found])
    strips = strips_of(airtime, airtime.airings)
    return strips, draw_strips(airtime, airtime.airings, strips)


def test_the_timeline_is_as_long_as_the_music():
    strips, drawings = drawn(SHOW)
    for label in LABELS["mrle"]:
        lines = [line for drawing in drawings for line in lines_of(drawing, label)]
        seconds = sum(event.offset_s - event.onset_s for event in LOUDNESS if event.label == label)
        assert sum(length for _, length in lines) == seconds * 1000
        assert all(left + length <= strips[0].length_ms for left, length in lines)


def test_rows_of_the_timeline_are_hours():
    strips, drawings = drawn(SHOW)
    assert [strip.title for strip in strips] == ["0 h", "1 h", "2 h"]
    assert [lines_of(drawing, "bg-music") for drawing in drawings] == [
        [],
        [(400_000, 3_200_000)],
        [(0, 600_250)],
    ]


def test_a_short_recording_fills_its_row():
    strips, (drawing,) = drawn(SHORT)
    assert strips[0].length_ms == 4500 and 'viewBox="0 0 4500 20"' in drawing
    assert lines_of(drawing, "fg-music") == [(500, 4000)]


def test_a_recording_of_no_length_is_drawn():
    assert drawn(Detection("a", 0.0, {"md": []}))[1][0].endswith("</svg>")


def test_segments_have_tooltips_for_readers_without_scripts(page):
    assert "Background music 1:06:40.000 to 2:10:00.250" in texts_in(page, "title")


def test_very_many_segments_have_no_tooltips(tmp_path, monkeypatch):
    monkeypatch.setattr(report_page, "MOST_TITLES", 3)
    write_html(tmp_path / "report.html", [SHOW])
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert texts_in(page, "title") == ["Music report"]


def test_overlaps_are_explained(tmp_path):
    events = [Event(0.0, 60.0, "fg-music"), Event(30.0, 60.0, "bg-music")]
    write_html(tmp_path / "report.html", [Detection("a", 60.0, {"mrle": events})])
    assert "The shares add up to 150.0 %, since classes overlap" in (tmp_path / "report.html").read_text()


def test_a_page_of_a_thousand_recordings_is_a_few_megabytes(tmp_path):
    events = [Event(60.0 * place, 60.0 * (place + 1), LABELS["mrle"][place % 3]) for place in range(60)]
    write_html(tmp_path / "report.html", [Detection(f"{n}", 3600.0, {"mrle": events}) for n in range(1000)])
    assert (tmp_path / "report.html").stat().st_size < 8e6


def test_names_that_are_no_text_can_be_reported(tmp_path):
    found = SHORT._replace(name="caf\udce9\n\x1b[31m")
    write_html(tmp_path / "report.html", [found])
    write_csv(tmp_path / "report.csv", [found])
    assert "caf\ufffd\ufffd\ufffd[31m" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "\x1b" not in format_summary([found])
    assert set(pandas.read_csv(tmp_path / "report.csv").scope) == {"total", "recording", "hour"}


@pytest.mark.parametrize("format", find_formats())
def test_names_that_differ_in_bytes_that_are_no_text_stay_apart(format, tmp_path):
    names = ["day\udce9", "day\udcea", "day\udce9.md"]
    for number, name in enumerate(names):
        events = {"mrle": [Event(0.0, 1.0 + number, "fg-music")]}
        write_detection(tmp_path / "sub", SHOW._replace(name=name, duration_s=4.0, events=events), format)
    detections, faults = read_results([tmp_path])
    assert faults == [] and [found.name for found in detections] == [f"sub/{name}" for name in sorted(names)]
    write_csv(tmp_path / "report.csv", detections)
    table = pandas.read_csv(tmp_path / "report.csv")
    assert set(table[table.scope == "recording"].name) == {
        "sub/day\\udce9",
        "sub/day\\udcea",
        "sub/day\\udce9.md",
    }


def test_the_csv_report_holds_no_formula(tmp_path):
    write_csv(tmp_path / "report.csv", [SHORT._replace(name=name) for name in ("=1+1", "@a", "-2", "a=b\rc")])
    table = pandas.read_csv(tmp_path / "report.csv", keep_default_na=False)
    assert set(table.name) == {"", "'=1+1", "'@a", "'-2", "a=b\rc"}
    assert table.seconds.sum() == 3 * 4 * 4.0


# The summary


def test_the_summary_lists_each_recording_and_all():
    lines = format_summary([BOTH, SILENT]).splitlines()
    assert lines[2].split() == ["2:15:00", "0:21:40", "16.0", "%", "2", "1:03:20", "46.9", "%", "1"] + [
        "0:50:00",
        "37.0",
        "%",
        "1",
        "show.2024",
    ]
    assert lines[4].endswith("all 2 recordings") and lines[4].split()[0] == "2:30:00"
    assert lines[6].startswith("Music detection") and len(lines) == 9
    assert max(map(len, lines)) <= 100


def test_the_summary_of_very_many_recordings_is_their_total():
    many = [SILENT._replace(name=str(number)) for number in range(report.MOST_LISTED + 1)]
    assert len(format_summary(many).splitlines()) == 3


def test_the_summary_of_nothing_says_so():
    assert format_summary([]) == "no recordings"
