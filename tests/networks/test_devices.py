"""A device that cannot be used is refused in one sentence, before any data is prepared."""

import pytest
import torch

import train
from hrin_plugin.networks.devices import check_device

HERE = torch.accelerator.is_available()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gpu", "the device is 'gpu'; use cpu, cuda"),
        ("cuda:first", "the device is 'cuda:first'; use cpu, cuda"),
        ("cpu:", "the device is 'cpu:'; use cpu, cuda"),
        ("cpu:1", "the device is 'cpu:1', but there is 1 of the kind"),
        pytest.param(
            "cuda", "but torch sees no GPU here; use cpu", marks=pytest.mark.skipif(HERE, reason="GPU")
        ),
        pytest.param("cuda:0", "but torch sees no GPU here", marks=pytest.mark.skipif(HERE, reason="GPU")),
        pytest.param("cuda:99", "of the kind", marks=pytest.mark.skipif(not HERE, reason="no GPU")),
    ],
)
def test_a_device_that_is_not_there_is_refused(name, message):
    with pytest.raises(ValueError, match=message):
        check_device(name)


@pytest.mark.parametrize("precisions", [("fp16", "fp32"), ("fp32", "fp16")])
def test_half_precision_is_refused_on_a_cpu(precisions):
    with pytest.raises(ValueError, match="fp16 is not for a CPU; use bf16 or fp32"):
        check_device("cpu", *precisions)
    check_device("cpu", "bf16", "fp32")
    check_device("cpu:0")


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--device=graphics", "the device is 'graphics'"),
        ("--precision=fp16", "fp16 is not for a CPU"),
        ("--eval_precision=fp16", "fp16 is not for a CPU"),
        ("--auto_mix_prec", "fp16 is not for a CPU"),
    ],
)
def test_a_training_is_refused_before_anything_is_made(option, message, tmp_path):
    device = [] if "--device" in option else ["--device=cpu"]
    with pytest.raises(SystemExit, match=message):
        train.main(["hparams/hrin_cr.yaml", f"--results_folder={tmp_path}/results", option, *device])
    assert list(tmp_path.iterdir()) == []
