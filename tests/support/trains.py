"""The trains and tissues that several test files share."""

import numpy as np
import spinbound as sb

from tests.support.strategies import BOX

WHITE_MATTER = sb.Tissue(m0s=0.15, R1f=0.5, R2f=15, Rex=30, R1s=3, T2s=10e-6)


def exchange(tissue):
    """The matrix of relaxation and exchange between zf and zs, and their equilibrium."""
    m0s, R1f, Rex, R1s = (float(tissue[name]) for name in ("m0s", "R1f", "Rex", "R1s"))
    rates = np.array([[-R1f - Rex * m0s, Rex * (1 - m0s)], [Rex * m0s, -R1s - Rex * (1 - m0s)]])
    return rates, np.array([1 - m0s, m0s])


def smooth_train(n_pulses=60, **changes):
    """An inversion and a smooth train of the kind that the package is for."""
    phase = np.linspace(0, 2 * np.pi, n_pulses)
    arguments = {
        "alpha": np.concatenate([[np.pi], 0.4 + 0.3 * np.sin(phase[1:])]),
        "TRF": np.concatenate([[500e-6], 300e-6 + 150e-6 * np.cos(2 * phase[1:])]),
        "TR": 3.5e-3,
        "gradient_moment": ["crusher"] + ["balanced"] * (n_pulses - 1),
    }
    return sb.Sequence(**(arguments | changes))


def repeated(seq, times):
    """The train played several times in a row."""
    return seq.replace(
        alpha=np.tile(seq.alpha, times),
        TRF=np.tile(seq.TRF, times),
        gradient_moment=list(seq.gradient_moment) * times,
    )


def shortened(seq, n_pulses):
    """The first pulses of a train."""
    return seq.replace(
        alpha=seq.alpha[:n_pulses],
        TRF=seq.TRF[:n_pulses],
        gradient_moment=list(seq.gradient_moment)[:n_pulses],
    )


def random_tissues(n_voxels, seed):
    """Tissues drawn evenly from the physiological box, which holds many of the classes that the core sorts by."""
    rng = np.random.default_rng(seed)
    values = {name: rng.uniform(low, high, n_voxels) for name, (low, high) in BOX.items()}
    return sb.Tissue(M0=rng.normal(size=n_voxels) + 1j * rng.normal(size=n_voxels), **values)


def noise(shape, seed, sigma):
    """The same in the real and in the imaginary part."""
    return sigma * np.random.default_rng(seed).normal(size=(*shape, 2)) @ [1, 1j]


def random_basis(n_echoes, rank, seed):
    """Complex vectors that have nothing to do with a train."""
    return sb.Basis(np.linalg.qr(noise((n_echoes, rank), seed, 1))[0])
