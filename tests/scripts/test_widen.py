"""A wider network that begins with what a smaller one has learnt, against the smaller one."""

import pytest
import torch

from hrin_plugin.features import BandStatistics, LogMel
from hrin_plugin.networks.baselines import MMG
from hrin_plugin.networks.hrin import HRIN
from hrin_plugin.pretrained.folder import PretrainedModel, load_pretrained, save_pretrained
from widen import _positions, main, widen


@pytest.fixture
def frames():
    """Two recordings."""
    return torch.randn(2, 12, 128, generator=torch.Generator().manual_seed(0))


def hrin_cr(hidden_size):
    """A network whose batch normalisation has seen something."""
    torch.manual_seed(1)
    network = HRIN(hidden_size=hidden_size, num_layers=2, conv_unit=True)
    for _ in range(3):
        network(torch.randn(4, 20, 128))
    return network.eval()


def test_the_first_path_gives_what_it_gave(frames):
    small = hrin_cr(50)
    wide = widen(small, 70).eval()
    assert wide.settings == {**small.settings, "hidden_size": 70}
    torch.testing.assert_close(wide(frames).md, small(frames).md)


def test_so_does_the_second_where_the_same_units_reach_it(frames):
    # With so few units, the convolution's only position sees the bands alone.
    small = hrin_cr(5)
    torch.testing.assert_close(widen(small, 9).eval()(frames).mrle, small(frames).mrle)


def test_what_the_second_path_takes_from_its_convolution_stands_where_it_stood(frames):
    small = hrin_cr(50)
    wide = widen(small, 100).eval()
    joined = torch.randn(2, 12, 128 + 2 * 50)
    # The wider one's input goes on where the smaller one's ends.
    seen = wide.conv_2(torch.cat((joined, torch.randn(2, 12, 100)), dim=-1))
    kept = _positions(small.conv_2, wide.conv_2)
    assert len(kept) == small.conv_2.output_size < wide.conv_2.output_size
    torch.testing.assert_close(seen[..., kept], small.conv_2(joined))
    inputs = wide.recurrent_2.rnn.weight_ih_l0[:50]
    torch.testing.assert_close(inputs[:, kept], small.recurrent_2.rnn.weight_ih_l0[:50])
    assert inputs.count_nonzero() == inputs[:, kept].numel()


def test_new_units_learn(frames):
    wide = widen(hrin_cr(5), 9)
    sum(logits.square().sum() for logits in wide(frames)).backward()
    new_to_head = wide.heads.layers[0].weight.grad[:, 5:9]
    assert new_to_head.abs().min() > 0
    new_to_old = wide.recurrent_1.rnn.weight_hh_l1.grad[:5, 5:]
    assert new_to_old.abs().min() > 0


def test_command(tmp_path, frames):
    small = hrin_cr(5)
    statistics = BandStatistics(128).fit([torch.randn(9, 128)])
    save_pretrained(tmp_path / "small", PretrainedModel(LogMel(), statistics, small))
    main([str(tmp_path / "wide"), str(tmp_path / "small"), "8"])
    wide = load_pretrained(tmp_path / "wide")
    torch.testing.assert_close(wide.statistics.mean, statistics.mean)
    torch.testing.assert_close(wide.network(frames).md, small(frames).md)


@pytest.mark.parametrize(
    "network, size, complaint",
    [
        (HRIN(hidden_size=5, num_layers=1, conv_unit=True), 5, "has 5 units a direction"),
        (HRIN(hidden_size=5, num_layers=1), 9, "only HRIN-cr"),
        (HRIN(hidden_size=5, num_layers=1, conv_unit=True, unit="lstm"), 9, "only HRIN-cr"),
        (HRIN(hidden_size=5, num_layers=1, conv_unit=True, concatenation="after_conv"), 9, "only HRIN-cr"),
        (MMG(), 9, "only HRIN-cr"),
    ],
)
def test_what_cannot_be_widened_is_said(tmp_path, network, size, complaint):
    save_pretrained(tmp_path / "model", PretrainedModel(LogMel(), BandStatistics(128), network))
    with pytest.raises(SystemExit, match=complaint):
        main([str(tmp_path / "wide"), str(tmp_path / "model"), str(size)])
    assert not (tmp_path / "wide").exists()
