"""A model that forgets: how long units hold their states, and windows of it beside one pass."""

import numpy as np
import pytest
import soundfile
import torch

from forget import decays, forget, main
from hrin_plugin.features import BandStatistics, LogMel
from hrin_plugin.inference.windows import window_probabilities
from hrin_plugin.networks.hrin import HRIN
from hrin_plugin.pretrained.folder import PretrainedModel, load_pretrained, save_pretrained
from oracles import recognise

HOLDER = "recurrent_2.rnn.bias_ih_l0_reverse"


def holding_model(**settings):
    """A model of which one unit holds its state for two minutes."""
    torch.manual_seed(0)
    features = LogMel(n_mels=16, reference=1.0, floor_db=None)
    statistics = BandStatistics(16).fit([features(torch.from_numpy(sound(10))[None])[0]])
    network = HRIN(input_size=16, hidden_size=4, num_layers=2, **settings).eval()
    if settings.get("unit") != "lstm":
        with torch.no_grad():
            network.get_parameter(HOLDER)[4:5] = np.log(120 / 0.016)
            for kind in ("weight_ih", "weight_hh"):
                network.get_parameter(HOLDER.replace("bias_ih", kind))[4] = 0
            network.get_parameter(HOLDER.replace("bias_ih", "bias_hh"))[4] = 0
    return PretrainedModel(features, statistics, network)


def sound(seconds, seed=0):
    """Noise whose level changes every second."""
    rng = np.random.default_rng(seed)
    levels = np.repeat(10 ** rng.uniform(-3, -0.5, seconds), 8000)
    return (rng.uniform(-1, 1, 8000 * seconds) * levels).astype(np.float32)


def test_what_is_left_is_that_of_the_decay():
    found = decays(holding_model(), [sound(20), sound(10, seed=1)], 4.0)
    assert len(found) == 8
    assert {tuple(values.shape) for values in found.values()} == {(21 + 8, 4)}  # every 50 frames of 16 ms
    assert found[HOLDER][:, 0].tolist() == pytest.approx([4 / 120] * 29, rel=0.01)
    for name, values in found.items():
        assert values[:, int(name == HOLDER) :].min() > 4.0


def test_a_unit_that_holds_now_and_then_is_found_where_its_mean_does_not_tell():
    model = holding_model()
    with torch.no_grad():
        # What the layer below gives opens and shuts the gate.
        model.network.get_parameter(HOLDER)[4] = 1.0
        model.network.get_parameter(HOLDER.replace("bias_ih", "weight_ih"))[4] = 0.3
    found = decays(model, [sound(60)], 1.0)
    holding = found[HOLDER][:, 0]
    left = torch.exp(-holding).mean()
    assert holding.mean() > 50 and left > 0.05
    assert forget(model, found, most=0.02) == [(f"{HOLDER}[0]", pytest.approx(left.item()))]
    assert torch.exp(-decays(model, [sound(60)], 1.0)[HOLDER][:, 0]).mean() == pytest.approx(0.02, abs=0.005)


def test_only_of_what_too_much_was_left_is_changed_and_then_as_much_is_left_as_asked():
    model, before = holding_model(), holding_model().network.state_dict()
    ((name, left),) = forget(model, decays(model, [sound(20)], 5.0), most=0.02)
    assert name == f"{HOLDER}[0]" and left == pytest.approx(np.exp(-5 / 120), rel=0.01)
    changed = {name for name, value in model.network.state_dict().items() if not value.equal(before[name])}
    assert changed == {HOLDER}
    after = decays(model, [sound(20)], 5.0)[HOLDER][:, 0]
    assert torch.exp(-after).mean() == pytest.approx(0.02, rel=0.1)


def test_windows_of_a_model_that_forgets_are_nearer_to_one_pass(tmp_path):
    paths, wav = [tmp_path / f"{number}.wav" for number in range(2)], sound(300)
    for number, path in enumerate(paths):
        soundfile.write(path, sound(30, seed=number), 8000)
    save_pretrained(tmp_path / "model", holding_model())
    main(
        [str(tmp_path / "out"), str(tmp_path / "model"), *map(str, paths), "--seconds", "4", "--left", "0.01"]
    )
    differences = []
    for folder in ("model", "out"):
        model = load_pretrained(tmp_path / folder)
        windows = [np.concatenate(level) for level in zip(*window_probabilities(model, [wav]))]
        differences.append(np.abs(windows[1] - recognise(model, wav)[0][1]).max())
    assert differences[1] < 0.1 * differences[0]


@pytest.mark.parametrize("seconds", ["0", "-1", "inf", "nan"])
def test_a_time_that_is_none_is_refused(seconds, tmp_path):
    with pytest.raises(SystemExit, match="give a time above 0"):
        main([str(tmp_path / "out"), str(tmp_path), "a.wav", "--seconds", seconds])


@pytest.mark.parametrize("left", ["0", "1", "-0.1", "nan"])
def test_a_part_that_is_none_is_refused(left, tmp_path):
    with pytest.raises(SystemExit, match="give a part between 0 and 1"):
        main([str(tmp_path / "out"), str(tmp_path), "a.wav", "--left", left])


def test_recordings_that_are_too_short_are_refused():
    with pytest.raises(ValueError, match="no recording is longer than 10 s"):
        decays(holding_model(), [sound(9)], 10.0)


def test_layers_that_are_no_gru_are_refused():
    with pytest.raises(ValueError, match="has no GRU"):
        decays(holding_model(unit="lstm"), [], 1.0)


def test_a_recording_that_cannot_be_read_is_named_and_nothing_is_written(tmp_path):
    save_pretrained(tmp_path / "model", holding_model())
    with pytest.raises(SystemExit, match="nothing.wav"):
        main([str(tmp_path / "out"), str(tmp_path / "model"), str(tmp_path / "nothing.wav")])
    assert not (tmp_path / "out").exists()
