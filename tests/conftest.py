"""What several test files share."""

import contextlib
import shutil

import numpy as np
import pytest
import torch
from huggingface_hub import constants
from speechbrain.utils.importutils import LazyModule

from hrin_plugin.features import BandStatistics, LogMel
from hrin_plugin.mixing import synthesise_miniature
from hrin_plugin.networks.hrin import HRIN
from hrin_plugin.pretrained.folder import PretrainedModel
from hub import TOKEN, Hub

# Hypothesis asks every module for its file, which would import SpeechBrain's optional ones.
LazyModule.__file__ = None

# Parallel test processes would otherwise fight for the cores.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def miniature(tmp_path_factory):
    """A data set in OpenBMAT's layout, small enough to train on in a second or two."""
    folder = tmp_path_factory.mktemp("miniature")
    synthesise_miniature(folder, n_excerpts=20, seconds=2.0)
    return folder


@pytest.fixture(scope="session")
def small_files():
    """Makes a context in which no file grows beyond so many bytes, as on a full disk."""
    resource = pytest.importorskip("resource")

    @contextlib.contextmanager
    def limit(n_bytes):
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limit


@pytest.fixture(scope="session")
def tone():
    """Makes pure tones."""

    def make(n_samples, sample_rate, frequency=440.0):
        return (0.4 * np.sin(2 * np.pi * frequency * np.arange(n_samples) / sample_rate)).astype(np.float32)

    return make


@pytest.fixture(scope="session")
def make_model():
    """Makes models that have learnt nothing, whose probabilities lie around 0.5 and change often.

    The network is given, or its class and settings; its batch statistics have left their start.
    """

    def make(network=HRIN, features=None, **settings):
        torch.manual_seed(0)
        features = features or LogMel(reference=1.0, floor_db=None)
        if isinstance(network, type):
            network = network(input_size=features.n_mels, **settings)
        levels = (10 ** (-3 + 2.5 * torch.rand(20))).repeat_interleave(8000)
        frames = features((2 * torch.rand(160_000) - 1)[None] * levels)
        statistics = BandStatistics(features.n_mels).fit(frames)
        statistics.std.mul_(3.0)
        with torch.no_grad():
            network.train()(statistics(frames))
            logits = network.eval()(statistics(frames))
            for level, layer in zip(logits, network.heads.layers if hasattr(network, "heads") else ()):
                layer.bias -= level[0].median(dim=0).values
        return PretrainedModel(features, statistics, network)

    return make


@pytest.fixture(scope="module")
def browser():
    """A real browser, Chromium without a window; of a module, since its loop would disturb other tests."""
    playwright = pytest.importorskip("playwright.sync_api")
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = next(filter(None, map(shutil.which, names)), None)
    if chromium is None:
        pytest.skip("needs Chromium")
    with playwright.sync_playwright() as started:
        arguments = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        browser = started.chromium.launch(executable_path=chromium, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """The stand-in, to which the client in this process is sent."""
    server = Hub()
    monkeypatch.setattr(constants, "ENDPOINT", server.address)
    template = f"{server.address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    # Uploads by HTTP alone.
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True, raising=False)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    # A request that is tried again would wait for seconds.
    monkeypatch.setattr("time.sleep", lambda _: None)
    yield server
    server.close()
