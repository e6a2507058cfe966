"""What a trained model still needs: calibrated probabilities, and excerpts to rehearse when it is adapted."""

import torch
from speechbrain import Stage
from torch.nn import functional

from hrin_plugin.mixing.dynamic_plan import BatchStyle
from hrin_plugin.pretrained.rehearsal import Rehearsal

#: First numbers of the plans that calibrate, and that are kept to be rehearsed; no step is that late, and
#: validation begins at 0.
_CALIBRATION_PLAN, _REHEARSAL_PLAN = 10**6, 2 * 10**9


@torch.no_grad()
def calibrate(brain, planner, n_batches, n_excerpts, seconds):
    """Scale the logits of each level, so that probabilities are the shares in which they come true.

    Temperature scaling, Guo et al., ICML 2017, on mixes of stems that no step trains on. The
    averaged model's output layers are changed in place.

    Arguments
    ---------
    brain : DynamicBrain
        Holds the model, the mixer and the features.
    planner : hrin_plugin.mixing.dynamic_plan.Planner
        Draws the mixes.
    n_batches : int
        Batches of mixes.
    n_excerpts : int
        Excerpts of a batch.
    seconds : float
        Length of an excerpt.

    Returns
    -------
    list of float
        For each level the temperature by which its logits were divided.
    """
    style = BatchStyle(seconds, n_excerpts, "valid")
    found, targets = ([], []), ([], [])
    for number in range(_CALIBRATION_PLAN, _CALIBRATION_PLAN + n_batches):
        batch = brain.mixer.render(planner.draw(number, style))
        logits = brain.compute_forward(batch, Stage.VALID)
        for level, truth in enumerate((batch.md, batch.mrle)):
            found[level].append(logits[level][batch.mask].float())
            targets[level].append(truth[batch.mask])
    temperatures = []
    for layer, parts, truths in zip(brain.average.module.heads.layers, found, targets):
        logits, truth = torch.cat(parts), torch.cat(truths)
        wanted = functional.one_hot(truth, logits.shape[1]).float()
        temperature = _best_temperature(logits, wanted)
        layer.weight /= temperature
        layer.bias /= temperature
        temperatures.append(round(temperature, 4))
    return temperatures


def _best_temperature(logits, targets):
    """The divisor with the least cross-entropy, from a third to three, to a hundredth of its logarithm."""
    candidates = torch.logspace(-1, 1, 221, base=3.0).tolist()
    losses = [
        functional.binary_cross_entropy_with_logits(logits / each, targets).item() for each in candidates
    ]
    return candidates[losses.index(min(losses))]


@torch.no_grad()
def draw_rehearsal(brain, planner, n_excerpts, seconds):
    """Excerpts of the training that ``hrin adapt`` rehearses, so that little is forgotten.

    Arguments
    ---------
    brain : DynamicBrain
        Holds the mixer and the features.
    planner : hrin_plugin.mixing.dynamic_plan.Planner
        Draws the mixes, of stems that are trained on.
    n_excerpts : int
        How many.
    seconds : float
        Length of an excerpt.

    Returns
    -------
    Rehearsal
        Those whose frames all count.
    """
    frames, classes, number = [], [], _REHEARSAL_PLAN
    while sum(map(len, classes)) < n_excerpts:
        batch = brain.mixer.render(planner.draw(number, BatchStyle(seconds, n_excerpts)))
        whole = batch.mask.all(dim=1)
        frames.append(brain.features(batch.wavs[whole]).cpu())
        classes.append(batch.mrle[whole].cpu())
        number += 1
    return Rehearsal(torch.cat(frames)[:n_excerpts], torch.cat(classes)[:n_excerpts])
