"""The ladder of models behind the one interface: the same is asked of each."""

import threading
import time
from itertools import pairwise
from typing import get_args
from unittest.mock import Mock

import numpy as np
import pytest
import spinbound as sb
from numpy.polynomial.legendre import leggauss
from scipy.integrate import solve_ivp
from spinbound.cli.shared.arguments import LineshapeName, ModelName
from spinbound.sequences.model import LINESHAPES, MODELS

from tests.support.differences import five_point
from tests.support.trains import WHITE_MATTER, random_tissues, smooth_train

SEMISOLID = ("m0s", "Rex", "R1s", "T2s")
STEPS = {"m0s": 1e-3, "R1f": 1e-3, "R2f": 2e-2, "Rex": 5e-2, "R1s": 5e-3, "T2s": 2e-8, "omega0": 0.2, "B1": 1e-3}
STARTS = ("periodic", "thermal", [0, 0, -0.4, 0, 0.1])


def options(model, **accuracy):
    """The model with a lineshape that it knows."""
    lineshape = "gaussian" if model == "graham-single-frequency" else "superlorentzian"
    return {"model": sb.Model(model, lineshape, **accuracy)}


def voxels(model, n=5, seed=3):
    """Random tissues, of one pool where the model has no other."""
    tissue = random_tissues(n, seed)
    return tissue.replace(m0s=0) if model == "bloch" else tissue


def train(model, n_pulses=24, **changes):
    """With every gradient moment that the model knows."""
    seq = smooth_train(n_pulses, **changes)
    moments = list(seq.gradient_moment)
    moments[n_pulses // 2] = "spoiler_dual"
    if model != "hybrid":
        moments[n_pulses // 3] = "spoiler_prepulse"
    return seq.replace(gradient_moment=moments)


@pytest.fixture(params=list(MODELS))
def model(request):
    return request.param


@pytest.mark.parametrize("start", STARTS, ids=str)
def test_sensitivities_are_those_of_the_signal(model, start):
    if model == "bloch" and not isinstance(start, str):
        start = [0.1, -0.2, -0.4, 0, 0]
    seq, tissue = train(model, start=start), voxels(model)
    s, J = sb.sensitivities(seq, tissue, **options(model))
    np.testing.assert_allclose(J[..., 0] * tissue["M0"][:, None], s, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(sb.simulate(seq, tissue, **options(model)), s, rtol=0, atol=1e-13)
    for name, column in zip(sb.ALL[1:], np.moveaxis(J, -1, 0)[1:], strict=True):
        if model == "bloch" and name in SEMISOLID:
            assert not column.any(), name
            continue

        def at(value, name=name):
            return sb.simulate(seq, tissue.replace(**{name: value}), **options(model, rtol=1e-12))

        difference = five_point(at, tissue[name], STEPS[name])
        # sled's T2s: its grid, which moves with T2s, is held fixed; what that leaves is of the order of rtol
        bound = 3e-6 if (model, name) == ("sled", "T2s") else 3e-7
        assert np.abs(column - difference).max() <= bound * np.abs(column).max(), name


def test_bounds_and_matrices_are_those_of_the_sensitivities(model):
    seq, tissue = train(model), voxels(model)
    wrt = ("M0", "R1f", "T2f", "B1") if model == "bloch" else ("M0", "m0s", "R1f", "T2f", "B1")
    _, J = sb.sensitivities(seq, tissue, wrt, **options(model))
    columns = np.concatenate([J[..., :1], 1j * J[..., :1], J[..., 1:]], axis=-1)
    F = np.einsum("vti,vtj->vij", columns.conj(), columns).real
    norm = np.linalg.norm(columns, axis=1)
    scale = norm[:, :, None] * norm[:, None, :]
    np.testing.assert_allclose(sb.fisher(seq, tissue, wrt, **options(model)) / scale, F / scale, atol=1e-11)
    inverse = np.linalg.inv(F)
    bounds = sb.crb(seq, tissue, wrt, **options(model))
    for k, name in enumerate(wrt[1:], start=2):
        np.testing.assert_allclose(bounds[name], inverse[:, k, k], rtol=1e-6)
    basis = sb.Basis(np.linalg.qr(np.random.default_rng(1).normal(size=(24, 24)))[0])
    np.testing.assert_allclose(sb.crb(seq, tissue, wrt, basis=basis, **options(model))["T2f"], bounds["T2f"], rtol=1e-6)


def test_bits_do_not_depend_on_threads_or_the_batch(model):
    seq, tissue = train(model), voxels(model, 37)
    for call in (sb.simulate, lambda *a, **k: sb.sensitivities(*a, **k)[1], sb.fisher):
        whole = call(seq, tissue, threads=1, **options(model))
        for threads in (2, 3):
            np.testing.assert_array_equal(call(seq, tissue, threads=threads, **options(model)), whole)
        parts = [call(seq, tissue[start : start + 5], **options(model)) for start in range(0, 37, 5)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_a_bad_voxel_harms_no_other(model):
    seq, tissue = train(model), voxels(model, 6)
    good = np.arange(6) != 2
    broken = tissue.replace(R2f=np.where(good, tissue["R2f"], np.nan))
    s, spoilt = (sb.simulate(seq, each, **options(model)) for each in (tissue, broken))
    np.testing.assert_array_equal(spoilt[good], s[good])
    assert np.isnan(spoilt[2]).all()
    assert np.isnan(sb.crb(seq, broken, ("m0s",), **options(model))["m0s"][2])


def test_all_instruction_sets_agree(model, monkeypatch):
    seq, tissue = train(model), voxels(model)
    reference = sb.sensitivities(seq, tissue, **options(model))[1]
    for isa in sb._core.isa_available():
        monkeypatch.setenv("SPINBOUND_ISA", isa)
        J = sb.sensitivities(seq, tissue, **options(model))[1]
        assert (np.abs(J - reference).max((0, 1)) <= 1e-9 * np.abs(reference).max((0, 1))).all()


def test_the_magnetization_holds_the_signal(model):
    seq, tissue = train(model), voxels(model)
    s, m = (sb.simulate(seq, tissue, output=output, **options(model)) for output in ("signal", "magnetization"))
    assert m.shape == (5, 24, 5)
    np.testing.assert_allclose(m[..., 0] + 1j * m[..., 1], s, rtol=0, atol=1e-13)
    np.testing.assert_array_equal(m[..., 3], 0)


@pytest.mark.parametrize("name", [name for name, known in MODELS.items() if known.lanes])
def test_single_precision_is_near(name):
    seq, tissue = smooth_train(400), voxels(name, 20)
    s, rounded = (sb.simulate(seq, tissue, model=name, dtype=dtype) for dtype in (np.complex128, np.complex64))
    assert rounded.dtype == np.complex64
    assert (np.abs(rounded - s).max(1) <= 2e-4 * np.abs(s).max(1)).all()
    assert np.abs(rounded - s).max() > 1e-8  # it did compute in single precision


@pytest.mark.parametrize("name", [name for name, known in MODELS.items() if not known.lanes])
def test_the_other_models_round_only_what_they_store(name):
    seq, tissue = smooth_train(10), voxels(name, 3)
    s, rounded = (sb.simulate(seq, tissue, dtype=dtype, **options(name)) for dtype in (np.complex128, np.complex64))
    np.testing.assert_array_equal(rounded, s.astype(np.complex64))


def test_one_pool_is_what_every_model_leaves_without_the_other(model):
    if model == "hybrid":
        pytest.skip("it is an approximation for one pool as well")
    seq, tissue = train(model), random_tissues(4, 8).replace(m0s=0)
    bloch, other = (sb.simulate(seq, tissue, **each) for each in (options("bloch"), options(model)))
    np.testing.assert_allclose(other, bloch, rtol=0, atol=2e-8 * np.abs(bloch).max())


def test_bloch_looks_at_no_parameter_of_the_other_pool():
    seq = smooth_train(20, alpha=np.full(20, 5.0), gradient_moment="balanced")  # beyond what R2sl allows
    first = sb.simulate(seq, sb.Tissue(m0s=0), model="bloch")
    other = sb.Tissue(m0s=0, Rex=100, R1s=9, T2s=45e-6)
    np.testing.assert_array_equal(sb.simulate(seq, other, model="bloch"), first)
    bounds = sb.crb(smooth_train(60), sb.Tissue(m0s=0, omega0=30), model="bloch")
    assert all(np.isinf(bounds[name]) for name in SEMISOLID)
    assert all(np.isfinite(bounds[name]) for name in ("M0", "R1f", "R2f", "omega0", "B1"))


def slow_train(n, TR=3.5e-3):
    """The same course of the controls, in n pulses."""
    phase = 2 * np.pi * (np.arange(n) + 0.5) / n
    return sb.Sequence(0.8 + 0.5 * np.sin(phase), np.full(n, 0.1 * TR), TR, gradient_moment="balanced")


def hybrid_error(seq, tissue):
    s, hybrid = (sb.simulate(seq, tissue, model=model) for model in ("gbloch", "hybrid"))
    return np.linalg.norm(hybrid - s) / np.linalg.norm(s)


def test_the_hybrid_state_is_what_slow_controls_leave():
    errors = [hybrid_error(slow_train(n), WHITE_MATTER.replace(B1=0.9)) for n in (50, 100, 200, 400)]
    assert all(after < before for before, after in pairwise(errors))
    assert errors[0] <= 1e-2
    assert errors[-1] <= 5e-4


@pytest.mark.parametrize("omega0", [0, 300])
def test_what_is_left_is_relaxation_within_one_repetition(omega0):
    """Of second order in TR where the precession over it grows as well."""
    tissue = WHITE_MATTER.replace(omega0=omega0)
    coarse, fine = (hybrid_error(slow_train(n, TR), tissue) for n, TR in ((800, 3.5e-3), (1600, 1.75e-3)))
    assert fine <= (coarse / 3 if omega0 else 1e-3)


def test_hybrid_sensitivities_are_near_those_of_gbloch():
    seq = slow_train(400)
    wrt = ("M0", "m0s", "R1f", "R2f", "Rex", "R1s", "T2s", "B1")
    exact, near = (sb.sensitivities(seq, WHITE_MATTER, wrt, model=model)[1] for model in ("gbloch", "hybrid"))
    for k, name in enumerate(wrt):
        assert np.linalg.norm(near[:, k] - exact[:, k]) <= 0.05 * np.linalg.norm(exact[:, k]), name


@pytest.mark.parametrize("model", ["gbloch-ide", "sled", "graham"])
def test_a_shape_of_equal_samples_is_rectangular(model):
    seq, tissue = train(model), voxels(model, 2)
    shaped, plain = (sb.simulate(each, tissue, model=model) for each in (seq.replace(shape=np.ones(3)), seq))
    np.testing.assert_allclose(shaped, plain, rtol=0, atol=2e-8)


def test_the_phase_of_a_shape_turns_the_signal():
    seq = sb.Sequence([0.7], [3e-4], 3e-3, gradient_moment="balanced", start="thermal")
    seqs = (seq, seq.replace(shape=[np.exp(0.4j)]))
    s, turned = (sb.simulate(each, sb.Tissue(), model="gbloch-ide") for each in seqs)
    np.testing.assert_allclose(turned, s * np.exp(0.4j), rtol=1e-7)


WAVEFORMS = {
    "sinc": lambda u: np.sinc(4 * (u - 0.5)),
    "Gaussian": lambda u: np.exp(-0.5 * ((u - 0.5) / 0.15) ** 2),
    "chirp": lambda u: np.exp(-0.5 * ((u - 0.5) / 0.2) ** 2 + 20j * (u - 0.5) ** 2),
}


@pytest.mark.parametrize("waveform", WAVEFORMS.values(), ids=WAVEFORMS)
def test_a_callable_shape_acts_as_the_waveform_does(waveform):
    """Truth: the Bloch equation of the continuous waveform, scaled to mean 1, by an integrator of order eight."""
    alpha, TRF, omega0, R1, R2 = 2.5, 2e-3, 2000.0, 1.0, 15.0
    mean = np.sum(waveform((1 + leggauss(80)[0]) / 2) * leggauss(80)[1]) / 2

    def bloch(t, x):
        omega1, transverse = alpha / TRF * waveform(np.array([t / TRF]))[0] / mean, x[0] + 1j * x[1]
        slope = (1j * omega0 - R2) * transverse + omega1 * x[2]
        return slope.real, slope.imag, -(np.conj(omega1) * transverse).real - R1 * (x[2] - 1)

    exact = solve_ivp(bloch, (0, TRF), [0.0, 0.0, 1.0], "DOP853", rtol=1e-12, atol=1e-13).y[:, -1]
    seq = sb.Sequence([alpha], [TRF], TRF * (1 + 1e-12), gradient_moment="balanced", start="thermal", shape=waveform)
    tissue = sb.Tissue(m0s=0, R1f=R1, R2f=R2, omega0=omega0)
    found = sb.simulate(seq, tissue, model="graham", output="magnetization")[0, :3]
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-8)
    assert seq.shape.mean() == pytest.approx(1)


def test_a_callable_shape_with_an_edge_inside_is_refused():
    with pytest.raises(sb.InvalidSequence, match=r"shape\(u\) is not smooth: 4096 samples leave an error of"):
        smooth_train(2, shape=lambda u: np.where(u < 0.3, 1.0, 0.2))


@pytest.mark.parametrize(
    ("model", "changes", "message"),
    [
        (
            "gbloch",
            {"shape": [1, 2, 1]},
            "gbloch knows rectangular pulses only; allowed for a shape: gbloch-ide, graham",
        ),
        ("hybrid", {"shape": [1, 2, 1]}, "hybrid knows rectangular pulses only"),
        ("hybrid", {"gradient_moment": ["balanced"] * 3 + ["spoiler_prepulse"]}, "no spoiler_prepulse, as pulse 3 has"),
        ("hybrid", {"rf_phase_increment": [np.pi, np.pi, 0, np.pi]}, "rf_phase_increment of pulse 2 is 0 rad"),
        ("hybrid", {"start": [0.1, 0, 0.5, 0, 0.1]}, "hybrid starts from longitudinal magnetization"),
        ("bloch", {"start": [0.1, 0, 0.5, 0, 0.1]}, "bloch has no semi-solid pool, but start is"),
    ],
)
def test_what_a_model_cannot_do_is_refused(model, changes, message):
    seq = smooth_train(4).replace(**changes)
    with pytest.raises(sb.InvalidSequence, match=message):
        sb.simulate(seq, sb.Tissue(m0s=0), model=model)


def test_what_a_model_asks_of_the_tissue_is_named():
    seq = smooth_train(4)
    with pytest.raises(sb.InvalidParameter, match=r"m0s is 0\.15; the model bloch has one pool, allowed: m0s = 0"):
        sb.simulate(seq, sb.Tissue(), model="bloch")
    with pytest.raises(sb.InvalidParameter, match="infinite for the superlorentzian; allowed: gaussian, lorentzian"):
        sb.simulate(seq, sb.Tissue(), model="graham-single-frequency")
    with pytest.raises(
        sb.InvalidParameter,
        match=r"pulse 0 of 0\.005 s is too long for gbloch-ide; allowed: TRF <= 2000 T2s, or the model gbloch",
    ):
        sb.simulate(smooth_train(4, TRF=np.full(4, 5e-3), TR=0.1), sb.Tissue(T2s=2e-6), model="gbloch-ide")
    weak = np.array([0.15, 0.0])
    assert np.isnan(sb.simulate(seq, sb.Tissue(m0s=weak), model="bloch")).all(axis=1).tolist() == [True, False]


def test_a_voxel_out_of_reach_of_rtol_is_nan_and_alone():
    """2800 samples leave two elements each, which are too few for 1e-12."""
    shape = 1 + 0.9 * np.sign(np.sin(np.arange(2800) * 0.7))
    seq = sb.Sequence([40.0], [4e-3], 0.1, gradient_moment="balanced", start="thermal", shape=shape)
    tissue = sb.Tissue(T2s=[2e-6, 50e-6], B1=[1.2, 1e-6])
    s = sb.simulate(seq, tissue, model=sb.Model("gbloch-ide", rtol=1e-12))
    assert np.isnan(s).all(axis=1).tolist() == [True, False]


def test_a_long_call_of_a_slow_model_ends_when_told(model):
    seq, tissue = smooth_train(300), voxels(model, 4000)
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        sb.sensitivities(seq, tissue, ("R2f",), progress=Mock(side_effect=KeyboardInterrupt), **options(model))
    assert threading.active_count() == before


SLOW_PULSES = {
    "gbloch-ide": sb.Sequence(
        [1.5], [4e-3], 0.1, gradient_moment="balanced", shape=1 + 0.5 * np.sin(np.arange(4000)), start="thermal"
    ),
    "sled": sb.Sequence([49.0], [20.0], 30.0, gradient_moment="balanced", start="thermal"),
}


@pytest.mark.parametrize("model", SLOW_PULSES)
def test_a_single_slow_pulse_is_given_up_at_once(model):
    """A pulse of seconds, which is told to stop while it is integrated."""
    asked = []

    def stop(done, total):
        asked.append(time.perf_counter())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sb.sensitivities(SLOW_PULSES[model], sb.Tissue(T2s=2e-6, R2f=100, omega0=3000), model=model, progress=stop)
    assert time.perf_counter() - asked[0] < 0.2


def test_voxels_out_of_reach_are_nan_in_what_is_built_on_the_models():
    seq = sb.Sequence([1.0], [10e-3], 0.1, gradient_moment="balanced", start="thermal")
    tissue, exact = sb.Tissue(R2f=[15, 1e6]), sb.Model("gbloch-ide", rtol=1e-12)  # R2f asks for too many elements
    known = sb.identifiability(seq, tissue, ("M0",), model=exact)
    assert np.isnan(known.bound["M0"]).tolist() == [False, True]
    for pair in (("graham", exact), (exact, "graham")):
        assert np.isnan(sb.model_bias(*pair, seq, tissue, ("M0",))["M0"]).tolist() == [False, True]


def test_a_crusher_turns_by_the_area_of_its_waveform():
    seq = sb.Sequence([1.0], [5e-4], 3e-3, gradient_moment="crusher", start="thermal")
    for shape, alpha in (([2.0], 2.0), ([1.0, 3.0], 2.0), ([1.0, -1.0], 0.0)):
        zf = sb.simulate(seq.replace(shape=shape), sb.Tissue(), model="gbloch-ide", output="magnetization")[0, 2]
        plain = sb.simulate(seq.replace(alpha=[alpha]), sb.Tissue(Rex=0), model="gbloch-ide", output="magnetization")
        assert zf == pytest.approx(plain[0, 2], abs=0.02)  # exchange with the pool apart


def test_a_delay_can_join_shaped_pulses():
    shaped = smooth_train(3, shape=[1, 2, 1])
    joined = sb.Sequence.concatenate([sb.Sequence.delay(0.1), shaped, sb.Sequence.delay(0.02)])
    np.testing.assert_array_equal(joined.shape, shaped.shape)
    assert np.isfinite(sb.simulate(joined, sb.Tissue(), model="graham")).all()
    with pytest.raises(sb.InvalidSequence, match="duration must be longer than 0 s; given -1 s"):
        sb.Sequence.delay(-1)


def test_the_command_line_knows_every_model():
    assert get_args(ModelName) == tuple(MODELS)
    assert get_args(LineshapeName) == LINESHAPES
