"""What is made for the cache, since packages hold little of it: music, noises, spoken numbers."""

import functools
import hashlib
import random
import subprocess
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

import effects
import made_music
import textures
import tunes
from parts import read_rows, write_part
from recordings import RATE, SOUND_FONTS, as_stem, stem

#: So many pieces of made music and of sung ones besides, the round of kinds that validates, clips of noise.
PIECES, SUNG, VALID_ROUND = 55, 12, 4
TEXTURES, APPLAUSE, EFFECTS, NOISE_S = 36, 6, 120, 20.0
#: Tunes last so long at most, and every second one of Doom's is played, in seconds.
TUNE_S = 64.0
#: More instruments, in the package csound-soundfont.
SMALL_FONT = Path("csound-soundfont/usr/share/samples/sf_GMbank.sf2")
#: Voices that speak numbers.
LANGUAGES = (
    "en-us en-gb fr-fr de es es-419 it pt pt-br nl sv da nb fi pl cs hu ro ru uk el tr ar fa hi bn ta "
    "ko ja cmn vi id sw ka hy"
)


def made_clips(parts, downloads, workers):
    """Write everything that is made into a folder of parts, where it is missing."""
    made = downloads / "made"
    with_fonts = functools.partial(tune, fonts=(*SOUND_FONTS, downloads.resolve() / SMALL_FONT))
    accompanied = list(enumerate(tunes.accompaniments(made / "mma")))
    archives = sorted(downloads.glob("free*/usr/share/games/doom/*.wad"))
    of_doom = [path for archive in archives for path in tunes.tunes_of_archive(archive, made / "freedoom")]
    clips = {
        "made_music": (functools.partial(piece, voices=speech_of(parts)), piece_numbers()),
        "made_noise": (functools.partial(noise, voices=voice_files(downloads)), noise_numbers()),
        "espeak-ng": (spoken, list(enumerate(LANGUAGES.split()))),
        "mma": (functools.partial(with_fonts, package="mma", kind="folk_world"), accompanied),
        "freedoom": (
            functools.partial(with_fonts, package="freedoom", kind="rock"),
            list(enumerate(of_doom))[::2],
        ),
    }
    for name, (make, items) in clips.items():
        if not (parts / f"{name}.tsv").exists():
            with ProcessPoolExecutor(workers) as pool:
                write_part(parts / name, [one for one in pool.map(make, items) if one is not None])


def row(role, package, name, samples, kind="-", split="train", source=None):
    """A stem as a row with its samples, or None if nothing sounds; without a source, they are summed."""
    if samples is None:
        return None
    sha256 = hashlib.sha256(samples.tobytes() if source is None else source).hexdigest()
    return dict(
        role=role,
        kind=kind,
        package=package,
        name=f"{package}/{name}",
        split=split,
        sha256=sha256,
        samples=samples,
    )


def speech_of(parts):
    """Spoken recordings that train, of a second and more, from the parts: a list of ``[sample]``."""
    voices = []
    for table in sorted(parts.glob("[0-9]*.tsv")):
        rows = read_rows(table)
        if rows and (rows[0]["role"], rows[0]["split"]) == ("speech", "train"):
            samples = np.fromfile(table.with_suffix(".i16"), "<i2") / 32768
            voices += np.split(samples, np.cumsum([int(one["n_samples"]) for one in rows])[:-1])
    return [voice for voice in voices if len(voice) > RATE]


def voice_files(downloads):
    """Recordings of speech for crowds."""
    return sorted((downloads / "asterisk-core-sounds-en-wav").rglob("*.wav"))[:200]


def piece_numbers():
    """Numbers of the pieces: all kinds in turn, then sung ones only."""
    n_kinds = len(made_music.KINDS)
    more = [n for n in range(PIECES, PIECES + 10 * n_kinds) if made_music.kind_of(n) == "sung"]
    return [*range(PIECES), *more[:SUNG]]


def piece(number, voices):
    """A piece of made music; one round of all kinds is for validation."""
    make, kind = made_music.KINDS[number % len(made_music.KINDS)]
    split = "valid" if number // len(made_music.KINDS) == VALID_ROUND else "train"
    samples = as_stem(made_music.piece(number, voices), made_music.RATE)
    return row("music", "made_music", f"{make.__name__}_{number:03d}", samples, kind, split)


def noise_numbers():
    """What to make of noises: ``[(name, number)]``."""
    counts = {"textures": TEXTURES, "applause": APPLAUSE, "effects": EFFECTS}
    return [(name, number) for name, count in counts.items() for number in range(count)]


def noise(item, voices):
    """A made noise; one in ten is for validation."""
    name, number = item
    if name == "textures":
        samples = textures.texture(number, voices)
    else:
        samples = {"applause": textures.applause, "effects": effects.effect}[name](number)
    split = "valid" if number % 10 == 9 else "train"
    stem_of_it = as_stem(samples, textures.RATE, NOISE_S)
    return row("noise", "made_noise", f"{name}_{number:03d}", stem_of_it, split=split)


def spoken(item):
    """Numbers spoken by a synthetic voice."""
    number, language = item
    rng = random.Random(number)
    words = " ".join(str(rng.randint(1, 99999)) for _ in range(6))
    manner = ["-s", str(rng.randint(120, 190)), "-p", str(rng.randint(20, 80))]
    command = ["espeak-ng", "-v", language, *manner, "--stdout", words]
    wav = subprocess.run(command, check=True, capture_output=True).stdout
    samples, rate = np.frombuffer(wav[44:], "<i2") / 32768, int.from_bytes(wav[24:28], "little")
    return row("speech", "espeak-ng", f"{language}_{number}", as_stem(samples, rate, NOISE_S))


def tune(item, package, kind, fonts):
    """A file of notes, played with one of some sets of instruments; they take turns."""
    number, path = item
    font = fonts[number % len(fonts)]
    samples = stem(path, TUNE_S, sound_font=font)
    return row("music", package, f"{path.name}#{Path(font).stem}", samples, kind, source=path.read_bytes())
