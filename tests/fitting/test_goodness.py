"""How good a fit is: the residual, chi^2 where the noise is known, and a warning where the data are not explained."""

import numpy as np
import pytest
import spinbound as sb

from tests.support.fits.short import BASE, DATA, SEQ, TRUTH, N, fitted
from tests.support.trains import noise

SIGMA = 1e-4


def test_goodness_is_that_of_the_residuals():
    fit = fitted(sigma=SIGMA)
    assert fit.goodness.median_residual == np.median(fit.residual)
    assert fit.goodness.residual_95 == np.percentile(fit.residual, 95)
    assert fit.goodness.median_chi_squared == np.median(fit.chi_squared)


def test_chi_squared_is_the_sum_of_squares_over_the_noise():
    fit = fitted(sigma=SIGMA)
    rest = DATA - sb.simulate(SEQ, fit.estimates)
    # 80 real numbers, 5 real unknowns
    assert fit.chi_squared == pytest.approx(np.sum(np.abs(rest) ** 2, axis=1) / SIGMA**2 / 75, rel=1e-6)


def test_chi_squared_has_the_distribution_of_its_name():
    truth = TRUTH[:1]
    data = sb.simulate(SEQ, truth) + noise((400, 40), 3, SIGMA)
    fixed = {name: value if np.ndim(value) == 0 else value[0] for name, value in BASE["fixed"].items()}
    fit = fitted(data, fixed=fixed, sigma=SIGMA)
    # variance 2/75 of each: 400 of them have a mean within 1 % and a variance within 7 %
    assert fit.chi_squared.mean() == pytest.approx(1, abs=4 * np.sqrt(2 / 75 / 400))
    assert fit.chi_squared.var() == pytest.approx(2 / 75, rel=0.3)


def test_correlated_noise_counts_as_what_it_is():
    rng, rank = np.random.default_rng(2), 10
    basis = sb.Basis.from_svd(DATA, rank, seq=SEQ)
    factor = SIGMA * np.linalg.cholesky(np.eye(rank) + 0.5 * np.eye(rank, k=1) + 0.5 * np.eye(rank, k=-1))
    data = sb.simulate(SEQ, TRUTH, basis=basis) + (rng.normal(size=(N, rank, 2)) @ [1, 1j]) @ factor.T
    fit = fitted(data, basis=basis, noise_covariance=factor @ factor.T)
    # 15 degrees of freedom, whose median is 0.956 of the mean; some voxels end in other minima
    assert np.median(fit.chi_squared) == pytest.approx(0.956, abs=4 * 1.25 * np.sqrt(2 / 15 / N))


def test_without_noise_there_is_no_chi_squared():
    fit = fitted()
    assert fit.chi_squared is None
    assert fit.goodness.median_chi_squared is None
    assert "chi_squared" not in fit.as_arrays()


def test_data_that_are_not_explained_are_warned_of():
    data = DATA + 0.02 * np.exp(1j * np.arange(40))
    with pytest.warns(UserWarning, match=r"the fit leaves .* % of the data in the median voxel: unless the noise"):
        fitted(data, check_data=False)
    with pytest.warns(UserWarning, match=r"the fit leaves .* in the median voxel \(chi\^2/dof .*\): data, sequence"):
        fitted(data, check_data=False, sigma=SIGMA)


def test_noise_is_no_reason_to_warn():
    sigma = 0.02
    for known in (sigma, None):  # given, or seen in successive samples
        fit = fitted(DATA + noise(DATA.shape, 1, sigma), sigma=known)
        assert fit.goodness.median_residual > 0.1


def test_a_summary_says_what_became_of_the_voxels_and_how_good_the_fit_is():
    lines = fitted(sigma=SIGMA).summary().splitlines()
    assert lines[0] == "fit of M0, m0s, R2f, B1"
    assert lines[1].startswith(f"{N} of {N}: converged")
    assert lines[2].startswith("residual: median 1.93 %, 95 % of voxels below ")
    assert lines[3].startswith("chi^2 per degree of freedom: ")


def test_nothing_fitted_has_no_goodness():
    goodness = fitted(mask=np.zeros(N)).goodness
    assert np.isnan(goodness.median_residual)
    assert not goodness.is_misfit()
    assert goodness.lines == ["residual: median -, 95 % of voxels below -"]
