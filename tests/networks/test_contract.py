"""The open contract of a network: what keeps it passes untouched, what breaks it is refused by name."""

import importlib
import re
import sys

import pytest
import torch
from torch import nn

from hrin_plugin.networks import HRIN, MMG, SinglePath, carry_states, check_network
from hrin_plugin.networks.classes import class_path, find_class, is_of_package
from hrin_plugin.networks.heads import HierarchicalHeads
from hrin_plugin.taxonomy import MUSIC_LOUDNESS, Taxonomy

SOUNDS = Taxonomy(
    levels=[["no-music", "music"], ["speech", "noise", "music"]],
    parents=[{"speech": "no-music", "noise": "no-music", "music": "music"}],
)
THREE_LEVELS = Taxonomy(
    levels=[["a"], ["b"], ["c"]],
    parents=[{"b": "a"}, {"c": "b"}],
)


class Tiny(nn.Module):
    """Keeps the contract, and knows nothing of HRIN."""

    def __init__(self, n_bands=16, width=4, taxonomy=MUSIC_LOUDNESS):
        super().__init__()
        self.taxonomy, self.settings = taxonomy, {"n_bands": n_bands, "width": width}
        self.encoder = nn.Linear(n_bands, width)
        self.heads = HierarchicalHeads(width, taxonomy)

    def forward(self, frames, lens=None):
        return self.heads(self.encoder(frames))


class NoTaxonomyArgument(Tiny):
    def __init__(self, n_bands=16, width=4):
        super().__init__(n_bands, width)


class Forgetful(Tiny):
    """An argument that makes another layer is missing among the settings."""

    def __init__(self, depth=1, **others):
        super().__init__(**others)
        self.more = nn.Sequential(*(nn.Linear(4, 4) for _ in range(depth)))


class ForgetfulOfScale(Tiny):
    """An argument that changes the logits and no weight is missing among the settings."""

    def __init__(self, scale=1.0, **others):
        super().__init__(**others)
        self.scale = scale

    def forward(self, frames, lens=None):
        return super().forward(self.scale * frames)


class NoLens(Tiny):
    def forward(self, frames):
        return super().forward(frames)


class NeedsLens(Tiny):
    def forward(self, frames, lens):
        return super().forward(frames)


class OneTensor(Tiny):
    def forward(self, frames, lens=None):
        return super().forward(frames)[1]


class OneLevel(Tiny):
    def forward(self, frames, lens=None):
        return super().forward(frames)[1:]


class Mapping(Tiny):
    def forward(self, frames, lens=None):
        return dict(enumerate(super().forward(frames)))


class LevelsTheOtherWayRound(Tiny):
    def forward(self, frames, lens=None):
        return super().forward(frames)[::-1]


class HalfTheFrames(Tiny):
    def forward(self, frames, lens=None):
        return super().forward(frames[:, ::2])


class MoreThanTensors(Tiny):
    def get_extra_state(self):
        return {"a": 1}

    def set_extra_state(self, state):
        pass


class Outer:
    class Inner(Tiny):
        pass


def changed(network_class=Tiny, **attributes):
    """A network with other attributes; those of value None are deleted."""
    network = network_class()
    for name, value in attributes.items():
        delattr(network, name) if value is None else setattr(network, name, value)
    return network


def make_local():
    """A network of a class inside a function."""

    class Local(Tiny):
        pass

    return Local()


HERE = re.escape(__name__)
BROKEN = {
    "no module": ({}, r"the network builtins\.dict is no torch\.nn\.Module; derive"),
    "no taxonomy": (changed(taxonomy=None), f"the network {HERE}.Tiny has no attribute 'taxonomy'; set self"),
    "no settings": (changed(settings=None), f"the network {HERE}.Tiny has no attribute 'settings'; set self"),
    "list of labels": (
        changed(taxonomy=[["music"]]),
        "has a list as its taxonomy; make it a hrin_plugin.Tax",
    ),
    "three levels": (changed(taxonomy=THREE_LEVELS), "has two levels; this taxonomy has 3"),
    "settings as list": (changed(settings=[16]), "has a list as its settings; make it a dict"),
    "taxonomy twice": (
        changed(settings={"taxonomy": 1}),
        "has 'taxonomy' in its settings, which is kept apart",
    ),
    "not JSON": (
        changed(settings={"unit": nn.GRU}),
        "has the setting 'unit', which cannot be written as JSON .*; use numbers, texts",
    ),
    "not a number": (changed(settings={"width": float("nan")}), "'width', which cannot be written as JSON"),
    "unknown setting": (
        changed(settings={"depth": 3}),
        "cannot be built again from its taxonomy and settings .*unexpected keyword argument 'depth'.*; make",
    ),
    "no argument taxonomy": (changed(NoTaxonomyArgument), "unexpected keyword argument 'taxonomy'"),
    "forgotten layer": (
        Forgetful(depth=2),
        r"has other weights \(more\.1\.weight: none, not \[4, 4\]\); put every argument",
    ),
    "forgotten scale": (ForgetfulOfScale(scale=2.0), "gives other logits with the same weights; put every"),
    "no lens": (
        NoLens(),
        r"cannot be called with frames and relative lengths, \[2, 100, 16\] .*; define forward",
    ),
    "needs lens": (
        NeedsLens(),
        r"cannot be called with frames alone, .*; define forward\(self, frames, lens=None",
    ),
    "other bands": (Tiny(n_bands=8), r"cannot be called with frames and relative lengths, \[2, 100, 16\]"),
    "one tensor": (OneTensor(), "returns a Tensor, not logits of each level; return one tensor"),
    "one level": (
        OneLevel(),
        r"returns shapes \[\[2, 100, 3\]\] for frames \[2, 100, 16\], not \[\[2, 100, 2\], ",
    ),
    "a mapping": (Mapping(), "returns a dict, not logits of each level"),
    "order of levels": (LevelsTheOtherWayRound(), r"returns shapes \[\[2, 100, 3\], \[2, 100, 2\]\]"),
    "half the frames": (HalfTheFrames(), r"returns shapes \[\[2, 50, 2\], \[2, 50, 3\]\]"),
    "no tensors": (MoreThanTensors(), "has _extra_state in its state_dict, a dict; keep only tensors"),
    "class in a class": (
        Outer.Inner(),
        r"class .*Outer\.Inner cannot be imported again; define it at the top",
    ),
    "class in a function": (make_local(), r"class .*Local cannot be imported again; define it at the top"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_contract_is_refused_by_name(name):
    network, message = BROKEN[name]
    with pytest.raises(ValueError, match=message) as refusal:
        check_network(network, n_bands=16)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "network",
    [
        HRIN(hidden_size=4, num_layers=2, conv_unit=True, unit="lstm"),
        SinglePath(hidden_size=4, num_layers=1, conv_unit=True),
        MMG(channels=(2, 4)),
        Tiny(n_bands=128, width=9, taxonomy=SOUNDS),
    ],
    ids=lambda network: type(network).__name__,
)
def test_what_keeps_the_contract_is_left_as_it_is(network):
    network.train()
    next(network.children()).eval()
    modes = [module.training for module in network.modules()]
    weights = {name: weight.clone() for name, weight in network.state_dict().items()}
    random_state = torch.get_rng_state()
    check_network(network, n_bands=128, taxonomy=network.taxonomy)
    assert torch.equal(torch.get_rng_state(), random_state)
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(weight, weights[name]) for name, weight in network.state_dict().items())


def test_a_network_that_carries_states_in_training_passes_without_any():
    network = HRIN(hidden_size=4, num_layers=1)
    carry_states(network)
    check_network(network, n_bands=128)
    assert network.recurrent_1.carried is None


def test_the_objective_must_have_the_same_classes():
    with pytest.raises(
        ValueError,
        match="HRIN has another taxonomy than the objective: no-music, music / no-music, fg-music, bg-music, "
        "not no-music, music / speech, noise, music; give both the same",
    ):
        check_network(HRIN(hidden_size=4), n_bands=128, taxonomy=SOUNDS)


@pytest.mark.parametrize("network_class", [HRIN, MMG, SinglePath])
def test_classes_of_the_package_go_by_their_names_alone(network_class):
    assert class_path(network_class) == network_class.__name__
    assert find_class(network_class.__name__) is network_class


def test_a_class_of_the_package_that_is_not_offered_goes_by_its_module(monkeypatch):
    module = importlib.import_module("hrin_plugin.networks.hrin")
    new = type("New", (HRIN,), {"__module__": module.__name__})
    monkeypatch.setattr(module, "New", new, raising=False)
    assert class_path(new) == "hrin_plugin.networks.hrin.New"
    assert is_of_package(class_path(new)) and find_class(class_path(new)) is new


def test_a_class_from_elsewhere_is_found_by_its_module():
    assert find_class(class_path(nn.Linear)) is nn.Linear
    assert not is_of_package(class_path(nn.Linear)) and not is_of_package("hrin_plugin.cli.main")


def test_a_class_that_is_not_there_is_named():
    with pytest.raises(
        ValueError, match="the class nowhere.Net cannot be imported .*add its folder to PYTHONPA"
    ):
        find_class("nowhere.Net")
    with pytest.raises(ValueError, match="torch.nn has no network 'functional'"):
        find_class("torch.nn.functional")


def test_a_class_of_the_script_that_runs_is_refused(monkeypatch):
    main = type("Mine", (Tiny,), {"__module__": "__main__"})
    monkeypatch.setattr(sys.modules["__main__"], "Mine", main, raising=False)
    with pytest.raises(
        ValueError, match="class __main__.Mine cannot be imported again; define it at the top"
    ):
        class_path(main)
