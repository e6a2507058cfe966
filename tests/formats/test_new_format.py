"""A format is one file: dropped into the room, it is offered, written, read and reported."""

import importlib
import sys

import numpy as np
import pytest
import soundfile
import torch

from hrin_plugin import formats
from hrin_plugin.cli import main
from hrin_plugin.decoding.methods import Decoding, write_decoding
from hrin_plugin.features import BandStatistics, LogMel
from hrin_plugin.formats import find_formats, read_detection
from hrin_plugin.formats.text import to_milliseconds
from hrin_plugin.inference import load_detector
from hrin_plugin.networks.hrin import HRIN
from hrin_plugin.pretrained.folder import PretrainedModel, save_pretrained

BARS = """
from hrin_plugin.events import Event
from hrin_plugin.formats.contract import Format
from hrin_plugin.formats.drafts import Draft, Row
from hrin_plugin.formats.text import parse_number, read_text


def bars_text(detection):
    lines = [
        f"{level}|{event.label}|{event.onset_s:.3f}|{event.offset_s:.3f}"
        for level, events in detection.events.items()
        for event in events
    ]
    return "".join(line + chr(10) for line in lines)


def read_bars(path):
    rows = []
    for line, text in enumerate(read_text(path).splitlines(), start=1):
        level, label, *times = text.split("|")
        rows.append(Row(line, level, Event(*(parse_number(path, line, time) for time in times), label)))
    return Draft(rows)


FORMAT = Format("bars", ".Bars", joint=True, write=bars_text, read=read_bars)
"""


def hrin(*arguments):
    """Run the command."""
    return main([str(argument) for argument in arguments])


@pytest.fixture
def new_format(tmp_path, monkeypatch):
    """Puts a file with one more format into the room; its name."""
    room = tmp_path / "room"
    room.mkdir()
    (room / "bars_file.py").write_text(BARS)
    monkeypatch.setattr(formats, "__path__", [*formats.__path__, str(room)])
    importlib.invalidate_caches()
    yield "bars"
    del sys.modules["hrin_plugin.formats.bars_file"], formats.bars_file


@pytest.fixture
def detector(tmp_path):
    """An untrained detector, whose model lies in the folder ``model``; every class is found somewhere."""
    torch.manual_seed(5)
    model = PretrainedModel(LogMel(), BandStatistics(128), HRIN(hidden_size=4, num_layers=1))
    save_pretrained(tmp_path / "model", model)
    write_decoding(tmp_path / "model" / "decoding.json", Decoding("argmax"))
    return load_detector(tmp_path / "model", "torch", "cpu")


def test_a_new_file_of_the_room_is_a_format_of_every_command(new_format, detector, tmp_path, capsys):
    recording, out = tmp_path / "a.wav", tmp_path / "out"
    loudness = np.repeat([0.001, 0.3, 0.01, 0.1], 8000)
    soundfile.write(recording, loudness * np.random.default_rng(0).standard_normal(len(loudness)), 8000)
    assert hrin("detect", "--help") == 0
    assert f"results: tsv, audacity, {new_format}, csv" in " ".join(capsys.readouterr().out.split())
    model = ["--model", tmp_path / "model", "--backend", "torch", "--device", "cpu"]
    options = ["--format", new_format, "--level", "both", *model]
    assert hrin("detect", recording, "--output", out, *options) == 0
    found = to_milliseconds(detector.detect_file(recording), ["md", "mrle"])
    assert all(found.events.values())
    assert read_detection(out / "a.Bars").events == found.events
    assert hrin("report", out, "--csv", tmp_path / "report.csv") == 0
    assert hrin("evaluate", out, out) == 0
    capsys.readouterr()
    assert hrin("detect", recording, *options) == 0
    assert capsys.readouterr().out == (out / "a.Bars").read_text()


def test_without_its_file_there_is_no_such_format(tmp_path, capsys):
    assert hrin("detect", tmp_path / "a.wav", "--format", "bars") == 2
    assert "invalid choice: 'bars'" in capsys.readouterr().err


def test_formats_come_in_the_order_of_the_alphabet_after_tsv(new_format):
    names = list(find_formats())
    assert names == ["tsv", *sorted(set(names) - {"tsv"})] and new_format in names


def test_every_suffix_belongs_to_one_format():
    suffixes = formats.suffixes()
    assert len(suffixes) == len(set(suffixes)) == len(find_formats())
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in suffixes)
