"""Checksums of recordings, remembered so that no file is read twice."""

import contextlib
import functools
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hrin_plugin.files import change_stamp, write_atomically
from hrin_plugin.training.integrity import digest


class Checksums:
    """SHA-256 of files. A file is read again if its place, size or times have changed.

    Arguments
    ---------
    path : str, pathlib.Path or None
        Where they are remembered; None for this process only. A place that cannot be written
        is no error: the files are then read again next time.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.wav"
    >>> _ = path.write_bytes(b"weights")
    >>> [text[:8] for text in Checksums().of([path])]
    ['9a129038']
    """

    def __init__(self, path=None):
        self.path, self.known = None if path is None else Path(path), {}
        with contextlib.suppress(OSError, ValueError, TypeError):
            known = json.loads(self.path.read_text(encoding="utf-8")) if self.path else {}
            self.known = known if isinstance(known, dict) else {}

    def of(self, paths):
        """Checksums of files, in order.

        Arguments
        ---------
        paths : sequence of str or pathlib.Path
            The files.

        Returns
        -------
        list of str
            Hexadecimal digits.
        """
        keys = [json.dumps([os.path.abspath(path), *change_stamp(path)]) for path in paths]
        unknown = {key: path for key, path in zip(keys, paths) if key not in self.known}
        if unknown:
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                self.known |= zip(unknown, pool.map(digest, unknown.values()))
            self._keep()
        return [self.known[key] for key in keys]

    def _keep(self):
        if self.path is not None:
            with contextlib.suppress(OSError):
                self.path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(self.path, json.dumps(self.known))


@functools.cache
def checksums_in(folder):
    """The Checksums that are kept in a folder, the same for each call.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> checksums_in(folder) is checksums_in(folder)
    True
    """
    return Checksums(folder and Path(folder) / "checksums.json")
