"""Made rooms: impulse responses of a direct sound and noise that decays."""

import numpy as np

from hrin_plugin.mixing.stem_cache import SAMPLE_RATE
from hrin_plugin.mixing.treatment import REVERBERANT_DB, REVERBERATION_S

#: How many rooms there are.
N_ROOMS = 192
_ROOMS_SEED = 21


def room_responses():
    """Impulse responses of made rooms, and of none at the end.

    Returns
    -------
    numpy.ndarray
        float32, ``[room, sample]``: the direct sound, and noise that decays by 60 dB.

    Example
    -------
    >>> responses = room_responses()
    >>> responses.shape[0] == N_ROOMS + 1, float(responses[-1].sum())
    (True, 1.0)
    """
    rng = np.random.default_rng(_ROOMS_SEED)
    longest = round(REVERBERATION_S[1] * SAMPLE_RATE)
    responses = np.zeros((N_ROOMS + 1, longest), np.float32)
    time = np.arange(longest)
    for response in responses[:-1]:
        length = rng.uniform(*REVERBERATION_S) * SAMPLE_RATE
        tail = rng.standard_normal(longest) * 10 ** (-3.0 * time / length) * (time < length)
        tail[: round(rng.uniform(0.002, 0.02) * SAMPLE_RATE)] = 0.0
        response[:] = tail * 10 ** (rng.uniform(*REVERBERANT_DB) / 20) / np.sqrt(np.square(tail).sum())
    responses[:, 0] = 1.0
    return responses
