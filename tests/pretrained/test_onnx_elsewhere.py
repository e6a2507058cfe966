"""The exported file in other hands: JavaScript, and the text of its documentation."""

import re
import shutil
import subprocess
from pathlib import Path

import librosa
import numpy as np
import onnx
import pytest

from hrin_plugin.pretrained.onnx_model import export_onnx, load_onnx
from hrin_plugin.pretrained.plain import read_plain
from hrin_plugin.pretrained.sources import find_model

DOCS = Path(__file__).parents[2] / "docs"
NODE = shutil.which("node")


def has_runtime():
    """Whether node finds onnxruntime-web, as by NODE_PATH."""
    if NODE is None:
        return False
    return subprocess.run([NODE, "-e", "require('onnxruntime-web')"], capture_output=True).returncode == 0


@pytest.fixture(scope="module")
def sound():
    """Silence, a chord in noise, and silence."""
    rng, times = np.random.default_rng(0), np.arange(160_000) / 8000
    chord = sum(np.sin(2 * np.pi * hertz * times) for hertz in (220, 277.2, 329.6, 440))
    within = (times > 5) & (times < 15)
    return (rng.normal(0, 1e-4, len(times)) + 0.1 * chord * within).astype("<f4")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    export_onnx(read_plain(find_model()), path, start="waveform")
    return path


def test_the_file_has_the_ends_that_are_documented(path):
    onnx.checker.check_model(path, full_check=True)
    graph = onnx.load(path).graph
    assert [end.name for end in (*graph.input, *graph.output)] == ["waveform", "md", "mrle"]
    assert {node.domain for node in graph.node} == {""}


def test_librosa_makes_the_frames_that_are_documented(path, sound, tmp_path):
    (code,) = re.findall(r"```python\n(.*?)```", (DOCS / "onnx.md").read_text(), re.S)
    names = {"librosa": librosa, "samples": sound}
    exec(code, names)
    export_onnx(read_plain(find_model()), tmp_path / "frames.onnx")
    found = load_onnx(tmp_path / "frames.onnx")(names["frames"][None])
    for level, expected in zip(found, load_onnx(path)(sound[None])):
        np.testing.assert_allclose(level, expected, atol=1e-4)


def test_the_program_in_the_text_is_the_one_that_is_tested():
    (program,) = re.findall(r"```javascript\n(.*?)```", (DOCS / "onnx.md").read_text(), re.S)
    assert program == (DOCS / "examples" / "detect.cjs").read_text()


@pytest.mark.skipif(not has_runtime(), reason="needs node and onnxruntime-web")
def test_javascript_finds_the_events_of_python(path, sound, tmp_path):
    sound.tofile(tmp_path / "a.f32")
    script = DOCS / "examples" / "detect.cjs"
    run = subprocess.run([NODE, script, path, tmp_path / "a.f32"], capture_output=True, text=True, check=True)
    rows = [line.split("\t") for line in run.stdout.splitlines()]
    model = load_onnx(path)
    classes = model(sound[None]).mrle[0].argmax(axis=1)
    begins = np.flatnonzero(np.diff(classes, prepend=-1))
    ends = [*begins[1:], len(classes)]
    labels = model.taxonomy.labels["mrle"]
    expected = [
        [f"{begin * 0.064:.3f}", f"{end * 0.064:.3f}", labels[classes[begin]]]
        for begin, end in zip(begins, ends)
    ]
    assert rows == expected and len({row[2] for row in rows}) > 1
