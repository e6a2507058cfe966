"""The compiled library: built once for each machine, where a C++ compiler was found."""

import atexit
import contextlib
import ctypes
import functools
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

SOURCE = Path(__file__).with_name("loops.cpp")
#: What goes through matrix products, and its name in ``loops.cpp``.
VALUES = {torch.float32: "float", torch.bfloat16: "Half"}
#: Fast mathematics while compiling only: while linking, it would change the processor's mode for everything.
COMPILE = ("-std=c++17", "-O3", "-march=native", "-ffast-math", "-fPIC", "-c")
#: Set to "off" to do without compiled loops.
SWITCH = "HRIN_CPU_KERNELS"

logger = logging.getLogger(__name__)


@functools.cache
def load_loops(dtype):
    """The loops for a number format, compiled if this machine has not done so before.

    Arguments
    ---------
    dtype : torch.dtype
        Number format of the matrix products.

    Returns
    -------
    ctypes.CDLL or None
        None where there is no C++ compiler, no loop for the format, or ``HRIN_CPU_KERNELS`` is ``off``.

    Example
    -------
    >>> load_loops(torch.float64) is None
    True
    """
    compiler = shutil.which("c++")
    if dtype not in VALUES or compiler is None or os.environ.get(SWITCH) == "off":
        return None
    try:
        return ctypes.CDLL(os.fspath(_library(compiler, VALUES[dtype])))
    except (OSError, subprocess.SubprocessError) as error:
        reason = getattr(error, "stderr", None) or error
        logger.warning("training goes without compiled loops, which take less time: %s", reason)
        return None


def call(loop, *arguments):
    """Call a loop.

    Arguments
    ---------
    loop : callable
        A function of the library.
    *arguments : torch.Tensor, int or None
        Tensors go by their addresses; None is no address.

    Example
    -------
    >>> call(lambda *passed: print([type(each).__name__ for each in passed]), torch.zeros(1), 3, None)
    ['c_void_p', 'c_long', 'NoneType']
    """
    loop(*(each if each is None else _as_c(each) for each in arguments))


def _as_c(value):
    return ctypes.c_void_p(value.data_ptr()) if isinstance(value, torch.Tensor) else ctypes.c_long(value)


def _library(compiler, value):
    """The library's file in the user's cache, or else in a folder of this process."""
    name = f"loops-{value}-{_identity(compiler)}.so"
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hrin_plugin"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        folder = Path(tempfile.mkdtemp(prefix="hrin-loops-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    if not (folder / name).is_file():
        _compile(compiler, value, folder / name)
    return folder / name


def _compile(compiler, value, path):
    """Compile under another name and rename: other processes may do the same."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        loops, library = Path(folder, "loops.o"), Path(folder, "loops.so")
        for command in (
            [compiler, *COMPILE, f"-DVALUE={value}", "-o", loops, SOURCE],
            [compiler, "-shared", "-o", library, loops],
        ):
            subprocess.run(command, check=True, capture_output=True, text=True)
        os.replace(library, path)


def _identity(compiler):
    """What the library depends on, as a hash: source, options, compiler and processor."""
    version = subprocess.run([compiler, "--version"], check=True, capture_output=True, text=True).stdout
    processor = platform.machine() + platform.processor()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        processor += "".join(sorted({line for line in lines if line.startswith(("flags", "model name"))}))
    parts = (SOURCE.read_text(encoding="utf-8"), " ".join(COMPILE), version, processor, sys.platform)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
