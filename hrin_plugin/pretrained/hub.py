"""A model's files go to the Hugging Face Hub: which ones, checked before, and errors in one sentence.

Tokens are found and kept by ``huggingface_hub`` alone.
"""

import contextlib
import shlex
from pathlib import Path

from hrin_plugin.pretrained.card import CARD_FILE, NAME
from hrin_plugin.pretrained.folder import load_pretrained
from hrin_plugin.pretrained.sources import DATA_FILES, HUB_NAME
from hrin_plugin.text import shorten, shown

#: Everything of a folder that is ever sent.
SENT_FILES = (*DATA_FILES, CARD_FILE, "LICENSE")


def check_hub(name: str) -> None:
    """Raise ValueError if nothing can be pushed under a name; the network is not asked.

    Arguments
    ---------
    name : str
        ``OWNER/NAME``.

    Raises
    ------
    ValueError
        If it is no such name, or there is no token.

    Example
    -------
    >>> check_hub("music")
    Traceback (most recent call last):
    ...
    ValueError: 'music' is no name of a model on the Hugging Face Hub; give OWNER/NAME, ...
    """
    if not isinstance(name, str) or not HUB_NAME.fullmatch(name):
        raise ValueError(
            f"{shown(name)} is no name of a model on the Hugging Face Hub; give OWNER/NAME, such as anna/hrin"
        )
    import huggingface_hub

    if not huggingface_hub.get_token():
        raise ValueError(
            f"{name}: there is no token of the Hugging Face Hub; run 'hf auth login', or set HF_TOKEN"
        )


def files_to_send(folder: str | Path) -> dict[str, int]:
    """The files of a model's folder that are pushed; all others stay.

    Arguments
    ---------
    folder : str or pathlib.Path
        The folder.

    Returns
    -------
    dict of str to int
        Bytes of each file, by name.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> for name in ("model.json", "notes.txt"):
    ...     _ = (folder / name).write_text("{}")
    >>> files_to_send(folder)
    {'model.json': 2}
    """
    paths = [Path(folder, name) for name in SENT_FILES]
    return {path.name: path.stat().st_size for path in paths if path.is_file()}


def push_command(folder: str | Path, name: str) -> str:
    """The command that pushes a model.

    Example
    -------
    >>> push_command("my results/pretrained", "anna/hrin")
    "hrin push 'my results/pretrained' anna/hrin"
    """
    return shlex.join(["hrin", "push", str(folder), name])


def push_model(
    folder: str | Path,
    name: str,
    private: bool = False,
    revision: str | None = None,
    message: str | None = None,
    run_code: bool = False,
) -> str:
    """Push a model's files to the Hugging Face Hub, in one commit.

    The model is loaded first, so that nothing damaged is sent. In the card, ``OWNER/NAME``
    becomes the name.

    Arguments
    ---------
    folder : str or pathlib.Path
        As :func:`hrin_plugin.pretrained.save_pretrained` wrote it.
    name : str
        ``OWNER/NAME``; created if there is no such model.
    private : bool
        Whether only its owner may read it.
    revision : str or None
        Branch, created if missing; None for the main one.
    message : str or None
        Message of the commit.
    run_code : bool
        Whether to import a network class from outside this package, to check the model.

    Returns
    -------
    str
        The model's address.

    Raises
    ------
    ValueError
        If the model cannot be loaded, the name is none, there is no token, or the Hub refuses
        it or cannot be reached.

    Example
    -------
    >>> push_model(getfixture("tmp_path"), "anna/hrin")
    Traceback (most recent call last):
    ...
    ValueError: ... holds no model.json; ...
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder}: there is no such folder; give the 'pretrained' folder of a training")
    for file in SENT_FILES:
        if not (folder / file).resolve().is_relative_to(folder.resolve()):
            raise ValueError(f"{folder / file}: is a link out of its folder; put the file itself there")
    load_pretrained(folder, run_code)
    check_hub(name)
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError

    api = huggingface_hub.HfApi()
    try:
        with _without_bars():
            return _send(api, folder, name, private, revision, message)
    # Errors of the network are no OSError in every version; a broken upload is a RuntimeError.
    except (HfHubHTTPError, *HfHubHTTPError.__bases__, OSError, RuntimeError) as error:
        raise ValueError(f"{name}: {describe_hub_error(error)}") from error


@contextlib.contextmanager
def _without_bars():
    """Context in which the client draws no bars: a model is small, and errors get a line of their own."""
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    were_disabled = are_progress_bars_disabled()
    if not were_disabled:
        disable_progress_bars()
    try:
        yield
    finally:
        if not were_disabled:
            enable_progress_bars()


def _send(api, folder, name, private, revision, message):
    """Create what is missing, and commit the files; returns the address."""
    from huggingface_hub import CommitOperationAdd

    address = api.create_repo(name, private=private, exist_ok=True)
    if private and not api.repo_info(name).private:
        raise ValueError(
            f"{name}: is there already, and public; make it private on its page, or choose another name"
        )
    if revision is not None:
        api.create_branch(name, branch=revision, exist_ok=True)
    operations = [CommitOperationAdd(file, _content(folder / file, name)) for file in files_to_send(folder)]
    api.create_commit(name, operations, commit_message=message or "Push a model by hrin", revision=revision)
    return str(address)


def _content(path, name):
    """A file for the Hub: its path, or the card with the model's name."""
    if path.name != CARD_FILE:
        return str(path)
    return path.read_text(encoding="utf-8").replace(NAME, name).encode()


def describe_hub_error(error: BaseException) -> str:
    """What the Hub or the way to it refused, with a cure.

    Arguments
    ---------
    error : Exception
        Of ``huggingface_hub``.

    Returns
    -------
    str
        Part of a sentence.

    Example
    -------
    >>> describe_hub_error(OSError("refused"))
    'the Hugging Face Hub cannot be reached (refused); check the network, and try again'
    """
    cause = error
    while getattr(cause, "response", None) is None and cause.__cause__ is not None:
        cause = cause.__cause__
    status = getattr(getattr(cause, "response", None), "status_code", None)
    reason = shorten(" ".join(str(error).partition("\n")[0].split()), 200) or type(error).__name__
    if status is None:
        return f"the Hugging Face Hub cannot be reached ({reason}); check the network, and try again"
    told = {
        401: "does not know the token; run 'hf auth login', or set HF_TOKEN",
        403: "says that the token may not write there; give one with the right to write, or a name of yours",
        404: "has no such model, owner or revision, or hides it from the token; check the name and the token",
        409: "says that it conflicts with what is there; choose another name or --revision, or try again",
        412: "was changed by someone else meanwhile; try again",
    }
    if status in told:
        return f"the Hugging Face Hub {told[status]} (status {status})"
    return f"the Hugging Face Hub answers with status {status} ({reason}); try again later"
