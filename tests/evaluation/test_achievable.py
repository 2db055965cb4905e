"""The achievable loss of a report card: against the bound with a prior, a posterior mode, and the paper's mix."""

import numpy as np
import pytest
import spinbound as sb

from tests.support.trains import smooth_train

SEQ = smooth_train()
UNKNOWNS = ("M0", "m0s", "R2f", "B1")
PRIOR = sb.Prior(
    m0s=sb.TruncatedNormal(0.15, 0.01), R2f=sb.TruncatedNormal(15, 0.5), B1=sb.TruncatedNormal(1, 0.02, low=0.5)
)
TRAIN = sb.sequences.load("hybrid-mt-4s")
FEW = sb.Basis.from_svd(sb.simulate(TRAIN, PRIOR.sample(200)), 8).assign(TRAIN)


def constant(signals):
    return {"m0s": np.full(len(signals), 0.15)}


def card_of(data, snr=(20, 50), names="m0s"):
    return sb.evaluate(constant, data, snr, 2, names=names)


def test_it_is_that_of_the_sets_own_prior():
    data = sb.reference_set(SEQ, PRIOR, 30, wrt=UNKNOWNS)
    card = card_of(data)
    assert card.settings["prior"] == card_of(data[:20]).settings["prior"] == "the prior of the set"
    for k, level in enumerate((20, 50)):
        expected = sb.bayesian_crb(SEQ, data.tissue, PRIOR, UNKNOWNS, 1 / level)["m0s"]
        assert card.achievable["m0s"][k] == pytest.approx(expected, rel=1e-6)
        loss = card.scores["m0s"].achievable_loss[k]
        assert loss == pytest.approx((expected / card.bound("m0s")[k]).mean(), rel=1e-6)
        assert f"{loss:.3g}" in str(card)


def test_of_given_tissues_their_covariance_counts():
    tissue = PRIOR.sample(2000)
    card = card_of(sb.reference_set(SEQ, tissue, wrt=UNKNOWNS), snr=50)
    assert card.settings["prior"] == "the covariance of the tissues"
    by_prior = sb.bayesian_crb(SEQ, tissue, PRIOR, UNKNOWNS, 1 / 50)["m0s"]
    assert card.achievable["m0s"][0] == pytest.approx(by_prior, rel=0.1)


def test_what_is_the_same_in_all_tissues_is_known():
    tissue = sb.Tissue(m0s=np.linspace(0.1, 0.2, 9))
    card = card_of(sb.reference_set(SEQ, tissue, wrt=UNKNOWNS), snr=50)
    expected = sb.bayesian_crb(SEQ, tissue, {"m0s": np.std(tissue["m0s"])}, ("M0", "m0s"), 1 / 50)["m0s"]
    assert card.achievable["m0s"][0] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("wrt", [("M0", "m0s"), ("m0s",)])
def test_of_equal_tissues_everything_is_known(wrt):
    card = card_of(sb.reference_set(SEQ, sb.Tissue(m0s=[0.1, 0.1]), wrt=wrt))
    assert not card.achievable["m0s"].any()


def test_the_order_of_the_unknowns_does_not_matter():
    one, other = (card_of(sb.reference_set(SEQ, PRIOR, 9, wrt=wrt)) for wrt in (UNKNOWNS, UNKNOWNS[::-1]))
    assert other.achievable["m0s"] == pytest.approx(one.achievable["m0s"], rel=1e-9)


def test_tissues_that_cannot_be_simulated_do_not_count():
    some, all_of = (sb.reference_set(SEQ, sb.Tissue(m0s=m0s), wrt=UNKNOWNS) for m0s in ([0.1, 0.2], [0.1, np.nan, 0.2]))
    assert card_of(all_of).achievable["m0s"][:, [0, 2]] == pytest.approx(card_of(some).achievable["m0s"], rel=1e-12)


def test_a_prior_of_other_parameters_gives_way_to_the_tissues():
    unknowns, prior = ("M0", "m0s", "R1f", "R1s"), sb.Prior(T1a=sb.Uniform(1, 2), m0s=sb.Uniform(0.1, 0.2))
    card = card_of(sb.reference_set(SEQ, prior, 9, wrt=unknowns))
    assert card.settings["prior"] == "the covariance of the tissues"
    assert (card.achievable["m0s"] > 0).all()


def test_of_one_tissue_nothing_is_known():
    card = card_of(sb.reference_set(SEQ, sb.Tissue(), wrt=UNKNOWNS), snr=50)
    assert card.settings["prior"] == "no prior known"
    assert np.isnan(card.achievable["m0s"]).all()


@pytest.mark.parametrize("snr", [50, 100, 1000])
def test_a_fit_with_the_prior_achieves_it(snr):
    """A posterior mode that starts at the truth is the posterior mean where signals are linear over its width."""
    data = sb.reference_set(TRAIN, PRIOR, 300, wrt=UNKNOWNS, basis=FEW)

    def estimate(signals, truth, threads):
        prior = {"m0s": (0.15, 0.01), "R2f": (15, 0.5), "B1": (1, 0.02)}
        start = {name: truth[name] for name in prior}
        fixed = {name: truth[name] for name in ("R1f", "Rex", "R1s", "T2s", "omega0")}
        return sb.fit(
            signals, TRAIN, FEW, free=UNKNOWNS, start=start, fixed=fixed, prior=prior, sigma=1 / snr, threads=threads
        )

    card = sb.evaluate(estimate, data, snr, 8)
    assert card.overall.loss[0] == pytest.approx(card.overall.achievable_loss[0], rel=0.1)
    assert card.overall.achievable_loss[0] < 1


def test_the_papers_mix_allows_less_than_half_of_the_bound(published_train, published_data):
    """Ratios of an independent computation over Prior.paper() in the published train and 13 vectors."""
    basis = sb.Basis(np.load(published_data / "published_basis.npz")["vectors"][:, :13])
    data = sb.reference_set(published_train, sb.Prior.paper().within(published_train), 600, basis=basis)
    nothing = lambda signals: {name: np.zeros(len(signals)) for name in ("m0s", "T1a", "T2f")}
    card = sb.evaluate(nothing, data, (20, 50, 100, 1000), 2, names=("m0s", "T1a", "T2f"))
    found = [card.scores[name].achievable_loss[1] for name in card.names]
    assert found == pytest.approx([0.33, 0.62, 0.32], abs=0.03)
    assert card.overall.achievable_loss == pytest.approx([0.28, 0.42, 0.54, 0.90], abs=0.03)
