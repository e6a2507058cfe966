"""What is accepted, repaired and refused of annotations: one test a row of docs/annotations.md."""

import json
import os
import re
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import soundfile

from hrin_plugin.archive.references import tile_levels
from hrin_plugin.cli import main
from hrin_plugin.decoding.methods import Decoding, read_decoding, write_decoding
from hrin_plugin.detection import Detection
from hrin_plugin.events import AnnotationError, Event, check_events, write_tsv
from hrin_plugin.formats import write_detection
from hrin_plugin.metrics.scores import sed_eval_scores
from hrin_plugin.pretrained.folder import save_pretrained
from hrin_plugin.taxonomy import MUSIC_LOUDNESS

TABLE = Path(__file__).parents[1] / "docs/annotations.md"
TRUTH = "0\t20\tno-music\n20\t40\tfg-music\n40\t60\tno-music\n"
ONLY_MUSIC = "20\t40\tfg-music\n"
FOUND = [Event(0.0, 20.0, "no-music"), Event(20.0, 40.0, "fg-music"), Event(40.0, 60.0, "no-music")]
FOUND_TIMES = [(0, 20, "no-music"), (20, 40, "fg-music"), (40, 60, "no-music")]
CUES = "WEBVTT\n" + "".join(
    f"\n00:00:{a:02d}.000 --> 00:{b // 60:02d}:{b % 60:02d}.000\n{label}\n" for a, b, label in FOUND_TIMES
)
RTTM = "".join(f"SPEAKER a 1 {a} {b - a} <NA> <NA> {label} <NA> <NA>\n" for a, b, label in FOUND_TIMES)
GRID = 'File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0\nxmax = 60\nitem []:\n    item [1]:\n'
GRID += '        class = "IntervalTier"\n        name = "mrle"\n        xmin = 0\n        xmax = 60\n'
GRID += "".join(f'xmin = {a}\nxmax = {b}\ntext = "{label}"\n' for a, b, label in FOUND_TIMES)


def jams(*annotators, namespace="segment_open"):
    """A JAMS file with the events of some annotators."""
    annotations = [
        {
            "namespace": namespace,
            "data": [{"time": a, "duration": b - a, "value": label} for a, b, label in events],
        }
        for events in annotators
    ]
    return json.dumps({"file_metadata": {"duration": 60.0}, "annotations": annotations})


OURS = {
    "format": "hrin detection",
    "version": 1,
    "name": "a",
    "duration": 60.0,
    "levels": {"mrle": {"events": [{"onset": a, "offset": b, "label": c} for a, b, c in FOUND_TIMES]}},
}
OTHER = [(0, 60, "no-music")]

#: For each row of the table: name of the file, content, further options, and the F-measure of fg-music, or
#: what the error says.
ROWS = {
    "every second has one label": ("a.tsv", TRUTH, [], 1.0),
    "ends or gaps off by 0.05 s at most": ("a.tsv", "0.03" + TRUTH[1:].replace("\t60", "\t59.96"), [], 1.0),
    "time without a label": (
        "a.tsv",
        ONLY_MUSIC,
        [],
        "nothing is annotated from 0.0 to 20.0; label that time too, or say what unlabelled time is",
    ),
    "time without a label, `--unlabelled no-music`": ("a.tsv", ONLY_MUSIC, ["--unlabelled", "no-music"], 1.0),
    "ends before the result": (
        "a.tsv",
        TRUTH.replace("40\t60", "40\t50"),
        [],
        "nothing is annotated from 50.0 to the end of the recording, 60.000",
    ),
    "goes on behind `--duration`": (
        "a.tsv",
        TRUTH,
        ["--duration", "50"],
        "offset 60.0 is after the end of the",
    ),
    "two labels at once": ("a.tsv", TRUTH.replace("20\t40", "15\t40"), [], "onset 15.0 is before 20.0"),
    "one label twice at once": ("a.tsv", TRUTH + "50\t60\tno-music\n", [], 1.0),
    "lines in another order": ("a.tsv", "".join(reversed(TRUTH.splitlines(True))), [], 1.0),
    "offset before onset": ("a.tsv", TRUTH.replace("20\t40", "40\t20"), [], "offset 20.0 is not after onset"),
    "negative or no number": ("a.tsv", TRUTH.replace("0\t20", "-1\t20", 1), [], "onset -1.0 is negative"),
    "times in another unit": (
        "a.tsv",
        "0\t3600000000000\tno-music\n",
        [],
        "a time is 3.6e+12 s, more than three years; give seconds",
    ),
    "unknown label": (
        "a.tsv",
        TRUTH.replace("fg-music", "jazz"),
        [],
        "unknown label 'jazz'; use one of bg-music",
    ),
    "no event": ("a.tsv", "", [], "a: holds no event; annotate the recording or leave it out"),
    "one label without times, no recording": (
        "a.tsv",
        "fg-music",
        [],
        "covers a recording of unknown length",
    ),
    "UTF-8 with a mark, Windows line ends": (
        "a.tsv",
        b"\xef\xbb\xbf" + TRUTH.replace("\n", "\r\n").encode(),
        [],
        1.0,
    ),
    "UTF-16 with a mark": ("a.tsv", TRUTH.encode("utf-16"), [], 1.0),
    "UTF-16 without a mark": ("a.tsv", TRUTH.encode("utf-16-le"), [], "is not UTF-8 text; save it as UTF-8"),
    "another encoding": ("a.tsv", TRUTH.replace("fg", "f\xe4").encode("latin-1"), [], "is not UTF-8 text"),
    "decimal commas between tabs": (
        "a.tsv",
        TRUTH.replace("20\tno", "20,0\tno"),
        [],
        "write three columns, times in seconds as in 0.5",
    ),
    "TSV: a line of names": (
        "a.tsv",
        "onset\toffset\tlabel\n" + TRUTH,
        [],
        "line 1: 'onset\\toffset\\tlabel' is not onset, offset and label between tabs; delete this line of",
    ),
    "suffix in capitals": ("a.TSV", TRUTH, [], 1.0),
    "a pipe": ("a.tsv", None, [], "a.tsv: cannot be read (it is not a file); check the file"),
    "a line of 2 MB": ("a.tsv", "0\t" + "x" * 2_000_000, [], "is not onset, offset and label between tabs"),
    "Audacity: labels": ("a.txt", TRUTH, [], 1.0),
    "Audacity: labels with frequencies": ("a.txt", TRUTH.replace("\n", "\n\\\t100\t200\n"), [], 1.0),
    "Audacity: a point": (
        "a.txt",
        TRUTH.replace("20\t40", "20\t20"),
        [],
        "offset 20.0 is not after onset 20.0",
    ),
    "Audacity: decimal commas": (
        "a.txt",
        TRUTH.replace("20\tno", "20,0\tno"),
        [],
        "'20,0' is not a time in seconds; write it with a decimal point",
    ),
    "CSV: columns in any order": (
        "a.csv",
        "Label,End,Start\nno-music,20,0\nfg-music,40,20\nno-music,60,40\n",
        [],
        1.0,
    ),
    "CSV: semicolons and decimal commas": (
        "a.csv",
        "onset;duration;label\n0;20,0;no-music\n20,0;20;fg-music\n40;20;no-music\n",
        [],
        1.0,
    ),
    "CSV: no line of names": (
        "a.csv",
        TRUTH.replace("\t", ","),
        [],
        "names no column for onset, label, offset; begin it with a line such as onset,offset,label",
    ),
    "CSV: two columns of one meaning": (
        "a.csv",
        "onset,start,offset,label\n0,0,60,no-music\n",
        [],
        "has two columns for the onset",
    ),
    "CSV: two recordings": (
        "a.csv",
        "name,onset,offset,label\na,0,60,no-music\nb,0,60,no-music\n",
        [],
        "holds two: a, b",
    ),
    "TextGrid: the long form": ("a.TextGrid", GRID, [], 1.0),
    "TextGrid: in UTF-16, as Praat saves accents": (
        "a.TextGrid",
        GRID.encode("utf-16-be").join([b"\xfe\xff", b""]),
        [],
        1.0,
    ),
    "TextGrid: the short form, or other tiers": (
        "a.TextGrid",
        GRID.replace("mrle", "words"),
        [],
        "has no tier called md or mrle in the long text form",
    ),
    "JAMS: open segments": ("a.jams", jams(FOUND_TIMES), [], 1.0),
    "JAMS: annotators who agree": ("a.jams", jams(FOUND_TIMES, FOUND_TIMES), [], 1.0),
    "JAMS: annotators who contradict each other": (
        "a.jams",
        jams(FOUND_TIMES, OTHER),
        [],
        "onset 20.0 is before 60.0",
    ),
    "JAMS: other namespaces alone": (
        "a.jams",
        jams(FOUND_TIMES, namespace="chord"),
        [],
        "has annotations of 'chord' only; convert them to segment_open",
    ),
    "RTTM: SPEAKER lines": ("a.rttm", RTTM, [], 1.0),
    "RTTM: no SPEAKER line": (
        "a.rttm",
        RTTM.replace("SPEAKER", "LEXEME"),
        [],
        "has no line that begins with SPEAKER",
    ),
    "WebVTT: cues": ("a.vtt", CUES, [], 1.0),
    "WebVTT: decimal commas, as in SRT": (
        "a.vtt",
        CUES.replace(".000", ",000"),
        [],
        "is not two times, hh:mm:ss.mmm",
    ),
    "WebVTT: an hour of thousands of digits": (
        "a.vtt",
        CUES.replace("00:01:00", "9" * 5000 + ":01:00"),
        [],
        "is not two times, hh:mm:ss.mmm",
    ),
    "JSON: a result of `hrin detect`": ("a.json", json.dumps(OURS), [], 1.0),
    "JSON: a number of thousands of digits": (
        "a.json",
        json.dumps(OURS).replace("40", "9" * 5000),
        [],
        "holds a number of thousands of digits",
    ),
    "JSON: of another program": ("a.json", "[]", [], "is no result of music detection"),
}


def table_rows():
    """The kinds of the table, each with what is done."""
    lines = re.findall(
        r"^\| (.+?) \| (accept|repair|refuse) \|", TABLE.read_text(encoding="utf-8"), re.MULTILINE
    )
    return dict(lines)


def write(folder, name, content):
    """A file of an annotation; None makes a pipe."""
    folder.mkdir(exist_ok=True)
    if content is None:
        os.mkfifo(folder / name)
    else:
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def evaluate(*arguments):
    return main(["evaluate", *map(str, arguments)])


@pytest.mark.parametrize("kind", ROWS)
def test_each_kind_of_annotation_is_taken_as_the_table_says(kind, tmp_path, capsys):
    name, content, options, outcome = ROWS[kind]
    write(tmp_path / "ref", name, content)
    write_detection(tmp_path / "est", Detection("a", 60.0, {"mrle": FOUND}), "tsv")
    status = evaluate(tmp_path / "ref", tmp_path / "est", *options, "--json", tmp_path / "scores.json")
    error = capsys.readouterr().err
    if isinstance(outcome, str):
        assert table_rows()[kind] == "refuse"
        assert status in (1, 2) and outcome in error and "detect again" not in error
        assert max(map(len, error.splitlines())) < 1000
        return
    assert table_rows()[kind] in ("accept", "repair") and status == 0, error
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["mrle"]["segment"]["classes"]["fg-music"]["f_measure"] == outcome
    assert scores["mrle"] == sed_eval_scores([FOUND], [FOUND], [60.0], MUSIC_LOUDNESS.levels[1])


def test_every_row_of_the_table_has_its_test():
    beside = {row for row in table_rows() if row.startswith("Recording:") or row.startswith("Names:")}
    assert table_rows().keys() - beside == ROWS.keys()


FALSE_ALARM = [
    *FOUND[:2],
    Event(40.0, 100.0, "no-music"),
    Event(100.0, 160.0, "fg-music"),
    Event(160.0, 200.0, "no-music"),
]


def test_a_false_alarm_behind_the_last_annotation_counts(tmp_path, capsys):
    write(tmp_path / "ref", "a.tsv", ONLY_MUSIC)
    write_detection(tmp_path / "est", Detection("a", 200.0, {"mrle": FALSE_ALARM}), "tsv")
    assert evaluate(tmp_path / "ref", tmp_path / "est") == 2
    assert "nothing is annotated from 40.0 to the end of the recording, 200.000" in capsys.readouterr().err
    options = ["--unlabelled", "no-music", "--json", tmp_path / "scores.json"]
    assert evaluate(tmp_path / "ref", tmp_path / "est", *options) == 0
    scores = json.loads((tmp_path / "scores.json").read_text())
    truth = [Event(0.0, 20.0, "no-music"), FOUND[1], Event(40.0, 200.0, "no-music")]
    expected = sed_eval_scores([truth], [FALSE_ALARM], [200.0], MUSIC_LOUDNESS.levels[1])
    assert scores["mrle"] == expected
    assert scores["mrle"]["segment"]["classes"]["fg-music"]["f_measure"] == pytest.approx(0.4)


def test_the_scored_length_can_be_given(tmp_path, capsys):
    write(tmp_path / "ref", "a.tsv", ONLY_MUSIC)
    write_detection(tmp_path / "est", Detection("a", 200.0, {"mrle": FALSE_ALARM}), "tsv")
    options = ["--unlabelled", "no-music", "--duration", "80", "--json", tmp_path / "scores.json"]
    assert evaluate(tmp_path / "ref", tmp_path / "est", *options) == 0
    assert "a: the result ends at 200.000 s; 80.000 s are scored" in capsys.readouterr().err
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["mrle"]["segment"]["classes"]["fg-music"]["Nref"] == 2000
    assert sum(scores["mrle"]["segment"]["classes"]["no-music"][n] for n in ("Nref", "Nfp", "Ntn")) >= 8000


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--duration", "nan", "--duration is nan; give seconds, more than 0"),
        ("--duration", "0", "--duration is 0.0; give seconds"),
        ("--duration", "1e308", "--duration is 1e+308; give seconds"),
        ("--unlabelled", "jazz", "unlabelled time cannot be 'jazz'; use one of no-music, fg-music, bg-music"),
    ],
)
def test_odd_options_are_refused(tmp_path, capsys, option, value, message):
    write(tmp_path / "ref", "a.tsv", TRUTH)
    assert evaluate(tmp_path / "ref", tmp_path / "ref", option, value) == 2
    assert message in capsys.readouterr().err


# Recordings beside the annotations, and names


@pytest.fixture
def recorded(tmp_path):
    """A folder with a recording of 60 s, and one with what was found in it."""
    (tmp_path / "ref").mkdir()
    soundfile.write(tmp_path / "ref/a.wav", np.zeros(60 * 8000), 8000)
    write_detection(tmp_path / "est", Detection("a", 60.0, {"mrle": FOUND}), "tsv")
    return tmp_path / "ref", tmp_path / "est"


@pytest.mark.parametrize("name", ["a.tsv", "a.TSV", "a.json", "a.csv"])
def test_a_recording_tells_the_length_whatever_the_format(recorded, capsys, name):
    contents = {
        ".json": json.dumps(
            OURS
            | {
                "duration": 40.0,
                "levels": {"mrle": {"events": [{"onset": 20.0, "offset": 40.0, "label": "fg-music"}]}},
            }
        ),
        ".csv": "onset,offset,label\n20,40,fg-music\n",
    }
    write(recorded[0], name, contents.get(Path(name).suffix.lower(), ONLY_MUSIC))
    assert evaluate(*recorded) == 2
    assert "nothing is annotated from 40.0 to the end of the recording, 60.000" in capsys.readouterr().err
    assert evaluate(*recorded, "--unlabelled", "no-music") == 0
    assert evaluate(*recorded, "--unlabelled", "no-music", "--duration", 60) == 2
    assert "holds recordings, which tell their length; leave it out" in capsys.readouterr().err


@pytest.mark.parametrize("second", ["a.mp3", "a.TSV"])
def test_two_files_of_one_name_are_refused(recorded, capsys, second):
    write(recorded[0], "a.tsv", TRUTH)
    write(recorded[0], second, TRUTH)
    assert evaluate(*recorded) == 2
    assert "have one name; keep one of them" in capsys.readouterr().err


NAME = "caf\N{LATIN SMALL LETTER E WITH ACUTE}"


@pytest.mark.parametrize("beside", [False, True])
def test_names_pair_up_however_accents_are_written(tmp_path, beside):
    composed, decomposed = (unicodedata.normalize(form, NAME) for form in ("NFC", "NFD"))
    write(tmp_path / "ref", f"{decomposed}.tsv", TRUTH)
    if beside:
        soundfile.write(tmp_path / "ref" / f"{composed}.wav", np.zeros(60 * 8000), 8000)
    write(tmp_path / "est", f"{composed}.TSV", TRUTH)
    assert evaluate(tmp_path / "ref", tmp_path / "est") == 0


def test_two_names_that_differ_in_accents_only_are_refused(tmp_path, capsys):
    for form in ("NFC", "NFD"):
        write(tmp_path / "ref", f"{unicodedata.normalize(form, NAME)}.tsv", TRUTH)
    assert evaluate(tmp_path / "ref", tmp_path / "ref") == 1
    assert f"two annotations of {NAME}, whose names differ" in capsys.readouterr().err


def test_tune_says_which_class_never_occurs(recorded, make_model, tmp_path, capsys):
    save_pretrained(tmp_path / "model", make_model(hidden_size=4, num_layers=1))
    write_decoding(tmp_path / "model/decoding.json", Decoding("argmax", silence_gate_db=None))
    write_tsv(recorded[0] / "a.tsv", FOUND)
    options = [
        "--model",
        str(tmp_path / "model"),
        "--decode",
        "argmax",
        "--backend",
        "torch",
        "--device",
        "cpu",
    ]
    assert main(["tune", str(recorded[0]), "--output", str(tmp_path / "tuned.json"), *options]) == 0
    error = capsys.readouterr().err
    assert f"{recorded[0]}: bg-music never occurs; what is tuned for it is a guess" in error
    assert "fg-music never" not in error
    # What the recordings were heard with is not searched.
    assert read_decoding(tmp_path / "tuned.json").silence_gate_db is None


# The checks by themselves


def test_filled_time_is_that_which_no_event_covers():
    found = check_events(
        [Event(1.0, 2.0, "music"), Event(1.5, 3.0, "music")], 5.0, ["music", "no-music"], "a", "no-music"
    )
    assert found == [Event(0.0, 1.0, "no-music"), Event(1.0, 3.0, "music"), Event(3.0, 5.0, "no-music")]
    assert check_events([], 5.0, ["music", "no-music"], "a", "no-music") == [Event(0.0, 5.0, "no-music")]


def test_every_level_is_checked():
    found = Detection("a", 5.0, {"md": [Event(0.0, 2.0, "music")], "mrle": [Event(0.0, 5.0, "fg-music")]})
    with pytest.raises(AnnotationError, match="a: nothing is annotated from 2.0 to the end of the recording"):
        tile_levels(found, 5.0)
