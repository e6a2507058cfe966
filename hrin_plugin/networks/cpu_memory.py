"""How the C library treats the memory of big tensors."""

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


def keep_freed_memory():
    """Let this process keep the memory of freed tensors for the next ones.

    The GNU C library gives every block of more than 32 MB back to the system at
    once. A training step on a CPU frees and asks for hundreds of megabytes, and the
    system clears each page again: close to half the time of an HRIN-cr step. The
    process's peak stays the same; it only falls no more. Elsewhere than on GNU
    systems this does nothing.

    Returns
    -------
    bool
        Whether the C library agreed.

    Example
    -------
    >>> keep_freed_memory() in (True, False)
    True
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return bool(mallopt and mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, 2**31 - 1))
