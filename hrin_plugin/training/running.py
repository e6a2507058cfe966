"""A run from the outside: where its results go, and how it ends when something is wrong."""

import contextlib
import errno
import logging
import os
import sys
import tempfile

from speechbrain.utils.distributed import ddp_broadcast

from hrin_plugin.training.openbmat import MINIATURE
from hrin_plugin.training.settings import read_hparams, replace_overrides
from hrin_plugin.training.stopping import Stopped, signals_raised
from hrin_plugin.training.unpacking import unpacked


def own_results(hparams_file, overrides, data_key="data_folder"):
    """Give trainings on synthetic data a results folder of their own, beside those on real data.

    Arguments
    ---------
    hparams_file : str
        The hyperparameter file.
    overrides : str
        Entries that the command line changes, as YAML.
    data_key : str
        The entry that names the data; without a value, they are synthetic.

    Returns
    -------
    str
        The overrides. They are unchanged if data or an output folder are given.

    Example
    -------
    >>> path = getfixture("tmp_path") / "net.yaml"
    >>> _ = path.write_text("data_folder: null\\nresults_folder: results\\noutput_folder: results/run\\n")
    >>> own_results(path, "")
    'results_folder: "results/miniature"'
    >>> own_results(path, "data_folder: OpenBMAT")
    'data_folder: OpenBMAT'
    """
    entries = read_hparams(hparams_file, overrides)
    given = {line.partition(":")[0] for line in overrides.splitlines()}
    if entries.get(data_key) or "output_folder" in given or "results_folder" not in entries:
        return overrides
    folder = os.path.join(entries["results_folder"], MINIATURE)
    return replace_overrides(overrides, results_folder=folder)


def unpack_data(hparams_file, overrides, data_key="data_folder"):
    """Unpack a data set that is a zip file, and name its folder instead.

    Arguments
    ---------
    hparams_file : str
        The hyperparameter file.
    overrides : str
        Entries that the command line changes, as YAML.
    data_key : str
        The entry that names the data.

    Returns
    -------
    str
        The overrides. They are unchanged unless the data are a zip file.

    Raises
    ------
    ValueError
        If the data are another file, or a damaged one.

    Example
    -------
    >>> path = getfixture("tmp_path") / "net.yaml"
    >>> _ = path.write_text("data_folder: null\\n")
    >>> unpack_data(path, "data_folder: OpenBMAT")
    'data_folder: OpenBMAT'
    """
    entries = read_hparams(hparams_file, overrides)
    data = entries.get(data_key)
    folder = unpacked(data, entries.get("prepared_folder") or entries.get("results_folder") or ".")
    return overrides if folder == data else replace_overrides(overrides, **{data_key: str(folder)})


@contextlib.contextmanager
def debug_folder(hparams_file, overrides):
    """Send what a run with ``--debug`` writes to a temporary folder.

    Arguments
    ---------
    hparams_file : str
        The hyperparameter file.
    overrides : str
        Entries that the command line changes, as YAML.

    Yields
    ------
    str
        The overrides, with the temporary folder as ``output_folder``.

    Example
    -------
    >>> path = getfixture("tmp_path") / "net.yaml"
    >>> _ = path.write_text("output_folder: results/run\\n")
    >>> with debug_folder(path, "") as overrides:
    ...     overrides
    'output_folder: "...debug..."'
    """
    with tempfile.TemporaryDirectory(
        prefix=f"hrin-debug-{os.getpid()}-", ignore_cleanup_errors=True
    ) as folder:
        folder = ddp_broadcast(folder, src=0)
        print(f"--debug: nothing is kept; everything goes to {folder}, and that at the end", file=sys.stderr)
        own = {"output_folder": os.path.join(folder, "run")}
        entries = read_hparams(hparams_file, overrides)
        own |= {name: value for name, value in (("logger", "file"), ("hub", None)) if name in entries}
        try:
            yield replace_overrides(overrides, **own)
        finally:
            _close_logs(folder)


def _close_logs(folder):
    """Let no logger write on into a folder that goes: a log that was closed would be opened again."""
    loggers = [logging.getLogger(), *map(logging.getLogger, tuple(logging.root.manager.loggerDict))]
    for logger in loggers:
        for handler in list(logger.handlers):
            path = getattr(handler, "baseFilename", None)
            if path and os.path.realpath(path).startswith(os.path.realpath(folder) + os.sep):
                logger.removeHandler(handler)
                handler.close()


@contextlib.contextmanager
def signals_raised_as_exit():
    """Exit with one sentence and 128 plus its number for SIGTERM, SIGINT and SIGHUP.

    Example
    -------
    >>> with signals_raised_as_exit():
    ...     raise Stopped(15)
    Traceback (most recent call last):
        ...
    SystemExit: 143
    """
    try:
        with signals_raised():
            yield
    except Stopped as stopped:
        print(f"{stopped}: what was done is saved; the same command goes on from there", file=sys.stderr)
        sys.exit(stopped.status)


@contextlib.contextmanager
def refusing(*errors, folder=None):
    """Exit with the message of an error, without a traceback.

    Arguments
    ---------
    *errors : type
        Exceptions with messages for users. The exit status is their ``status``, or else 1.
    folder : str or None
        Where something is written, for errors of the system that name no file.

    Example
    -------
    >>> with refusing(ValueError):
    ...     raise ValueError("a.wav: cannot be read; copy it again")
    Traceback (most recent call last):
        ...
    SystemExit: a.wav: cannot be read; copy it again
    """
    try:
        yield
    except errors as error:
        text = describe_os_error(error, folder) if isinstance(error, OSError) else f"{error}"
        if not hasattr(error, "status"):
            sys.exit(text)
        print(text, file=sys.stderr)
        sys.exit(error.status)


def describe_os_error(error, folder=None):
    """An error of the system as a sentence with file and cure.

    Arguments
    ---------
    error : OSError
        The error.
    folder : str or None
        Named if the error names no file.

    Returns
    -------
    str
        The sentence.

    Example
    -------
    >>> describe_os_error(OSError(errno.ENOSPC, "No space left on device"), "results/run")
    'results/run: No space left on device; make room or allow writing there; the same ...'
    """
    if error.strerror is None:
        return f"{error}"
    place = error.filename2 or error.filename or folder
    cures = {errno.ENOENT: "bring it back", errno.ENOTDIR: "move what is no folder out of the way"}
    cure = cures.get(error.errno, "make room or allow writing there")
    return f"{place or 'a file'}: {error.strerror}; {cure}; the same command goes on from the last checkpoint"
