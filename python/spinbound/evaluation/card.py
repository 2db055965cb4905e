"""The result of an evaluation, tissue by tissue and over all of them."""

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

from .card_file import as_arrays, read_card
from .pairs import modulo
from .score import Score, SquaredError
from .statistics import LossParts, Means, Statistics, Verdict, bootstrap_means, compute_parts, p_values
from .table import level_table, make_title, score_table

QUANTILES = (0.05, 0.5, 0.95)


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """The report card of an estimator; as text, a table.

    Maps have the shape (...) of the reference set's grid; along their first axis are the S levels of the SNR.

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
    achievable : dict of str to (S, ...)
        Mean squared errors that are achievable at each SNR with the prior of the tissues, as in `bayesian_crb`, for
        signals that are linear and a prior that is Gaussian; ``settings["prior"]`` says which prior. NaN: unknown.
    bias : dict of str to (S, ...)
        Mean of the finite estimates minus the truth (eq. 2).
    variance : dict of str to (S, ...)
        Mean square of the distance of the estimates from their mean (eq. 3).
    n_finite : dict of str to (S, ...) int32
        Number of finite estimates; -1 where the estimator was not asked.
    omega0_period : float
        omega0 counts modulo this period; else infinite.
    settings : dict
        The settings of the evaluation, as plain numbers and words.

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
    achievable: Mapping[str, FloatArray]
    bias: Mapping[str, FloatArray]
    variance: Mapping[str, FloatArray]
    n_finite: Mapping[str, npt.NDArray[np.int32]]
    omega0_period: float
    settings: Mapping[str, Any]

    # Numbers of every tissue

    @property
    def grid_shape(self) -> tuple[int, ...]:
        """The shape (...) of maps."""
        return self.crb[self.names[0]].shape

    def bound(self, name: str) -> FloatArray:
        """Return the Cramér-Rao bound (S, ...) of a parameter at each SNR."""
        return np.asarray(np.multiply.outer(self.snr**-2.0, self.crb[self._check_name(name)]))

    def std_ratio(self, name: str) -> FloatArray:
        """Return standard deviation over root of the bound (S, ...); NaN without a bound or without two estimates."""
        return np.asarray(np.sqrt(self.variance_part(name)))

    def bias_part(self, name: str, corrected: bool = False) -> FloatArray:
        """Return bias^2/CRB (S, ...); corrected for the number of realisations: unbiased, and sometimes negative."""
        return self._loss_part(name, 0, corrected)

    def variance_part(self, name: str, corrected: bool = False) -> FloatArray:
        """Return variance/CRB (S, ...); corrected: with N - 1 in the place of N."""
        return self._loss_part(name, 1, corrected)

    def loss(self, name: str) -> FloatArray:
        """Return mean squared error/CRB (S, ...) (eq. 4), the sum of both parts."""
        return self.bias_part(name) + self.variance_part(name)

    def mse(self, name: str) -> SquaredError:
        """Return the mean squared error over all tissues with two or more finite estimates, even without a bound."""
        known = self.n_finite[self._check_name(name)] > 1
        squared, variance = (
            _mean(np.where(known, values, np.nan)) for values in (self.bias[name] ** 2, self.variance[name])
        )
        return SquaredError(squared + variance, squared, variance)

    def _loss_part(self, name: str, which: int, corrected: bool) -> FloatArray:
        found = self._statistics(name)
        parts = compute_parts(found)
        if corrected:
            part = (parts.bias, parts.variance)[which]
        else:
            part = _divide_by_bound((found.bias**2, found.variance)[which], found)
        return np.asarray(np.where(parts.used, part, np.nan))

    def _statistics(self, name: str) -> Statistics:
        """Return the statistics (S, ...) of one parameter."""
        return Statistics(self.bias[self._check_name(name)], self.variance[name], self.n_finite[name], self.bound(name))

    def _check_name(self, name: str) -> str:
        if name not in self.names:
            raise InvalidParameter(f"{name} was not judged; allowed: {', '.join(self.names)}")
        return name

    # Numbers over all tissues

    @cached_property
    def scores(self) -> Mapping[str, Score]:
        """Numbers over all tissues, by parameter."""
        return {name: self._compute_score(k) for k, name in enumerate(self.names)}

    @cached_property
    def overall(self) -> Score:
        """Numbers over all tissues and parameters (eq. 5)."""
        return self._compute_score(len(self.names))

    def ratio_quantiles(self, name: str) -> FloatArray:
        """Return the quantiles (S, 3) 5 %, 50 % and 95 % of `std_ratio` over the tissues."""
        ratios = self.std_ratio(name).reshape(self.snr.size, -1)
        return np.array([_quantiles(level[~np.isnan(level)]) for level in ratios])

    def verdicts(self, margin: float = 0.1, level: float = 0.05) -> dict[str, tuple[Verdict, ...]]:
        """Judge whether each parameter's estimates are efficient and unbiased, at each SNR.

        Parameters
        ----------
        margin
            Largest distance from the bound that counts as near: of bias^2/CRB from 0, and of variance/CRB from 1.
        level
            Probability with which any of the tests finds a deviation of estimates that have none.

        Returns
        -------
        dict of str to tuple of Verdict
            By parameter, a verdict for each SNR.

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
            name: tuple(self._judge(name, k, n_tests, margin, level) for k in range(self.snr.size))
            for name in self.names
        }

    def _judge(self, name: str, k: int, n_tests: int, margin: float, level: float) -> Verdict:
        found, score = self._statistics(name).select(k), self.scores[name]
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
    def _all_statistics(self) -> Statistics:
        """The statistics (S, n, P) of all parameters."""
        flat = [[values.reshape(self.snr.size, -1) for values in self._statistics(name)] for name in self.names]
        return Statistics(*(np.stack(kind, axis=-1) for kind in zip(*flat, strict=True)))

    @cached_property
    def _parts(self) -> LossParts:
        return compute_parts(self._all_statistics)

    @cached_property
    def _means(self) -> Means:
        return bootstrap_means(self._parts)

    def _compute_score(self, column: int) -> Score:
        """Compute the score of the parameter in a column; the column after the last stands for all together."""
        every = slice(None) if column == len(self.names) else slice(column, column + 1)
        found = self._all_statistics.select((..., every))
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
            achievable_loss=_mean_over(self._achievable[..., every], found),
            constant_loss=_mean_over(self._constant_errors[:, every] ** 2, found),
            n_tissues=found.used.sum(axis=(1, 2)),
            n_unbounded=(asked & ~found.is_bounded).sum(axis=(1, 2)),
            n_failed=(asked & found.is_bounded & ~found.used).sum(axis=(1, 2)),
            n_not_finite=np.where(asked, self.realizations - found.n_finite, 0).sum(axis=(1, 2)),
        )

    @property
    def _achievable(self) -> FloatArray:
        """Mean squared errors (S, n, P) that are achievable."""
        return np.stack([self.achievable[name].reshape(self.snr.size, -1) for name in self.names], axis=-1)

    @property
    def _constant_errors(self) -> FloatArray:
        """Errors (n, P) of the mean of the true values, as an estimate."""
        each = []
        for name in self.names:
            error = np.nanmean(self.truth[name]) - self.truth[name].ravel()
            each.append(modulo(error, self.omega0_period) if name == "omega0" else error)
        return np.stack(each, axis=-1)

    # As text, and in files

    def table(self, margin: float = 0.1) -> str:
        """Format the scores and verdicts as text, a block for each SNR.

        Parameters
        ----------
        margin
            Margin of the verdicts.
        """
        verdicts = self.verdicts(margin)
        scores = {**self.scores, "overall": self.overall}
        title = make_title(self.realizations, self.crb[self.names[0]].size, self.settings.get("prior", "no prior"))
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
        """Format report cards side by side: a block for each SNR and parameter, a line for each estimator.

        Parameters
        ----------
        reports
            The report cards by the names of the estimators.

        Returns
        -------
        str
            Tables.

        Raises
        ------
        InvalidParameter
            If there is none, or they have no parameter or SNR in common.
        """
        names, levels = find_common(list(reports.values()))
        blocks = (
            score_table(
                f"{name}, SNR {level:g}", {label: card._score_at(name, level) for label, card in reports.items()}
            )
            for level in levels
            for name in (*names, "overall")
        )
        return "\n\n".join(blocks)

    def _score_at(self, name: str, level: float) -> tuple[Score, int]:
        """Return the score of a parameter or of all, and the index of the level of the SNR in it."""
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
            For another suffix than .npz.
        OSError
            If the file cannot be written; no incomplete file remains then.
        """
        save_npz(path, "an evaluation is", self.as_arrays())

    def as_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays of a file."""
        return as_arrays(vars(self))

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Evaluation:
        """Read a file that `save` wrote.

        Parameters
        ----------
        path
            The file.

        Returns
        -------
        Evaluation
            With the same numbers, to the bit.

        Raises
        ------
        InvalidData
            If the file holds something else.
        OSError
            If it cannot be read.
        """
        return cls(**read_card(Path(path)))


def find_common(cards: list[Evaluation]) -> tuple[list[str], list[float]]:
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
    """Return means (S,) of all values but NaN."""
    rows = maps.reshape(len(maps), -1)
    count = (~np.isnan(rows)).sum(axis=1)
    with np.errstate(invalid="ignore", over="ignore"):
        return np.asarray(np.nansum(rows, axis=1) / count)


def _divide_by_bound(values: FloatArray, found: Statistics) -> FloatArray:
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        return np.asarray(values / found.bound)


def _mean_over(values: FloatArray, found: Statistics) -> FloatArray:
    """Return the mean (S,) of values over the bound, each (S, n, P), over all tissues that are used."""
    ratios = np.where(found.used, _divide_by_bound(values, found), 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(ratios.sum(axis=(1, 2)) / found.used.sum(axis=(1, 2)))


def _quantiles(values: FloatArray) -> FloatArray:
    return np.asarray(np.quantile(values, QUANTILES) if values.size else np.full(len(QUANTILES), np.nan))
