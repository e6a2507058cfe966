"""A model that forgets: how long units hold their states, and windows of it beside one pass."""

import numpy as np
import pytest
import soundfile
import torch

from forget import forget, hold_times, main
from hrin_plugin.features import BandStatistics, LogMel
from hrin_plugin.networks import HRIN
from hrin_plugin.pretrained import PretrainedModel, load_pretrained, save_pretrained
from hrin_plugin.results import recognise
from hrin_plugin.windows import window_probabilities

HOLDER = "recurrent_2.rnn.bias_ih_l0_reverse"


def make_model(**settings):
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


def test_the_time_is_that_of_the_decay():
    times = hold_times(make_model(), [sound(20), sound(10, seed=1)])
    assert len(times) == 8
    assert times[HOLDER][0] == pytest.approx(120, rel=0.01)
    others = [float(time) for name, values in times.items() for time in values if time != times[HOLDER][0]]
    assert max(others) < 1.0


def test_only_what_held_too_long_is_changed_and_then_holds_as_long_as_asked():
    model, before = make_model(), make_model().network.state_dict()
    ((name, seconds),) = forget(model, hold_times(model, [sound(20)]), longest_s=5.0)
    assert name == f"{HOLDER}[0]" and seconds == pytest.approx(120, rel=0.01)
    changed = {name for name, value in model.network.state_dict().items() if not value.equal(before[name])}
    assert changed == {HOLDER}
    assert hold_times(model, [sound(20)])[HOLDER][0] == pytest.approx(5, rel=0.01)


def test_windows_of_a_model_that_forgets_are_nearer_to_one_pass(tmp_path):
    paths, wav = [tmp_path / f"{number}.wav" for number in range(2)], sound(300)
    for number, path in enumerate(paths):
        soundfile.write(path, sound(30, seed=number), 8000)
    save_pretrained(tmp_path / "model", make_model())
    main([str(tmp_path / "out"), str(tmp_path / "model"), *map(str, paths), "--seconds", "2"])
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


def test_layers_that_are_no_gru_are_refused():
    with pytest.raises(ValueError, match="has no GRU"):
        hold_times(make_model(unit="lstm"), [])


def test_a_recording_that_cannot_be_read_is_named_and_nothing_is_written(tmp_path):
    save_pretrained(tmp_path / "model", make_model())
    with pytest.raises(SystemExit, match="nothing.wav"):
        main([str(tmp_path / "out"), str(tmp_path / "model"), str(tmp_path / "nothing.wav")])
    assert not (tmp_path / "out").exists()
