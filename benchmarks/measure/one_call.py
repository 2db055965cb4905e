"""One measurement in its own process: python -m benchmarks.measure.one_call POINT; POINT and the answer are JSON.

The answer: seconds of every repetition by the clock on the wall and on the cores, the FMA peak beside each (operations
per second of one core), the memory that the first one needed, the operations as the processor counts them, and of fits
how they came out.
"""

import json
import os
import sys
import time
from functools import partial

import numpy as np
import spinbound as sb

from benchmarks import workload

from . import fits, flops, machine
from .peak import Peak

REPETITIONS = 7  # beside the first, which also meets cold caches and fresh memory
BUFFER = 1 << 28  # bytes: results that need more are written in parts into the same arrays


def parts(tissue, bytes_per_voxel):
    """The tissues in parts whose results fit the buffer, and the number of voxels of the largest."""
    step = min(tissue.size, max(1, BUFFER // bytes_per_voxel))
    return [tissue[start : start + step] for start in range(0, tissue.size, step)], step


def simulate(seq, tissue, threads):
    """A call of sb.simulate that writes into the same array each time, and the size of that."""
    pieces, step = parts(tissue, 16 * seq.n_pulses)
    out = np.empty((step, seq.n_pulses), complex)

    def call():
        for piece in pieces:
            sb.simulate(seq, piece, threads=threads, out=out[: piece.size])

    return call, out.nbytes


def sensitivities(seq, tissue, threads):
    """The same of sb.sensitivities, with all nine parameters."""
    columns = len(sb.ALL)
    pieces, step = parts(tissue, 16 * seq.n_pulses * (1 + columns))
    s, J = np.empty((step, seq.n_pulses), complex), np.empty((step, seq.n_pulses, columns), complex)

    def call():
        for piece in pieces:
            sb.sensitivities(seq, piece, threads=threads, out=(s[: piece.size], J[: piece.size]))

    return call, s.nbytes + J.nbytes


def crb(seq, tissue, threads):
    """The same of sb.crb, whose results are its own."""
    return lambda: sb.crb(seq, tissue, threads=threads), 8 * len(sb.ALL) * tissue.size


CALLS = {"simulate": simulate, "sensitivities": sensitivities, "crb": crb}
CALLS |= {name: partial(fits.prepared, kind) for name, kind in fits.KINDS.items()}


def measure(point):
    """What the process answers."""
    seq = workload.load_train(point["train"], point["n_pulses"])
    tissue = workload.tissues(point["tissue"], point["n_voxels"])
    sb.crb(seq, workload.tissues("white matter", 1), threads=1)  # the tables of R2sl, which a process needs once
    machine.forget_peak()
    before = machine.memory("VmRSS")
    call, results, *outcome = CALLS[point["call"]](seq, tissue, point["threads"])
    peak = Peak(point["isa"])
    rounds = [timed(call, peak)]
    most = machine.memory("VmHWM")
    while len(rounds) <= REPETITIONS and sum(r["wall"] for r in rounds) < point["patience"]:
        rounds.append(timed(call, peak))
    operations = flops.counted(call) if point["count"] and flops.trusted(peak) else None
    return {
        **point,
        "rounds": rounds[1:] or rounds,
        "memory": None if most is None else most - before,
        "results": results,
        "operations": operations,
        "load": machine.load(),
        "outcome": outcome[0]() if outcome else None,
    }


def timed(call, peak):
    """Seconds of one call, and the mean of the FMA peaks before and after it."""
    before, wall, cpu = peak(), time.perf_counter(), time.process_time()
    call()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"wall": wall, "cpu": cpu, "peak": (before + peak()) / 2}


def main():
    point = json.loads(sys.argv[1])
    os.environ["SPINBOUND_ISA"] = point["isa"]
    if point["threads"] == 1:
        machine.use_one_core()
    print(json.dumps(measure(point)))


if __name__ == "__main__":
    main()
