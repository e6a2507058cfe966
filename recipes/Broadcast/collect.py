#!/usr/bin/env python3
"""Collect recordings of music, speech and noise, and make of them the cache that training reads.

They come out of packages of free software, listed in ``packages.tsv`` beside this file: split (train; valid:
whole packages to validate with; unseen and unseen_2: for scores only), role, kind of music, package, a
pattern of the files in it (after ``::``, of the files in an archive in it), and their licence.
``left_out.tsv`` names files that are not what their folder says. Of each file a stretch from the middle is
taken, of each row some minutes, so that variety fills the cache and not length. What packages hold little of
is made: music (``made_music.py``, ``tunes.py``), noises (``textures.py``, ``effects.py``) and spoken numbers.

> python recipes/Broadcast/collect.py DOWNLOADS CACHE
> python recipes/Broadcast/collect.py DOWNLOADS FOLDER --links valid

The second form links the files of a split themselves below FOLDER/<role>/<package>, for ``hrin mix``. Nothing
is installed. It needs Debian's ``apt-get`` and ``dpkg``, ``ffmpeg``, ``fluidsynth`` with
``fluid-soundfont-gm`` and ``timgm6mb-soundfont``, ``mma`` and ``espeak-ng``. Run again, it goes on
where it stopped.
"""

import argparse
import contextlib
import fnmatch
import functools
import hashlib
import random
import shutil
import subprocess
import sys
import zipfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import soundfile
from tqdm import tqdm

from made import made_clips
from parts import join, read_rows, write_part
from recordings import RATE, SOUND_FONTS, stem

PACKAGES, LEFT_OUT = (Path(__file__).with_name(name) for name in ("packages.tsv", "left_out.tsv"))
#: So many seconds of a recording, and of a row of the list, at most.
LONGEST_S = {"music": 64.0, "speech": 20.0, "noise": 20.0}
ROW_S = {"music": 900.0, "speech": 900.0, "noise": 300.0}
#: Packages that :mod:`made` takes instruments and notes from.
FOR_TUNES = ("csound-soundfont", "freedoom", "freedm")
#: Files that may lie beside recordings and are none.
NO_SOUND = (soundfile.LibsndfileError, subprocess.SubprocessError)


def main():
    """Download, unpack, decode, join."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("downloads", type=Path, help="folder for the packages, about 14 GB unpacked")
    parser.add_argument("out", type=Path, help="folder for stems.i16 and stems.tsv, or for links")
    parser.add_argument("--links", metavar="SPLIT", help="link the files of this split instead")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    rows = list(enumerate(read_rows(PACKAGES)))
    for package in FOR_TUNES:
        unpack(package, arguments.downloads)
    missing = [row["package"] for _, row in rows if unpack(row["package"], arguments.downloads) is None]
    if arguments.links:
        for _, row in rows:
            if row["split"] == arguments.links:
                link(row, arguments.downloads, arguments.out)
    else:
        parts = arguments.out / "parts"
        parts.mkdir(parents=True, exist_ok=True)
        wanted = [item for item in rows if not item[1]["split"].startswith("unseen")]
        decode_one = functools.partial(decode_row, downloads=arguments.downloads, parts=parts)
        with ProcessPoolExecutor(arguments.workers) as pool:
            list(tqdm(pool.map(decode_one, wanted), "rows", len(wanted), disable=None))
        made_clips(parts, arguments.downloads, arguments.workers)
        join(parts, arguments.out)
    for package in sorted(set(missing)):
        print(f"not to be had: {package}", file=sys.stderr)
    return bool(missing)


def unpack(package, downloads):
    """The folder of a package's files, downloaded where it is missing; None if it is not to be had."""
    folder = downloads.resolve() / package
    if not folder.exists():
        archives = downloads.resolve() / "archives"
        archives.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", "-qq", package], cwd=archives)
        found = sorted(archives.glob(f"{package}_*.deb"))
        if not found:
            return None
        draft = folder.with_name(f".{package}")
        shutil.rmtree(draft, ignore_errors=True)
        subprocess.run(["dpkg", "-x", found[-1], draft], check=True)
        draft.rename(folder)
        found[-1].unlink()
    return folder


def files_of(row, downloads):
    """The files of a row, mixed up, always alike: ``[(path, member or None, flat name)]``."""
    folder = downloads.resolve() / row["package"]
    pattern, _, member_pattern = row["files"].partition("::")
    found = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_file() or not fnmatch.fnmatchcase(name, pattern):
            continue
        if member_pattern:
            with zipfile.ZipFile(path) as archive:
                members = [m for m in archive.namelist() if not m.endswith("/")]
            found += [(path, m, flat(m)) for m in members if fnmatch.fnmatchcase(m, member_pattern)]
        else:
            found.append((path, None, flat(name)))
    found = [item for item in found if not is_left_out(row, item[2])]
    random.Random(f"{row['package']} {row['files']}").shuffle(found)
    return found


def flat(name):
    """A path in a package as a name without folders."""
    return name.replace("/", "_")


def is_left_out(row, name):
    """Whether a file is not what its folder says."""
    return any(
        (left["role"], left["package"]) == (row["role"], row["package"])
        and fnmatch.fnmatchcase(name, left["file"])
        for left in read_rows(LEFT_OUT)
    )


def contents(path, member):
    """The bytes of a file, or of a file in an archive."""
    if member is None:
        return path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        return archive.read(member)


def link(row, downloads, out):
    """Link the files of a row below a folder; those in archives are copied."""
    target = out / row["role"] / row["package"]
    for path, member, name in files_of(row, downloads):
        copy = target / name
        if not copy.exists():
            target.mkdir(parents=True, exist_ok=True)
            if member is None:
                with contextlib.suppress(OSError):  # Windows allows links to administrators only
                    copy.symlink_to(path)
            if not copy.exists():
                copy.write_bytes(contents(path, member))


def decode_row(item, downloads, parts):
    """Decode the recordings of a numbered row into ``parts``, unless they are there."""
    number, row = item
    if (parts / f"{number:03d}.tsv").exists():
        return
    stems, length = [], 0
    for path, member, name in files_of(row, downloads):
        if length >= ROW_S[row["role"]] * RATE:
            break
        data = contents(path, member)
        for font in SOUND_FONTS if name.endswith(".mid") else [None]:
            try:
                sound_font = {} if font is None else {"sound_font": font}
                samples = stem(path, LONGEST_S[row["role"]], None if member is None else data, **sound_font)
            except NO_SOUND:
                continue
            if samples is not None:
                label = f"{row['package']}/{name}" + ("" if font is None else f"#{Path(font).stem}")
                stems.append(
                    {**row, "name": label, "sha256": hashlib.sha256(data).hexdigest(), "samples": samples}
                )
                length += len(samples)
    write_part(parts / f"{number:03d}", stems)


if __name__ == "__main__":
    sys.exit(main())
