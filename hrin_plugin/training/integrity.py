"""Checksums of a checkpoint's files, so that damage is seen before anything is loaded."""

import hashlib
from pathlib import Path

#: Written into every checkpoint; ``sha256sum --check SHA256SUMS`` reads it too.
SUMS_FILE = "SHA256SUMS"
#: Files that must be listed there, if they are in the folder.
CHECKED = (".ckpt", ".yaml")


def write_sums(folder):
    """Write the checksums of all files of a folder.

    Arguments
    ---------
    folder : str or pathlib.Path
        The folder, without subfolders.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> _ = (folder / "a.ckpt").write_text("weights")
    >>> write_sums(folder)
    >>> (folder / SUMS_FILE).read_text()
    '9a129038...  a.ckpt\\n'
    """
    paths = sorted(path for path in Path(folder).iterdir() if path.name != SUMS_FILE)
    lines = [f"{digest(path)}  {path.name}\n" for path in paths]
    (Path(folder) / SUMS_FILE).write_text("".join(lines), encoding="utf-8", newline="\n")


def check_sums(folder):
    """Raise for a folder whose files are not those that were saved.

    Folders of releases without checksums pass.

    Arguments
    ---------
    folder : str or pathlib.Path
        A folder after :func:`write_sums`.

    Raises
    ------
    ValueError
        With the name of each file that is missing or damaged.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> _ = (folder / "a.ckpt").write_text("weights")
    >>> write_sums(folder)
    >>> _ = (folder / "a.ckpt").write_text("weighed")
    >>> check_sums(folder)
    Traceback (most recent call last):
        ...
    ValueError: a.ckpt is damaged
    """
    folder = Path(folder)
    if not (folder / SUMS_FILE).exists():
        return
    try:
        lines = (folder / SUMS_FILE).read_text(encoding="utf-8").splitlines()
        sums = {name: known for known, _, name in (line.partition("  ") for line in lines)}
    except (OSError, ValueError):
        raise ValueError(f"{SUMS_FILE} is damaged") from None
    faults = []
    for name, known in sums.items():
        try:
            is_whole = digest(folder / name) == known
        except FileNotFoundError:
            faults.append(f"{name} is missing")
        except (OSError, ValueError):
            faults.append(f"{name} cannot be read")
        else:
            faults += [] if is_whole else [f"{name} is damaged"]
    present = {path.name for path in folder.iterdir() if path.suffix in CHECKED}
    if present - sums.keys():
        faults.append(f"{SUMS_FILE} does not list {', '.join(sorted(present - sums.keys()))}")
    if faults:
        raise ValueError(", ".join(faults))


def digest(path):
    """SHA-256 of a file, as hexadecimal digits.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a"
    >>> _ = path.write_text("weights")
    >>> digest(path)[:8]
    '9a129038'
    """
    total = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:
        while block := file.read(1 << 20):
            total.update(block)
    return total.hexdigest()
