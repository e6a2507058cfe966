"""OpenBMAT as people have it: every layout gives the same; what is missing is named with what is there."""

import json
import re
import shutil

import pytest
import soundfile
import torch

from hrin_plugin.mixing import synthesise_miniature
from hrin_plugin.training.openbmat import identify_data
from openbmat_prepare import prepare_openbmat
from openbmat_sets import MD, MRLE, NAMES, build, entries, faults, load, put
from trainings import weights_of


@pytest.fixture
def data(tmp_path):
    return build(tmp_path / "data")


@pytest.fixture
def save(tmp_path):
    return tmp_path / "save"


WANTED = (
    "give the folder of OpenBMAT that holds audio/ and annotations/ (access on request: Zenodo, record "
    "3381249, https://zenodo.org/record/3381249), a zip file of it, or a folder of recordings with "
    "annotations beside them (docs/own_recordings.md)"
)
NEITHER = "there is no folder audio and no folder annotations"
MAPPED = "annotations/tsv/RMLE_mapping"


def move(data, old, new):
    (data / new).parent.mkdir(parents=True, exist_ok=True)
    (data / old).rename(data / new)


#: Something is missing: what is done to a data set, which folder is given then, and what is said of it.
MISSING_PARTS = {
    "no folder": (lambda data: shutil.rmtree(data), "", f"there is no such folder; check its name; {WANTED}"),
    "nothing": (
        lambda data: (shutil.rmtree(data), data.mkdir()),
        "",
        f"{NEITHER}; it is empty; {WANTED}",
    ),
    "a part of it": (lambda data: None, "audio", "is a part of a data set; did you mean {data}?"),
    "recordings without annotations": (
        lambda data: shutil.rmtree(data / "annotations"),
        "",
        f"there is no folder annotations; there is audio, splits; {WANTED}",
    ),
    "annotations without recordings": (
        lambda data: shutil.rmtree(data / "audio"),
        "",
        f"there is no folder audio; there is annotations, splits; {WANTED}",
    ),
    "recordings still packed": (
        lambda data: (shutil.rmtree(data / "audio"), put(data / "audio.zip", "x")),
        "",
        "there is no folder audio; there is annotations, audio.zip, splits; unpack audio.zip, or name it",
    ),
    "an empty folder of recordings": (
        lambda data: (shutil.rmtree(data / "audio"), (data / "audio").mkdir()),
        "",
        "audio: there is no recording; put the .wav files of OpenBMAT there",
    ),
    "another annotator": (
        lambda data: move(data, f"{MAPPED}/annotator_a", f"{MAPPED}/annotator_b"),
        "",
        f"there is no folder {MAPPED}/annotator_a; in RMLE_mapping there is annotator_b; use --annotator=b",
    ),
    "no annotator": (
        lambda data: [path.rename(data / MAPPED / path.name) for path in (data / MAPPED).glob("*/*.tsv")],
        "",
        "its .tsv files lie in RMLE_mapping itself; move them into annotator_a",
    ),
    "an empty annotator": (
        lambda data: [path.unlink() for path in (data / MAPPED).glob("*/*.tsv")],
        "",
        "in RMLE_mapping there is no .tsv file; restore it from OpenBMAT",
    ),
    "an empty mapping": (
        lambda data: shutil.rmtree(data / MAPPED / "annotator_a"),
        "",
        "in RMLE_mapping there is no .tsv file; restore it from OpenBMAT",
    ),
    "a mapping of another name": (
        lambda data: move(data, MAPPED, f"{MAPPED}_x"),
        "",
        "there is annotations/tsv/MD_mapping, annotations/tsv/RMLE_mapping_x; rename it or restore",
    ),
    "the six classes only": (
        lambda data: (
            shutil.rmtree(data / "annotations"),
            (data / "annotations/tsv/original").mkdir(parents=True),
        ),
        "",
        "there is annotations/tsv/original; rename it or restore OpenBMAT's (access on request",
    ),
    "no annotations": (
        lambda data: (shutil.rmtree(data / "annotations"), (data / "annotations").mkdir()),
        "",
        "annotations is empty; rename it or restore",
    ),
    "two data sets": (
        lambda data: shutil.copytree(data, data.parent / "copy"),
        "..",
        "holds 2 data sets, such as",
    ),
}


@pytest.mark.parametrize("what", MISSING_PARTS)
def test_what_is_missing_is_named_with_what_is_there(data, save, what):
    spoil, folder, message = MISSING_PARTS[what]
    spoil(data)
    with pytest.raises(
        (FileNotFoundError, ValueError), match=re.escape(message.format(data=data))
    ) as refusal:
        prepare_openbmat(data / folder, save, 0)
    assert len(str(refusal.value).splitlines()) == 1 and not save.exists()


# Other layouts: the same manifests come of them


def to_json(data, spelling="RMLE_mapping", names=None):
    """The JSON files in the place of the TSV files, as the published script builds them."""
    for mapping in ("RMLE_mapping", "MD_mapping"):
        annotators = {}
        for path in (data / f"annotations/tsv/{mapping}").rglob("*.tsv"):
            rows = [line.split("\t") for line in path.read_text().splitlines()]
            rows = [["0.0", "2.0", *row] if len(row) == 1 else row for row in rows]  # of the miniature
            events = {
                str(index): {"start": float(start), "end": float(end), "class": label}
                for index, (start, end, label) in enumerate(rows)
            }
            annotators.setdefault(path.parent.name, {})[path.stem] = events
        text = json.dumps({"annotations": annotators, "agreement": {}})
        put(data / f"annotations/json/{mapping.replace('RMLE_mapping', spelling)}.json", text)
    shutil.rmtree(data / "annotations/tsv")


def in_folder(data, folder):
    """The data set in a folder below."""
    parts = list(data.iterdir())
    (data / folder).mkdir(parents=True)
    for part in parts:
        part.rename(data / folder / part.name)


def one_class(data):
    """Three columns where the whole excerpt has one class, and the bare label in another."""
    put(data / MRLE.format("a", NAMES[0]), "0.0\t0.5\tfg-music\n")
    put(data / MRLE.format("a", NAMES[1]), "fg-music")


def litter(data):
    for name in (
        "audio/._Spain_Talk_0_0.wav",
        "audio/.DS_Store",
        "annotations/tsv/.DS_Store",
        "__MACOSX/._audio",
    ):
        put(data / name, b"\0\5\x16\7")


LAYOUTS = {
    "as released": lambda data: None,
    "MRLE_mapping": lambda data: move(data, MAPPED, "annotations/tsv/MRLE_mapping"),
    "JSON only": to_json,
    "JSON only, MRLE_mapping": lambda data: to_json(data, "MRLE_mapping"),
    "without tsv/": lambda data: move(data, MAPPED, "annotations/MRLE_mapping"),
    "MD mapping and JSON are not needed": lambda data: shutil.rmtree(data / "annotations/tsv/MD_mapping"),
    "the folder above": lambda data: in_folder(data, "OpenBMAT"),
    "two folders above": lambda data: in_folder(data, "OpenBMAT/raw"),
    "capitals": lambda data: (move(data, "audio", "Audio"), move(data, "annotations", "Annotations")),
    "recordings in a folder below": lambda data: in_folder(data / "audio", "audio"),
    "what systems add": litter,
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same(tmp_path, save, layout):
    plain = load(prepare_openbmat(build(tmp_path / "plain"), save / "plain", 0))
    data = build(tmp_path / "data")
    LAYOUTS[layout](data)
    found = load(prepare_openbmat(data, save / "other", 0))
    for entry in (entry for split in found.values() for entry in split.values()):
        place = entry.pop("wav").removeprefix("{data_root}/")
        assert (data / place).is_file()
    assert found == {
        split: {name: {key: each[key] for key in each if key != "wav"} for name, each in of.items()}
        for split, of in plain.items()
    }


@pytest.mark.parametrize("layout", ["as released", "JSON only"])
def test_a_layout_gives_the_mapping_and_an_identity(tmp_path, save, layout):
    data = build(tmp_path / "data", annotators="ab")
    put(data / MD.format("b", NAMES[0]), "0\t0.5\tno-music\n")
    LAYOUTS[layout](data)
    written = entries(prepare_openbmat(data, save, 0, annotator="b", md_from="mapping"))
    assert written[NAMES[0]]["md"] == [[0.0, 0.5, "no-music"]]
    told = {identify_data(data, annotator, md_from) for annotator in "ab" for md_from in ("mrle", "mapping")}
    assert len(told) == 3 and all(identity.startswith("20 recordings (") for identity in told)


def test_one_class_is_three_columns_or_a_label(data, save):
    one_class(data)
    written = entries(prepare_openbmat(data, save, 0))
    assert written[NAMES[0]]["mrle"] == written[NAMES[1]]["mrle"] == [[0.0, 0.5, "fg-music"]]


def test_compressed_recordings_are_read_where_there_is_no_wav(data, save):
    for path in (data / "audio").iterdir():
        samples, rate = soundfile.read(path)
        soundfile.write(path.with_suffix(".flac"), samples, rate)
        path.unlink()
    assert entries(prepare_openbmat(data, save, 0))[NAMES[0]]["wav"].endswith(f"{NAMES[0]}.flac")


def edited(change):
    """Change the JSON document of the loudness annotations."""

    def edit_file(data):
        to_json(data)
        path = data / "annotations/json/RMLE_mapping.json"
        document = json.loads(path.read_text())
        path.write_text(json.dumps(change(document) or document))

    return edit_file


def of_a(document):
    return document["annotations"]["annotator_a"]


JSON_FAULTS = {
    "no document": (
        lambda data: (to_json(data), put(data / "annotations/json/RMLE_mapping.json", "{")),
        "is not JSON",
    ),
    "no annotations": (edited(lambda document: {"agreement": {}}), "has no 'annotations' where it must"),
    "no annotator": (
        edited(lambda document: {"annotations": {"annotator_b": {}}}),
        "has no annotator_a, only annotator_b; use another --annotator",
    ),
    "an excerpt less": (
        edited(lambda document: of_a(document).pop(NAMES[0]) and None),
        f"audio/{NAMES[0]}.wav: annotations/json/RMLE_mapping.json does not hold '{NAMES[0]}'; add it or",
    ),
    "an excerpt more": (
        edited(lambda document: of_a(document).update(more=of_a(document)[NAMES[0]])),
        "RMLE_mapping.json: there is no audio/more.wav for 'more'; add that file or delete it here",
    ),
    "no class": (
        edited(lambda document: of_a(document)[NAMES[0]]["1"].pop("class") and None),
        f"RMLE_mapping.json, {NAMES[0]}, event 2: has no 'class' where it must have one",
    ),
    "no time": (
        edited(lambda document: of_a(document)[NAMES[0]]["1"].update(start="soon")),
        f"RMLE_mapping.json, {NAMES[0]}, event 2: 'soon' is not a time in seconds",
    ),
    "a hole": (
        edited(lambda document: of_a(document)[NAMES[0]].pop("1") and None),
        f"RMLE_mapping.json, {NAMES[0]}, event 2: nothing is annotated from 0.1 to 0.3",
    ),
    "an unknown class": (
        edited(lambda document: of_a(document)[NAMES[0]]["2"].update({"class": "similar"})),
        f"RMLE_mapping.json, {NAMES[0]}, event 3: unknown label 'similar'; use one of no-music",
    ),
}


@pytest.mark.parametrize("kind", JSON_FAULTS)
def test_a_fault_of_the_json_is_refused_with_its_place(data, save, kind):
    spoil, message = JSON_FAULTS[kind]
    spoil(data)
    assert any(message in line for line in faults(data, save)), faults(data, save)


def test_unlabelled_time_gets_a_label_when_asked(data, save):
    put(data / MRLE.format("a", NAMES[0]), "0.1\t0.3\tfg-music\n")
    assert "nothing is annotated from 0.0 to 0.1" in faults(data, save)[0]
    written = entries(prepare_openbmat(data, save, 0, unlabelled="no-music"))
    assert written[NAMES[0]]["mrle"] == [[0, 0.1, "no-music"], [0.1, 0.3, "fg-music"], [0.3, 0.5, "no-music"]]


# A whole training


@pytest.mark.parametrize("layout", ["JSON only, MRLE_mapping", "the folder above"])
def test_a_zip_file_trains_as_the_folder_does(run, tmp_path, layout):
    """The same identity, weights and results; the second start of the command does nothing again."""
    data = tmp_path / "data"
    synthesise_miniature(data, n_excerpts=20, seconds=2.0)
    LAYOUTS[layout](data)
    shutil.make_archive(str(tmp_path / "OpenBMAT"), "zip", data)
    options = {"hparams": str(run.tiny)}
    common = [f"--prepared_folder={tmp_path}/prepared", "--md_from=mapping"]
    folders = [
        run(f"--data_folder={place}", *common, name=name, **options)
        for name, place in (("folder", data), ("zip", tmp_path / "OpenBMAT.zip"))
    ]
    weights = [weights_of(folder) for folder in folders]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    results, settings = (
        [json.loads((folder / name).read_text()) for folder in folders]
        for name in ("results.json", "settings.json")
    )
    assert results[0] == results[1]
    assert settings[0]["data"] == settings[1]["data"]
    before = (folders[1] / "results.json").stat().st_mtime_ns
    run(f"--data_folder={data}", *common, name="zip", **options)  # where the user has unpacked it by now
    assert (folders[1] / "results.json").stat().st_mtime_ns > before
    assert len((folders[1] / "train_log.txt").read_text().splitlines()) == 1


def test_a_damaged_zip_file_ends_the_recipe_with_one_sentence(run, tmp_path):
    path = tmp_path / "OpenBMAT.zip"
    path.write_bytes(b"PK\3\4" + bytes(1000))
    with pytest.raises(SystemExit) as stop:
        run(f"--data_folder={path}")
    assert str(stop.value) == f"{path}: is cut short or no zip file; copy or download it again"
