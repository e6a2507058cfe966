"""Atomic writing of files, what killed writers leave behind, and listing of folders."""

import contextlib
import errno
import functools
import os
import re
import secrets
import time
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows, where a file that is open cannot be removed
    fcntl = None

#: How the names of temporary files begin.
DRAFT_PREFIX = ".hrin-draft-"

#: Longest file name ending that a temporary file takes over, since libraries choose the format by it.
LONGEST_SUFFIX = 16

#: Pauses between attempts to rename onto a file that another program holds open, in seconds (Windows).
RENAME_PAUSES_S = (0.05, 0.1, 0.2, 0.4)

#: Names that Windows keeps for devices, with any ending.
_DEVICES = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3]) *(\.|$)", re.IGNORECASE
)


class FileInUse(PermissionError):
    """Raised on Windows if a file cannot be replaced, since another program has it open.

    Example
    -------
    >>> FileInUse(errno.EACCES, "is open in another program", "a.tsv").filename
    'a.tsv'
    """


@contextlib.contextmanager
def replacing(path):
    """Write a file under a temporary name, sync it to disk, and rename it.

    The temporary name is short, whatever the file's own name. The file gets the permissions that the
    user's umask leaves. The first call in a folder removes what killed writers left there.

    Arguments
    ---------
    path : str or pathlib.Path
        The file, whose folder must exist. Pipes and devices are written directly.

    Yields
    ------
    pathlib.Path
        Where to write; in the same folder, with the same ending.

    Raises
    ------
    OSError
        If the file cannot be written.
    FileInUse
        If another program has it open (Windows).

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
    _remove_drafts_once(os.path.abspath(path.parent))
    handle, draft = _create_draft(path)
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, handle)
        try:
            yield draft
            sync(draft)
            if fcntl is None:
                stack.close()  # an open file cannot be renamed there
            _rename(draft, path)
        except BaseException:
            if fcntl is None:
                stack.close()
            with contextlib.suppress(OSError):
                os.unlink(draft)
            raise
    sync(path.parent)


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


def sync(path):
    """Flush a file or a folder to disk.

    Folders that cannot be flushed are passed over: a rename is then as safe as their file system makes it.

    Arguments
    ---------
    path : str or pathlib.Path
        The file or folder.

    Raises
    ------
    OSError
        If a file cannot be flushed, as on a full disk.

    Example
    -------
    >>> sync(getfixture("tmp_path"))
    """
    is_folder = os.path.isdir(path)
    try:
        # Windows flushes only what is open for writing, and opens no folder.
        handle = os.open(path, os.O_RDONLY if is_folder else os.O_RDWR)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError:
        if not is_folder:
            raise


def remove_drafts(folder):
    """Remove the temporary files that killed writers left in a folder; those of live writers stay.

    Arguments
    ---------
    folder : str or pathlib.Path
        The folder, which may be missing.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> (folder / ".hrin-draft-0123456789ab.tsv").touch()
    >>> remove_drafts(folder)
    >>> list(folder.iterdir())
    []
    """
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            if name.startswith(DRAFT_PREFIX):
                _remove_draft(os.path.join(folder, name))


def is_reserved(name):
    """Whether this system keeps a file name for a device, as Windows does for ``con.tsv``.

    Example
    -------
    >>> is_reserved("news.tsv")
    False
    """
    return os.name == "nt" and _DEVICES.match(name) is not None


@functools.cache
def _remove_drafts_once(folder):
    """Remove drafts of killed writers when this process first writes in a folder."""
    remove_drafts(folder)


def _remove_draft(path):
    """Remove a draft unless its writer lives: that writer holds its lock, or has it open on Windows."""
    with contextlib.suppress(OSError):
        if fcntl is None:
            os.unlink(path)
            return
        handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(path)
        finally:
            os.close(handle)


def _create_draft(path):
    """A new temporary file beside ``path``: its handle, which stands for the live writer, and its path."""
    suffix = path.suffix if len(os.fsencode(path.suffix)) <= LONGEST_SUFFIX else ""
    while True:
        draft = path.with_name(f"{DRAFT_PREFIX}{secrets.token_hex(6)}{suffix}")
        try:
            handle = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            continue
        if _hold(handle) and draft.exists():
            return handle, draft
        os.close(handle)  # taken for that of a killed writer, and removed
        with contextlib.suppress(FileNotFoundError):
            os.unlink(draft)


def _hold(handle):
    """Lock a draft for its writer; False if another process holds it."""
    if fcntl is not None:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks, where no draft is ever removed
            return True
    return True


def _rename(draft, path):
    """Rename a finished draft; on Windows, wait a moment for programs that have the old file open."""
    for pause_s in (*RENAME_PAUSES_S, None):
        try:
            os.replace(draft, path)
            return
        except PermissionError:
            if fcntl is not None:
                raise
            if pause_s is None:
                problem = "is open in another program, or read-only; close it there"
                raise FileInUse(errno.EACCES, problem, str(path)) from None
            time.sleep(pause_s)


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
