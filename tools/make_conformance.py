"""Make the arrays of `spinbound.conformance` anew, and print how far they are from those stored.

    python tools/make_conformance.py           compares only
    python tools/make_conformance.py --write   writes them too

The ten-pulse trains come from `plain_models.py` and `plain_hybrid.py`, which take nothing from spinbound but the
sequence; the bundled sequence from the matrix exponentials of `spinbound._core.reference` in extended precision, with
R2sl from the table of the core, which `spinbound verify` checks by itself. The constants that `spinbound verify`
states are solved for again: G and z by mpmath in 60 digits or by the plain models. Takes three minutes on one core.
"""

import argparse
from math import inf, pi

import mpmath
import numpy as np
import plain_hybrid
import plain_models
from spinbound import _core, sequences
from spinbound.conformance import cases
from spinbound.conformance.cases import FIELDS, FOLDER
from spinbound.sequences.experiment import as_core_sequence
from spinbound.sequences.model import LINESHAPES
from spinbound.sequences.sequence import Sequence

TISSUE = np.array(  # m0s R1f R2f Rex R1s T2s omega0 B1
    [[0.15, 0.5, 15.0, 30.0, 3.0, 10e-6, 0.0, 1.0], [0.25, 0.9, 40.0, 15.0, 1.5, 12.5e-6, 200.0, 0.9]]
).T
M0S = 0
SPARSE = 16  # every so many echoes of the bundled sequence have their sensitivities stored


def ten_pulses():
    """An inversion between crushers, then pulses of all strengths, durations and gradient moments."""
    alpha = [pi, 0.3, -0.8, 1.5, 2.8, 0.1, 0.6, 1.0, 1.9, 0.4]
    TRF = np.array([500, 100, 200, 150, 450, 300, 120, 400, 250, 350]) * 1e-6
    moments = ["balanced"] * 10
    moments[0], moments[4], moments[7] = "crusher", "spoiler_prepulse", "spoiler_dual"
    return Sequence(alpha, TRF, 20e-3, gradient_moment=moments)


def ten_turns():
    """The same without the gradient moment that the hybrid state has no axis for."""
    seq = ten_pulses()
    return seq.replace(gradient_moment=[word.replace("spoiler_prepulse", "balanced") for word in seq.gradient_moment])


def by_plain_models(case):
    """All arrays of one case."""
    seq, tissue = case.sequence(), TISSUE.copy()
    if case.model == "bloch":
        tissue[M0S] = 0
    voxels = [dict(zip(plain_models.PARAMETERS, map(float, column), strict=True)) for column in tissue.T]
    pairs = [by_plain_model(case, seq, values) for values in voxels]
    signal, jacobian = (np.array(arrays) for arrays in zip(*pairs, strict=True))
    if case.model == "bloch":  # the model has no such parameter
        jacobian[..., M0S] = 0
    return dict(zip(FIELDS, (tissue, signal, np.arange(seq.n_pulses), jacobian), strict=True))


def by_plain_model(case, seq, values):
    """Signal and sensitivities of one voxel."""
    if case.model == "hybrid":
        return plain_hybrid.sensitivities(seq, values, case.lineshape)
    # A Lorentzian makes both generalized Bloch models a Bloch-McConnell one, which is a matrix exponential.
    model = "gbloch" if case.lineshape == "lorentzian" else case.model
    return plain_models.sensitivities(seq, values, model, case.lineshape)


def by_matrix_exponentials(case):
    """All arrays of one case of the linear model, for trains of any length."""
    seq = case.sequence()
    pairs = [exact(seq, voxel, case.lineshape) for voxel in TISSUE.T]
    signal, jacobian = (np.array(arrays) for arrays in zip(*pairs, strict=True))
    echoes = np.arange(0, seq.n_pulses, SPARSE)
    return dict(zip(FIELDS, (TISSUE, signal, echoes, jacobian[:, echoes]), strict=True))


def exact(seq, voxel, lineshape):
    """(n,) signal and (n, 8) sensitivities of one voxel by matrix exponentials."""
    core = as_core_sequence(seq)
    rates = _core.R2sl(core, LINESHAPES.index(lineshape), voxel[5], voxel[7])
    magnetization, derivative = _core.reference.simulate(core, voxel, rates, True)
    return magnetization[:, :2] @ [1, 1j], derivative[:, 0] + 1j * derivative[:, 1]


def bounds_of_bundled():
    """CRB of m0s and T2s in the bundled sequence, white matter, all nine unknown, sigma = 1: by QR of the Jacobian."""
    s, J = exact(sequences.load("hybrid-mt-4s"), TISSUE[:, 0], "superlorentzian")
    columns = np.column_stack([s, 1j * s, J])
    stacked = np.concatenate([columns.real, columns.imag])
    scale = 1 / np.linalg.norm(stacked, axis=0)
    inverse = np.linalg.inv(np.linalg.qr(stacked * scale, mode="r"))
    bounds = scale**2 * (inverse**2).sum(axis=1)
    return bounds[2], bounds[7]


def difference(made, stored):
    """Largest deviation of the signal from the stored one, and of a sensitivity, each relative to its largest value."""
    axes = (0, 1)
    signal = np.abs(made["signal"] - stored["signal"]).max() / np.abs(stored["signal"]).max()
    largest = np.abs(stored["jacobian"]).max(axes)
    deviation = np.abs(made["jacobian"] - stored["jacobian"]).max(axes)
    return signal, (deviation[largest > 0] / largest[largest > 0]).max()


def greens_function_at_ten():
    """G(10) of the super-Lorentzian."""
    with mpmath.workdps(30):
        magic = 1 / mpmath.sqrt(3)
        pieces = [0, magic / 2, magic, 0.7, 1]
        return mpmath.quad(lambda u: mpmath.exp(-((10 * (3 * u**2 - 1)) ** 2) / 8), pieces)


def response_at_five():
    """z after a pi pulse of five T2s: the powers of Omega^2 in the solution, from the Taylor series of G."""
    with mpmath.workdps(60):
        tau, n = mpmath.mpf(5), 120
        green = [superlorentzian_moment(k) * mpmath.factorial(2 * k) for k in range(n)]  # Laplace transform, p^(-2k-1)
        power, z = [mpmath.mpf(1)] + [mpmath.mpf(0)] * (n - 1), mpmath.mpf(0)
        for k in range(25):
            terms = (c * tau**m / mpmath.factorial(m) for c, m in zip(power, range(2 * k, 2 * (k + n), 2), strict=True))
            z += (-((mpmath.pi / tau) ** 2)) ** k * mpmath.fsum(terms)
            power = [mpmath.fdot(power[: m + 1], green[m::-1]) for m in range(n)]
        return z


def superlorentzian_moment(n):
    """Coefficient of kappa^(2n) in G."""
    moment = sum(mpmath.binomial(2 * n, j) * mpmath.mpf(3) ** j * (-1) ** j / (2 * j + 1) for j in range(2 * n + 1))
    return (-1) ** n * moment / (mpmath.mpf(8) ** n * mpmath.factorial(n))


def isolated(model, alpha, TRF, T2s, R1s):
    """zs of an isolated pool after a pulse, from its equilibrium 1."""
    p = dict.fromkeys(plain_models.PARAMETERS, 0.0) | {"T2s": T2s, "R1s": R1s, "m0s": 1.0}
    propagator = plain_models.PULSES[model](p, alpha / TRF, TRF, "superlorentzian")
    return propagator[plain_models.zs, [plain_models.zs, plain_models.one]].sum().real


def linearisation_error():
    """Relative L2 norm of what the linear model changes in the bundled sequence, white matter."""
    seq, values = (
        sequences.load("hybrid-mt-4s"),
        dict(zip(plain_models.PARAMETERS, map(float, TISSUE[:, 0]), strict=True)),
    )
    full = plain_models.simulate(seq, values, "gbloch-ide", "superlorentzian")
    linear, _ = exact(seq, TISSUE[:, 0], "superlorentzian")
    return np.linalg.norm(linear - full) / np.linalg.norm(full)


def constants():
    """What the checks of `spinbound.conformance.constants` state, by name; all but what takes minutes."""
    ide, sled = (lambda TRF, model=model: isolated(model, pi, TRF, 10e-6, 1.0) for model in ("gbloch-ide", "sled"))
    bound_of_m0s, bound_of_T2s = bounds_of_bundled()
    return {
        "G(10)": greens_function_at_ten(),
        "z, tau = 5": response_at_five(),
        "z, tau = 500/12": isolated("gbloch-ide", pi, 500e-6, 12e-6, 0.0),
        "z, tau = 100": isolated("gbloch-ide", pi, 1e-3, 10e-6, 0.0),
        "z, T2s 12 us, R1s 3/s": isolated("gbloch-ide", pi, 500e-6, 12e-6, 3.0),
        "sled - gbloch-ide, 1 ms": sled(1e-3) - ide(1e-3),
        "sled - gbloch-ide, 0.1 ms": sled(1e-4) - ide(1e-4),
        "Graham's rate": plain_models.graham_rate(12e-6, pi / 500e-6, 500e-6, "superlorentzian"),
        "CRB of m0s": bound_of_m0s,
        "CRB of T2s": bound_of_T2s,
    }


def main(write):
    """Make all arrays, compare, and write them if asked to."""
    if write:
        ten_pulses().save(FOLDER / "ten-pulses.toml")
        ten_turns().save(FOLDER / "ten-turns.toml")
    slow = {"gbloch less gbloch-ide, hybrid-mt-4s": linearisation_error()}
    for name, value in (constants() | slow).items():
        print(f"{name:<28} {mpmath.nstr(mpmath.mpf(value), 14)}")
    print("largest deviation from what is stored: signal, sensitivities")
    for case in cases.CASES:
        bundled = case.train in sequences.names()
        made = (by_matrix_exponentials if bundled else by_plain_models)(case)
        path = FOLDER / f"{case.name}.npz"
        signal, jacobian = difference(made, cases.load(case)) if path.exists() else (inf, inf)
        print(f"{case.name:<48} {signal:.1e} {jacobian:.1e}", flush=True)
        if write:
            np.savez_compressed(path, **made)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the arrays")
    main(parser.parse_args().write)
