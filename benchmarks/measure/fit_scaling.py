"""Time and memory of fits: each kind in one batch, and the growth with the number of voxels."""

from itertools import product

from benchmarks import workload

from . import fits, scaling

VOXELS = {True: (50, 200), False: (100, 1000, 10_000)}
BATCH = {True: 100, False: 1000}
GROWING = {True: ("fit",), False: ("fit", "fit from a match")}
PATIENCE = {True: 0.3, False: 10.0}  # s after which a point is repeated no more
BUDGET = {True: 100.0, False: 900.0}  # s


def series(quick):
    """All points: "voxels" on two threads and on one, "kinds" on one."""
    train = workload.trains()[-1]
    isas, threads = scaling.isas_and_threads()

    def point(call, n_threads, n_voxels):
        return scaling.point(
            call,
            isas[0],
            n_threads,
            train=train,
            tissue="brain",
            n_voxels=n_voxels,
            n_pulses=None,
            patience=PATIENCE[quick],
        )

    return {
        "voxels": [point(call, t, n) for n, call, t in product(VOXELS[quick], GROWING[quick], threads)],
        "kinds": [point(call, 1, BATCH[quick]) for call in fits.KINDS],
    }


def measure(quick, say=print):
    """As `scaling.measure`."""
    return scaling.run(series(quick), BUDGET[quick], say)
