"""Errors of a model and the bias of a fit with it: against the definitions, and against fits."""

import numpy as np
import pytest
import spinbound as sb
from scipy.optimize import least_squares

from tests.support.trains import WHITE_MATTER, random_tissues, smooth_train

SEQ = smooth_train()
SECOND = smooth_train(40, alpha=np.full(40, 0.3), gradient_moment="balanced", start="thermal", TR=5e-3)
FITTED = ("M0", "m0s", "R1f", "R2f")
MODELS = ("gbloch-ide", "graham", "graham-single-frequency", "sled", "hybrid")


def pair(words):
    """Truth and fit of a pair of words: models, or lineshapes of gbloch."""
    are_lineshapes = words[0] in ("gaussian", "lorentzian", "superlorentzian")
    return [sb.Model(lineshape=word) if are_lineshapes else sb.Model(word) for word in words]


def bias_of(words, seq, tissue, wrt, **options):
    return sb.model_bias(*pair(words), seq, tissue, wrt, **options)


PAIRS = [
    ("gaussian", "superlorentzian"),
    ("gbloch-ide", "gbloch"),
    ("gbloch-ide", "graham"),
    ("gbloch", "sled"),
    ("gbloch", "hybrid"),
    ("hybrid", "gbloch"),
]


# The bias


def fitted(data, tissue, fit, start):
    """Estimates of FITTED, real and imaginary part of M0 apart, by a fit of a model to data."""
    scale = np.array([1, 1, *(tissue[name] for name in FITTED[1:])])

    def at(x):
        values = dict(zip(FITTED[1:], (x * scale)[2:], strict=True))
        return tissue.replace(M0=x[0] + 1j * x[1], **values)

    def residual(x):
        r = sb.simulate(SEQ, at(x), model=fit) - data
        return np.concatenate([r.real, r.imag])

    def jacobian(x):
        J = sb.sensitivities(SEQ, at(x), FITTED, model=fit)[1]
        J = np.insert(J, 1, 1j * J[:, 0], axis=1) * scale
        return np.concatenate([J.real, J.imag])

    result = least_squares(residual, start / scale, jacobian, method="lm", xtol=1e-14, ftol=1e-14, gtol=1e-14)
    assert result.success
    return result.x * scale


@pytest.mark.parametrize("words", PAIRS, ids="-".join)
def test_the_bias_is_that_of_a_fit_to_second_order(words):
    tissue = WHITE_MATTER.replace(M0=0.8 + 0.6j)
    truth, fit = pair(words)
    predicted = bias_of(words, SEQ, tissue, FITTED)
    predicted = np.array([predicted["M0"].real, predicted["M0"].imag, *(predicted[name] for name in FITTED[1:])])
    true = np.array([0.8, 0.6, *(tissue[name] for name in FITTED[1:])])
    ours = sb.simulate(SEQ, tissue, model=fit)
    mismatch = sb.simulate(SEQ, tissue, model=truth) - ours
    # steps short enough for the second order to lead, long enough for it to exceed the convergence of the fit
    share = 0.02 / np.abs(predicted / true).max()
    misses = []
    for part in (share, share / 2):
        found = fitted(ours + part * mismatch, tissue, fit, true) - true
        misses.append(np.abs((found - part * predicted) / true).max())
        assert misses[-1] <= 0.3 * np.abs(part * predicted / true).max()
    assert misses[0] / misses[1] == pytest.approx(4, rel=0.25)


@pytest.mark.parametrize("words", PAIRS[:2], ids="-".join)
def test_the_bias_of_M0_alone_is_a_projection(words):
    # the signal is linear in M0: first order is all there is
    truth, fit = pair(words)
    data, s = (sb.simulate(SEQ, WHITE_MATTER, model=one) for one in (truth, fit))
    projected = np.vdot(s, data) / np.vdot(s, s).real - 1
    assert bias_of(words, SEQ, WHITE_MATTER, "M0")["M0"] == pytest.approx(projected, rel=1e-9)


@pytest.mark.parametrize("model", ["gbloch", *MODELS])
def test_a_model_does_not_mislead_about_itself(model):
    tissue, itself = WHITE_MATTER.replace(m0s=[0.1, 0.2]), sb.Model(model, "gaussian")  # which every model knows
    for name, bias in sb.model_bias(itself, itself, SEQ, tissue, FITTED).items():
        # signals with and without sensitivities agree to rounding, which the condition of J multiplies
        assert np.abs(bias).max() <= 1e-10 * abs(tissue[name]).max(), name


def test_the_bias_is_the_same_in_a_basis_of_full_rank():
    turn = sb.Basis(np.linalg.qr(np.random.default_rng(0).normal(size=(60, 60)))[0])
    whole, turned = (bias_of(PAIRS[0], SEQ, WHITE_MATTER, FITTED, basis=basis) for basis in (None, turn))
    assert turned == pytest.approx(whole, rel=1e-9)


def test_the_bias_of_two_trains_weighs_them_by_their_information():
    names = FITTED[1:]
    first, second, joint = (bias_of(PAIRS[0], seq, WHITE_MATTER, names) for seq in (SEQ, SECOND, [SEQ, SECOND]))
    F = [sb.fisher(seq, WHITE_MATTER, names) for seq in (SEQ, SECOND)]
    weighted = sum(f @ [bias[name] for name in names] for f, bias in zip(F, (first, second), strict=True))
    expected = np.linalg.solve(sum(F), weighted)
    # solved from F here, whose condition is that of J squared
    assert [joint[name] for name in names] == pytest.approx(expected, rel=1e-6)


def test_what_cannot_be_fitted_has_no_bias_and_changes_no_other():
    tissue = WHITE_MATTER.replace(Rex=0)
    with_lost = bias_of(PAIRS[0], SEQ, tissue, ("M0", "R2f", "R1s"))
    assert np.isnan(with_lost["R1s"])
    without = bias_of(PAIRS[0], SEQ, tissue, ("M0", "R2f"))
    # without exchange the free pool sees no saturation: the biases are zero but for rounding
    assert {name: with_lost[name] for name in without} == pytest.approx(without, abs=1e-12)


def test_unidentifiable_parameters_have_no_bias():
    bias = bias_of(PAIRS[0], SEQ, WHITE_MATTER.replace(m0s=0), sb.ALL)
    assert {name for name in sb.ALL if np.isnan(bias[name])} == {"Rex", "R1s", "T2s"}


# The errors


@pytest.mark.parametrize("model", ["gbloch", "graham", "sled", "hybrid"])
def test_errors_are_those_of_signal_and_bound(model):
    tissue, names = random_tissues(5, seed=1).replace(omega0=0), ("M0", "m0s", "R2f")
    error = sb.model_error(SEQ, tissue, model, wrt=names)
    s, reference = (sb.simulate(SEQ, tissue, model=one) for one in (model, "gbloch-ide"))
    distance = np.linalg.norm(s - reference, axis=1) / np.linalg.norm(reference, axis=1)
    assert error.signal == pytest.approx(distance, rel=1e-12)
    bound, truth = (sb.crb(SEQ, tissue, names, model=one) for one in (model, "gbloch-ide"))
    assert tuple(error.crb) == names
    for name in names:
        assert np.array_equal(error.crb[name], bound[name] / truth[name] - 1)


def test_the_linear_model_is_as_close_as_published_on_the_published_train(published_train):
    error = sb.model_error(published_train, WHITE_MATTER, "gbloch", wrt="m0s")
    assert error.signal == pytest.approx(6.7e-5, rel=0.05)


def test_a_model_has_no_error_against_itself():
    error = sb.model_error(SEQ, random_tissues(4, seed=2), "gbloch", against="gbloch")
    assert np.array_equal(error.signal, np.zeros(4))
    assert tuple(error.crb) == sb.ALL
    assert all(np.array_equal(one, np.zeros(4)) for one in error.crb.values())


def test_what_neither_model_determines_has_no_error():
    error = sb.model_error(SEQ, WHITE_MATTER.replace(m0s=0), "gbloch", against="gbloch")
    assert np.isnan(error.crb["T2s"])
    assert error.crb["m0s"] == 0


def test_the_table_has_the_median_the_95th_percentile_and_the_largest():
    errors = np.r_[np.arange(1.0, 101), np.nan]
    bounds = {"m0s": -errors, "T2s": np.full(101, np.nan)}
    told = str(sb.ModelError(sb.Model("graham"), sb.Model("gbloch-ide"), errors / 1000, bounds))
    lines = [line.split() for line in told.splitlines()]
    assert told.startswith("relative error of graham against gbloch-ide, 101 voxels\n")
    assert lines[2] == ["signal", "0.05", "0.095", "0.1"]
    assert lines[3] == ["CRB", "of", "m0s", "50", "95", "1e+02"]
    assert lines[4] == ["CRB", "of", "T2s", "-", "-", "-"]


# Voxels and options

CALLS = (
    lambda tissue, wrt=FITTED: bias_of(PAIRS[0], SEQ, tissue, wrt),
    lambda tissue, wrt=FITTED: sb.model_error(SEQ, tissue, "gbloch", "gbloch", wrt).crb,
)


@pytest.mark.parametrize("call", CALLS)
def test_shapes_are_those_of_the_voxels(call):
    tissue = sb.Tissue(m0s=[[0.1], [0.15]], R1a=[0.5, 1.0, 2.0])
    assert {name: value.shape for name, value in call(tissue, "T1a").items()} == {"T1a": (2, 3)}
    assert {value.shape for value in call(tissue[:, :0]).values()} == {(2, 0)}
    assert isinstance(call(WHITE_MATTER)["m0s"], float)


def test_an_unknown_model_or_lineshape_is_refused():
    with pytest.raises(sb.InvalidParameter, match="lineshape is 'round'; allowed: superlorentzian"):
        sb.model_bias(sb.Model(lineshape="round"), "gbloch", SEQ, WHITE_MATTER)
    with pytest.raises(sb.InvalidParameter, match="model is 'blch'"):
        sb.model_error(SEQ, WHITE_MATTER, "gbloch", against="blch")
