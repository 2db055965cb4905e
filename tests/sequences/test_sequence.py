"""Sequences as values: what is accepted, and what the messages say."""

import copy
import pickle
from dataclasses import FrozenInstanceError
from math import pi

import numpy as np
import pytest
import spinbound as sb
from hypothesis import given

from tests.support.strategies import sequences


def train(n_pulses=4, **changes):
    arguments = {
        "alpha": np.linspace(0.2, 0.5, n_pulses),
        "TRF": np.full(n_pulses, 300e-6),
        "TR": 3.5e-3,
        "gradient_moment": "balanced",
    }
    return sb.Sequence(**(arguments | changes))


def test_one_word_stands_for_every_pulse():
    seq = train(3)
    assert seq.gradient_moment == ("balanced",) * 3
    assert (seq.rf_phase_increment, seq.start) == (pi, "periodic")


def test_a_single_pulse_is_a_train():
    assert sb.Sequence([pi], [5e-4], 3.5e-3, gradient_moment=["crusher"]).n_pulses == 1


def test_field_and_power_follow_from_the_pulses():
    seq = train(2, alpha=[0.3, -0.6], TRF=[300e-6, 400e-6])
    assert seq.n_pulses == 2
    assert seq.duration == pytest.approx(7e-3, rel=1e-15)
    assert seq.omega1 == pytest.approx([1000, -1500], rel=1e-15)
    assert seq.peak_B1 == pytest.approx(1500, rel=1e-15)
    assert seq.rms_B1 == pytest.approx(np.sqrt((1000**2 * 300e-6 + 1500**2 * 400e-6) / 7e-3), rel=1e-15)


def test_field_in_microtesla_is_that_of_protons():
    seq = train(1, alpha=[2 * pi * 425.77478e-6 * 100], TRF=[1e-4])  # 42.577478 MHz/T: 100 us at 10 uT turn this far
    assert seq.peak_B1_uT == pytest.approx(10, rel=1e-7)
    assert seq.rms_B1_uT == pytest.approx(10 * np.sqrt(0.1 / 3.5), rel=1e-7)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"alpha": []}, "alpha has 0 pulses but TRF has 4"),
        ({"alpha": [], "TRF": []}, "at least one pulse"),
        ({"TRF": [1e-4] * 3}, "alpha has 4 pulses but TRF has 3"),
        ({"alpha": [[0.1, 0.2, 0.3, 0.4]]}, "one-dimensional"),
        ({"alpha": 0.1, "TRF": 1e-4}, "one-dimensional"),
        ({"alpha": [0.1, np.nan, 0.2, 0.3]}, "alpha must be finite; pulse 1 is nan rad"),
        ({"alpha": np.ma.array([0.1] * 4, mask=[0, 0, 1, 0])}, "alpha must be finite; pulse 2"),
        ({"alpha": [0.1, 0.2, 1j, 0.3]}, "alpha must be real numbers"),
        ({"TRF": [1e-4, 1e-4, np.inf, 1e-4]}, "TRF must be finite; pulse 2 is inf s"),
        ({"TRF": [1e-4, 0, 1e-4, 1e-4]}, "TRF must be longer than 0 s; pulse 1 is 0 s"),
        ({"TRF": [1e-4, 1e-4, 1e-4, 5e-3]}, r"TRF must be shorter than TR \(0.0035 s\); pulse 3 is 0.005 s"),
        ({"TR": 0}, "TR must be longer than 0 s; pulse 0 is 0 s"),
        ({"TR": np.nan}, "TR must be finite"),
        ({"TR": [3.5e-3] * 5}, r"TR must be one number or one per pulse \(4\); given shape \(5,\)"),
        ({"TR": "3.5e-3"}, "TR must be real numbers"),
        ({"gradient_moment": ["balanced"] * 3}, "gradient_moment has 3 words for 4 pulses"),
        ({"gradient_moment": "crushed"}, "did you mean 'crusher'"),
        ({"gradient_moment": ["balanced"] * 3 + [0]}, "gradient_moment of pulse 3 is '0'"),
        ({"gradient_moment": 3}, "gradient_moment must be one word or one per pulse"),
        ({"rf_phase_increment": np.inf}, "rf_phase_increment must be finite"),
        ({"start": "equilibrium"}, "start is 'equilibrium'; allowed: periodic, thermal"),
        ({"start": [0, 0, 1]}, "five finite numbers xf yf zf xs zs"),
        ({"start": [0, 0, np.nan, 0, 0]}, "five finite numbers xf yf zf xs zs"),
        # one number per pulse, echoes and shapes
        ({"TR": [4e-3, 4e-3, -1, 4e-3]}, "TR must be longer than 0 s; pulse 2 is -1 s"),
        ({"TR": [4e-3, 1e-5, 1, 4e-3]}, r"TRF must be shorter than TR \(1e-05 s\); pulse 1 is 0\.0003 s"),
        ({"rf_phase_increment": [0, np.inf, 0, 0]}, "rf_phase_increment must be finite; pulse 1 is inf"),
        ({"echo": [True, False]}, r"echo must be True, False or one of them per pulse \(4\)"),
        ({"echo": 0.5}, "echo must be True, False"),
        ({"shape": [[1, 2]]}, "shape must be a row of finite samples"),
        ({"shape": [0, 0]}, "not all zero"),
        ({"shape": lambda u: u - 0.5}, "mean of shape"),
        ({"shape": np.ones(5000)}, "shape has 5000 samples; allowed: at most 4096"),
    ],
)
def test_a_train_that_makes_no_sense_is_refused(changes, message):
    with pytest.raises(sb.InvalidSequence, match=message):
        train(**changes)


def test_a_sequence_is_frozen():
    alpha = np.full(4, 0.3)
    seq = train(alpha=alpha)
    alpha[0] = 1
    assert seq.alpha[0] == 0.3
    with pytest.raises(ValueError, match="read-only"):
        seq.alpha[0] = 1
    with pytest.raises(FrozenInstanceError):
        seq.TR = 1


@given(sequences())
def test_a_sequence_survives_every_way_of_copying(seq):
    for copied in (copy.deepcopy(seq), pickle.loads(pickle.dumps(seq)), seq.replace()):
        assert copied == seq
        assert hash(copied) == hash(seq)
        assert not copied.alpha.flags.writeable


@pytest.mark.parametrize(
    "change",
    [
        {"alpha": [0.2, 0.3, 0.4, 0.5000001]},
        {"TRF": [300e-6] * 3 + [301e-6]},
        {"TR": 3.6e-3},
        {"gradient_moment": ["crusher"] + ["balanced"] * 3},
        {"rf_phase_increment": 0},
        {"start": "thermal"},
        {"start": [0, 0, 1, 0, 0]},
    ],
)
def test_every_part_of_a_sequence_counts_for_its_identity(change):
    assert train() != train(**change)
    assert train().sha256 != train(**change).sha256


def test_the_checksum_is_that_of_the_contents():
    assert train().sha256 == train(alpha=np.linspace(0.2, 0.5, 4).astype(">f8")).sha256
    assert len(train().sha256) == 64


def test_replacing_checks_again():
    assert train().replace(TR=4e-3).TR == 4e-3
    with pytest.raises(sb.InvalidSequence, match="TRF must be shorter than TR"):
        train().replace(TR=1e-4)


def test_the_text_of_a_sequence_is_one_line():
    assert repr(train(gradient_moment=["crusher"] + ["balanced"] * 3)) == (
        "Sequence(4 pulses, TR=0.0035 s, crusher, balanced, start=periodic)"
    )
