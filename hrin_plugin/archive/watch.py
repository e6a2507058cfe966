"""Whether a recording changed, or was replaced, while it was read."""

import contextlib
import hashlib
import os

from hrin_plugin.formats.journal import Facts, facts_of

#: Bytes that are read at a time.
BLOCK_BYTES = 1 << 20


class Watch:
    """A recording that is kept open while it is read; a context manager.

    Another file at its path is noticed even if size and time are the same. A pipe is not watched.

    Arguments
    ---------
    path : str or pathlib.Path
        The recording, which may be missing.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.wav"
    >>> _ = path.write_bytes(b"RIFF")
    >>> with Watch(path) as watch:
    ...     digest = watch.sha256()
    ...     _ = path.write_bytes(b"RIFF1234")
    ...     watch.facts.size, watch.has_changed()
    (4, True)
    >>> digest[:8]
    'a40ff3d5'
    """

    def __init__(self, path):
        self._path, self._handle, self._status = path, None, None
        #: Size and modification time before the reading; None for what is missing, or no file.
        self.facts = facts_of(path)
        if self.facts:
            with contextlib.suppress(OSError):
                self._handle = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
                self._status = os.fstat(self._handle)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._handle is not None:
            os.close(self._handle)

    def sha256(self):
        """SHA-256 of the recording's bytes in hexadecimal digits; None for what cannot be read again."""
        if self._handle is None:
            return None
        digest = hashlib.sha256()
        try:
            os.lseek(self._handle, 0, os.SEEK_SET)
            while block := os.read(self._handle, BLOCK_BYTES):
                digest.update(block)
        except OSError:
            return None
        return digest.hexdigest()

    def has_changed(self):
        """Whether the path now has another file, size or modification time, or none."""
        if self._status is None:
            return False
        try:
            # A network file system tells the present size of a file only when it is opened.
            with open(self._path, "rb") as file:
                status = os.fstat(file.fileno())
        except OSError:
            return True
        return not os.path.samestat(status, self._status) or Facts.of(status) != self.facts
