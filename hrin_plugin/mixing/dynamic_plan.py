"""What a batch of excerpts is mixed from, drawn anew for every step of a training.

A plan is small: which part of which stem sounds where, how its gain moves, what is done
to it, and the labels. It depends on a seed and the step's number alone. Making samples
of it is :mod:`hrin_plugin.mixing.dynamic`'s part. Times are in blocks of
:data:`BLOCK` samples.
"""

import math
from typing import NamedTuple

import numpy as np

from hrin_plugin.events import events_to_frames
from hrin_plugin.mixing.programme import (
    BROADCAST,
    NO_MUSIC,
    UNDER_NOISE_LU,
    Passage,
    draw_programmes,
    exact_events,
    gain_corners,
    music_runs,
    plateau,
)
from hrin_plugin.mixing.rooms import N_ROOMS
from hrin_plugin.mixing.stem_cache import SAMPLE_RATE
from hrin_plugin.mixing.stem_choice import Chooser
from hrin_plugin.taxonomy import MUSIC_LOUDNESS
from hrin_plugin.timing import FrameGrid, to_samples

#: Samples of a block; gains are linear within one.
BLOCK = 64
BLOCK_S = BLOCK / SAMPLE_RATE
#: Speeds are whole numbers of this part, so that positions are exact on any device.
STEP_BITS = 20
#: Corners of an equaliser.
EQ_CORNERS = 8
#: How often excerpts have noise nowhere, seldom, as often as the programme has it, often, throughout.
NOISE_WEIGHTS = {0.0: 0.15, 0.3: 0.15, 1.0: 0.35, 3.0: 0.25, 50.0: 0.1}
#: Levels over everything else, in LU; what lies between is the neutral zone, and never drawn.
RELATIVE_LU = {"fg-music": (2.0, 20.0), "bg-music": (-27.0, -3.0)}
#: How many excerpts are one passage throughout, and what that is: class, speech, noise.
WHOLE_SHARE = 0.2
WHOLES = {
    ("fg-music", False, False): 0.4,
    ("bg-music", True, False): 0.3,
    ("bg-music", False, True): 0.05,
    ("no-music", False, True): 0.15,
    ("no-music", True, False): 0.1,
}
#: How many excerpts are nearly silent, and the level of what they have, in dBFS.
SILENT_SHARE, FLOOR_DBFS = 0.04, (-105.0, -72.0)
#: How many others have such a floor under them.
FLOOR_SHARE = 0.3
#: How far the level of an excerpt's speech is from full scale, in LUFS, and how many are turned up or down.
SPEECH_LUFS, SHIFT_DB, SHIFT_SHARE = (-32.0, -18.0), (-28.0, 14.0), 0.5
#: Levels over that of the excerpt's speech, in LU.
SPEECH_LU, NOISE_LU, TONE_LU = (-3.0, 3.0), (-18.0, 0.0), (-55.0, -35.0)
ALONE_LU, FAR_ALONE_LU, FAR_ALONE_SHARE = (-8.0, 6.0), (-30.0, -8.0), 0.15
TONE_SHARE, LAYER_SHARE, SECOND_VOICE_SHARE = 0.7, 0.25, 0.1
#: Speeds at which stems are played.
SPEEDS = {"music": (0.8, 1.25), "speech": (0.9, 1.12), "noise": (0.6, 1.6)}
SPEED_SHARE = {"music": 0.6, "speech": 0.5, "noise": 0.7}
#: Pauses between recordings, in seconds; longest ones are drawn for each stretch.
SPEECH_PAUSE_S, LONGEST_PAUSE_S, NOISE_PAUSE_S = 0.1, (0.3, 2.0), (0.03, 3.0)
#: Noise shorter than this comes one by one, with pauses, in seconds.
LASTING_S = 3.0
NOISE_LAYERS = (1, 1, 1, 2, 3)
EQ_SHARE, EQ_DB, TELEPHONE_SHARE, TELEPHONE_DB = 0.5, 4.0, 0.08, -35.0
#: Rooms: on none, on speech, the same on all that sounds, on each or not.
ROOM_MODES = {"none": 0.5, "speech": 0.25, "all": 0.1, "each": 0.15}
COMPRESSOR_SHARE, BAND_SHARE, CODEC_SHARE = 0.35, 0.25, 0.35
CLIPPED_SHARE, QUANTISED_SHARE, DUCKED_SHARE = 0.03, 0.5, 0.3
#: Programmes of one style that are drawn together.
_GROUP = 8
_EDGE_BLOCKS = 2
_CLASSES = MUSIC_LOUDNESS.levels[1]


class BatchStyle(NamedTuple):
    """What a batch is to be like, besides what is drawn.

    Example
    -------
    >>> BatchStyle(seconds=24.576, n_excerpts=2, split="valid", kind="rock").alone
    False
    """

    seconds: float
    n_excerpts: int
    split: str = "train"
    #: The only kind of music; None for all of them, by their weights.
    kind: str | None = None
    #: Whether music sounds throughout, and nothing else does.
    alone: bool = False


class Piece(NamedTuple):
    """A part of a stem: from and to which block of an excerpt, whence, and how fast.

    ``source`` is the first sample, ``step`` the speed in parts of ``2 ** STEP_BITS``.

    Example
    -------
    >>> Piece(0, 10, 0, 1 << STEP_BITS, 2.0, 2.0, 1.0).end
    10
    """

    begin: int
    end: int
    source: int
    step: int
    fade_in: float
    fade_out: float
    gain: float


class _Rows:
    """The rows of a batch while they are drawn; a row is what sounds on one track of an excerpt."""

    def __init__(self):
        self.rows = []

    def add(self, excerpt, role, pieces, corners, level=0.0):
        """Add a row; corners are block, value, and code of the passage whose gain it has, from 1."""
        if pieces:
            self.rows.append((excerpt, role, pieces, corners, level))


class Planner:
    """Draws the plans of batches.

    Arguments
    ---------
    cache : StemCache
        The stems.
    seed : int
        Seed of all plans.
    music_weights, noise_weights : mapping of str to float, or None
        Weight of each kind of music and of noise; 1 for those not named.
    n_made : int
        How many sounds :func:`hrin_plugin.mixing.stem_cache.made_sounds` has.
    made_samples : int
        Samples of each.
    hop_length : int
        Samples from one frame of the labels to the next.

    Example
    -------
    >>> from hrin_plugin.mixing.stem_cache import ROLES, StemCache, write_cache
    >>> folder = getfixture("tmp_path")
    >>> write_cache(folder, [(role, "", "a", "a", "train", np.ones(9000)) for role in ROLES])
    >>> plan = Planner(StemCache(folder), seed=0).draw(0, BatchStyle(seconds=24.576, n_excerpts=2))
    >>> plan["mrle"].shape
    (2, 385)
    """

    def __init__(
        self,
        cache,
        seed,
        music_weights=None,
        noise_weights=None,
        n_made=8,
        made_samples=240000,
        hop_length=512,
    ):
        self._cache, self._seed = cache, seed
        self._weights = {"music": music_weights, "speech": None, "noise": noise_weights}
        self._n_made, self._made_samples = n_made, made_samples
        self._grid = FrameGrid(SAMPLE_RATE, hop_length)
        self._choosers = {}

    def draw(self, number, style):
        """The plan of a batch.

        Arguments
        ---------
        number : int
            The step.
        style : BatchStyle
            What is wanted.

        Returns
        -------
        dict of str to numpy.ndarray or int
            See :meth:`hrin_plugin.mixing.dynamic.Mixer.render`, which takes it.
        """
        stream = 0 if style.split == "train" else 1
        kind = 0 if style.kind is None else 1 + sum(style.kind.encode())
        rng = np.random.default_rng([self._seed, stream, number, kind, int(style.alone)])
        n_blocks = to_samples(style.seconds, SAMPLE_RATE) // BLOCK
        programmes, silent = self._programmes(rng, style)
        rows, floors, tones = _Rows(), _Rows(), _Rows()
        traits = {name: np.zeros(style.n_excerpts, np.float32) for name in _TRAITS}
        for excerpt, passages in enumerate(programmes):
            traits_here = _draw_traits(rng)
            for name, value in traits_here.items():
                traits[name][excerpt] = value
            if not silent[excerpt]:
                self._draw_music(rng, rows, excerpt, passages, n_blocks, style)
        n_music = len(rows.rows)
        for excerpt, passages in enumerate(programmes):
            if not silent[excerpt]:
                level = traits["level_lufs"][excerpt]
                self._draw_rest(rng, rows, excerpt, passages, n_blocks, level, style)
                if rng.random() < TONE_SHARE:
                    self._draw_made(rng, tones, excerpt, n_blocks, level + rng.uniform(*TONE_LU))
            if silent[excerpt] and rng.random() < 0.85 or rng.random() < FLOOR_SHARE:
                self._draw_made(rng, floors, excerpt, n_blocks, rng.uniform(*FLOOR_DBFS))
        everything = rows.rows + tones.rows + floors.rows
        plan = _pack_rows(everything)
        plan |= _pack_passages(rng, programmes, traits, self._grid, n_blocks)
        plan |= _draw_filters(rng, everything, style.n_excerpts, len(rows.rows))
        plan |= traits
        for share, name in ((COMPRESSOR_SHARE, "compressed"), (BAND_SHARE + CODEC_SHARE, "coded")):
            plan[f"{name}_rows"] = np.flatnonzero(rng.random(style.n_excerpts) < share)
        plan |= {"n_music": n_music, "n_stems": len(rows.rows), "n_tones": len(tones.rows)}
        plan |= {"n_excerpts": style.n_excerpts, "n_blocks": n_blocks, "number": number}
        return plan

    def _chooser(self, role, style):
        kind = style.kind if role == "music" else None
        key = role, style.split, kind
        if key not in self._choosers:
            stems = self._cache.of(role, style.split)
            if kind is not None:
                stems = [stem for stem in stems if stem.kind == kind]
                if not stems:
                    raise ValueError(
                        f"{self._cache.folder} holds no {kind} music of the split {style.split!r}"
                    )
            self._choosers[key] = Chooser(stems, self._weights[role], None if role == "music" else 10.0)
        return self._choosers[key]

    def _programmes(self, rng, style):
        """The passages of each excerpt, and which excerpts are nearly silent."""
        n_excerpts, seconds = style.n_excerpts, style.seconds
        if style.alone:
            alone = Passage(0.0, seconds, "fg-music", False, False, 9.0, True, 0.0)
            return [[alone]] * n_excerpts, np.zeros(n_excerpts, bool)
        programmes = []
        while len(programmes) < n_excerpts:
            weight = rng.choice(list(NOISE_WEIGHTS), p=list(NOISE_WEIGHTS.values()))
            hardness = BROADCAST._replace(
                relative_lu=RELATIVE_LU, noise_weight=weight, longest_fade_s=rng.choice([1.0, 3.0, 6.0])
            )
            programmes += draw_programmes(rng, _GROUP, seconds, hardness)
        programmes = [programmes[index] for index in rng.permutation(len(programmes))[:n_excerpts]]
        whole = rng.random(n_excerpts) < WHOLE_SHARE
        programmes = [
            [_draw_whole(rng, seconds)] if lasting else passages
            for lasting, passages in zip(whole, programmes)
        ]
        silent = rng.random(n_excerpts) < SILENT_SHARE
        nothing = Passage(0.0, seconds, NO_MUSIC, False, False, None, True, 0.0)
        return [[nothing] if quiet else passages for quiet, passages in zip(silent, programmes)], silent

    def _draw_music(self, rng, rows, excerpt, passages, n_blocks, style):
        """Rows of music: runs on two tracks in turn, and now and then a layer with one of them."""
        tracks = ([], []), ([], [])
        runs = music_runs(passages)
        layered = int(rng.integers(len(runs))) if runs and rng.random() < LAYER_SHARE else None
        for number, run in enumerate(runs):
            codes = [float(index + 1) for index in range(*run)]
            times_s, values = gain_corners(passages, run, codes)
            corners = [(time / BLOCK_S, float(code > 0), int(code)) for time, code in zip(times_s, values)]
            begin = max(math.floor(times_s[0] / BLOCK_S), 0)
            end = min(math.ceil(times_s[-1] / BLOCK_S), n_blocks)
            pieces, all_corners = tracks[number % 2]
            pieces += self._fill(rng, "music", begin, end, style)
            all_corners += corners
            if number == layered:
                part = 10 ** (rng.uniform(-15.0, 0.0) / 20)
                layer = [piece._replace(gain=part) for piece in self._fill(rng, "music", begin, end, style)]
                rows.add(excerpt, "music", layer, corners)
        for pieces, corners in tracks:
            rows.add(excerpt, "music", pieces, corners)

    def _draw_rest(self, rng, rows, excerpt, passages, n_blocks, level_lufs, style):
        """Rows of speech and noise."""
        for role, levels_lu in (("speech", SPEECH_LU), ("noise", NOISE_LU)):
            stretches = _stretches(passages, role)
            if not stretches:
                continue
            layers = rng.choice(NOISE_LAYERS) if role == "noise" else 1 + (rng.random() < SECOND_VOICE_SHARE)
            for layer in range(layers):
                pieces, corners = [], []
                for first, after in stretches:
                    begin, end = passages[first].start_s / BLOCK_S, passages[after - 1].end_s / BLOCK_S
                    fades = [0.0, 0.0]
                    if role == "noise":
                        ramps_s = [*(passage.ramp_s for passage in passages), 0.0]
                        fades = [ramps_s[first] / BLOCK_S, ramps_s[after] / BLOCK_S]
                    fade_in, fade_out = (min(max(fade, _EDGE_BLOCKS), (end - begin) / 4) for fade in fades)
                    value = 10 ** (rng.uniform(-3.0, 3.0) / 20)
                    corners += [(begin, 0.0, 0), (begin + fade_in, value, 0)]
                    corners += [(end - fade_out, value, 0), (end, 0.0, 0)]
                    stop = min(math.ceil(end), n_blocks)
                    pieces += self._fill(rng, role, math.floor(begin), stop, style)
                level = level_lufs + rng.uniform(*levels_lu) - (rng.uniform(0.0, 12.0) if layer else 0.0)
                rows.add(excerpt, role, pieces, corners, level)

    def _draw_made(self, rng, rows, excerpt, n_blocks, level):
        """A row of a made noise through a whole excerpt, at a level."""
        sound = int(rng.integers(self._n_made)) * self._made_samples
        step = _draw_step(rng, (0.7, 1.4), 1.0)
        length = max(int(self._made_samples / (step / 2**STEP_BITS)) // BLOCK - 1, 1)
        pieces = [
            Piece(begin, min(begin + length, n_blocks), sound, step, 1.0, 1.0, 1.0)
            for begin in range(0, n_blocks, length)
        ]
        rows.add(excerpt, "made", pieces, [(0.0, 1.0, 0), (float(n_blocks), 1.0, 0)], level)

    def _fill(self, rng, role, begin, end, style):
        """Pieces of recordings that fill a stretch, as their role demands."""
        chooser = self._chooser(role, style)
        packages = [chooser.draw_package(rng)]
        palette = None
        if role == "noise":
            packages.append(chooser.draw_package(rng))
            palette = [chooser.draw(rng, packages[int(rng.integers(2))]) for _ in range(3)]
        longest_s = LONGEST_PAUSE_S if role == "speech" else NOISE_PAUSE_S
        longest_pause_s = math.exp(rng.uniform(*np.log(longest_s)))
        step = _draw_step(rng, SPEEDS[role], SPEED_SHARE[role])
        sign = -1.0 if rng.random() < 0.5 else 1.0
        backwards = role == "noise" and rng.random() < 0.3
        pieces, at = [], begin
        while at < end:
            if palette:
                onset, n_samples = palette[int(rng.integers(len(palette)))]
            else:
                onset, n_samples = chooser.draw(rng, packages[0])
            speed = step / 2**STEP_BITS
            whole = int(n_samples / speed) // BLOCK
            length = min(max(whole, 1), end - at)
            room = n_samples - math.ceil(length * BLOCK * speed)
            source = onset + (int(rng.integers(room + 1)) if room > 0 else 0)
            taken = int(length * BLOCK * speed)
            fade = min(_EDGE_BLOCKS if role != "noise" or whole * BLOCK_S < LASTING_S else 12, length / 2)
            piece = Piece(at, at + length, source, step, fade, fade, sign)
            if backwards:
                piece = piece._replace(source=source + taken, step=-step)
            pieces.append(piece)
            at += length
            if role == "speech":
                at += int(rng.uniform(SPEECH_PAUSE_S, longest_pause_s) / BLOCK_S)
            elif role == "noise" and length * BLOCK_S < LASTING_S:
                at += 1 + int(longest_pause_s * rng.uniform(0.05, 1.0) / BLOCK_S)
        return pieces


#: What is drawn for each excerpt, besides its programme.
_TRAITS = (
    *("level_lufs", "by_rms", "shift_db", "clipped", "quantised", "duck_db", "threshold_db", "ratio"),
    *("low_hz", "high_hz", "coder_db"),
)


def _draw_whole(rng, seconds):
    """The only passage of an excerpt in which the same things sound throughout."""
    label, speech, noise = list(WHOLES)[rng.choice(len(WHOLES), p=list(WHOLES.values()))]
    level_lu = None
    if label != NO_MUSIC:
        low_lu, high_lu = RELATIVE_LU[label]
        level_lu = rng.uniform(max(low_lu, UNDER_NOISE_LU) if noise else low_lu, high_lu)
    return Passage(0.0, seconds, label, speech, noise, level_lu, True, 0.0)


def _draw_traits(rng):
    """What an excerpt is like as a whole, a dict of float."""
    shifted, clipped, quantised, ducked, narrow, coded = rng.random(6)
    band = BAND_SHARE / (BAND_SHARE + CODEC_SHARE)
    return {
        "level_lufs": rng.uniform(*SPEECH_LUFS),
        "by_rms": float(rng.random() < 0.4),
        "shift_db": rng.uniform(*SHIFT_DB) if shifted < SHIFT_SHARE else 0.0,
        "clipped": float(clipped < CLIPPED_SHARE),
        "quantised": float(quantised < QUANTISED_SHARE),
        "duck_db": rng.uniform(3.0, 12.0) if ducked < DUCKED_SHARE else 0.0,
        "threshold_db": rng.uniform(-6.0, 6.0),
        "ratio": rng.uniform(1.5, 5.0),
        "low_hz": rng.uniform(60.0, 350.0) if narrow < band else 0.0,
        "high_hz": math.exp(rng.uniform(math.log(2200.0), math.log(4000.0))),
        "coder_db": rng.uniform(4.0, 24.0) if coded > band else 90.0,
    }


def _draw_step(rng, speeds, share):
    """A speed in parts of ``2 ** STEP_BITS``; 1 for some."""
    return round(math.exp(rng.uniform(*np.log(speeds))) * 2**STEP_BITS) if rng.random() < share else 1 << 20


def _stretches(passages, role):
    """First passages and the ones after the last of each stretch in which a role sounds."""
    sounding = [getattr(passage, role) for passage in passages]
    return np.flatnonzero(np.diff(sounding, prepend=False, append=False)).reshape(-1, 2).tolist()


def _pack_rows(rows):
    """Arrays of all rows; short lists are filled up with pieces that never sound and corners at the end."""
    n_rows = max(len(rows), 1)
    n_pieces = max((len(row[2]) for row in rows), default=1)
    n_corners = max((len(row[3]) for row in rows), default=1)
    pieces = np.zeros((7, n_rows, n_pieces), np.float64)
    pieces[:2] = 2**30
    corners = np.zeros((3, n_rows, n_corners), np.float64)
    levels, excerpts = np.zeros(n_rows, np.float32), np.zeros(n_rows, np.int64)
    for number, (excerpt, _, own_pieces, own_corners, level) in enumerate(rows):
        excerpts[number], levels[number] = excerpt, level
        pieces[:, number, : len(own_pieces)] = np.array(own_pieces).T
        corners[:, number] = np.array(own_corners[-1])[:, None]
        corners[0, number] += 1e6
        corners[:, number, : len(own_corners)] = np.array(own_corners).T
    return {
        "begin": pieces[0].astype(np.int32),
        "end": pieces[1].astype(np.int32),
        "source": pieces[2].astype(np.int64),
        "step": pieces[3].astype(np.int32),
        "fades": pieces[4:6].astype(np.float32),
        "gain": pieces[6].astype(np.float32),
        "corner_block": corners[0].astype(np.float32),
        "corner_value": corners[1].astype(np.float32),
        "corner_code": corners[2].astype(np.int64),
        "level": levels,
        "excerpt": excerpts,
    }


def _pack_passages(rng, programmes, traits, grid, n_blocks):
    """Labels of frames, and where and how loud the music of each passage is to be."""
    n_frames = grid.frame_count(n_blocks * BLOCK)
    shape = len(programmes), max(len(passages) for passages in programmes)
    first, after = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    relative_lu, alone = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    side = np.zeros(shape, np.float32)
    passage_at = np.zeros((len(programmes), n_frames), np.int64)
    mrle = np.zeros((len(programmes), n_frames), np.int64)
    frame_s = grid.time_of(1)
    for excerpt, passages in enumerate(programmes):
        mrle[excerpt] = events_to_frames(exact_events(passages), _CLASSES, grid, n_frames)
        for number, passage in enumerate(passages):
            start_s, end_s = plateau(passages, number)
            first[excerpt, number] = math.ceil(start_s / frame_s)
            after[excerpt, number] = max(math.floor(end_s / frame_s), math.ceil(start_s / frame_s) + 1)
            passage_at[excerpt, grid.frame_at(passage.start_s) :] = number
            if not passage.has_music:
                continue
            side[excerpt, number] = 1.0 if passage.label == "fg-music" else -1.0
            if passage.speech or passage.noise:
                relative_lu[excerpt, number] = passage.relative_lu
            else:
                far = rng.random() < FAR_ALONE_SHARE
                alone[excerpt, number] = 1.0
                relative_lu[excerpt, number] = traits["level_lufs"][excerpt] + rng.uniform(
                    *(FAR_ALONE_LU if far else ALONE_LU)
                )
    return {
        "mrle": mrle,
        "passage_at": passage_at,
        "first_frame": first,
        "after_frame": after,
        "relative_lu": relative_lu,
        "alone": alone,
        "side": side,
    }


def _draw_filters(rng, rows, n_excerpts, n_stems):
    """Equalisers and rooms of the rows that have any."""
    n_rows = max(len(rows), 1)
    eq_db = np.where(rng.random((n_rows, 1)) < EQ_SHARE, rng.normal(0.0, EQ_DB, (n_rows, EQ_CORNERS)), 0.0)
    telephone = rng.random(n_rows) < TELEPHONE_SHARE
    eq_db[telephone, 0] = eq_db[telephone, -1] = TELEPHONE_DB
    modes = rng.choice(list(ROOM_MODES), size=n_excerpts, p=list(ROOM_MODES.values()))
    shared = rng.integers(N_ROOMS, size=n_excerpts)
    own, tossed = rng.integers(N_ROOMS, size=n_rows), rng.random(n_rows) < 0.5
    rooms = np.full(n_rows, -1)
    for number, (excerpt, role, *_) in enumerate(rows[:n_stems]):
        mode = modes[excerpt]
        if mode == "all" or (mode == "speech" and role == "speech"):
            rooms[number] = shared[excerpt]
        elif mode == "each" and tossed[number]:
            rooms[number] = own[number]
    # Made noises are of every colour as they are.
    filtered = np.flatnonzero((np.any(eq_db != 0, axis=1) & (np.arange(n_rows) < n_stems)) | (rooms >= 0))
    with_room = np.flatnonzero(rooms[filtered] >= 0)
    return {
        "filtered_rows": filtered,
        "eq_db": eq_db[filtered].astype(np.float32),
        "with_room": with_room,
        "room": rooms[filtered][with_room],
        "speech_rows": np.array(
            [number for number, row in enumerate(rows[:n_stems]) if row[1] == "speech"], np.int64
        ),
    }
