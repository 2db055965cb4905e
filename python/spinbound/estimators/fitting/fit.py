"""Non-linear least-squares fits of whole volumes: the gold standard for other estimators.

Data y of a voxel are the signal M0 s(x) of its tissue x and noise of equal size in the real and imaginary parts, so
the least sum of squares |y - M0 s(x)|^2 within the bounds is the maximum-likelihood estimate. The core fits voxels
side by side (theory, sections 14 and 15).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Executor
from os import PathLike
from typing import Any

import numpy.typing as npt

from spinbound.base.checks import MAX_INT, as_count, as_number, as_threads
from spinbound.base.errors import InvalidParameter, Progress
from spinbound.base.parameters import bases
from spinbound.dictionaries.dictionary import Dictionary
from spinbound.files.hashes import hash_arrays
from spinbound.sequences.experiment import Experiment
from spinbound.sequences.model import Model
from spinbound.signals.basis import Basis
from spinbound.signals.belonging import measure_noise, refuse_foreign_data
from spinbound.signals.forward import ForwardModel
from spinbound.tissues.prior import Prior
from spinbound.work.job import Runner
from spinbound.work.run import Run

from .chunks import make_job
from .core import FitSettings
from .goodness import warn_of_misfit
from .problem import FITTED, Maps, Problem, check
from .result import Fit, FittedVolume
from .starts import Starts, make_starts

FREE = ("M0", "m0s", "R1a", "R2f", "Rex", "T2s", "omega0", "B1")
AUTO = "auto"  # of multi_start: a second look
GRADIENT, STEP = 1e-10, 1e-10  # of the stopping rules


def fit(
    data: npt.ArrayLike,
    seq: Experiment,
    basis: Basis | None = None,
    free: str | Iterable[str] = FREE,
    *,
    start: Maps | None = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    fixed: Maps | None = None,
    mask: npt.ArrayLike | None = None,
    multi_start: int | str = "auto",
    max_iterations: int = 100,
    sigma: npt.ArrayLike | None = None,
    noise_covariance: npt.ArrayLike | None = None,
    prior: Mapping[str, tuple[npt.ArrayLike, float]] | None = None,
    dictionary: Dictionary | Prior | None = None,
    variable_projection: bool = True,
    tolerance: float = 1e-8,
    covariance: bool = False,
    check_data: bool = True,
    resume: str | PathLike[str] | None = None,
    runner: Runner | Executor | None = None,
    model: Model | str = "gbloch",
    threads: int | None = None,
    progress: bool | Progress | None = None,
) -> Fit:
    """Estimate tissue parameters in every voxel by non-linear least squares.

    Parameters
    ----------
    data : (..., n) or (..., rank) complex
        Signals at the echoes, or their coefficients in the basis, of any scale. Masked entries count as NaN.
    seq
        The pulse sequence; or a list of them, whose samples follow each other.
    basis
        The basis of data that are coefficients c = U^H s.
    free
        The P unknowns, base or derived: "M0", "m0s", "R1a", "T2f", ...
    start
        Starts by the names of free parameters, numbers or maps (...). Other parameters start at the values of the best
        match in a dictionary. An entry of a map that is outside its limits makes its voxel invalid.
    bounds
        (low, high) by the names of free parameters. By default m0s 0 to 0.6, R1a and R1f 0.05 to 20 /s, R1s 0.05 to
        100 /s, R2f 0.2 to 1000 /s, Rex 0 to 500 /s, T2s 2 to 50 us, B1 0.1 to 3, omega0 1.25 pi/TR either
        way, those of a time from its rate; and never beyond the limits of the model, which also replace infinite ones.
    fixed
        Known parameters, numbers or maps (...). Parameters neither free nor fixed have the values of `Tissue`.
    mask : (...)
        Voxels to fit: not zero.
    multi_start
        "auto", or the number k of matches to start from. "auto" takes a second look: it evaluates the model once at
        five matches and at other omega0 beside the best fit so far, and fits from where the linearised model promises
        most, as long as that finds a better minimum; at about twice the time of k = 1. 1 starts from the best match
        alone. Beyond 1, all get a few iterations, and the best goes on to its end. Where omega0 is free and has no
        start, 12 + k further starts are tried beside the best so far, at omega0 nearby and with the other unknowns of
        all matches; and 7 + k more in every other period that the bounds of omega0 hold.
    max_iterations
        Evaluations of the model after the first.
    sigma
        Standard deviation of the noise in the real and in the imaginary part each, one number or a map (...). By
        default each voxel's own, from its residual.
    noise_covariance : (rank, rank) or (..., rank, rank)
        Covariance E[n n^H]/2 of the noise n of the coefficients, in place of `sigma`, one or one per voxel. Data and
        signals are whitened by it; residual and sigma = 1 are those of the whitened data.
    prior
        Gaussian priors (mean, standard deviation) by the names of free parameters, the mean a number or a map (...):
        the estimate is then that of the largest posterior probability. Needs sigma or noise_covariance.
    dictionary
        The dictionary to match: a result of `dictionary` or `build_dictionary` for this sequence and basis, or a
        `Prior` from which 20,000 atoms are drawn. By default tissues like those of `Prior.paper` within the limits.
    variable_projection
        Eliminate M0: for every x it has its best value. False: Re M0 and Im M0 are unknowns like the others, with a
        start of M0.
    tolerance
        A fit has converged when an undamped step would lower the sum of squares by less than this part of it: 1e-8
        leaves some 1e-4 sqrt(n) of a standard error. Noise-free data are fitted to rounding errors all the same.
    covariance
        Keep the covariance matrices.
    check_data
        Refuse data in the time domain that cannot be signals of the sequence. Whether a basis belongs to the sequence
        is always tested, as `Basis.check_sequence` says.
    resume
        A folder for the work: results are written there every 4096 voxels. A run that was killed goes on from there,
        to the same bits.
    runner
        A runner of `sb.cluster`, which gives the work to other processes or machines, or a part of it to this one; or
        any `concurrent.futures.Executor`, of which each worker uses `threads`. It needs `resume`.
        Voxels that are not done then are `unfinished`.
    model, threads, progress
        As in `simulate`.

    Returns
    -------
    Fit
        Estimates, standard errors, residual and status of every voxel. Other voxels, threads and chunks change none
        of its bits. Voxels without a result are NaN. omega0 is determined only modulo its period, about 2 pi/TR where
        all repetitions take equally long: noise may prefer an estimate one period away.

    Raises
    ------
    InvalidData
        If data or mask have a wrong type or shape, or `resume` holds the work of another fit or is in use by another
        run; with `check_data`, if the nearest of 500 signals of tissues leaves more than 0.45 of the norm of the data
        (or 1.5 times what it leaves of another tissue's signal) beyond their noise, in the median of at least ten
        voxels with less noise than signal.
    InvalidParameter, InvalidSequence
        If another argument is not accepted, or the basis does not belong to the sequence.
    OSError
        If the folder cannot be written.
    KeyboardInterrupt
        Within 0.2 s of Ctrl-C.

    Warns
    -----
    UserWarning
        If half of the voxels leave a residual above 10 % that noise does not explain: the given one, or in the time
        domain without it the one that successive samples show.

    References
    ----------
    G. H. Golub and V. Pereyra, SIAM J. Numer. Anal. 10, 413 (1973); L. Kaufman, BIT 15, 49 (1975); J. J. Moré, Lect.
    Notes Math. 630, 105 (1978).

    Examples
    --------
    >>> import spinbound as sb
    >>> seq, tissue = sb.sequences.load("hybrid-mt-4s"), sb.Tissue(m0s=[0.1, 0.2], T1a=1.2, M0=5j)
    >>> data = sb.simulate(seq, tissue)
    >>> result = sb.fit(data, seq, free=("M0", "m0s", "T1a"), start={"m0s": 0.15, "T1a": 1})
    >>> result.estimates["m0s"].round(6).tolist(), result.converged.all()
    ([0.1, 0.2], np.True_)
    """
    forward = ForwardModel.of(seq, model, basis)
    problem = check(
        data,
        forward,
        free,
        start=start,
        bounds=bounds,
        fixed=fixed,
        mask=mask,
        sigma=sigma,
        noise_covariance=noise_covariance,
        prior=prior,
        variable_projection=variable_projection,
    )
    if check_data and basis is None:
        refuse_foreign_data(problem.data, problem.voxels, forward.trains)
    run = Run.of(resume, runner, threads, progress)
    settings = FitSettings(
        GRADIENT,
        STEP,
        _check_tolerance(tolerance),
        min(as_count("max_iterations", max_iterations, 1), MAX_INT),
        as_threads(threads),
    )

    starts = make_starts(problem, dictionary, _check_multi_start(multi_start), threads, progress)
    description = _describe(problem, settings, starts)
    volume = FittedVolume(problem, covariance, several=starts.n_matches > 1)
    job = make_job(problem, starts, settings, run.folder, volume.take)
    run.carry_out(job, description | (_hashes(problem, starts) if run.folder else {}), "fit")

    result = volume.make_result(description)
    noise = 0.0 if basis is not None else measure_noise(problem.data, problem.voxels)
    warn_of_misfit(result.goodness, noise)
    return result


def _check_multi_start(multi_start: int | str) -> int | None:
    """Return the number of matches to start from, None for a second look."""
    if isinstance(multi_start, str) and multi_start == AUTO:
        return None
    return as_count("multi_start", multi_start, 1)


def _check_tolerance(tolerance: npt.ArrayLike) -> float:
    number = as_number("tolerance", tolerance)
    if not 0 <= number < 1:
        raise InvalidParameter(f"tolerance is {number:g}; allowed: 0 <= tolerance < 1")
    return number


def _describe(problem: Problem, settings: FitSettings, starts: Starts) -> dict[str, Any]:
    """Describe the fit in plain words and numbers."""
    numbers = {name: value for name, value in problem.fixed.as_dict().items() if value.ndim == 0}
    free = {base for name in problem.free for base in bases(name)}
    return problem.forward.described | {
        "free": list(problem.free),
        "bounds": {name: list(pair) for name, pair in problem.bounds.items()},
        "known": {name: _as_plain(value) for name, value in numbers.items() if name not in free},
        "rank": None if problem.forward.basis is None else problem.forward.basis.rank,
        "variable_projection": problem.M0 != FITTED,
        "multi_start": AUTO if starts.twice else starts.n_matches,
        "max_iterations": settings.max_iterations,
        "tolerance": settings.cost,
        "omega0_period": problem.omega0_period if "omega0" in problem.free else None,
    }


def _as_plain(value: npt.NDArray[Any]) -> float | list[float]:
    return [value.real.item(), value.imag.item()] if value.dtype.kind == "c" else float(value)


def _hashes(problem: Problem, starts: Starts) -> dict[str, str]:
    """Return hashes of all arrays that the results depend on."""
    return {
        "data": hash_arrays(problem.data, problem.mask),
        "known_maps": hash_arrays(*problem.fixed.as_dict().values()),
        "start": hash_arrays(*(problem.start.get(name) for name in problem.free)),
        "noise": hash_arrays(problem.sigma, problem.whitening),
        "prior": hash_arrays(*((problem.prior.mean, problem.prior.std) if problem.prior else ())),
        "dictionary": hash_arrays() if starts.dictionary is None else starts.dictionary.sha256,
    }
