"""Design of the bundled sequence `hybrid-mt-4s`: two splines, optimised against the bounds of white matter.

An inversion with crushers, then balanced pulses whose flip angle and duration are smooth functions of time:

    alpha = ALPHA_MAX u^2,    TRF = shortest + (TRF_MAX - shortest) v,    shortest = max(TRF_MIN, alpha/PEAK_OMEGA1),

u and v periodic cubic splines with coefficients in [0, 1]: the hybrid state passes the inversion without a transient
that would alternate from pulse to pulse and dephase within a voxel. So peak B1 and the range of TRF hold by
construction; mean RF power is a penalty in the search. What is minimised is the logarithm of the mean, over white
matter and its neighbours in B1, omega0 and T2s, of the summed relative bounds of m0s, R1f and R2f, all nine
parameters unknown, plus that of m0s, R1a and R2f where R1f = R1s. alpha is rounded down to 1e-6 rad, TRF up to 1 us
(the raster of a scanner), so that no limit is crossed.

    python studies/design_hybrid_mt_4s.py                      writes the shipped file from COEFFICIENTS, bit for bit
    python studies/design_hybrid_mt_4s.py --compare train.mat  the same, with the bounds of another train beside it
    python studies/design_hybrid_mt_4s.py --search             searches from random starts, prints coefficients
    python studies/design_hybrid_mt_4s.py --polish             continues the search from COEFFICIENTS

A search takes about a quarter of an hour on one core. It is seeded, but follows differences of rounded numbers: on
another instruction set it may end at another of many similar optima. COEFFICIENTS come from a search with U_MIN = 0,
without B1 = 0.9 and with R1a counted once, then --polish with 48 and with 96 coefficients per spline.
"""

import argparse
from math import pi
from pathlib import Path

import numpy as np
import spinbound as sb
from scipy.interpolate import BSpline
from scipy.optimize import minimize

N_PULSES, TR = 1142, 3.5e-3  # 3.997 s
ALPHA_MAX = 0.8 * pi  # below 4.4 rad, where R2sl ends, up to B1 = 1.6
TRF_MIN, TRF_MAX = 100e-6, 500e-6
PEAK_OMEGA1 = 2000 * pi  # rad/s
MEAN_POWER = 3e6  # (rad/s)^2: sum(omega1^2 TRF)/(n TR)

WHITE_MATTER = sb.Tissue(m0s=0.15, R1f=0.5, R2f=15, Rex=30, R1s=3, T2s=10e-6)
# Neighbours, lest the optimum be a needle: a pi pulse is at its best at B1 = 1 exactly, hybrid states at omega0 = 0.
NEIGHBOURHOOD = WHITE_MATTER.replace(
    T2s=np.array([10, 10, 10, 10, 8, 13, 10]) * 1e-6,
    omega0=np.array([0, 0, 0, 0, 300, 300, 500]),
    B1=np.array([1, 0.8, 0.9, 1.2, 0.95, 1.05, 1]),
)
# The usual constraint of fits, R1f = R1s = R1a: one unknown less.
APPARENT = sb.Tissue(m0s=0.15, R1a=np.array([0.5, 0.9, 0.9]), R2f=15, Rex=30, T2s=10e-6, B1=np.array([1, 1, 0.9]))
APPARENT_UNKNOWNS = ("M0", "m0s", "R1a", "R2f", "Rex", "T2s", "omega0", "B1")

SEED, N_STARTS, N_KEPT = 20, 6, 2
COEFFICIENTS_PER_SPLINE = {"coarse": 12, "middle": 24, "fine": 48, "finest": 96}
ITERATIONS = {"coarse": 25, "middle": 50, "fine": 100, "finest": 60}
U_MIN = 0.12  # alpha >= 0.036 rad: what a pulse tells grows with alpha^2, so that the search would not leave zero
STEP = 1e-5  # of forward differences: the objective is accurate to 1e-10

COEFFICIENTS = (  # of u and of v
    """
    0.12 0.767 0.12 0.12 0.12 0.12 1 1 1 1 1 1 0.767 0.669 0.768 0.692 0.71 0.7 0.749 0.654 1 0.12 0.12 0.12 0.12
    0.12 0.12 1 0.561 0.614 0.684 0.624 0.302 0.12 0.12 0.12 0.12 0.12 0.12 0.12 0.12 0.12 0.12 0.12 0.12 0.12
    0.12 0.12 0.12 0.12 0.12 0.12 0.12 0.12 0.12 0.12 0.12 0.12 0.12 0.12 0.12 0.133 0.259 0.641 0.353 1 1 1 0.893
    0.12 0.12 0.12 1 0.12 0.12 0.12 0.12 1 0.12 0.12 0.12 1 0.12 0.12 0.12 1 0.12 0.12 0.12 0.12 0.12 0.12 0.12
    0.12 0.12 0.12
    """,
    """
    1 1 1 1 1 1 1 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 1 1 1 1 1 1 1 0.998 0.979 0.993 1 1 1 1 1 1 1 1
    1 1 1 1 1 1 1 1 1 1 1 1 1 1 0.99 0 1 1 0 1 1 1 1 0.016 0.728 1 1 1 0.342 1 1 1 0.351 0.945 1 1 0 0 0.983 1
    0.991 0.943 0.939 0.97 1 1 1
    """,
)


def main():
    """Write the sequence, print its bounds."""
    arguments = parse_arguments()
    coefficients = np.array(" ".join(COEFFICIENTS).split(), dtype=float)
    if arguments.search:
        coefficients = search()
    if arguments.polish:
        coefficients = descend(coefficients, "finest").round(3)
    if arguments.search or arguments.polish:
        print("COEFFICIENTS =", tuple(map(tuple, coefficients.reshape(2, -1).tolist())))
    seq = rounded(*controls(coefficients))
    refuse_if_over_the_limits(seq)
    trains = {"ours": seq}
    if arguments.compare:
        moments = ["crusher"] + ["balanced"] * (N_PULSES - 1)
        trains["other"] = sb.Sequence.load(arguments.compare, TR=TR, gradient_moment=moments)
    print_table(trains)
    seq.save(arguments.out)
    print(f"wrote {arguments.out}")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--search", action="store_true", help="search anew instead of taking the stored coefficients")
    parser.add_argument("--polish", action="store_true", help="continue the search from the coefficients")
    parser.add_argument("--compare", type=Path, help="a train of as many pulses to print the bounds of, too")
    default = Path(__file__).parents[1] / "python/spinbound/sequences/hybrid-mt-4s.toml"
    parser.add_argument("--out", type=Path, default=default, help="where to write the sequence")
    return parser.parse_args()


# The sequence


def controls(coefficients):
    """alpha and TRF of all pulses after the inversion, from the coefficients of u, then v."""
    u, v = np.split(coefficients, 2)
    design = spline_basis(u.size)
    alpha = ALPHA_MAX * (design @ u) ** 2
    shortest = np.maximum(TRF_MIN, alpha / PEAK_OMEGA1)
    return alpha, shortest + (TRF_MAX - shortest) * (design @ v)


def spline_basis(n_coefficients):
    """(n_pulses - 1, n_coefficients) periodic cubic B-splines on equal intervals."""
    knots = np.arange(-3, n_coefficients + 4) / n_coefficients
    splines = BSpline.design_matrix(np.linspace(0, 1, N_PULSES - 1), knots, 3).toarray()
    wrapped = splines[:, :n_coefficients]
    wrapped[:, :3] += splines[:, n_coefficients:]
    return wrapped


def with_inversion(alpha, TRF):
    """The sequence: a pi pulse between crushers, then the balanced pulses."""
    return sb.Sequence(
        np.concatenate([[pi], alpha]),
        np.concatenate([[TRF_MAX], TRF]),
        TR,
        gradient_moment=["crusher"] + ["balanced"] * (N_PULSES - 1),
    )


def rounded(alpha, TRF):
    """The sequence on the raster; numbers as their shortest decimals, so that a text file keeps them."""
    alpha = np.floor(alpha * 1e6) / 1e6
    # 1e-6 us: a duration that is on the raster already stays there.
    return with_inversion(alpha, np.ceil(TRF * 1e6 - 1e-6) / 1e6)


def refuse_if_over_the_limits(seq):
    if seq.peak_B1 > PEAK_OMEGA1 or seq.rms_B1**2 > MEAN_POWER:
        raise SystemExit(f"over the limits: peak {seq.peak_B1:g} rad/s, mean power {seq.rms_B1**2:g} (rad/s)^2")


# The search


def search():
    """Coefficients of the best of several random starts, refined on more and more knots."""
    rng = np.random.default_rng(SEED)
    size = (2, COEFFICIENTS_PER_SPLINE["coarse"])
    found = [descend(rng.uniform([[0.1], [0]], [[0.9], [1]], size).ravel(), "coarse") for _ in range(N_STARTS)]
    found = [descend(refined(c, "middle"), "middle") for c in sorted(found, key=objective)[:N_KEPT]]
    best = descend(refined(min(found, key=objective), "fine"), "fine")
    return descend(refined(best, "finest"), "finest").round(3)


def refined(coefficients, stage):
    """The same curves on more knots, which hold the fewer."""
    curves = [spline_basis(half.size) @ half for half in np.split(coefficients, 2)]
    basis = spline_basis(COEFFICIENTS_PER_SPLINE[stage])
    return np.concatenate([np.linalg.lstsq(basis, curve)[0] for curve in curves])


def descend(coefficients, stage):
    lowest = np.repeat([U_MIN, 0], coefficients.size // 2)
    bounds = [(low, 1) for low in lowest]
    options = {"maxiter": ITERATIONS[stage]}
    start = np.clip(coefficients, lowest, 1)
    result = minimize(objective_and_gradient, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    print(f"{stage}: {result.fun:.4f} after {result.nit} iterations, {result.message}", flush=True)
    return result.x


def objective_and_gradient(coefficients):
    value = objective(coefficients)
    inwards = np.where(coefficients < 0.5, STEP, -STEP)
    return value, np.array([objective(c) - value for c in coefficients + np.diag(inwards)]) / inwards


def objective(coefficients):
    seq = with_inversion(*controls(coefficients))
    value = np.log(np.mean(summed(seq, NEIGHBOURHOOD, sb.ALL, "m0s R1f R2f")))
    # R1a counts three times: it is what such fits are made for.
    value += np.log(np.mean(summed(seq, APPARENT, APPARENT_UNKNOWNS, "m0s R1a R1a R1a R2f")))
    excess = max(seq.rms_B1**2 / (0.98 * MEAN_POWER) - 1, 0)
    return value + 100 * excess**2


def summed(seq, tissue, unknowns, names):
    bound = sb.crb(seq, tissue, unknowns, threads=1)
    return sum(bound[name] / tissue[name] ** 2 for name in names.split())


# The table


def print_table(trains):
    bounds = {title: bounds_with_R1a(seq) for title, seq in trains.items()}
    print(f"{'CRB, sigma = 1':<16}" + "".join(f"{title:>12}" for title in trains))
    for name in (*sb.ALL, "R1a"):
        print(f"{name:<16}" + "".join(f"{bound[name]:>12.5g}" for bound in bounds.values()))
    for what, value in (
        ("peak B1, rad/s", lambda seq: seq.peak_B1),
        ("B1^2, (rad/s)^2", lambda seq: seq.rms_B1**2),
        ("max alpha, rad", lambda seq: seq.alpha[1:].max()),
    ):
        print(f"{what:<16}" + "".join(f"{value(seq):>12.5g}" for seq in trains.values()))
    print("relative bounds of m0s, R1f, R2f, all unknown")
    for k, (B1, omega0, T2s) in enumerate(zip(*(NEIGHBOURHOOD[name] for name in ("B1", "omega0", "T2s")), strict=True)):
        cells = []
        for seq in trains.values():
            bound = sb.crb(seq, NEIGHBOURHOOD[k])
            relative = [bound[name] / NEIGHBOURHOOD[k][name] ** 2 for name in ("m0s", "R1f", "R2f")]
            cells.append("  " + "".join(f"{value:>8.1f}" for value in relative))
        print(f"B1 {B1:4.2f} omega0 {omega0:4.0f} T2s {T2s * 1e6:3.0f} us" + "".join(cells))


def bounds_with_R1a(seq):
    """Bounds at white matter with all nine unknown, and that of R1a, a common change of R1f and R1s, instead of both.

    `wrt` takes R1a only where R1f = R1s; here F is transformed: T^T F T with one column for the common change.
    """
    names = ["Re M0", "Im M0", *sb.ALL[1:]]
    T = np.delete(np.eye(len(names)), names.index("R1s"), axis=1)
    R1a = names.index("R1f")
    T[names.index("R1s"), R1a] = 1
    F = T.T @ sb.fisher(seq, WHITE_MATTER) @ T
    scale = 1 / np.sqrt(np.diag(F))
    inverse = np.linalg.inv(F * np.outer(scale, scale))
    return {**sb.crb(seq, WHITE_MATTER), "R1a": inverse[R1a, R1a] * scale[R1a] ** 2}


if __name__ == "__main__":
    main()
