"""Experiments of NMR spectrometers: recovery after one pulse, and saturation by a continuous wave.

inversion_recovery, saturation_recovery    lists of sequences, each one pulse and its delay: joint experiments
continuous_wave                            the steady state under constant RF at an offset, a z-spectrum
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import pi
from typing import Any

import numpy as np
import numpy.typing as npt

from spinbound.base.checks import as_instance, as_number, as_one_of, as_parameter_names, as_real
from spinbound.base.errors import BoolArray, FloatArray, InvalidParameter, InvalidSequence
from spinbound.base.parameters import ALL, PARAMETERS, bases, is_reciprocal
from spinbound.sequences.model import LINESHAPES
from spinbound.sequences.sequence import Sequence
from spinbound.tissues.tissue import DEFAULTS, Tissue, read_value

from .lineshape import absorption

Fields = Mapping[str, npt.NDArray[Any]]
OUTPUTS = ("zf", "zs")
# Offsets below this count as on resonance, where the super-Lorentzian is infinite: 1e-9 rad/s is a turn in 200 years.
LEAST_OFFSET = 1e-9  # rad/s


# Recovery after one pulse


def inversion_recovery(
    delays: npt.ArrayLike,
    alpha: float = pi,
    TRF: float = 500e-6,
    *,
    shape: npt.ArrayLike | None = None,
    read: tuple[float, float] | None = None,
    dead_time: float = 10e-6,
) -> list[Sequence]:
    """Make an inversion recovery: one pulse on the equilibrium for every delay.

    A list of sequences is one joint experiment to `simulate`, `sensitivities`, `fisher` and `crb`, its samples in the
    order of the delays. The transverse magnetization that the pulse leaves is spoiled. Without a read pulse there is no
    signal, so that `crb` and `fit` refuse it, and ``simulate(..., output="magnetization")[..., 2]`` is zf a delay after
    the end of the pulse. With one, the sample follows the read pulse: for a short pulse sin(alpha) times the zf of that
    moment.

    Parameters
    ----------
    delays : (n,)
        Times from the end of the pulse to the echo, or to the begin of the read pulse, in s, > 0.
    alpha
        Flip angle of the pulse in rad.
    TRF
        Duration of the pulse in s, > 0.
    shape
        (k,) complex samples of both pulses, as in `Sequence`; rectangular unless given.
    read
        (alpha, TRF) of the read pulse in rad and s; by default there is none.
    dead_time
        Time from the end of the read pulse to the sample in s; less than every delay.

    Returns
    -------
    list of n Sequence

    Raises
    ------
    InvalidSequence
        Naming the argument, and the delay by its index.

    References
    ----------
    J. Assländer et al., Magn. Reson. Med. 2022 (arXiv 2107.11000): inversion-recovery experiments on pulses of
    different duration. D. F. Gochberg, J. C. Gore, Magn. Reson. Med. 57, 437 (2007): how they measure exchange.

    Examples
    --------
    >>> import numpy as np, spinbound as sb
    >>> experiment = sb.inversion_recovery(np.geomspace(5e-3, 5, 20), TRF=1e-3)
    >>> len(experiment), round(experiment[0].duration, 6)
    (20, 0.011)
    """
    pulse = as_number("alpha", alpha, InvalidSequence), _check_duration("TRF", TRF)
    if read is None:
        return [
            Sequence(
                [pulse[0]],
                [pulse[1]],
                pulse[1] + 2 * delay,
                gradient_moment="spoiler_dual",
                start="thermal",
                shape=shape,
            )
            for delay in _check_delays(delays, 0.0)
        ]

    reading, dead = _check_read_pulse(read), _check_duration("dead_time", dead_time)
    return [
        Sequence(
            [pulse[0], reading[0]],
            [pulse[1], reading[1]],
            # Half a repetition's free precession lies on either side of its pulse.
            [pulse[1] + 2 * (delay - dead), reading[1] + 2 * dead],
            gradient_moment=("spoiler_dual", "spoiler_prepulse"),
            rf_phase_increment=0.0,
            start="thermal",
            shape=shape,
            echo=[False, True],
        )
        for delay in _check_delays(delays, dead)
    ]


def saturation_recovery(
    delays: npt.ArrayLike,
    alpha: float = pi / 2,
    TRF: float = 500e-6,
    *,
    shape: npt.ArrayLike | None = None,
    read: tuple[float, float] | None = None,
    dead_time: float = 10e-6,
) -> list[Sequence]:
    """Make a saturation recovery: `inversion_recovery` with a pulse of 90 degrees.

    Parameters
    ----------
    delays, alpha, TRF, shape, read, dead_time
        As in `inversion_recovery`.

    Returns
    -------
    list of n Sequence

    Raises
    ------
    InvalidSequence
        Naming the argument, and the delay by its index.

    References
    ----------
    As of `inversion_recovery`.

    Examples
    --------
    >>> import spinbound as sb
    >>> [seq.n_pulses for seq in sb.saturation_recovery([0.01, 0.1, 1.0])]
    [1, 1, 1]
    """
    return inversion_recovery(delays, alpha, TRF, shape=shape, read=read, dead_time=dead_time)


def _check_duration(name: str, value: npt.ArrayLike) -> float:
    duration = as_number(name, value, InvalidSequence)
    if duration <= 0:
        raise InvalidSequence(f"{name} must be longer than 0 s; given {duration:g} s")
    return duration


def _check_read_pulse(read: object) -> tuple[float, float]:
    if not isinstance(read, tuple | list) or len(read) != 2:
        raise InvalidSequence(f"read must be the pair (alpha, TRF) of the read pulse, in rad and s; given {read!r}")
    return as_number("alpha of read", read[0], InvalidSequence), _check_duration("TRF of read", read[1])


def _check_delays(delays: npt.ArrayLike, shortest: float) -> list[float]:
    values = as_real("delays", delays, InvalidSequence)
    if values.ndim != 1 or values.size == 0:
        raise InvalidSequence(f"delays must be a list of at least one time; given an array of shape {values.shape}")
    for index, delay in enumerate(values):
        if not (np.isfinite(delay) and delay > shortest):
            rule = f"delays must be finite and longer than {'dead_time, ' if shortest else ''}{shortest:g} s"
            raise InvalidSequence(f"{rule}; delay {index} is {delay:g} s")
    return [float(delay) for delay in values]


# Continuous wave


def continuous_wave(
    tissue: Tissue,
    omega1: npt.ArrayLike,
    offset: npt.ArrayLike,
    *,
    output: str = "zf",
    lineshape: str = "superlorentzian",
    wrt: str | Iterable[str] | None = None,
) -> npt.NDArray[Any] | tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Compute the longitudinal magnetization in the steady state of continuous RF: a z-spectrum.

    The free pool obeys the Bloch equation at its own offset from the RF, omega0 - offset; the semi-solid pool is
    saturated at the rate pi (B1 omega1)^2 g(offset), g its absorption lineshape. With::

        Wf = (B1 omega1)^2 R2f/(R2f^2 + (omega0 - offset)^2) ,    Ws = pi (B1 omega1)^2 g(offset)

    the steady state solves::

        (Wf + R1f + Rex m0s) zf - Rex m0f zs = R1f m0f
        (Ws + R1s + Rex m0f) zs - Rex m0s zf = R1s m0s .

    Parameters
    ----------
    tissue
        The voxels, of shape (...).
    omega1
        RF field at B1 = 1 in rad/s; one number or one for each offset.
    offset
        Frequency of the RF less that of omega0 = 0 in rad/s; (n,) or one number. omega0 does not shift the
        semi-solid pool.
    output
        ``zf`` (default) or ``zs``.
    lineshape
        Lineshape of the semi-solid pool: ``superlorentzian`` (default; infinite at offset 0), ``gaussian`` or
        ``lorentzian``.
    wrt
        P names of parameters, base or derived, for the derivatives as well.

    Returns
    -------
    (..., n) complex
        M0 times zf or zs at each offset. Voxels with a parameter that is not accepted are NaN.
    (..., n, P) complex
        Only with `wrt`, as the second of two: the exact derivatives, per unit of each parameter.

    Raises
    ------
    InvalidParameter
        If an argument is not accepted, a super-Lorentzian is asked for on resonance, names in `wrt` determine each
        other, or every voxel is invalid.

    Notes
    -----
    The super-Lorentzian is within 1e-13 of its value; nothing else is approximated.

    References
    ----------
    R. M. Henkelman et al., Magn. Reson. Med. 29, 759 (1993).

    Examples
    --------
    >>> import numpy as np, spinbound as sb
    >>> z = sb.continuous_wave(sb.Tissue(), 1000.0, 2 * np.pi * np.array([1e3, 1e4, 1e5]))
    >>> np.round(z.real, 3)
    array([0.158, 0.43 , 0.85 ])
    """
    as_one_of("output", output, OUTPUTS)
    as_one_of("lineshape", lineshape, LINESHAPES)
    as_instance("the first argument", tissue, Tissue)
    names = None if wrt is None else as_parameter_names(wrt)

    fields, offsets = _check_irradiation(omega1, offset, lineshape)
    valid = _find_valid(tissue)
    p = {
        name: np.where(PARAMETERS[name].contains(v), v, DEFAULTS[name])[..., None] for name, v in _named_values(tissue)
    }
    pools, derivatives = _steady_state(p, fields, offsets, lineshape, derived=names is not None)

    row, shape = OUTPUTS.index(output), (*tissue.shape, offsets.size)
    z = np.where(valid[..., None], np.broadcast_to(p["M0"] * pools[row], shape), np.nan + 0j)
    if names is None:
        return z
    J = np.empty((*shape, len(names)), np.complex128)
    for k, name in enumerate(names):
        J[..., k] = _column(name, tissue, p, pools[row], {base: pair[row] for base, pair in derivatives.items()})
    J[~valid] = np.nan
    return z, J


def _named_values(tissue: Tissue) -> list[tuple[str, npt.NDArray[Any]]]:
    return [(name, np.asarray(tissue[name])) for name in ALL]


def _check_irradiation(omega1: npt.ArrayLike, offset: npt.ArrayLike, lineshape: str) -> tuple[FloatArray, FloatArray]:
    """Return omega1 and offset, (n,) each."""
    given = {"omega1": as_real("omega1", omega1), "offset": as_real("offset", offset)}
    for name, values in given.items():
        if values.ndim > 1 or values.size == 0 or not np.isfinite(values).all():
            raise InvalidParameter(
                f"{name} must be one finite number or a list of them, in rad/s; given shape {values.shape}"
            )
    try:
        fields, offsets = np.broadcast_arrays(*map(np.atleast_1d, given.values()))
    except ValueError:
        sizes = " and ".join(f"{name} {values.size}" for name, values in given.items())
        raise InvalidParameter(f"omega1 and offset must be as many, or one of them a single number: {sizes}") from None
    if lineshape == "superlorentzian" and (np.abs(offsets) < LEAST_OFFSET).any():
        index = int((np.abs(offsets) < LEAST_OFFSET).argmax())
        raise InvalidParameter(
            f"offset {index} is {offsets[index]:g} rad/s; a super-Lorentzian is infinite on resonance: take other "
            "offsets or another lineshape"
        )
    return fields, offsets


def _find_valid(tissue: Tissue) -> BoolArray:
    """Say which voxels are valid; refuse if none is."""
    valid = np.ones(tissue.shape, np.bool_)
    for name, values in _named_values(tissue):
        accepted = PARAMETERS[name].contains(values)
        if tissue.size and not accepted.any():
            raise InvalidParameter(
                f"every voxel is invalid: {name} is {values.flat[0]:g}; allowed: {PARAMETERS[name].allowed}"
            )
        valid = valid & accepted
    if tissue.size and not valid.any():
        raise InvalidParameter("every voxel is invalid: each has a parameter that is not accepted")
    return valid


def _steady_state(
    p: Fields, omega1: FloatArray, offset: FloatArray, lineshape: str, derived: bool
) -> tuple[npt.NDArray[Any], Fields]:
    """Compute zf and zs for M0 = 1 and, if wanted, their derivatives by the eight tissue parameters; pools first."""
    power, detuning = (p["B1"] * omega1) ** 2, p["omega0"] - offset
    width = p["R2f"] ** 2 + detuning**2
    g, dg = absorption(lineshape, p["T2s"], offset)
    wf, ws = power * p["R2f"] / width, np.pi * power * g
    m0s, m0f = p["m0s"], 1 - p["m0s"]
    to_f, to_s = p["Rex"] * m0f, p["Rex"] * m0s  # rates out of zs, and out of zf
    loss_f, loss_s = wf + p["R1f"] + to_s, ws + p["R1s"] + to_f
    determinant = (wf + p["R1f"]) * loss_s + to_s * (ws + p["R1s"])  # without the exchange terms that cancel

    def solve(f: npt.NDArray[Any], s: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.stack(np.broadcast_arrays((loss_s * f + to_f * s), (to_s * f + loss_f * s))) / determinant

    zf, zs = pools = solve(p["R1f"] * m0f, p["R1s"] * m0s)
    if not derived:
        return pools, {}

    # The changes of the right-hand sides per unit of each parameter, at fixed zf, zs.
    exchange = p["Rex"] * (zf + zs)
    flow = m0f * zs - m0s * zf
    none = np.zeros_like(zf)
    sources = {
        "m0s": (-exchange - p["R1f"], exchange + p["R1s"]),
        "R1f": (m0f - zf, none),
        "R2f": (-zf * power * (detuning**2 - p["R2f"] ** 2) / width**2, none),
        "Rex": (flow, -flow),
        "R1s": (none, m0s - zs),
        "T2s": (none, -zs * np.pi * power * dg),
        "omega0": (2 * zf * wf * detuning / width, none),
        "B1": (-2 * zf * wf / p["B1"], -2 * zs * ws / p["B1"]),
    }
    return pools, {name: solve(*source) for name, source in sources.items()}


def _column(name: str, tissue: Tissue, p: Fields, z: npt.NDArray[Any], derivatives: Fields) -> npt.NDArray[Any]:
    """Return the derivative by one parameter, base or derived: d/dT = -R^2 d/dR, d/dR1a = d/dR1f + d/dR1s."""
    if name == "M0":
        return z + 0j
    read_value(tissue, name)  # refuses R1a and T1a where R1f and R1s differ
    slope = sum(derivatives[base] for base in bases(name))
    if is_reciprocal(name):
        slope = -slope * p[bases(name)[0]] ** 2
    return p["M0"] * slope
