"""Settings of the C library's allocator for large tensors."""

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


def keep_freed_memory():
    """Keep the memory of freed tensors in this process for reuse.

    The GNU C library returns every freed block of more than 32 MB to the system. A training
    step on a CPU frees and allocates hundreds of megabytes, and the system clears each page
    again. That takes close to half the time of an HRIN-cr step. Peak memory stays the same,
    but is kept. On systems without the GNU C library this has no effect.

    Returns
    -------
    bool
        Whether the setting took effect.

    Example
    -------
    >>> keep_freed_memory() in (True, False)
    True
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return bool(mallopt and mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, 2**31 - 1))
