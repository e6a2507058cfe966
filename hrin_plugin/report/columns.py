"""Rows of any number, as they come, in the columns of a picture."""

import numpy as np

#: Least and most columns are this and twice this, where there are rows enough.
COLUMNS = 1500


class Columns:
    """Pools a stream of rows to a bounded number of columns, whatever its length turns out to be.

    All columns stand for as many rows, but for the last one. That number doubles when there are too many.

    Arguments
    ---------
    pool : numpy.ufunc
        ``numpy.minimum``, ``numpy.maximum``, or ``numpy.add`` for the mean.
    least : int
        Columns are fewer than twice as many.

    Example
    -------
    >>> columns = Columns(np.add, least=2)
    >>> for row in range(6):
    ...     columns.push(np.array([[float(row)]]))
    >>> columns.values().ravel().tolist(), columns.width
    ([0.5, 2.5, 4.5], 2)
    """

    def __init__(self, pool: np.ufunc, least: int = COLUMNS):
        self._pool, self._least = pool, least
        self._whole = self._rest = None  # pooled columns, and rows that make no whole one yet
        #: Rows that a column stands for.
        self.width = 1

    def push(self, rows: np.ndarray) -> None:
        """Take the next rows, ``[row, value]``."""
        rows = rows if self._rest is None else np.concatenate([self._rest, rows])
        if self._whole is None:
            self._whole = rows[:0]
        while len(rows) >= self.width:
            n = min(2 * self._least - len(self._whole), len(rows) // self.width)
            whole = self._pooled(rows[: n * self.width], self.width)
            self._whole, rows = np.concatenate([self._whole, whole]), rows[n * self.width :]
            if len(self._whole) == 2 * self._least:
                self._whole, self.width = self._pooled(self._whole, 2), 2 * self.width
        self._rest = rows.copy()

    def values(self) -> np.ndarray:
        """The columns, ``[column, value]``; there must have been a row."""
        scale = self.width if self._pool is np.add else 1
        whole = self._whole / scale
        if not len(self._rest):
            return whole
        last = self._pool.reduce(self._rest, axis=0) / (len(self._rest) if self._pool is np.add else 1)
        return np.concatenate([whole, last[None]])

    def _pooled(self, rows, n):
        """Each n rows as one."""
        return self._pool.reduce(rows.reshape(-1, n, rows.shape[1]), axis=1)
