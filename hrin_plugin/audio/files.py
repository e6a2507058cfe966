"""Files that are opened to be read, and the error that names one."""

import io
import os
import stat

#: The cure for a damaged recording.
COPY = "copy or export it again"


class AudioError(ValueError):
    """Raised for a recording that cannot be used.

    Arguments
    ---------
    path : str or pathlib.Path
        The recording.
    problem : str
        The fault.
    cure : str
        The cure.

    Example
    -------
    >>> print(AudioError("a.wav", "holds no samples", "record it again"))
    a.wav: holds no samples; record it again
    """

    def __init__(self, path, problem, cure):
        self.path, self.problem, self.cure = os.fspath(path), problem, cure
        shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in os.fsdecode(path))
        super().__init__(f"{shown}: {problem}; {cure}")

    def __reduce__(self):
        """Rebuild from the three parts, so that the error can be sent between processes."""
        return type(self), (self.path, self.problem, self.cure)


class AudioFile(io.BufferedReader):
    """A file that is open for reading, and keeps read errors, which C libraries do not pass on.

    Arguments
    ---------
    path : str or pathlib.Path
        The file.

    Raises
    ------
    AudioError
        For folders, unreadable and empty files.

    Example
    -------
    >>> AudioFile(getfixture("tmp_path"))
    Traceback (most recent call last):
    ...
    AudioError: ... is not a file; name a recording
    """

    def __init__(self, path):
        self.path = path
        super().__init__(_open_file(path), 1 << 16)

    def check(self):
        """Raise read errors of the disk or network, which libsndfile ignores."""
        if self.raw.error:
            cure = "check the disk or the network folder, and start again"
            raise AudioError(self.path, f"cannot be read further ({reason(self.raw.error)})", cure)


class _Disk(io.FileIO):
    """A file that keeps the read error, which C libraries do not pass on."""

    error = None

    def readinto(self, buffer):
        """Read the available bytes; none after an error."""
        try:
            return super().readinto(buffer)
        except OSError as error:
            self.error = error
            return 0


def _open_file(path):
    """Open the file as a `_Disk`; raises for folders, unreadable and empty files."""
    try:
        is_file = stat.S_ISREG(os.stat(path).st_mode)  # before opening: that would wait for a pipe's writer
        # By number, so that soundfile sees no name to guess a format from.
        disk = _Disk(os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))) if is_file else None
    except FileNotFoundError:
        raise AudioError(path, "there is no such file", "check the name and the folder") from None
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        cure = "check its name and that you may read it"
        raise AudioError(path, f"cannot be opened ({reason(error)})", cure) from None
    if disk is None:
        raise AudioError(path, "is not a file", "name a recording")
    if os.fstat(disk.fileno()).st_size == 0:
        disk.close()
        raise AudioError(path, "cannot be read as audio (the file is empty)", COPY)
    return disk


def reason(error):
    """Message of an error of a library or the system, without the path.

    Arguments
    ---------
    error : Exception
        The error.

    Returns
    -------
    str
        One line without a full stop.

    Example
    -------
    >>> reason(OSError(5, "Input/output error", "a.wav"))
    'Input/output error'
    """
    words = getattr(error, "error_string", None) or getattr(error, "strerror", None) or str(error)
    return " ".join(words.split()).rstrip(".") or type(error).__name__
