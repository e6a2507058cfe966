"""The model of a finished training: its folder with card and decoding, and its way to the Hub."""

import json
from pathlib import Path

from speechbrain.utils.distributed import if_main_process

from hrin_plugin.decoding.methods import write_decoding
from hrin_plugin.pretrained.card import describe_code, write_card
from hrin_plugin.pretrained.folder import save_pretrained
from hrin_plugin.pretrained.hub import push_command, push_model
from hrin_plugin.pretrained.sources import DECODING_FILE
from hrin_plugin.training.folder import SETTINGS_FILE
from hrin_plugin.training.openbmat import MINIATURE, N_FOLDS, SYNTHETIC
from hrin_plugin.training.results import PAPERS
from hrin_plugin.training.settings import comparable, deviations, read_hparams

#: The model's folder, in that of a run.
MODEL_FOLDER = "pretrained"


def export_model(output_folder, model, hparams_file, script, n_test, scores=""):
    """Write the model of a finished training, with its card, and the decoding that it was tested with.

    Arguments
    ---------
    output_folder : str or pathlib.Path
        The run's folder, with its ``settings.json``.
    model : PretrainedModel
        The model.
    hparams_file : str or pathlib.Path
        The YAML file of the run.
    script : str or pathlib.Path
        The recipe's ``train.py``.
    n_test : int
        Number of test recordings.
    scores : str
        A section of the card, such as :func:`hrin_plugin.pretrained.card.score_section` gives.

    Example
    -------
    >>> from hrin_plugin import HRIN, BandStatistics, LogMel
    >>> from hrin_plugin.pretrained import PretrainedModel
    >>> folder = getfixture("tmp_path")
    >>> _ = (folder / "net.yaml").write_text("lr: 0.1\\n")
    >>> _ = (folder / "settings.json").write_text('{"lr": 0.2, "seed": 0, "data": "miniature"}')
    >>> model = PretrainedModel(LogMel(), BandStatistics(128), HRIN())
    >>> export_model(folder, model, folder / "net.yaml", folder / "train.py", n_test=2)
    >>> sorted(path.name for path in (folder / "pretrained").iterdir())
    ['README.md', 'decoding.json', 'model.json', 'model.safetensors']
    """
    folder = Path(output_folder, MODEL_FOLDER)
    facts = describe_run(output_folder, hparams_file, script) | {"test recordings": n_test}
    save_pretrained(folder, model, training=facts)
    write_decoding(folder / DECODING_FILE, PAPERS)
    write_card(folder, Path(hparams_file).stem, model, facts, scores)


def describe_run(output_folder, hparams_file, script):
    """What a run was made of.

    Arguments
    ---------
    output_folder, hparams_file, script : str or pathlib.Path
        As for :func:`export_model`.

    Returns
    -------
    dict of str to object
        Data, folds, seed, settings that differ from the YAML, and versions.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> _ = (folder / "net.yaml").write_text("lr: 0.1\\n")
    >>> _ = (folder / "settings.json").write_text('{"lr": 0.2, "seed": 0, "data": "miniature"}')
    >>> describe_run(folder, folder / "net.yaml", folder / "train.py")["settings that differ from the YAML"]
    'lr 0.2 (YAML: 0.1)'
    """
    settings = json.loads(Path(output_folder, SETTINGS_FILE).read_text(encoding="utf-8"))
    data = str(settings["data"])
    if data == MINIATURE or SYNTHETIC in data:
        data += "; SYNTHETIC sound: the scores say nothing about real broadcasts"
    facts = {
        "recipe": f"{Path(script).resolve().parent.name}, {Path(hparams_file).name}",
        "training data": data,
    }
    if "annotator" in settings:
        facts["annotations"] = (
            f"annotator {settings['annotator']}, music detection from {settings['md_from']}"
        )
    if "fold" in settings:
        test = settings["fold"]
        facts["folds"] = f"{test} tests, {(test + 1) % N_FOLDS} validates, the others train"
    facts["seed"] = settings.get("seed")
    differing = deviations(comparable(read_hparams(hparams_file, "")), settings)
    if settings.get("debug"):
        differing.append("--debug: hardly trained")
    facts["settings that differ from the YAML"] = ", ".join(differing) or "none"
    facts["made by"] = describe_code(script)
    return facts


def push_finished(output_folder, name):
    """Push the model of a finished training to the Hugging Face Hub, from the main process.

    Arguments
    ---------
    output_folder : str or pathlib.Path
        The run's folder.
    name : str or None
        ``OWNER/NAME``; None to push nothing.

    Raises
    ------
    ValueError
        If it cannot be pushed; the message has the command that tries again.

    Example
    -------
    >>> push_finished(getfixture("tmp_path"), "anna/hrin")
    Traceback (most recent call last):
    ...
    ValueError: ...; the training is finished and kept; to push its model, run: hrin push ... anna/hrin
    """
    if name is None or not if_main_process():
        return
    folder = Path(output_folder, MODEL_FOLDER)
    try:
        # Its network's class, if it is of another package, has been imported for the training.
        print(push_model(folder, name, run_code=True))
    except ValueError as error:
        command = push_command(folder, name)
        raise ValueError(
            f"{error}; the training is finished and kept; to push its model, run: {command}"
        ) from error
