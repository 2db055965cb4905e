"""The minimiser of fits: certified problems of NIST, bounds, priors, and what a model can do to it."""

import numpy as np
import pytest
from scipy.optimize import least_squares, lsq_linear
from spinbound import _core

from tests.support.problems.mgh_models import HOPELESS, PROBLEMS, rosenbrock
from tests.support.problems.nist_models import MODELS, read_problem

NONE = (0.0, 0.0, 0.0)  # of gradient, step and cost: stop where nothing is left to be gained
DEFAULT = (1e-10, 1e-10, 1e-10)
STARTS = pytest.mark.parametrize("start", [0, 1])
# The data of Lanczos1 have 14 digits: in double precision its residual is rounding.
WITH_RESIDUAL = [name for name in MODELS if name != "Lanczos1"]
MULTIPLES = [(name, factor) for name in PROBLEMS for factor in (1, 10, 100) if (name, factor) not in HOPELESS]


def fit(evaluate, start, low=-np.inf, high=np.inf, prior=None, rules=NONE, max_iterations=3000):
    """The minimiser after its last evaluation; a model without finite values is refused."""
    start, low, high = np.array(np.broadcast_arrays(start, low, high), dtype=float)
    state = _core.LeastSquares(start, low, high, prior=prior, stopping=(*rules, max_iterations))
    while state.outcome == "running":
        assert np.all((low <= state.trial) & (state.trial <= high))
        with np.errstate(all="ignore"):
            r, J = evaluate(state.trial)
        state.take(J, r)
    return state


def std(state, dof):
    """Standard errors of unknowns where the variance of the data is estimated from the residual."""
    return np.sqrt(np.sum(np.linalg.inv(state.factor) ** 2, axis=1) * state.cost / dof)


def digits(found, certified):
    """The least -log10 of a relative error; the certified numbers have 11 digits."""
    worst = np.max(np.abs(found - certified) / np.abs(certified))
    return min(11.0, -np.log10(worst + 1e-20))


def linear(A, y):
    return lambda x: (A @ x - y, A)


def random_linear(rng, n, m):
    """A problem with columns of different size, and a box about 0 that cuts the minimum off in some of them."""
    A = rng.standard_normal((m, n)) * 10 ** rng.uniform(-3, 3, n)
    size = 0.3 / np.linalg.norm(A, axis=0)
    return A, rng.standard_normal(m), -rng.exponential(size), rng.exponential(size)


# Known values


@pytest.fixture(scope="module")
def certified():
    """Fits of all problems of NIST from both starts."""
    fits = {}
    for name in MODELS:
        problem = read_problem(name)
        for start in (0, 1):
            fits[name, start] = problem, fit(problem.evaluate, problem.starts[start])
    return fits


@STARTS
@pytest.mark.parametrize("name", MODELS)
def test_estimate_is_the_certified_one(certified, name, start):
    problem, state = certified[name, start]
    # four digits are NIST's own measure of a solved problem; all that are solved have six
    assert digits(state.estimate, problem.certified) >= 6
    assert state.outcome in ("gradient", "step", "cost")


def test_estimates_have_nine_digits_on_average(certified):
    assert np.mean([digits(state.estimate, problem.certified) for problem, state in certified.values()]) >= 9


@STARTS
@pytest.mark.parametrize("name", WITH_RESIDUAL)
def test_standard_errors_are_the_certified_ones(certified, name, start):
    problem, state = certified[name, start]
    assert digits(std(state, problem.y.size - problem.certified.size), problem.std) >= 6


@pytest.mark.parametrize("name", MODELS)
def test_default_rules_stop_within_a_thousandth_of_a_standard_error(name):
    problem = read_problem(name)
    state = fit(problem.evaluate, problem.starts[1], rules=DEFAULT)
    error = np.abs(state.estimate - problem.certified)
    # the certified numbers of Lanczos1 are themselves uncertain by more than its standard errors
    assert np.all(error <= np.maximum(1e-3 * problem.std, 1e-9 * np.abs(problem.certified)))


@pytest.mark.parametrize("name, factor", MULTIPLES)
def test_problem_of_more_garbow_and_hillstrom_ends_in_a_known_minimum(name, factor):
    evaluate, start, known = PROBLEMS[name]
    state = fit(evaluate, factor * np.array(start))
    best = min(known, key=lambda cost: abs(state.cost - cost))
    assert state.cost == pytest.approx(best, rel=1e-4, abs=1e-12)


# Bounds


def test_bounded_linear_problems_end_where_scipy_ends():
    rng = np.random.default_rng(1)
    n_stopped = 0
    for _ in range(300):
        n = int(rng.integers(1, 13))
        A, y, low, high = random_linear(rng, n, int(rng.integers(n, 40)))
        state = fit(linear(A, y), rng.uniform(low, high), low, high)
        expected = lsq_linear(A, y, (low, high), method="bvls", tol=1e-14, max_iter=1000)
        assert state.cost <= 2 * expected.cost * (1 + 1e-10)  # of some hundred roundings of sums
        for bound in (low, high):  # scipy ends within an ulp of a bound
            assert np.array_equal(state.estimate == bound, np.isclose(expected.x, bound, rtol=1e-13, atol=0))
        n_stopped += np.sum((state.estimate == low) | (state.estimate == high))
    assert n_stopped > 300


@pytest.mark.parametrize("name", ["Misra1a", "Chwirut2", "Rat43", "Thurber", "Gauss1", "MGH17"])
def test_bounded_regressions_end_no_higher_than_scipy(name):
    problem = read_problem(name)
    start, rng = problem.starts[1], np.random.default_rng(2)
    residual, jacobian = (lambda b, which=which: problem.evaluate(b)[which] for which in (0, 1))
    tight = {"x_scale": "jac", "xtol": 1e-15, "ftol": 1e-15, "gtol": 1e-15, "max_nfev": 3000}
    for _ in range(4):
        # the minimum lies outside in about half of the unknowns
        edge = problem.certified * rng.uniform(0.9, 1.1, problem.certified.size)
        low, high = np.sort([edge, 2 * start - edge], axis=0)
        state = fit(problem.evaluate, start, low, high)
        expected = least_squares(residual, start, jacobian, (low, high), **tight)
        assert state.cost <= 2 * expected.cost * (1 + 1e-6)  # scipy stops short of a bound


def test_start_outside_the_box_is_moved_to_its_nearest_point():
    state = _core.LeastSquares([3.0, -7.0, 0.5], [0, 0, 0], [1, 1, 1], stopping=(*NONE, 10))
    assert np.array_equal(state.trial, [1, 0, 0.5])


def test_unknown_between_equal_bounds_keeps_their_bits():
    A, y = np.random.default_rng(3).standard_normal((20, 3)), np.ones(20)
    state = fit(linear(A, y), [0, 0, 0], [-np.inf, 0.1, -np.inf], [np.inf, 0.1, np.inf])
    assert state.estimate[1] == 0.1
    others = np.linalg.lstsq(A[:, [0, 2]], y - 0.1 * A[:, 1], rcond=None)[0]
    assert state.estimate[[0, 2]] == pytest.approx(others, rel=1e-12)


def test_unknown_leaves_a_bound_that_it_started_at():
    problem = read_problem("Misra1a")
    state, at_bound = (fit(problem.evaluate, start, low=0) for start in (problem.starts[1], [250.0, 0.0]))
    assert at_bound.estimate == pytest.approx(state.estimate, rel=1e-8)


# Hard and degenerate models


def test_rosenbrocks_valley_is_followed_to_its_end():
    state = fit(rosenbrock, [-1.2, 1], rules=DEFAULT)
    assert state.estimate == pytest.approx([1, 1], rel=1e-10)
    assert state.iterations < 40


def test_bound_across_rosenbrocks_valley_stops_there():
    state = fit(rosenbrock, [-1.2, 1], [-2, -2], [0.5, 2])
    assert state.estimate[0] == 0.5
    assert state.estimate[1] == pytest.approx(0.25, rel=1e-10)


def test_residual_of_exactly_zero_stops():
    state = fit(linear(np.eye(2), np.array([1.0, 2.0])), [1, 2])
    assert (state.outcome, state.cost, state.iterations) == ("gradient", 0, 0)


def test_column_of_zeros_leaves_its_unknown_where_it_is():
    A = np.array([[1.0, 0, 2], [3, 0, 4], [5, 0, 7]])
    state = fit(linear(A, np.ones(3)), [0, 0.7, 0])
    assert state.estimate[1] == 0.7
    assert state.estimate[[0, 2]] == pytest.approx(np.linalg.lstsq(A[:, [0, 2]], np.ones(3), rcond=None)[0], rel=1e-12)


def test_equal_columns_determine_their_sum():
    A = np.random.default_rng(4).standard_normal((20, 2))[:, [0, 1, 0]]
    state = fit(linear(A, np.ones(20)), [1, 1, 1], rules=DEFAULT)
    expected = np.linalg.lstsq(A[:, :2], np.ones(20), rcond=None)
    assert state.cost == pytest.approx(expected[1][0], rel=1e-12)
    assert state.estimate[0] + state.estimate[2] == pytest.approx(expected[0][0], rel=1e-9)


def test_fewer_samples_than_unknowns_are_met_exactly():
    A = np.random.default_rng(5).standard_normal((3, 5))
    state = fit(linear(A, np.ones(3)), np.zeros(5), rules=DEFAULT)
    assert A @ state.estimate == pytest.approx(np.ones(3), rel=1e-9)
    assert state.factor.T @ state.factor == pytest.approx(A.T @ A, rel=1e-12)


def test_many_samples_give_the_factor_of_the_whole_jacobian():
    rng = np.random.default_rng(6)
    A, y = rng.standard_normal((2300, 9)) * 10 ** rng.uniform(-6, 6, 9), rng.standard_normal(2300)
    state = fit(linear(A, y), np.zeros(9), max_iterations=1)
    norm = np.linalg.norm(A, axis=0)
    expected = np.linalg.qr(A / norm, mode="r")
    assert np.abs(state.factor / norm) == pytest.approx(np.abs(expected), abs=1e-14)


def log_model(x):
    """ln(x t), which has no value for x <= 0."""
    t = np.arange(1.0, 6)
    return np.log(x[0] * t) - np.log(2 * t), np.full((5, 1), 1 / x[0])


def test_region_without_values_is_left_alone():
    state = fit(log_model, [40.0], rules=DEFAULT)  # an undamped step ends at -79
    assert state.estimate == pytest.approx([2], rel=1e-10)


@pytest.mark.parametrize("where", ["r", "J"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_value_that_is_no_number_is_refused(where, value):
    state = _core.LeastSquares([1.0], [-5.0], [5.0], stopping=(*NONE, 10))
    assert state.take(np.ones((2, 1)), np.ones(2))
    r, J = np.zeros(2), np.ones((2, 1))
    {"r": r, "J": J}[where][1] = value
    assert not state.take(J, r)
    assert state.estimate == [1]
    assert state.outcome == "running"


def test_fit_fails_where_the_model_has_no_value_at_the_start():
    state = _core.LeastSquares([1.0], [-5.0], [5.0], stopping=(*NONE, 10))
    state.refuse()
    assert state.outcome == "failed"


def test_fit_fails_after_ten_refusals_in_a_row_and_keeps_its_estimate():
    state = _core.LeastSquares([1.0], [-5.0], [5.0], stopping=(*NONE, 100))
    state.take(np.ones((2, 1)), np.ones(2))
    refusals = 0
    while state.outcome == "running":
        state.refuse()
        refusals += 1
    assert (state.outcome, refusals) == ("failed", 11)
    assert (state.estimate, state.cost) == ([1], 2)


def test_evaluations_after_the_first_are_limited():
    problem = read_problem("MGH09")
    state = fit(problem.evaluate, problem.starts[0], max_iterations=3)
    assert (state.outcome, state.iterations) == ("max_iterations", 3)


# Invariance


def test_prior_is_a_row_of_the_jacobian():
    problem = read_problem("Chwirut2")
    mean, weight = problem.certified * [1.1, 0.9, 1.05], np.array([30.0, 0, 2000])

    def with_rows(b):
        r, J = problem.evaluate(b)
        return np.concatenate([r, weight * (b - mean)]), np.vstack([J, np.diag(weight)])

    state = fit(problem.evaluate, problem.starts[1], prior=(mean, weight))
    rows = fit(with_rows, problem.starts[1])
    assert state.estimate == pytest.approx(rows.estimate, rel=1e-8)
    assert state.cost == pytest.approx(rows.cost, rel=1e-12)
    assert np.abs(state.factor) == pytest.approx(np.abs(rows.factor), rel=1e-6, abs=1e-9 * np.max(np.abs(rows.factor)))
    assert digits(state.estimate, problem.certified) < 3


@pytest.mark.parametrize(
    "of_data, of_unknowns", [*((power, [0] * 7) for power in (-300, -40, 40, 300)), (0, [3, -20, 0, 7, 1, -1, 12])]
)
def test_power_of_two_in_data_and_model_or_in_an_unknown_changes_no_bit(of_data, of_unknowns):
    problem = read_problem("Thurber")
    scale, unit = 2.0**of_data, 2.0 ** np.array(of_unknowns)

    def scaled(b):
        r, J = problem.evaluate(b / unit)
        return scale * r, scale * J / unit

    plain, state = fit(problem.evaluate, problem.starts[1]), fit(scaled, unit * problem.starts[1])
    assert state.estimate.tobytes() == (unit * plain.estimate).tobytes()
    assert state.factor.tobytes() == (scale * plain.factor / unit).tobytes()
    assert (state.iterations, state.outcome) == (plain.iterations, plain.outcome)


def test_a_start_without_influence_is_left():
    def square(x):
        return np.array([x[0] ** 2 - 1, x[1] - 2]), np.array([[2 * x[0], 0], [0, 1.0]])

    state = fit(square, [0.0, 0.0], [-3, -5], [3, 5])
    assert np.abs(state.estimate) == pytest.approx([1, 2], abs=1e-9)

    def product(x):  # nothing depends on x1 where x0 = 0; x0 is at its limit there
        return np.array([x[0] * x[1] - 6, x[0] - 2]), np.array([[x[1], x[0]], [1.0, 0]])

    state = fit(product, [0.0, -1.0], [0, -5], [5, 5])
    assert state.estimate == pytest.approx([2, 3], abs=1e-9)


def test_a_start_without_influence_is_left_within_infinite_limits_by_nothing():
    state = fit(lambda x: (np.array([1.0]), np.zeros((1, 1))), [0.5])
    assert (state.outcome, state.estimate[0]) == ("gradient", 0.5)
