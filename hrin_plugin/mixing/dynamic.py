"""Mixing batches of excerpts while a network trains, by plans of :mod:`hrin_plugin.mixing.dynamic_plan`.

Every operation is on tensors of a whole batch, on whatever device holds the stems, and
none of them waits for it. Nothing is drawn here: a plan gives the same mix on any device,
but for the rounding.
"""

import math
import warnings
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from hrin_plugin.mixing.dynamic_plan import BLOCK, EQ_CORNERS, STEP_BITS
from hrin_plugin.mixing.rooms import N_ROOMS, room_responses
from hrin_plugin.mixing.stem_cache import SAMPLE_RATE, made_sounds

#: Samples of a frame in which powers are measured: that of the labels.
FRAME = 512
#: K-weighting, nearly: the power of a signal and this part of its difference's.
_K_SHELF = 0.375
_OFFSET_LU = -0.691
#: Gates: of the loudness relative to the mean, of sounding parts, and absolute.
_LOUDNESS_GATE, _SOUNDING_GATE, _ABSOLUTE_GATE = 0.1, 1e-3, 1e-9
#: Music this far below its passage's mean power for about a second is silence, or below an absolute power.
_SILENCE, _SILENCE_FRAMES, _INAUDIBLE = 10**-4.5, 15, 1e-9
_PEAK = 0.98
_ROWS_AT_ONCE = 128
_CODER_FFT, _CODER_BANDS = 512, 32


class Mixed(NamedTuple):
    """A batch of excerpts.

    ``mask`` is False at frames that no label fits: of the neutral zone, and of music that is silent.

    Example
    -------
    >>> Mixed(torch.zeros(2, 512), *(torch.zeros(2, 2) for _ in range(3))).wavs.shape
    torch.Size([2, 512])
    """

    wavs: Tensor  # [excerpt, sample]
    md: Tensor  # [excerpt, frame]
    mrle: Tensor  # [excerpt, frame]
    mask: Tensor  # [excerpt, frame]


class Mixer:
    """Renders plans on a device.

    Arguments
    ---------
    samples : numpy.ndarray
        The samples of a cache of stems, int16, ``[sample]``.
    device : str or torch.device
        Where to mix; the samples go there as they are.

    Example
    -------
    >>> from hrin_plugin.mixing.dynamic_plan import Planner, BatchStyle
    >>> from hrin_plugin.mixing.stem_cache import ROLES, StemCache, write_cache
    >>> folder, rng = getfixture("tmp_path"), np.random.default_rng(0)
    >>> sound = rng.standard_normal(80000)
    >>> write_cache(folder, [(role, "", "a", "a", "train", sound) for role in ROLES])
    >>> cache = StemCache(folder)
    >>> plan = Planner(cache, seed=0).draw(0, BatchStyle(seconds=12.288, n_excerpts=2))
    >>> Mixer(cache.samples).render(plan).wavs.shape
    torch.Size([2, 98304])
    """

    def __init__(self, samples, device="cpu"):
        self.device = torch.device(device)
        # Read only: torch warns that it cannot know that, and there is no other way to a memory map.
        self.samples = _as_tensor(samples).to(self.device)
        self.made = torch.from_numpy(made_sounds().reshape(-1)).to(self.device)
        self.rooms = torch.from_numpy(room_responses()).to(self.device)

    def render(self, plan):
        """Mix a batch.

        Arguments
        ---------
        plan : mapping of str to torch.Tensor, numpy.ndarray or int
            From :meth:`hrin_plugin.mixing.dynamic_plan.Planner.draw`.

        Returns
        -------
        Mixed
            The batch, on the mixer's device.
        """
        return self.render_parts(plan)[0]

    @torch.no_grad()
    def render_parts(self, plan):
        """Mix a batch, and give what the labels follow from besides.

        Arguments
        ---------
        plan : mapping
            As :meth:`render` takes it.

        Returns
        -------
        tuple of (Mixed, torch.Tensor, torch.Tensor)
            The batch; music and all else of each excerpt before it was treated as a whole,
            ``[excerpt, sample]``.
        """
        plan = {name: self._to_device(value) for name, value in plan.items()}
        rows = self._rows(plan)
        polygons = _Polygons(plan)
        n_music, n_stems = plan["n_music"], plan["n_stems"]
        n_heard = n_stems + plan["n_tones"]
        rest = self._rest(plan, polygons, rows[n_music:n_heard], slice(n_music, n_heard))
        music, sounds_at = self._music(plan, polygons, rows[:n_music], rest, n_music)
        loudest = (music + rest).abs().amax(dim=1)
        scale = (_PEAK / loudest.clamp(min=_PEAK))[:, None]
        music, rest = music * scale, rest * scale
        wavs, gain = self._treat(plan, music + rest)
        floors = rows[n_heard:]
        if len(floors):
            target = 10 ** (plan["level"][n_heard:] / 20)
            rms = floors.square().mean(dim=1).sqrt().clamp(min=1e-9)
            wavs = wavs.index_add(0, plan["excerpt"][n_heard:], floors * (target / rms)[:, None])
        wavs = torch.where(plan["quantised"][:, None] > 0, (wavs * 32768).round() / 32768, wavs)
        wavs = wavs.clamp(-1.0, 1.0).nan_to_num(0.0, 0.0, 0.0)
        mrle, mask = self._labels(plan, music * gain[:, None], sounds_at)
        return Mixed(wavs, (mrle > 0).long(), mrle, mask), music, rest

    def _to_device(self, value):
        if isinstance(value, np.ndarray):
            value = torch.from_numpy(value)
        return value.to(self.device, non_blocking=True) if isinstance(value, Tensor) else value

    def _rows(self, plan):
        """Every row at its stems' level, filtered, ``[row, sample]``."""
        n_stems, n_rows = plan["n_stems"], len(plan["excerpt"])
        parts = []
        for store, begin, end in ((self.samples, 0, n_stems), (self.made, n_stems, n_rows)):
            for start in range(begin, end, _ROWS_AT_ONCE):
                parts.append(_gather(store, plan, slice(start, min(start + _ROWS_AT_ONCE, end))))
        rows = torch.cat(parts) if len(parts) > 1 else parts[0]
        chosen = plan["filtered_rows"]
        for start in range(0, len(chosen), _ROWS_AT_ONCE):
            part = slice(start, start + _ROWS_AT_ONCE)
            rows[chosen[part]] = self._filter(rows[chosen[part]], plan, part)
        return rows

    def _filter(self, sounds, plan, part):
        """Sounds through their equalisers and rooms."""
        n_samples = sounds.shape[1]
        spectra = torch.fft.rfft(sounds)
        spectra *= _equaliser(plan["eq_db"][part], spectra.shape[1])
        # Rooms are few, and of any number in a part: the others have one that only lets through.
        direct = torch.full((len(sounds),), N_ROOMS, dtype=torch.long, device=self.device)
        rooms = _placed(direct, plan["with_room"], plan["room"], part.start)
        if rooms is not None:
            spectra *= torch.fft.rfft(self.rooms[rooms], n=n_samples)
        return torch.fft.irfft(spectra, n=n_samples)

    def _rest(self, plan, polygons, rows, part):
        """Speech, noise and room tone at their levels, ``[excerpt, sample]``."""
        rest = torch.zeros(plan["n_excerpts"], plan["n_blocks"] * BLOCK, device=self.device)
        if len(rows) == 0:
            return rest
        shaped = polygons.apply(rows, part)
        powers = _weighted_powers(shaped)
        measured = _gated_power(powers, torch.ones_like(powers, dtype=torch.bool), _LOUDNESS_GATE)
        target = 10 ** ((plan["level"][part] - _OFFSET_LU) / 10)
        gain = (target / measured.clamp(min=_ABSOLUTE_GATE)).sqrt()
        return rest.index_add_(0, plan["excerpt"][part], shaped * gain[:, None])

    def _music(self, plan, polygons, rows, rest, n_music):
        """Music at its levels over the rest, ``[excerpt, sample]``, and where both rules agree on them."""
        music = torch.zeros_like(rest)
        inside = _inside(plan, rest.shape[1] // FRAME)
        agree = torch.ones_like(plan["side"], dtype=torch.bool)
        if n_music == 0:
            return music, agree
        part, owner = slice(0, n_music), plan["excerpt"][:n_music]
        ducked = rows * _from_frames(self._ducking(plan, rest), rows.shape[1])[owner]
        together = torch.zeros_like(rest).index_add_(0, owner, ducked)
        levels = [
            [
                10 * torch.log10(_gated_power(powers[:, None], inside, gate).clamp(min=1e-12))
                for powers, gate in (
                    (_weighted_powers(sound), _LOUDNESS_GATE),
                    (_powers(sound), _SOUNDING_GATE),
                )
            ]
            for sound in (together, rest)
        ]
        by_rms, alone = plan["by_rms"][:, None] > 0, plan["alone"] > 0
        (music_k, music_rms), (rest_k, rest_rms) = levels
        floor = plan["level_lufs"][:, None] - 55.0
        rest_k, rest_rms = torch.maximum(rest_k, floor), torch.maximum(rest_rms, floor)
        target = plan["relative_lu"] + torch.where(
            alone, torch.full_like(rest_k, -_OFFSET_LU), torch.where(by_rms, rest_rms, rest_k)
        )
        gain_db = target - torch.where(by_rms & ~alone, music_rms, music_k)
        # The other rule's level of the music: a passage that is another class by it has no label.
        other = gain_db + torch.where(by_rms, music_k - rest_k, music_rms - rest_rms)
        agree = alone | (other * plan["side"] > 0)
        gains = torch.where(plan["side"] != 0, 10 ** (gain_db.clamp(max=60.0) / 20), 0.0)
        shaped = polygons.apply(ducked, part, gains)
        return music.index_add_(0, owner, shaped), agree

    def _ducking(self, plan, rest):
        """Gain of the music in each frame, ``[excerpt, frame]``: lower where the rest is loud."""
        power = functional.avg_pool1d(_powers(rest)[:, None], 7, 1, 3, count_include_pad=False)[:, 0]
        loud = (power / power.mean(dim=1, keepdim=True).clamp(min=1e-12)).clamp(max=1.0)
        return 10 ** (-plan["duck_db"][:, None] * loud / 20)

    def _treat(self, plan, wavs):
        """The mix through compressor, band and coder, at its level, and the gain that it has got."""
        chosen = plan["compressed_rows"]
        if len(chosen):
            wavs[chosen] = _compress(wavs[chosen], plan["threshold_db"][chosen], plan["ratio"][chosen])
        chosen = plan["coded_rows"]
        for start in range(0, len(chosen), _ROWS_AT_ONCE):
            some = chosen[start : start + _ROWS_AT_ONCE]
            traits = (plan[name][some] for name in ("low_hz", "high_hz", "coder_db"))
            wavs[some] = _code(wavs[some], *traits)
        gain = 10 ** (plan["shift_db"] / 20)
        loudest = (wavs.abs().amax(dim=1) * gain).clamp(min=_PEAK)
        gain = torch.where(plan["clipped"] > 0, 2.0 * gain, gain * _PEAK / loudest)
        return wavs * gain[:, None], gain

    def _labels(self, plan, music, agree):
        """Classes of frames, ``[excerpt, frame]``, and where they count."""
        mrle, passage_at = plan["mrle"], plan["passage_at"]
        counts = agree.gather(1, passage_at) | (mrle == 0)
        power = functional.avg_pool1d(
            _powers(music)[:, None], _SILENCE_FRAMES, 1, _SILENCE_FRAMES // 2, count_include_pad=False
        )[:, 0]
        inside = _inside(plan, music.shape[1] // FRAME)
        mean = (power[:, None] * inside).sum(dim=-1) / inside.sum(dim=-1).clamp(min=1)
        # A frame lies on the border of two stretches of samples; there is one more frame.
        power = torch.cat((power, power[:, -1:]), dim=1)[:, : mrle.shape[1]]
        heard = (power > _SILENCE * mean.gather(1, passage_at)) & (power > _INAUDIBLE)
        return mrle, counts & (heard | (mrle == 0))


class _Polygons:
    """Gains of rows: lines between corners, of which some have a passage's gain."""

    def __init__(self, plan):
        self._plan = plan
        self._edges = torch.arange(plan["n_blocks"] + 1, device=plan["level"].device, dtype=torch.float32)

    def apply(self, rows, part, gains=None):
        """Rows with their gains; ``gains`` are those of the passages, ``[excerpt, passage]``."""
        times, values = self._plan["corner_block"][part], self._plan["corner_value"][part]
        if gains is not None:
            own = functional.pad(gains, (1, 0), value=1.0)[self._plan["excerpt"][part]]
            values = values * own.gather(1, self._plan["corner_code"][part])
        edges = self._edges.expand(len(times), -1).contiguous()
        after = torch.searchsorted(times.contiguous(), edges, right=True)
        last = times.shape[1] - 1
        left, right = (after - 1).clamp(0, last), after.clamp(0, last)
        start, stop = times.gather(1, left), times.gather(1, right)
        share = ((edges - start) / (stop - start).clamp(min=1e-6)).clamp(0.0, 1.0)
        gain = torch.lerp(values.gather(1, left), values.gather(1, right), share)
        return _with_gain(rows, gain[:, :-1], gain[:, 1:])


def _with_gain(rows, left, right):
    """Rows times a gain that goes from ``left`` to ``right`` in each block."""
    ramp = torch.arange(BLOCK, device=rows.device, dtype=torch.float32) / BLOCK
    gain = torch.addcmul(left[..., None], (right - left)[..., None], ramp)
    return (rows.view(*left.shape, BLOCK) * gain).flatten(1)


def _gather(store, plan, part):
    """What rows have of the stems, between -1 and 1, ``[row, sample]``."""
    begin = plan["begin"][part].contiguous()
    n_blocks = plan["n_blocks"]
    blocks = torch.arange(n_blocks, device=begin.device, dtype=torch.int32).expand(len(begin), -1)
    piece = (torch.searchsorted(begin, blocks.contiguous(), right=True) - 1).clamp(min=0)
    own_begin, own_end = begin.gather(1, piece), plan["end"][part].gather(1, piece)
    step = plan["step"][part].gather(1, piece)
    since, left = (blocks - own_begin).float(), (own_end - blocks).float()
    inside = (since >= 0) & (left > 0)
    # In parts of 2 ** STEP_BITS of a sample, so that positions are exact.
    position = (plan["source"][part].gather(1, piece) << STEP_BITS) + (
        torch.where(inside, blocks - own_begin, 0).long() * BLOCK * step.long()
    )
    fade_in, fade_out = (fades[part].gather(1, piece) for fades in plan["fades"])
    gain = plan["gain"][part].gather(1, piece) * inside / 32768
    ends = [
        gain * torch.minimum((since + n) / fade_in, (left - n) / fade_out).clamp(0.0, 1.0) for n in (0, 1)
    ]
    within = torch.arange(BLOCK, device=begin.device, dtype=torch.int32) * step[..., None]
    within += (position & (2**STEP_BITS - 1)).int()[..., None]
    index = (position >> STEP_BITS)[..., None] + (within >> STEP_BITS)
    index.clamp_(1, len(store) - 3)
    share = (within & (2**STEP_BITS - 1)).float() / 2**STEP_BITS
    return _with_gain(_interpolate(store, index, share).flatten(1), *ends)


def _interpolate(store, index, share):
    """Catmull-Rom's cubic between samples of a store; the samples themselves where the share is 0."""
    before, here, after, beyond = (store[index + shift].float() for shift in (-1, 0, 1, 2))
    slope_here, slope_after = (after - before) / 2, (beyond - here) / 2
    rise = after - here
    cubic = slope_here + slope_after - 2 * rise
    square = 3 * rise - 2 * slope_here - slope_after
    return ((cubic * share + square) * share + slope_here) * share + here


def _powers(sounds):
    """Mean squares of frames, ``[row, frame]``."""
    return sounds.view(len(sounds), -1, FRAME).square().mean(dim=-1)


def _weighted_powers(sounds):
    """Nearly K-weighted mean squares of frames, smoothed over 0.3 s, ``[row, frame]``."""
    difference = functional.pad(sounds[:, 1:] - sounds[:, :-1], (1, 0))
    powers = _powers(sounds) + _K_SHELF * _powers(difference)
    return functional.avg_pool1d(powers[:, None], 5, 1, 2, count_include_pad=False)[:, 0]


def _gated_power(powers, inside, gate):
    """Mean power of the frames inside that pass an absolute and a relative gate, over the last axis."""
    inside = inside & (powers > _ABSOLUTE_GATE)
    mean = (powers * inside).sum(dim=-1) / inside.sum(dim=-1).clamp(min=1)
    inside = inside & (powers > gate * mean[..., None])
    return (powers * inside).sum(dim=-1) / inside.sum(dim=-1).clamp(min=1)


def _inside(plan, n_frames):
    """Which frames lie in the steady part of each passage, ``[excerpt, passage, frame]``."""
    frames = torch.arange(n_frames, device=plan["first_frame"].device, dtype=torch.int32)
    return (frames >= plan["first_frame"][..., None]) & (frames < plan["after_frame"][..., None])


def _from_frames(gains, n_samples):
    """Gains of samples from those of frames, ``[row, sample]``."""
    return functional.interpolate(gains[:, None], size=n_samples, mode="linear")[:, 0]


def _equaliser(eq_db, n_bins):
    """Gains of a spectrum's bins, ``[row, bin]``: lines between corners on a nearly logarithmic axis."""
    frequency = torch.linspace(0.0, 1.0, n_bins, device=eq_db.device)
    place = (EQ_CORNERS - 1) * torch.log2(1 + 31 * frequency) / 5
    left = place.long().clamp(max=EQ_CORNERS - 2)
    gain_db = torch.lerp(eq_db[:, left], eq_db[:, left + 1], (place - left)[None])
    return 10 ** (gain_db / 20)


def _placed(rooms, places, values, offset):
    """The rooms of a part of the filtered rows; None where there is none at all."""
    if len(places) == 0:
        return None
    # What lies outside of the part goes to one more place at the end.
    index = places - offset
    index = torch.where((index >= 0) & (index < len(rooms)), index, len(rooms))
    return functional.pad(rooms, (0, 1)).scatter(0, index, values)[:-1]


def _compress(wavs, threshold_db, ratio):
    """Turn down what is louder than a threshold relative to the mean power."""
    power = functional.avg_pool1d(_powers(wavs)[:, None], 3, 1, 1, count_include_pad=False)[:, 0]
    over_db = 10 * torch.log10(power / (power.mean(dim=1, keepdim=True) + 1e-12) + 1e-6)
    over_db = (over_db - threshold_db[:, None]).clamp(min=0.0)
    return wavs * _from_frames(10 ** (-over_db * (1 - 1 / ratio[:, None]) / 20), wavs.shape[1])


def _code(wavs, low_hz, high_hz, snr_db):
    """A narrow band, and what is left of the spectrum by a coder with so much of a signal over its noise."""
    window = torch.hann_window(_CODER_FFT, device=wavs.device).sqrt()
    settings = {"n_fft": _CODER_FFT, "hop_length": _CODER_FFT // 2, "window": window}
    spectra = torch.view_as_real(torch.stft(wavs, **settings, return_complex=True))
    bins_hz = torch.linspace(0.0, SAMPLE_RATE / 2, spectra.shape[1], device=wavs.device)
    # Slopes of a few bins, for less ringing.
    passed = ((bins_hz - low_hz[:, None]) / 40 + 1).clamp(0, 1) * ((high_hz[:, None] - bins_hz) / 60).clamp(
        0, 1
    )
    spectra = spectra * passed[..., None, None]
    power = spectra.square().sum(dim=-1)
    width = math.ceil(spectra.shape[1] / _CODER_BANDS)
    band = functional.avg_pool2d(power[:, None], (2 * width + 1, 1), 1, (width, 0))[:, 0]
    step = (12 * band).sqrt() * 10 ** (-snr_db[:, None, None] / 20)
    step = step.clamp(min=1e-9)[..., None]
    spectra = torch.where(snr_db[:, None, None, None] < 80, (spectra / step).round() * step, spectra)
    frames = torch.fft.irfft(torch.view_as_complex(spectra.contiguous()), n=_CODER_FFT, dim=1)
    # Each half is that of two frames; torch's own inverse would wait for the device.
    early, late = (frames * window[:, None]).transpose(1, 2).chunk(2, dim=-1)
    return (early[:, 1:] + late[:, :-1]).flatten(1)


def _as_tensor(samples):
    """An array that may be a read-only memory map as a tensor that shares it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(np.asarray(samples))
