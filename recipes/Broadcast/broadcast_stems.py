#!/usr/bin/env python3
"""Make a cache of stems of folders of recordings, for training to mix from.

> python recipes/Broadcast/broadcast_stems.py STEMS --music DIR --speech DIR --noise DIR

The first folder below a directory is a recording's kind, such as ``rock``; the folder that it lies in is
its package. One package in ten of each kind validates; or one recording in ten, where a kind has one
package only.
"""

import argparse
import sys

import numpy as np

from hrin_plugin.archive.processes import map_local
from hrin_plugin.audio.signals import resample
from hrin_plugin.machine import n_cores
from hrin_plugin.mixing.sources import decode, find_recordings
from hrin_plugin.mixing.stem_cache import ROLES, SAMPLE_RATE, write_cache
from hrin_plugin.mixing.store import SAMPLE_RATE as DECODED_RATE
from hrin_plugin.mixing.store import SourceError
from hrin_plugin.mixing.synthesis import synthesise_music, synthesise_noise, synthesise_speech
from hrin_plugin.training.recipe import refusing

#: Of so many packages of a kind, or recordings, one validates.
ONE_IN = 10
#: Recordings of each role in the synthetic cache, and samples of each.
_N_SYNTHETIC, _N_SAMPLES = 3, 20 * DECODED_RATE


def main(words):
    """Decode the folders that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stems", help="folder for stems.i16 and stems.tsv")
    for role in ROLES:
        parser.add_argument(f"--{role}", required=True, metavar="DIR", help=f"folder of {role} recordings")
    parser.add_argument("--jobs", type=int, default=n_cores(), help="processes that decode")
    arguments = parser.parse_args(words)
    with refusing(ValueError, SourceError):
        recordings = [
            recording for role in ROLES for recording in find_recordings(role, getattr(arguments, role))
        ]
        write_cache(arguments.stems, decode_stems(recordings, arguments.jobs))


def decode_stems(recordings, jobs=1):
    """Decode recordings for :func:`hrin_plugin.mixing.stem_cache.write_cache`; name unusable ones on stderr.

    Arguments
    ---------
    recordings : sequence of hrin_plugin.mixing.sources.SourceFile
        The recordings.
    jobs : int
        Processes that decode.

    Yields
    ------
    tuple
        Role, kind, package, name, split and samples, ``[sample]``.
    """
    places = [place_of(recording) for recording in recordings]
    validating = choose_validating(places)
    for place, decoded in zip(places, map_local(_decode, recordings, jobs)):
        if isinstance(decoded, str):
            print(f"{place[0]}: {decoded}", file=sys.stderr)
        else:
            yield *place, "valid" if place in validating else "train", decoded


def _decode(recording):
    """Samples of a recording without its silences, ``[sample]``; or, in one line, why it is unusable."""
    found = decode(recording)
    return found if isinstance(found, str) else resample(found[0] / 32768.0, DECODED_RATE, SAMPLE_RATE)


def place_of(recording):
    """Role, kind, package and name of a recording.

    Arguments
    ---------
    recording : hrin_plugin.mixing.sources.SourceFile
        The recording.

    Returns
    -------
    tuple of str
        Kind and package are "-" for a recording that lies in no folder.

    Example
    -------
    >>> from hrin_plugin.mixing.sources import SourceFile
    >>> place_of(SourceFile("music", None, "rock/a_band/b.ogg"))
    ('music', 'rock', 'rock/a_band', 'rock/a_band/b.ogg')
    """
    package, _, _ = recording.name.rpartition("/")
    return recording.kind, recording.name.split("/")[0] if package else "-", package or "-", recording.name


def choose_validating(places):
    """Which recordings validate: one package in ten of each kind, or one recording in ten of a lone package.

    Arguments
    ---------
    places : sequence of tuple of str
        From :func:`place_of`.

    Returns
    -------
    set of tuple of str
        The places of those. A recording that is alone in its kind trains.

    Example
    -------
    >>> sorted(choose_validating([("music", "rock", "a", "a/1"), ("music", "rock", "b", "b/1")]))
    [('music', 'rock', 'b', 'b/1')]
    """
    chosen = set()
    for kind in {place[:2] for place in places}:
        own = [place for place in places if place[:2] == kind]
        column = 2 if len({place[2] for place in own}) > 1 else 3
        groups = sorted({place[column] for place in own})
        # From the end, so that a lone group trains.
        held_out = set(groups[-1:0:-ONE_IN])
        chosen |= {place for place in own if place[column] in held_out}
    return chosen


def synthesise_stems(folder):
    """Write a cache of synthetic music, speech and noise, to try a training with.

    Arguments
    ---------
    folder : str or pathlib.Path
        The cache.

    Example
    -------
    >>> from hrin_plugin.mixing.stem_cache import StemCache
    >>> folder = getfixture("tmp_path")
    >>> synthesise_stems(folder)
    >>> len(StemCache(folder).of("music", "valid"))
    1
    """
    write_cache(folder, _synthetic_stems())


def _synthetic_stems():
    """Stems of every role, as :func:`decode_stems` yields them."""
    makers = {"music": synthesise_music, "speech": synthesise_speech, "noise": synthesise_noise}
    for role, synthesise in makers.items():
        for number in range(_N_SYNTHETIC):
            rng = np.random.default_rng([number, *role.encode()])
            audio = resample(synthesise(rng, _N_SAMPLES, DECODED_RATE), DECODED_RATE, SAMPLE_RATE)
            yield role, "made", "made", str(number), "valid" if number == 0 else "train", audio


if __name__ == "__main__":
    main(sys.argv[1:])
