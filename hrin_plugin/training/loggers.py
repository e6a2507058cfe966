"""Where the figures of each epoch go: a text file, TensorBoard, Weights & Biases."""

import re
from pathlib import Path

from speechbrain.utils.distributed import if_main_process, main_process_only
from speechbrain.utils.train_logger import FileTrainLogger, TrainLogger

from hrin_plugin.files import write_atomically

#: How a line begins that belongs to an epoch, and to a step.
EPOCH, STEP = re.compile(r"epoch: (\d+),"), re.compile(r"step (\d+),")


def keep_epochs(path, n_done, mark=EPOCH):
    """Drop lines of a training log that a resumed training writes again.

    Arguments
    ---------
    path : str or pathlib.Path
        The log, which may be missing.
    n_done : int
        Epochs that are complete; those after them, repeated ones and a line that was cut are dropped.
    mark : re.Pattern
        :data:`EPOCH`, or :data:`STEP` for a log of steps.

    Example
    -------
    >>> path = getfixture("tmp_path") / "train_log.txt"
    >>> _ = path.write_text("epoch: 1, lr: 1e-3\\nepoch: 2, lr: 1e-3\\nepoch: 3, l")
    >>> keep_epochs(path, 1)
    >>> path.read_text()
    'epoch: 1, lr: 1e-3\\n'
    """
    path = Path(path)
    if not path.exists():
        return
    text = path.read_text(encoding="utf-8", errors="replace")
    kept, seen = [], set()
    for line in text.splitlines(keepends=True):
        epoch = mark.match(line)
        is_new = epoch is None or (int(epoch[1]) <= n_done and int(epoch[1]) not in seen)
        if is_new and line.endswith("\n"):
            kept.append(line)
            seen.update([int(epoch[1])] if epoch else [])
    if "".join(kept) != text:
        write_atomically(path, "".join(kept))


class FileLog(FileTrainLogger):
    """A line for each epoch in a text file; no epoch stands there twice.

    Arguments
    ---------
    save_file : str or pathlib.Path
        The file.
    precision : int
        Digits after the point.

    Example
    -------
    >>> path = getfixture("tmp_path") / "train_log.txt"
    >>> log = FileLog(path)
    >>> log.resume(0)
    >>> log.log_stats({"epoch": 1, "lr": 0.5}, {"loss": 2.0}, {"loss": 3.0}, verbose=False)
    >>> path.read_text()
    'epoch: 1, lr: 5.00e-01 - train loss: 2.00 - valid loss: 3.00\\n'
    """

    @main_process_only
    def resume(self, n_done):
        """Go on after so many complete epochs."""
        keep_epochs(self.save_file, n_done)


class TensorBoardLog(TrainLogger):
    """TensorBoard's event files: each figure by epoch, also after a resumption.

    Arguments
    ---------
    folder : str or pathlib.Path
        Where the files go.

    Raises
    ------
    ImportError
        If TensorBoard is missing, with the command that installs it.
    """

    def __init__(self, folder):
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ImportError(_cure("tensorboard", error)) from None
        self._open, self.folder, self.writer = SummaryWriter, folder, None

    def resume(self, n_done):
        """Go on after so many complete epochs; points of later ones are hidden."""
        if if_main_process():
            self.writer = self._open(str(self.folder), purge_step=n_done + 1)

    @main_process_only
    def log_stats(self, stats_meta, train_stats=None, valid_stats=None, test_stats=None, verbose=False):
        """See ``TrainLogger.log_stats``."""
        if self.writer is None:
            self.resume(stats_meta["epoch"] - 1)
        for name, value in _flat(stats_meta, train_stats, valid_stats, test_stats).items():
            self.writer.add_scalar(name, value, stats_meta["epoch"])
        self.writer.flush()


class WandbLog(TrainLogger):
    """A run of Weights & Biases; ``WANDB_MODE=offline`` needs no network and no account.

    Arguments
    ---------
    folder : str or pathlib.Path
        Where W&B keeps its files.
    name : str
        The run's name, from which its identity follows: a resumed training goes on in the same run.

    Raises
    ------
    ImportError
        If wandb is missing, with the command that installs it.
    """

    PROJECT = "hrin"

    def __init__(self, folder, name):
        try:
            import wandb
        except ImportError as error:
            raise ImportError(_cure("wandb", error)) from None
        self._wandb, self.folder, self.name, self.run = wandb, Path(folder), name, None

    def resume(self, n_done):
        """Go on after so many complete epochs."""
        if if_main_process():
            self.folder.mkdir(parents=True, exist_ok=True)
            identity = re.sub(r"[^A-Za-z0-9_-]+", "-", self.name)
            try:
                self.run = self._wandb.init(
                    project=self.PROJECT, name=self.name, id=identity, dir=str(self.folder), resume="allow"
                )
            except Exception as error:  # no account, no network, and what else there may be
                raise OSError(
                    f"--logger wandb: no run can begin ({error}); log in with `wandb login`, "
                    "or set WANDB_MODE=offline"
                ) from error

    @main_process_only
    def log_stats(self, stats_meta, train_stats=None, valid_stats=None, test_stats=None, verbose=False):
        """See ``TrainLogger.log_stats``."""
        if self.run is None:
            self.resume(stats_meta["epoch"] - 1)
        self.run.log(_flat(stats_meta, train_stats, valid_stats, test_stats), step=stats_meta["epoch"])

    @main_process_only
    def close(self):
        """Write what is left."""
        if self.run is not None:
            self.run.finish()


class TrainLoggers(TrainLogger):
    """Several loggers at once. The text file is always written, since other commands read it.

    Arguments
    ---------
    names : str
        ``file``, ``tensorboard`` and ``wandb``, with commas between them.
    save_file : str or pathlib.Path
        The text file; files of the others go beside it.

    Raises
    ------
    ValueError
        If a name is unknown.

    Example
    -------
    >>> loggers = TrainLoggers("file", getfixture("tmp_path") / "train_log.txt")
    >>> [type(logger).__name__ for logger in loggers.loggers]
    ['FileLog']
    """

    NAMES = ("file", "tensorboard", "wandb")

    def __init__(self, names, save_file):
        wanted = [name.strip() for name in str(names).split(",")]
        unknown = [name for name in wanted if name not in self.NAMES]
        if unknown:
            raise ValueError(
                f"logger is {names!r}: {', '.join(map(repr, unknown))} is none of {', '.join(self.NAMES)}"
            )
        self.save_file = save_file
        folder = Path(save_file).absolute().parent
        self.loggers = [FileLog(save_file)]
        if "tensorboard" in wanted:
            self.loggers.append(TensorBoardLog(folder / "tensorboard"))
        if "wandb" in wanted:
            # Experiment, fold and seed.
            self.loggers.append(WandbLog(folder, "/".join(folder.parts[-3:])))

    def resume(self, n_done):
        """Go on after so many complete epochs."""
        for logger in self.loggers:
            logger.resume(n_done)

    def log_stats(self, stats_meta, train_stats=None, valid_stats=None, test_stats=None, verbose=True):
        """See ``TrainLogger.log_stats``."""
        for logger in self.loggers:
            is_file = isinstance(logger, FileLog)
            logger.log_stats(stats_meta, train_stats, valid_stats, test_stats, verbose=verbose and is_file)

    def close(self):
        """Write what is left."""
        for logger in self.loggers:
            if hasattr(logger, "close"):
                logger.close()


def _flat(meta, train, valid, test):
    """All figures in one dict, such as "train/loss"."""
    parts = {"train": train, "valid": valid, "test": test}
    figures = {name: value for name, value in meta.items() if name != "epoch"}
    return figures | {
        f"{stage}/{name}": value for stage, stats in parts.items() for name, value in (stats or {}).items()
    }


def _cure(name, error):
    return f'--logger {name} needs {name} ({error}); run: pip install "hrin-plugin[{name}]"'
