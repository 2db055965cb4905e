"""How good the estimates of sb.fit are: the tables of docs/measured/fit_accuracy.md.

    python studies/measure_fit.py recovery published_train.mat published_basis.npz
    python studies/measure_fit.py efficiency published_train.mat published_basis.npz
    python studies/measure_fit.py minima published_train.mat published_basis.npz
    python studies/measure_fit.py starts published_train.mat published_basis.npz
    python studies/measure_fit.py low-snr published_train.mat published_basis.npz

The files are the train of arXiv 2207.08259 and a basis of its signals. Prints markdown, for the thirteen coefficients
in the basis and for the time domain (one of them with --domain). All tissues and noise come from fixed seeds. On one
core and two threads `recovery` takes 0.3 s per tissue in the basis, `efficiency` 10 minutes, `low-snr` one.
"""

import argparse
from time import perf_counter, process_time

import numpy as np
import spinbound as sb
from scipy import stats

TR = 3.5e-3
PERIOD = 2 * np.pi / TR
MOMENTS = ["crusher"] + ["balanced"] * 1141
RANK = 13  # of the basis
LARGEST_ANGLE = 4.4  # rad, of B1 alpha
APART = ("m0s", "R1f", "R2f", "Rex", "R1s", "T2s", "omega0", "B1")
APPARENT = ("m0s", "R1a", "R2f", "Rex", "T2s", "omega0", "B1")
UNKNOWNS = {"R1f and R1s": APART, "R1a": APPARENT}
M0 = 2 - 1j


def markdown(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


# Recovery of random tissues from data without noise

RECOVERED = 1e-6  # relative error of every parameter
TWO_PERIODS = {"omega0": (-1.25 * PERIOD, 1.25 * PERIOD)}  # the prior is uniform over them, without the margin


def tissues_of_prior(seq, n):
    most_B1 = LARGEST_ANGLE / seq.alpha.max()
    return sb.Prior.paper(TR).truncated(B1=(None, most_B1)).sample(n, seed=1).replace(M0=M0)


def error(estimates, tissue, unknowns):
    """(n,) largest relative error; of omega0 modulo the period, which turns M0 by pi."""
    errors = {name: np.abs(estimates[name] / tissue[name] - 1) for name in unknowns}
    turned = (estimates["omega0"] - tissue["omega0"]) / PERIOD
    errors["omega0"] = np.abs(turned - np.round(turned)) * PERIOD / np.abs(tissue["omega0"])
    errors["M0"] = np.abs(estimates["M0"] * np.exp(1j * np.pi * np.round(turned)) / M0 - 1)
    return np.max(list(errors.values()), axis=0)


def recovery_row(seq, domain, basis, chosen, *, n, matches, iterations):
    tissue, unknowns = tissues_of_prior(seq, n), UNKNOWNS[chosen]
    data = sb.simulate(seq, tissue, basis=basis)
    begin = perf_counter()
    options = {"bounds": TWO_PERIODS, "multi_start": matches, "max_iterations": iterations}
    found = sb.fit(data, seq, basis, ("M0", *unknowns), **options)
    seconds = perf_counter() - begin
    lost = np.flatnonzero(~(error(found.estimates, tissue, unknowns) < RECOVERED))
    for i in lost:
        print(f"lost: tissue {i}, {sb.FitStatus(found.status[i]).name}, residual {found.residual[i]:.1e}")
    return domain, chosen, matches, f"{n - lost.size} of {n}", round(found.iterations.mean()), f"{seconds / n:.2f} s"


# Wrong minima of noisy data

MINIMA_ATOMS = 3000
WRONG = 1e-4, 1e-8  # relative and absolute excess of the cost's root over that of a fit from the truth
PRIOR_STD = {"m0s": 0.08, "Rex": 20.0, "T2s": 4.3e-6, "B1": 0.1}  # of MAP fits; their means are the truth
CHOICES = (1, "auto", 2)  # of multi_start


def misfit(found, data, tissue, prior_std):
    """The root of what a fit minimises, relative to the data: the priors count as residuals."""
    distance = sum(((found.estimates[name] - tissue[name]) / std) ** 2 for name, std in prior_std.items())
    noise = found.sigma / np.linalg.norm(data, axis=1)
    return np.hypot(found.residual, noise * np.sqrt(distance))


def minima_rows(seq, basis, n, snr, prior_std):
    """One row for each choice: wrong minima, and processor time in units of that of one start."""
    most_B1, half = LARGEST_ANGLE / seq.alpha.max(), PERIOD / 2
    prior = sb.Prior.paper(TR).truncated(B1=(None, most_B1))
    tissue = prior.truncated(omega0=(-half, half)).sample(n, seed=11).replace(M0=M0)
    atoms = sb.dictionary(seq, prior.truncated(omega0=(-1.25 * half, 1.25 * half)), MINIMA_ATOMS, basis=basis)
    clean = sb.simulate(seq, tissue, basis=basis)
    sigma = np.abs(clean).max(axis=1) / snr if snr else np.zeros(n)
    data = clean + sigma[:, None] * (np.random.default_rng(0).standard_normal((*clean.shape, 2)) @ [1, 1j])
    options = {"prior": {k: (tissue[k], std) for k, std in prior_std.items()}, "sigma": sigma} if prior_std else {}
    truth = {name: tissue[name] for name in APPARENT}
    least = misfit(sb.fit(data, seq, basis, start=truth, **options), data, tissue, prior_std)

    rows, times = [], []
    for choice in CHOICES:
        begin = process_time()
        found = sb.fit(data, seq, basis, dictionary=atoms, multi_start=choice, **options)
        times.append(process_time() - begin)
        wrong = ~(misfit(found, data, tissue, prior_std) <= least * (1 + WRONG[0]) + WRONG[1])
        doubt = "" if choice == 1 else f"{100 * found.doubtful_share:.1f} %"
        caught = "" if choice == 1 else f"{found.doubtful[wrong].sum()} of {wrong.sum()}"
        kind = f"{snr or 'no noise'}{', priors' if prior_std else ''}"
        rows.append((kind, choice, f"{wrong.sum()} of {n}", f"{times[-1] / times[0]:.2f}", doubt, caught))
    return rows


# Estimates from noisy data

N_TISSUES, SEED = 10, 5
NOISE = 0.03  # largest sqrt(CRB)/theta
SAME = 0.01  # standard errors between two fits of the same data
BOX = {
    "m0s": (0.08, 0.25),
    "R1f": (0.4, 1.0),
    "R1s": (1.5, 5.0),
    "R2f": (8.0, 30.0),
    "Rex": (15.0, 50.0),
    "T2s": (8e-6, 16e-6),
    "omega0": (60.0, 300.0),
    "B1": (0.85, 1.15),
}


def tissues_of_box(unknowns):
    prior = sb.Prior(**{name: sb.Uniform(*bounds) for name, bounds in BOX.items()})
    tissue = prior.sample(N_TISSUES, SEED).replace(M0=M0)
    return tissue.replace(R1a=tissue["R1f"]) if "R1a" in unknowns else tissue


def columns(unknowns):
    """The names of the real unknowns."""
    return (*unknowns, "Re M0", "Im M0")


def values(tissue, unknowns):
    """(P', ...) the real unknowns."""
    M0 = tissue["M0"]
    return np.array([*(tissue[name] for name in unknowns), M0.real, M0.imag])


def jacobian(seq, basis, tissue, unknowns):
    """(2 n, P') derivatives by the real unknowns, real parts above imaginary ones."""
    J = sb.sensitivities(seq, tissue, (*unknowns, "M0"), basis=basis)[1]
    J = np.concatenate([J, 1j * J[:, -1:]], axis=1)
    return np.concatenate([J.real, J.imag])


def bound_and_bias(seq, basis, tissue, unknowns):
    """(P', P') inverse of the Fisher matrix, and (P',) bias of second order, for sigma = 1."""
    J = jacobian(seq, basis, tissue, unknowns)
    scale = np.linalg.norm(J, axis=0)
    C = np.linalg.inv((J / scale).T @ (J / scale)) / np.outer(scale, scale)
    theta, curvature = values(tissue, unknowns), np.zeros(len(J))
    for k in range(len(theta)):
        step = 1e-4 * abs(theta[k])
        ahead, behind = (moved(tissue, unknowns, k, sign * step) for sign in (1, -1))
        change = jacobian(seq, basis, ahead, unknowns) - jacobian(seq, basis, behind, unknowns)
        curvature += change @ C[k] / (2 * step)
    return C, -0.5 * C @ (J.T @ curvature)


def moved(tissue, unknowns, k, step):
    if k < len(unknowns):
        return tissue.replace(**{unknowns[k]: tissue[unknowns[k]] + step})
    return tissue.replace(M0=tissue["M0"] + step * (1 if k == len(unknowns) else 1j))


def small_noise(C, theta):
    """sigma for which no bound is above NOISE."""
    return NOISE / np.max(np.sqrt(np.diag(C)) / np.abs(theta))


def noisy(seq, basis, tissue, sigma, n, seed):
    """(n, samples) data."""
    s, rng = sb.simulate(seq, tissue, basis=basis), np.random.default_rng(seed)
    return s + sigma * (rng.normal(size=(n, s.size)) + 1j * rng.normal(size=(n, s.size)))


def fitted(data, seq, basis, tissue, unknowns, **options):
    """Fits from the truth, M0 last."""
    start = {name: tissue[name] for name in unknowns}
    return sb.fit(data, seq, basis, (*unknowns, "M0"), start=start, covariance=True, threads=1, **options)


def coverage(deviation, std):
    """Share of the estimates within one and two standard errors of the truth."""
    return np.array([np.mean(np.abs(deviation) <= width * std) for width in (1, 2)])


def statistics(seq, basis, tissue, unknowns, n, seed):
    """Of n fits of one tissue: by unknown (P',), and of all unknowns together."""
    C, bias = bound_and_bias(seq, basis, tissue, unknowns)
    theta = values(tissue, unknowns)
    sigma = small_noise(C, theta)
    data = noisy(seq, basis, tissue, sigma, n, seed)
    found = fitted(data, seq, basis, tissue, unknowns)
    if not found.converged.all() or any(where.any() for where in found.at_bound.values()):
        raise SystemExit(f"not all converged within the bounds: {found}")
    estimates = values(found.estimates, unknowns)
    deviation = estimates - theta[:, None]
    bound, error = sigma * np.sqrt(np.diag(C)), estimates.std(axis=1, ddof=1) / np.sqrt(n)
    std = np.sqrt(np.einsum("nkk->kn", found.covariance))
    freedom = 2 * data.shape[1] - len(theta)
    return {
        "z": (deviation.mean(axis=1) - sigma**2 * bias) / error,
        "z without bias": deviation.mean(axis=1) / error,
        "bias": sigma**2 * bias / bound,
        "ratio": estimates.var(axis=1, ddof=1) / bound**2,
        "noise": (np.mean(found.sigma**2) / sigma**2 - 1) * np.sqrt(freedom * n / 2),  # chi^2, in standard errors
        "known": coverage(deviation, std * sigma / found.sigma),
        "estimated": coverage(deviation, std),
        "student": 1 - 2 * stats.t.sf([1, 2], freedom),
        "evaluations": found.iterations.mean(),
    }


def all_statistics(seq, basis, unknowns, n):
    """The same of all tissues, (N_TISSUES, ...)."""
    tissues = tissues_of_box(unknowns)
    rows = [statistics(seq, basis, tissues[i], unknowns, n, (SEED, i)) for i in range(N_TISSUES)]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def interval(n, n_tests):
    """Of variance/bound, so wide that none of so many tests leaves it with a probability of 95 %."""
    tail = 0.05 / (2 * n_tests)
    return stats.chi2.ppf([tail, 1 - tail], n - 1) / (n - 1)


def efficiency_rows(seq, domain, basis, chosen, n, n_tests):
    found = all_statistics(seq, basis, UNKNOWNS[chosen], n)
    low, high = interval(n, n_tests)
    z, ratio = found["z"], found["ratio"]
    first = (
        f"{np.abs(found['bias']).max():.3f}",
        f"{np.abs(found['z without bias']).max():.1f}",
        f"{np.abs(z).max():.2f}",
        f"{np.sum(np.abs(z) > 3)} of {z.size}",
        f"{ratio.min():.3f} to {ratio.max():.3f}",
        f"{np.sum((ratio < low) | (ratio > high))} outside {low:.3f} to {high:.3f}",
        f"{np.abs(found['noise']).max():.2f}",
    )
    shares = (f"{100 * one:.2f}, {100 * two:.2f} %" for one, two in covered(found))
    return (domain, chosen, *first), (domain, chosen, *shares, f"{found['evaluations'].mean():.1f}")


def covered(found):
    return (found[name].mean(axis=0) for name in ("known", "estimated", "student"))


MEANS = (
    "data",
    "unknown R1",
    "largest bias/std",
    "largest z, bias left in",
    "largest z",
    "beyond 3",
    "variance/CRB",
    "of these",
    "largest z of sigma^2",
)
COVERAGE = ("data", "unknown R1", "sigma known", "sigma estimated", "Student's t", "evaluations")


def starts_row(seq, domain, basis, chosen, n, matches):
    """Fits of one tissue from a dictionary beside those from the truth."""
    unknowns = UNKNOWNS[chosen]
    tissue = tissues_of_box(unknowns)[0]
    C, _ = bound_and_bias(seq, basis, tissue, unknowns)
    data = noisy(seq, basis, tissue, small_noise(C, values(tissue, unknowns)), n, SEED)
    local = fitted(data, seq, basis, tissue, unknowns)
    found = sb.fit(data, seq, basis, ("M0", *unknowns), multi_start=matches, threads=1)
    far = [np.abs(found.estimates[name] - local.estimates[name]) / local.std[name] for name in unknowns]
    same = np.max(far, axis=0) < SAME
    lower, higher = (int(np.sum(~same & (sign * (found.residual - local.residual) < 0))) for sign in (1, -1))
    return domain, chosen, matches, f"{same.sum()} of {n}", lower, higher


# Noise at which the linear theory does not hold

SNR = 50
WHITE_MATTER = sb.Tissue(m0s=0.15, R1f=0.5, R2f=15, Rex=30, R1s=3, T2s=10e-6, omega0=100, B1=0.9, M0=M0)


def low_snr_table(seq, basis, chosen, n):
    unknowns = UNKNOWNS[chosen]
    tissue = WHITE_MATTER.replace(R1a=0.8) if "R1a" in unknowns else WHITE_MATTER
    sigma = abs(M0) / SNR
    C, bias = bound_and_bias(seq, basis, tissue, unknowns)
    found = fitted(noisy(seq, basis, tissue, sigma, n, SEED), seq, basis, tissue, unknowns)
    estimates, theta, bound = values(found.estimates, unknowns), values(tissue, unknowns), sigma * np.sqrt(np.diag(C))
    rows = []
    for k, name in enumerate(columns(unknowns)):
        at_bound = found.at_bound[name].mean() if name in unknowns else 0
        rows.append(
            (
                name,
                f"{theta[k]:.3g}",
                f"{100 * bound[k] / abs(theta[k]):.1f} %",
                f"{(estimates[k].mean() - theta[k]) / bound[k]:+.2f}",
                f"{sigma**2 * bias[k] / bound[k]:+.2f}",
                f"{estimates[k].var(ddof=1) / bound[k] ** 2:.2f}",
                f"{100 * at_bound:.1f} %",
            )
        )
    head = ("", "truth", "sqrt(CRB)", "bias/sqrt(CRB)", "of second order", "variance/CRB", "at a limit")
    return f"{found.converged.mean():.4f} converged\n\n{markdown(head, rows)}"


# Commands


def print_recovery(seq, domains, chosen):
    head = ("data", "unknown R1", "multi_start", "recovered", "evaluations", "time")
    settings = {"n": chosen.n or 500, "matches": chosen.matches, "iterations": chosen.iterations}
    rows = [recovery_row(seq, domain, basis, R1, **settings) for domain, basis in domains.items() for R1 in UNKNOWNS]
    print(markdown(head, rows))


def print_minima(seq, domains, chosen):
    head = ("SNR", "multi_start", "wrong", "time", "doubtful", "wrong among the doubtful")
    kinds = ((0, {}), (200, {}), (50, PRIOR_STD))
    n = chosen.n or 1000
    print(markdown(head, [row for kind in kinds for row in minima_rows(seq, domains["basis"], n, *kind)]))


def print_efficiency(seq, domains, chosen):
    n = chosen.n or 2000
    n_tests = N_TISSUES * sum(len(columns(unknowns)) for unknowns in UNKNOWNS.values()) * len(domains)
    rows = [efficiency_rows(seq, *domain, R1, n, n_tests) for domain in domains.items() for R1 in UNKNOWNS]
    for head, table in zip((MEANS, COVERAGE), zip(*rows, strict=True), strict=True):
        print(markdown(head, table), end="\n\n")


def print_starts(seq, domains, chosen):
    head = ("data", "unknown R1", "multi_start", "same as from the truth", "elsewhere, lower", "higher")
    matches, n = chosen.matches, chosen.n or 200
    rows = [starts_row(seq, domain, basis, R1, n, matches) for domain, basis in domains.items() for R1 in UNKNOWNS]
    print(markdown(head, rows))


def print_low_snr(seq, domains, chosen):
    for domain, basis in domains.items():
        for R1 in UNKNOWNS:
            print(f"{domain}, {R1}: {low_snr_table(seq, basis, R1, chosen.n or 2000)}\n")


COMMANDS = {
    "recovery": print_recovery,
    "minima": print_minima,
    "efficiency": print_efficiency,
    "starts": print_starts,
    "low-snr": print_low_snr,
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("train", help="file of the published train, TR 3.5 ms")
    parser.add_argument("basis", help="file of the basis")
    parser.add_argument("--n", type=int, help="tissues of recovery, noise realisations of the others")
    parser.add_argument("--matches", type=int, default=4, help="multi_start of recovery and starts")
    parser.add_argument("--iterations", type=int, default=300, help="max_iterations of recovery")
    parser.add_argument("--domain", choices=("basis", "time"))
    chosen = parser.parse_args()
    seq = sb.Sequence.load(chosen.train, TR=TR, gradient_moment=MOMENTS)
    domains = {"basis": sb.Basis.load(chosen.basis).truncate(RANK), "time": None}
    if chosen.domain:
        domains = {chosen.domain: domains[chosen.domain]}
    COMMANDS[chosen.command](seq, domains, chosen)


if __name__ == "__main__":
    main()
