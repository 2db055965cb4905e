"""Tissues: the parameters of one voxel or of many, as a frozen value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict, Unpack, overload

import numpy as np
import numpy.typing as npt

from spinbound.base.checks import as_complex, as_mapping, as_parameter, as_real, check_range, refuse_conflicts
from spinbound.base.errors import FloatArray, InvalidParameter
from spinbound.base.parameters import ALL, PARAMETERS, bases, is_reciprocal

Values = dict[str, npt.NDArray[Any]]

# White matter at 3 T (arXiv 2207.08259), on resonance, at the nominal transmit field.
DEFAULTS: Mapping[str, float] = {
    "M0": 1, "m0s": 0.15, "R1f": 0.5, "R2f": 15, "Rex": 30, "R1s": 3, "T2s": 10e-6, "omega0": 0, "B1": 1,
}  # fmt: skip

# A map with a larger typical value is no map of the transmit field relative to its nominal value.
MAX_TYPICAL_B1 = 3.0


class TissueParameters(TypedDict, total=False):
    """The keywords that `Tissue` takes."""

    M0: npt.ArrayLike
    m0s: npt.ArrayLike
    R1f: npt.ArrayLike
    R2f: npt.ArrayLike
    Rex: npt.ArrayLike
    R1s: npt.ArrayLike
    T2s: npt.ArrayLike
    omega0: npt.ArrayLike
    B1: npt.ArrayLike
    R1a: npt.ArrayLike
    T1a: npt.ArrayLike
    T1f: npt.ArrayLike
    T1s: npt.ArrayLike
    T2f: npt.ArrayLike


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Tissue:
    """Parameters of the two-pool model for one voxel or for an array of voxels.

    Each parameter is a number or an array; arrays broadcast against each other to the voxels' `shape` and are
    stored as given. What is left out has the value of white matter at 3 T.

    Parameters
    ----------
    m0s
        Fractional size of the semi-solid pool, 0 <= m0s < 1; default 0.15.
    R1f, R2f
        Relaxation rates of the free pool in 1/s, > 0 and at most 1e6; default 0.5 and 15.
    Rex
        Exchange rate in 1/s, 0 to 1e6; default 30.
    R1s
        Longitudinal relaxation rate of the semi-solid pool in 1/s, > 0 and at most 1e6; default 3.
    T2s
        Transverse relaxation time of the semi-solid pool in s, 2e-6 to 50e-6; default 10e-6.
    omega0
        Off-resonance frequency in rad/s, at most 1e5 either way; default 0.
    B1
        Transmit field relative to its nominal value, > 0; default 1.
    M0
        Complex scale of the signal, finite; default 1.
    R1a, T1a
        Apparent longitudinal relaxation (1/s, s): sets R1f = R1s.
    T1f, T1s, T2f
        Relaxation times in s, at least 1e-6: the reciprocals of R1f, R1s, R2f.

    Attributes
    ----------
    shape : tuple of int
        Shape of the voxel array; () if all parameters are numbers.

    Raises
    ------
    InvalidParameter
        For an unknown name, two names for one thing (R1a with R1f), a number outside its range, arrays that are
        not real numbers (M0: complex) or do not broadcast, and a map of B1 that looks like percent. An entry of an
        *array* that is masked, not finite or outside its range raises nothing: it makes its voxel invalid, and
        every result of that voxel is NaN.

    References
    ----------
    J. Assländer et al., arXiv 2207.08259, eq. (3).

    Examples
    --------
    >>> import spinbound as sb
    >>> tissue = sb.Tissue(m0s=[0.05, 0.1, 0.15], T1a=1.2, T2f=0.08)
    >>> tissue.shape, tissue["R2f"]
    ((3,), np.float64(12.5))
    >>> tissue[1:].replace(B1=0.9).shape
    (2,)
    """

    _values: Values
    shape: tuple[int, ...]

    def __init__(self, **parameters: Unpack[TissueParameters]) -> None:
        _settle(self, _make_defaults(parameters) | _as_base_values(parameters))

    @classmethod
    def from_dict(cls, values: Mapping[str, npt.ArrayLike]) -> Tissue:
        """Make a tissue from a mapping of names, base or derived, to values.

        Parameters
        ----------
        values
            A number or an array by the name of the parameter.

        Returns
        -------
        Tissue
            With the default of every parameter that is left out.

        Raises
        ------
        InvalidParameter
            As in the constructor, and for what is no mapping.
        """
        as_mapping("values", values, "names to numbers")
        named: Any = {as_parameter(name, "a name in values").name: value for name, value in values.items()}
        return cls(**named)

    def as_dict(self) -> Values:
        """Return the nine base parameters by name, each as it is stored."""
        return {name: self[name] for name in ALL}

    def replace(self, **changes: Unpack[TissueParameters]) -> Tissue:
        """Return the same tissue with some parameters changed; names as in the constructor.

        Parameters
        ----------
        **changes
            A number or an array by the name of the parameter.

        Returns
        -------
        Tissue
            A new one, of the shape that the new values give it.

        Raises
        ------
        InvalidParameter
            As in the constructor.
        """
        return make_tissue(self._values | _as_base_values(changes))

    @property
    def size(self) -> int:
        """Number of voxels."""
        return int(np.prod(self.shape, dtype=np.int64))

    @overload
    def __getitem__(self, key: str) -> npt.NDArray[Any]: ...
    @overload
    def __getitem__(self, key: Any) -> Tissue: ...
    def __getitem__(self, key: Any) -> Tissue | npt.NDArray[Any]:
        """Return a parameter by its name (base or derived), as stored, or the voxels that an index or mask selects.

        R1a and T1a are those of the free pool, and refused where valid rates R1f and R1s differ.
        """
        if isinstance(key, str):
            return read_value(self, as_parameter(key).name)
        return self._select(key)

    def _select(self, index: Any) -> Tissue:
        if isinstance(index, np.ma.MaskedArray):
            index = index.filled(False)
        if not self.shape:
            raise IndexError("a tissue of a single voxel cannot be indexed")
        return make_tissue(
            {
                name: value if value.ndim == 0 else _freeze(np.broadcast_to(value, self.shape)[index])
                for name, value in self._values.items()
            }
        )

    def __eq__(self, other: object) -> bool:
        """Say whether shapes and all values agree (NaN agrees with NaN)."""
        if not isinstance(other, Tissue):
            return NotImplemented
        return self.shape == other.shape and all(_are_equal(self._values[name], other._values[name]) for name in ALL)

    def __repr__(self) -> str:
        described = ", ".join(f"{name}={_describe(value)}" for name, value in self._values.items())
        return f"Tissue({described})"

    def __reduce__(self) -> tuple[Any, ...]:
        return make_tissue, (self._values,)


def read_value(tissue: Tissue, name: str, where: npt.ArrayLike = True) -> npt.NDArray[Any]:
    """Return a parameter as stored; R1a and T1a are those of the free pool.

    Raises
    ------
    InvalidParameter
        If it is R1a or T1a, and somewhere in the mask `where` R1f and R1s are valid but differ.
    """
    first, *others = bases(name)
    value = tissue._values[first]
    for other in others:
        differ = (value != tissue._values[other]) & np.asarray(where)
        if np.any(differ & PARAMETERS[first].contains(value) & PARAMETERS[other].contains(tissue._values[other])):
            why = f"{name} is not defined where {first} and {other} differ"
            raise InvalidParameter(f"{why}; {instead_of_apparent(name)}")
    found: npt.NDArray[Any] = (take_reciprocal(value) if is_reciprocal(name) else value)[()]
    return found


def instead_of_apparent(name: str) -> str:
    """Say, as the end of a message, what to take in the place of R1a or T1a where the rates of the pools differ."""
    free, bound = f"{name[:-1]}f", f"{name[:-1]}s"
    return f"allowed: {free} and {bound}, or tissues of one {name} (Tissue and Prior take {name} in the place of both)"


def take_reciprocal(value: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Convert a rate to a time, or a time to a rate."""
    with np.errstate(divide="ignore", over="ignore"):  # 0 and its neighbours become inf, which no range includes
        return np.asarray(np.reciprocal(value))


def make_tissue(values: Values) -> Tissue:
    """Make a tissue of base values that are checked already, or may hold invalid voxels."""
    tissue = object.__new__(Tissue)
    _settle(tissue, values)
    return tissue


def _settle(tissue: Tissue, values: Values) -> None:
    object.__setattr__(tissue, "_values", {name: _freeze(values[name]) for name in ALL})
    object.__setattr__(tissue, "shape", _find_shape(values))


def _freeze(value: npt.NDArray[Any]) -> npt.NDArray[Any]:
    value = np.asarray(value)
    value.setflags(write=False)
    return value


def _are_equal(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> bool:
    first, second = np.broadcast_arrays(first, second)
    return np.array_equal(first, second, equal_nan=True)


def _find_shape(values: Values) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(*(value.shape for value in values.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {value.shape}" for name, value in values.items() if value.ndim)
        raise InvalidParameter(f"the parameters do not broadcast to one shape: {shapes}") from None


def _make_defaults(given: Mapping[str, Any]) -> Values:
    taken = {base for name in given for base in bases(name)}
    return {
        name: as_complex(name, value) if name == "M0" else as_real(name, value)
        for name, value in DEFAULTS.items()
        if name not in taken
    }


def _as_base_values(given: Mapping[str, Any]) -> Values:
    """Return base parameters from base and derived ones, coerced and checked one by one."""
    refuse_conflicts(given, "the tissue")

    values: Values = {}
    for name, value in given.items():
        array = as_complex(name, value) if name == "M0" else as_real(name, value)
        check_range(PARAMETERS[name], array)
        if is_reciprocal(name):
            array = take_reciprocal(array)
        values |= dict.fromkeys(bases(name), array)
    if "B1" in values:
        _refuse_percent(values["B1"])

    return values


def _refuse_percent(B1: FloatArray) -> None:
    """Refuse a map of B1 whose lower median shows that it is not relative to the nominal field."""
    positive = B1[np.isfinite(B1) & (B1 > 0)]
    if B1.size < 2 or positive.size == 0:
        return
    middle = (positive.size - 1) // 2
    typical = np.partition(positive, middle)[middle]
    if typical > MAX_TYPICAL_B1:
        raise InvalidParameter(
            f"B1 is relative to its nominal value (1 = nominal), but half of the map is above {typical:g}: "
            "it looks like percent or degrees"
        )


def _describe(value: npt.NDArray[Any]) -> str:
    if value.ndim == 0:
        number = value[()]
        return f"{number.real:g}" if number.imag == 0 else f"{number:g}"
    if value.size and value.dtype.kind == "f" and np.isfinite(value).any():
        finite = value[np.isfinite(value)]
        return f"<{finite.min():g} to {finite.max():g}, shape {value.shape}>"
    return f"<shape {value.shape}>"
