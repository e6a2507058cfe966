"""Atomic writing of files, their text, and listing of folders."""

import codecs
import contextlib
import errno
import os
import stat
import tempfile
import unicodedata
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


def read_plain(path: str | Path) -> str:
    """The text of a file: UTF-8, or UTF-16 with a byte order mark, which is left out.

    Arguments
    ---------
    path : str or pathlib.Path
        A file; a pipe, which might never end, is refused.

    Returns
    -------
    str
        The text, with its line ends as they are.

    Raises
    ------
    OSError
        If it cannot be read, or is no file.
    UnicodeError
        If it is other text, or no text.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.txt"
    >>> _ = path.write_text("whole", encoding="utf-16")
    >>> read_plain(path)
    'whole'
    """
    if not stat.S_ISREG(os.stat(path).st_mode):  # before opening, which would wait for a pipe's writer
        raise OSError(errno.EINVAL, "it is not a file", str(path))
    with open(path, "rb") as file:
        return decode(file.read())


def decode(content: bytes) -> str:
    """Bytes as text: UTF-8, or UTF-16 with a byte order mark, which is left out.

    Arguments
    ---------
    content : bytes
        The bytes.

    Returns
    -------
    str
        The text.

    Raises
    ------
    UnicodeError
        If they are none, or hold zeros.

    Example
    -------
    >>> decode(codecs.BOM_UTF16_LE + "a".encode("utf-16-le"))
    'a'
    """
    is_utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = content.decode("utf-16" if is_utf_16 else "utf-8-sig")
    if "\0" in text:  # as UTF-16 without its mark has
        raise UnicodeError("it holds zeros")
    return text


def comparable(name: str) -> str:
    """A file's name as it is compared with others: composed (NFC), as some systems and programs decompose.

    Arguments
    ---------
    name : str
        The name.

    Returns
    -------
    str
        The name, composed.

    Example
    -------
    >>> comparable("e\N{COMBINING ACUTE ACCENT}") == "\N{LATIN SMALL LETTER E WITH ACUTE}"
    True
    """
    return unicodedata.normalize("NFC", name)


def shown(value: object, most: int = 80) -> str:
    """A value in messages: what ``repr`` gives, cut in the middle where it is long.

    Arguments
    ---------
    value : object
        The value.
    most : int
        Characters that are kept.

    Returns
    -------
    str
        One line.

    Example
    -------
    >>> shown("a" * 1000, most=9)
    "'aaa ... aaa'"
    """
    if isinstance(value, int) and value.bit_length() > 256:
        return f"a number of more than {int(value.bit_length() * 0.301)} digits"
    if isinstance(value, str) and len(value) > 2 * most:
        value = value[:most] + value[-most:]  # repr of all of it would take long
    return shorten(repr(value), most)


def shorten(text: str, most: int) -> str:
    """One line of text, cut in the middle where it is long.

    Arguments
    ---------
    text : str
        The text.
    most : int
        Characters that are kept.

    Returns
    -------
    str
        At most so many characters, and a mark of the cut.

    Example
    -------
    >>> shorten("onset, offset, label", 9)
    'onse ... abel'
    """
    if len(text) <= most:
        return text
    return f"{text[: most - most // 2 - 1]} ... {text[len(text) - most // 2 :]}"


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
