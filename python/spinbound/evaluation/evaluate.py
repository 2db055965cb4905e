"""The report card of an estimator: its bias and variance in units of the Cramér-Rao bound, at any SNR.

Every tissue of a reference set is measured N times, each time with new noise. With the mean of the estimates of a
parameter theta over the realisations and their variance (eqs. 2 and 3 of arXiv 2109.10535)

    bias = mean - theta,    var = sum (estimate - mean)^2/N,    loss = bias^2/CRB + var/CRB  (eq. 4)

and the overall loss is the mean over tissues and parameters (eq. 5). An efficient unbiased estimator has a loss of 1;
less is bought with bias, and about the least that the prior of the tissues allows is stated beside it.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Executor
from os import PathLike
from typing import Any

import numpy as np
import numpy.typing as npt

from spinbound.base.checks import as_count, as_one_of, as_parameter_names, as_real
from spinbound.base.errors import FloatArray, InvalidParameter, Progress
from spinbound.base.parameters import bases
from spinbound.dictionaries.dictionary import Dictionary
from spinbound.files.hashes import hash_arrays
from spinbound.sequences.experiment import as_trains
from spinbound.signals.forward import describe_samples
from spinbound.work.chunks import Arrays
from spinbound.work.distribute import check_travels
from spinbound.work.job import Runner
from spinbound.work.run import Run

from .achievable import achievable_errors
from .adapter import Adapter, adapt_estimator, check_made_for
from .card import Evaluation
from .dataset import ReferenceSet, as_reference_set
from .identity import describe_identity
from .pairs import Pairs, Plan, make_job, true_values

PHASES = ("fixed", "random")
MIN_REALIZATIONS = 2  # fewer have no variance


def evaluate(
    estimator: Any,
    dataset: Dictionary,
    snr: npt.ArrayLike,
    realizations: int = 300,
    *,
    names: str | Iterable[str] | None = None,
    phase: str = "fixed",
    seed: int = 0,
    resume: str | PathLike[str] | None = None,
    runner: Runner | Executor | None = None,
    threads: int | None = None,
    progress: bool | Progress | None = None,
) -> Evaluation:
    """Judge an estimator: bias, variance and loss in units of the Cramér-Rao bound, over tissues and SNRs.

    Parameters
    ----------
    estimator
        A callable that takes data (m, samples), complex, and returns a mapping of names to arrays (m,), a `Tissue`, or
        the result of `fit` or `match`; or an object with such a method `estimate`. If its signature names them, it also
        gets `threads`; `truth`, the `Tissue` (m,) of the data, for the parameters that it may know; and
        `novelty=False`. Data are M0 s + noise, in the basis of the reference set if it has one. If it has a method
        `check` of `seq` and `basis`, as networks do, that is called first and can refuse them.
    dataset
        A result of `reference_set` or `build_dictionary`, with bounds; its signals are read into memory. Tissues that
        could not be simulated are left out.
    snr
        ``|M0|/sigma``, one number or several, > 0; sigma is the standard deviation of the noise in the real and in the
        imaginary part each. If the reference set has a noise covariance C, that of the noise is C/snr^2.
    realizations
        Number N of realisations of the noise of each tissue, at least 2.
    names
        The parameters to judge, unknowns of the reference set other than M0; by default those in the estimator's
        attribute `names`, if it has one, or all.
    phase
        ``fixed``: M0 = 1 in all data. ``random``: ``|M0| = 1``, with a new phase in each realisation.
    seed
        Seed of the noise; the noise of a tissue depends on the seed, the SNR and the tissue's number alone.
    resume
        A folder for the work, written after every 16,384 signals. A run that was killed goes on from there, to the
        same bits.
    runner
        A runner of `sb.cluster`, which gives the work to other processes or machines, or a part of it to this one; or
        any `concurrent.futures.Executor`, of which each worker uses `threads`. It needs `resume`, and an estimator that
        can be pickled. Results that are not done then are NaN.
    threads
        Number of threads of the estimator, if it takes `threads`.
    progress
        As in `simulate`, in tissues at each SNR.

    Returns
    -------
    Evaluation
        With the errors that are achievable with the prior of the reference set, else with the covariance of its
        tissues. Chunks, threads and runners change none of its bits, if they change none of the estimator's.

    Raises
    ------
    InvalidData
        If the reference set has no bounds, the estimator was made for another sequence or basis, or returns other
        values than asked for, or `resume` holds the work of another evaluation or is in use by another run.
    InvalidParameter
        If another argument is not accepted, the reference set's basis does not belong to its sequence, or the
        estimator cannot be sent to the processes of the runner.
    OSError
        If the folder cannot be written.

    Notes
    -----
    omega0 counts modulo 2 pi/TR where all repetitions take equally long: a full turn more per repetition changes the
    sign of M0 and, but for the duration of pulses, nothing else. M0, a scale and a phase, is not judged.

    References
    ----------
    X. Zhang et al., arXiv 2109.10535, section 2.7.

    Examples
    --------
    >>> import spinbound as sb
    >>> seq, unknowns = sb.sequences.load("hybrid-mt-4s"), ("M0", "m0s")
    >>> data = sb.reference_set(seq, sb.Tissue(m0s=[0.1, 0.2]), wrt=unknowns)
    >>> def fit(signals, threads):
    ...     return sb.fit(signals, seq, free=unknowns, start={"m0s": 0.15}, threads=threads)
    >>> report = sb.evaluate(fit, data, snr=50, realizations=20)
    >>> bool(0.4 < report.overall.loss[0] < 2)
    True
    """
    data = as_reference_set(dataset)
    chosen = _choose_names(names, estimator, data)
    plan = Plan(
        names=chosen,
        snr=_check_levels(snr),
        realizations=as_count("realizations", realizations, MIN_REALIZATIONS),
        seed=as_count("seed", seed, 0),
        random_phase=as_one_of("phase", phase, PHASES) == "random",
        period=data.omega0_period,
        coloring=None if data.noise_covariance is None else np.asarray(np.linalg.cholesky(data.noise_covariance)),
    )

    if data.basis is not None:
        data.basis.check_sequence(data.sequence)
    adapter = adapt_estimator(estimator, chosen)
    check_made_for(estimator, data)
    run = Run.of(resume, runner, threads, progress)
    check_travels(adapter.call, "the estimator", run.runner)

    results = Results(data, plan)
    achievable, prior = achievable_errors(data, plan.snr, threads)
    settings = _describe(data, plan) | {"prior": prior}
    job = make_job(data, plan, adapter, run.folder, results.take)
    run.carry_out(job, settings | (_hashes(data, adapter) if run.folder else {}), "evaluation", "tissue")

    return results.make_evaluation(achievable, settings)


# The task


def _choose_names(names: str | Iterable[str] | None, estimator: object, data: ReferenceSet) -> tuple[str, ...]:
    allowed = [name for name in data.wrt if name != "M0"]
    own = getattr(estimator, "names", None)
    given = None if own is None else as_parameter_names(own, "the estimator's names")
    chosen = as_parameter_names(names, "names") if names is not None else given or tuple(allowed)
    for name in chosen:
        if given and not set(bases(name)) <= {base for one in given for base in bases(one)}:
            raise InvalidParameter(f"names has {name}, which the estimator does not give: {', '.join(given)}")
        if name == "M0":
            raise InvalidParameter("names has M0, which is not judged; allowed: " + ", ".join(allowed))
        if name not in allowed:
            raise InvalidParameter(
                f"names has {name}, whose bound the reference set does not have; allowed: {', '.join(allowed)}"
            )
    return chosen


def _check_levels(snr: npt.ArrayLike) -> FloatArray:
    levels = np.atleast_1d(as_real("snr", snr))
    if levels.ndim > 1 or levels.size == 0 or not (np.isfinite(levels) & (levels > 0)).all():
        raise InvalidParameter(f"snr is {snr!r}; allowed: one number or a list of them, > 0, finite")
    if np.unique(levels).size < levels.size:
        raise InvalidParameter(f"snr names a level twice: {snr!r}")
    return levels


def _describe(data: ReferenceSet, plan: Plan) -> dict[str, Any]:
    """Describe the task in plain words and numbers."""
    return describe_samples(as_trains(data.sequence), data.basis) | {
        "names": list(plan.names),
        "unknowns": list(data.wrt),
        "snr": plan.snr.tolist(),
        "realizations": plan.realizations,
        "seed": plan.seed,
        "phase": PHASES[plan.random_phase],
    }


def _hashes(data: ReferenceSet, adapter: Adapter) -> dict[str, Any]:
    """Return hashes of all else that the results depend on."""
    return {
        "signals": hash_arrays(data.signals),
        "tissue": hash_arrays(*data.tissue.as_dict().values()),
        "noise": None if data.noise_covariance is None else hash_arrays(data.noise_covariance),
        "estimator": describe_identity(adapter, data),
    }


# The results


class Results:
    """The statistics of all tissues, filled chunk by chunk."""

    def __init__(self, data: ReferenceSet, plan: Plan) -> None:
        shape = (plan.snr.size, len(data), len(plan.names))
        self.data, self.plan = data, plan
        self.arrays: Arrays = {
            "bias": np.full(shape, np.nan),
            "variance": np.full(shape, np.nan),
            "n_finite": np.full(shape, -1, np.int32),
        }

    def take(self, levels: Pairs, rows: Pairs, results: Arrays) -> None:
        """Take the results of some pairs."""
        for name, values in results.items():
            self.arrays[name][levels, rows] = values

    def make_evaluation(self, achievable: dict[str, FloatArray], settings: dict[str, Any]) -> Evaluation:
        """Make the report card, with all results as maps."""
        data, plan = self.data, self.plan
        grid = data.grid_shape

        def maps(name: str) -> dict[str, npt.NDArray[Any]]:
            values = self.arrays[name].reshape(plan.snr.size, *grid, len(plan.names))
            return {name: np.ascontiguousarray(values[..., k]) for k, name in enumerate(plan.names)}

        return Evaluation(
            names=plan.names,
            snr=plan.snr,
            realizations=plan.realizations,
            truth={name: true_values(data.tissue, name).reshape(grid) for name in data.wrt if name != "M0"},
            crb={name: data.crb[name].reshape(grid) for name in plan.names},
            achievable={name: achievable[name].reshape(plan.snr.size, *grid) for name in plan.names},
            bias=maps("bias"),
            variance=maps("variance"),
            n_finite=maps("n_finite"),
            omega0_period=plan.period,
            settings=settings,
        )
