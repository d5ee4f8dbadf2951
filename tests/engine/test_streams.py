"""Random streams: the published generator, the same in both implementations, uniform and independent."""

import numpy as np
from numba import njit
from scipy import stats

from tacitlab.engine import streams


@njit
def _draws(seed, session, purpose, n):
    key = streams.stream_key(seed, session, purpose)
    out = np.empty(n)
    for k in range(n):
        out[k] = streams.uniform(key, np.uint64(k))
    return out


def compiled(seed, session, purpose, n):
    return _draws(np.uint64(seed), np.uint64(session), np.uint64(purpose), n)


def test_outputs_are_those_of_splitmix64():
    # Seed 1234567 of the generator, as printed in its reference implementations.
    golden, mask = streams._GOLDEN, (1 << 64) - 1
    outputs = [streams._mix((1234567 + (k + 1) * golden) & mask) for k in range(3)]
    assert outputs == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_compiled_and_plain_streams_agree():
    for seed, session, purpose in [(0, 0, 0), (1, 7, 3), (2**63 - 1, 10**7, 4)]:
        assert np.array_equal(compiled(seed, session, purpose, 50), streams.tape(seed, session, purpose, 50))


def test_uniform_within_and_between_streams():
    within = compiled(3, 5, streams.PLAY, 100_000)
    between = np.array([streams.tape_at(3, session, streams.PLAY, 0) for session in range(20_000)])
    for sample in (within, between):
        assert stats.kstest(sample, "uniform").pvalue > 1e-3
        assert abs(np.corrcoef(sample[:-1], sample[1:])[0, 1]) < 4 / np.sqrt(len(sample))


def test_purposes_seeds_and_sessions_give_different_streams():
    keys = {(s, k, p) for s in range(3) for k in range(3) for p in range(5)}
    first = {streams.tape_at(*key, 0) for key in keys}
    assert len(first) == len(keys)
