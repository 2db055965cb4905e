"""The batch calls as a user meets them: shapes, invalid voxels, options, messages."""

from unittest.mock import Mock

import numpy as np
import pytest
import spinbound as sb
from hypothesis import strategies as st

from tests.support.calls import CALLS, SEQ, SINGLE, VOXELS, arrays, every_call, same
from tests.support.strategies import given_some, sequences, tissues
from tests.support.trains import smooth_train

EPS = np.finfo(float).eps
WRT = ("M0", "m0s", "R1a", "T2f")
NINE = sb.Basis(np.eye(40)[:, :9], seq=SEQ)


# Shapes


def test_voxels_come_first_and_the_rest_is_ours():
    n = SEQ.n_pulses
    assert sb.simulate(SEQ, VOXELS).shape == (2, 3, n)
    assert sb.simulate(SEQ, VOXELS, output="magnetization").shape == (2, 3, n, 5)
    s, J = sb.sensitivities(SEQ, VOXELS, WRT)
    assert (s.shape, J.shape) == ((2, 3, n), (2, 3, n, 4))
    assert sb.fisher(SEQ, VOXELS, WRT).shape == (2, 3, 5, 5)
    assert {name: bound.shape for name, bound in sb.crb(SEQ, VOXELS, WRT).items()} == dict.fromkeys(WRT, (2, 3))


def test_a_single_voxel_has_no_axis():
    tissue = VOXELS[0, 0]
    assert sb.simulate(SEQ, tissue).shape == (SEQ.n_pulses,)
    assert sb.fisher(SEQ, tissue, "m0s").shape == (1, 1)
    assert isinstance(sb.crb(SEQ, tissue, "m0s")["m0s"], float)


@every_call
def test_no_voxels_give_no_results(call):
    for result in arrays(call(SEQ, VOXELS[:, :0], progress=True)):
        assert result.shape[:2] == (2, 0)


def test_a_basis_takes_the_place_of_the_echoes():
    basis = sb.Basis(np.eye(SEQ.n_pulses)[:, 5:17], seq=SEQ)
    s, J = sb.sensitivities(SEQ, VOXELS, WRT)
    c, K = sb.sensitivities(SEQ, VOXELS, WRT, basis=basis)
    assert sb.simulate(SEQ, VOXELS, basis=basis) == pytest.approx(c, abs=100 * EPS)
    # a unit vector picks an echo; the kernel adds the products in an order of its own
    assert c == pytest.approx(s[..., 5:17], abs=100 * EPS)
    assert pytest.approx(J[..., 5:17, :], rel=1e-12, abs=100 * EPS) == K


@pytest.mark.parametrize(("form", "columns", "kind"), [("real", 5, "f"), ("complex", 4, "c"), ("real-M0", 4, "f")])
def test_the_form_decides_what_M0_counts_for(form, columns, kind):
    F = sb.fisher(SEQ, VOXELS, WRT, form=form)
    assert F.shape[-2:] == (columns, columns)
    assert F.dtype.kind == kind


def test_unknowns_are_all_nine_unless_told():
    assert tuple(sb.crb(SEQ, VOXELS)) == sb.ALL
    assert sb.fisher(SEQ, VOXELS).shape[-1] == 10


def test_names_may_come_in_any_order():
    J = sb.sensitivities(SEQ, VOXELS, WRT)[1]
    assert np.array_equal(sb.sensitivities(SEQ, VOXELS, WRT[::-1])[1], J[..., ::-1])


# What the numbers mean


@given_some(sequences(), tissues(equal_R1=True))
def test_derived_parameters_follow_the_chain_rule(seq, tissue):
    base = sb.sensitivities(seq, tissue, ("R1f", "R1s", "R2f"))[1]
    by_R1a = sb.sensitivities(seq, tissue, ("R1a", "T2f"))[1]
    by_T1a = sb.sensitivities(seq, tissue, ("T1a", "R2f"))[1]
    by_times = sb.sensitivities(seq, tissue, ("T1f", "T1s", "T2f"))[1]
    R1, R2f = tissue["R1f"], tissue["R2f"]
    scale = np.abs(base).max() * max(1, R1**2, R2f**2) + 1e-300
    both = base[:, 0] + base[:, 1]
    assert np.abs(by_R1a[:, 0] - both).max() <= 1e-12 * scale
    assert np.abs(by_T1a[:, 0] + both * R1**2).max() <= 1e-12 * scale
    assert np.abs(by_times + base * np.array([R1, R1, R2f]) ** 2).max() <= 1e-12 * scale
    assert np.abs(by_R1a[:, 1] - by_times[:, 2]).max() <= 1e-12 * scale


@pytest.mark.parametrize("form", ["real", "complex", "real-M0"])
def test_the_bound_is_the_diagonal_of_the_inverse(form):
    tissue = VOXELS[1, 0]
    F = sb.fisher(SEQ, tissue, WRT, form=form)
    scale = np.sqrt(np.diag(F).real)
    inverse = np.diag(np.linalg.inv(F / np.outer(scale, scale))).real / scale**2
    if form == "real":
        inverse = np.r_[inverse[:2].sum(), inverse[2:]]
    # the scaled matrix of four unknowns of a short train has a condition number below 1e6
    assert list(sb.crb(SEQ, tissue, WRT, form=form).values()) == pytest.approx(inverse, rel=1e-8)


@given_some(sequences(min_pulses=8, start="thermal"), tissues(), st.floats(1e-3, 1e3))
def test_the_bound_scales_with_the_variance_of_the_noise(seq, tissue, sigma):
    unit, scaled = sb.crb(seq, tissue, WRT[:2]), sb.crb(seq, tissue, WRT[:2], sigma)
    for name, bound in unit.items():
        assert scaled[name] == pytest.approx(bound * sigma**2, rel=1e-9)


def test_noise_may_differ_between_voxels():
    sigma = np.array([[0.1], [0.2]])
    bounds = sb.crb(SEQ, VOXELS, WRT, sigma)
    for row, value in enumerate((0.1, 0.2)):
        assert same(sb.crb(SEQ, VOXELS[row], WRT, value), {name: bound[row] for name, bound in bounds.items()})


# Invalid voxels

WRONG = {
    "m0s": [-0.1, 1.0, np.nan],
    "R1f": [0.0, -1.0, np.inf],
    "R2f": [0.0, np.nan, 1.1e6],
    "Rex": [-1.0, np.inf],
    "R1s": [-1.0, np.nan],
    "T2s": [1e-6, 60e-6, np.nan],
    "omega0": [np.nan, np.inf, 1.1e5],
    "B1": [0.0, -1.0, np.nan, 6.2],  # with the last, the inversion exceeds 2 pi
    "M0": [np.nan, complex(0, np.inf)],
}


@every_call
@pytest.mark.parametrize("name", WRONG)
def test_an_invalid_voxel_is_nan_and_leaves_the_others_alone(call, name):
    good = sb.Tissue()[name]
    clean = arrays(call(SEQ, sb.Tissue(**{name: [good] * 3})))
    for value in WRONG[name]:
        for result, expected in zip(arrays(call(SEQ, sb.Tissue(**{name: [good, value, good]}))), clean, strict=True):
            assert np.isnan(result[1]).all()
            assert np.array_equal(result[[0, 2]], expected[[0, 2]])


@pytest.mark.parametrize("value", [0, -1, np.nan, np.inf])
def test_a_voxel_with_impossible_noise_is_nan(value):
    bounds = sb.crb(SEQ, VOXELS[0], WRT, sigma=[0.1, value, 0.1])
    assert [bool(np.isnan(bound)) for bound in bounds["m0s"]] == [False, True, False]


@every_call
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"m0s": [[1.5], [np.nan]]}, r"every voxel is invalid: m0s is 1\.5 at voxel \(0, 0\); allowed: 0 <= m0s < 1"),
        ({"R2f": np.full((2, 3), -1)}, r"R2f is -1 at voxel \(0, 0\); allowed: 0 < R2f <= 1e\+06 1/s"),
        ({"B1": 2.1}, r"B1 is 2\.1 at voxel \(0, 0\): pulse 0 .* 6\.59.* rad; allowed: at most 6\.28319 rad for a cru"),
        (
            {"T2s": 50e-6, "m0s": 0.1},
            r"T2s is 5e-05 s: pulse 3 of 5e-05 s is too short for gbloch; allowed: TRF >= 2 T2s",
        ),
    ],
)
def test_a_call_without_a_valid_voxel_says_why(call, changes, message):
    seq = smooth_train(40, TRF=np.r_[500e-6, 3e-4, 3e-4, 50e-6, np.full(36, 3e-4)]) if "T2s" in changes else SEQ
    tissue = sb.Tissue(**changes) if "T2s" in changes else VOXELS.replace(**changes)
    with pytest.raises(sb.InvalidParameter, match=message):
        call(seq, tissue)


@every_call
def test_a_flip_angle_without_a_unique_R2sl_is_refused(call):
    seq = smooth_train(40, alpha=np.r_[np.pi, np.full(38, 0.3), -3.0])
    message = r"B1 is 1\.5: pulse 39 has a flip angle B1 alpha of 4\.5 rad; allowed: at most 4\.4 rad for a pulse that"
    with pytest.raises(sb.InvalidParameter, match=message):
        call(seq, sb.Tissue(B1=1.5))


def test_a_transmit_field_in_percent_is_recognised():
    with pytest.raises(sb.InvalidParameter, match="not in percent"):
        sb.simulate(SEQ, sb.Tissue(B1=100))


@pytest.mark.parametrize("call", CALLS[1:])
def test_apparent_relaxation_needs_equal_rates(call):
    tissue = sb.Tissue(R1f=[1, np.nan, 1, 1], R1s=[1, 2, 1, 2])
    with pytest.raises(sb.InvalidParameter, match="wrt has T1a, which needs R1f = R1s .* differ at voxel 3"):
        call(SEQ, tissue, ("m0s", "T1a"))
    call(SEQ, tissue[:3], ("m0s", "T1a"))


# Options


@every_call
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "grahm"}, r"model is 'grahm' \(did you mean 'graham'\?\); allowed: gbloch, gbloch-ide, graham,"),
        ({"basis": np.eye(40)}, "basis must be a spinbound.Basis; given ndarray"),
        ({"dtype": np.int64}, "dtype is <class 'numpy.int64'>; allowed: "),
        ({"threads": -1}, "threads must be an integer of at least 0"),
        ({"progress": "yes"}, "progress must be None, True"),
        ({"out": "here"}, "out must be"),
    ],
)
def test_options_that_are_not_accepted_are_named(call, options, message):
    with pytest.raises(sb.InvalidParameter, match=message):
        call(SEQ, VOXELS, **options)


@pytest.mark.parametrize(
    ("call", "options", "message"),
    [
        *((sb.crb, {"sigma": sigma}, r"sigma is .*; allowed: sigma > 0, finite") for sigma in (0, -1, np.nan, np.inf)),
        (sb.crb, {"sigma": np.ones(4)}, r"sigma has shape \(4,\), which does not broadcast to the voxels"),
        *((call, {"sigma": None}, "sigma is missing") for call in CALLS[2:]),
        *((call, {"form": "magnitude"}, "form is 'magnitude'; allowed: real, complex, real-M0") for call in CALLS[2:]),
        (sb.crb, {"wrt": WRT, "basis": NINE.truncate(2)}, "rank 2 gives 4 real numbers, too few for 5 real parameters"),
        (sb.simulate, {"output": "echo"}, "output is 'echo'; allowed: signal, magnetization"),
        (sb.simulate, {"output": "magnetization", "basis": NINE}, "basis compresses the signal"),
        (sb.sensitivities, {"out": np.empty(3)}, "out must be a pair of arrays"),
    ],
)
def test_options_that_a_call_does_not_accept_are_named(call, options, message):
    with pytest.raises(sb.InvalidParameter, match=message):
        call(SEQ, VOXELS, **options)


@every_call
def test_an_unknown_option_is_a_type_error(call):
    with pytest.raises(TypeError, match="thread"):
        call(SEQ, VOXELS, thread=2)


@every_call
def test_arguments_in_the_wrong_order_are_recognised(call):
    with pytest.raises(sb.InvalidSequence, match="Sequence, or a list of them; given Tissue"):
        call(VOXELS, SEQ)
    with pytest.raises(sb.InvalidParameter, match=r"the tissue must be a spinbound\.Tissue; given dict"):
        call(SEQ, VOXELS.as_dict())


def test_fewer_echoes_than_unknowns_determine_nothing():
    assert np.isinf(sb.crb(smooth_train(2), sb.Tissue())["m0s"])


def test_places_for_bounds_bear_their_names():
    with pytest.raises(sb.InvalidParameter, match="out must be a dict with one array for each of: M0, m0s, R1a, T2f"):
        sb.crb(SEQ, VOXELS, WRT, out={"m0s": np.empty((2, 3))})
    with pytest.raises(sb.InvalidParameter, match=r"out\['m0s'\] must be .* shape \(2, 3\)"):
        sb.crb(SEQ, VOXELS, "m0s", out={"m0s": np.empty(6)})


def test_a_scalar_bound_in_place_is_an_array_without_axes():
    out = {"m0s": np.empty(())}
    assert sb.crb(SEQ, VOXELS[0, 0], "m0s", out=out)["m0s"] is out["m0s"]
    assert out["m0s"] == sb.crb(SEQ, VOXELS[0, 0], "m0s")["m0s"]


@every_call
@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("B1", [1, [[1, np.nan, 1], [np.nan, 1, np.nan]]], ids=["valid", "some invalid"])
def test_progress_is_reported_to_the_end(call, single, B1, monkeypatch):
    monkeypatch.setattr("spinbound.signals.batch.SLAB_VALUES", 1)  # a slab per voxel, some of them without a valid one
    reports, tissue, seq = [], VOXELS.replace(B1=B1), SEQ.replace(start="thermal")
    dtype = SINGLE[call] if single else None
    call(seq, tissue, dtype=dtype, progress=lambda done, total: reports.append((done, total)))
    done = [report[0] for report in reports]
    assert reports[-1] == (6, 6)
    assert done == sorted(done)
    assert {total for _, total in reports} == {6}


@every_call
def test_what_progress_raises_ends_the_call(call):
    with pytest.raises(RuntimeError, match="enough"):
        call(SEQ, VOXELS, progress=Mock(side_effect=RuntimeError("enough")))


def test_a_bar_is_drawn_on_stderr(capsys):
    sb.crb(SEQ, VOXELS, progress=True)
    captured = capsys.readouterr()
    assert "6/6" in captured.err
    assert captured.out == ""


@given_some(sequences(), tissues(shape=(5,)))
def test_a_voxel_does_not_see_its_neighbours(seq, tissue):
    together = sb.simulate(seq, tissue)
    for voxel in range(5):
        assert np.array_equal(sb.simulate(seq, tissue[voxel]), together[voxel])


@pytest.mark.parametrize("lineshape", ["gaussian", "lorentzian"])
def test_the_lineshape_matters(lineshape):
    assert not same(sb.simulate(SEQ, VOXELS), sb.simulate(SEQ, VOXELS, model=sb.Model(lineshape=lineshape)))


def test_arguments_are_not_changed():
    m0s, sigma = np.array([0.1, np.nan]), np.array([0.1, 0.2])
    sb.crb(SEQ, sb.Tissue(m0s=m0s), sigma=sigma)
    assert np.array_equal(m0s, [0.1, np.nan], equal_nan=True)
    assert sigma.tolist() == [0.1, 0.2]
