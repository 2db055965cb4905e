"""Fits find the minimum: that of the truth without noise, and that of an independent solver with it; and say how sure
they are."""

from functools import lru_cache

import numpy as np
import pytest
import spinbound as sb
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import least_squares

from tests.support.fits.hybrid import BASIS, HYBRID, NAMES, START, TRUTH, others, refitted
from tests.support.strategies import tissues
from tests.support.trains import noise, smooth_train

FREE = (*NAMES, "M0")
SHORT = smooth_train(60)
FEW = ("M0", "m0s", "R1f", "R2f", "B1")  # what 60 pulses tell well


def deviation(fit, truth=TRUTH, names=None):
    """The largest relative one of all parameters and voxels."""
    return max(np.max(np.abs(fit.estimates[name] / truth[name] - 1)) for name in names or fit.free)


# Without noise


@pytest.fixture(scope="module")
def published(published_data, published_train):
    with np.load(published_data / "published_basis.npz") as content:
        return published_train, sb.Basis(content["vectors"][:, :13], seq=published_train)


@pytest.mark.parametrize("in_basis", [False, True])
@pytest.mark.parametrize("projected", [True, False])
def test_all_parameters_return_from_the_published_train(published, in_basis, projected):
    seq, basis = published[0], published[1] if in_basis else None
    data = sb.simulate(seq, TRUTH, basis=basis)
    start = START if projected else START | {"M0": 1}
    fit = sb.fit(data, seq, basis, free=FREE, start=start, variable_projection=projected)
    assert fit.status[()] in (sb.FitStatus.step, sb.FitStatus.cost, sb.FitStatus.gradient)
    # rounding errors of the signal times the condition of the problem; asked for are 1e-6
    assert deviation(fit) < 1e-9
    assert fit.residual < 1e-10


@pytest.mark.parametrize("in_basis", [False, True])
def test_all_parameters_return_from_the_bundled_train(in_basis):
    basis = BASIS if in_basis else None
    data = sb.simulate(HYBRID, TRUTH, basis=basis)
    fit = sb.fit(data, HYBRID, basis, free=FREE, start=START)
    assert fit.converged
    assert deviation(fit) < 1e-9
    assert fit.estimates.shape == fit.status.shape == fit.std["m0s"].shape == ()


def test_two_trains_tell_together_what_neither_tells_alone():
    ramp = smooth_train(40, alpha=np.linspace(0.1, 1.2, 40), TRF=np.full(40, 3e-4), gradient_moment="balanced")
    trains = [SHORT, smooth_train(60, TR=6e-3), ramp]
    names = ("M0", "m0s", "R1f", "R2f", "Rex", "omega0", "B1")
    together, alone = (refitted(seq, TRUTH, names, sigma=1e-4) for seq in (trains, SHORT))
    assert deviation(together) < 1e-8
    assert all(together.std[name] < alone.std[name] for name in names)


@pytest.mark.parametrize(
    ("model", "lineshape"),
    [("hybrid", "superlorentzian"), ("graham", "superlorentzian"), ("graham-single-frequency", "gaussian"),
     ("sled", "superlorentzian")],
)  # fmt: skip
def test_every_model_can_be_fitted(model, lineshape):
    fit = refitted(SHORT, TRUTH, FEW, 1.05, model=sb.Model(model, lineshape))
    assert fit.settings["model"] == model
    assert deviation(fit) < 1e-8


def test_one_pool_is_fitted_without_the_other():
    truth, names = TRUTH.replace(m0s=0), ("M0", "R1f", "R2f", "B1")
    fit = refitted(SHORT, truth, names, 1.05, fixed={"m0s": 0, "omega0": 100}, model="bloch")
    assert deviation(fit, truth) < 1e-8


@pytest.mark.parametrize("names", [("T1a", "T2f"), ("R1a", "R2f"), ("T1f", "R1s"), ("T2f", "T1s"), ("R1f",)])
def test_derived_parameters_are_unknowns_like_the_others(names):
    truth = TRUTH.replace(R1f=1.5, R1s=1.5)
    names = ("M0", "m0s", *names)
    fit = refitted(HYBRID, truth, names, 1.2)
    assert deviation(fit, truth) < 1e-9
    assert fit.free == names


@settings(max_examples=15)
@given(tissues((3,)), st.sets(st.sampled_from(NAMES), min_size=1, max_size=3))
def test_any_parameters_are_found_where_maps_tell_the_others(truth, names):
    # of arbitrary tissues a part may lie in another minimum: a start beside the truth says that the maps are used
    names = ("M0", *names)
    fit = refitted(HYBRID, truth, names, 1 + 1e-4)
    assert np.max(fit.residual) < 1e-9
    assert all(np.array_equal(fit.estimates[name], known) for name, known in others(names, truth).items())


def test_a_known_M0_is_no_unknown():
    fit = refitted(HYBRID, TRUTH, ("R2f", "m0s"), start={"R2f": 12, "m0s": 0.1}, covariance=True)
    assert deviation(fit) < 1e-10
    assert (fit.covariance.shape, fit.estimates["M0"]) == ((2, 2), 2 - 1j)
    assert list(fit.std) == ["R2f", "m0s"]


# Against scipy


def reference(data, seq, start, limits, basis=None, W=None, sigma=1.0, prior=None):
    """The minimum that scipy finds with our derivatives, NAMES, Re M0 and Im M0, and the inverse of J^T J there."""
    mean, std = prior or (np.zeros(0), np.zeros(0))

    def whitened(values):
        values = values if W is None else W @ values
        return np.concatenate([values.real, values.imag]) / sigma

    @lru_cache(maxsize=1)  # scipy asks for residual and Jacobian one by one
    def model(*x):
        s, J = sb.sensitivities(seq, sb.Tissue(**dict(zip(NAMES, x, strict=False))), wrt=NAMES, basis=basis)
        M0 = x[-2] + 1j * x[-1]
        rows = whitened(np.column_stack([M0 * J, s, 1j * s]))
        r = np.concatenate([whitened(M0 * s - data), (x[: len(mean)] - mean) / std])
        return r, np.concatenate([rows, np.eye(len(mean), len(x)) / std[:, None]])

    exact = {"xtol": 1e-15, "ftol": 1e-15, "gtol": 1e-15}
    found = least_squares(lambda x: model(*x)[0], start, lambda x: model(*x)[1], limits, x_scale="jac", **exact)
    J = model(*found.x)[1]
    norm = np.linalg.norm(J, axis=0)
    return found.x, np.linalg.inv((J / norm).T @ (J / norm)) / np.outer(norm, norm)


CASES = {"time": {}, "basis": {"basis": BASIS}, "covariance": {"basis": BASIS, "covariance": True},
         "prior": {"prior": True}, "everything": {"basis": BASIS, "covariance": True, "prior": True}}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("projected", [True, False])
def test_an_independent_solver_finds_the_same_minimum(case, projected):
    basis, sigma = case.get("basis"), 2e-3
    rng = np.random.default_rng(5)
    noises, W, options = noise((1142 if basis is None else 13,), 5, sigma), None, {"sigma": sigma}
    if case.get("covariance"):
        root = sigma * (np.eye(13) + 0.3 * rng.normal(size=(13, 13, 2)) @ [1, 1j])
        C = root @ root.conj().T
        W, noises = np.linalg.inv(np.linalg.cholesky(C)), root @ noises / sigma
        options, sigma = {"noise_covariance": C}, 1.0
    if case.get("prior"):
        options["prior"] = {"m0s": (0.16, 0.005), "R1f": (0.52, 0.01)}
    data = sb.simulate(HYBRID, TRUTH, basis=basis) + noises
    truth = [TRUTH[name] for name in NAMES]
    start = dict(zip(NAMES, truth, strict=True)) | ({} if projected else {"M0": 2 - 1j})
    fit = sb.fit(data, HYBRID, basis, free=FREE, start=start, tolerance=0, covariance=True,
                 variable_projection=projected, **options)  # fmt: skip
    limits = np.array([fit.settings["bounds"][name] for name in NAMES] + [[-np.inf, np.inf]] * 2).T
    prior = (np.array([0.16, 0.52]), np.array([0.005, 0.01])) if case.get("prior") else None
    x, covariance = reference(data, HYBRID, [*truth, 2, -1], limits, basis, W, sigma, prior)
    M0 = fit.estimates["M0"]
    found = np.array([*(fit.estimates[name] for name in NAMES), M0.real, M0.imag])
    # scipy stops where the sum of squares falls by less than 1e-15 of it
    assert np.max(np.abs(found - x) / np.sqrt(np.diag(covariance))) < 1e-5
    # derivatives at points that far apart, and the condition of the normal equations
    assert fit.covariance == pytest.approx(covariance, rel=1e-4, abs=0)


# Standard errors


def test_standard_errors_are_the_bounds_at_the_estimate():
    data = sb.simulate(HYBRID, TRUTH) + noise((3, 1142), 0, 1e-3)
    sigma = np.array([1e-3, 2e-3, 5.0])
    fit = sb.fit(data, HYBRID, free=FREE, start=START, sigma=sigma)
    bound = sb.crb(HYBRID, fit.estimates, FREE, sigma)
    assert np.array_equal(fit.sigma, sigma)
    for name in FREE:
        # the same Jacobian, factorised in another order
        assert fit.std[name] == pytest.approx(np.sqrt(bound[name]), rel=1e-7)
        assert fit.std[name][1] > fit.std[name][0]


def test_covariances_are_in_the_order_of_the_free_parameters():
    free = ("m0s", "M0", "T2f", "R1a")
    fit = refitted(HYBRID, TRUTH.replace(R1a=0.8), free, noise=noise((1142,), 1, 1e-3), covariance=True)
    expected = np.linalg.inv(sb.fisher(HYBRID, fit.estimates, free, fit.sigma))
    assert fit.covariance == pytest.approx(expected, rel=1e-7, abs=1e-9 * np.abs(expected).max())
    assert fit.std["M0"] == pytest.approx(np.sqrt(expected[1, 1] + expected[2, 2]), rel=1e-7)
    assert fit.std["T2f"] == pytest.approx(np.sqrt(expected[3, 3]), rel=1e-7)


@pytest.mark.parametrize("basis", [None, BASIS], ids=["time", "basis"])
@pytest.mark.parametrize("known_M0", [False, True])
def test_noise_estimated_from_the_residual_is_right_on_average(basis, known_M0):
    names = ("m0s", "R1f", "R2f", "B1")
    free = names if known_M0 else ("M0", *names)
    n = 13 if basis else 1142
    sigma, n_voxels = 1e-4, 400
    data = sb.simulate(HYBRID, TRUTH, basis=basis) + noise((n_voxels, n), 3, sigma)
    start = {name: TRUTH[name] for name in names}
    fit = sb.fit(data, HYBRID, basis, free=free, start=start, fixed=others(free))
    freedom = 2 * n - len(names) - 2 * (not known_M0)
    # sum of chi^2 of so many degrees: 4 standard errors. A count wrong by one would be off by 20 or more in the basis
    chi2 = np.sum((fit.sigma / sigma) ** 2) * freedom
    assert abs(chi2 - n_voxels * freedom) < 4 * np.sqrt(2 * n_voxels * freedom)


def test_without_a_degree_of_freedom_the_noise_is_unknown():
    basis = sb.Basis(BASIS.vectors[:, :2], seq=HYBRID)
    data = sb.simulate(HYBRID, TRUTH, basis=basis)
    free = ("M0", "R1f", "m0s")
    fit = sb.fit(data, HYBRID, basis, free=free, start={"R1f": 0.45, "m0s": 0.16}, fixed=others(free))
    assert np.isnan(fit.sigma)
    assert np.isnan(fit.std["R1f"])
    assert deviation(fit) < 1e-8


def test_errors_of_derived_quantities_follow_by_the_delta_method():
    truth, options = TRUTH.replace(R1a=0.8), {"noise": noise((4, 1142), 2, 1e-3), "covariance": True, "tolerance": 0}
    rates, times = (
        refitted(HYBRID, truth, ("M0", *names), **options) for names in (("m0s", "R1a", "T2f"), ("m0s", "T1a", "R2f"))
    )
    # the minimum of the one is that of the other, to 1e-6 of a standard error
    assert rates.std_of("T1a") == pytest.approx(times.std["T1a"], rel=1e-6)
    assert rates.std_of("R2f") == pytest.approx(times.std["R2f"], rel=1e-6)
    assert rates.std_of("T1f") == pytest.approx(rates.std_of("T1a"))
    assert np.array_equal(rates.std_of("m0s"), rates.std["m0s"])
    # of a function of two
    m0s, R1a = rates.estimates["m0s"], rates.estimates["R1a"]
    C = rates.covariance[:, [2, 3]][:, :, [2, 3]]
    g = np.stack([R1a, m0s], axis=-1)
    expected = np.sqrt(np.einsum("ni,nij,nj->n", g, C, g))
    assert rates.std_of({"m0s": R1a, "R1a": m0s}) == pytest.approx(expected)


def test_errors_of_what_is_not_fitted_are_refused():
    fit = refitted(SHORT, TRUTH, ("M0", "m0s", "R2f"))
    for asked, message in [
        ("R1f", "no free parameter of the tissue determines R1f; free are: M0, m0s, R2f"),
        ("M0", "no free parameter of the tissue determines M0"),
        ("R3", "a parameter's name is 'R3'"),
        ({"B1": 1}, "B1 is not free in the tissue; free are: m0s, R2f"),
        ({"m0s": 1, "R2f": 1}, "needs covariance=True"),
        ({"m0s": "a"}, "the derivative by m0s must be real numbers"),
        ({"m0s": np.ones(99)}, r"the derivative by m0s has shape \(99,\)"),
    ]:
        with pytest.raises(sb.InvalidParameter, match=message):
            fit.std_of(asked)
