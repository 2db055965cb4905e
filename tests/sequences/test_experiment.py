"""Freedom of sequences: TR and RF phase per pulse, echoes that are not recorded, concatenation, joint experiments."""

from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import spinbound as sb
from spinbound import _core
from spinbound.sequences.experiment import as_core_sequence

from tests.support.calls import arrays
from tests.support.trains import WHITE_MATTER, random_tissues, shortened, smooth_train

TISSUE = WHITE_MATTER.replace(omega0=80, B1=0.95)
ROW = np.array([float(TISSUE[name]) for name in sb.ALL[1:]])


def free_train(n=24, start="periodic"):
    """Every repetition has a TR and an RF phase of its own."""
    rng = np.random.default_rng(n)
    return smooth_train(
        n,
        TR=rng.uniform(2e-3, 30e-3, n),
        rf_phase_increment=rng.uniform(-3, 3, n),
        gradient_moment=["crusher", "balanced", "spoiler_dual", "spoiler_prepulse"] * (n // 4),
        start=start,
    )


@pytest.mark.parametrize("start", ["periodic", "thermal", [0.1, -0.2, 0.3, 0, 0.1]], ids=str)
def test_repetitions_of_any_duration_and_phase_equal_the_oracle(start):
    seq = free_train(start=start)
    core = as_core_sequence(seq)
    rates = _core.R2sl(core, 0, float(TISSUE["T2s"]), float(TISSUE["B1"]))
    # (n, 5) magnetization and (n, 5, 8) derivatives after every repetition, by matrix exponentials
    expected, derivatives = _core.reference.simulate(core, ROW, rates)
    m = sb.simulate(seq, TISSUE, output="magnetization").real
    np.testing.assert_allclose(m, expected, rtol=0, atol=1e-9)
    _, J = sb.sensitivities(seq, TISSUE, sb.ALL[1:])
    exact = derivatives[:, 0] + 1j * derivatives[:, 1]
    assert (np.abs(J - exact).max(0) <= 1e-7 * np.abs(exact).max(0)).all()


def test_echoes_that_are_not_recorded_are_left_out():
    seq = free_train()
    recorded = np.arange(24) % 3 == 1
    part = seq.replace(echo=recorded)
    assert part.n_echoes == 8
    np.testing.assert_allclose(part.echo_times, np.cumsum(seq.TR)[recorded])
    tissue = random_tissues(3, 1)
    for call in (sb.simulate, partial(sb.simulate, output="magnetization"), sb.sensitivities):
        for whole, some in zip(arrays(call(seq, tissue)), arrays(call(part, tissue)), strict=True):
            np.testing.assert_array_equal(some, whole[:, recorded])
    s_part, J_part = sb.sensitivities(part, tissue)
    columns = J_part[..., 1:3]  # m0s, R1f
    product = np.einsum("vti,vtj->vij", columns.conj(), columns).real
    np.testing.assert_allclose(sb.fisher(part, tissue, ("m0s", "R1f")), product, rtol=1e-10)
    basis = sb.Basis(np.linalg.qr(np.random.default_rng(2).normal(size=(8, 5)))[0], seq=part)
    np.testing.assert_allclose(sb.simulate(part, tissue, basis=basis), s_part @ basis.vectors, atol=1e-13)


def test_a_train_that_records_nothing_is_refused():
    with pytest.raises(sb.InvalidSequence, match="records no echo"):
        sb.simulate(sb.Sequence.delay(0.1), TISSUE)


def test_concatenated_trains_are_one_long_acquisition():
    first, second = free_train(12, start="thermal"), free_train(8)
    joined = sb.Sequence.concatenate([first, second])
    assert (joined.n_pulses, joined.start) == (20, "thermal")
    end = sb.simulate(first, TISSUE, output="magnetization")[-1].real
    after = second.replace(start=end)
    parts = np.append(sb.simulate(first, TISSUE), sb.simulate(after, TISSUE))
    np.testing.assert_allclose(sb.simulate(joined, TISSUE), parts, atol=1e-14)
    assert sb.Sequence.concatenate([first]) == first


def test_a_delay_is_free_recovery():
    """Two exponentials, from an inversion that spoils what is transverse."""
    inversion = sb.Sequence([np.pi], [5e-4], 2e-3, gradient_moment="spoiler_dual", start="thermal", echo=False)
    read = sb.Sequence([0.1], [1e-4], 1e-3, gradient_moment="balanced")
    states = []
    for duration in (0.1, 0.4, 1.0):
        seq = sb.Sequence.concatenate([inversion, sb.Sequence.delay(duration), read])
        assert seq.duration == pytest.approx(duration + 3e-3)
        states.append(sb.simulate(seq.replace(alpha=[np.pi, 0, 0]), TISSUE, output="magnetization")[0].real)
    m0s, R1f, Rex, R1s = (float(TISSUE[name]) for name in ("m0s", "R1f", "Rex", "R1s"))
    rates = np.array([[-(R1f + Rex * m0s), Rex * (1 - m0s)], [Rex * m0s, -(R1s + Rex * (1 - m0s))]])
    value, vectors = np.linalg.eig(rates)
    left = [np.linalg.solve(vectors, state[[2, 4]] - [1 - m0s, m0s]) for state in states]
    np.testing.assert_allclose(left[1], left[0] * np.exp(0.3 * value), rtol=1e-9)
    np.testing.assert_allclose(left[2][np.argmax(value)], (left[0] * np.exp(0.9 * value))[np.argmax(value)], rtol=1e-9)


def test_a_spoiled_delay_leaves_nothing_transverse():
    kick = sb.Sequence([1.0], [1e-4], 2e-3, gradient_moment="balanced", start="thermal")
    spoilt, kept = (
        sb.Sequence.concatenate([kick, sb.Sequence.delay(0.05, spoil=spoil), kick.replace(alpha=[0.0])])
        for spoil in (True, False)
    )
    assert sb.simulate(spoilt, TISSUE)[-1] == 0
    assert abs(sb.simulate(kept, TISSUE)[-1]) > 0.1


def test_trains_of_different_shape_are_not_one_train():
    seq = smooth_train(4)
    with pytest.raises(sb.InvalidSequence, match="pulses of different shape"):
        sb.Sequence.concatenate([seq, seq.replace(shape=[1, 2, 1])])
    with pytest.raises(sb.InvalidSequence, match="at least one Sequence"):
        sb.Sequence.concatenate([])


# Joint experiments


def experiments():
    return [smooth_train(40), free_train(12, start="thermal"), shortened(smooth_train(60), 20)]


def test_the_samples_of_a_joint_experiment_follow_each_other():
    tissue = random_tissues(7, 4)
    for output in ("signal", "magnetization"):
        whole = sb.simulate(experiments(), tissue, output=output)
        parts = [sb.simulate(seq, tissue, output=output) for seq in experiments()]
        np.testing.assert_array_equal(whole, np.concatenate(parts, axis=1))
    s, J = sb.sensitivities(experiments(), tissue, ("M0", "R1f", "T2s"))
    parts = [sb.sensitivities(seq, tissue, ("M0", "R1f", "T2s")) for seq in experiments()]
    np.testing.assert_array_equal(s, np.concatenate([part[0] for part in parts], axis=1))
    np.testing.assert_array_equal(J, np.concatenate([part[1] for part in parts], axis=1))


@pytest.mark.parametrize("model", ["gbloch", "graham"])
@pytest.mark.parametrize("form", ["real", "complex", "real-M0"])
def test_fisher_matrices_of_a_joint_experiment_add(form, model):
    tissue = random_tissues(3, 5)
    whole = sb.fisher(experiments(), tissue, form=form, model=model)
    total = sum(sb.fisher(seq, tissue, form=form, model=model) for seq in experiments())
    scale = np.sqrt(np.einsum("vii->vi", total).real)
    scales = scale[:, :, None] * scale[:, None]
    np.testing.assert_allclose(whole / scales, total / scales, atol=1e-13)


def test_a_further_train_never_raises_a_bound():
    tissue, trains = random_tissues(40, 6), experiments()
    bounds = [sb.crb(trains[:n], tissue) for n in (1, 2, 3)]
    for before, after in pairwise(bounds):
        for name in sb.ALL:
            assert (after[name] <= before[name] * (1 + 1e-6)).all(), name


def test_a_basis_of_a_joint_experiment_covers_all_its_echoes():
    tissue, trains = random_tissues(5, 7), experiments()
    signals = sb.simulate(trains, random_tissues(200, 8))
    basis = sb.Basis.from_svd(signals, rank=9, seq=trains)
    projected = sb.simulate(trains, tissue) @ basis.vectors.conj()
    np.testing.assert_allclose(sb.simulate(trains, tissue, basis=basis), projected, atol=1e-13)
    all_samples, coefficients = (sb.crb(trains, tissue, ("M0", "m0s"), basis=b)["m0s"] for b in (None, basis))
    assert (coefficients >= all_samples).all()
    with pytest.raises(sb.InvalidParameter, match="the basis belongs to another sequence"):
        sb.simulate([trains[1], trains[0], trains[2]], tissue, basis=basis)
    with pytest.raises(sb.InvalidParameter, match="the basis has 72 echoes, the sequence 40"):
        sb.simulate(trains[0], tissue, basis=basis)


def test_a_voxel_that_one_train_does_not_accept_is_invalid():
    strong = smooth_train(4, alpha=np.full(4, 3.0))
    tissue = WHITE_MATTER.replace(B1=[1.0, 2.0])
    signals = sb.simulate([smooth_train(8, alpha=np.full(8, 0.5)), strong], tissue)
    assert np.isnan(signals).any(axis=1).tolist() == [False, True]


def test_what_is_no_experiment_is_refused():
    with pytest.raises(sb.InvalidSequence, match="the list of sequences is empty"):
        sb.simulate([], TISSUE)
    with pytest.raises(sb.InvalidSequence, match="or a list of them; given str"):
        sb.crb([smooth_train(4), "another"], TISSUE)


# Files


@pytest.mark.parametrize("suffix", ["npz", "toml", "mat"])
def test_all_of_a_sequence_survives_its_file(suffix, tmp_path):
    seq = free_train().replace(echo=np.arange(24) % 2 == 0, shape=[1, 1 + 0.5j, 0.3])
    seq.save(tmp_path / f"train.{suffix}")
    loaded = sb.Sequence.load(tmp_path / f"train.{suffix}")
    assert loaded == seq
    np.testing.assert_array_equal(loaded.shape, seq.shape)
    np.testing.assert_array_equal(loaded.echo, seq.echo)
    assert len({seq.sha256, seq.replace(shape=None).sha256, seq.replace(echo=True).sha256}) == 3
