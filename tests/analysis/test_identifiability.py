"""What an experiment tells apart: numbers against the bound and the sensitivities, words against both."""

import re

import numpy as np
import pytest
import spinbound as sb
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.support.strategies import sequences, tissues
from tests.support.trains import WHITE_MATTER, random_tissues, smooth_train

SEQ = smooth_train()
SECOND = smooth_train(40, alpha=np.full(40, 0.3), gradient_moment="balanced", start="thermal", TR=5e-3)
FEW = ("M0", "m0s", "R2f", "B1")


def array_of(bounds):
    return np.array(list(bounds.values()))


def column_scaled(seq, tissue, names):
    """The stacked real Jacobian with columns of unit norm, and the norms."""
    J = sb.sensitivities(seq, tissue, names)[1]
    k = names.index("M0")
    J = np.insert(J, k + 1, 1j * J[:, k], axis=1)
    A = np.concatenate([J.real, J.imag])
    norm = np.linalg.norm(A, axis=0)
    return A / np.where(norm > 0, norm, 1), norm


def is_well_conditioned(seq, tissue):
    A, norm = column_scaled(seq, tissue, FEW)
    return norm.min() > 1e-12 and np.linalg.cond(A) < 1e3


def row_of(text, name):
    """The row of a parameter in a table."""
    return next(line for line in text.splitlines() if line.startswith(name)).split()


# Bounds


@pytest.mark.parametrize("start", ["periodic", "thermal"])
@pytest.mark.parametrize("changes", [{}, {"m0s": 0}, {"Rex": 0}, {"M0": 0.3 - 2j}, {"B1": 1e-3}])
def test_marginalised_bounds_are_those_of_crb(start, changes):
    seq, many = smooth_train(start=start), random_tissues(30, seed=2).replace(**changes)
    found = sb.identifiability(seq, many, sigma=0.1).bound
    expected, condition = sb.crb(seq, many, sigma=0.1, condition=True)
    assert tuple(found) == sb.ALL
    for name in sb.ALL:
        assert np.array_equal(np.isinf(found[name]), np.isinf(expected[name])), name
        # from F, with an error of its condition of up to 1e8 times the rounding; else from J, with that of its own
        finite = np.isfinite(expected[name])
        error = np.abs(found[name][finite] - expected[name][finite])
        assert (error <= (1e-7 + 1e-14 * np.minimum(condition[finite], 1e13)) * expected[name][finite]).all(), name


def test_a_fixed_parameter_is_one_unknown_less():
    names = ("M0", "m0s", "R1f", "R2f", "Rex")
    fixed = sb.identifiability(SEQ, WHITE_MATTER, names, 0.1).bound_fixed
    assert np.array_equal(np.diag(fixed), np.zeros(5))
    for k, known in enumerate(names):
        for name, bound in sb.crb(SEQ, WHITE_MATTER, [n for n in names if n != known], 0.1).items():
            # Cholesky of F loses the square of the condition of J, here below 1e7
            assert fixed[names.index(name), k] == pytest.approx(bound, rel=1e-8)


def test_with_all_others_known_the_bound_is_that_of_one_unknown():
    tissue = WHITE_MATTER.replace(M0=0.5j)
    alone = sb.identifiability(SEQ, tissue, sigma=0.1).bound_alone
    assert alone == pytest.approx({name: sb.crb(SEQ, tissue, name, 0.1)[name] for name in sb.ALL}, rel=1e-12)


@settings(max_examples=25)
@given(sequences(min_pulses=8), tissues())
def test_knowledge_orders_the_bounds(seq, tissue):
    assume(is_well_conditioned(seq, tissue))
    known = sb.identifiability(seq, tissue, FEW, prior={"B1": 0.1})
    marginalised, alone, prior = map(array_of, (known.bound, known.bound_alone, known.bound_prior))
    # each comes from a factorisation of its own, of condition below 1e3
    assert (alone[:3] <= prior[:3] * (1 + 1e-9)).all()
    assert (prior <= marginalised * (1 + 1e-9)).all()
    assert (known.bound_fixed <= marginalised[:, None] * (1 + 1e-9)).all()
    assert (known.bound_fixed[:3, 3] <= prior[:3] * (1 + 1e-9)).all()


def test_the_factor_is_that_of_the_fisher_matrix():
    many, sigma = random_tissues(20, seed=3), np.linspace(0.1, 1, 20)
    R = sb.identifiability(SEQ, many, sigma=sigma).factor
    F = sb.fisher(SEQ, many, sigma=sigma)
    scale = np.sqrt(np.diagonal(F, axis1=-2, axis2=-1))
    assert np.array_equal(np.tril(R, -1), np.zeros_like(R))
    # of entries scaled to unit diagonal
    assert np.abs((np.swapaxes(R, 1, 2) @ R - F) / scale[:, :, None] / scale[:, None, :]).max() <= 1e-13


# Prior knowledge


@settings(max_examples=25)
@given(sequences(min_pulses=8), tissues(), st.sampled_from(FEW))
def test_perfect_knowledge_is_a_fixed_parameter_and_none_is_marginalisation(seq, tissue, name):
    assume(is_well_conditioned(seq, tissue))
    k = FEW.index(name)
    std = np.sqrt(sb.crb(seq, tissue, FEW)[name])
    sharp, vague, none = (
        sb.identifiability(seq, tissue, FEW, prior={name: tau}) for tau in (1e-9 * std, 1e9 * std, np.inf)
    )
    others = [j for j in range(4) if j != k]
    # knowledge of 1e-9 or 1e9 of the uncertainty without it is 1e-18 from the limits in variance
    assert array_of(sharp.bound_prior)[others] == pytest.approx(sharp.bound_fixed[others, k], rel=1e-9)
    assert array_of(vague.bound_prior) == pytest.approx(array_of(vague.bound), rel=1e-9)
    assert array_of(none.bound_prior) == pytest.approx(array_of(none.bound), rel=1e-9)


@settings(max_examples=25)
@given(st.floats(1e-6, 1e6), st.floats(1e-3, 1e3))
def test_data_and_prior_of_one_unknown_add_their_precisions(std, sigma):
    known = sb.identifiability(SEQ, WHITE_MATTER, "R2f", sigma, prior={"R2f": std})
    assert known.bound_prior["R2f"] == pytest.approx(1 / (1 / known.bound["R2f"] + 1 / std**2), rel=1e-12)


def test_a_prior_determines_what_the_data_do_not():
    known = sb.identifiability(SEQ, WHITE_MATTER.replace(m0s=0), prior={"T2s": 1e-6})
    assert np.isinf(known.bound["T2s"])
    assert known.bound_prior["T2s"] == pytest.approx(1e-12, rel=1e-12)
    assert np.isinf(known.bound_prior["R1s"])


def test_a_prior_of_M0_holds_for_both_of_its_parts():
    known = sb.identifiability(SEQ, WHITE_MATTER, "M0", prior={"M0": 1e-9})
    assert known.bound_prior["M0"] == pytest.approx(2e-18, rel=1e-9)


def test_a_prior_may_differ_between_voxels():
    tissue = sb.Tissue(m0s=[[0.1], [0.2]], R1f=[0.5, 1.0, 2.0])
    std = np.array([0.01, 0.02, 0.03])
    together = sb.identifiability(SEQ, tissue, FEW, prior={"B1": std}).bound_prior["m0s"]
    for k, one in enumerate(std):
        alone = sb.identifiability(SEQ, tissue[:, k], FEW, prior={"B1": one}).bound_prior["m0s"]
        assert np.array_equal(together[:, k], alone)


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        ({"Rex": 1}, "a name in prior is 'Rex'; allowed: M0, m0s, R2f, B1"),
        ({"B1": 0}, r"prior\['B1'\] has 0; allowed: standard deviations > 0"),
        ({"B1": np.nan}, r"prior\['B1'\] has nan; allowed: standard deviations > 0"),
        ({"B1": np.ones(4)}, r"prior\['B1'\] has shape \(4,\), which does not broadcast to the voxels \(\)"),
        ({"B1": "much"}, r"prior\['B1'\] must be real numbers"),
        (0.1, "prior must be a mapping of names to standard deviations; given float"),
    ],
)
def test_a_prior_that_makes_no_sense_is_refused(prior, message):
    with pytest.raises(sb.InvalidParameter, match=message):
        sb.identifiability(SEQ, WHITE_MATTER, FEW, prior=prior)


# Correlations and directions


def test_correlations_are_those_of_the_inverse_matrix():
    many = random_tissues(20, seed=4)
    known = sb.identifiability(SEQ, many, FEW)
    assert known.unknowns == ("Re M0", "Im M0", "m0s", "R2f", "B1")
    C = np.linalg.inv(sb.fisher(SEQ, many, FEW))
    std = np.sqrt(np.diagonal(C, axis1=-2, axis2=-1))
    # the inverse of F loses the square of the condition of J, below 1e3 here
    assert known.correlation == pytest.approx(C / std[:, :, None] / std[:, None, :], abs=1e-7)


@settings(max_examples=25)
@given(sequences(), tissues())
def test_correlations_are_symmetric_and_bounded(seq, tissue):
    known = sb.identifiability(seq, tissue)
    C, bounds = known.correlation, sb.crb(seq, tissue)
    assert np.array_equal(C, C.T, equal_nan=True)
    finite = ~np.isnan(np.diag(C))
    assert np.diag(C)[finite] == pytest.approx(1, abs=1e-12)
    assert (np.abs(C[np.ix_(finite, finite)]) <= 1).all()
    assert np.isnan(C[~finite]).all()
    assert np.array_equal(np.isinf(array_of(bounds))[1:], ~finite[2:])


def test_the_condition_number_is_that_of_columns_of_unit_norm():
    for tissue in (WHITE_MATTER, WHITE_MATTER.replace(M0=1e-3j, m0s=0.02)):
        A, _ = column_scaled(SEQ, tissue, FEW)
        assert sb.identifiability(SEQ, tissue, FEW, 0.3).condition == pytest.approx(np.linalg.cond(A), rel=1e-9)


def test_the_condition_number_does_not_depend_on_units():
    names = ("m0s", "R1f", "R2f"), ("m0s", "T1f", "T2f")
    rates, times = (sb.identifiability(SEQ, WHITE_MATTER, each) for each in names)
    assert rates.condition == pytest.approx(times.condition, rel=1e-9)


def test_a_step_in_a_direction_changes_the_signal_by_its_singular_value():
    known = sb.identifiability(SEQ, WHITE_MATTER, FEW)
    A, norm = column_scaled(SEQ, WHITE_MATTER, FEW)
    values, directions = known.worst
    assert (np.diff(values) >= 0).all()
    assert directions @ directions.T == pytest.approx(np.eye(5), abs=1e-12)
    assert np.linalg.norm(A @ directions.T, axis=0) == pytest.approx(values, rel=1e-9)
    step = 1e-4 * directions[0] / norm
    moved = {name: WHITE_MATTER[name] + d for name, d in zip(FEW[1:], step[2:], strict=True)}
    there = sb.simulate(SEQ, WHITE_MATTER.replace(M0=1 + step[0] + 1j * step[1], **moved))
    # a finite step: curvature is of the order of the step
    assert np.linalg.norm(there - sb.simulate(SEQ, WHITE_MATTER)) == pytest.approx(1e-4 * values[0], rel=0.05)


# Joint experiments


def test_matrices_of_two_trains_add():
    known = sb.identifiability([SEQ, SECOND], WHITE_MATTER)
    F = sb.fisher(SEQ, WHITE_MATTER) + sb.fisher(SECOND, WHITE_MATTER)
    scale = np.sqrt(np.diag(F))
    size = np.outer(scale, scale)
    assert known.factor.T @ known.factor / size == pytest.approx(F / size, abs=1e-12)


@settings(max_examples=25)
@given(sequences(min_pulses=8), sequences(), tissues())
def test_adding_a_second_train_never_raises_a_bound(first, second, tissue):
    assume(is_well_conditioned(first, tissue))
    alone, joint = (sb.identifiability(seq, tissue, FEW) for seq in (first, [first, second]))
    assert (array_of(joint.bound) <= array_of(alone.bound) * (1 + 1e-9)).all()
    assert (joint.bound_fixed <= alone.bound_fixed * (1 + 1e-9)).all()


# In words


def changes_told(text):
    """The changes that a sentence tells, as a tissue, and what it says of their effects."""
    text, changed = text.replace("|M0|", "M0"), {}
    for verb, name, size, unit in re.findall(r"(raising|lowering) (\S+) by (\S+) (%|rad/s|1/s)?", text):
        scale = WHITE_MATTER[name].real / 100 if unit == "%" else 1
        changed[name] = float(size) * scale * (1 if verb == "raising" else -1)
    together = float(re.search(r"changes the signal by (\S+) sigma", text).group(1))
    alone = {name: float(size) for name, size in re.findall(r"(\S+) alone by (\d[\d.e+]*\d|\d)", text)}
    return changed, together, alone


@pytest.mark.parametrize(
    "names", [("M0", "m0s", "R1f"), ("M0", "m0s", "R1f", "Rex"), ("M0", "Rex", "R1s", "T2s"), sb.ALL]
)
@pytest.mark.parametrize("sigma", [1e-4, 0.01])
def test_what_the_sentence_says_is_what_the_signal_does(names, sigma):
    changed, together, alone = changes_told(str(sb.identifiability(SEQ, WHITE_MATTER, names, sigma)))
    _, J = sb.sensitivities(SEQ, WHITE_MATTER, tuple(changed))
    effects = J * np.array(list(changed.values())) / sigma
    assert len(changed) >= 2
    assert max(abs(change) / WHITE_MATTER[name].real for name, change in changed.items()) == pytest.approx(0.1)
    # two digits of the effects, and what is left by the digits of the changes
    assert np.linalg.norm(effects.sum(axis=1)) == pytest.approx(together, rel=0.15)
    assert dict(zip(changed, np.linalg.norm(effects, axis=0), strict=True)) == pytest.approx(alone, rel=0.06)


def test_what_noise_hides_is_said_to_be_hidden():
    names = ("M0", "m0s", "R1f", "Rex")
    loud, quiet = (str(sb.identifiability(SEQ, WHITE_MATTER, names, sigma)) for sigma in (3e-3, 1e-7))
    assert "cannot be told apart at this noise" in loud
    assert "are among the hardest to tell apart" in quiet


def test_parameters_without_an_effect_are_named():
    text = str(sb.identifiability(SEQ, WHITE_MATTER.replace(m0s=0)))
    assert "\nRex, R1s and T2s are not determined by these data: they do not change the signal.\n" in text


def test_parameters_that_stand_in_for_each_other_are_named_with_their_changes():
    seq = smooth_train(alpha=1e-7 * SEQ.alpha, gradient_moment="balanced", start="thermal")
    text = str(sb.identifiability(seq, WHITE_MATTER, ("M0", "R2f", "B1")))
    assert re.search(
        r"\|M0\| and B1 are not determined by these data: "
        r"(raising \|M0\| by 10 % and lowering B1 by 10 %|lowering .*) leaves the signal as it is\.",
        text,
    )


def test_a_spoiled_train_confuses_off_resonance_with_the_phase_of_M0_in_words():
    same = np.ones(20)
    seq = sb.Sequence(0.3 * same, 200e-6 * same, 5e-3, gradient_moment="spoiler_prepulse", start="thermal")
    text = str(sb.identifiability(seq, WHITE_MATTER.replace(M0=0.3 + 0.4j), ("M0", "R1f", "omega0")))
    assert "the phase of M0 and omega0 are among the hardest to tell apart" in text
    # the echo follows the pulse's centre by TR/2; a pulse of 4 % of TR is not quite one at its centre
    turned, off = (float(re.search(rf"(\S+) {unit}\b", text).group(1)) for unit in ("rad", "rad/s"))
    assert turned / off == pytest.approx(5e-3 / 2, rel=1e-3)


def test_more_than_one_null_direction_is_counted():
    text = str(sb.identifiability(smooth_train(2, start="thermal"), WHITE_MATTER, ("M0", "m0s", "R1f", "B1", "Rex")))
    assert re.search(r"Of .* these data determine only \d combinations?\.", text)


def test_the_table_says_what_would_help():
    known = sb.identifiability(SEQ, WHITE_MATTER, FEW, 0.01, prior={"B1": 0.01})
    row = row_of(known.summary(), "m0s")
    best = min((k for k in range(4) if k != 1), key=lambda k: known.bound_fixed[1, k])
    stds = [np.sqrt(x) for x in (known.bound["m0s"], known.bound_alone["m0s"], known.bound_fixed[1, best])]
    assert row[3] == f"{stds[0]:.3g}"
    assert row[6:9] == [f"{stds[1]:.3g}", FEW[best], f"{stds[2]:.3g}"]
    assert row[9] == f"{np.sqrt(known.bound_prior['m0s']):.3g}"


def test_a_single_unknown_has_nothing_to_be_told_apart_from():
    assert not re.search("(tell|told) apart", str(sb.identifiability(SEQ, WHITE_MATTER, "R2f")))


def test_without_M0_nothing_but_M0_is_seen():
    text = str(sb.identifiability(SEQ, WHITE_MATTER.replace(M0=0), ("M0", "m0s")))
    assert "m0s is not determined by these data: it does not change the signal." in text
    assert "No parameters mimic each other: the least singular value is 1 of at most 1." in text


# Voxels and options


def test_many_voxels_are_summed_up_and_the_worst_is_told():
    tissue = WHITE_MATTER.replace(m0s=[[0.1], [0.0], [np.nan]], R1f=[0.5, 1.0])
    known = sb.identifiability(SEQ, tissue)
    text = str(known)
    assert text.startswith("6 voxels, scaled condition number ")
    assert known.summary((1, 0)) in text
    assert "Voxel (1, 0), of the largest condition number" in text
    assert row_of(text, "T2s")[-2:] == ["inf", "2"]
    assert known.summary((2, 1)) == "The voxel is invalid."
    for voxel in (0, (), (0, 0, 0)):
        with pytest.raises(IndexError, match=r"the voxels have shape \(3, 2\)"):
            known.summary(voxel)


def test_shapes_are_those_of_the_voxels():
    known = sb.identifiability(SEQ, sb.Tissue(m0s=[[0.1], [0.15]], R1a=[0.5, 1.0, 2.0]), FEW, sigma=[0.1, 0.2, 0.3])
    assert known.correlation.shape == (2, 3, 5, 5)
    assert known.bound_fixed.shape == (2, 3, 4, 4)
    assert known.condition.shape == known.bound["m0s"].shape == (2, 3)
    assert known.bound_prior is None
    single = sb.identifiability(SEQ, WHITE_MATTER, FEW)
    assert isinstance(single.condition, float)
    assert isinstance(single.bound["M0"], float)
    assert str(sb.identifiability(SEQ, sb.Tissue(m0s=np.empty((0, 2))))) == "no voxels, of shape (0, 2)"


def test_a_missing_sigma_is_refused():
    with pytest.raises(sb.InvalidParameter, match="sigma must be real numbers"):
        sb.identifiability(SEQ, WHITE_MATTER, sigma=None)
