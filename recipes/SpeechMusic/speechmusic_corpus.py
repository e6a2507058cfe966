"""Corpora of music, speech and noise: where recordings lie, what tells two apart, and a synthetic one."""

import hashlib
from pathlib import Path

import numpy as np
import soundfile

from hrin_plugin.files import replacing
from hrin_plugin.mixing.sources import SourceError, find_recordings
from hrin_plugin.mixing.synthesis import synthesise_music, synthesise_noise, synthesise_speech
from hrin_plugin.training.checksums import Checksums
from hrin_plugin.training.openbmat import MINIATURE

#: Samples a second of the synthetic corpus: GTZAN's.
SAMPLE_RATE = 22050


def find_corpus(root, classes):
    """The recordings of each class, in whichever of the layouts the corpus has.

    Arguments
    ---------
    root : pathlib.Path
        The corpus, or the folder around MUSAN or GTZAN.
    classes : sequence of str
        The classes to find.

    Returns
    -------
    dict of str to list of SourceFile
        The classes in the order given, their recordings in that of their names.

    Raises
    ------
    FileNotFoundError
        If a class has no folder.
    ValueError
        If the folder of a class holds no recording.

    Example
    -------
    >>> root = getfixture("tmp_path")
    >>> (root / "music_speech/music_wav").mkdir(parents=True)
    >>> (root / "music_speech/music_wav/bagpipe.wav").touch()
    >>> [recording.name for recording in find_corpus(root, ["music"])["music"]]
    ['bagpipe.wav']
    """
    for base in (root, root / "musan", root / "music_speech"):
        folders = {
            kind: base / name for kind in classes for name in (f"{kind}_wav", kind) if (base / name).is_dir()
        }
        if folders:
            break
    missing = [kind for kind in classes if kind not in folders]
    if missing:
        raise FileNotFoundError(
            f"{root}: there is no folder {' and no folder '.join(missing)}; give a folder that holds "
            f"{', '.join(classes)}, or train on other classes (of music and speech alone, as in GTZAN: "
            "hparams/hrin_cr_music_speech.yaml)"
        )
    try:
        return {kind: find_recordings(kind, folders[kind]) for kind in classes}
    except SourceError as error:
        raise ValueError(f"{error}") from None


def identify_corpus(data_folder, annotator=None, md_from=None, checksums=None):
    """What a corpus holds, in a few words that are the same wherever its folder lies.

    Arguments
    ---------
    data_folder : str, pathlib.Path or None
        The corpus; None for the synthetic one.
    annotator, md_from : object
        Identify other data sets; not used.
    checksums : Checksums or None
        Remembers what was read of recordings before.

    Returns
    -------
    str
        The number of recordings, and a digest of their names and content.

    Raises
    ------
    FileNotFoundError
        If the folder holds no recording.

    Example
    -------
    >>> identify_corpus(None)
    'miniature'
    """
    if not data_folder:
        return MINIATURE
    try:
        recordings = find_recordings("corpus", data_folder)
    except (ValueError, SourceError) as error:
        raise FileNotFoundError(f"{error}") from None
    digest = hashlib.sha256()
    sums = (checksums or Checksums()).of([recording.path for recording in recordings])
    for recording, content in zip(recordings, sums):
        digest.update(f"{recording.name}\t{content}\n".encode("utf-8", "surrogateescape"))
    return f"{len(recordings)} files, {digest.hexdigest()[:16]}"


def synthesise_corpus(folder, n_recordings=10, seconds=4.0):
    """Write a small corpus of synthetic music, speech and noise, one folder for each class.

    Recordings that are there already are left as they are.

    Arguments
    ---------
    folder : str or pathlib.Path
        Where the three folders go; made if missing.
    n_recordings : int
        Recordings of each class.
    seconds : float
        Length of each.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> synthesise_corpus(folder, n_recordings=1, seconds=0.5)
    >>> sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.wav"))
    ['music/music-0.wav', 'noise/noise-0.wav', 'speech/speech-0.wav']
    """
    makers = {"music": synthesise_music, "speech": synthesise_speech, "noise": synthesise_noise}
    for kind, synthesise in makers.items():
        (Path(folder) / kind).mkdir(parents=True, exist_ok=True)
        for number in range(n_recordings):
            path = Path(folder) / kind / f"{kind}-{number}.wav"
            if not path.exists():
                rng = np.random.default_rng([number, *kind.encode()])
                wav = synthesise(rng, round(seconds * SAMPLE_RATE), SAMPLE_RATE)
                with replacing(path) as draft:
                    soundfile.write(draft, 0.5 * wav / np.abs(wav).max(), SAMPLE_RATE)
