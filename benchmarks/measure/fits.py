"""The fits that are measured: noisy signals of brain, from several starts, in a basis and in the time domain."""

from dataclasses import dataclass, replace

import numpy as np
import spinbound as sb
from spinbound.base.parameters import TISSUE

from benchmarks import workload

RANK = 13
TR = 3.5e-3  # s, of both trains
SEPARATE = ("M0", *TISSUE)
APPARENT = ("M0", "m0s", "R1a", "R2f", "Rex", "T2s", "omega0", "B1")
START = {
    "m0s": 0.2, "R1f": 0.3, "R1a": 0.5, "R2f": 15.0, "Rex": 20.0, "R1s": 3.0, "T2s": 10e-6, "omega0": 0.0, "B1": 1.0,
}  # fmt: skip
BEST = 1e-3  # by how much a residual may exceed, relatively, that of a fit from the true tissue, to be the same
JUDGED = 1000  # voxels at most that are compared with such fits


@dataclass(frozen=True)
class Kind:
    """What is fitted, from where: `matches` of a dictionary, or one start for all voxels (0)."""

    snr: float = 500.0  # |M0| over the standard deviation of the noise in the real and in the imaginary part each
    matches: int = 0
    in_basis: bool = True
    free: tuple[str, ...] = SEPARATE

    def start(self):
        """What `sb.fit` is told."""
        return None if self.matches else {name: START[name] for name in self.free if name != "M0"}


KINDS = {
    "fit": Kind(),
    "fit, apparent R1": Kind(free=APPARENT),
    "fit, SNR 50": Kind(snr=50.0),
    "fit, apparent R1, SNR 50": Kind(snr=50.0, free=APPARENT),
    "fit from a match": Kind(matches=1),
    "fit from two matches": Kind(matches=2),
    "fit in time": Kind(in_basis=False),
}


@dataclass(frozen=True)
class Data:
    """Voxels of a kind: what is fitted and the truth."""

    seq: sb.Sequence
    basis: sb.Basis | None
    tissue: sb.Tissue
    samples: np.ndarray


def data(kind, seq, tissue):
    """Signals with noise; of each voxel its own, whatever their number."""
    basis = basis_of(seq) if kind.in_basis else None
    if "R1a" in kind.free:
        tissue = tissue.replace(R1a=tissue["R1f"])
    signals = sb.simulate(seq, tissue, basis=basis)
    noise = np.random.default_rng(1).standard_normal((*signals.shape, 2)).view(complex)[..., 0]
    return Data(seq, basis, tissue, signals + noise / kind.snr)


def basis_of(seq):
    """That of random tissues."""
    return sb.Basis.from_svd(sb.simulate(seq, workload.tissues("random", 400)), RANK, seq=seq)


def atoms():
    """A prior to match: that of the paper with R1 of each pool, one period of omega0, and B1 that the trains allow."""
    paper = sb.Prior.paper()
    same = {name: paper[name] for name in ("m0s", "Rex", "T2s")}
    return sb.Prior(
        **same,
        T1f=paper["T1a"],
        T2f=replace(paper["T2f"], high="T1f"),
        R1s=sb.LogUniform(0.5, 8.0),
        omega0=paper["omega0"].truncated(-np.pi / TR, np.pi / TR),
        B1=paper["B1"].truncated(0.3, 1.3),
    )


def fit(kind, given, threads, dictionary=None, **options):
    """`sb.fit` as the kind has it, unless options say otherwise."""
    settings = {"start": kind.start(), "multi_start": max(kind.matches, 1)} | options
    return sb.fit(given.samples, given.seq, given.basis, kind.free, dictionary=dictionary, threads=threads, **settings)


def prepared(kind, seq, tissue, threads):
    """A call that fits these voxels, the bytes of its results, and how to judge them afterwards."""
    given = data(kind, seq, tissue)
    dictionary = sb.dictionary(seq, atoms(), basis=given.basis, threads=threads) if kind.matches else None
    empty = fit(kind, given, threads, mask=np.zeros(tissue.shape, bool))
    results = [empty]

    def call():
        results[0] = fit(kind, given, threads, dictionary)

    n_bytes = sum(array.nbytes for array in empty.as_arrays().values())
    return call, n_bytes, lambda: outcome(kind, given, results[0], threads)


def outcome(kind, given, result, threads):
    """How the fits came out; `best`: the share with the residual of fits from the true tissue."""
    few = replace(given, tissue=given.tissue[:JUDGED], samples=given.samples[:JUDGED])
    truth = {name: few.tissue[name] for name in kind.free if name != "M0"}
    least = fit(kind, few, threads, start=truth, multi_start=1).residual
    return {
        "iterations": float(result.iterations.mean()),
        "most iterations": int(result.iterations.max()),
        "converged": float(result.converged.mean()),
        "at bound": float(np.mean(result.status == sb.FitStatus.at_bound)),
        "best": float(np.mean(result.residual[:JUDGED] <= least * (1 + BEST))),
    }
