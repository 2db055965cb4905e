"""What a basis keeps of energies and bounds: the numbers are those of the calls that they stand for."""

import numpy as np
import pytest
import spinbound as sb

from tests.support.trains import smooth_train

SEQ = smooth_train(60)
PRIOR = sb.Prior.paper().truncated(B1=(0.5, 1.5))
WRT = ("M0", "m0s", "R1a", "T2f")
BASIS = sb.build_basis(SEQ, PRIOR, 300, 10)


def test_ratios_are_those_of_the_bounds():
    tissue = PRIOR.sample(20, seed=5)
    report = sb.basis_report(BASIS, SEQ, PRIOR, 20, WRT, (4, 7), seed=5)
    full = sb.crb(SEQ, tissue, WRT)
    for k, rank in enumerate(report.ranks):
        bounds = sb.crb(SEQ, tissue, WRT, basis=BASIS.truncate(rank))
        for name in WRT:
            # two ways to bounds of Jacobians of a condition up to 1e4
            assert report.crb[name][k] == pytest.approx(bounds[name] / full[name], rel=1e-7)


def test_energy_is_that_of_the_compressed_signals():
    signals = sb.simulate(SEQ, PRIOR.sample(20, seed=1))
    report = sb.basis_report(BASIS, SEQ, PRIOR, 20, WRT, (1, 10))
    kept = [np.sum(np.abs(BASIS.truncate(rank).compress(signals)) ** 2) for rank in (1, 10)]
    assert report.energy == pytest.approx(kept / np.sum(np.abs(signals) ** 2), rel=1e-12)


def test_more_vectors_keep_more_and_all_of_them_everything():
    basis = sb.Basis(np.linalg.qr(np.random.default_rng(0).normal(size=(60, 60)))[0])
    report = sb.basis_report(basis, SEQ, PRIOR, 20, WRT)
    assert report.ranks == tuple(range(3, 61))
    assert (np.diff(report.energy) > 0).all()
    assert report.energy[-1] == pytest.approx(1, abs=1e-12)
    for ratio in report.crb.values():
        assert (ratio > 1 - 1e-9).all()
        assert (ratio[1:] < ratio[:-1] * (1 + 1e-9)).all()
        assert ratio[-1] == pytest.approx(np.ones(20), abs=1e-7)


def test_too_few_vectors_determine_nothing():
    report = sb.basis_report(BASIS, SEQ, PRIOR, 5, WRT, [2])
    assert all(np.isinf(ratio).all() for ratio in report.crb.values())
    assert report.quantiles(0.5)["m0s"] == [np.inf]


def test_what_has_no_bound_is_nan_and_left_out_of_quantiles():
    tissue = sb.Tissue(m0s=[0.1, 0, 0.2, np.nan], R1a=0.8)
    report = sb.basis_report(BASIS, SEQ, tissue, wrt=("M0", "m0s", "Rex"), ranks=[10])
    assert np.isnan(report.crb["Rex"][0]).tolist() == [False, True, False, True]
    assert np.isnan(report.crb["m0s"][0]).tolist() == [False, False, False, True]
    assert report.n_left_out == 1
    assert report.quantiles(1)["Rex"] == report.crb["Rex"][0, [0, 2]].max()
    nothing = sb.basis_report(BASIS, SEQ, tissue[1:2], wrt=("M0", "m0s", "Rex"), ranks=[10])
    assert np.isnan(nothing.quantiles(0.5)["Rex"]).all()


def test_tissues_of_the_report_are_not_those_of_the_basis():
    assert np.array_equal(
        sb.basis_report(BASIS, SEQ, PRIOR, 5, WRT, [5]).crb["m0s"],
        sb.basis_report(BASIS, SEQ, PRIOR.sample(5, seed=1), None, WRT, [5]).crb["m0s"],
    )


def test_the_text_is_a_table_of_medians():
    report = sb.basis_report(BASIS, SEQ, PRIOR, 50, WRT, (3, 10))
    title, head, *rows = str(report).split("\n")
    assert title == "50 tissues, 0 left out; median of CRB(rank)/CRB(full)"
    assert head.split() == ["rank", "energy", "lost", *WRT]
    assert [row.split()[0] for row in rows] == ["3", "10"]
    assert float(rows[1].split()[3]) == pytest.approx(report.quantiles(0.5)["m0s"][1], rel=0.01)
    assert repr(report) == "BasisQuality(ranks 3 to 10, M0, m0s, R1a, T2f)"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"ranks": [11]}, r"ranks are \(11,\); allowed: at least one, 1 to 10"),
        ({"ranks": []}, r"ranks are \(\)"),
        ({"ranks": [0]}, "a rank must be an integer of at least 1"),
        ({"source": 3}, "source must be"),
        ({"seq": smooth_train(60, TR=4e-3)}, "the basis belongs to another sequence"),
        ({"model": "blotch"}, "model is 'blotch'"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(arguments, message):
    with pytest.raises(sb.InvalidParameter, match=message):
        sb.basis_report(BASIS, **({"seq": SEQ, "source": PRIOR, "n": 5, "wrt": WRT} | arguments))
