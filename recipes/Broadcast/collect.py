#!/usr/bin/env python3
"""Collect the recordings that the shipped model was trained and scored with.

They come out of packages of free software, listed in ``packages.tsv`` beside this file:
role (first: for all trainings; second: for all but the first; third, fourth, sixth, seventh, eighth and
tenth: for those after; unseen and unseen_2: for scores only), kind, package, a pattern of the files in it
(after ``::``, of the files in an archive in it), and their licence. What packages hold few of is made
(see ``textures.py`` and ``effects.py``), and so are variants of the sounds and the music that they hold
(``variants.py``). From the role that it names on (fourth, fifth or eleventh), the sets do without what
``left_out.tsv`` names: music among the sounds, music that is none, and made sounds that are music to
the model before. Nothing is installed, nothing is written but below the folders that you name. It
needs Debian's tools ``apt-get`` and ``dpkg``, and for tunes that come as notes ``fluidsynth`` with the
package ``fluid-soundfont-gm``, and ``ffmpeg`` where the notes bring their own instruments.

> python recipes/OpenBMAT/broadcast/collect.py DOWNLOADS OUT

Run again, it goes on where it stopped.
"""

import argparse
import csv
import fnmatch
import itertools
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import soundfile
from tqdm import tqdm

import effects
import textures
import variants
from hrin_plugin.audio.signals import AudioError, audio_duration, read_audio

PACKAGES, LEFT_OUT = (Path(__file__).with_name(name) for name in ("packages.tsv", "left_out.tsv"))
#: Each has the recordings of those before it too, but what :data:`LEFT_OUT` names for it.
ROLES = (
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
)
#: Notes with their instruments, as trackers write them, and sound that libsndfile does not read.
FOR_FFMPEG = {".it", ".mod", ".s3m", ".wv", ".xm"}
SOUND_FONT = "/usr/share/sounds/sf2/FluidR3_GM.sf2"
#: Folders of sounds that were made, not recorded.
MADE = {"applause", "textures", "effects", "variants", "variants_2"}
#: So many clips are made of applause, of other sounds that last, and of short ones.
APPLAUSE, TEXTURES, EFFECTS = 30, 360, 1200
#: So many variants are made of each sound of a package, each time.
VARIANTS = 2
#: A crowd's voices last so long, in seconds.
VOICE_S = 1.0


def main():
    """Download, unpack and sort."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("downloads", type=Path, help="folder for the packages, about 11 GB unpacked")
    parser.add_argument(
        "out",
        type=Path,
        help="folder for the recordings: first to eleventh, unseen and unseen_2, then <kind>/<package>/",
    )
    arguments = parser.parse_args()
    rows, failed = read_rows(PACKAGES), []
    for row in tqdm(rows, unit="row", disable=None):
        unpacked = unpack(row["package"], arguments.downloads.resolve())
        target = arguments.out / row["role"] / row["kind"] / row["package"]
        if unpacked is None or not collect(unpacked, row["files"], target):
            failed.append(row)
    noise = {role: arguments.out / role / "noise" for role in ("first", "third", "sixth")}
    make_clips(noise["first"] / "applause", APPLAUSE, [textures.applause], textures.applause)
    link_files(arguments.out / "first", arguments.out / "second")
    link_files(arguments.out / "second", arguments.out / "third")
    speech = sorted((arguments.out / "third" / "speech").rglob("*"))
    voices = [path for path in speech if path.is_file() and lasts(path, VOICE_S)]
    make_clips(noise["third"] / "textures", TEXTURES, textures.KINDS, lambda n: textures.texture(n, voices))
    make_clips(noise["sixth"] / "effects", EFFECTS, effects.KINDS, effects.effect)
    for before, role in itertools.pairwise(ROLES[2:-2]):
        link_role(arguments.out, before, role)
    make_variants(arguments.out / "ninth" / "noise" / "variants", packaged(arguments.out / "eighth"))
    link_role(arguments.out, "ninth", "tenth")
    tenth = arguments.out / "tenth"
    make_variants(tenth / "noise" / "variants_2", packaged(tenth), seed=3)
    make_arrangements(tenth / "music" / "variants", packaged(tenth, "music"))
    link_role(arguments.out, "tenth", "eleventh")
    eleventh = arguments.out / "eleventh"
    for folder, seed in (("variants", 2), ("variants_2", 3)):
        make_variants(eleventh / "noise" / folder, packaged(eleventh), seed)
    for row in failed:
        print(f"nothing was found: {row['package']} {row['files']}", file=sys.stderr)
    return bool(failed)


def read_rows(path):
    """The rows of a table, each a mapping from its columns."""
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def unpack(package, downloads):
    """The folder of a package's files, downloaded where it is missing; None if it is not to be had."""
    folder = downloads / package
    if not folder.exists():
        archives = downloads / "archives"
        archives.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", "-qq", package], cwd=archives)
        found = sorted(archives.glob(f"{package}_*.deb"))
        if not found:
            return None
        draft = downloads / f".{package}"
        shutil.rmtree(draft, ignore_errors=True)
        subprocess.run(["dpkg", "-x", found[-1], draft], check=True)
        draft.rename(folder)
    return folder


def collect(unpacked, pattern, target):
    """Link, extract or render the files of a pattern; returns how many there are."""
    pattern, _, member_pattern = pattern.partition("::")
    found = 0
    for path in sorted(unpacked.rglob("*")):
        name = path.relative_to(unpacked).as_posix()
        if not path.is_file() or not fnmatch.fnmatchcase(name, pattern):
            continue
        if member_pattern:
            with zipfile.ZipFile(path) as archive:
                for member in archive.namelist():
                    if fnmatch.fnmatchcase(member, member_pattern) and not member.endswith("/"):
                        found += place(
                            target, member, lambda copy, m=member: copy.write_bytes(archive.read(m))
                        )
        elif path.suffix in {".mid", *FOR_FFMPEG}:
            found += place(target, f"{name}.ogg", lambda copy, p=path: render(p, copy))
        else:
            found += place(target, name, lambda copy, p=path: copy.symlink_to(p))
    return found


def link_role(out, before, role):
    """Link all files of the role before into a role, but those that it is to do without."""
    rows = [row for row in read_rows(LEFT_OUT) if row["role"] == role]
    left_out = [f"{row['kind']}/{row['package']}/{row['file']}" for row in rows]
    link_files(out / before, out / role, left_out)


def link_files(source, target, left_out=()):
    """Link all files below a folder into another one, but those that match a pattern."""
    for path in sorted(source.rglob("*")):
        relative = path.relative_to(source)
        if path.is_file() and not any(fnmatch.fnmatchcase(relative.as_posix(), p) for p in left_out):
            place(
                (target / relative).parent, relative.name, lambda copy, p=path: copy.symlink_to(p.resolve())
            )


def place(target, name, make):
    """Make a file under a flat name, unless it is there; returns 1."""
    copy = target / name.replace("/", "_")
    if not copy.exists():
        target.mkdir(parents=True, exist_ok=True)
        draft = copy.with_name(f".{copy.name}")
        draft.unlink(missing_ok=True)
        make(draft)
        draft.rename(copy)
    return 1


def render(notes, recording):
    """Play a file of notes, with sampled instruments where it brings none, or decode one of sound."""
    if notes.suffix in FOR_FFMPEG:
        command = ["ffmpeg", "-v", "error", "-y", "-i", notes, "-ac", "1", "-ar", "22050", recording]
    else:
        command = ["fluidsynth", "-ni", "-q", "-r", "22050", "-T", "oga", "-F", recording, SOUND_FONT, notes]
    subprocess.run(command, check=True, capture_output=True)


def make_clips(target, count, kinds, make):
    """Make so many clips, of kinds that take turns, where they are missing: samples ``make(number)``."""
    digits = len(str(count - 1))
    for number in tqdm(range(count), target.name, disable=None):
        place(
            target,
            f"{kinds[number % len(kinds)].__name__}_{number:0{digits}d}.ogg",
            lambda copy, n=number: soundfile.write(copy, make(n), textures.RATE, format="OGG"),
        )


def packaged(role, kind="noise"):
    """The files of one kind that come from packages, of a role's folder, in order."""
    paths = sorted((role / kind).rglob("*"))
    return [path for path in paths if path.is_file() and path.parent.name not in MADE]


def make_variants(target, recorded, seed=2):
    """Make variants of sounds, which take turns; the same seed gives the same ones."""
    sounds = [path for path in recorded if lasts(path, variants.SHORTEST_S)]

    def make(number):
        rng = np.random.default_rng((seed, number))
        pair = [sounds[number % len(sounds)], sounds[rng.integers(len(sounds))]]
        return variants.variant(rng, *(read_audio(path, textures.RATE).astype(float) for path in pair))

    make_clips(target, VARIANTS * len(sounds), [variants.variant], make)


def make_arrangements(target, recorded):
    """Make an arrangement of each piece of music; the same pieces give the same ones."""
    music = [path for path in recorded if lasts(path, variants.SHORTEST_S)]

    def make(number):
        rng = np.random.default_rng((4, number))
        return variants.arrangement(rng, read_audio(music[number], textures.RATE).astype(float))

    make_clips(target, len(music), [variants.arrangement], make)


def lasts(path, least_s):
    """Whether a file is a recording, and so many seconds long."""
    try:
        return audio_duration(path).duration_s >= least_s
    except AudioError:
        return False


if __name__ == "__main__":
    sys.exit(main())
