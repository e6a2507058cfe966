"""Files that are either as they were or wholly new, whatever happens while they are written."""

import contextlib
import os
import tempfile
from pathlib import Path


@contextlib.contextmanager
def replacing(path):
    """Write a file under a temporary name, and give it its own once it is complete and on the disk.

    Arguments
    ---------
    path : str or pathlib.Path
        The file, whose folder must exist. A pipe or a device is written to as it is.

    Yields
    ------
    pathlib.Path
        Where to write; in the same folder, with the same ending.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.txt"
    >>> with replacing(path) as draft:
    ...     _ = draft.write_text("whole")
    ...     print(path.exists())
    False
    >>> path.read_text(), len(list(path.parent.iterdir()))
    ('whole', 1)
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        # A rename would put a file in its place.
        yield path
        return
    handle, draft = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    try:
        yield Path(draft)
        with open(draft, "rb+") as file:
            os.fsync(file.fileno())
        os.chmod(draft, 0o644)
        os.replace(draft, path)
    except BaseException:
        os.unlink(draft)
        raise


def write_atomically(path, text):
    """Write a text file so that a reader sees the old one or the whole new one.

    Arguments
    ---------
    path : str or pathlib.Path
        The file to write. Its folder must exist.
    text : str
        The whole content, written as UTF-8 with Unix line ends.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.txt"
    >>> write_atomically(path, "whole")
    >>> path.read_text()
    'whole'
    """
    with replacing(path) as draft:
        draft.write_text(text, encoding="utf-8", newline="\n")
