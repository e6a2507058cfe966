"""Interruptions of trainings, and what they leave."""

import torch
from speechbrain.utils.checkpoints import torch_patched_state_dict_load

from hrin_plugin.training.brain import HRINBrain

#: A checkpoint after every batch, and four batches an epoch of the miniature.
EVERY_BATCH = ("--batch_size=4", "--ckpt_interval_minutes=0", "--ckpt_interval_steps=1")


def weights_of(folder):
    newest = max((folder / "save").glob("CKPT*"), key=lambda path: path.stat().st_mtime_ns)
    return torch_patched_state_dict_load(newest / "model.ckpt")


class Interrupted(Exception):
    """Stands for a kill."""


def interrupt_at(monkeypatch, step):
    """Let training stop after so many batches."""
    batches = []
    original = HRINBrain.on_fit_batch_end

    def count(self, *arguments):
        original(self, *arguments)
        batches.append(1)
        if len(batches) == step:
            raise Interrupted

    monkeypatch.setattr(HRINBrain, "on_fit_batch_end", count)


def with_dropout(monkeypatch):
    """Let the network draw random numbers, so that a lost random state would show."""
    forward = HRINBrain.compute_forward

    def noisy(self, batch, stage):
        outputs = forward(self, batch, stage)
        return [torch.nn.functional.dropout(level, 0.2, stage.name == "TRAIN") for level in outputs]

    monkeypatch.setattr(HRINBrain, "compute_forward", noisy)
