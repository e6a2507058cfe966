"""The package as users get it: a wheel in an environment that has never seen the source tree."""

import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest
import soundfile

from installations import copy_source, make_environment, run


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """An environment with the wheel, and with this one's libraries but not its editable package."""
    folder = tmp_path_factory.mktemp("wheel")
    source = copy_source(folder)
    built = run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, source)
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("*.whl")
    python, site = make_environment(folder, with_pip=False)
    # A line of a .pth file is a path only: what makes the source tree importable is not executed from there.
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [sys.executable, "-m", "pip", "--python", folder / "env"]
    installed = run(*pip, "install", "--no-deps", "--no-index", "--quiet", wheel)
    assert installed.returncode == 0, installed.stderr
    return python


def test_the_wheel_detects_outside_the_tree(environment, tmp_path):
    noise = np.random.default_rng(0).normal(0, 0.1, 80_000)
    soundfile.write(tmp_path / "a.wav", noise, 8000)
    where = run(environment, "-c", "import hrin_plugin; print(hrin_plugin.__file__)", cwd=tmp_path)
    assert Path(where.stdout).parents[1].is_relative_to(environment.parents[1]), where
    found = run(environment.with_name("hrin"), "detect", "a.wav", cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    rows = [line.split("\t") for line in found.stdout.splitlines()]
    assert float(rows[0][0]) == 0.0 and float(rows[-1][1]) == 10.0
    (tmp_path / "a.tsv").write_text(found.stdout)
    report = run(environment.with_name("hrin"), "report", "a.tsv", "--html", "a.html", cwd=tmp_path)
    assert report.returncode == 0 and "<script>" in (tmp_path / "a.html").read_text(), report.stderr


def test_the_wheel_has_its_version_and_types(environment, tmp_path):
    import hrin_plugin

    told = run(environment.with_name("hrin"), "--version", cwd=tmp_path)
    assert told.stdout == f"hrin {hrin_plugin.__version__}\n"
    names = "py.typed", "report/page.js", "review/page/page.html", "review/page/lanes.js"
    code = "from importlib.resources import files; print([(files('hrin_plugin') / n).is_file() for n in {}])"
    assert run(environment, "-c", code.format(names), cwd=tmp_path).stdout == f"{[True] * 4}\n"
