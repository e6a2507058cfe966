"""Atomic writing of files, and listing of folders."""

import contextlib
import os
import tempfile
from pathlib import Path


@contextlib.contextmanager
def replacing(path):
    """Write a file under a temporary name, sync it to disk, and rename it.

    Arguments
    ---------
    path : str or pathlib.Path
        The file, whose folder must exist. Pipes and devices are written directly.

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
    """Write a text file atomically: readers see the old content or the new one.

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


def change_stamp(path):
    """What changes when a file is written or replaced, even by one of the same size and time.

    Arguments
    ---------
    path : str or pathlib.Path
        The file.

    Returns
    -------
    list of int
        Size in bytes, and the times at which content and entry changed, in nanoseconds.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.txt"
    >>> _ = path.write_text("whole")
    >>> change_stamp(path)[0]
    5
    """
    status = os.stat(path)
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def visible_files(folder, onerror=None):
    """Every visible file in a folder and its subfolders, sorted by name within each folder.

    Linked folders are searched too, after the folder's own content. No folder is searched twice,
    even with circular links.

    Arguments
    ---------
    folder : str or pathlib.Path
        Where to look.
    onerror : callable, optional
        Takes the error of a folder that cannot be read; by default such a folder is skipped.

    Yields
    ------
    str
        Path of a file, or of a link to a file or to nothing. Nothing below a hidden folder.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> (folder / "music").mkdir()
    >>> (folder / "music" / "a.wav").touch(), (folder / "music" / ".b.wav").touch()
    (None, None)
    >>> [os.path.relpath(path, folder).replace(os.sep, "/") for path in visible_files(folder)]
    ['music/a.wav']
    """
    seen, waiting = set(), [os.fspath(folder)]
    for top in waiting:
        for place, folders, files in os.walk(top, onerror=onerror):
            real = os.path.realpath(place)
            folders[:] = sorted(name for name in folders if not name.startswith(".") and real not in seen)
            if real in seen:
                continue
            seen.add(real)
            # os.walk names linked folders, and does not follow them.
            waiting += [path for name in folders if os.path.islink(path := os.path.join(place, name))]
            yield from (os.path.join(place, name) for name in sorted(files) if not name.startswith("."))
