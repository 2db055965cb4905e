"""Time and memory of spinbound's calls over voxels, pulses, instruction sets and threads."""

import json
import statistics
import time
from functools import partial
from itertools import product

import numpy as np
from spinbound import _core

from benchmarks import workload

from . import process

CALLS = ("crb", "simulate", "sensitivities")
BUNDLED = 1142  # pulses
VOXELS = {True: (1, 10, 100, 1000), False: (1, 10, 100, 1000, 10_000, 100_000, 1_000_000)}
FEWER = 10_000  # voxels at most on all but the widest instruction set
PULSES = {True: (100, 300, 1000), False: (100, 200, 500, 1000, 2000, 5000)}
MANY = {True: 128, False: 512}  # voxels of a series over something else
PATIENCE = {True: 0.5, False: 2.0}  # s after which a point is repeated no more
ALL_REPETITIONS = 60.0  # s that suffice for them
LONGEST = 360.0  # s of a single call
BUDGET = {True: 75.0, False: 1000.0}  # s of all points together, by whether it is to be quick
LINEAR = 0.05  # how far the exponent may be from 1


def point(call, isa, threads, *, train="bundled", tissue="random", n_voxels, n_pulses=BUNDLED, patience, count=False):
    """One measurement, as `benchmarks.one_call` takes it."""
    return locals()


def isas_and_threads():
    """Instruction sets, the widest first; two threads where there are two cores, and one."""
    return _core.isa_available()[::-1], (2, 1) if _core.available_threads() > 1 else (1,)


def series(quick):
    """All points by series, the small ones first: "kernel" (each train and kind of tissue), "pulses", "voxels"."""
    return {"kernel": kernel_series(quick), "pulses": pulse_series(quick), "voxels": voxel_series(quick)}


def kernel_series(quick):
    """One batch on one thread: every train, kind of tissue, instruction set and call."""
    trains = workload.trains()[: 1 if quick else None]
    choices = product(trains, ("white matter", "random"), _core.isa_available()[::-1], CALLS)
    batch = partial(point, n_voxels=MANY[quick], n_pulses=None, patience=ALL_REPETITIONS, count=True)
    return [batch(call, isa, 1, train=train, tissue=tissue) for train, tissue, isa, call in choices]


def pulse_series(quick):
    """White matter in the bundled train, resampled."""
    isas, threads = (isas_and_threads()[0][:1], (1,)) if quick else isas_and_threads()
    return [
        point(call, isa, t, tissue="white matter", n_voxels=MANY[quick] // 4, n_pulses=n, patience=PATIENCE[quick])
        for n, call, isa, t in product(PULSES[quick], CALLS, isas, threads)
    ]


def voxel_series(quick):
    """Random tissues in the bundled train."""
    isas, threads = isas_and_threads()
    fewer = 0 if quick else FEWER
    return [
        point(call, isa, t, n_voxels=n, patience=PATIENCE[quick])
        for n, call, isa, t in product(VOXELS[quick], CALLS, isas, threads)
        if isa == isas[0] or n <= fewer
    ]


def measure(quick, say=print):
    """`run` of all series."""
    return run(series(quick), BUDGET[quick], say)


def run(all_series, budget, say=print):
    """Results by series, and the points that were left out with the seconds that one call would have taken.

    A point is left out if a call would take longer than LONGEST, or the budget is spent: larger ones of its kind are
    too.
    """
    results, left_out, deadline = {}, [], time.monotonic() + budget
    for name, points in all_series.items():
        results[name] = []
        for each in points:
            seconds = predicted(each, results[name])
            if seconds > LONGEST or time.monotonic() + seconds > deadline:
                left_out.append({**each, "predicted": seconds})
            else:
                results[name].append(in_own_process(each))
        skipped = len(points) - len(results[name])
        say(f"scaling, {name}: {len(results[name])} measured, {skipped} left out")
    return results, left_out


def in_own_process(each):
    """The answer of `benchmarks.one_call`, with NumPy's own threads off: they would share one core."""
    return summarised(process.answer("one_call", json.dumps(each), environment=process.ONE_THREAD))


def summarised(result):
    """With medians: seconds of a call, voxels/s, and operations: possible at the FMA peak meanwhile, and done."""
    rounds, n, operations = result["rounds"], result["n_voxels"], result["operations"]
    possible = statistics.median(r["cpu"] * r["peak"] for r in rounds)
    wall, cpu, peak = (statistics.median(r[key] for r in rounds) for key in ("wall", "cpu", "peak"))
    return {
        **result,
        "seconds": wall,
        "core seconds": cpu,
        "peak": peak,
        "voxels per second": n / wall,
        "cost": possible,
        "possible per voxel": possible / n,
        "operations per voxel": operations and operations / n,
        "fraction of peak": operations and operations / possible,
    }


def kind(result):
    """What is the same for all points of one curve."""
    return tuple(result[key] for key in ("call", "isa", "threads", "train", "tissue"))


def label(result):
    """A curve's name."""
    threads = result["threads"]
    return f"{result['call']}, {result['isa']}, {threads} thread{'s'[: threads > 1]}"


def predicted(each, results):
    """Seconds of one call, in proportion to the largest smaller point of the same curve; zero if there is none."""
    same = [r for r in results if kind(r) == kind(each)]
    if not same:
        return 0.0
    largest = max(same, key=size)
    return largest["seconds"] * size(each) / size(largest)


def size(result):
    """Voxels times pulses."""
    return result["n_voxels"] * (result["n_pulses"] or BUNDLED)


def curves(results, along):
    """The points of each curve, sorted: {kind: [result, ...]}."""
    found = {}
    for result in sorted(results, key=lambda r: r[along]):
        found.setdefault(kind(result), []).append(result)
    return found


def slope(curve, along):
    """Exponent of the growth of the cost, time on the cores times the FMA peak, over the last decade of a curve.

    1 is linear; None for a single point.
    """
    last = [r for r in curve if r[along] * 10 >= curve[-1][along]]
    if len(last) < 2:
        return None
    x, y = (np.log([r[key] for r in last]) for key in (along, "cost"))
    return float(np.polyfit(x, y, 1)[0])


def speedups(results):
    """How many times faster the largest batch is on two threads than on one: {(call, isa): (voxels, ratio, load)}."""
    by_size = {}
    for r in sorted(results, key=lambda r: r["n_voxels"]):
        by_size.setdefault((r["call"], r["isa"], r["n_voxels"]), {})[r["threads"]] = r
    both = {key: by for key, by in by_size.items() if {1, 2} <= by.keys()}
    return {key[:2]: (key[2], by[1]["seconds"] / by[2]["seconds"], by[2]["load"]) for key, by in both.items()}
