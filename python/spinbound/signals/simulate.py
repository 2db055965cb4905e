"""Signals of a pulse sequence, the magnetization behind them, and their exact sensitivities to the tissue."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

import spinbound._core as _core
from spinbound.base.checks import as_one_of, as_parameter_names, as_result, as_result_dtype, refuse_overlap
from spinbound.base.errors import InvalidParameter, Progress
from spinbound.base.parameters import ALL
from spinbound.sequences.experiment import Experiment
from spinbound.sequences.model import Model
from spinbound.sequences.sequence import Sequence
from spinbound.tissues.tissue import Tissue

from .basis import Basis
from .batch import R1F, R1S, Batch, as_unknowns, check_apparent, compute
from .forward import ForwardModel

OUTPUTS = ("signal", "magnetization")
# The shortest cycle of a periodic train in single precision: in s, and times R1f or R1s, whichever is less.
SHORTEST_SINGLE, LEAST_RECOVERY = 1.0, 0.25


def simulate(
    seq: Experiment,
    tissue: Tissue,
    *,
    output: str = "signal",
    model: Model | str = "gbloch",
    basis: Basis | None = None,
    dtype: npt.DTypeLike | None = None,
    out: npt.NDArray[Any] | None = None,
    threads: int | None = None,
    progress: bool | Progress | None = None,
) -> npt.NDArray[Any]:
    """Simulate the signal, or the magnetization, at every echo of a sequence.

    The default is the linearised generalized Bloch model: a free pool (xf, yf, zf) exchanges with a semi-solid pool
    (xs, zs) whose RF saturation is that of the generalized Bloch equation; the signal is s = M0 (xf + i yf).

    Parameters
    ----------
    seq
        The pulse sequence, n recorded echoes; or a list of sequences, a joint experiment whose echoes follow each
        other.
    tissue
        The voxels, of shape (...).
    output
        ``signal`` or ``magnetization``.
    dtype
        complex128, or complex64: gbloch, hybrid and bloch then compute in single precision, nearly twice as fast. In
        trains of 4 s signals are then within 2e-4 of their largest value, and 99 of 100 sensitivities within
        1e-3 of theirs (T2s: 1e-2). Beyond 3.4e38 inf.
    out
        A writeable C-contiguous array of the result's shape and type, also a `numpy.memmap`, written in place without
        a copy and returned. After an error or Ctrl-C it holds the results of some voxels, and elsewhere what it held.
    model
        A `Model`, or its name: ``gbloch`` (default), ``gbloch-ide``, ``graham``, ``graham-single-frequency``, ``sled``,
        ``hybrid`` or ``bloch``. gbloch-ide, graham, graham-single-frequency and sled take one voxel at a time, and
        pulses of any shape (docs/reference/models.md).
    basis
        A `Basis`: the signal is returned in its coefficients.
    threads
        Number of threads; None or 0: all cores that the process may use. The results do not depend on it.
    progress
        True: a bar on stderr; or a callable (done, total), in voxels. What it raises ends the call.

    Returns
    -------
    (..., n) complex
        The signal; with a basis (..., rank).
    (..., n, 5) complex
        For ``magnetization``: M0 times xf yf zf xs zs at the echo, each dimensionless.
        Voxels with a parameter that is not accepted, or whose pulses cannot be integrated to `rtol`, are NaN.

    Raises
    ------
    InvalidParameter
        If an argument is not accepted, or every voxel is invalid; complex64 for a periodic train shorter than
        1 s or 0.25/R1, whose steady state multiplies rounding errors.
    KeyboardInterrupt
        Within 0.2 s of Ctrl-C.

    References
    ----------
    J. Assländer et al., Magn. Reson. Med. 2022 (arXiv 2107.11000): generalized Bloch; arXiv 2207.08259, eqs. (1)-(4):
    its linearisation.

    Examples
    --------
    >>> import spinbound as sb
    >>> seq = sb.sequences.load("hybrid-mt-4s")
    >>> sb.simulate(seq, sb.Tissue(m0s=[0.1, 0.2])).shape == (2, seq.n_pulses)
    True
    """
    as_one_of("output", output, OUTPUTS)
    forward = ForwardModel.of(seq, model, basis)
    batch = Batch.of(forward, tissue, threads=threads, progress=progress)
    if output == "magnetization" and basis is not None:
        raise InvalidParameter("basis compresses the signal; it does not go with output='magnetization'")

    samples = (batch.n_samples, 5) if output == "magnetization" else (batch.n_samples,)
    number = as_result_dtype(dtype, np.complex128)
    result = as_result(out, tissue.shape + samples, number)

    core = _core.magnetization if output == "magnetization" else _core.simulate
    fill = lambda slab, progress, values: core(slab.call(progress), values)
    compute(choose_precision(batch, number), (result,), fill, "simulate")
    return result


def sensitivities(
    seq: Experiment,
    tissue: Tissue,
    wrt: str | Iterable[str] = ALL,
    *,
    model: Model | str = "gbloch",
    basis: Basis | None = None,
    dtype: npt.DTypeLike | None = None,
    out: tuple[npt.NDArray[Any], npt.NDArray[Any]] | None = None,
    threads: int | None = None,
    progress: bool | Progress | None = None,
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Simulate the signal and its derivatives: s and J = ds/dtheta.

    The derivatives are exact for the numbers that the code computes, including the boundary condition. Derived
    parameters follow by the chain rule: ds/dR1a = ds/dR1f + ds/dR1s, ds/dT = -ds/dR R^2.

    Parameters
    ----------
    seq
        The pulse sequence, n recorded echoes; or a list of sequences, a joint experiment whose echoes follow each
        other.
    tissue
        The voxels, of shape (...).
    wrt
        P names, base or derived; R1a and T1a only where R1f = R1s.
    dtype
        complex128, or complex64: gbloch, hybrid and bloch then compute in single precision, 1.6 times as fast. In
        trains of 4 s signals are then within 2e-4 of their largest value, and 99 of 100 sensitivities within
        1e-3 of theirs (T2s: 1e-2). Beyond 3.4e38 inf.
    out
        A pair of arrays as in `simulate`, for s and J, that do not overlap.
    model, basis, threads, progress
        As in `simulate`.

    Returns
    -------
    s : (..., n) complex
        The signal; with a basis (..., rank).
    J : (..., n, P) complex
        J[..., k] is ds/dtheta for wrt[k], per unit of that parameter (see `spinbound.parameters`); with a basis
        (..., rank, P).

    Raises
    ------
    InvalidParameter
        If an argument is not accepted, names in `wrt` determine each other, or every voxel is invalid; complex64 for a
        periodic train shorter than 1 s or 0.25/R1, whose steady state multiplies rounding errors.
    KeyboardInterrupt
        Within 0.2 s of Ctrl-C.

    References
    ----------
    J. Assländer et al., arXiv 2207.08259, section 2.3.

    Examples
    --------
    >>> import spinbound as sb
    >>> seq = sb.sequences.load("hybrid-mt-4s")
    >>> s, J = sb.sensitivities(seq, sb.Tissue(R1a=0.8), wrt=("m0s", "R1a", "T2f"))
    >>> J.shape == (seq.n_pulses, 3)
    True
    """
    names = as_parameter_names(wrt)
    forward = ForwardModel.of(seq, model, basis)
    batch = Batch.of(forward, tissue, threads=threads, progress=progress)
    check_apparent(names, batch)

    outs = _check_pair(out)
    number = as_result_dtype(dtype, np.complex128)
    shape = (*tissue.shape, batch.n_samples)
    signal = as_result(outs[0], shape, number, "out[0]")
    jacobian = as_result(outs[1], (*shape, len(names)), number, "out[1]")
    refuse_overlap({"out[0]": signal, "out[1]": jacobian})
    unknowns = as_unknowns(names)
    fill = lambda slab, progress, s, J: _core.sensitivities(slab.call(progress), unknowns, s, J)
    compute(choose_precision(batch, number), (signal, jacobian), fill, "sensitivities")
    return signal, jacobian


def choose_precision(batch: Batch, number: np.dtype[Any]) -> Batch:
    """Choose single precision if wanted; refuse it where a steady state would multiply its rounding errors."""
    single = bool(number == np.complex64) and batch.forward.model.traits.lanes
    cycles = [train.duration for train in batch.forward.trains.sequences if _is_periodic(train)]
    if not single or not cycles or not batch.valid.any():
        return replace(batch, single=single)

    cycle = min(cycles)
    slowest = min(float(batch.tissue[row, batch.valid].min()) for row in (R1F, R1S))
    if cycle < SHORTEST_SINGLE or cycle * slowest < LEAST_RECOVERY:
        raise InvalidParameter(
            f"dtype is complex64, too coarse for the steady state of a cycle of {cycle:.3g} s in tissue of R1 = "
            f"{slowest:.3g}/s; allowed: complex128, or cycles of at least {SHORTEST_SINGLE:g} s and "
            f"{LEAST_RECOVERY:g}/R1"
        )
    return replace(batch, single=True)


def _is_periodic(seq: Sequence) -> bool:
    return isinstance(seq.start, str) and seq.start == "periodic"


def _check_pair(out: Any) -> tuple[Any, Any]:
    if out is None:
        return None, None
    if isinstance(out, (tuple, list)) and len(out) == 2:
        return out[0], out[1]
    raise InvalidParameter(f"out must be a pair of arrays, for s and J; given {type(out).__name__}")
