"""The sequences that ship with the package: what they promise about hardware, and what they are worth."""

from math import pi

import numpy as np
import pytest
import spinbound as sb

from tests.support.trains import WHITE_MATTER

APPARENT = sb.Tissue(m0s=0.15, R1a=0.9, R2f=15, Rex=30, T2s=10e-6)
APPARENT_UNKNOWNS = ("M0", "m0s", "R1a", "R2f", "Rex", "T2s", "omega0", "B1")

# CRB of hybrid-mt-4s for sigma = 1: white matter with all nine unknown; and with R1f = R1s = R1a.
BOUNDS = {
    "M0": 15.6487443,
    "m0s": 0.63692556,
    "R1f": 10.1408839,
    "R2f": 2829.36188,
    "Rex": 644344.871,
    "R1s": 3349.24837,
    "T2s": 1.13131028e-07,
    "omega0": 1670566.4,
    "B1": 8.62543347,
}
APPARENT_BOUNDS = {
    "M0": 8.54047475,
    "m0s": 0.535359759,
    "R1a": 5.98157294,
    "R2f": 1855.46878,
    "Rex": 361234.038,
    "T2s": 6.48395695e-08,
    "omega0": 1603233.33,
    "B1": 3.53314926,
}


@pytest.fixture(scope="module")
def seq():
    return sb.sequences.load("hybrid-mt-4s")


def common_R1_bound(seq):
    """CRB of one change of R1f and R1s together, at white matter where they differ: F by the chain rule."""
    F = sb.fisher(seq, WHITE_MATTER)
    names = ["Re M0", "Im M0", *sb.ALL[1:]]
    T = np.delete(np.eye(len(names)), names.index("R1s"), axis=1)
    T[names.index("R1s"), names.index("R1f")] = 1
    F = T.T @ F @ T
    scale = 1 / np.sqrt(np.diag(F))
    return (np.linalg.inv(F * np.outer(scale, scale)).diagonal() * scale**2)[names.index("R1f")]


def test_sequences_of_the_package_load_by_name():
    assert "hybrid-mt-4s" in sb.sequences.names()
    for name in sb.sequences.names():
        assert sb.sequences.load(name).n_pulses >= 1


def test_an_unknown_name_is_answered_with_those_there_are():
    with pytest.raises(sb.InvalidSequence, match=r"the sequence's name is 'nonsense'; allowed: .*hybrid-mt-4s"):
        sb.sequences.load("nonsense")


def test_the_train_is_an_inversion_and_four_seconds_of_balanced_pulses(seq):
    assert seq.TR == 3.5e-3
    assert seq.duration == pytest.approx(4, abs=0.02)
    assert seq.gradient_moment == ("crusher",) + ("balanced",) * (seq.n_pulses - 1)
    assert (seq.alpha[0], seq.TRF[0]) == (pi, 500e-6)
    assert (seq.start, seq.rf_phase_increment) == ("periodic", pi)


def test_peak_B1_and_mean_power_stay_within_the_limits(seq):
    assert seq.peak_B1 <= 2000 * pi
    assert seq.rms_B1**2 <= 3e6


def test_pulses_last_whole_microseconds_between_100_and_500(seq):
    microseconds = np.round(seq.TRF * 1e6)
    assert (seq.TRF == microseconds / 1e6).all()
    assert 100 <= microseconds.min() <= microseconds.max() <= 500


def test_flip_angles_leave_room_for_a_B1_of_1_6(seq):
    assert seq.alpha.min() >= 0
    assert 1.6 * seq.alpha[1:].max() < 4.4
    assert np.isfinite(sb.simulate(seq, WHITE_MATTER.replace(B1=1.6))).all()


def test_flip_angles_and_durations_are_smooth(seq):
    # A fifth of a radian: the direction of the hybrid state follows the pulses.
    assert np.abs(np.diff(seq.alpha[1:])).max() < 0.2
    assert np.abs(np.diff(seq.TRF[1:])).max() < 40e-6


# Accuracy of the bounds is that of the surrogate of R2sl and of rounding, times the condition of F: 1e-6 with room.


def test_bounds_of_white_matter_are_the_stated_ones(seq):
    assert sb.crb(seq, WHITE_MATTER) == pytest.approx(BOUNDS, rel=1e-6)


def test_bounds_with_a_common_R1_are_the_stated_ones(seq):
    assert sb.crb(seq, APPARENT, APPARENT_UNKNOWNS) == pytest.approx(APPARENT_BOUNDS, rel=1e-6)


def test_bounds_of_white_matter_are_below_those_of_the_published_train(seq, published_train):
    ours, theirs = (sb.crb(train, WHITE_MATTER) for train in (seq, published_train))
    assert theirs["m0s"] == pytest.approx(2.4970, abs=5e-5)
    for name in ("m0s", "R1f", "R2f"):
        assert ours[name] <= theirs[name], name
    assert common_R1_bound(seq) <= common_R1_bound(published_train)


def test_bounds_with_a_common_R1_are_below_those_of_the_published_train(seq, published_train):
    ours, theirs = (sb.crb(train, APPARENT, APPARENT_UNKNOWNS) for train in (seq, published_train))
    for name in ("m0s", "R1a", "R2f"):
        assert ours[name] <= theirs[name], name


@pytest.mark.parametrize("change", [{"B1": 0.8}, {"B1": 1.2}, {"omega0": 300}, {"T2s": 8e-6}, {"T2s": 13e-6}])
def test_the_summed_bound_is_below_that_of_the_published_train_nearby_too(seq, published_train, change):
    tissue, names = WHITE_MATTER.replace(**change), ("m0s", "R1f", "R2f")
    bounds = [sb.crb(train, tissue) for train in (seq, published_train)]
    ours, theirs = (sum(bound[name] / tissue[name] ** 2 for name in names) for bound in bounds)
    assert ours < theirs
