"""sycomore (PyPI): its extended phase graph in C++, one pool, derivatives by differences."""

import numpy as np

from .peer import Peer

STEPS = {"R1f": 1e-6, "R2f": 1e-5, "omega0": 1e-4, "B1": 1e-7}  # forward; its results are good to 1e-14


def play(seq, R1, R2, omega0, B1):
    """(n,) the echoes of one pool in its rotating frame, from equilibrium."""
    import sycomore
    from sycomore.units import Hz, rad, s

    pool = sycomore.epg.Regular(sycomore.Species(R1 * Hz, R2 * Hz), initial_size=1)
    pool.delta_omega = omega0 / (2 * np.pi) * Hz
    half, increment = seq.TR / 2 * s, seq.rf_phase_increment
    echoes = np.empty(seq.n_pulses, complex)
    for i, alpha in enumerate((B1 * seq.alpha).tolist()):
        pool.apply_time_interval(half)
        pool.apply_pulse(alpha * rad, i * increment * rad)
        if i == 0:
            pool.shift()  # the crusher
        pool.apply_time_interval(half)
        echoes[i] = pool.echo
    return 1j * echoes * np.exp(-1j * increment * np.arange(seq.n_pulses))


def prepare(seq, tissues):
    """See `Peer`."""

    def one(tissue):
        at = dict(zip(STEPS, tissue[[1, 2, 6, 7]].tolist(), strict=True))
        signal = play(seq, *at.values())
        stepped = [play(seq, *(at | {name: at[name] + step}).values()) for name, step in STEPS.items()]
        slopes = [(s - signal) / step for s, step in zip(stepped, STEPS.values(), strict=True)]
        return signal, np.array(slopes).T

    def call():
        return tuple(map(np.array, zip(*map(one, tissues), strict=True)))

    return call


def without_pool(seq, tissues):
    """The same tissues as free water, from equilibrium."""
    water = tissues.copy()
    water[:, 0] = 0
    return seq.replace(start="thermal"), water


PEER = Peer(
    name="sycomore",
    does="extended phase graph of one pool, derivatives by forward differences",
    differs="no semi-solid pool, no exchange; starts at equilibrium, plays the train once; instantaneous pulses; "
    "derivatives by M0, R1f, R2f, omega0 and B1 only; errors are those at white matter without the pool",
    made_fast="five runs of the train with one configuration state, two after the crusher. Its time goes to the calls "
    "of its C++ operators, three per pulse",
    prepare=prepare,
    packages=("sycomore",),
    columns=tuple(STEPS),
    tolerance=None,
    nearest=without_pool,
)
