"""Checkpoints that are safe against interruption, damage and full disks."""

import math
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence

import yaml
from speechbrain.dataio.dataloader import SaveableDataLoader
from speechbrain.utils.checkpoints import (
    CKPT_PREFIX,
    DEFAULT_SAVE_HOOKS,
    METAFNAME,
    Checkpoint,
    Checkpointer,
    ckpt_recency,
    get_default_hook,
    torch_save,
)
from speechbrain.utils.distributed import ddp_barrier, ddp_broadcast, if_main_process, main_process_only
from speechbrain.utils.logger import get_logger

from hrin_plugin.files import sync as _to_disk
from hrin_plugin.training.integrity import check_sums, write_sums
from hrin_plugin.training.states import CarriedStatesRecoverable, RandomStates, write_torch

__all__ = ["AtomicCheckpointer", "CarriedStatesRecoverable", "CheckpointsUnusable", "RandomStates"]

logger = get_logger(__name__)


class CheckpointsUnusable(RuntimeError):
    """Raised if there are checkpoints, and none can be loaded.

    Arguments
    ---------
    folder : pathlib.Path
        The folder of the checkpoints.
    faults : mapping of str to Exception
        Name of each checkpoint to its fault.

    Example
    -------
    >>> print(CheckpointsUnusable("save", {"CKPT+1": ValueError("model.ckpt is damaged")}))
    no checkpoint in save is whole and fits this model; choose another output_folder, or delete the
    checkpoints if they are not needed (CKPT+1: model.ckpt is damaged)
    """

    def __init__(self, folder, faults):
        texts = (f"{name}: {str(error).strip().partition(os.linesep)[0]}" for name, error in faults.items())
        super().__init__(
            f"no checkpoint in {folder} is whole and fits this model; choose another output_folder, "
            f"or delete the checkpoints if they are not needed ({'; '.join(texts)})"
        )


class AtomicCheckpointer(Checkpointer):
    """SpeechBrain's checkpointer, made safe against kills, damage, full disks and non-finite metrics.

    A checkpoint is written under a hidden name, with checksums, synced to disk, and then
    renamed. A deletion renames first. A metric that is not finite raises an error, since it
    could count as the best. The order of checkpoints does not depend on the system clock.
    A damaged checkpoint is named and skipped, before anything of it is loaded.

    Arguments
    ---------
    *args, **kwargs
        As for ``speechbrain.utils.checkpoints.Checkpointer``.

    Example
    -------
    >>> import torch
    >>> layer = torch.nn.Linear(1, 1)
    >>> checkpointer = AtomicCheckpointer(getfixture("tmp_path"), {"layer": layer})
    >>> _ = checkpointer.save_checkpoint(meta={"loss": 0.5})
    >>> checkpointer.find_checkpoint(min_key="loss").meta["loss"]
    0.5
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        # Folder to fault of damaged checkpoints, and to the state of files in those that were whole.
        self._damaged, self._checked = {}, {}

    def save_checkpoint(
        self,
        meta: Mapping | None = None,
        end_of_epoch: bool = True,
        name: str | None = None,
        verbosity: int = 20,
    ) -> Checkpoint | None:
        """Save every recoverable; see ``Checkpointer.save_checkpoint``.

        Arguments
        ---------
        meta : mapping or None
            Metrics and marks to store with the checkpoint.
        end_of_epoch : bool
            Whether an epoch is complete.
        name : str or None
            A name instead of the time.
        verbosity : int
            Logging level.

        Returns
        -------
        Checkpoint or None
            The checkpoint; None in all processes but the main one.

        Raises
        ------
        ValueError
            If a metric is not finite. Nothing is saved then.
        OSError
            If the files cannot be written. Earlier checkpoints stay as they are.
        """
        meta = {key: _plain(key, value) for key, value in (meta or {}).items()}
        final, draft_name = None, None
        if if_main_process():
            final = self._new_checkpoint_dirpath() if name is None else self._custom_checkpoint_dirpath(name)
            draft_name = final.name
            newest = max((ckpt.meta["unixtime"] for ckpt in self.list_checkpoints()), default=-math.inf)
        draft_name = ddp_broadcast(draft_name, src=0)
        try:
            draft = self._save_draft(meta, end_of_epoch, draft_name)
            if draft is None:
                return None
            if draft.meta["unixtime"] <= newest:
                draft.meta["unixtime"] = math.nextafter(newest, math.inf)
                (draft.path / METAFNAME).write_text(yaml.dump(draft.meta), encoding="utf-8")
            write_sums(draft.path)
            for file in draft.path.iterdir():
                _to_disk(file)
            _to_disk(draft.path)
            os.rename(draft.path, final)
            _to_disk(self.checkpoints_dir)
        except OSError as error:
            # What is half written only takes room from what may be full.
            shutil.rmtree(self._draft_dir, ignore_errors=True)
            raise OSError(
                f"{self.checkpoints_dir}: no checkpoint can be saved ({error.strerror or error}); "
                "make room or allow writing there; the same command goes on from the last checkpoint"
            ) from error
        logger.log(verbosity, f"Saved a checkpoint in {final}")
        files = {name: final / file.name for name, file in draft.paramfiles.items()}
        return Checkpoint(final, draft.meta, files)

    @property
    def _draft_dir(self):
        return self.checkpoints_dir / ".unfinished"

    def _save_draft(self, meta, end_of_epoch, name):
        """Save under the hidden name."""
        # SpeechBrain's own hook hides why a file cannot be written.
        own = {
            recoverable: _save_state
            for recoverable, obj in self.recoverables.items()
            if get_default_hook(obj, DEFAULT_SAVE_HOOKS) is torch_save
        }
        self.custom_save_hooks = own | self.custom_save_hooks
        shown_dir, draft_dir = self.checkpoints_dir, self._draft_dir
        if if_main_process():
            shutil.rmtree(draft_dir, ignore_errors=True)
            draft_dir.mkdir(parents=True)
        self.checkpoints_dir = draft_dir
        try:
            return super().save_checkpoint(meta, end_of_epoch, name.partition("+")[2], verbosity=10)
        finally:
            self.checkpoints_dir = shown_dir

    def is_empty(self) -> bool:
        """Whether a training begins anew here.

        Returns
        -------
        bool
            False if there is a whole checkpoint.

        Raises
        ------
        CheckpointsUnusable
            If all that there are is damaged.
        """
        if self.list_checkpoints():
            return False
        self._refuse_damaged({})
        return True

    def load_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Load every recoverable; see ``Checkpointer.load_checkpoint``.

        Arguments
        ---------
        checkpoint : Checkpoint
            The checkpoint.

        Raises
        ------
        ValueError
            If a file is missing or damaged. Nothing is loaded then.
        """
        check_sums(checkpoint.path)
        loaders = {
            name: obj for name, obj in self.recoverables.items() if isinstance(obj, SaveableDataLoader)
        }
        missing = [f"{name}.ckpt" for name in loaders if name not in checkpoint.paramfiles]
        if missing and not checkpoint.meta["end-of-epoch"] and not self.allow_partial_load:
            raise ValueError(f"{', '.join(missing)} is missing")
        for loader in loaders.values():
            # A loader keeps the position of an attempt that failed, and a checkpoint
            # at the end of an epoch has none that replaces it.
            if loader._speechbrain_iterator is None:
                loader._speechbrain_recovery_skip_to = None
        super().load_checkpoint(checkpoint)

    def recover_if_possible(
        self,
        importance_key: Callable | None = None,
        max_key: str | None = None,
        min_key: str | None = None,
        ckpt_predicate: Callable | None = None,
    ) -> Checkpoint | None:
        """Load the best or newest checkpoint that can be read.

        Arguments
        ---------
        importance_key, max_key, min_key, ckpt_predicate
            As those of ``Checkpointer.recover_if_possible``.

        Returns
        -------
        Checkpoint or None
            The loaded checkpoint; None if there is none.

        Raises
        ------
        CheckpointsUnusable
            If there are checkpoints, and none is whole and fits.
        """
        faults = {}
        for checkpoint in self.find_checkpoints(importance_key, max_key, min_key, ckpt_predicate):
            try:
                self.load_checkpoint(checkpoint)
                return checkpoint
            except Exception as error:  # a damaged file may raise anything
                logger.warning(f"The checkpoint {checkpoint.path} cannot be loaded: {error}")
                faults[checkpoint.path.name] = error
        if faults or not self.list_checkpoints():
            self._refuse_damaged(faults)
        return None

    def _refuse_damaged(self, faults):
        """Raise CheckpointsUnusable if there are checkpoints."""
        faults = {folder.name: error for folder, error in self._damaged.items()} | faults
        if faults:
            raise CheckpointsUnusable(self.checkpoints_dir, faults) from next(reversed(faults.values()))

    def list_checkpoints(self) -> list[Checkpoint]:
        """Every checkpoint that is whole; each damaged one is named once.

        Returns
        -------
        list of Checkpoint
            In no particular order.
        """
        whole, damaged = [], {}
        for folder in self._list_checkpoint_dirs():
            try:
                whole.append(self._read(folder))
            except (OSError, ValueError, yaml.YAMLError) as error:
                damaged[folder] = error
                if folder not in self._damaged:
                    logger.warning(f"The checkpoint {folder} is damaged and left out: {error}")
        self._damaged = damaged
        return whole

    def _list_checkpoint_dirs(self):
        """Folders of checkpoints, those without a description too."""
        names = self.checkpoints_dir.glob(f"{CKPT_PREFIX}*")
        return [path for path in names if path.is_dir()]

    def _read(self, folder):
        """A checkpoint's description, if its files are whole."""
        state = {path.name: (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.iterdir()}
        if self._checked.get(folder) != state:
            check_sums(folder)
            self._checked[folder] = state
        [found] = self._construct_checkpoint_objects([folder])
        meta = found.meta if isinstance(found.meta, dict) else {}
        if not isinstance(meta.get("unixtime"), int | float) or "end-of-epoch" not in meta:
            raise ValueError(f"{METAFNAME} is incomplete")
        return found

    def delete_checkpoints(
        self,
        *,
        num_to_keep: int = 1,
        min_keys: Sequence[str] | None = None,
        max_keys: Sequence[str] | None = None,
        importance_keys: Iterable[Callable] = (ckpt_recency,),
        ckpt_predicate: Callable | None = None,
        verbosity: int = 20,
    ) -> None:
        """Delete all but the best or newest; see ``Checkpointer.delete_checkpoints``.

        SpeechBrain's method deletes file by file, so that a kill leaves half a checkpoint.

        Arguments
        ---------
        num_to_keep : int
            Number of checkpoints to keep by each order.
        min_keys, max_keys : list of str or None
            Metrics whose lowest or highest values are kept.
        importance_keys : iterable of callable
            Further orders; the highest are kept.
        ckpt_predicate : callable or None
            Only checkpoints for which it is true can be deleted.
        verbosity : int
            Logging level.
        """
        if num_to_keep < 0:
            raise ValueError(f"the number of checkpoints to keep is {num_to_keep}; it cannot be negative")
        orders = [{"min_key": key} for key in min_keys or ()]
        orders += [{"max_key": key} for key in max_keys or ()]
        orders += [{"importance_key": key} for key in importance_keys]
        found, kept = set(), set()
        for order in orders:
            ranked = self.find_checkpoints(**order, ckpt_predicate=ckpt_predicate)
            found.update(ranked)
            kept.update(ranked[:num_to_keep])
        ddp_barrier()
        self._remove(found - kept, verbosity)
        ddp_barrier()

    @main_process_only
    def _remove(self, checkpoints, verbosity):
        bin_dir = self.checkpoints_dir / ".deleted"
        shutil.rmtree(bin_dir, ignore_errors=True)
        bin_dir.mkdir(exist_ok=True)
        for checkpoint in checkpoints:
            os.rename(checkpoint.path, bin_dir / checkpoint.path.name)
            logger.log(verbosity, f"Deleted the checkpoint {checkpoint.path}")
        shutil.rmtree(bin_dir, ignore_errors=True)


def _plain(key, value):
    """A metric as a finite float; other values unchanged."""
    if isinstance(value, bool | str | None):
        return value
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"no checkpoint is saved, because its {key} is {number}")
    return number


@main_process_only
def _save_state(obj, path):
    """Hook that saves a module or an optimizer."""
    write_torch(obj.state_dict(), path)
