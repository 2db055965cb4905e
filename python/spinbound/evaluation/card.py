"""What an evaluation found, tissue by tissue and over all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spinbound.base.checks import as_number
from spinbound.base.errors import FloatArray, InvalidParameter
from spinbound.files.npz import save_npz

from .card_file import arrays_of, read
from .pairs import modulo
from .score import Score, SquaredError
from .statistics import Found, Means, Parts, Verdict, means_of, p_values, parts_of
from .table import level_table, score_table, title_of

QUANTILES = (0.05, 0.5, 0.95)


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """The report card of an estimator; as text, a table.

    Maps have the shape (...) of the test set's grid; along their first axis are the S levels of the SNR.

    Attributes
    ----------
    names : tuple of str
        The parameters that were judged.
    snr : (S,)
        ``|M0|/sigma``.
    realizations : int
        Number N of realisations of the noise.
    truth : dict of str to (...)
        The true values of the unknowns.
    crb : dict of str to (...)
        Bounds for sigma = 1; `bound` gives those at each SNR.
    bias : dict of str to (S, ...)
        Mean of the finite estimates minus the truth (eq. 2).
    variance : dict of str to (S, ...)
        Mean square of their distance from their mean (eq. 3).
    n_finite : dict of str to (S, ...) int32
        Number of finite estimates; -1 where the estimator was not asked.
    omega0_period : float
        omega0 counts modulo this; else infinite.
    settings : dict
        What was judged and how, as plain numbers and words.

    References
    ----------
    X. Zhang et al., arXiv 2109.10535, section 2.7; A. Mao et al., arXiv 2312.11468: bias and variance apart.

    Examples
    --------
    >>> import numpy as np, spinbound as sb
    >>> data = sb.reference_set(sb.sequences.load("hybrid-mt-4s"), sb.Tissue(m0s=[0.1, 0.2]), wrt=("M0", "m0s"))
    >>> report = sb.evaluate(lambda signals: {"m0s": np.full(len(signals), 0.15)}, data, snr=[50, 100], realizations=5)
    >>> isinstance(report, sb.Evaluation), report.bias["m0s"][1].round(3).tolist()
    (True, [0.05, -0.05])
    """

    names: tuple[str, ...]
    snr: FloatArray
    realizations: int
    truth: Mapping[str, FloatArray]
    crb: Mapping[str, FloatArray]
    bias: Mapping[str, FloatArray]
    variance: Mapping[str, FloatArray]
    n_finite: Mapping[str, npt.NDArray[np.int32]]
    omega0_period: float
    settings: Mapping[str, Any]

    # Of every tissue

    @property
    def grid_shape(self) -> tuple[int, ...]:
        """The shape (...) of maps."""
        return self.crb[self.names[0]].shape

    def bound(self, name: str) -> FloatArray:
        """(S, ...) Cramér-Rao bound of a parameter at each SNR."""
        return np.asarray(np.multiply.outer(self.snr**-2.0, self.crb[self._known(name)]))

    def std_ratio(self, name: str) -> FloatArray:
        """(S, ...) standard deviation over the root of the bound; NaN where there is none, or no two estimates."""
        return np.asarray(np.sqrt(self.variance_part(name)))

    def bias_part(self, name: str, corrected: bool = False) -> FloatArray:
        """(S, ...) bias^2/CRB; corrected for the number of realisations: unbiased, and sometimes negative."""
        return self._part(name, 0, corrected)

    def variance_part(self, name: str, corrected: bool = False) -> FloatArray:
        """(S, ...) variance/CRB; corrected: with N - 1 in the place of N."""
        return self._part(name, 1, corrected)

    def loss(self, name: str) -> FloatArray:
        """(S, ...) mean squared error/CRB (eq. 4), the sum of both parts."""
        return self.bias_part(name) + self.variance_part(name)

    def mse(self, name: str) -> SquaredError:
        """Mean squared error over all tissues with at least two finite estimates, with or without a bound."""
        known = self.n_finite[self._known(name)] > 1
        squared, variance = (
            _mean(np.where(known, values, np.nan)) for values in (self.bias[name] ** 2, self.variance[name])
        )
        return SquaredError(squared + variance, squared, variance)

    def _part(self, name: str, which: int, corrected: bool) -> FloatArray:
        found = self._found(name)
        parts = parts_of(found)
        if corrected:
            part = (parts.bias, parts.variance)[which]
        else:
            part = _over((found.bias**2, found.variance)[which], found)
        return np.asarray(np.where(parts.used, part, np.nan))

    def _found(self, name: str) -> Found:
        """Of one parameter, (S, ...)."""
        return Found(self.bias[self._known(name)], self.variance[name], self.n_finite[name], self.bound(name))

    def _known(self, name: str) -> str:
        if name not in self.names:
            raise InvalidParameter(f"{name} was not judged; allowed: {', '.join(self.names)}")
        return name

    # Over all tissues

    @cached_property
    def scores(self) -> Mapping[str, Score]:
        """Numbers over all tissues, by parameter."""
        return {name: self._score(k) for k, name in enumerate(self.names)}

    @cached_property
    def overall(self) -> Score:
        """Numbers over all tissues and parameters (eq. 5)."""
        return self._score(len(self.names))

    def ratio_quantiles(self, name: str) -> FloatArray:
        """(S, 3) 5 %, 50 % and 95 % quantiles over the tissues of `std_ratio`."""
        ratios = self.std_ratio(name).reshape(self.snr.size, -1)
        return np.array([_quantiles(level[~np.isnan(level)]) for level in ratios])

    def verdicts(self, margin: float = 0.1, level: float = 0.05) -> dict[str, tuple[Verdict, ...]]:
        """Whether each parameter's estimates are efficient and unbiased, at each SNR.

        Parameters
        ----------
        margin
            How far from the bound is near: of bias^2/CRB from 0, and of variance/CRB from 1.
        level
            Probability with which any of the tests finds a deviation of estimates that have none.

        Raises
        ------
        InvalidParameter
            If a number is not between 0 and 1.
        """
        for option, value in (("margin", margin), ("level", level)):
            if not 0 < as_number(option, value) < 1:
                raise InvalidParameter(f"{option} is {value:g}; allowed: 0 < {option} < 1")
        n_tests = 3 * len(self.names) * self.snr.size
        return {
            name: tuple(self._verdict(name, k, n_tests, margin, level) for k in range(self.snr.size))
            for name in self.names
        }

    def _verdict(self, name: str, k: int, n_tests: int, margin: float, level: float) -> Verdict:
        found, score = self._found(name).part(k), self.scores[name]
        missing = self.realizations - found.n_finite[found.is_bounded & (found.n_finite >= 0)]
        p_bias, p_variance, p_spread = (float(np.minimum(1, n_tests * p)) for p in p_values(found, self.realizations))
        return Verdict(
            name=name,
            snr=float(self.snr[k]),
            p_bias=p_bias,
            p_variance=p_variance,
            p_spread=p_spread,
            bias_limit=float(score.bias_interval[k, 1]),
            spread_limit=float(np.max([score.spread_interval[k, 1], *np.abs(score.variance_interval[k] - 1)])),
            n_not_finite=int(missing.sum()),
            level=level,
            margin=margin,
        )

    @cached_property
    def _all(self) -> Found:
        """Of all parameters, (S, n, P)."""
        flat = [[values.reshape(self.snr.size, -1) for values in self._found(name)] for name in self.names]
        return Found(*(np.stack(kind, axis=-1) for kind in zip(*flat, strict=True)))

    @cached_property
    def _parts(self) -> Parts:
        return parts_of(self._all)

    @cached_property
    def _means(self) -> Means:
        return means_of(self._parts)

    def _score(self, column: int) -> Score:
        """Of the parameter of this number; of all together, if there is none of it."""
        every = slice(None) if column == len(self.names) else slice(column, column + 1)
        found = self._all.part((..., every))
        asked = found.n_finite >= 0
        means, low, high = (values[..., column] for values in self._means)
        intervals = np.stack([low, high], axis=-1)
        return Score(
            loss=means[0],
            loss_interval=intervals[0],
            bias_part=_mean_over(found.bias**2, found),
            variance_part=_mean_over(found.variance, found),
            bias_part_corrected=means[1],
            bias_interval=intervals[1],
            variance_part_corrected=means[2],
            variance_interval=intervals[2],
            spread=np.sqrt(np.maximum(means[3], 0)),
            spread_interval=np.sqrt(np.maximum(intervals[3], 0)),
            constant_loss=_mean_over(self._constant_errors[:, every] ** 2, found),
            n_tissues=found.used.sum(axis=(1, 2)),
            n_unbounded=(asked & ~found.is_bounded).sum(axis=(1, 2)),
            n_failed=(asked & found.is_bounded & ~found.used).sum(axis=(1, 2)),
            n_not_finite=np.where(asked, self.realizations - found.n_finite, 0).sum(axis=(1, 2)),
        )

    @property
    def _constant_errors(self) -> FloatArray:
        """(n, P) of the mean of the true values."""
        each = []
        for name in self.names:
            error = np.nanmean(self.truth[name]) - self.truth[name].ravel()
            each.append(modulo(error, self.omega0_period) if name == "omega0" else error)
        return np.stack(each, axis=-1)

    # As text, and in files

    def table(self, margin: float = 0.1) -> str:
        """The scores and verdicts as text, a block for each SNR.

        Parameters
        ----------
        margin
            Of the verdicts.
        """
        verdicts = self.verdicts(margin)
        scores = {**self.scores, "overall": self.overall}
        title = title_of(self.realizations, self.crb[self.names[0]].size)
        blocks = (
            level_table(
                f"SNR {level:g}",
                {name: (score, k) for name, score in scores.items()},
                {name: (np.sqrt(self.mse(name).total[k]), *self.ratio_quantiles(name)[k]) for name in self.names},
                {name: str(verdicts[name][k]) for name in self.names},
            )
            for k, level in enumerate(self.snr)
        )
        return "\n\n".join([title, *blocks])

    @staticmethod
    def compare(reports: Mapping[str, Evaluation]) -> str:
        """Several report cards side by side, as text: a block for each SNR and parameter, a line for each estimator.

        Parameters
        ----------
        reports
            By the names of the estimators.

        Raises
        ------
        InvalidParameter
            If there is none, or they have no parameter or SNR in common.
        """
        names, levels = common(list(reports.values()))
        blocks = (
            score_table(
                f"{name}, SNR {level:g}", {label: card._score_at(name, level) for label, card in reports.items()}
            )
            for level in levels
            for name in (*names, "overall")
        )
        return "\n\n".join(blocks)

    def _score_at(self, name: str, level: float) -> tuple[Score, int]:
        """The score of a parameter or of all, and where in it the level of the SNR stands."""
        score = self.overall if name == "overall" else self.scores[name]
        return score, int(np.flatnonzero(self.snr == level)[0])

    def __str__(self) -> str:
        return self.table()

    def __repr__(self) -> str:
        levels = ", ".join(f"{level:g}" for level in self.snr)
        return f"Evaluation({', '.join(self.names)}; shape {self.grid_shape}, SNR {levels}, {self.realizations} each)"

    def save(self, path: str | PathLike[str]) -> None:
        """Write everything as .npz: snr, realizations, names, settings (JSON), and KIND_NAME for every map.

        Raises
        ------
        InvalidData
            For another suffix.
        OSError
            If the file cannot be written; nothing is left behind then.
        """
        save_npz(path, "an evaluation is", self.as_arrays())

    def as_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What a file holds."""
        return arrays_of(vars(self))

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Evaluation:
        """Read what `save` wrote.

        Raises
        ------
        InvalidData
            If the file holds something else.
        OSError
            If it cannot be read.
        """
        return cls(**read(Path(path)))


def common(cards: list[Evaluation]) -> tuple[list[str], list[float]]:
    """Return the parameters and the levels of the SNR that all report cards have.

    Raises
    ------
    InvalidParameter
        If there are none.
    """
    names = [name for name in cards[0].names if all(name in card.names for card in cards)] if cards else []
    levels = [float(level) for level in cards[0].snr if all(level in card.snr for card in cards)] if cards else []
    if not names or not levels:
        raise InvalidParameter("reports must be one or more, with a parameter and an SNR that all of them have")
    return names, levels


def _mean(maps: FloatArray) -> FloatArray:
    """(S,) means of what is not NaN."""
    rows = maps.reshape(len(maps), -1)
    count = (~np.isnan(rows)).sum(axis=1)
    with np.errstate(invalid="ignore", over="ignore"):
        return np.asarray(np.nansum(rows, axis=1) / count)


def _over(values: FloatArray, found: Found) -> FloatArray:
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        return np.asarray(values / found.bound)


def _mean_over(values: FloatArray, found: Found) -> FloatArray:
    """(S,) mean of values over the bound, each (S, n, P), over what is used."""
    ratios = np.where(found.used, _over(values, found), 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(ratios.sum(axis=(1, 2)) / found.used.sum(axis=(1, 2)))


def _quantiles(values: FloatArray) -> FloatArray:
    return np.asarray(np.quantile(values, QUANTILES) if values.size else np.full(len(QUANTILES), np.nan))
