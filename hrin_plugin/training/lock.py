"""Locks for run folders, and for preparations that runs share."""

import contextlib
import logging
import os
from pathlib import Path

from filelock import FileLock, Timeout

LOCK_FILE = ".lock"
#: Exit status of a run whose folder another run is using: EX_TEMPFAIL, try again later.
IN_USE_STATUS = 75

logger = logging.getLogger(__name__)


class RunRefused(Exception):
    """Raised before any change if a run must not write to its folder.

    Example
    -------
    >>> RunRefused("no").status
    1
    """

    status = 1


class FolderInUse(RunRefused):
    """Raised if another run is writing to the folder.

    Example
    -------
    >>> FolderInUse("in use").status
    75
    """

    status = IN_USE_STATUS


@contextlib.contextmanager
def hold_folder(folder):
    """Lock a run's folder, at most until the process ends.

    Arguments
    ---------
    folder : str or pathlib.Path
        The folder; created if missing.

    Yields
    ------
    pathlib.Path
        The folder.

    Raises
    ------
    FolderInUse
        If another process holds it.

    Example
    -------
    >>> with hold_folder(getfixture("tmp_path")) as folder:
    ...     is_in_use(folder)
    True
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK_FILE)
    try:
        # A moment's patience, for whoever only looks whether the folder is in use.
        lock.acquire(timeout=1)
    except Timeout:
        raise FolderInUse(
            f"{folder} is in use: another run is writing there; "
            "wait for its end, or give another output_folder"
        ) from None
    try:
        yield folder
    finally:
        lock.release()


def is_in_use(folder):
    """Whether a run is writing to a folder now.

    Example
    -------
    >>> is_in_use(getfixture("tmp_path"))
    False
    """
    path = Path(folder) / LOCK_FILE
    if not path.exists():
        return False
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True


def alone(folder, function, *arguments):
    """Call a function under an exclusive lock of a folder.

    Parallel runs use it to prepare shared files once: the first run prepares them, the
    others wait.

    Arguments
    ---------
    folder : str or pathlib.Path
        The shared folder; created if missing.
    function : callable
        The function to call.
    *arguments
        Its arguments.

    Returns
    -------
    object
        The return value of the function.

    Example
    -------
    >>> alone(getfixture("tmp_path"), max, 1, 2)
    2
    """
    os.makedirs(folder, exist_ok=True)
    lock = FileLock(os.path.join(folder, LOCK_FILE))
    try:
        lock.acquire(timeout=1)
    except Timeout:
        logger.warning("waiting for another run, which is preparing data in %s", folder)
        lock.acquire()
    try:
        return function(*arguments)
    finally:
        lock.release()
