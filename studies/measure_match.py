"""How near matches come to the truth: the tables of docs/guides/dictionaries.md.

    python studies/measure_match.py published_train.mat published_basis.npz

The files are the train of arXiv 2207.08259 and a basis of its signals, of which 13 vectors are used. Tissues and noise
come from fixed seeds.
"""

import argparse

import numpy as np
import spinbound as sb

TR, RANK, LARGEST_ANGLE = 3.5e-3, 13, 4.4  # s, vectors, rad of B1 alpha
MOMENTS = ["crusher"] + ["balanced"] * 1141
NAMES = ("m0s", "T1a", "T2f", "Rex", "T2s", "B1")
N_TISSUES = 2000
SIZES = (2000, 20_000, 100_000)  # atoms
NOISY_SIZE, SIGMAS = 20_000, (0.01, 0.05)


def distances(found, truth):
    """Median relative distance by parameter."""
    return [float(np.median(np.abs(found.tissue[name][:, 0] / truth[name] - 1))) for name in NAMES]


def row(*entries):
    print("| " + " | ".join(entry if isinstance(entry, str) else f"{entry:.2g}" for entry in entries) + " |")


def rows(label, data, truth, atoms):
    """The best atom with 1 - correlation, and the estimates between atoms."""
    best, between = sb.match(data, atoms), sb.match(data, atoms, interpolate=True)
    row(label, "best atom", *distances(best, truth), 1 - float(np.median(best.correlation)))
    row(label, "between atoms", *distances(between, truth))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train")
    parser.add_argument("basis")
    files = parser.parse_args()
    seq = sb.Sequence.load(files.train, TR, gradient_moment=MOMENTS)
    basis = sb.Basis.load(files.basis).truncate(RANK)
    prior = sb.Prior.paper(TR).truncated(B1=(None, LARGEST_ANGLE / seq.alpha.max()))
    truth = prior.sample(N_TISSUES, seed=1)
    data = sb.simulate(seq, truth, basis=basis)
    for n in SIZES:
        atoms = sb.dictionary(seq, prior, n=n, basis=basis)
        rows(f"{n:,} atoms", data, truth, atoms)
        if n == NOISY_SIZE:
            noise = np.random.default_rng(0).normal(size=(*data.shape, 2)) @ [1, 1j]
            for sigma in SIGMAS:
                rows(f"sigma {sigma}", data + sigma * noise, truth, atoms)


if __name__ == "__main__":
    main()
