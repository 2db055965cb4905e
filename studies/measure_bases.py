"""What bases keep of the paper's tissues on the published train: the tables and the figure of docs/guides/bases.md.

    python studies/measure_bases.py published_train.mat published_basis.npz [figure.png]

The files are the train of arXiv 2207.08259 and a basis of its signals. Tissues come from fixed seeds.
"""

import argparse
from time import perf_counter

import numpy as np
import spinbound as sb
import spinbound.plot
from scipy.linalg import subspace_angles

TR, RANK, LARGEST_ANGLE = 3.5e-3, 13, 4.4  # s, vectors, rad of B1 alpha
WRT = ("M0", "m0s", "R1a", "T2f", "Rex", "T2s", "omega0", "B1")
RANKS = (4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 17, 20, 25, 30)
MOMENTS = ["crusher"] + ["balanced"] * 1141


def made(label, seq, prior, **options):
    """A basis of 30 vectors, and how long it took."""
    begin = perf_counter()
    basis = sb.build_basis(seq, prior, rank=30, real=True, wrt=WRT, **options)
    print(f"{label}: {perf_counter() - begin:.0f} s")
    return basis


def row(label, values, form="{:.3g}"):
    print("| " + " | ".join([label, *(form.format(value) for value in values)]) + " |")


def angles_to(basis, published):
    """Largest angles between the spans of the first vectors, in degrees."""
    return [
        np.degrees(subspace_angles(basis.vectors[:, :rank], published.vectors[:, :rank])[0]) for rank in (1, 5, 10, 13)
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train")
    parser.add_argument("basis")
    parser.add_argument("figure", nargs="?")
    parser.add_argument("--n", type=int, default=10_000)
    files = parser.parse_args()
    seq = sb.Sequence.load(files.train, TR, gradient_moment=MOMENTS)
    prior = sb.Prior.paper(TR).truncated(B1=(None, LARGEST_ANGLE / seq.alpha.max()))
    bases = {
        "published": sb.Basis.load(files.basis),
        "signals": made("signals", seq, prior, n=files.n),
        "signals and bounds": made("signals and bounds", seq, prior, n=files.n, bounds=WRT),
    }
    reports = {label: sb.basis_report(basis, seq, prior, 2000, WRT, RANKS) for label, basis in bases.items()}
    for q in (0.5, 0.95):
        print(f"\nquantile {q} of CRB({RANK})/CRB(full); energy lost")
        for label, report in reports.items():
            k = report.ranks.index(RANK)
            row(label, [*(ratio[k] for ratio in report.quantiles(q).values()), 1 - report.energy[k]])
    print("\nlargest angle to the published basis, first 1, 5, 10, 13 vectors, degrees")
    for label in ("signals", "signals and bounds"):
        row(label, angles_to(bases[label], bases["published"]), "{:.1f}")
    if files.figure:
        sb.plot.basis_report(reports).savefig(files.figure)


if __name__ == "__main__":
    main()
