"""Peers beside spinbound: each in a process of its own on one core, in turns with spinbound and the FMA peak.

    python -m benchmarks.measure.comparison NAME TRAIN REPETITIONS VOXELS

is such a process; it prints one line of JSON.
"""

import json
import statistics
import sys
import time

import numpy as np
import spinbound as sb
from spinbound import _core
from spinbound.base.parameters import TISSUE
from spinbound.sequences.experiment import as_core_sequence

from benchmarks import workload
from benchmarks.peers import BY_NAME, PEERS

from . import machine, process
from .peak import Peak

TIMEOUT = 300  # s for a peer on one train
SLOW = 20  # s of one call, above which three repetitions must do
# Arrays of some MB are otherwise mapped and cleared anew each time: a third of NumPy's and PyTorch's time.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 30)}


def compare(train, repetitions, voxels, say=print):
    """All peers on one train: a list of results, and a dict of the reasons why others are missing."""
    results, missing = [], {}
    for peer in PEERS:
        try:
            if reason := peer.missing():
                raise process.Failed(reason)
            say(f"{peer.name}, {train} train")
            results.append(in_own_process(peer.name, train, repetitions, voxels))
        except process.Failed as reason:
            missing[peer.name] = str(reason)
            say(f"{peer.name} left out: {reason}")
    return results, missing


def in_own_process(name, train, repetitions, voxels):
    """What `measure` returns in a process of one thread."""
    arguments = (name, train, str(repetitions), str(voxels))
    return process.answer("comparison", *arguments, timeout=TIMEOUT, environment=process.ONE_THREAD | KEEP_MEMORY)


def measure(peer, train, repetitions, voxels):
    """Times (s per voxel, on the core) of a peer and spinbound in turns on the same tissues, and the peer's errors."""
    seq, given = workload.load_train(train), tissues(peer.voxels)
    call = peer.prepare(seq, given)
    errors = worst_errors(peer, seq, given, call())
    calls = {"peer": (call, peer.voxels), **ours(seq, voxels)}
    for each, _ in calls.values():
        each()  # tables and caches
    peak, rounds = Peak(_core.isa_in_use()), []
    while len(rounds) < repetitions:
        rounds.append(one_round(calls) | {"peak": peak()})
        if rounds[0]["peer"] * peer.voxels > SLOW:
            repetitions = min(repetitions, 3)
    return {
        "name": peer.name,
        "train": train,
        "n_pulses": seq.n_pulses,
        "isa": _core.isa_in_use(),
        "voxels": {name: n for name, (_, n) in calls.items()},
        "columns": len(peer.columns),
        "versions": peer.versions(),
        **errors,
        "median": {name: statistics.median(r[name] for r in rounds) for name in rounds[0]},
        "ratio": {name: statistics.median(r["peer"] / r[name] for r in rounds) for name in calls if name != "peer"},
        "rounds": rounds,
        "load": machine.load(),
    }


def one_round(calls):
    """Seconds per voxel of each call in turn.

    spinbound's are made once without a clock: threads that a peer leaves spinning, and caches full of its data, are not
    theirs.
    """
    result = {}
    for name, (call, n_voxels) in calls.items():
        if name != "peer":
            call()
        result[name] = seconds(call) / n_voxels
    return result


def tissues(n_voxels):
    """(N, 8): white matter and three random tissues, over and over."""
    four = np.concatenate([workload.white_matter_values(1), workload.random_values(3)], axis=1).T
    return np.ascontiguousarray(four[np.arange(n_voxels) % len(four)])


def ours(seq, n_voxels):
    """spinbound's calls on one thread, with their number of voxels: they compute all nine derivatives."""
    tissue = sb.Tissue(**dict(zip(TISSUE, tissues(n_voxels).T, strict=True)))
    out = (np.empty((n_voxels, seq.n_pulses), complex), np.empty((n_voxels, seq.n_pulses, len(sb.ALL)), complex))
    return {
        "sensitivities": (lambda: sb.sensitivities(seq, tissue, threads=1, out=out), n_voxels),
        "crb": (lambda: sb.crb(seq, tissue, threads=1), n_voxels),
    }


def seconds(call):
    """Time of the process on its core: what others do there meanwhile doesn't count."""
    start = time.process_time()
    call()
    return time.process_time() - start


def worst_errors(peer, seq, given, result):
    """Largest errors of signal and derivatives, relative to their largest values, against the long double oracle.

    Over the four tissues; of another model at white matter alone.
    """
    seq, given = peer.nearest(seq, given[: 1 if peer.tolerance is None else 4])
    core, chosen = as_core_sequence(seq), [TISSUE.index(name) for name in peer.columns]
    worst = np.zeros(2)
    for tissue, s, J in zip(given, *map(np.asarray, result), strict=False):
        m, dm = _core.reference.simulate(core, tissue, _core.R2sl(core, 0, tissue[5], tissue[7]), True)
        expected, slopes = m[:, 0] + 1j * m[:, 1], (dm[:, 0] + 1j * dm[:, 1])[:, chosen]
        worst = np.maximum(worst, [relative(s, expected), max(map(relative, J.T, slopes.T))])
    return {"signal error": worst[0], "jacobian error": worst[1]}


def relative(values, expected):
    """Largest difference over the largest value."""
    return float(abs(values - expected).max() / abs(expected).max())


def main():
    name, train, repetitions, voxels = sys.argv[1:]
    machine.use_one_core()
    print(json.dumps(measure(BY_NAME[name], train, int(repetitions), int(voxels))))


if __name__ == "__main__":
    main()
