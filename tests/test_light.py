"""The light installation: without torch, in an environment of its own from the package index."""

import re
import signal
import subprocess
import urllib.request

import numpy as np
import pytest
import soundfile

from installations import copy_source, make_environment, run

#: All that the environment may take, in MB.
MOST_MB = 250


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Folder of the environment's commands, installed as the README says."""
    folder = tmp_path_factory.mktemp("light")
    source = copy_source(folder)
    python, _ = make_environment(folder, with_pip=True)
    pip = (python, "-m", "pip", "install", "--quiet")
    installed = run(*pip, "-r", "requirements-detect.txt", cwd=source)
    if installed.returncode and "Could not find a version" in installed.stderr + installed.stdout:
        pytest.skip("needs a package index")
    assert installed.returncode == 0, installed.stderr
    installed = run(*pip, "--no-deps", ".", cwd=source)
    assert installed.returncode == 0, installed.stderr
    return python.parent


def test_it_detects_decides_converts_and_reports_within_its_size(environment, tmp_path):
    noise = np.random.default_rng(0).normal(0, 0.1, 80_000)
    for name in ("a", "b"):
        soundfile.write(tmp_path / f"{name}.wav", noise, 8000)
    hrin = environment / "hrin"
    for words in (
        ("detect", "a.wav", "b.wav", "--output", "out", "--format", "json,tsv", "--keep-probabilities"),
        ("decide", "out", "--output", "again", "--switching-cost", "1"),
        ("convert", "out", "--format", "srt", "--output", "srt"),
        ("report", "out", "--html", "report.html", "--csv", "report.csv", "--json", "report.json"),
        ("detect", "--jobs", "2", "a.wav", "b.wav", "--output", "twice"),
        ("watch", ".", "--once", "--settle", "0", "--output", "watched"),
    ):
        done = run(hrin, *words, cwd=tmp_path)
        assert done.returncode == 0, (words, done.stderr)
    assert (tmp_path / "twice" / "a.tsv").read_text() == (tmp_path / "out" / "a.tsv").read_text()
    size = sum(path.stat().st_size for path in environment.parent.rglob("*") if path.is_file())
    assert size <= MOST_MB * 1e6, f"{size / 1e6:.0f} MB"


def test_results_are_reviewed(environment, tmp_path):
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).normal(0, 0.1, 80_000), 8000)
    done = run(environment / "hrin", "detect", "a.wav", "--output", "out", "--format", "json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    words = [environment / "hrin", "review", "out", "--audio", ".", "--no-browser"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as server:
        try:
            (address,) = re.findall(r"http://\S+", server.stdout.readline())
            opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
            assert "Review" in opener.open(address).read().decode()
        finally:
            server.send_signal(signal.SIGINT)
        server.stdout.read()
        assert server.wait() == 0


@pytest.mark.parametrize(
    ("words", "package"),
    [(("tune", "."), "scipy"), (("adapt", ".", "--output", "x"), "torch")],
)
def test_other_commands_say_what_they_need(environment, tmp_path, words, package):
    done = run(environment / "hrin", *words, cwd=tmp_path)
    assert done.returncode in (1, 2) and "Traceback" not in done.stderr
    assert "is not installed" in done.stderr and "pip install hrin-plugin" in done.stderr
