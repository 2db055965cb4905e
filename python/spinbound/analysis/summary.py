"""The outcome of an identifiability analysis in words.

The words describe |M0| and the phase of M0 where the Fisher matrix has Re M0 and Im M0, and changes by at most a tenth
of a parameter. R includes the noise: |R delta| is, to first order, the norm of the change of the signal over all
samples in units of sigma, the signal-to-noise ratio with which an ideal observer sees the change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spinbound.base.errors import BoolArray, FloatArray
from spinbound.base.parameters import PARAMETERS
from spinbound.base.text import align_columns, join_words

from .directions import NULL, Directions, columns_of

Indices = npt.NDArray[np.intp]

# Changes that a physicist can picture, where a tenth of the value means nothing: it is zero, or has no natural size.
STEPS = {"omega0": 10.0, "the phase of M0": 0.1, "Re M0": 0.01, "Im M0": 0.01, "m0s": 0.01, "Rex": 1.0}
RELATIVE_STEP = 0.1

# The fewest parameters that show the worst direction do so to within this factor of its singular value.
SLACK = 2.0
# Above this singular value two columns have a cosine below about 0.5: no parameter mimics another.
DISTINCT = 0.7
TANGLED = 0.3  # below this singular value the columns are nearly dependent: two of them have a cosine above 0.9
MAX_DIGITS = 6  # of a change in a sentence


@dataclass(frozen=True)
class Voxel:
    """The numbers of one voxel: values by name, the factor (K, K), bounds by name and with each other one known."""

    values: Mapping[str, complex]
    factor: FloatArray
    condition: float
    bound: Mapping[str, float]
    alone: Mapping[str, float]
    fixed: FloatArray
    prior: Mapping[str, float] | None

    @property
    def names(self) -> tuple[str, ...]:
        """The unknown parameters."""
        return tuple(self.values)


def describe_voxel(voxel: Voxel) -> str:
    """Describe one voxel by sentences and a table."""
    terms, R = _make_terms(voxel)
    found = Directions.of(R)
    lost = found.is_lost
    sentences = [
        f"Scaled condition number {voxel.condition:.3g} (1: every parameter acts on the signal in a way of its own).",
        *_describe_undetermined(terms, R, lost, found.norm == 0),
        *_describe_hardest(terms, R, found, np.flatnonzero(~lost)),
    ]
    return "\n".join([*sentences, "", *align_columns(_make_table(voxel))])


def describe_voxels(condition: FloatArray, bound: Mapping[str, FloatArray], summary_at: Callable[..., str]) -> str:
    """Describe all voxels (...) by a table of bounds, and the worst of them by the sentences of `summary_at`."""
    if condition.size == 0:
        return f"no voxels, of shape {condition.shape}"

    worst = tuple(int(i) for i in np.unravel_index(np.nanargmax(condition), condition.shape))
    conditions = np.quantile(condition[~np.isnan(condition)], (0.5, 1), method="inverted_cdf")
    head = ("least standard deviation", "unit", "median", "largest", "not determined")
    rows = [head, *([name, PARAMETERS[name].unit, *_spread(values)] for name, values in bound.items())]
    title = (
        f"{condition.size:,} voxels, scaled condition number {conditions[0]:.3g} (median) "
        f"to {conditions[1]:.3g} (largest)"
    )
    place = worst[0] if len(worst) == 1 else worst
    return "\n".join(
        [title, *align_columns(rows), "", f"Voxel {place}, of the largest condition number:", summary_at(worst)]
    )


def _spread(bound: FloatArray) -> tuple[str, str, str]:
    std = np.sqrt(bound[~np.isnan(bound)])
    middle, largest = np.quantile(std, (0.5, 1), method="inverted_cdf")
    return f"{middle:.3g}", f"{largest:.3g}", str(int(np.isinf(std).sum()))


# The unknowns in words


@dataclass(frozen=True)
class Term:
    """A real unknown in words: its label, its unit and its value."""

    label: str
    unit: str
    value: float

    @property
    def is_relative(self) -> bool:
        """Whether changes are given in percent."""
        return self.value != 0 and self.label not in ("omega0", "the phase of M0")

    @property
    def step(self) -> float:
        """The largest change that a sentence describes."""
        return RELATIVE_STEP * abs(self.value) if self.is_relative else STEPS[self.label]

    def describe_change(self, change: float, digits: int) -> str:
        """Describe a change in words: ``raising Rex by 10 %``."""
        verb = "raising" if change > 0 else "lowering"
        if self.is_relative:
            return f"{verb} {self.label} by {abs(100 * change / self.value):.{digits}g} %"
        return f"{verb} {self.label} by {abs(change):.{digits}g}{'' if self.unit == '1' else ' ' + self.unit}"


def _make_terms(voxel: Voxel) -> tuple[list[Term], FloatArray]:
    """Return the unknowns in words, and the factor (K, K) over these."""
    terms: list[Term] = []
    turn = np.eye(voxel.factor.shape[-1])
    for name, columns in zip(voxel.names, columns_of(voxel.names), strict=True):
        value = voxel.values[name]
        if name != "M0":
            terms.append(Term(name, PARAMETERS[name].unit, value.real))
        elif value == 0:
            terms += [Term("Re M0", "1", 0), Term("Im M0", "1", 0)]
        else:
            cos, sin = value.real / abs(value), value.imag / abs(value)
            turn[columns, columns] = [[cos, -value.imag], [sin, value.real]]
            terms += [Term("|M0|", "1", abs(value)), Term("the phase of M0", "rad", 0)]
    return terms, voxel.factor @ turn


# Sentences


def _describe_undetermined(terms: list[Term], R: FloatArray, lost: BoolArray, silent: BoolArray) -> list[str]:
    """Describe what the data do not determine: unknowns without an effect, and those that replace each other."""
    sentences = []
    if silent.any():
        are, they = ("is", "it does") if silent.sum() == 1 else ("are", "they do")
        labels = join_words(terms[k].label for k in np.flatnonzero(silent))
        sentences.append(f"{labels} {are} not determined by these data: {they} not change the signal.")

    tangled = np.flatnonzero(lost & ~silent)
    if tangled.size == 0:
        return sentences

    labels = join_words(terms[k].label for k in tangled)
    found = Directions.of(R[:, tangled])
    determined = tangled.size - int(found.is_null.sum())
    if determined >= tangled.size - 1:
        deltas, _ = _scale_to_step([terms[k] for k in tangled], found.V[:, -1] / found.norm)
        changes = _describe_changes([terms[k] for k in tangled], deltas, 1 / NULL)
        return [*sentences, f"{labels} are not determined by these data: {changes} leaves the signal as it is."]
    count = f"{determined} combination{'s'[: determined != 1]}"
    return [*sentences, f"Of {labels} these data determine only {count}."]


def _describe_hardest(terms: list[Term], R: FloatArray, found: Directions, candidates: Indices) -> list[str]:
    """Describe the worst direction of the determined unknowns by the fewest parameters that show it."""
    if candidates.size < 2:
        return []
    members = _choose_fewest(R / np.where(found.norm > 0, found.norm, 1), candidates)
    part = Directions.of(R[:, members])
    if part.S[-1] > DISTINCT:
        return [f"No parameters mimic each other: the least singular value is {part.S[-1]:.2g} of at most 1."]

    chosen = [terms[k] for k in members]
    deltas, scale = _scale_to_step(chosen, part.V[:, -1] / part.norm)
    together, alone = part.S[-1] * scale, np.abs(part.V[:, -1]) * scale
    verdict = (
        "cannot be told apart at this noise"
        if part.S[-1] <= TANGLED and together < 1 <= alone.max()
        else "are among the hardest to tell apart"
    )
    each = join_words(f"{term.label} alone by {effect:.2g}" for term, effect in zip(chosen, alone, strict=True))
    changes = _describe_changes(chosen, deltas, alone.max() / max(together, NULL * alone.max()))

    sentence = (
        f"{join_words(term.label for term in chosen)} {verdict}: {changes} changes the signal by "
        f"{together:.2g} sigma (norm over all samples); {each}."
    )
    if len(chosen) == 2:
        correlation = found.correlation()[members[0], members[1]]
        sentence += f" The correlation of their estimates is {correlation:.3f}."
    return [sentence]


def _choose_fewest(unit: FloatArray, candidates: Indices) -> Indices:
    """Choose the fewest columns, largest in the worst direction first, whose own worst direction is about as bad."""
    _, S, right = np.linalg.svd(unit[:, candidates])
    order = candidates[np.argsort(-np.abs(right[-1]))]
    for size in range(2, order.size):
        if np.linalg.svd(unit[:, order[:size]], compute_uv=False)[-1] <= SLACK * S[-1]:
            return order[:size]
    return order


def _scale_to_step(terms: list[Term], deltas: FloatArray) -> tuple[FloatArray, float]:
    """Scale a direction until one change reaches its step, the first one upwards; return also the (unsigned) factor."""
    steps = np.array([term.step for term in terms])
    scale = 1 / np.abs(deltas / steps).max()
    return deltas * (scale if deltas[0] >= 0 else -scale), float(scale)


def _describe_changes(terms: list[Term], deltas: FloatArray, cancellation: float) -> str:
    """Describe changes with so many digits that the rest after their cancellation has two."""
    digits = min(2 + int(np.ceil(np.log10(max(1.0, cancellation)))), MAX_DIGITS)
    return join_words(term.describe_change(delta, digits) for term, delta in zip(terms, deltas, strict=True))


# The table


def _make_table(voxel: Voxel) -> list[list[str]]:
    head = ["", "unit", "value", "least std", "of value", "others known", "best known", "then"]
    rows = [[*_make_row(voxel, j, name)] for j, name in enumerate(voxel.names)]
    if voxel.prior is None:
        return [head, *rows]
    stds = (f"{np.sqrt(voxel.prior[name]):.3g}" for name in voxel.names)
    return [[*head, "with prior"], *([*row, std] for row, std in zip(rows, stds, strict=True))]


def _make_row(voxel: Voxel, j: int, name: str) -> tuple[str, ...]:
    """Make the row of one parameter: its bound, and the other parameter whose knowledge would help most."""
    value, std, alone = voxel.values[name], np.sqrt(voxel.bound[name]), np.sqrt(voxel.alone[name])
    number = f"{value.real:g}" if value.imag == 0 else f"{value:g}"
    share = f"{100 * std / abs(value):.3g} %" if value != 0 and np.isfinite(std) else "-"
    return (name, PARAMETERS[name].unit, number, f"{std:.3g}", share, f"{alone:.3g}", *_find_help(voxel, j))


def _find_help(voxel: Voxel, j: int) -> tuple[str, str]:
    """Find the parameter whose knowledge lowers the bound of the j-th most, and the standard deviation with it."""
    others = [k for k in range(len(voxel.names)) if k != j]
    if not others:
        return "-", "-"

    best = min(others, key=lambda k: voxel.fixed[j, k])
    if not voxel.fixed[j, best] < voxel.bound[voxel.names[j]] * (1 - 1e-6):  # rounding is no help
        return "-", "-"
    return voxel.names[best], f"{np.sqrt(voxel.fixed[j, best]):.3g}"
