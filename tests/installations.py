"""Environments of their own for tests of the package as users install it."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]

#: What an installation needs beside the package's folder.
FILES = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "requirements-detect.txt")


def run(*words, **options):
    """A command that no source tree is shown to."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    words = [str(word) for word in words]
    return subprocess.run(words, capture_output=True, text=True, env=environment, **options)


def copy_source(folder):
    """A copy of the source, as a build leaves files beside it and tests run side by side."""
    source = folder / "source"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "hrin_plugin", source / "hrin_plugin", ignore=ignored)
    for name in FILES:
        shutil.copy(ROOT / name, source)
    return source


def make_environment(folder, with_pip):
    """An environment; its Python, and the folder of its packages."""
    venv.create(folder / "env", with_pip=with_pip)
    paths = {"base": str(folder / "env"), "platbase": str(folder / "env")}
    scripts, packages = (Path(sysconfig.get_path(kind, "venv", paths)) for kind in ("scripts", "purelib"))
    return scripts / Path(sys.executable).name, packages
