"""Text of files, and values as messages show them."""

import codecs
import errno
import os
import stat
import unicodedata
from pathlib import Path


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
