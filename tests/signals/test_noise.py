"""Correlated noise of coefficients: bounds against the whitened problem, estimates of its covariance."""

import numpy as np
import pytest
import spinbound as sb

from tests.support.trains import WHITE_MATTER, random_tissues, smooth_train

SEQ, RANK = smooth_train(), 5
NAMES = ("M0", "m0s", "R1f", "R2f")
BASIS = sb.Basis(np.linalg.qr(np.random.default_rng(0).normal(size=(60, RANK)))[0], seq=SEQ)


def covariances(n=None, seed=1):
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(*(() if n is None else (n,)), RANK, RANK, 2)) @ [1, 1j]
    return A @ np.swapaxes(A.conj(), -1, -2) + 0.1 * np.eye(RANK)


def expected_fisher(tissue, C):
    """Re(J^H C^-1 J) of one voxel, M0 as two columns."""
    J = sb.sensitivities(SEQ, tissue, NAMES, basis=BASIS)[1]
    J = np.insert(J, 1, 1j * J[:, 0], axis=1)
    return (J.conj().T @ np.linalg.solve(C, J)).real


def test_white_noise_is_that_of_sigma():
    C = 0.3**2 * np.eye(RANK)
    assert sb.fisher(SEQ, WHITE_MATTER, NAMES, basis=BASIS, noise_covariance=C) == pytest.approx(
        sb.fisher(SEQ, WHITE_MATTER, NAMES, 0.3, basis=BASIS)
    )


def test_information_and_bounds_are_those_of_the_whitened_data():
    many, C = random_tissues(4, seed=2), covariances()
    F = sb.fisher(SEQ, many, NAMES, basis=BASIS, noise_covariance=C)
    bounds = sb.crb(SEQ, many, NAMES, basis=BASIS, noise_covariance=C)
    for k in range(4):
        expected = expected_fisher(many[k], C)
        assert F[k] == pytest.approx(expected, rel=1e-9)
        inverse = np.diag(np.linalg.inv(expected))
        assert [bounds[name][k] for name in NAMES] == pytest.approx([inverse[:2].sum(), *inverse[2:]], rel=1e-6)


def test_each_voxel_may_have_its_own_and_a_bad_one_harms_no_other():
    many, each = random_tissues(4, seed=2), covariances(4)
    each[2] = -each[2]
    bounds = sb.crb(SEQ, many, NAMES, basis=BASIS, noise_covariance=each)
    F = sb.fisher(SEQ, many, NAMES, basis=BASIS, noise_covariance=each)
    for k in (0, 1, 3):
        alone = sb.crb(SEQ, many[k], NAMES, basis=BASIS, noise_covariance=each[k])
        assert all(bounds[name][k] == alone[name] for name in NAMES)
        assert F[k] == pytest.approx(expected_fisher(many[k], each[k]), rel=1e-9)
    assert all(np.isnan(bounds[name][2]) for name in NAMES)
    assert np.isnan(F[2]).all()


def test_the_bound_with_a_prior_takes_it_too():
    C, stds = covariances(), {"m0s": 0.05}
    F = expected_fisher(WHITE_MATTER, C)
    F[2, 2] += 0.05**-2
    found = sb.bayesian_crb(SEQ, WHITE_MATTER, stds, NAMES, basis=BASIS, noise_covariance=C)
    assert found["m0s"] == pytest.approx(np.linalg.inv(F)[2, 2], rel=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"noise_covariance": np.eye(RANK)}, "that of the coefficients of a basis"),
        ({"noise_covariance": np.eye(RANK), "basis": BASIS, "sigma": 2.0}, "takes the place of sigma"),
        ({"noise_covariance": np.eye(3), "basis": BASIS}, r"shape \(3, 3\); allowed: \(..., 5, 5\)"),
        ({"noise_covariance": -np.eye(RANK), "basis": BASIS}, "Hermitian and positive definite"),
        ({"noise_covariance": np.triu(np.ones((RANK, RANK))), "basis": BASIS}, "Hermitian and positive definite"),
        ({"noise_covariance": np.full((RANK, RANK), np.nan), "basis": BASIS}, "finite, Hermitian"),
        ({"noise_covariance": covariances(3), "basis": BASIS}, "does not broadcast to the voxels"),
    ],
)
def test_what_is_no_covariance_is_refused(options, message):
    with pytest.raises(sb.InvalidParameter, match=message):
        sb.crb(SEQ, WHITE_MATTER, NAMES, **options)


# Its estimate


def drawn(C, shape, seed=0):
    """Noise (*shape, rank) whose real and imaginary parts have the covariance C."""
    white = np.random.default_rng(seed).normal(size=(*shape, len(C), 2)) @ [1, 1j]
    return white @ np.linalg.cholesky(C).T


@pytest.mark.parametrize("C", [0.3**2 * np.eye(RANK), covariances()])
def test_replicas_give_the_covariance_of_their_noise(C):
    image = 3 * np.random.default_rng(5).normal(size=(30, 40, RANK))
    found = sb.noise_covariance(replicas=image + drawn(C, (20, 30, 40)))
    assert found == pytest.approx(C, abs=5 * abs(C).max() / np.sqrt(19 * 1200))
    assert np.array_equal(found, found.conj().T)


def test_a_background_gives_it_and_what_lies_outside_does_not_count():
    image, mask = drawn(covariances(), (60, 60)), np.ones((60, 60), bool)
    image[20:40, 20:40] += 100
    mask[20:40, 20:40] = False
    found = sb.noise_covariance(image, background=mask)
    assert found == pytest.approx(covariances(), abs=5 * abs(covariances()).max() / np.sqrt(3200))


def test_each_voxel_has_its_own_of_many_replicas():
    each = covariances(3)
    replicas = np.stack([drawn(C, (4000,), seed=k) for k, C in enumerate(each)], axis=1)
    found = sb.noise_covariance(replicas=replicas, per_voxel=True)
    assert found == pytest.approx(each, abs=5 * abs(each).max() / np.sqrt(4000))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "either image with background, or replicas"),
        ({"image": np.ones((2, 3), complex), "replicas": np.ones((2, 3), complex)}, "either image"),
        ({"image": np.ones((2, 3), complex)}, "give background"),
        ({"replicas": np.ones((4, 3))}, "must be complex"),
        ({"replicas": np.ones((1, 9, 3), complex)}, "1 image; allowed: 2 or more"),
        ({"replicas": np.ones((2, 1, 3), complex)}, "1 independent values are too few"),
        ({"image": np.full((9, 3), np.nan + 0j), "background": np.ones(9)}, "NaN or infinity"),
        ({"image": np.ones((9, 3), complex), "background": np.ones(8)}, r"background has shape \(8,\)"),
    ],
)
def test_what_gives_no_covariance_is_refused(arguments, message):
    with pytest.raises((sb.InvalidData, sb.InvalidParameter), match=message):
        sb.noise_covariance(**arguments)
