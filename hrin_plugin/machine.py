"""What this machine offers, told without torch: cores, threads and signs of a GPU."""

import os
import platform
import sys

#: Files of the drivers of NVIDIA's and AMD's GPUs, and of a GPU in Windows' Linux.
_DRIVERS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg", r"C:\Windows\System32\nvcuda.dll")


def n_cores() -> int:
    """Number of CPU cores available to this process.

    Returns
    -------
    int
        At least 1.

    Example
    -------
    >>> n_cores() >= 1
    True
    """
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def n_threads() -> int:
    """Number of threads that a computation may use: ``OMP_NUM_THREADS``, else one a core.

    Returns
    -------
    int
        At least 1.

    Example
    -------
    >>> n_threads() >= 1
    True
    """
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, int(wanted)) if wanted.isdecimal() else n_cores()


def may_have_gpu() -> bool:
    """Whether torch might find a GPU here; only torch knows for sure.

    Returns
    -------
    bool
        False where no driver is installed.

    Example
    -------
    >>> may_have_gpu() in (True, False)
    True
    """
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    return any(map(os.path.exists, _DRIVERS))
