"""Fits beside SciPy's: the same voxels from the same start on one core and thread, in turns.

    python -m benchmarks.measure.fit_comparison TRAIN REPETITIONS BATCH MOST

is a process that measures this and prints one line of JSON. SciPy fits the first voxels, MOST at most, one after the
other; spinbound a batch that begins with them, and its time for them is their share of the evaluations.
"""

import json
import statistics
import sys

import numpy as np
from spinbound import FitStatus, _core

from benchmarks import workload
from benchmarks.peers.scipy_fit import FIT_PEERS, Voxel

from . import comparison, fits, machine, process

KIND = "fit"
TIMEOUT = 1800  # s, on a crowded machine


def compare(train, repetitions, batch, most):
    """What `measure` returns in a process of one thread."""
    arguments = map(str, (train, repetitions, batch, most))
    environment = process.ONE_THREAD | comparison.KEEP_MEMORY
    return process.answer("fit_comparison", *arguments, timeout=TIMEOUT, environment=environment)


def measure(train, repetitions, batch, most):
    """A result per peer."""
    kind = fits.KINDS[KIND]
    given = fits.data(kind, workload.load_train(train), workload.tissues("brain", batch))
    ours = fits.fit(kind, given, 1)
    theirs = {peer.name: voxels_of(peer, kind, given, ours, most) for peer in FIT_PEERS}
    rounds = [one_round(kind, given, theirs) for _ in range(repetitions)]
    evaluations = ours.iterations + 1
    about = {"train": train, "isa": _core.isa_in_use(), "batch": batch, "rounds": rounds, "load": machine.load()}
    return [
        {"name": name, **about, **times(name, rounds, voxels, evaluations), **agreement(ours, voxels)}
        for name, voxels in theirs.items()
    ]


def voxels_of(peer, kind, given, ours, most):
    """The problems of the first voxels, with the bounds that spinbound had."""
    low, high = ({name: pair[end] for name, pair in ours.settings["bounds"].items()} for end in (0, 1))
    samples = peer.model(given.seq, given.basis)
    return [Voxel(samples, each, kind.start(), (low, high)) for each in given.samples[: min(peer.voxels, most)]]


def one_round(kind, given, theirs):
    """Seconds of spinbound's batch, and of all voxels of each peer."""
    result = {"ours": comparison.seconds(lambda: fits.fit(kind, given, 1))}
    for name, voxels in theirs.items():
        result[name] = comparison.seconds(lambda voxels=voxels: [voxel.fit() for voxel in voxels])
    return result


def times(name, rounds, voxels, evaluations):
    """Seconds of a fit and of an evaluation of the model, and how many times longer than spinbound's both take."""
    n, total = len(voxels), sum(voxel.evaluations for voxel in voxels)
    share = evaluations[:n].sum() / evaluations.sum()  # of these voxels in the batch
    median = {key: statistics.median(r[key] for r in rounds) for key in ("ours", name)}
    ratio = statistics.median(r[name] / (share * r["ours"]) for r in rounds)
    return {
        "voxels": n,
        "seconds": median[name] / n,
        "evaluations": total / n,
        "steps": sum(voxel.steps for voxel in voxels) / n,
        "our seconds": share * median["ours"] / n,
        "our evaluations": float(evaluations[:n].mean()),
        "ratio": ratio,
        "ratio of evaluations": ratio * evaluations[:n].sum() / total,
    }


def agreement(ours, voxels):
    """How far SciPy's results are from ours.

    `excess` is the largest, relatively, by which a residual exceeds ours, `lack` by which it falls short of ours;
    `deviation` the largest difference of an estimate in standard errors, of voxels whose residuals agree to
    `fits.BEST` and that are not at a limit.
    """
    n = len(voxels)
    residuals = np.array([voxel.residual for voxel in voxels]) / ours.residual[:n] - 1
    inside = (np.abs(residuals) < fits.BEST) & (ours.status[:n] != FitStatus.at_bound)
    off = [
        abs(voxel.estimates[name] - ours.estimates[name][k]) / ours.std[name][k]
        for k, voxel in enumerate(voxels)
        if inside[k]
        for name in voxel.names
    ]
    return {
        "excess": float(max(0, residuals.max())),
        "lack": float(max(0, -residuals.min())),
        "compared": int(inside.sum()),
        "deviation": float(max(off, default=np.nan)),
    }


def main():
    train, *numbers = sys.argv[1:]
    machine.use_one_core()
    print(json.dumps(measure(train, *map(int, numbers))))


if __name__ == "__main__":
    main()
