"""Coerce and check arguments: one helper per kind of argument, and the errors that they raise."""

from __future__ import annotations

import difflib
import itertools
import operator
from collections.abc import Collection, Iterable, Mapping
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from .errors import BoolArray, ComplexArray, FloatArray, InvalidData, InvalidParameter
from .parameters import DERIVED, PARAMETERS, Parameter, bases

T = TypeVar("T")

MAX_INT = 2**31 - 1  # the largest integer that the core takes


# Numbers


def as_real(name: str, value: npt.ArrayLike, error: type[ValueError] = InvalidParameter) -> FloatArray:
    """Return a read-only C-contiguous float64 copy; masked entries become NaN, all but real numbers are refused."""
    return _as_numbers(name, value, "iuf", "real numbers", np.float64, error)


def as_complex(name: str, value: npt.ArrayLike, error: type[ValueError] = InvalidParameter) -> ComplexArray:
    """Return a read-only C-contiguous complex128 copy; masked entries become NaN, all but numbers are refused."""
    return _as_numbers(name, value, "iufc", "numbers", np.complex128, error)


def _as_numbers(
    name: str, value: npt.ArrayLike, kinds: str, what: str, dtype: Any, error: type[ValueError]
) -> npt.NDArray[Any]:
    array = as_array(name, value, error)
    if array.dtype.kind not in kinds:
        raise error(f"{name} must be {what}; given {_shorten(value)} of type {array.dtype}")
    with np.errstate(over="ignore"):
        if isinstance(array, np.ma.MaskedArray):
            array = np.ma.filled(array.astype(dtype), np.nan)
        copy = np.array(array, dtype=dtype, order="C")
    copy.setflags(write=False)
    return copy


def as_array(name: str, value: npt.ArrayLike, error: type[ValueError] = InvalidParameter) -> npt.NDArray[Any]:
    """Return an array of any type with its mask, if it has one; ragged lists are refused."""
    try:
        return np.asanyarray(value)
    except (TypeError, ValueError) as problem:
        raise error(f"{name} must be a number or an array of numbers: {problem}") from None


def as_data(name: str, values: npt.ArrayLike, length: int, why: str) -> npt.NDArray[Any]:
    """Return numbers (..., length) in their own precision; masked entries become NaN."""
    array = as_array(name, values, InvalidData)
    if array.dtype.kind not in "iufc":
        raise InvalidData(f"{name} must be numbers; given type {array.dtype}")
    if np.ma.isMaskedArray(array):
        array = np.ma.filled(array.astype(np.result_type(array, np.float32)), np.nan)
    if array.ndim == 0 or array.shape[-1] != length:
        raise InvalidData(f"{name} have shape {array.shape}; the last axis must be {length}, {why}")
    return array


def as_mask(name: str, mask: npt.ArrayLike | None, shape: tuple[int, ...]) -> BoolArray:
    """Return which voxels (...) count: all, or those that are not zero in a mask of booleans or numbers."""
    if mask is None:
        return np.ones(shape, np.bool_)
    array = as_array(name, mask, InvalidData)
    if array.dtype.kind not in "biuf":
        raise InvalidData(f"{name} must be booleans or numbers; given type {array.dtype}")
    if array.shape != shape:
        raise InvalidData(f"{name} has shape {array.shape}, the data have voxels of shape {shape}")
    chosen = np.ma.filled(array, 0)
    if array.dtype.kind == "f" and np.isnan(chosen).any():
        raise InvalidData(f"{name} holds NaN; allowed: 0 outside, anything else inside")

    return np.asarray(chosen != 0)


def _shorten(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def as_number(name: str, value: npt.ArrayLike, error: type[ValueError] = InvalidParameter) -> float:
    """Return one finite real number."""
    array = as_real(name, value, error)
    if array.ndim > 0:
        raise error(f"{name} must be one number; given an array of shape {array.shape}")
    if not np.isfinite(array):
        raise error(f"{name} must be finite; given {array[()]:g}")
    return float(array)


def as_positive(name: str, value: npt.ArrayLike, error: type[ValueError] = InvalidParameter) -> float:
    """Return one finite number above zero."""
    number = as_number(name, value, error)
    if not number > 0:
        raise error(f"{name} is {number:g}; allowed: {name} > 0, finite")
    return number


def as_sigma(sigma: npt.ArrayLike) -> FloatArray:
    """Return standard deviations (...) of the noise; a wrong number is refused, a wrong entry marks its voxel."""
    values = as_real("sigma", sigma)
    if values.ndim == 0 and not is_valid_sigma(values):
        raise InvalidParameter(f"sigma is {values[()]:g}; allowed: sigma > 0, finite")
    return values


def is_valid_sigma(sigma: FloatArray) -> BoolArray:
    """Say which standard deviations are finite and larger than 0."""
    return np.asarray((sigma > 0) & np.isfinite(sigma))


def as_count(name: str, value: object, low: int) -> int:
    """Return one integer of at least `low`; booleans are not counts."""
    try:
        count = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        count = None
    if count is None or isinstance(value, (bool, np.bool_)) or count < low:
        raise InvalidParameter(f"{name} must be an integer of at least {low}; given {_shorten(value)}")
    return count


def check_range(parameter: Parameter, values: npt.NDArray[Any]) -> None:
    """Refuse a single number outside the parameter's range; in an array the entry marks its voxel instead."""
    if values.ndim == 0 and not parameter.contains(values):
        raise InvalidParameter(f"{parameter.name} is {values[()]:g}; allowed: {parameter.allowed}")


# Shapes


def broadcast_to_voxels(name: str, values: npt.NDArray[Any], voxels: tuple[int, ...]) -> npt.NDArray[Any]:
    """Return a view of a number or a map in the shape of the voxels."""
    try:
        return np.broadcast_to(values, voxels)
    except ValueError:
        raise InvalidParameter(
            f"{name} has shape {values.shape}, which does not broadcast to the voxels {voxels}"
        ) from None


def refuse_shape(name: str, given: tuple[int, ...], voxels: tuple[int, ...]) -> None:
    """Refuse a shape that does not broadcast to that of the voxels of some data."""
    try:
        fits = np.broadcast_shapes(given, voxels) == voxels
    except ValueError:
        fits = False
    if not fits:
        raise InvalidParameter(f"{name} has shape {given}, the data have voxels of shape {voxels}")


# Objects


def as_instance(
    name: str, value: object, kind: type[T], *others: type[Any], error: type[ValueError] = InvalidParameter
) -> T:
    """Return an object of one of the public classes."""
    if isinstance(value, (kind, *others)):
        return value  # type: ignore[return-value]
    names = " or ".join([_name_class(kind), *(other.__name__ for other in others)])
    raise error(f"{name} must be a {names}; given {type(value).__name__}")


def _name_class(kind: type[Any]) -> str:
    """Return the name by which users import a class."""
    room = "spinbound.nn" if kind.__module__.startswith("spinbound.nn.") else "spinbound"
    return f"{room}.{kind.__name__}"


def as_mapping(name: str, value: object, what: str = "names to values") -> Mapping[str, Any]:
    """Return a mapping."""
    if not isinstance(value, Mapping):
        raise InvalidParameter(f"{name} must be a mapping of {what}; given {type(value).__name__}")
    return value


def as_pair(name: str, value: object, what: str) -> tuple[Any, Any]:
    """Return the two entries of a tuple or a list."""
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise InvalidParameter(f"{name} must be a pair ({what}); given {_shorten(value)}")
    return value[0], value[1]


# Words


def as_one_of(name: str, value: object, allowed: Collection[str], error: type[ValueError] = InvalidParameter) -> str:
    """Return one of the allowed words."""
    if isinstance(value, str) and value in allowed:
        return value
    raise error(f"{name} is {_shorten(value)}{suggest(value, allowed)}; allowed: {', '.join(allowed)}")


def suggest(value: object, allowed: Collection[str]) -> str:
    """Return a hint at what a misspelt word may have meant, or an empty text."""
    close = difflib.get_close_matches(value, allowed, n=1) if isinstance(value, str) else []
    return f" (did you mean {close[0]!r}?)" if close else ""


def as_parameter(name: object, what: str = "a parameter's name") -> Parameter:
    """Return the parameter of that name, base or derived."""
    return PARAMETERS[as_one_of(what, name, PARAMETERS)]


def as_parameter_names(names: str | Iterable[str], what: str = "wrt") -> tuple[str, ...]:
    """Return names of parameters that may be unknown together: at least one, none determined by another."""
    try:
        given = (names,) if isinstance(names, str) else tuple(names)
    except TypeError:
        raise InvalidParameter(f"{what} must be a parameter's name or several; given {_shorten(names)}") from None
    if not given:
        raise InvalidParameter(f"{what} is empty; name at least one of: {', '.join(PARAMETERS)}")
    known = tuple(as_parameter(name, f"a name in {what}").name for name in given)
    refuse_conflicts(known, what)
    return known


def refuse_conflicts(names: Iterable[str], where: str) -> None:
    """Refuse two names that determine the same base parameter, such as R1a with R1f or T2f with R2f."""
    owner: dict[str, str] = {}
    for name in names:
        for base in bases(as_parameter(name).name):
            if base in owner:
                raise InvalidParameter(_describe_conflict(owner[base], name, where))
            owner[base] = name


def _describe_conflict(first: str, second: str, where: str) -> str:
    if first == second:
        return f"{where} names {first} twice"
    shared = [base for base in bases(first) if base in bases(second)]
    derived = second if second in DERIVED else first
    return f"{where} has {first} and {second} together, but {derived} determines {' and '.join(shared)}; give one"


# How a call runs


def as_threads(threads: int | None) -> int:
    """Return the number of threads for the core, which takes 0 for all and reduces absurd numbers to four per core."""
    return 0 if threads is None else min(as_count("threads", threads, 0), MAX_INT)


def check_progress(progress: object) -> None:
    """Refuse a `progress` that is neither a switch nor a callable."""
    if not (progress is None or isinstance(progress, bool) or callable(progress)):
        raise InvalidParameter(
            f"progress must be None, True (a bar) or a callable (done, total); given {_shorten(progress)}"
        )


def as_result_dtype(dtype: npt.DTypeLike | None, double: type[np.generic]) -> np.dtype[Any]:
    """Return the dtype of the results: `double` unless its single-precision companion is asked for."""
    default = np.dtype(double)
    single = np.dtype(np.complex64 if default.kind == "c" else np.float32)
    if dtype is None:
        return default
    try:
        chosen = np.dtype(dtype)
    except TypeError:
        chosen = np.dtype(object)
    if chosen not in (default, single):
        raise InvalidParameter(f"dtype is {_shorten(dtype)}; allowed: {default}, {single}")

    return chosen


def as_result(out: object, shape: tuple[int, ...], dtype: np.dtype[Any], name: str = "out") -> npt.NDArray[Any]:
    """Return a new array for results, or `out` if it can hold them in place."""
    if out is None:
        return np.empty(shape, dtype)
    wanted = f"{name} must be a writeable C-contiguous numpy array of shape {shape} and type {dtype}"
    if not isinstance(out, np.ndarray) or isinstance(out, np.ma.MaskedArray):
        raise InvalidParameter(f"{wanted}; given {type(out).__name__}")
    if out.shape != shape or out.dtype != dtype:
        raise InvalidParameter(f"{wanted}; given shape {out.shape} and type {out.dtype}")
    merits = {"writeable": out.flags.writeable, "C-contiguous": out.flags.c_contiguous, "aligned": out.flags.aligned}
    missing = [merit for merit, has in merits.items() if not has]
    if missing:
        raise InvalidParameter(f"{wanted}; given one that is not {' and not '.join(missing)}")

    return out


def refuse_overlap(results: Mapping[str, npt.NDArray[Any]]) -> None:
    """Refuse arrays for results, each by its name, that would overwrite each other."""
    for (one, first), (other, second) in itertools.combinations(results.items(), 2):
        if np.may_share_memory(first, second):  # exact, as they are contiguous
            raise InvalidParameter(f"{one} and {other} must not overlap; given arrays that share memory")
