"""The card of a model: what it is, what it was made of, its scores, and how to use it."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from hrin_plugin import __version__
from hrin_plugin.files import write_atomically
from hrin_plugin.networks.classes import class_path, is_of_package
from hrin_plugin.pretrained.folder import PretrainedModel
from hrin_plugin.taxonomy import Taxonomy

CARD_FILE = "README.md"
#: Stands in a card for the model's name on the Hub, until it has one.
NAME = "OWNER/NAME"

_CARD = """---
license: apache-2.0
library_name: hrin-plugin
pipeline_tag: audio-classification
tags:
- music-detection
- speechbrain
---
# Model card: {title}

| property | value |
| --- | --- |
{properties}
| licence | Apache-2.0, as the code. The licence of the training data may restrict the use of the weights. |

`model.json` and `model.safetensors` are data. `decoding.json` says how probabilities become events,
and `certainty.json`, where there is one, how far totals may be wrong.{note}
{scores}
## Use

`{name}` is the name on the Hugging Face Hub, or the path of this folder.

```python
from hrin_plugin import MusicDetector
print(MusicDetector.from_hparams("{name}"{options}).detect_file("day.mp3").events)
```
"""


def write_card(
    folder: str | Path,
    title: str,
    model: PretrainedModel,
    facts: Mapping[str, Any],
    scores: str = "",
) -> None:
    """Write the card of a model to its folder.

    Arguments
    ---------
    folder : str or pathlib.Path
        The model's folder, which must exist.
    title : str
        Heading, such as the name of the experiment.
    model : PretrainedModel
        The model.
    facts : mapping of str to object
        What the training was made of, one row each.
    scores : str
        A section with scores, such as :func:`score_section` gives.

    Example
    -------
    >>> from hrin_plugin.features import BandStatistics, LogMel
    >>> from hrin_plugin.networks import HRIN
    >>> folder = getfixture("tmp_path")
    >>> write_card(folder, "test", PretrainedModel(LogMel(), BandStatistics(128), HRIN()), {"seed": 3})
    >>> "| seed | 3 |" in (folder / "README.md").read_text()
    True
    """
    network, features = model.network, model.features
    path = class_path(type(network))
    foreign = not is_of_package(path)
    n_weights = sum(weight.numel() for weight in network.parameters())
    levels = "; ".join(", ".join(labels) for labels in network.taxonomy.levels)
    frame_ms = 1000 * features.grid.time_of(1)
    rows = {
        "network": f"{path}, {n_weights:,} parameters",
        "input": f"mono, {features.grid.sample_rate} Hz; {features.n_mels} log-mel bands, "
        f"frames of {frame_ms:g} ms",
        "classes of each level": levels,
        **facts,
    }
    note = (
        f" The network's class `{path}` is not in these files: install it. Loading the model imports it."
        if foreign
        else ""
    )
    text = _CARD.format(
        title=title,
        properties="\n".join(f"| {name} | {_cell(value)} |" for name, value in rows.items()),
        note=note,
        scores=f"\n{scores}\n" if scores else "",
        name=NAME,
        options=", run_code=True" if foreign else "",
    )
    write_atomically(Path(folder) / CARD_FILE, text)


def describe_code(script: str | Path) -> str:
    """Versions of this package and of torch, and the commit of a script where git knows it.

    Arguments
    ---------
    script : str or pathlib.Path
        A file of the code that trains.

    Returns
    -------
    str
        One line.

    Example
    -------
    >>> describe_code(getfixture("tmp_path") / "train.py")
    'hrin-plugin ..., torch ...'
    """
    script = Path(script).resolve()
    text = f"hrin-plugin {__version__}, torch {torch.__version__}"
    git = ["git", "-C", str(script.parent)]
    try:
        # A script that git does not track may lie in the folder of another project.
        known = subprocess.run([*git, "ls-files", "--error-unmatch", script.name], capture_output=True)
        described = subprocess.run(
            [*git, "describe", "--always", "--dirty= with changes", "--abbrev=40", "--exclude=*"],
            capture_output=True,
            text=True,
        )
    except OSError:  # there is no git, or no such folder
        return text
    if known.returncode or described.returncode:
        return text
    return f"{text}, commit {described.stdout.strip()}"


def score_section(scores: Mapping[str, Any], taxonomy: Taxonomy) -> str:
    """The scores of a model's test recordings as a section of its card.

    Arguments
    ---------
    scores : mapping
        ``segment`` and ``event`` scores by the names of the levels, as
        :func:`hrin_plugin.metrics.scores.sed_eval_scores` gives those of a level.
    taxonomy : Taxonomy
        The levels and their classes.

    Returns
    -------
    str
        Markdown.

    Example
    -------
    >>> from hrin_plugin.taxonomy import MUSIC_LOUDNESS
    >>> each = {name: {"f_measure": 0.5} for labels in MUSIC_LOUDNESS.levels for name in labels}
    >>> level = {"segment": {"accuracy": 0.75, "classes": each}, "event": {"500ms_onset": {"classes": each}}}
    >>> score_section({"md": level, "mrle": level}, MUSIC_LOUDNESS).splitlines()[-1]
    '| mrle | 0.7500 | bg-music | 0.5000 | 0.5000 |'
    """
    lines = [
        "## Scores of the test recordings\n",
        "Decoded by the paper's threshold of 0.5. Segments of 10 ms; events by their onset, within 500 ms.\n",
        "| level | accuracy | class | segment F | event F |",
        "| --- | --- | --- | --- | --- |",
    ]
    for level, labels in zip(taxonomy.level_names, taxonomy.levels):
        segment, event = scores[level]["segment"], scores[level]["event"]["500ms_onset"]
        for label in labels:
            values = [each["classes"][label]["f_measure"] for each in (segment, event)]
            cells = [level, _number(segment["accuracy"]), label, *map(_number, values)]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(value):
    """A value as text that does not end its cell."""
    return " ".join(str(value).split()).replace("|", "\\|")


def _number(value):
    """A score, or a dash where the class does not occur."""
    return "-" if value is None else f"{value:.4f}"
