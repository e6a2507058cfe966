"""Planning, rendering and writing of the excerpts of a mixed set."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from hrin_plugin.events import relabel, write_tsv
from hrin_plugin.files import replacing, write_atomically
from hrin_plugin.mixing.programme import PLAIN, draw_programmes, exact_events
from hrin_plugin.mixing.stems import render_stems
from hrin_plugin.mixing.store import N_FOLDS, SAMPLE_RATE
from hrin_plugin.mixing.treatment import treat
from hrin_plugin.taxonomy import MUSIC_LOUDNESS

COUNTRIES = ("France", "Germany", "Spain", "United_Kingdom")
PROGRAMME_TYPES = (
    "Children",
    "Documentary",
    "Entertainment",
    "Music",
    "News",
    "Series_Films",
    "Sports",
    "Talk",
)
ANNOTATORS = ("a", "b", "c")
_LOUDNESS, _DETECTION = "RMLE_mapping", "MD_mapping"
#: Independent streams of random numbers that derive from one seed.
PROGRAMME_STREAM, NAME_STREAM, RENDERING_STREAM, SOURCE_STREAM, FOLD_STREAM, TREATMENT_STREAM = range(6)


class Excerpt(NamedTuple):
    """One excerpt of a set: its name, fold and passages.

    Example
    -------
    >>> Excerpt(0, "Spain_Talk_1_1", fold=0, passages=()).fold
    0
    """

    number: int
    name: str
    fold: int
    passages: tuple

    @property
    def events(self):
        """The exact labels, a list of Event."""
        return exact_events(self.passages)


def plan_excerpts(n_excerpts, seconds, seed, style=PLAIN):
    """Draw the names, folds and programmes of a set.

    Arguments
    ---------
    n_excerpts : int
        Number of excerpts.
    seconds : float
        Length of each.
    seed : int
        Seed of the set.
    style : Style
        Difficulty settings.

    Returns
    -------
    list of Excerpt
        Every fold has the same countries and programme types.

    Example
    -------
    >>> [excerpt.fold for excerpt in plan_excerpts(12, 60.0, seed=0)]
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    """
    rng = np.random.default_rng([seed, PROGRAMME_STREAM])
    programmes = draw_programmes(rng, n_excerpts, seconds, style)
    ids = np.random.default_rng([seed, NAME_STREAM]).integers(10**6, 10**8, n_excerpts)
    excerpts = []
    for number, passages in enumerate(programmes):
        place = number // N_FOLDS
        country = COUNTRIES[place % len(COUNTRIES)]
        programme_type = PROGRAMME_TYPES[place // len(COUNTRIES) % len(PROGRAMME_TYPES)]
        name = f"{country}_{programme_type}_{ids[number]}_{10**8 + number}"
        excerpts.append(Excerpt(number, name, number % N_FOLDS, tuple(passages)))
    return excerpts


def render_excerpt(excerpt, store, sources, seed, style=PLAIN):
    """Render the music and the rest of one excerpt separately.

    Arguments
    ---------
    excerpt : Excerpt
        The excerpt.
    store : numpy.ndarray
        Samples of all recordings, int16, ``[sample]``.
    sources : mapping of str to sequence of Source
        The "music", "speech" and "noise" of the excerpt's fold.
    seed : int
        Seed of the set.
    style : Style
        Whether speech gets reverberation, and noise has layers.

    Returns
    -------
    Stems
        Music and rest, whose sum is the mix before effects.

    Example
    -------
    >>> from hrin_plugin.mixing.store import Source
    >>> store = (9000 * np.random.default_rng(0).standard_normal(44100)).astype("int16")
    >>> sources = dict.fromkeys(["music", "speech", "noise"], [Source("a", 0, 44100, -8.0)])
    >>> render_excerpt(plan_excerpts(10, 2.0, seed=0)[0], store, sources, seed=0).music.shape
    (44100,)
    """
    rng = np.random.default_rng([seed, RENDERING_STREAM, excerpt.number])
    return render_stems(excerpt.passages, store, sources, rng, style.treated)


def finish_mix(excerpt, mix, seed, style=PLAIN):
    """The mix as it is written, with the effects of its style.

    Arguments
    ---------
    excerpt : Excerpt
        The excerpt.
    mix : numpy.ndarray
        Samples within full scale, ``[sample]``.
    seed : int
        Seed of the set.
    style : Style
        Whether effects are applied.

    Returns
    -------
    numpy.ndarray
        As many samples.

    Example
    -------
    >>> finish_mix(plan_excerpts(10, 2.0, seed=0)[0], np.zeros(44100), seed=0).shape
    (44100,)
    """
    if not style.treated:
        return mix
    return treat(mix, SAMPLE_RATE, np.random.default_rng([seed, TREATMENT_STREAM, excerpt.number]))


def is_complete(out, excerpt):
    """Whether all files of an excerpt exist; each is written atomically.

    Arguments
    ---------
    out : str or pathlib.Path
        Folder of the set.
    excerpt : Excerpt
        The excerpt.

    Returns
    -------
    bool
        True if the excerpt is complete.

    Example
    -------
    >>> is_complete("none", plan_excerpts(10, 2.0, seed=0)[0])
    False
    """
    return all(
        path.exists() for path in [*_annotation_paths(out, excerpt.name), _audio_path(out, excerpt.name)]
    )


def make_folders(out):
    """Make the folders of a set.

    Arguments
    ---------
    out : str or pathlib.Path
        Folder of the set.

    Example
    -------
    >>> out = getfixture("tmp_path")
    >>> make_folders(out)
    >>> sorted(path.name for path in out.iterdir())
    ['annotations', 'audio', 'splits']
    """
    for path in [*_annotation_paths(out, "_"), _audio_path(out, "_"), Path(out, "splits", "_")]:
        path.parent.mkdir(parents=True, exist_ok=True)


def write_excerpt(out, excerpt, mix):
    """Write the annotations of an excerpt, then its audio as the last file.

    Arguments
    ---------
    out : str or pathlib.Path
        Folder of the set, made by :func:`make_folders`.
    excerpt : Excerpt
        The excerpt.
    mix : numpy.ndarray
        Samples within full scale, ``[sample]``.

    Example
    -------
    >>> out, excerpt = getfixture("tmp_path"), plan_excerpts(10, 2.0, seed=0)[0]
    >>> make_folders(out)
    >>> write_excerpt(out, excerpt, np.zeros(44100))
    >>> is_complete(out, excerpt)
    True
    """
    md = relabel(excerpt.events, MUSIC_LOUDNESS.parents[0])
    for path in _annotation_paths(out, excerpt.name):
        events = md if _DETECTION in path.parts else excerpt.events
        if len(events) == 1:
            write_atomically(path, f"{events[0].label}\n")
        else:
            write_tsv(path, events)
    samples = np.rint(np.asarray(mix) * 32767).astype(np.int16)
    with replacing(_audio_path(out, excerpt.name)) as draft:
        soundfile.write(draft, samples, SAMPLE_RATE, format="WAV", subtype="PCM_16")


def write_splits(out, excerpts):
    """Write the file that gives each excerpt its fold.

    Arguments
    ---------
    out : str or pathlib.Path
        Folder of the set, made by :func:`make_folders`.
    excerpts : sequence of Excerpt
        All excerpts.

    Example
    -------
    >>> out = getfixture("tmp_path")
    >>> make_folders(out)
    >>> write_splits(out, [Excerpt(0, "Spain_Talk_1_1", fold=7, passages=())])
    >>> (out / "splits" / "splits.csv").read_text()
    'file_name,split\\nSpain_Talk_1_1,7\\n'
    """
    rows = [
        f"{excerpt.name},{excerpt.fold}\n" for excerpt in sorted(excerpts, key=lambda e: (e.fold, e.number))
    ]
    write_atomically(Path(out, "splits", "splits.csv"), "file_name,split\n" + "".join(rows))


def class_shares(excerpts):
    """Share of the time of each class.

    Arguments
    ---------
    excerpts : sequence of Excerpt
        All excerpts.

    Returns
    -------
    dict of str to float
        Class to share of the time, from 0 to 1.

    Example
    -------
    >>> list(class_shares(plan_excerpts(10, 60.0, seed=0)))
    ['no-music', 'fg-music', 'bg-music']
    """
    lasting_s = dict.fromkeys(MUSIC_LOUDNESS.levels[1], 0.0)
    for excerpt in excerpts:
        for event in excerpt.events:
            lasting_s[event.label] += event.offset_s - event.onset_s
    return {label: length_s / sum(lasting_s.values()) for label, length_s in lasting_s.items()}


def _annotation_paths(out, name):
    """The annotation files of an excerpt: of mrle, then of md."""
    return [
        Path(out, "annotations", "tsv", mapping, f"annotator_{annotator}", f"{name}.tsv")
        for mapping in (_LOUDNESS, _DETECTION)
        for annotator in ANNOTATORS
    ]


def _audio_path(out, name):
    """The recording of an excerpt."""
    return Path(out, "audio", f"{name}.wav")
