"""Manifests of OpenBMAT, from tiny data sets of the released layout."""

import json
import logging
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from speechbrain.dataio.dataset import DynamicItemDataset

import openbmat_prepare
from hrin_plugin.events import Event
from openbmat_folds import folds_of, read_splits, stratified_folds, stratum_of
from openbmat_prepare import main, prepare_openbmat
from openbmat_sets import MD, MRLE, NAMES, build, entries, faults, load, put
from openbmat_sources import disagreement_s


@pytest.fixture
def data(tmp_path):
    return build(tmp_path / "data")


@pytest.fixture
def save(tmp_path):
    return tmp_path / "save"


# What the manifests hold


@pytest.mark.parametrize("fold", range(10))
def test_splits_partition_the_excerpts_by_fold(data, save, fold):
    splits = load(prepare_openbmat(data, save, fold))
    official = dict(line.split(",") for line in (data / "splits/splits.csv").read_text().splitlines()[1:])
    assert {official[name] for name in splits["test"]} == {str(fold)}
    assert {official[name] for name in splits["valid"]} == {str((fold + 1) % 10)}
    assert Counter(name for names in splits.values() for name in names) == Counter(NAMES)
    assert [len(splits[split]) for split in ("train", "valid", "test")] == [16, 2, 2]


def test_every_fold_tests_once_and_validates_once():
    assert sorted(folds_of(fold)["test"][0] for fold in range(10)) == list(range(10))
    assert sorted(folds_of(fold)["valid"][0] for fold in range(10)) == list(range(10))
    assert all(sorted(sum(folds_of(fold).values(), [])) == list(range(10)) for fold in range(10))


def test_entry_holds_path_duration_and_both_levels(data, save):
    assert entries(prepare_openbmat(data, save, fold=0))["Spain_Talk_3_1"] == {
        "wav": "{data_root}/audio/Spain_Talk_3_1.wav",
        "duration": 0.5,
        "mrle": [[0.0, 0.1, "no-music"], [0.1, 0.3, "fg-music"], [0.3, 0.5, "bg-music"]],
        "md": [[0.0, 0.1, "no-music"], [0.1, 0.5, "music"]],
    }


@given(
    st.lists(
        st.tuples(st.integers(1, 400), st.sampled_from(["no-music", "fg-music", "bg-music"])), min_size=1
    )
)
def test_seconds_of_the_classes_sum_to_the_duration(spans):
    ends = np.cumsum([0, *(length for length, _ in spans)]) / 1000
    rows = [[float(a), float(b), label] for a, b, (_, label) in zip(ends, ends[1:], spans)]
    md = [[onset, offset, "no-music" if label == "no-music" else "music"] for onset, offset, label in rows]
    manifest = {"a": {"mrle": rows, "md": md}}
    for level in ("md", "mrle"):
        totals = openbmat_prepare.class_totals(manifest, level)
        assert sum(seconds for _, seconds in totals.values()) == pytest.approx(ends[-1])
        assert sum(count for count, _ in totals.values()) == len(spans)


def test_bare_label_covers_the_excerpt(data, save):
    put(data / MRLE.format("a", NAMES[0]), "bg-music\n")
    entry = entries(prepare_openbmat(data, save, fold=0))[NAMES[0]]
    assert entry["mrle"] == [[0.0, 0.5, "bg-music"]]
    assert entry["md"] == [[0.0, 0.5, "music"]]


@pytest.mark.parametrize("annotator", ["a", "b", "c"])
def test_annotator_is_the_one_asked_for(tmp_path, save, annotator):
    data = build(tmp_path / "data", annotators="abc")
    put(data / MRLE.format(annotator, NAMES[0]), "fg-music")
    assert entries(prepare_openbmat(data, save, 0, annotator))[NAMES[0]]["mrle"] == [[0.0, 0.5, "fg-music"]]
    others = [other for other in "abc" if other != annotator]
    for other in others:
        assert len(entries(prepare_openbmat(data, save, 0, other))[NAMES[0]]["mrle"]) == 3


def test_md_is_derived_by_default_and_read_when_asked(data, save):
    put(data / MD.format("a", NAMES[0]), "no-music")
    derived = entries(prepare_openbmat(data, save, 0))
    mapped = entries(prepare_openbmat(data, save, 0, md_from="mapping"))
    assert derived[NAMES[0]]["md"] == [[0.0, 0.1, "no-music"], [0.1, 0.5, "music"]]
    assert mapped[NAMES[0]]["md"] == [[0.0, 0.5, "no-music"]]
    assert mapped[NAMES[0]]["mrle"] == derived[NAMES[0]]["mrle"]
    assert {name: entry for name, entry in mapped.items() if name != NAMES[0]} == {
        name: entry for name, entry in derived.items() if name != NAMES[0]
    }


def test_md_mapping_is_not_needed_unless_asked_for(tmp_path, save):
    data = build(tmp_path / "data", md=False)
    assert len(entries(prepare_openbmat(data, save, 0))) == 20
    for options in ({"md_from": "mapping"}, {"cross_check": True}):
        with pytest.raises(
            FileNotFoundError, match="there is no folder annotations/tsv/MD_mapping/annotator_a"
        ):
            prepare_openbmat(data, save, 0, **options)


def test_cross_check_logs_the_excerpts_that_differ_the_worst_first(data, save, caplog):
    caplog.set_level(logging.INFO)
    put(data / MD.format("a", NAMES[2]), "0\t0.15\tno-music\n0.15\t0.5\tmusic\n")
    put(data / MD.format("a", NAMES[5]), "no-music")
    prepare_openbmat(data, save, 0, cross_check=True)
    [report] = [message for message in caplog.messages if "differs" in message]
    assert report.splitlines() == [
        "MD derived from MRLE differs from the MD mapping in 2 excerpts, 0.450 s",
        f"{NAMES[5]}: 0.400 s",
        f"{NAMES[2]}: 0.050 s",
    ]


@given(st.lists(st.booleans(), min_size=1, max_size=30), st.lists(st.booleans(), min_size=1, max_size=30))
def test_disagreement_is_the_time_of_unequal_milliseconds(ours, theirs):
    length = min(len(ours), len(theirs))
    ours, theirs = ours[:length], theirs[:length]

    def events(flags):
        return [
            Event(i / 1000, (i + 1) / 1000, "music" if flag else "no-music") for i, flag in enumerate(flags)
        ]

    expected = sum(a != b for a, b in zip(ours, theirs)) / 1000
    assert disagreement_s(events(ours), events(theirs)) == pytest.approx(expected)


def test_table_tells_files_hours_and_each_class_of_each_split(data, save, caplog):
    caplog.set_level(logging.INFO)
    prepare_openbmat(data, save, 0)
    [table] = [message for message in caplog.messages if message.startswith("split")]
    rows = [line.split()[:8] for line in table.splitlines()[1:]]
    assert len(rows) == 3 * (2 + 3)
    assert rows[0] == ["train", "16", "0.00", "md", "no-music", "16", "1.6", "20.0"]
    assert rows[1] == ["train", "16", "0.00", "md", "music", "16", "6.4", "80.0"]
    assert rows[-2] == ["test", "2", "0.00", "mrle", "fg-music", "2", "0.4", "40.0"]


# Files of every kind


def test_speechbrain_loads_unusual_names(tmp_path, save):
    odd = ["a {b} {data_root}", "été 音楽_{}", "}{ 100 %", "don't $HOME"]
    data = build(tmp_path / "the {data} set", names=NAMES + odd, splits=False)
    found = {}
    for path in prepare_openbmat(data, save, 0):
        dataset = DynamicItemDataset.from_json(
            path, replacements={"data_root": str(data)}, output_keys=["id", "wav", "duration", "mrle", "md"]
        )
        found |= {item["id"]: item for item in dataset}
    assert sorted(found) == sorted(NAMES + odd)
    for name, item in found.items():
        assert Path(item["wav"]) == data / "audio" / f"{name}.wav"
        assert soundfile.info(item["wav"]).duration == item["duration"]
        assert item["md"] == [[0.0, 0.1, "no-music"], [0.1, 0.5, "music"]]


def test_decomposed_letters_of_a_file_match_composed_ones_of_the_list(tmp_path, save):
    data = build(tmp_path / "data", names=[*NAMES, "e\u0301te\u0301"])
    splits = data / "splits/splits.csv"
    splits.write_text(splits.read_text(encoding="utf-8").replace("e\u0301", "\u00e9"), encoding="utf-8")
    entry = entries(prepare_openbmat(data, save, 0))["\u00e9t\u00e9"]
    assert Path(entry["wav"].format(data_root=data)).is_file()


def test_any_rate_channel_count_depth_and_length_is_accepted(data, save):
    kinds = [(8000, 1, "PCM_U8"), (44100, 2, "PCM_24"), (48000, 6, "FLOAT"), (22050, 1, "PCM_16")]
    for name, (rate, channels, subtype) in zip(NAMES, kinds):
        n_samples = int(0.73 * rate)
        soundfile.write(data / f"audio/{name}.wav", np.zeros((n_samples, channels)), rate, subtype=subtype)
        put(data / MRLE.format("a", name), "0\t0.2\tfg-music\n0.2\t0.75\tno-music\n")
    written = entries(prepare_openbmat(data, save, 0))
    for name, (rate, _, _) in zip(NAMES, kinds):
        assert written[name]["duration"] == int(0.73 * rate) / rate
        assert written[name]["mrle"][-1][1] == written[name]["duration"]


def test_byte_order_marks_windows_line_ends_and_upper_case_extensions_are_accepted(data, save):
    plain = load(prepare_openbmat(data, save, 0))
    for path in [data / "splits/splits.csv", data / MRLE.format("a", NAMES[0])]:
        put(path, b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    for path in [data / MRLE.format("a", NAMES[1]), data / f"audio/{NAMES[1]}.wav"]:
        path.rename(path.with_suffix(path.suffix.upper()))
    written = load(prepare_openbmat(data, save, 0))
    assert written["test"][NAMES[1]].pop("wav") == f"{{data_root}}/audio/{NAMES[1]}.WAV"
    del plain["test"][NAMES[1]]["wav"]
    assert written == plain


def test_hidden_files_folders_and_other_extensions_are_passed_over(data, save):
    for name in ["._Spain_Talk_0_0.wav", ".DS_Store", "Thumbs.db", "notes.txt"]:
        put(data / "audio" / name, "x")
    put((data / MRLE.format("a", "x")).with_name("._Spain_Talk_0_0.tsv"), "x")
    (data / "audio/more.wav").mkdir()
    assert len(entries(prepare_openbmat(data, save, 0))) == 20


# Faults: each is refused, and all of them together


BAD_ROWS = [
    ("0\t0.3\tno-music\n0.5\t0.3\tfg-music\n", 2, "offset 0.3 is not after onset 0.5; correct the two times"),
    ("0\t0.3\tno-music\n0.2\t0.5\tfg-music\n", 2, "onset 0.2 is before 0.3, the end of line 1"),
    ("0.2\t0.5\tno-music\n0\t0.2\tfg-music\n", 2, "order the lines by onset"),
    ("0\t0.2\tno-music\n0.3\t0.5\tfg-music\n", 2, "nothing is annotated from 0.2 to 0.3"),
    ("0\t0.4\tno-music\n", 1, "nothing is annotated from 0.4 to the end of the recording, 0.500"),
    ("0\t0.6\tno-music\n", 1, "offset 0.6 is after the end of the recording, 0.500"),
    ("-1\t0.5\tno-music\n", 1, "onset -1.0 is negative"),
    ("0\tnan\tno-music\n", 1, "a time is not a finite number"),
    ("0\t0.5\tjazz\n", 1, "unknown label 'jazz'; use one of no-music, fg-music, bg-music"),
    ("0\t0.5\tmusic\n", 1, "unknown label 'music'"),
    ("jazz\n", 1, "unknown label 'jazz'"),
    ("0\t0.5\n", 1, "is not onset, offset and label between tabs; write three columns"),
    ("0\t0.5\tno-music\tsure\n", 1, "is not onset, offset and label between tabs"),
    ("0,0.5,no-music\n", 1, "unknown label '0,0.5,no-music'"),
    ("zero\t0.5\tno-music\n", 1, "is not onset, offset and label between tabs"),
    ("", 0, "holds no event"),
    (b"0\t0.5\tno-m\xfcsic", 0, "is not UTF-8 text; save it as UTF-8"),
]


@pytest.mark.parametrize("text, line, message", BAD_ROWS)
def test_faulty_row_is_refused_with_its_line(data, save, text, line, message):
    put(data / MRLE.format("a", NAMES[7]), text)
    lines = faults(data, save)
    place = MRLE.format("a", NAMES[7]) + (f", line {line}: " if line else ": ")
    assert any(found.startswith(place) and message in found for found in lines), lines
    assert all(found.startswith(MRLE.format("a", NAMES[7])) for found in lines)


def test_faulty_md_row_is_refused_where_the_mapping_is_read(data, save):
    put(data / MD.format("a", NAMES[7]), "0\t0.5\tfg-music\n")
    assert len(entries(prepare_openbmat(data, save / "derived", 0))) == 20
    [line] = faults(data, save / "mapping", md_from="mapping")
    assert line.startswith(
        f"{MD.format('a', NAMES[7])}, line 1: unknown label 'fg-music'; use one of no-music, music"
    )


def spoil(data):
    """One fault of many kinds, each in its own excerpt; returns the names."""
    (data / MRLE.format("a", NAMES[0])).unlink()
    (data / f"audio/{NAMES[2]}.wav").unlink()
    put(data / f"audio/{NAMES[4]}.wav", "no audio")
    soundfile.write(data / f"audio/{NAMES[6]}.wav", np.zeros(0), 8000)
    wav = (data / f"audio/{NAMES[8]}.wav").read_bytes()
    put(data / f"audio/{NAMES[8]}.wav", wav[:1000])
    put(data / MRLE.format("a", NAMES[10]), "0\t0.3\tjazz\n0.2\t0.1\tno-music\n")
    put(data / f"audio/{NAMES[12]}.WAV", wav)
    return [NAMES[index] for index in (0, 2, 4, 6, 8, 10, 12)]


MISSING, LONE = NAMES[0], NAMES[2]
FOUND = [
    rf"audio/{MISSING}\.wav: there is no {MRLE.format('a', MISSING)} beside it; add that file or .*",
    rf"{MRLE.format('a', LONE)}: there is no audio/{LONE}\.wav beside it; add that file or delete this one",
    rf"splits/splits\.csv, line 4: there is no recording of '{LONE}'; restore the recording or .*",
    rf"audio/{NAMES[4]}\.wav: cannot be read as audio \(.*\); check that it is a recording, .*",
    rf"audio/{NAMES[6]}\.wav: holds no samples; copy or export it again",
    rf"audio/{NAMES[8]}\.wav: sound is missing from .* \(the header announces 2000 bytes .* 956\); copy .*",
    rf"{MRLE.format('a', NAMES[10])}, line 1: unknown label 'jazz'; use one of .*",
    rf"{MRLE.format('a', NAMES[10])}, line 2: offset 0\.1 is not after onset 0\.2; correct the two times",
    rf"{MRLE.format('a', NAMES[10])}, line 2: onset 0\.2 is before 0\.3, the end of line 1; order .*",
    rf"{MRLE.format('a', NAMES[10])}, line 2: nothing is annotated from 0\.3 to the end .*; label that .*",
    rf"audio/{NAMES[12]}\.wav: has the same name as {NAMES[12]}\.WAV; delete one of the two",
]


def test_all_faults_of_all_files_are_told_together(data, save):
    spoil(data)
    lines = faults(data, save)
    assert len(lines) == len(FOUND)
    for line, pattern in zip(lines, FOUND):
        assert re.fullmatch(pattern, line), line


def test_bad_files_are_left_out_and_logged_when_asked(data, save, caplog):
    bad = spoil(data)
    written = entries(prepare_openbmat(data, save, 0, skip_bad_files=True))
    assert sorted(written) == sorted(set(NAMES) - set(bad))
    [warning] = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warning.startswith("left out 7 excerpts of 20:\n")
    assert all(name in warning for name in bad)
    assert len(warning.splitlines()) == 1 + len(FOUND)


def test_split_that_is_left_empty_is_refused(data, save):
    for name in NAMES[2:4]:
        put(data / MRLE.format("a", name), "jazz")
    with pytest.raises(ValueError, match="the valid split is empty: no excerpt is in fold 1; add recordings"):
        prepare_openbmat(data, save, 0, skip_bad_files=True)
    assert not save.exists()


@pytest.mark.parametrize(
    "options, message",
    [
        ({"fold": 10}, "fold is 10; use 0 to 9"),
        ({"fold": -1}, "fold is -1; use 0 to 9"),
        ({"fold": "0"}, "fold is '0'; use 0 to 9"),
        ({"fold": 0, "annotator": "d"}, "annotator is 'd'; use one of a, b, c"),
        ({"fold": 0, "md_from": "md"}, "md_from is 'md'; use one of mrle, mapping"),
    ],
)
def test_unknown_setting_is_refused(data, save, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        prepare_openbmat(data, save, **options)


# The list of splits


def edit(old, new):
    return lambda text: text.replace(old, new)


@pytest.mark.parametrize(
    "change, message",
    [
        (
            edit("file_name,split", "name,fold"),
            ", line 1: the header is 'name,fold'; write 'file_name,split'",
        ),
        (
            edit("file_name,split\n", ""),
            ", line 1: the header is 'Spain_Talk_0_0,0'; write 'file_name,split'",
        ),
        (lambda text: "", ", line 1: the header is ''; write 'file_name,split'"),
        (edit("1_0,1", "1_0,10"), ", line 4: unknown split '10'; use 0 to 9"),
        (edit("1_0,1", "1_0,one"), ", line 4: unknown split 'one'; use 0 to 9"),
        (edit("1_0,1", "1_0"), ", line 4: 'Spain_Talk_1_0' is not a name and a split; write two columns"),
        (
            edit("1_0,1\n", "1_0,1\n\nSpain_Talk_1_0,2\n"),
            ", line 6: 'Spain_Talk_1_0' is listed again, after line 4",
        ),
        (edit("1_0,1", "1_0.wav,1"), ", line 4: there is no recording of 'Spain_Talk_1_0.wav'; restore"),
        (edit("Spain_Talk_1_0,1\n", ""), ": does not list the recording 'Spain_Talk_1_0'; add a line for it"),
    ],
)
def test_faulty_list_of_splits_is_refused_with_its_line(data, save, change, message):
    splits = data / "splits/splits.csv"
    splits.write_text(change(splits.read_text()))
    lines = faults(data, save)
    assert any(line.startswith(f"splits/splits.csv{message}") for line in lines), lines
    assert all(line.startswith("splits/splits.csv") for line in lines)


def test_list_that_is_not_text_is_refused(data, save):
    put(data / "splits/splits.csv", b"file_name,split\n\xff\xfe,0\n")
    [line] = faults(data, save)
    assert line.startswith("splits/splits.csv: cannot be read")


def test_fault_of_the_list_itself_is_refused_even_when_bad_files_are_skipped(data, save):
    splits = data / "splits/splits.csv"
    splits.write_text(splits.read_text().replace("1_0,1", "1_0,12"))
    assert "line 4: unknown split '12'" in faults(data, save, skip_bad_files=True)[0]


@given(st.dictionaries(st.text("abc_é {}", min_size=1).map(str.strip).filter(bool), st.integers(0, 9)))
def test_every_well_formed_list_is_read_back(tmp_path_factory, folds):
    path = tmp_path_factory.getbasetemp() / "splits.csv"
    path.write_text("file_name,split\n" + "".join(f"{n},{f}\n" for n, f in folds.items()), encoding="utf-8")
    assert read_splits(path, folds.keys()) == (folds, [], {})


# Folds where the list is missing


@pytest.mark.parametrize(
    "name, stratum",
    [
        ("Spain_Talk_1302593_69434295", "Spain_Talk"),
        ("United_Kingdom_Series_Films_12_34", "United_Kingdom_Series_Films"),
        ("Spain_12_34", ""),
        ("Spain_Talk_12", ""),
        ("my recording", ""),
        ("__1_2", ""),
    ],
)
def test_stratum_is_country_and_programme_type(name, stratum):
    assert stratum_of(name) == stratum


STRATA = st.dictionaries(
    st.sampled_from(["Spain_Talk", "France_News", "United_Kingdom_Music", "other"]), st.integers(0, 35)
)


@given(STRATA, st.integers(0, 1000))
def test_stratified_folds_are_as_even_as_can_be(sizes, seed):
    names = [f"{stratum}_{i}_7" for stratum, size in sizes.items() for i in range(size)]
    folds = stratified_folds(names, seed)
    assert folds == stratified_folds(names[::-1], seed)
    assert sorted(folds) == sorted(names)
    for stratum in [*sizes, ""]:
        counts = Counter(fold for name, fold in folds.items() if name.startswith(stratum))
        counts = [counts[fold] for fold in range(10)]
        assert max(counts) - min(counts) <= 1


def test_another_seed_gives_other_folds():
    assert stratified_folds(NAMES, 1) != stratified_folds(NAMES, 2)


def test_missing_list_is_replaced_with_a_warning(tmp_path, save, caplog):
    data = build(tmp_path / "data", splits=False)
    tested = [load(prepare_openbmat(data, save / str(fold), fold))["test"] for fold in range(10)]
    assert sorted(name for names in tested for name in names) == NAMES
    assert [len(names) for names in tested] == [2] * 10
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 10
    assert all(
        "splits.csv is missing: dividing into folds by country and programme type" in w for w in warnings
    )
    other = load(prepare_openbmat(data, save, 0, seed=99))["test"]
    assert sorted(other) != sorted(tested[0])


# Doing it again


def stamps(folder):
    return {path.name: (path.stat().st_mtime_ns, path.stat().st_ino) for path in folder.iterdir()}


def test_second_run_does_nothing(data, save, caplog):
    caplog.set_level(logging.INFO)
    first = prepare_openbmat(data, save, 0)
    before = stamps(save)
    assert sorted(before) == ["prepared.json", "test.json", "train.json", "valid.json"]
    caplog.clear()
    assert prepare_openbmat(data, save, 0) == first
    assert stamps(save) == before
    assert caplog.messages == [f"{save}: the manifests are up to date"]


@pytest.mark.parametrize(
    "options",
    [
        {"fold": 1},
        {"annotator": "b"},
        {"md_from": "mapping"},
        {"cross_check": True},
        {"skip_bad_files": True},
        {"seed": 5},
    ],
)
def test_changed_setting_is_done_again(tmp_path, save, options):
    data = build(tmp_path / "data", annotators="ab")
    prepare_openbmat(data, save, 0)
    before = stamps(save)
    prepare_openbmat(data, save, **({"fold": 0} | options))
    assert all(before[name] != stamp for name, stamp in stamps(save).items())


def test_changed_files_are_done_again(data, save):
    def is_redone():
        before = stamps(save)
        prepare_openbmat(data, save, 0)
        return all(before[name] != stamp for name, stamp in stamps(save).items())

    prepare_openbmat(data, save, 0)
    annotation = data / MRLE.format("a", NAMES[0])
    put(annotation, "fg-music")
    assert is_redone() and not is_redone()
    os.utime(annotation, (1, 1))
    assert is_redone() and not is_redone()
    for path in (data / f"audio/{NAMES[0]}.wav", annotation):
        path.rename(path.with_suffix(path.suffix.upper()))
    assert is_redone() and not is_redone()
    (data / "splits/splits.csv").unlink()
    assert is_redone() and not is_redone()
    put(data / MD.format("a", NAMES[0]), "music")
    assert not is_redone()


@pytest.mark.parametrize("name", ["train.json", "prepared.json"])
@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_text("{")])
def test_damaged_or_deleted_output_is_written_again(data, save, name, damage):
    prepare_openbmat(data, save, 0)
    text = (save / name).read_text()
    damage(save / name)
    prepare_openbmat(data, save, 0)
    assert (save / name).read_text() == text


def test_interrupted_run_is_done_again(data, save, monkeypatch):
    prepare_openbmat(data, save, 0)
    wanted = load(prepare_openbmat(data, save / "other", 3))
    write, left = openbmat_prepare.write_atomically, iter([True, True, False])

    def write_twice(path, text):
        if not next(left):
            raise KeyboardInterrupt
        write(path, text)

    with monkeypatch.context() as patch:
        patch.setattr(openbmat_prepare, "write_atomically", write_twice)
        with pytest.raises(KeyboardInterrupt):
            prepare_openbmat(data, save, 3)
    assert load(prepare_openbmat(data, save, 3)) == wanted


# The command line


def test_command_line_prepares(data, save):
    arguments = [
        data,
        save,
        "--fold",
        "3",
        "--annotator",
        "a",
        "--md_from",
        "mapping",
        "--cross_check",
        "True",
    ]
    assert main([str(word) for word in arguments]) == 0
    assert sorted(json.loads((save / "test.json").read_text())) == ["Spain_Talk_3_0", "Spain_Talk_3_1"]


def test_command_line_prints_every_fault_and_exits_with_1(data, save):
    spoil(data)
    script = Path(openbmat_prepare.__file__)
    run = subprocess.run(
        [sys.executable, str(script), str(data), str(save), "--fold", "0"],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(script.parents[2])},
    )
    assert run.returncode == 1
    assert len(run.stderr.splitlines()) == len(FOUND)
    assert not save.exists()
    assert main([str(data), str(save), "--skip_bad_files", "True"]) == 0


def test_command_line_refuses_a_word_that_is_no_truth_value(data, save, capsys):
    with pytest.raises(SystemExit):
        main([str(data), str(save), "--skip_bad_files", "perhaps"])
    assert "'perhaps' is neither True nor False" in capsys.readouterr().err
