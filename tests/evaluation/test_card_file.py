"""Report cards say it in words, and files give them back or are refused."""

from functools import partial

import numpy as np
import pytest
import spinbound as sb

from tests.support.evaluations import NAMES, SNR, bits, changed, toy_set


def test_the_table_says_it_in_words(ideal):
    text = str(ideal)
    assert text.startswith("300 realisations of 400 tissues; ")
    assert "\n\nSNR 50 " in text
    assert "T2f: yes: within 10 % of the bound, no deviation detectable" in text
    assert repr(ideal) == "Evaluation(m0s, T2f; shape (400,), SNR 50, 300 each)"


def test_several_report_cards_stand_side_by_side(ideal):
    shrunk = sb.evaluate(partial(changed, gain=0.8), toy_set(), [SNR, 20], 20)
    text = sb.Evaluation.compare({"ideal": ideal, "shrunk": shrunk})
    assert [line.split()[0] for line in text.splitlines() if line] == [
        head for name in (*NAMES, "overall") for head in (f"{name},", "ideal", "shrunk")
    ]
    assert "SNR 20" not in text
    with pytest.raises(sb.InvalidParameter, match="with a parameter and an SNR that all of them have"):
        sb.Evaluation.compare({})


def test_a_report_card_is_saved_and_read(ideal, tmp_path):
    ideal.save(tmp_path / "card.npz")
    again = sb.Evaluation.load(tmp_path / "card.npz")
    assert bits(again) == bits(ideal)
    assert again.table() == ideal.table()
    assert again.settings == ideal.settings
    with pytest.raises(sb.InvalidData, match="an evaluation is saved as .npz"):
        ideal.save(tmp_path / "card.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda arrays: arrays.pop("names"), "is no evaluation: it lacks names"),
        (lambda arrays: arrays.pop("bias_T2f"), "bias_T2f is missing"),
        (lambda arrays: arrays.update(bias_T2f=np.ones(3)), r"bias_T2f is missing, or no array .* \(1, 400\)"),
        (lambda arrays: arrays.update(n_finite_T2f=np.ones((1, 400))), "n_finite_T2f is missing"),
        (lambda arrays: arrays.update(settings=np.array("{")), "its settings are no JSON"),
        (lambda arrays: arrays.update(snr=np.array(50.0)), "names no parameters, or no levels of the SNR"),
        (lambda arrays: arrays.update(realizations=np.ones(2)), "names no parameters, or no levels of the SNR"),
        (lambda arrays: arrays.update(truth_B1=np.ones(2)), "truth_B1 is missing, or no array"),
        (lambda arrays: arrays.update(names=np.array(["m0s", "m0s"])), r"its names cannot be \['m0s', 'm0s'\]"),
        (lambda arrays: arrays.update(snr=np.array([-50.0])), r"its snr cannot be \[-50.0\]"),
        (lambda arrays: arrays.update(snr=np.array([np.nan])), r"its snr cannot be \[nan\]"),
        (lambda arrays: arrays.update(realizations=np.array(1)), "its realizations cannot be 1"),
        (lambda arrays: arrays.update(omega0_period=np.array(0.0)), "its omega0_period cannot be 0.0"),
        (lambda arrays: arrays.update(n_finite_T2f=np.full((1, 400), 301, np.int32)), "estimates of T2f beyond 300"),
        (
            lambda arrays: arrays.update(variance_m0s=np.full((1, 400), -1.0)),
            "of m0s beyond 300, or negative variances",
        ),
    ],
)
def test_files_of_something_else_are_refused(ideal, tmp_path, change, message):
    arrays = ideal.as_arrays()
    change(arrays)
    np.savez(tmp_path / "card.npz", **arrays)
    with pytest.raises(sb.InvalidData, match=message):
        sb.Evaluation.load(tmp_path / "card.npz")
