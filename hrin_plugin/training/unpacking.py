"""A data set in a zip file: unpacked once, into the folder of prepared files."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from hrin_plugin.files import change_stamp, write_atomically
from hrin_plugin.training.lock import alone

#: Written last, with the stamp of the zip file that was unpacked.
DONE_FILE = ".unpacked.json"
_COPY_BYTES = 1 << 20
#: Entries that systems add: settings of macOS, and of Windows' Explorer.
_LITTER = {"__MACOSX", "Thumbs.db", "desktop.ini"}


def unpacked(data_folder, folder):
    """The folder of a data set, which is unpacked first if it is a zip file.

    Arguments
    ---------
    data_folder : str, pathlib.Path or None
        A folder or a zip file.
    folder : str or pathlib.Path
        Where zip files are unpacked, each once. An interrupted unpacking goes on; a zip file that
        has changed is unpacked anew. Other processes wait.

    Returns
    -------
    str, pathlib.Path or None
        The folder; what is no file is returned as it is.

    Raises
    ------
    ValueError
        If the file is no zip file, damaged, encrypted, or would write elsewhere.
    OSError
        If it cannot be read, or there is no room.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> with zipfile.ZipFile(folder / "set.zip", "w") as file:
    ...     file.writestr("shows/a.tsv", "no-music")
    >>> unpacked(folder / "set.zip", folder / "prepared").relative_to(folder).as_posix()
    'prepared/unpacked/set-...'
    """
    if not data_folder or not os.path.isfile(data_folder):
        return data_folder
    path = Path(data_folder)
    if not zipfile.is_zipfile(path):
        if path.suffix.lower() == ".zip":
            problem = "is cut short or no zip file; copy or download it again"
        else:
            problem = "is no folder; unpack it if it is an archive, or name the folder that holds it"
        raise ValueError(f"{path}: {problem}")
    address = hashlib.sha256(os.path.abspath(path).encode()).hexdigest()[:8]
    target = Path(folder) / "unpacked" / f"{path.stem}-{address}"
    stamp = change_stamp(path)[:2]
    if _stamp_of(target) != stamp:
        alone(folder, _unpack, path, target, stamp)
    return target


def _stamp_of(target):
    """Size and time of the zip file that was unpacked there; None if it is not complete."""
    with contextlib.suppress(OSError, ValueError):
        return json.loads((target / DONE_FILE).read_text(encoding="utf-8"))


def _unpack(path, target, stamp):
    """Unpack what is not there yet."""
    found = _stamp_of(target)
    if found == stamp:  # by another process in the meantime
        return
    if found is not None:  # of an older zip file of this name
        shutil.rmtree(target)
    try:
        with zipfile.ZipFile(path) as file:
            members = _members(path, file)
            target.mkdir(parents=True, exist_ok=True)
            _check_room(path, target, members)
            progress = tqdm(
                desc=f"unpacking {path.name}",
                total=sum(member.file_size for member in members.values()),
                unit="B",
                unit_scale=True,
                disable=None,
            )
            with progress:
                for name, member in members.items():
                    _write(file, member, target / name, progress)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ValueError(f"{path}: is damaged ({error}); copy or download it again") from None
    except NotImplementedError as error:  # such as the Deflate64 of Windows' Explorer
        raise ValueError(f"{path}: cannot be unpacked ({error}); unpack it, and name the folder") from None
    getattr(os, "sync", lambda: None)()  # one for thousands of files
    write_atomically(target / DONE_FILE, json.dumps(stamp))


def _members(path, file):
    """The files of a zip file by their names below the target; refuses names elsewhere, and passwords."""
    members = {}
    for member in file.infolist():
        name = _name(member)
        parts = PurePosixPath(name).parts
        if name.startswith("/") or ".." in parts or re.match("[A-Za-z]:", name) or "\0" in name:
            raise ValueError(f"{path}: holds {name!r}, which lies outside of it; nothing of it is unpacked")
        is_link = stat.S_ISLNK(member.external_attr >> 16)
        is_hidden = any(part.startswith(".") or part in _LITTER for part in parts)
        if name.endswith("/") or member.is_dir() or is_link or is_hidden:
            continue
        if member.flag_bits & 1:
            raise ValueError(f"{path}: needs a password; unpack it, and name the folder")
        members[name] = member
    return members


def _name(member):
    """Name of an entry with forward slashes; programs of Windows write others, macOS does not tell UTF-8."""
    name = member.orig_filename
    if not member.flag_bits & 0x800:
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return name.replace("\\", "/")


def _check_room(path, target, members):
    """Raise OSError before anything is written if the disk is too small."""
    have = sum(entry.stat().st_size for entry in target.rglob("*") if entry.is_file())
    needed = sum(member.file_size for member in members.values()) - have
    free = shutil.disk_usage(target).free
    if needed > free:
        raise OSError(
            f"{path}: needs {needed / 1e9:.1f} GB unpacked, and {free / 1e9:.1f} GB are free in {target}"
            "; make room, or give another --prepared_folder"
        )


def _write(file, member, path, progress):
    """Write one file under a temporary name, unless it is there and whole."""
    if path.is_file() and path.stat().st_size == member.file_size and _crc_of(path) == member.CRC:
        progress.update(member.file_size)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.part")
    with file.open(member) as packed, open(draft, "wb") as plain:
        while block := packed.read(_COPY_BYTES):
            plain.write(block)
            progress.update(len(block))
    os.replace(draft, path)


def _crc_of(path):
    """The checksum that zip files have."""
    crc = 0
    with open(path, "rb") as file:
        while block := file.read(_COPY_BYTES):
            crc = zlib.crc32(block, crc)
    return crc
