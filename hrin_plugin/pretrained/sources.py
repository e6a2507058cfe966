"""Sources of a model's files, and a check of the code that a source would run.

A model is data: settings in JSON, weights in safetensors. A SpeechBrain
``hyperparams.yaml`` is a program: its tags build and call anything. It is only parsed
here; nothing is built.
"""

import re
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from hrin_plugin.detection import CERTAINTY_FILE

SETTINGS_FILE, WEIGHTS_FILE = "model.json", "model.safetensors"
DECODING_FILE, PROGRAM_FILE = "decoding.json", "hyperparams.yaml"
REHEARSAL_FILE = "rehearsal.safetensors"
#: The model that comes with the package, a folder below it.
SHIPPED_MODEL = "pretrained/models/hrin_cr"

#: What a model consists of.
DATA_FILES = (SETTINGS_FILE, WEIGHTS_FILE, DECODING_FILE, CERTAINTY_FILE, REHEARSAL_FILE)

#: A name on the Hugging Face Hub: owner/model.
HUB_NAME = re.compile(r"\w[\w.-]*/\w[\w.-]*", re.ASCII)
#: Follows it, before a branch, a tag or a commit.
_REVISION = "@"

#: Tags of HyperPyYAML that only copy or compute from what stands in the file, and YAML's own plain types.
_DATA_TAGS = re.compile(
    r"!(ref|copy|tuple|PLACEHOLDER)"
    r"|(tag:yaml\.org,2002:|!!)(null|bool|int|float|str|seq|map|set|omap|pairs|binary|timestamp|merge|value)"
)


class CodeTarget(NamedTuple):
    """A tag of a YAML file that builds or calls something.

    Example
    -------
    >>> print(CodeTarget(3, "!apply:os.system"))
    line 3: !apply:os.system
    """

    line: int
    tag: str

    def __str__(self):
        """The tag with its place."""
        return f"line {self.line}: {self.tag}"


def find_model(source=None, savedir=None):
    """The folder of a model's files; those of a Hugging Face name are fetched.

    Only the :data:`DATA_FILES` are fetched, and ``hyperparams.yaml`` to be read as text.

    Arguments
    ---------
    source : str, pathlib.Path or None
        A folder, or a name on the Hugging Face Hub, ``owner/model`` or
        ``owner/model@revision``; None for the model that comes with the package.
    savedir : str, pathlib.Path or None
        Where to put fetched files; None for the Hub's cache.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    ValueError
        If there is neither such a folder nor such a name, it cannot be fetched,
        or a file of the folder is a link out of it.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> find_model(folder) == folder
    True
    >>> find_model(folder / "none")
    Traceback (most recent call last):
    ...
    ValueError: ...none: there is no such folder...
    """
    if source is None:
        return _shipped_model()
    folder = Path(source)
    if folder.is_dir():
        for name in DATA_FILES:
            if not (folder / name).resolve().is_relative_to(folder.resolve()):
                raise ValueError(f"{folder / name}: is a link out of its folder; put the file itself there")
        return folder
    name, _, revision = str(source).partition(_REVISION)
    if not HUB_NAME.fullmatch(name):
        raise ValueError(
            f"{source}: there is no such folder; give the 'pretrained' folder of a finished training, "
            "or a name on the Hugging Face Hub, owner/model"
        )
    return _fetch(name, revision or None, savedir)


def _shipped_model():
    """The folder of the model that comes with the package."""
    folder = Path(str(resources.files("hrin_plugin").joinpath(SHIPPED_MODEL)))
    if not folder.is_dir():
        raise ValueError(
            "this installation of hrin_plugin holds no model; name one: "
            "the 'pretrained' folder of a finished training, or a name on the Hugging Face Hub"
        )
    return folder


def _fetch(name, revision, savedir):
    """The folder of a repository's files of data, and the text of its program, from the Hub or its cache."""
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError

    wanted = [*DATA_FILES, PROGRAM_FILE]
    try:
        options = {"revision": revision, "allow_patterns": wanted, "local_dir": savedir}
        return Path(huggingface_hub.snapshot_download(name, **options))
    # Errors of the network are no OSError in every version.
    except (HfHubHTTPError, *HfHubHTTPError.__bases__, OSError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(
            f"{name}: is no folder here, and cannot be fetched from the Hugging Face Hub ({reason}); "
            "check the name and the network"
        ) from error


def code_targets(path):
    """Everything that a HyperPyYAML file would build, call or include.

    Arguments
    ---------
    path : str or pathlib.Path
        The file. It is read as text and nothing in it is built.

    Returns
    -------
    list of CodeTarget
        Every tag except those that only copy or compute, in the order of the file.

    Raises
    ------
    ValueError
        If it is not YAML.

    Example
    -------
    >>> path = getfixture("tmp_path") / "hyperparams.yaml"
    >>> _ = path.write_text("{rate: 8000, half: !ref <rate> / 2, net: !new:torch.nn.GRU [5, 5]}")
    >>> code_targets(path)
    [CodeTarget(line=1, tag='!new:torch.nn.GRU')]
    """
    import yaml  # for programs only

    try:
        events = list(yaml.parse(Path(path).read_text(encoding="utf-8"), Loader=yaml.SafeLoader))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: is not YAML ({' '.join(str(error).split())}); fetch it again") from None
    tagged = [(event.start_mark.line + 1, event.tag) for event in events if getattr(event, "tag", None)]
    return [CodeTarget(line, tag) for line, tag in tagged if not _DATA_TAGS.fullmatch(tag)]


def check_program(path, run_code):
    """Raise ValueError for a YAML file that may run code, unless `run_code` is set.

    Arguments
    ---------
    path : str or pathlib.Path
        A ``hyperparams.yaml``.
    run_code : bool
        Whether the user allows it to run code.

    Returns
    -------
    list of CodeTarget
        Everything that will be built, called or included.

    Raises
    ------
    ValueError
        If `run_code` is false; the message lists what would be built.

    Example
    -------
    >>> path = getfixture("tmp_path") / "hyperparams.yaml"
    >>> _ = path.write_text("x: !apply:os.system ['true']")
    >>> check_program(path, run_code=False)
    Traceback (most recent call last):
    ...
    ValueError: ... line 1: !apply:os.system; ...
    """
    targets = code_targets(path)
    if not run_code:
        listed = ", ".join(map(str, targets)) or "nothing by itself, but the files that it names are loaded"
        raise ValueError(
            f"{path}: is a program, and loading it would run code: {listed}; "
            "pass run_code=True (--run-code on the command line) if you trust all of it, "
            f"or give {SETTINGS_FILE} and {WEIGHTS_FILE} instead"
        )
    return targets
