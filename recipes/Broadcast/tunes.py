"""Notes to play: accompaniments that ``mma`` writes in many styles, and the tunes in Doom's archives."""

import random
import re
import struct
import subprocess
from pathlib import Path

#: Where ``mma`` (a package of that name) keeps its styles, and those that are played here.
LIBRARY = Path("/usr/share/mma/lib/stdlib")
STYLES = (
    "arpeggio68 bebop beguine bigband bluefolk bluegrass blues bolero bossanova calypso chacha "
    "countryblues cubanguitar desert dixie folk folkballad gypsyjazz hillcountry hymn jazzguitar "
    "jazzrhumba lfusion lighttango lullaby mambo mellowjazz merengue modernjazz polka ragtime rb "
    "rhumba salsa samba ska slowjazz son spiritual swing tango trance zydeco bvfunk"
)
#: What plays the tune, by its name in General MIDI, and chords of four bars.
LEADS = (
    "Sitar Shanai Koto Shamisen Kalimba Oboe Clarinet PanFlute Recorder Shakuhachi Ocarina Fiddle "
    "Accordion Harmonica Violin TenorSax MutedTrumpet Banjo Dulcimer Vibraphone SynthVox ChoirAahs"
)
CHORDS = (
    "Am Dm E7 Am",
    "C F G C",
    "Dm G7 C C",
    "Em D C B7",
    "Am G F E7",
    "Gm Cm D7 Gm",
    "F Bb C7 F",
    "D A Bm G",
)
#: Bars of a piece.
BARS = 40


def accompaniments(folder):
    """Write notes in each of :data:`STYLES` into a folder; returns the files that ``mma`` could write."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, style in enumerate(STYLES.split()):
        source = folder / f"{style}.mma"
        if not source.with_suffix(".mid").exists():
            source.write_text(arrangement(random.Random(number), (LIBRARY / f"{style}.mma").read_text()))
            subprocess.run(["mma", "-f", source.with_suffix(".mid"), source], capture_output=True)
    return sorted(folder.glob("*.mid"))


def arrangement(rng, style):
    """A piece in one of the grooves that a style defines, with a tune, as ``mma`` reads it.

    Example
    -------
    >>> print(arrangement(random.Random(0), "DefGroove Son").splitlines()[1])
    Groove Son
    """
    grooves = re.findall(r"^\s*DefGroove\s+(\S+)", style, re.MULTILINE)
    lead, chords = rng.choice(("Scale", "Arpeggio", "Walk")), rng.choice(CHORDS).split()
    lines = [f"Tempo {rng.randint(70, 150)}", f"Groove {rng.choice(grooves[:6])}"]
    lines += [
        f"{lead}-Lead {setting}"
        for setting in (f"Voice {rng.choice(LEADS.split())}", "Octave 5", "Direction Random")
    ]
    lines.append(f"{lead}-Lead Sequence {{1 {rng.choice((4, 8))} 95 * {rng.choice((3, 6))}}}")
    return "\n".join(lines + [f"{bar + 1} {chords[bar % 4]}" for bar in range(BARS)]) + "\n"


def tunes_of_archive(path, folder):
    """Write the tunes in an archive of Doom's (WAD) into a folder, as files of notes; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    data, found = path.read_bytes(), []
    _, n_entries, directory = struct.unpack_from("<4sii", data)
    for entry in range(n_entries):
        onset, size, name = struct.unpack_from("<ii8s", data, directory + 16 * entry)
        if data[onset : onset + 4] == b"MThd":
            target = folder / f"{path.stem}_{name.rstrip(bytes(1)).decode('latin-1').lower()}.mid"
            target.write_bytes(data[onset : onset + size])
            found.append(target)
    return found
