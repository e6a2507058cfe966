"""The README.txt of a mixed set, which documents and identifies its settings."""

from pathlib import Path

from hrin_plugin.files import write_atomically
from hrin_plugin.mixing.programme import AUDIBLE_GAIN, FOREGROUND_MARGIN_LU, PLAIN, SHARES, UNDER_NOISE_LU
from hrin_plugin.mixing.store import N_FOLDS, SAMPLE_RATE

#: Changes whenever the same settings come to give other bytes.
RULES = "3"

_TREATMENT = """
Some of the speech rings in a room, and some mixes went through a compressor, a narrow
band or a lossy codec; the labels are those of the sound before."""

_PAGE = """\
A set of broadcast-like audio with exact annotations of music, in the layout of OpenBMAT.
It was mixed by hrin_plugin; nothing in it was annotated by ear.

Settings
--------
{settings}

What the labels mean
--------------------
Music is present while its gain is at least {gain:g} times the gain of its passage.
Between two passages with music the boundary is the middle of the ramp from one gain
to the other. Music is fg-music where its loudness (BS.1770, over the passage without
its ramps) is at least {margin:+g} LU over that of everything else together, and bg-music
below. Levels over everything else were drawn from {fg} LU for fg-music and
{bg} LU for bg-music, with noise from {drowned:+g} LU at the lowest: it would drown the music.
The shares of the classes were steered to {shares}.{treatment}

Files
-----
audio/<Country>_<ProgramType>_<id>_<id>.wav: {rate} Hz, mono, 16 bit. Countries and
programme types are names only, they say nothing about what is heard.
annotations/tsv/RMLE_mapping, annotations/tsv/MD_mapping: onset, offset in seconds and
label. The three annotators are the same exact labels.
splits/splits.csv: {folds} folds; no two share a stretch of any source recording.
"""


def claim_folder(out, settings, style=PLAIN):
    """Make the folder of a set, with a README.txt that holds the set's settings.

    Arguments
    ---------
    out : str or pathlib.Path
        Folder of the set: none yet, empty, or a set of the same settings.
    settings : mapping of str to str
        All settings that determine the set's content, without paths.
    style : Style
        Difficulty settings of the mixes.

    Raises
    ------
    FileExistsError
        If the folder holds a set of other settings, or something else.
    OSError
        If the folder cannot be written.

    Example
    -------
    >>> out = getfixture("tmp_path") / "set"
    >>> claim_folder(out, {"seed": "0"})
    >>> claim_folder(out, {"seed": "1"})
    Traceback (most recent call last):
    ...
    FileExistsError: ...set holds a set with seed 0, not 1; choose another folder, or delete this one
    """
    out, settings = Path(out), {"rules": RULES, **settings}
    out.mkdir(parents=True, exist_ok=True)
    readme = out / "README.txt"
    if not readme.exists():
        if any(not entry.name.startswith(".") for entry in out.iterdir()) and not readme.exists():
            raise FileExistsError(f"{out} is not empty, and not a mixed set; choose another folder")
        write_atomically(readme, _page(settings, style))
        return
    text = readme.read_text(encoding="utf-8")
    if text == _page(settings, style):
        return
    found = dict(
        line[2:].split(": ", 1) for line in text.splitlines() if line.startswith("  ") and ": " in line
    )
    for name in [*settings, *found]:
        if found.get(name) != settings.get(name):
            was, now = found.get(name, "not given"), settings.get(name, "not given")
            raise FileExistsError(
                f"{out} holds a set with {name} {was}, not {now}; choose another folder, or delete this one"
            )
    raise FileExistsError(f"{readme} was changed; choose another folder, or delete this one")


def _page(settings, style):
    """The whole text."""
    ranges = {label: f"{low:+g} to {high:+g}" for label, (low, high) in style.relative_lu.items()}
    return _PAGE.format(
        settings="\n".join(f"  {name}: {value}" for name, value in settings.items()),
        gain=AUDIBLE_GAIN,
        margin=FOREGROUND_MARGIN_LU,
        fg=ranges["fg-music"],
        bg=ranges["bg-music"],
        drowned=UNDER_NOISE_LU,
        treatment=_TREATMENT if style.treated else "",
        shares=", ".join(f"{share:.0%} {label}" for label, share in SHARES.items()),
        rate=SAMPLE_RATE,
        folds=N_FOLDS,
    )
