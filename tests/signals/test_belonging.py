"""Wrong pairs of data, basis and sequence are refused, right ones never."""

import numpy as np
import pytest
import spinbound as sb
from spinbound.sequences.experiment import as_trains
from spinbound.signals import belonging
from spinbound.signals.belonging import estimate_noise, measure_outside

from tests.support.trains import noise, smooth_train

SEQ = sb.sequences.load("hybrid-mt-4s")
PRIOR = sb.Prior.paper().within(SEQ)
TISSUE = PRIOR.sample(60, seed=3)
BRAIN = sb.Prior(m0s=sb.Uniform(0.05, 0.2), T1a=sb.Uniform(0.8, 2), T2f=sb.Uniform(0.05, 0.1), B1=sb.Uniform(0.8, 1.1))
RANKS = (2, 3, 4, 6, 8, 13, 20, 30)
SOME_RANKS = pytest.mark.parametrize("ranks", [(2, 13), pytest.param(RANKS, marks=pytest.mark.long)])


def unknown(basis):
    """The same basis, of unknown origin."""
    return sb.Basis(basis.vectors, basis.singular_values)


def refusal(basis, seq):
    """Whether, and how, the pair is refused."""
    try:
        basis.check_sequence(seq)
    except sb.InvalidParameter as problem:
        return str(problem)
    return None


def wrong_ones(seq):
    """What people get wrong, by name."""
    return {
        "crusher forgotten": seq.replace(gradient_moment="balanced"),
        "TR in ms": seq.replace(TR=1000 * seq.TR),
        "alpha in degrees": seq.replace(alpha=np.degrees(seq.alpha)),
        "reversed": seq.replace(alpha=seq.alpha[::-1], TRF=seq.TRF[::-1]),
    }


@pytest.fixture(scope="module")
def made():
    """Bases of the bundled train, of unknown origin, of the tissues that people take."""
    wide = sb.simulate(SEQ, PRIOR.sample(200, seed=8))
    narrow = sb.simulate(SEQ, sb.Tissue(m0s=np.linspace(0, 0.3, 8), R2f=[[10], [20], [30], [50]]))
    return {
        "of the paper's prior": sb.Basis.from_svd(wide, 30),
        "of a brain on resonance": sb.Basis.from_svd(sb.simulate(SEQ, BRAIN.sample(100)), 20),
        "of two parameters": sb.Basis.from_svd(narrow, 13),
    }


# Bases


@SOME_RANKS
def test_right_bases_are_accepted_whatever_they_were_made_of(made, ranks):
    for name, basis in made.items():
        for rank in ranks:
            if rank <= basis.rank:
                assert refusal(basis.truncate(rank), SEQ) is None, (name, rank)


@pytest.mark.long
@pytest.mark.parametrize("options", [{"real": True}, {"bounds": ("m0s", "T2f"), "wrt": ("M0", "m0s", "T2f")}])
def test_so_are_bases_that_are_made_while_simulating(options):
    basis = unknown(sb.build_basis(SEQ, PRIOR, 200, 30, **options))
    for rank in RANKS:
        assert refusal(basis.truncate(rank), SEQ) is None, rank


@SOME_RANKS
def test_bases_of_another_train_are_refused(made, published_train, ranks):
    for name, basis in made.items():
        for rank in ranks[1:]:
            if rank > basis.rank:
                continue
            assert "check that this is the sequence" in refusal(basis.truncate(rank), published_train), (name, rank)


@SOME_RANKS
def test_the_published_basis_belongs_to_the_published_train_alone(published_data, published_train, ranks):
    basis = sb.Basis.load(published_data / "published_basis.npz")
    wrong = wrong_ones(published_train) | {"another train": SEQ}
    for rank in ranks:
        assert refusal(basis.truncate(rank), published_train) is None, rank
        for name, seq in wrong.items():
            if rank > 3 or name != "crusher forgotten":  # three vectors hold no more of that train's own signals
                assert refusal(basis.truncate(rank), seq) is not None, (rank, name)


@SOME_RANKS
def test_a_train_without_crushers_has_bases_too(ranks):
    seq = SEQ.replace(gradient_moment="balanced")
    basis = sb.Basis.from_svd(sb.simulate(seq, PRIOR.sample(300, seed=8)), 30)
    assert [refusal(basis.truncate(rank), seq) for rank in ranks] == [None] * len(ranks)


def test_a_wrong_tr_of_ten_per_cent_cannot_be_seen(made):
    assert refusal(made["of the paper's prior"].truncate(13), SEQ.replace(TR=1.1 * SEQ.TR)) is None


def test_the_part_outside_is_that_of_a_projection():
    rng = np.random.default_rng(0)
    signals = rng.normal(size=(5, 12, 2)) @ [1, 1j]
    vectors = np.linalg.qr(rng.normal(size=(12, 4, 2)) @ [1, 1j])[0]
    rest = signals.T - vectors @ np.linalg.lstsq(vectors, signals.T, rcond=None)[0]
    expected = np.linalg.norm(rest, axis=0) / np.linalg.norm(signals, axis=1)
    assert measure_outside(signals, vectors) == pytest.approx(expected, rel=1e-12)


def test_a_basis_that_knows_its_sequence_is_not_tested(monkeypatch):
    basis = sb.Basis(np.eye(60)[:, :4], seq=smooth_train())
    monkeypatch.setattr(belonging, "_simulate", None)
    assert refusal(basis, smooth_train(alpha=smooth_train().alpha + 1e-15)) is None
    assert "basis.assign(seq)" in refusal(basis, smooth_train(TR=3.6e-3))


def test_shaped_and_joint_trains_are_tested_as_well():
    shaped = smooth_train(shape=np.hanning(8)[1:-1])
    for seq in (shaped, [smooth_train(40), smooth_train(60)]):
        signals = sb.simulate(seq, BRAIN.sample(60), model="graham")
        assert refusal(sb.Basis.from_svd(signals, 8), seq) is None
        n = signals.shape[1]
        assert refusal(sb.Basis(np.eye(n)[:, n // 2 : n // 2 + 8]), seq) is not None


@pytest.mark.parametrize("call", [sb.simulate, sb.sensitivities, sb.fisher, sb.crb, sb.dictionary])
def test_every_call_refuses_a_wrong_basis(call):
    wrong = sb.Basis(np.eye(60)[:, 40:52])
    with pytest.raises(sb.InvalidParameter, match="the basis does not belong to the sequence"):
        call(smooth_train(), TISSUE, basis=wrong)
    call(smooth_train(), TISSUE[:2], basis=wrong.assign(smooth_train()))


def test_a_basis_is_tested_once_for_each_sequence(monkeypatch):
    basis, other = sb.Basis.from_svd(sb.simulate(smooth_train(), TISSUE), 13), smooth_train(TR=3.6e-3)
    seqs = [smooth_train(), smooth_train(), other]
    for seq in seqs:
        basis.check_sequence(seq)
    monkeypatch.setattr(belonging, "_simulate", None)
    for seq in seqs:
        basis.check_sequence(seq)
    with pytest.raises(TypeError):
        basis.check_sequence(smooth_train(TR=3.7e-3))


# Data


def judge(rows, seq):
    belonging.refuse_foreign_data(rows, np.arange(len(rows)), as_trains(seq))


def test_right_data_are_accepted_at_any_noise():
    for tissue in (TISSUE, BRAIN.sample(60), TISSUE.replace(B1=0.2), TISSUE.replace(m0s=0.4), TISSUE.replace(R1a=4)):
        clean = sb.simulate(SEQ, tissue)
        for sigma in (0, 1 / 200, 1 / 20, 1):
            judge(clean + noise(clean.shape, 1, sigma), SEQ)


@pytest.mark.parametrize("sigma", [0, 1 / 200, 1 / 100])
def test_data_of_another_train_are_refused_unless_noise_may_be_the_reason(sigma, published_train):
    data = sb.simulate(published_train, TISSUE)
    data = data + noise(data.shape, 1, sigma)
    forgotten = published_train.replace(gradient_moment="balanced")
    for rows, seq in ((data, SEQ), (data, forgotten), (data[:, ::-1], published_train)):
        with pytest.raises(sb.InvalidData, match=r"check that this is the sequence .* check_data=False"):
            judge(rows, seq)
    judge(data, published_train)


def test_too_few_voxels_are_no_reason_to_refuse():
    data = sb.simulate(SEQ, TISSUE)[:, ::-1]
    judge(data[: belonging.LEAST_VOXELS - 1], SEQ)
    with pytest.raises(sb.InvalidData, match="in the median of 10 voxels"):
        judge(np.concatenate([0 * data, np.nan * data, data[: belonging.LEAST_VOXELS]]), SEQ)


def test_any_scale_will_do():
    data = sb.simulate(SEQ, TISSUE)
    for scale in (1e-200, 1e200):
        judge(scale * data, SEQ)
        with pytest.raises(sb.InvalidData):
            judge(scale * data[:, ::-1], SEQ)


def test_fits_and_matches_refuse_wrong_data_unless_told_otherwise():
    seq, other = smooth_train(200), smooth_train(200, alpha=np.full(200, 0.5))
    data = sb.simulate(other, BRAIN.sample(20))[:, ::-1]
    atoms = sb.dictionary(seq, BRAIN, n=20)
    options = {"free": ("M0", "m0s"), "start": {"m0s": 0.1}}
    with pytest.raises(sb.InvalidData, match="the data do not belong to the sequence"):
        sb.fit(data, seq, **options)
    with pytest.raises(sb.InvalidData, match="the data do not belong to the sequence"):
        sb.match(data, atoms)
    with pytest.warns(UserWarning, match="the fit leaves"):
        sb.fit(data, seq, check_data=False, **options)
    assert sb.match(data, atoms, check_data=False).index.shape == (20, 1)


def test_the_noise_is_found_where_the_signal_is_smooth():
    clean = sb.simulate(SEQ, BRAIN.sample(40))
    for sigma in (0.003, 0.01, 0.03):
        data = clean + noise(clean.shape, 2, sigma)
        share = 2 * sigma**2 / np.mean(np.abs(data) ** 2, axis=1)
        # the median of 1140 squares is known to 5 %, that of 40 voxels to 1 %; the signal bends by less than 2e-5
        assert np.median(estimate_noise(data) / share) == pytest.approx(1, abs=0.05)
