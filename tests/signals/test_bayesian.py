"""The achievable error with a prior: against dense algebra, its limits, and estimators in a linear Gaussian world."""

import numpy as np
import pytest
import spinbound as sb

from tests.support.trains import WHITE_MATTER, random_tissues, smooth_train

SEQ = smooth_train()
NAMES = ("M0", "m0s", "R1f", "T2f", "B1")
STDS = {"m0s": 0.08, "R1f": 0.3, "T2f": 0.02, "B1": 0.2}


def dense(tissue, names, precision, sigma, form="real"):
    """diag((F + P^-1)^-1) of one voxel, scaled to the prior or the bound."""
    F = sb.fisher(SEQ, tissue, names, sigma, form)
    A = F + precision
    scale = 1 / np.sqrt(np.diag(A).real)
    return np.diag(np.linalg.inv(A * np.outer(scale, scale))).real * scale**2


@pytest.mark.parametrize("form", ["real", "complex", "real-M0"])
@pytest.mark.parametrize("sigma", [1e-4, 0.02, 1])
def test_it_is_the_inverse_of_the_sum_of_both_matrices(form, sigma):
    precision = np.diag([0, *(0,) * (form == "real"), *(std**-2 for std in STDS.values())])
    expected = dense(WHITE_MATTER, NAMES, precision, sigma, form)
    found = sb.bayesian_crb(SEQ, WHITE_MATTER, STDS, NAMES, sigma, form)
    values = list(found.values()) if form != "real" else [0, *list(found.values())[1:]]
    expected = expected if form != "real" else np.array([0, *expected[2:]])
    assert values == pytest.approx(expected, rel=1e-6)


def test_it_is_below_the_bound_and_the_variance_of_the_prior_and_tends_to_both():
    many = random_tissues(20, seed=3)
    loud, quiet = (sb.bayesian_crb(SEQ, many, STDS, NAMES, sigma) for sigma in (1e4, 1e-9))
    for name, std in STDS.items():
        assert loud[name] == pytest.approx(std**2, rel=1e-6)
        assert quiet[name] == pytest.approx(sb.crb(SEQ, many, NAMES, 1e-9)[name], rel=1e-4)
        between = sb.bayesian_crb(SEQ, many, STDS, NAMES, 0.02)[name]
        assert (between < np.minimum(std**2, sb.crb(SEQ, many, NAMES, 0.02)[name])).all()


def test_an_infinite_standard_deviation_is_no_prior():
    free = sb.bayesian_crb(SEQ, WHITE_MATTER, dict.fromkeys(STDS, np.inf), NAMES, 0.02)
    for name, bound in sb.crb(SEQ, WHITE_MATTER, NAMES, 0.02).items():
        assert free[name] == pytest.approx(bound, rel=1e-9)


def test_a_prior_is_enough_where_the_data_say_nothing():
    alone = WHITE_MATTER.replace(m0s=0)
    found = sb.bayesian_crb(SEQ, alone, {"Rex": 20, "R1s": 1, "T2s": 4e-6})
    assert [found[name] for name in ("Rex", "R1s", "T2s")] == pytest.approx([400, 1, 16e-12])
    assert sb.bayesian_crb(SEQ, WHITE_MATTER.replace(M0=0), STDS, NAMES)["T2f"] == pytest.approx(0.02**2)


def test_other_coordinates_follow_by_the_chain_rule():
    as_time = sb.bayesian_crb(SEQ, WHITE_MATTER, STDS, NAMES, 0.02)
    as_rate = sb.bayesian_crb(SEQ, WHITE_MATTER, STDS, ("M0", "m0s", "R1f", "R2f", "B1"), 0.02)
    assert as_rate["R2f"] == pytest.approx(as_time["T2f"] * float(WHITE_MATTER["R2f"]) ** 4)
    assert as_rate["m0s"] == as_time["m0s"]
    as_time = sb.bayesian_crb(SEQ, WHITE_MATTER, STDS, ("M0", "m0s", "T1f", "T2f", "B1"), 0.02)
    assert as_time["T1f"] == pytest.approx(as_rate["R1f"] / float(WHITE_MATTER["R1f"]) ** 4)


def test_the_covariance_of_a_prior_counts():
    prior = sb.Prior(T1a=sb.Uniform(0.5, 2), T2f=sb.Uniform(0.01, "T1a"))
    tissue, names = sb.Tissue(T1a=0.9), ("M0", "T1a", "T2f")
    draws = prior.sample(200_000)
    C = np.cov([draws["T1a"], draws["T2f"]])
    assert abs(C[0, 1]) > 0.1 * np.sqrt(C[0, 0] * C[1, 1])
    precision = np.zeros((4, 4))
    precision[2:, 2:] = np.linalg.inv(C)
    found = sb.bayesian_crb(SEQ, tissue, prior, names, 3)
    assert [found["T1a"], found["T2f"]] == pytest.approx(dense(tissue, names, precision, 3)[2:], rel=0.01)


def test_in_a_linear_gaussian_world_it_is_the_error_of_the_posterior_mean():
    sigma, rng = 0.5, np.random.default_rng(0)
    names, stds = ("m0s", "T2f"), np.array([0.05, 0.02])
    _, J = sb.sensitivities(SEQ, WHITE_MATTER, names)
    A = np.concatenate([J.real, J.imag])
    offsets = rng.normal(size=(40_000, 2)) * stds
    data = offsets @ A.T + rng.normal(0, sigma, (len(offsets), len(A)))
    gain = np.linalg.solve(A.T @ A / sigma**2 + np.diag(stds**-2), A.T / sigma**2)
    errors = ((data @ gain.T - offsets) ** 2).mean(axis=0)
    found = sb.bayesian_crb(SEQ, WHITE_MATTER, dict(zip(names, stds, strict=True)), names, sigma)
    assert list(found.values()) == pytest.approx(errors, rel=0.03)


@pytest.mark.parametrize(
    ("prior", "wrt", "message"),
    [
        ({"Rex": 1}, NAMES, "prior has Rex; allowed: M0, m0s, R1f, T2f, B1"),
        ({"m0s": 0}, NAMES, "the standard deviation of m0s is 0; allowed: one number > 0"),
        ({"m0s": np.nan}, NAMES, "the standard deviation of m0s is nan"),
        (sb.Prior(T1a=sb.Uniform(1, 2)), NAMES, "the prior has T1a, wrt has R1f; give"),
        (sb.Prior(B1=sb.Constant(1)), NAMES, "the prior holds B1 constant; leave it out of wrt"),
        (sb.Prior(m0s=sb.Constant(0.1)), NAMES, "the prior holds m0s constant; leave it out of wrt"),
        ({"m0s": 1e200}, NAMES, "allowed: one number > 0"),
    ],
)
def test_a_prior_that_makes_no_sense_is_refused(prior, wrt, message):
    with pytest.raises(sb.InvalidParameter, match=message):
        sb.bayesian_crb(SEQ, WHITE_MATTER, prior, wrt)


def test_it_goes_on_in_a_folder_as_the_bound_does(tmp_path):
    many = random_tissues(50, seed=1)
    whole = sb.bayesian_crb(SEQ, many, STDS, NAMES)
    kept = sb.bayesian_crb(SEQ, many, STDS, NAMES, resume=tmp_path)
    assert all(np.array_equal(whole[name], kept[name]) for name in NAMES)
    of_rate = {"R2f" if name == "T2f" else name: std for name, std in STDS.items()}
    for other in (STDS | {"m0s": 0.1}, of_rate):
        with pytest.raises(sb.InvalidData):
            sb.bayesian_crb(SEQ, many, other, NAMES, resume=tmp_path)


def test_the_condition_is_told_and_the_prior_lowers_it():
    bounds, condition = sb.bayesian_crb(SEQ, WHITE_MATTER, STDS, NAMES, 0.02, condition=True)
    assert bounds == sb.bayesian_crb(SEQ, WHITE_MATTER, STDS, NAMES, 0.02)
    assert condition < sb.crb(SEQ, WHITE_MATTER, NAMES, 0.02, condition=True)[1]
