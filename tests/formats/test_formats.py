"""Every format opens in a reader of other hands, and comes back as it was written."""

import csv
import io
import json

import jams
import jsonschema
import numpy as np
import opentimelineio
import pandas
import pympi
import pytest
import srt
import textgrid
import webvtt
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyannote.core import Segment
from pyannote.database.util import load_rttm

from hrin_plugin.detection import TASKS, Detection
from hrin_plugin.events import AnnotationError, Event, read_tsv
from hrin_plugin.formats import find_formats, output_paths, read_detection, render, write_detection
from hrin_plugin.taxonomy import MUSIC_LOUDNESS, Taxonomy

FORMATS = find_formats()
LABELS = MUSIC_LOUDNESS.labels
DAY_S = 86_400.0
MUSIC = [Event(0.0, 1.5, "no-music"), Event(1.5, 90_000.25, "music"), Event(90_000.25, 90_001.0, "no-music")]
LOUDNESS = [
    Event(0.0, 1.5, "no-music"),
    Event(1.5, 3_723.004, "fg-music"),
    Event(3_723.004, 90_000.25, "bg-music"),
    Event(90_000.25, 90_001.0, "no-music"),
]
FOUND = Detection("show.2024", 90_001.0, {"md": MUSIC, "mrle": LOUDNESS})
GAPS = Detection("gaps", 10.0, {"mrle": [Event(1.0, 4.0, "fg-music"), Event(5.0, 8.0, "bg-music")]})
OVERLAP = Detection("overlap", 10.0, {"mrle": [Event(1.0, 5.0, "fg-music"), Event(4.0, 8.0, "bg-music")]})
NAMES = ["show.2024", "news at 6", "Музыка 東京 é", 'quo"te, 100%', "a.md", "b.mrle", ".hidden", "tab\tname"]


def write_one(folder, detection, format, level="mrle"):
    (path,) = write_detection(folder, detection, format, [level])
    return path


def spans(events):
    return [(event.label, event.onset_s, event.offset_s) for event in events]


# Readers of other hands


def test_audacity_reads_start_end_and_label_between_tabs(tmp_path):
    path = write_one(tmp_path, FOUND, "audacity")
    assert path.name == "show.2024.txt"
    times = np.genfromtxt(path, delimiter="\t", usecols=(0, 1))
    labels = np.genfromtxt(path, delimiter="\t", usecols=2, dtype=str)
    np.testing.assert_array_equal(times, [event[:2] for event in LOUDNESS])
    assert labels.tolist() == [event.label for event in LOUDNESS]


def test_praat_tiers_tile_the_recording(tmp_path):
    (path,) = write_detection(tmp_path, FOUND, "textgrid", TASKS)
    grid = textgrid.TextGrid.fromFile(path)
    assert [tier.name for tier in grid.tiers] == ["md", "mrle"]
    assert (grid.minTime, grid.maxTime) == (0, 90_001)
    for tier, events in zip(grid.tiers, (MUSIC, LOUDNESS)):
        assert [(i.mark, float(i.minTime), float(i.maxTime)) for i in tier] == spans(events)


def test_praat_sees_gaps_as_empty_intervals(tmp_path):
    grid = textgrid.TextGrid.fromFile(write_one(tmp_path, GAPS, "textgrid"))
    assert [interval.mark for interval in grid.tiers[0]] == ["", "fg-music", "", "bg-music", ""]
    assert [float(interval.maxTime) for interval in grid.tiers[0]] == [1.0, 4.0, 5.0, 8.0, 10.0]


def test_praat_has_a_tier_for_each_label_where_events_overlap(tmp_path):
    path = write_one(tmp_path, OVERLAP, "textgrid")
    grid = textgrid.TextGrid.fromFile(path)
    assert [tier.name for tier in grid.tiers] == ["mrle fg-music", "mrle bg-music"]
    assert [[interval.mark for interval in tier] for tier in grid.tiers] == [
        ["", "fg-music", ""],
        ["", "bg-music", ""],
    ]
    assert read_detection(path) == OVERLAP


def test_praat_reads_quotation_marks_of_a_label(tmp_path):
    quoted = Detection("a", 1.0, {"md": [Event(0.0, 1.0, '7" single')]})
    grid = textgrid.TextGrid.fromFile(write_one(tmp_path, quoted, "textgrid", "md"))
    assert grid.tiers[0][0].mark == '7" single'


@pytest.mark.parametrize("name", [name for name in NAMES if name != ".hidden"])
def test_pyannote_reads_rttm_of_any_name(name, tmp_path):
    path = write_one(tmp_path, FOUND._replace(name=name), "rttm")
    ((uri, annotation),) = load_rttm(path).items()
    assert not set(uri) & set(' \t"')
    found = [(label, segment) for segment, _, label in annotation.itertracks(yield_label=True)]
    assert [label for label, _ in found] == [event.label for event in LOUDNESS]
    for (_, segment), event in zip(found, LOUDNESS):
        assert (segment.start, segment.end) == pytest.approx(event[:2], abs=1e-9)
    assert annotation.label_duration("fg-music") == pytest.approx(3_721.504)
    assert annotation.get_timeline().extent() == Segment(0.0, 90_001.0)


def test_webvtt_reads_cues_of_more_than_a_day(tmp_path):
    cues = webvtt.read(write_one(tmp_path, FOUND, "webvtt"))
    assert [(cue.text, cue.start, cue.end) for cue in cues] == [
        ("no-music", "00:00:00.000", "00:00:01.500"),
        ("fg-music", "00:00:01.500", "01:02:03.004"),
        ("bg-music", "01:02:03.004", "25:00:00.250"),
        ("no-music", "25:00:00.250", "25:00:01.000"),
    ]


def test_webvtt_cue_text_is_escaped(tmp_path):
    marked = Detection("a", 1.0, {"md": [Event(0.0, 1.0, "R&B <live> -->")]})
    (cue,) = webvtt.read(write_one(tmp_path, marked, "webvtt", "md"))
    assert cue.raw_text == "R&amp;B &lt;live&gt; --&gt;"


def test_srt_reads_subtitles_of_more_than_a_day(tmp_path):
    cues = list(srt.parse(write_one(tmp_path, FOUND, "srt").read_text()))
    assert [cue.index for cue in cues] == [1, 2, 3, 4]
    assert [(cue.content, cue.start.total_seconds(), cue.end.total_seconds()) for cue in cues] == spans(
        LOUDNESS
    )


def in_seconds(track):
    """Name, onset and offset of each clip of a track, and of nothing else."""
    clips = []
    for clip in track:
        begin = clip.source_range.start_time.to_seconds()
        clips.append((clip.name, begin, begin + clip.duration().to_seconds()))
    return clips


def test_opentimelineio_reads_the_cuts_in_whole_frames(tmp_path):
    path = write_one(tmp_path, FOUND, "edl")
    timeline = opentimelineio.adapters.read_from_file(str(path), rate=25)
    assert timeline.name == "show.2024"
    (track,) = timeline.tracks
    cuts = in_seconds(track)
    assert [name for name, _, _ in cuts] == [event.label for event in LOUDNESS]
    for (_, *times), event in zip(cuts, LOUDNESS):
        np.testing.assert_allclose(times, event[:2], atol=0.0201)
    for before, after in zip(cuts, cuts[1:]):
        assert after[1] == pytest.approx(before[2])


def test_opentimelineio_has_a_track_for_each_label_where_events_overlap(tmp_path):
    path = write_one(tmp_path, OVERLAP, "edl")
    timeline = opentimelineio.adapters.read_from_file(str(path), rate=25)
    assert [track.name for track in timeline.tracks] == ["A1", "A2"]
    assert [in_seconds(track) for track in timeline.tracks] == [
        [("fg-music", 1.0, 5.0)],
        [("bg-music", 4.0, 8.0)],
    ]


def test_an_edl_that_an_editor_changed_is_read_as_it_is_now(tmp_path):
    path = write_one(tmp_path, GAPS, "edl")
    assert "* HRIN TIMES: 1.000 4.000" in path.read_text()
    path.write_text(path.read_text().replace("00:00:04:00", "00:00:03:12"))
    assert spans(read_detection(path).events["mrle"]) == [("fg-music", 1.0, 3.48), ("bg-music", 5.0, 8.0)]


def test_an_event_shorter_than_a_frame_is_no_cut_but_is_read_back(tmp_path):
    short = Detection("a", 2.0, {"md": [Event(1.0, 1.015, "music"), Event(1.5, 2.0, "music")]})
    path = write_one(tmp_path, short, "edl", "md")
    timeline = opentimelineio.adapters.read_from_file(str(path), rate=25)
    assert in_seconds(timeline.tracks[0]) == [("music", 1.52, 2.0)]
    assert read_detection(path).events == short.events


@pytest.mark.filterwarnings("error")
def test_elan_has_a_tier_for_each_level_and_the_recording(tmp_path):
    found = FOUND._replace(path="/archive/news at 6.wav")
    (path,) = write_detection(tmp_path, found, "elan", TASKS)
    content = pympi.Eaf(str(path))
    assert list(content.get_tier_names()) == list(TASKS)
    for task in TASKS:
        values = content.get_annotation_data_for_tier(task)
        assert [(label, on / 1000, off / 1000) for on, off, label in values] == spans(found.events[task])
    (media,) = content.get_linked_files()
    assert media["MEDIA_URL"] == "file:///archive/news%20at%206.wav"
    content.to_file(str(tmp_path / "again.eaf"))
    assert read_detection(tmp_path / "again.eaf") == FOUND._replace(name="again")


def test_elan_has_a_tier_for_each_label_where_events_overlap(tmp_path):
    path = write_one(tmp_path, OVERLAP, "elan")
    assert list(pympi.Eaf(str(path)).get_tier_names()) == ["mrle fg-music", "mrle bg-music"]
    assert read_detection(path) == OVERLAP


#: What Label Studio's guide to importing pre-annotations asks of regions of audio.
TASK_SCHEMA = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["data", "predictions"],
        "properties": {
            "data": {"type": "object", "required": ["audio"], "properties": {"audio": {"type": "string"}}},
            "predictions": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "required": ["result"],
                    "properties": {
                        "model_version": {"type": "string"},
                        "result": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "required": ["id", "from_name", "to_name", "type", "value"],
                                "properties": {
                                    "id": {"type": "string"},
                                    "to_name": {"const": "audio"},
                                    "type": {"const": "labels"},
                                    "original_length": {"type": "number"},
                                    "value": {
                                        "type": "object",
                                        "required": ["start", "end", "labels"],
                                        "properties": {
                                            "start": {"type": "number", "minimum": 0},
                                            "end": {"type": "number", "exclusiveMinimum": 0},
                                            "channel": {"type": "integer"},
                                            "labels": {"type": "array", "items": {"type": "string"}},
                                        },
                                    },
                                },
                            },
                        },
                    },
                },
            },
        },
    },
}


def test_label_studio_gets_tasks_with_regions(tmp_path):
    (path,) = write_detection(tmp_path, FOUND._replace(path="/archive/a b.mp3"), "labelstudio", TASKS)
    content = json.loads(path.read_text())
    jsonschema.validate(content, TASK_SCHEMA)
    (task,) = content
    assert task["data"]["audio"] == "/data/local-files/?d=archive/a%20b.mp3"
    regions = task["predictions"][0]["result"]
    assert len({region["id"] for region in regions}) == len(regions) == 7
    for level, events in FOUND.events.items():
        values = [region["value"] for region in regions if region["from_name"] == level]
        assert [(value["labels"][0], value["start"], value["end"]) for value in values] == spans(events)


def test_what_a_person_annotated_in_label_studio_is_read(tmp_path):
    path = write_one(tmp_path, GAPS, "labelstudio")
    content = json.loads(path.read_text())
    content[0]["annotations"] = json.loads(json.dumps(content[0]["predictions"]))
    content[0]["annotations"][0]["result"][0]["value"]["end"] = 4.5
    path.write_text(json.dumps(content))
    assert spans(read_detection(path).events["mrle"]) == [("fg-music", 1.0, 4.5), ("bg-music", 5.0, 8.0)]


def test_jams_validates_with_an_annotation_for_each_level(tmp_path):
    (path,) = write_detection(tmp_path, FOUND, "jams", TASKS)
    content = jams.load(str(path), validate=True, strict=True)
    assert (content.file_metadata.title, content.file_metadata.duration) == ("show.2024", 90_001.0)
    for annotation, task in zip(content.search(namespace="segment_open"), TASKS):
        assert (annotation.sandbox.task, annotation.duration) == (task, 90_001.0)
        intervals, labels = annotation.to_interval_values()
        np.testing.assert_allclose(intervals, [event[:2] for event in FOUND.events[task]], atol=1e-9)
        assert labels == [event.label for event in FOUND.events[task]]


def test_csv_holds_both_levels_by_task(tmp_path):
    (path,) = write_detection(tmp_path, FOUND, "csv", TASKS)
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["task"] for row in rows] == ["md"] * 3 + ["mrle"] * 4
    assert rows[4] == {
        "name": "show.2024",
        "task": "mrle",
        "onset": "1.500",
        "offset": "3723.004",
        "duration": "3721.504",
        "label": "fg-music",
        "confidence": "",
    }
    table = pandas.read_csv(path)
    assert table[table.task == "mrle"].duration.sum() == pytest.approx(90_001.0)


def refuse_constant(name):
    raise ValueError(f"{name} is not JSON")


def test_json_is_strict_and_tells_totals():
    (text,) = render(FOUND, "json", TASKS).values()
    content = json.loads(text, parse_constant=refuse_constant)
    assert (content["name"], content["duration"]) == ("show.2024", 90_001.0)
    assert content["levels"]["mrle"]["totals"]["fg-music"] == {
        "seconds": 3_721.504,
        "share": round(3_721.504 / 90_001, 6),
        "segments": 1,
    }
    assert content["levels"]["md"]["totals"]["no-music"]["segments"] == 2
    assert content["levels"]["md"]["events"][1] == {"onset": 1.5, "offset": 90_000.25, "label": "music"}


def test_json_of_a_recording_without_length_is_strict():
    (text,) = render(Detection("a", 0.0, {"md": []}), "json", ["md"]).values()
    content = json.loads(text, parse_constant=refuse_constant)
    assert content["levels"]["md"]["totals"]["music"] == {"seconds": 0.0, "share": 0.0, "segments": 0}


def test_tsv_is_an_annotation_of_openbmat(tmp_path):
    path = write_one(tmp_path, FOUND, "tsv")
    assert read_tsv(path, 90_001.0, LABELS["mrle"]) == LOUDNESS


# There and back


@st.composite
def detections(draw):
    """Detections with gaps or without, on any grid of samples, of seconds to more than a day."""
    events = {}
    for task in TASKS:
        samples = draw(st.lists(st.integers(0, 100_000 * 8_000), unique=True, max_size=8).map(sorted))
        labels = draw(st.lists(st.sampled_from((None, *LABELS[task])), min_size=8, max_size=8))
        edges = [sample / 8_000 for sample in samples]
        events[task] = [
            Event(onset_s, offset_s, label)
            for label, onset_s, offset_s in zip(labels, edges, edges[1:])
            if label
        ]
    last_s = max([event.offset_s for task in TASKS for event in events[task]], default=0.0)
    return Detection(draw(st.sampled_from(NAMES)), last_s + draw(st.sampled_from((0.0, 0.3, 100.0))), events)


@pytest.mark.parametrize("format", FORMATS)
@given(detection=detections())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_is_read_back_to_the_millisecond(format, tmp_path, detection):
    paths = write_detection(tmp_path, detection, format, TASKS)
    assert paths == output_paths(tmp_path, detection.name, format, TASKS)
    read = [read_detection(path) for path in paths]
    assert {found.name for found in read} == {detection.name}
    events = {task: events for found in read for task, events in found.events.items()}
    for task in TASKS:
        # Only an event of a millisecond or less can vanish.
        kept = [event for event in detection.events[task] if event.offset_s - event.onset_s > 0.001]
        back = [event for event in events.get(task, []) if event.offset_s - event.onset_s > 0.0015]
        assert {event.label for event in back} <= {event.label for event in kept}
        for event in kept:
            near = [
                found
                for found in events[task]
                if found.label == event.label and abs(found.onset_s - event.onset_s) <= 0.0005001
            ]
            assert any(abs(found.offset_s - event.offset_s) <= 0.0005001 for found in near)
    if format in ("json", "jams", "textgrid", "elan", "labelstudio"):
        assert abs(read[0].duration_s - detection.duration_s) <= 0.0005001


@pytest.mark.parametrize("format", FORMATS)
@given(lengths=st.lists(st.integers(49, 48_000 * 7_200), min_size=1, max_size=12))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_neighbours_still_touch(format, tmp_path, lengths):
    times = [0.0] + [int(sample) / 48_000 for sample in np.cumsum(lengths)]
    labels = ["fg-music", "no-music", "bg-music"] * len(lengths)
    events = [Event(*event) for event in zip(times, times[1:], labels)]
    back = read_detection(write_one(tmp_path, Detection("a", times[-1], {"mrle": events}), format))
    assert [event.label for event in back.events["mrle"]] == labels[: len(lengths)]
    for before, after in zip(back.events["mrle"], back.events["mrle"][1:]):
        assert before.offset_s == after.onset_s


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("level", TASKS)
def test_every_name_survives_in_a_file_of_one_level(format, name, level, tmp_path):
    path = write_one(tmp_path, FOUND._replace(name=name), format, level)
    assert path.name.startswith(name)
    found = read_detection(path)
    assert found.name == name
    assert found.events == {level: FOUND.events[level]}


def test_files_of_single_levels_are_called_after_them(tmp_path):
    names = {
        format: [path.name for path in write_detection(tmp_path / format, FOUND, format, TASKS)]
        for format in FORMATS
    }
    assert names == {
        "tsv": ["show.2024.md.tsv", "show.2024.mrle.tsv"],
        "csv": ["show.2024.csv"],
        "json": ["show.2024.json"],
        "audacity": ["show.2024.md.txt", "show.2024.mrle.txt"],
        "textgrid": ["show.2024.TextGrid"],
        "rttm": ["show.2024.md.rttm", "show.2024.mrle.rttm"],
        "webvtt": ["show.2024.md.vtt", "show.2024.mrle.vtt"],
        "jams": ["show.2024.jams"],
        "srt": ["show.2024.md.srt", "show.2024.mrle.srt"],
        "edl": ["show.2024.md.edl", "show.2024.mrle.edl"],
        "elan": ["show.2024.eaf"],
        "labelstudio": ["show.2024.labelstudio.json"],
    }
    assert all(
        sorted(p.name for p in (tmp_path / format).iterdir()) == sorted(names[format]) for format in names
    )


def test_a_recording_without_music_is_so_on_both_levels(tmp_path):
    silent = Detection("a", 60.0, {"mrle": [Event(0.0, 60.0, "no-music")]})
    events = read_detection(write_one(tmp_path, silent, "tsv")).events
    assert events == {"md": silent.events["mrle"], "mrle": silent.events["mrle"]}


@pytest.mark.parametrize("format", FORMATS)
def test_a_recording_without_events_is_read_back(format, tmp_path):
    (path,) = write_detection(tmp_path, Detection("a", 60.0, {"mrle": []}), format)
    found = read_detection(path)
    assert (found.name, found.events["mrle"]) == ("a", [])


def test_bytes_of_a_name_that_are_no_text_are_replaced_inside_the_file(tmp_path):
    path = write_one(tmp_path, GAPS._replace(name="caf\udce9"), "json")
    assert read_detection(path).name == "caf\ufffd"


@pytest.mark.parametrize(
    "sign", ["=", "+", "-", "@", "\t", "\r", "\n", "'=", "''-", "\N{FULLWIDTH EQUALS SIGN}"]
)
def test_csv_holds_no_formula_and_gives_the_name_back(sign, tmp_path):
    found = GAPS._replace(name=f"{sign}1+1|cmd")
    (path,) = write_detection(tmp_path, found, "csv")
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["name"] for row in rows} == {f"'{found.name}"}
    assert pandas.read_csv(path).onset.tolist() == [1.0, 5.0]
    assert read_detection(path) == found._replace(duration_s=8.0)


def test_csv_holds_no_formula_in_labels(tmp_path):
    taxonomy = Taxonomy(
        [["-", "=music"], ["-", "@loud", "'soft"]], [{"-": "-", "@loud": "=music", "'soft": "=music"}]
    )
    events = [Event(0.0, 1.0, "-"), Event(1.0, 2.0, "@loud"), Event(2.0, 3.0, "'soft")]
    found = Detection("a", 3.0, {"mrle": events}, taxonomy=taxonomy)
    (path,) = write_detection(tmp_path, found, "csv")
    assert [line.split(",")[-2] for line in path.read_text().splitlines()[1:]] == [
        "'-",
        "'@loud",
        "'soft",
    ]
    assert read_detection(path, taxonomy) == found


# Files that others have edited


def test_foreign_rttm_lines_are_passed_over(tmp_path):
    lines = [";; a comment", "SPKR-INFO a 1 <NA> <NA> <NA> unknown music <NA> <NA>", ""]
    lines += ["SPEAKER a 1 0.5 1.25 <NA> <NA> music <NA> <NA>"]
    (tmp_path / "a.rttm").write_text("\n".join(lines))
    assert read_detection(tmp_path / "a.rttm").events == {"md": [Event(0.5, 1.75, "music")]}


def test_labels_that_audacity_saved_again_are_read(tmp_path):
    text = "\ufeff1.500000\t2.000000\tmusic\r\n\\\t100.000000\t200.000000\r\n0.000000\t1.500000\tno-music\r\n"
    (tmp_path / "a.txt").write_bytes(text.encode())
    found = read_detection(tmp_path / "a.txt")
    assert found.events == {"md": [Event(0.0, 1.5, "no-music"), Event(1.5, 2.0, "music")]}


def test_a_textgrid_with_tiers_of_others_is_read(tmp_path):
    path = write_one(tmp_path, GAPS, "textgrid")
    grid = textgrid.TextGrid.fromFile(path)
    words = textgrid.IntervalTier("words", 0, 10)
    words.add(0, 5, "hello")
    grid.append(words)
    grid.write(path)
    assert read_detection(path)._replace(name="gaps") == GAPS


def test_jams_that_the_library_saved_again_is_read(tmp_path):
    path = write_one(tmp_path, GAPS, "jams")
    content = jams.load(str(path))
    content.annotations.append(jams.Annotation("beat", data=[{"time": 1, "duration": 0, "value": 1}]))
    content.save(str(path))
    assert read_detection(path) == GAPS


def test_webvtt_without_hours_and_with_settings_is_read(tmp_path):
    (tmp_path / "a.vtt").write_text("WEBVTT - x\n\nNOTE b\n\n1\n00:01.000 --> 00:02.500 align:start\nmusic\n")
    assert read_detection(tmp_path / "a.vtt").events == {"md": [Event(1.0, 2.5, "music")]}


# Refusals

HEADER = "name,task,onset,offset,label\n"
EAF = """<A><TIME_ORDER><TIME_SLOT TIME_SLOT_ID="1" TIME_VALUE="0"/>
<TIME_SLOT TIME_SLOT_ID="2" TIME_VALUE="1000"/></TIME_ORDER><TIER TIER_ID="md"><ANNOTATION>
<ALIGNABLE_ANNOTATION TIME_SLOT_REF1="1" TIME_SLOT_REF2="2"><ANNOTATION_VALUE>music</ANNOTATION_VALUE>
</ALIGNABLE_ANNOTATION></ANNOTATION></TIER></A>"""
VALID = {
    "format": "hrin detection",
    "version": 1,
    "name": "a",
    "duration": 9.0,
    "levels": {"md": {"events": [{"onset": 0.0, "offset": 9.0, "label": "music"}]}},
}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.tsv", "0\t1\tmusic\n1\tx\tmusic\n", "a.tsv, line 2: '1.tx.tmusic' is not onset"),
        ("a.tsv", "0\t1\tmusic\n2\t1\tmusic\n", "a.tsv, line 2: offset 1.0 is not after onset 2.0"),
        ("a.tsv", "0\t1\tjazz\n", "a.tsv, line 1: unknown label 'jazz'; use one of bg-music, fg-music, "),
        ("a.tsv", "0\t1\tmusic\n1\t2\tfg-music\n", "a.tsv: labels of both levels are mixed; give each"),
        ("a.tsv", "music\n", "a.tsv, line 1: 'music' without times covers a recording of unknown length"),
        ("a.tsv", "0\tnan\tmusic\n", "a.tsv, line 1: a time is not a finite number"),
        (
            "a.md.tsv",
            "0\t1\tfg-music\n",
            "a.md.tsv, line 1: unknown label 'fg-music'; use one of music, no-music",
        ),
        ("a.txt", "0\t1\tmusic\n\n-1\t1\tmusic\n", "a.txt, line 3: onset -1.0 is negative"),
        ("a.txt", "read me\n", "a.txt, line 1: 'read me' is not start, end and label between tabs"),
        ("a.csv", "x,y\n1,2\n", "a.csv, line 1: its first line, 'x,y', names no column for onset, label"),
        ("a.csv", HEADER + "a,md,0,1\n", "a.csv, line 2: holds fewer columns"),
        ("a.csv", HEADER + "a,md,0,1,music\nb,md,0,1,music\n", "a.csv: holds two: a, b; give each"),
        ("a.csv", HEADER + "a,jazz,0,1,music\n", "a.csv, line 2: unknown task 'jazz'; use one of md, mrle"),
        ("a.csv", HEADER + "a,md,0,1:30,music\n", "a.csv, line 2: '1:30' is not a time in seconds"),
        ("a.csv", HEADER + "x" * 200_000 + "\n", "a.csv, line 1: is not CSV .field larger"),
        ("a.json", "{\n", "a.json, line 2: is not JSON"),
        ("a.json", "[" * 100_000, "a.json: is JSON nested too deep"),
        ("a.json", "[1]", "a.json: is no result of music detection"),
        ("a.json", json.dumps(VALID | {"version": 2}), "a.json: has version 2, and only 1 is known; update"),
        ("a.json", json.dumps(VALID | {"levels": 3}), "a.json: has no 'levels' where it must have one"),
        ("a.json", json.dumps(VALID | {"duration": 8.0}), "a.json: offset 9.0 is after the end .* 8.000"),
        ("a.json", json.dumps(VALID | {"duration": float("nan")}), "a.json: the recording's length, nan"),
        ("a.json", json.dumps(VALID | {"levels": {"md": {"events": ["x"]}}}), "a.json: has no 'onset'"),
        ("a.jams", "{}", "a.jams: has no 'file_metadata' where it must have one"),
        ("a.TextGrid", "0\n", "a.TextGrid: has no tier called md or mrle in the long text form"),
        ("a.rttm", "SPEAKER a 1 0.5\n", "a.rttm, line 1: 'SPEAKER a 1 0.5' holds fewer than 8 fields"),
        ("a.rttm", "SPEAKER a 1 0 0 - - music - -\n", "a.rttm, line 1: offset 0.0 is not after onset 0.0"),
        ("a.vtt", "0\t1\tmusic\n", "a.vtt, line 1: does not begin with WEBVTT"),
        ("a.vtt", "WEBVTT\n\n0:00 --> 0:01\nmusic\n", "a.vtt, line 3: '0:00 --> 0:01' is not two times"),
        ("a.vtt", "WEBVTT\n\n00:00.000 --> 00:01.000", "a.vtt, line 3: unknown label ''"),
        ("a.srt", "0\t1\tmusic\n", "a.srt, line 1: '0.t1.tmusic' begins no subtitle"),
        (
            "a.srt",
            "1\n0:00 --> 0:01\nmusic\n",
            "a.srt, line 2: '0:00 --> 0:01' is not two times, hh:mm:ss,mmm",
        ),
        ("a.edl", "001 AX A C 0 1\n", "a.edl, line 1: '001 AX A C 0 1' is not a cut with four times"),
        ("a.eaf", "<a>", "a.eaf, line 1: is not XML"),
        ("a.eaf", "<a/>", "a.eaf: has no tier called md or mrle; name the tiers so"),
        ("a.eaf", EAF.replace("1000", "x"), "a.eaf: 'x' is not a time in seconds"),
        ("a.eaf", EAF.replace('TIME_VALUE="1000"', ""), "a.eaf: None is not a time in seconds"),
        ("a.labelstudio.json", "[]", "a.labelstudio.json: holds 0 tasks; give each recording a file"),
        ("a.labelstudio.json", '[{"data": {}}]', "json: has neither annotations nor predictions"),
        ("a.labelstudio.json", '[{"data": {}, "predictions": [1]}]', "json: has no 'result' where"),
        ("a.labelstudio.json", '[{"data": {}, "predictions": 1}]', "json: has no 'predictions' where"),
        ("a.mp3", "", "a.mp3: is not in a known format; use one of .tsv, .txt, .csv, .edl, .eaf, .jams, "),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(name, text, message, tmp_path):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(AnnotationError, match=message):
        read_detection(path)


def test_every_fault_of_a_file_is_listed(tmp_path):
    (tmp_path / "a.md.tsv").write_text("0\t1\tjazz\n2\t1\tmusic\n")
    with pytest.raises(AnnotationError) as caught:
        read_detection(tmp_path / "a.md.tsv")
    assert [fault.line for fault in caught.value.faults] == [1, 2]


@pytest.mark.parametrize("format", FORMATS)
def test_files_that_cannot_be_read_are_refused_by_name(format, tmp_path):
    path = tmp_path / f"a{FORMATS[format].suffix}"
    with pytest.raises(AnnotationError, match="cannot be read .No such file"):
        read_detection(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(AnnotationError, match="is not UTF-8 text; save it as UTF-8"):
        read_detection(path)


@pytest.mark.parametrize(
    ("format", "levels", "message"),
    [
        ("mp3", ["md"], "unknown format 'mp3'; use one of tsv, audacity, csv, edl"),
        ("tsv", [], r"levels \[\] are not some of md, mrle"),
        ("tsv", ["md", "md"], "are not some of md, mrle"),
        ("json", ["loud"], r"levels \['loud'\] are not some of md, mrle"),
        ("json", ["md", "mrle"], "gaps: level 'md' was not detected"),
    ],
)
def test_what_cannot_be_written_is_refused(format, levels, message):
    with pytest.raises(ValueError, match=message):
        render(GAPS, format, levels)


@pytest.mark.parametrize("label", ["", " ", "two\nlines", "tab\tbed"])
def test_a_label_that_would_break_the_lines_is_refused(label):
    with pytest.raises(ValueError, match="label .* cannot be written; rename it"):
        render(Detection("a", 1.0, {"md": [Event(0.0, 1.0, label)]}), "tsv", ["md"])


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a", "/a"])
def test_a_name_that_leaves_the_folder_is_refused(name, tmp_path):
    with pytest.raises(ValueError, match="is not the name of a recording"):
        write_detection(tmp_path, GAPS._replace(name=name), "tsv")
    assert not list(tmp_path.iterdir())


def test_csv_survives_any_dialect_of_line_ends():
    (text,) = render(GAPS, "csv").values()
    assert "\r" not in text
    assert len(list(csv.reader(io.StringIO(text)))) == 3
