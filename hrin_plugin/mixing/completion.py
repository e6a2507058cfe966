"""Completion of a set over any number of processes."""

import functools
import os
import tempfile
from pathlib import Path

import numpy as np
from tqdm import tqdm

from hrin_plugin.archive.processes import map_local
from hrin_plugin.machine import n_cores
from hrin_plugin.mixing.excerpts import (
    finish_mix,
    is_complete,
    make_folders,
    render_excerpt,
    write_excerpt,
    write_splits,
)
from hrin_plugin.mixing.programme import PLAIN
from hrin_plugin.mixing.store import Source


def complete_set(out, excerpts, seed, jobs, make_sources, share_sources, style=PLAIN):
    """Make the missing parts of a set: the store of its sources, then the excerpts.

    Arguments
    ---------
    out : str or pathlib.Path
        Folder of the set.
    excerpts : list of Excerpt
        The excerpts of the complete set.
    seed : int
        Seed of the set.
    jobs : int or None
        Number of processes; None for as many as there are cores.
    make_sources : callable
        Takes the missing excerpts and a ``map`` over processes, returns an iterable of
        (kind, name, samples as int16 ``[sample]``, loudness in LUFS).
    share_sources : callable
        Takes lists of Source by kind, returns one mapping of kind to Source for each fold.
    style : Style
        Difficulty settings of the mixes.

    Returns
    -------
    list of Excerpt
        ``excerpts``, now complete.

    Example
    -------
    >>> from hrin_plugin.mixing.excerpts import plan_excerpts
    >>> samples = (9000 * np.random.default_rng(0).standard_normal(44100)).astype("int16")
    >>> excerpts = complete_set(
    ...     getfixture("tmp_path"), plan_excerpts(10, 2.0, seed=0), 0, 1,
    ...     make_sources=lambda missing, run: [(k, "a", samples, -8.0) for k in ("music", "speech", "noise")],
    ...     share_sources=lambda sources: [sources] * 10,
    ... )
    >>> is_complete(getfixture("tmp_path"), excerpts[9])
    True
    """
    missing = [excerpt for excerpt in excerpts if not is_complete(out, excerpt)]
    if not missing and Path(out, "splits", "splits.csv").exists():
        return excerpts
    make_folders(out)
    write_splits(out, excerpts)
    run = functools.partial(map_local, jobs=jobs or n_cores())
    with tempfile.TemporaryDirectory(prefix="hrin-sources-") as folder:
        store_path = os.path.join(folder, "store.int16")
        folds = share_sources(_write_store(store_path, make_sources(missing, run)))
        tasks = [(excerpt, folds[excerpt.fold]) for excerpt in missing]
        render = functools.partial(_render, out=out, seed=seed, store_path=store_path, style=style)
        for _ in progress(run(render, tasks), len(tasks), "mixing", "excerpt"):
            pass
        _open_store.cache_clear()
    return excerpts


def _write_store(path, recordings):
    """Write samples one after the other; returns their positions by kind."""
    sources, start = {"music": [], "speech": [], "noise": []}, 0
    try:
        with open(path, "wb") as file:
            for kind, name, samples, level_lufs in recordings:
                file.write(samples)
                sources[kind].append(Source(name, start, len(samples), level_lufs))
                start += len(samples)
    except OSError as error:
        cure = "make room, or set TMPDIR to another folder"
        raise OSError(f"decoded recordings cannot be kept in {path} ({error.strerror}); {cure}") from None
    return sources


def _render(task, out, seed, store_path, style):
    """Make one excerpt; runs in a worker."""
    excerpt, sources = task
    mix = render_excerpt(excerpt, _open_store(store_path), sources, seed, style).mix
    write_excerpt(out, excerpt, finish_mix(excerpt, mix, seed, style))


@functools.lru_cache(maxsize=1)
def _open_store(path):
    """The store, mapped once for each worker."""
    return np.memmap(path, dtype=np.int16, mode="r")


def progress(results, total, verb, unit):
    """Iterate over results, with a progress bar on a terminal.

    Arguments
    ---------
    results : iterable
        The results to wait for.
    total : int
        Number of results.
    verb, unit : str
        Label of the bar, and unit.

    Returns
    -------
    iterable
        The results.

    Example
    -------
    >>> list(progress(iter("ab"), 2, "spelling", "letter"))
    ['a', 'b']
    """
    return tqdm(results, total=total, desc=verb, unit=unit, disable=None)
