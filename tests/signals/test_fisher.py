"""What the Fisher matrix and its bounds must be, whatever the train and the tissue."""

import mpmath
import numpy as np
import pytest
import spinbound as sb
from hypothesis import assume
from hypothesis import strategies as st

from tests.support.strategies import given_some, is_heard, numbers, sequences, tissues
from tests.support.theory import stacked
from tests.support.trains import WHITE_MATTER, random_basis, random_tissues, repeated, shortened, smooth_train

REAL = sb.ALL[1:]  # all but M0, which is complex
FORMS = ("real", "complex", "real-M0")
every_form = pytest.mark.parametrize("form", FORMS)
either_start = pytest.mark.parametrize("start", ["periodic", "thermal"])
ROUNDING = 1e-13  # of the entries of F scaled to unit diagonal: sums over a few hundred echoes
FEW = ("M0", "m0s", "R2f", "B1")


def unit_diagonal(F):
    scale = np.sqrt(np.diag(F).real)
    scale[scale == 0] = 1
    return F / np.outer(scale, scale)


def jacobian(seq, tissue, names, form="real", basis=None):
    """The columns that a form of the Fisher matrix is made of."""
    J = sb.sensitivities(seq, tissue, names, basis=basis)[1]
    k = names.index("M0")
    if form == "real-M0":
        J[..., k] *= (tissue["M0"] / abs(tissue["M0"]))[..., None]
    return np.insert(J, k + 1, 1j * J[..., k], axis=-1) if form == "real" else J


def tolerance(seq, tissue, names=FEW, form="real"):
    """Relative, of a bound: the inverse multiplies the rounding of F by its condition.

    What else the sensitivities of two trains differ by, as in cycles of a few pulses, is covered by 1e-7.
    """
    J = jacobian(seq, tissue, names, form)
    scale = np.linalg.norm(J, axis=0)
    assume(scale.min() > 1e-12)  # flip angles that no scanner plays underflow in products
    expected = J.conj().T @ J / np.outer(scale, scale)
    F = sb.fisher(seq, tissue, names, form=form) / np.outer(scale, scale)
    condition = np.linalg.cond(F)
    assume(condition < 1e7)
    assert np.abs(F - (expected if form == "complex" else expected.real)).max() <= ROUNDING
    return 1e-7 + 10 * ROUNDING * condition


def all_of(bounds):
    return np.array(list(bounds.values()))


# Known values


@pytest.mark.parametrize("form, known", [("real", 2.4970), ("complex", 2.5385)])
def test_bound_of_m0s_with_the_published_train_is_the_known_one(published_train, form, known):
    # the values are known to their last digit
    assert sb.crb(published_train, WHITE_MATTER, form=form)["m0s"] == pytest.approx(known, abs=5e-5)
    weak = sb.crb(published_train, WHITE_MATTER.replace(M0=0.5), sigma=0.01, form=form)["m0s"]
    assert weak * (0.5 / 0.01) ** 2 == pytest.approx(known, abs=5e-5)


def test_signal_of_the_published_train_lies_in_the_published_basis_but_for_two_percent(published_train, published_data):
    with np.load(published_data / "published_basis.npz") as content:
        basis = sb.Basis(content["vectors"][:, :13])
    signal = sb.simulate(published_train, WHITE_MATTER)
    outside = signal - basis.expand(basis.compress(signal))
    assert np.linalg.norm(outside) / np.linalg.norm(signal) == pytest.approx(0.020, abs=5e-4)


# The matrix


@given_some(sequences(), tissues(), st.sampled_from(FORMS), examples=60)
def test_matrix_is_hermitian_and_positive_semidefinite(seq, tissue, form):
    F = sb.fisher(seq, tissue, form=form)
    assert np.array_equal(F, F.conj().T)
    # zero is an eigenvalue to the rounding of the entries
    assert np.linalg.eigvalsh(unit_diagonal(F)).min() >= -ROUNDING


@given_some(sequences(start="periodic"), tissues(), st.sampled_from(FORMS), examples=40)
def test_repeating_the_cycle_doubles_the_information(seq, tissue, form):
    once, twice = (sb.fisher(s, tissue, form=form) for s in (seq, repeated(seq, 2)))
    scale = np.sqrt(np.diag(once).real)
    # the periodic state is found anew from twice as many pulses; entries are small differences there, if it has few
    assert (np.abs(twice - 2 * once) <= 1e-6 * np.outer(scale, scale)).all()


@given_some(sequences(min_pulses=8, start="periodic"), tissues())
def test_repeating_the_cycle_halves_the_bounds(seq, tissue):
    rel = tolerance(seq, tissue) + tolerance(repeated(seq, 2), tissue)
    once, twice = (all_of(sb.crb(s, tissue, FEW)) for s in (seq, repeated(seq, 2)))
    assert twice == pytest.approx(once / 2, rel=rel)


@every_form
@pytest.mark.parametrize("n_pulses, start", [(60, "thermal"), (60, "periodic"), (8, "periodic"), (1, "periodic")])
def test_the_matrix_is_made_of_the_sensitivities(n_pulses, start, form):
    seq, many, sigma = smooth_train(n_pulses, start=start), random_tissues(200, seed=1), 0.1
    J = jacobian(seq, many, sb.ALL, form) / sigma
    norm = np.linalg.norm(J, axis=1)
    expected = J.conj().mT @ J
    difference = sb.fisher(seq, many, sigma=sigma, form=form) - (expected if form == "complex" else expected.real)
    assert (np.abs(difference) <= ROUNDING * norm[:, :, None] * norm[:, None, :]).all()


# What raises a bound, and what does not


@given_some(sequences(min_pulses=8, start="thermal"), tissues(), st.floats(0.5, 1))
def test_more_pulses_from_a_fixed_start_never_raise_a_bound(seq, tissue, share):
    part = shortened(seq, max(6, int(share * seq.n_pulses)))
    assume(is_heard(part))
    # a weak start may drown in the rounding of strong echoes: what is null is relative to the whole train
    rel = tolerance(part, tissue) + tolerance(seq, tissue)
    assert (all_of(sb.crb(seq, tissue, FEW)) <= all_of(sb.crb(part, tissue, FEW)) * (1 + rel)).all()


@given_some(sequences(min_pulses=8), tissues(), st.permutations(FEW), st.sampled_from(FORMS))
def test_a_nuisance_parameter_never_lowers_a_bound(seq, tissue, names, form):
    rel = tolerance(seq, tissue, names, form=form)
    all_unknown = sb.crb(seq, tissue, names, form=form)
    for known in range(1, len(names)):
        for name, bound in sb.crb(seq, tissue, names[known:], form=form).items():
            assert bound <= all_unknown[name] * (1 + rel)


@given_some(sequences(min_pulses=8), tissues(), st.sampled_from(FORMS), st.integers(0, 10**6), st.data())
def test_compression_never_lowers_a_bound(seq, tissue, form, seed, data):
    basis = random_basis(seq.n_pulses, data.draw(st.integers(4, seq.n_pulses)), seed).assign(seq)
    rel = tolerance(seq, tissue, form=form)
    whole, compressed = (all_of(sb.crb(seq, tissue, FEW, form=form, basis=b)) for b in (None, basis))
    assert (compressed >= whole * (1 - rel)).all()


@every_form
def test_fewer_vectors_of_an_svd_raise_every_bound(form):
    seq = smooth_train()
    signals = sb.simulate(seq, sb.Tissue(m0s=np.linspace(0.05, 0.3, 5), R1f=[[0.4], [1]], R2f=[[[8]], [[30]]]))
    basis = sb.Basis.from_svd(signals, rank=16, seq=seq)
    bases = (basis.truncate(rank) for rank in (6, 8, 12, 16))
    bounds = [all_of(sb.crb(seq, WHITE_MATTER, FEW, form=form, basis=b)) for b in (*bases, None)]
    # the condition is below 1e6 throughout
    assert (np.diff(bounds, axis=0) <= 1e-9 * np.array(bounds[:-1])).all()
    assert (bounds[0] > 1.01 * bounds[-1]).all()


@given_some(sequences(min_pulses=8), tissues(), st.integers(0, 10**6), st.sampled_from(FORMS))
def test_a_basis_of_full_rank_loses_nothing(seq, tissue, seed, form):
    turn = random_basis(seq.n_pulses, seq.n_pulses, seed)
    rel = tolerance(seq, tissue, form=form)
    whole, turned = (all_of(sb.crb(seq, tissue, FEW, form=form, basis=b)) for b in (None, turn))
    assert turned == pytest.approx(whole, rel=rel)


# The three forms


@given_some(sequences(min_pulses=8), tissues())
def test_what_is_taken_as_known_orders_the_three_forms(seq, tissue):
    rel = tolerance(seq, tissue, form="complex")
    by_form = [sb.crb(seq, tissue, FEW, form=form) for form in ("complex", "real", "real-M0")]
    complex_, real, real_M0 = (np.array([bounds[name] for name in FEW[1:]]) for bounds in by_form)
    assert (real <= complex_ * (1 + rel)).all()
    assert (real_M0 <= real * (1 + rel)).all()


def test_the_complex_form_gives_larger_bounds_on_a_short_train():
    real, complex_ = (sb.crb(smooth_train(), WHITE_MATTER, form=form)["R2f"] for form in ("real", "complex"))
    assert complex_ > 1.2 * real


# Noise and size of the signal


@given_some(sequences(min_pulses=8), tissues(), numbers(0.01, 100), numbers(-3, 3), st.sampled_from(FORMS))
def test_bounds_depend_on_the_size_of_M0_and_not_on_its_phase(seq, tissue, size, phase, form):
    rel = tolerance(seq, tissue, form=form)
    unit = sb.crb(seq, tissue.replace(M0=1), FEW, 1, form)
    turned = sb.crb(seq, tissue.replace(M0=size * np.exp(1j * phase)), FEW, 0.1, form)
    assert turned["M0"] == pytest.approx(unit["M0"] * 0.1**2, rel=rel)
    for name in FEW[1:]:
        assert turned[name] == pytest.approx(unit[name] * (0.1 / size) ** 2, rel=rel)


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_bounds_survive_signals_of_any_size(size):
    seq = smooth_train()
    unit, scaled = (sb.crb(seq, WHITE_MATTER.replace(M0=M0), sigma=M0) for M0 in (1, size))
    assert scaled["M0"] == pytest.approx(unit["M0"] * size**2, rel=1e-9)
    assert [scaled[name] for name in REAL] == pytest.approx([unit[name] for name in REAL], rel=1e-9)


# Against differences


def richardson(function, x, step):
    """The derivative by central differences of steps h, h/2, h/4, extrapolated to h = 0: error of order h^6."""
    coarse, middle, fine = ((function(x + h) - function(x - h)) / (2 * h) for h in (step, step / 2, step / 4))
    return (64 * fine - 20 * middle + coarse) / 45


# Relative, for omega0 in rad/s: for each the best of truncation and of the tables of R2sl, which change by 1e-10
# where a step in T2s or B1 crosses into the next.
STEPS = dict.fromkeys(sb.ALL, 0.02) | {"omega0": 1.0, "T2s": 0.05, "B1": 0.05}


def differences(seq, tissue, name):
    value = tissue[name].real if name == "M0" else tissue[name]
    step = STEPS.get(name, 0.02) * (1 if name == "omega0" else value)
    return richardson(lambda x: sb.simulate(seq, tissue.replace(**{name: x})), value, step)


@given_some(tissues(), st.sampled_from(("periodic", "thermal", [0.1, -0.2, 0.5, 0, 0.1])), examples=15)
def test_bounds_are_those_of_jacobians_by_differences(tissue, start):
    seq = smooth_train(start=start)
    tissue = tissue.replace(M0=1)
    J = np.stack([differences(seq, tissue, name) for name in sb.ALL], axis=-1)
    J = stacked(np.insert(J, 1, 1j * J[:, 0], axis=1))
    scale = np.linalg.norm(J, axis=0)
    R = np.linalg.qr(J / scale)[1]
    bounds = (np.linalg.inv(R) ** 2).sum(axis=1) / scale**2
    expected = np.r_[bounds[:2].sum(), bounds[2:]]
    # columns are right to 1e-7 of their size, and their condition doubles that at most a few thousand times
    assert all_of(sb.crb(seq, tissue)) == pytest.approx(expected, rel=1e-7 * np.linalg.cond(R))


@pytest.mark.parametrize("name", ["R1a", "T1a", "T1f", "T1s", "T2f"])
@either_start
def test_sensitivities_to_derived_parameters_are_those_of_differences(name, start):
    seq, tissue = smooth_train(start=start), WHITE_MATTER.replace(R1a=0.8, omega0=40)
    J = sb.sensitivities(seq, tissue, name)[1][:, 0]
    # steps of 2 % leave an error of their sixth power
    assert np.abs(differences(seq, tissue, name) - J).max() <= 1e-9 * np.abs(J).max()


@given_some(sequences(min_pulses=8), tissues(equal_R1=True), examples=15)
def test_the_bound_of_a_time_is_that_of_its_rate_over_the_fourth_power(seq, tissue):
    for rate, time in (("R1a", "T1a"), ("R1f", "T1f"), ("R1s", "T1s"), ("R2f", "T2f")):
        rel = tolerance(seq, tissue, ("M0", "m0s", rate))
        of_rate, of_time = (sb.crb(seq, tissue, ("M0", "m0s", name)) for name in (rate, time))
        assert of_time[time] == pytest.approx(of_rate[rate] / tissue[rate] ** 4, rel=rel)
        assert of_time["m0s"] == pytest.approx(of_rate["m0s"], rel=rel)


# What the data do not determine


def infinite(bounds):
    return {name for name, bound in bounds.items() if np.isinf(bound)}


@given_some(sequences(max_pulses=6), tissues(), st.sampled_from(FORMS), examples=60)
def test_no_bound_is_negative_or_undefined(seq, tissue, form):
    assert (all_of(sb.crb(seq, tissue, form=form)) > 0).all()


@every_form
@either_start
@pytest.mark.parametrize("absent, lost", [("m0s", {"Rex", "R1s", "T2s"}), ("Rex", {"M0", "m0s", "R1s", "T2s"})])
def test_without_a_second_pool_or_exchange_with_it_little_is_learnt_of_it(start, form, absent, lost):
    bounds = sb.crb(smooth_train(start=start), WHITE_MATTER.replace(**{absent: 0}), form=form)
    assert infinite(bounds) == lost


@pytest.mark.parametrize("seq", [smooth_train(alpha=np.zeros(60)), smooth_train(gradient_moment="spoiler_dual")])
def test_without_a_signal_nothing_is_learnt(seq):
    assert not sb.fisher(seq, WHITE_MATTER).any()
    with pytest.raises(sb.InvalidSequence, match="the signal is zero for every tissue"):
        sb.crb(seq, WHITE_MATTER)


@either_start
def test_two_echoes_do_not_determine_what_shapes_them_together(start):
    assert infinite(sb.crb(smooth_train(2, start=start), WHITE_MATTER)) >= set(sb.ALL) - {"R2f", "omega0"}


def test_a_spoiled_train_confuses_off_resonance_with_the_phase_of_M0():
    same = np.ones(20)
    seq = sb.Sequence(0.3 * same, 200e-6 * same, 5e-3, gradient_moment="spoiler_prepulse", start="thermal")
    names = ("M0", "R1f", "omega0")
    known = sb.crb(seq, WHITE_MATTER, names, form="real-M0")
    for form in ("real", "complex"):
        bounds = sb.crb(seq, WHITE_MATTER, names, form=form)
        # the echo follows the pulse's centre by TR/2; a pulse of 4 % of TR is not quite one at its centre
        assert np.sqrt(bounds["M0"] / bounds["omega0"]) == pytest.approx(5e-3 / 2, rel=1e-3)
        assert bounds["omega0"] > 1e11 * known["omega0"]


def test_an_unknown_that_nothing_determines_does_not_change_the_others():
    seq, tissue = smooth_train(start="thermal"), WHITE_MATTER.replace(m0s=0)
    names = ("M0", "m0s", "R1f", "R2f", "omega0", "B1")
    all_unknown, known = (sb.crb(seq, tissue, wrt) for wrt in (sb.ALL, names))
    # the condition of the six is below 1e6
    assert [all_unknown[name] for name in names] == pytest.approx(list(known.values()), rel=1e-9)


@pytest.mark.parametrize("angle", [1, 0.03, 0.01, 0.003, 0.002])
@pytest.mark.parametrize("with_basis", [False, True])
def test_the_bound_is_right_up_to_the_edge_of_identifiability(angle, with_basis):
    train = smooth_train()
    seq = train.replace(alpha=angle * train.alpha, gradient_moment="balanced", start="thermal")
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(60, 60)))[0]
    basis = sb.Basis(turn) if with_basis else None
    J = sb.sensitivities(seq, WHITE_MATTER, ("M0", "R2f", "B1"), basis=basis)[1]
    bounds = sb.crb(seq, WHITE_MATTER, ("M0", "R2f", "B1"), form="real-M0", basis=basis)
    # cond(J) reaches 6e5: the inverse of F in double precision is wrong by 2e-5 there, a QR of J by 1e-10
    assert all_of(bounds) == pytest.approx(exact_bounds(J), rel=1e-7)


def exact_bounds(J):
    """diag((Re J^H J)^-1) in sixty digits."""
    with mpmath.workdps(60):
        columns = mpmath.matrix(stacked(J).tolist())
        inverse = (columns.T * columns) ** -1
        return np.array([float(inverse[k, k]) for k in range(J.shape[1])])


@pytest.mark.parametrize("seed", range(40))
def test_no_finite_bound_is_too_low_where_little_can_be_told_apart(seed):
    rng = np.random.default_rng(seed)
    n = rng.integers(5, 14)
    alpha, TRF, start = rng.uniform(0.05, 1.5, n), rng.uniform(1e-4, 8e-4, n), ("periodic", "thermal")[seed % 2]
    seq = sb.Sequence(alpha, TRF, 3.5e-3, gradient_moment="balanced", start=start)
    tissue = sb.Tissue(m0s=rng.uniform(0.05, 0.3), omega0=rng.uniform(50, 300), R2f=rng.uniform(5, 60))
    exact = exact_bounds(jacobian(seq, tissue, sb.ALL))
    exact = np.r_[exact[:2].sum(), exact[2:]]
    bound = all_of(sb.crb(seq, tissue))
    assert bound[np.isfinite(bound)] == pytest.approx(exact[np.isfinite(bound)], rel=1e-3)
