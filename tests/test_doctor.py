"""The doctor: a broken environment gets one sentence with the cure."""

import subprocess
import sys
from pathlib import Path

import pytest

from hrin_plugin import doctor

ROOT = Path(__file__).parents[1]

BROKEN = {
    "a CUDA mismatch": (
        "torchaudio",
        "raise RuntimeError('PyTorch has CUDA version 13.2 whereas TorchAudio has 13.0\\nSecond line')",
        "torchaudio .* does not work here (PyTorch has CUDA version 13.2 whereas TorchAudio has 13.0); "
        "torch and torchaudio must be of one CUDA build",
    ),
    "a library that cannot be loaded": (
        "torchaudio",
        "raise OSError('libtorchaudio.so: undefined symbol')",
        "libtorchaudio.so: undefined symbol",
    ),
    "no pkg_resources": (
        "pkg_resources",
        "raise ModuleNotFoundError(\"No module named 'pkg_resources'\")",
        'sed_eval needs pkg_resources, run: pip install "setuptools<81"',
    ),
}


def python_with(tmp_path, module, code, *arguments):
    """Run python where one module is replaced by code that fails."""
    (tmp_path / f"{module}.py").write_text(code + "\n")
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": f"{tmp_path}:{ROOT}", "PATH": "", "HOME": str(tmp_path)},
        cwd=tmp_path,
        timeout=120,
    )


@pytest.mark.parametrize(("module", "code", "message"), BROKEN.values(), ids=BROKEN)
def test_the_doctor_names_the_trouble_and_the_cure(tmp_path, module, code, message):
    done = python_with(tmp_path, module, code, "-m", "hrin_plugin")
    assert done.returncode == 1
    assert message.split(".* ")[-1] in done.stdout
    assert "Everything works" not in done.stdout and "Traceback" not in done.stdout + done.stderr


def test_the_recipe_stops_with_one_sentence_before_anything_else(tmp_path):
    module, code, _ = BROKEN["a CUDA mismatch"]
    done = python_with(tmp_path, module, code, ROOT / "recipes/OpenBMAT/train.py", "hparams/hrin_cr.yaml")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and "one CUDA build, run: pip install" in done.stderr


def test_the_recipe_says_where_the_package_is_missing(tmp_path):
    (tmp_path / "hrin_plugin.py").write_text("raise ModuleNotFoundError\n")
    done = subprocess.run(
        [sys.executable, ROOT / "recipes/OpenBMAT/train.py", "hparams/hrin_cr.yaml"],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(tmp_path)},
        timeout=120,
    )
    assert done.returncode == 1
    assert "run: pip install ." in done.stderr


def test_a_working_environment_passes(capsys):
    assert doctor.main() == 0
    assert capsys.readouterr().out.endswith("Everything works.\n")


def test_every_requirement_of_the_package_is_examined():
    listed = {package.lower() for package, _, _ in doctor.CHECKS}
    settings = (ROOT / "pyproject.toml").read_text().split("\ndependencies = [")[1].split("\n]")[0]
    required = {
        line.split('"')[1].split(">")[0].split("=")[0].split("<")[0].lower()
        for line in settings.splitlines()
        if line.strip().startswith('"')
    }
    assert required - {"tqdm"} == listed
