"""Checkpoints that are safe against interruption and include the random states."""

import math
import os
import pickle
import random
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import torch
import yaml
from speechbrain.utils.checkpoints import (
    METAFNAME,
    Checkpoint,
    Checkpointer,
    ckpt_recency,
    mark_as_loader,
    mark_as_saver,
    register_checkpoint_hooks,
)
from speechbrain.utils.distributed import ddp_barrier, ddp_broadcast, if_main_process, main_process_only
from speechbrain.utils.logger import get_logger

from hrin_plugin.files import sync as _to_disk

logger = get_logger(__name__)


class AtomicCheckpointer(Checkpointer):
    """SpeechBrain's checkpointer, made safe against kills, full disks and non-finite metrics.

    A checkpoint is written under a hidden name, synced to disk, and then renamed.
    A deletion renames first. A metric that is not finite raises an error, since it
    could count as the best. The order of checkpoints does not depend on the system
    clock. A damaged checkpoint is skipped.

    Arguments
    ---------
    *args, **kwargs
        As for ``speechbrain.utils.checkpoints.Checkpointer``.

    Example
    -------
    >>> layer = torch.nn.Linear(1, 1)
    >>> checkpointer = AtomicCheckpointer(getfixture("tmp_path"), {"layer": layer})
    >>> _ = checkpointer.save_checkpoint(meta={"loss": 0.5})
    >>> checkpointer.find_checkpoint(min_key="loss").meta["loss"]
    0.5
    """

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
        """
        meta = {key: _plain(key, value) for key, value in (meta or {}).items()}
        final, draft_name = None, None
        if if_main_process():
            final = self._new_checkpoint_dirpath() if name is None else self._custom_checkpoint_dirpath(name)
            draft_name = final.name
            newest = max((ckpt.meta["unixtime"] for ckpt in self.list_checkpoints()), default=-math.inf)
        draft_name = ddp_broadcast(draft_name, src=0)
        shown_dir = self.checkpoints_dir
        self.checkpoints_dir = shown_dir / ".unfinished"
        try:
            if if_main_process():
                shutil.rmtree(self.checkpoints_dir, ignore_errors=True)
                self.checkpoints_dir.mkdir(parents=True)
            draft = super().save_checkpoint(meta, end_of_epoch, draft_name.partition("+")[2], verbosity=10)
        finally:
            self.checkpoints_dir = shown_dir
        if draft is None:
            return None
        if draft.meta["unixtime"] <= newest:
            draft.meta["unixtime"] = math.nextafter(newest, math.inf)
            (draft.path / METAFNAME).write_text(yaml.dump(draft.meta), encoding="utf-8")
        for file in draft.path.iterdir():
            _to_disk(file)
        _to_disk(draft.path)
        os.rename(draft.path, final)
        _to_disk(shown_dir)
        logger.log(verbosity, f"Saved a checkpoint in {final}")
        files = {name: final / file.name for name, file in draft.paramfiles.items()}
        return Checkpoint(final, draft.meta, files)

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
        RuntimeError
            If there are checkpoints, and none fits.
        """
        found = self.find_checkpoints(importance_key, max_key, min_key, ckpt_predicate)
        first_error = None
        for checkpoint in found:
            try:
                self.load_checkpoint(checkpoint)
                return checkpoint
            except (RuntimeError, ValueError, EOFError, OSError, KeyError, pickle.UnpicklingError) as error:
                logger.warning(f"The checkpoint {checkpoint.path} cannot be loaded: {error}")
                first_error = first_error or error
        if first_error is not None:
            raise RuntimeError(
                f"no checkpoint in {self.checkpoints_dir} fits this model; choose another output_folder, "
                "or delete the checkpoints if they are not needed"
            ) from first_error
        return None

    def list_checkpoints(self) -> list[Checkpoint]:
        """Every checkpoint with readable metadata.

        Returns
        -------
        list of Checkpoint
            In no particular order.
        """
        readable = []
        for folder in self._list_checkpoint_dirs():
            try:
                found = self._construct_checkpoint_objects([folder])
                if not isinstance(found[0].meta, dict) or "unixtime" not in found[0].meta:
                    raise ValueError("its description is incomplete")
                readable += found
            except (OSError, ValueError, yaml.YAMLError) as error:
                logger.warning(f"The checkpoint {folder} is damaged and left out: {error}")
        return readable

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


@register_checkpoint_hooks
class RandomStates:
    """The states of the random generators of python, numpy and torch, as a recoverable.

    Example
    -------
    >>> path = getfixture("tmp_path") / "states"
    >>> states = RandomStates()
    >>> states.save(path)
    >>> first = torch.rand(1)
    >>> states.load(path, end_of_epoch=True)
    >>> bool(torch.rand(1) == first)
    True
    """

    @mark_as_saver
    def save(self, path):
        """Store the states in a file that loads without running code.

        Arguments
        ---------
        path : str or pathlib.Path
            The file.
        """
        version, words, gauss = random.getstate()
        name, keys, position, has_gauss, cached = np.random.get_state()
        torch.save(
            {
                "python": [version, list(words), gauss],
                "numpy": [name, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, cached],
                "torch": torch.get_rng_state(),
                "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
            },
            path,
        )

    @mark_as_loader
    def load(self, path, end_of_epoch):
        """Restore the states.

        Arguments
        ---------
        path : str or pathlib.Path
            The file.
        end_of_epoch : bool
            Not used; the states are as they were at either moment.
        """
        del end_of_epoch
        states = torch.load(path, map_location="cpu", weights_only=True)
        version, words, gauss = states["python"]
        random.setstate((version, tuple(words), gauss))
        name, keys, position, has_gauss, cached = states["numpy"]
        np.random.set_state((name, keys.numpy().astype(np.uint32), position, has_gauss, cached))
        torch.set_rng_state(states["torch"])
        if len(states["cuda"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(states["cuda"])


@register_checkpoint_hooks
class CarriedStatesRecoverable:
    """The states that recurrent units carry from one training batch to the next, as a recoverable.

    Arguments
    ---------
    units : sequence of hrin_plugin.networks.units.RecurrentUnit
        The units.

    Example
    -------
    >>> from hrin_plugin.networks.units import RecurrentUnit
    >>> unit = RecurrentUnit(input_size=4, hidden_size=2, num_layers=1)
    >>> unit.carried = (torch.ones(2, 3, 2),)
    >>> path = getfixture("tmp_path") / "states"
    >>> CarriedStatesRecoverable([unit]).save(path)
    >>> unit.carried = None
    >>> CarriedStatesRecoverable([unit]).load(path, end_of_epoch=False)
    >>> unit.carried[0].shape
    torch.Size([2, 3, 2])
    """

    def __init__(self, units):
        self.units = units

    @mark_as_saver
    def save(self, path):
        """Store the states in a file that loads without running code."""
        torch.save([unit.carried for unit in self.units], path)

    @mark_as_loader
    def load(self, path, end_of_epoch):
        """Restore the states, within or after an epoch."""
        del end_of_epoch
        for unit, carried in zip(
            self.units, torch.load(path, map_location="cpu", weights_only=True), strict=True
        ):
            unit.carried = carried
