"""What several test files share."""

import pytest
import torch
from speechbrain.utils.importutils import LazyModule

from hrin_plugin.mixing import synthesise_miniature

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
