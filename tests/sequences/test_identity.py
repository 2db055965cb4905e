"""The identity of a sequence: last bits do not change it, and whatever a scanner could tell does."""

import numpy as np
import pytest
import spinbound as sb
from spinbound.sequences.experiment import as_trains
from spinbound.sequences.identity import CELL, has_identity, identify

from tests.support.trains import smooth_train

RNG = np.random.default_rng(0)
BUNDLED = sb.sequences.load("hybrid-mt-4s")


def random_train(n, rng):
    """Values of full length, on no raster."""
    return sb.Sequence(
        rng.uniform(0.1, 3, n), rng.uniform(1e-4, 1e-3, n), rng.uniform(2e-3, 5e-3, n), gradient_moment="balanced"
    )


def shaken(seq, rng, by=1e-15):
    """The same sequence with all values off by so much."""
    moved = {name: getattr(seq, name) + rng.choice([-by, by], seq.n_pulses) for name in ("alpha", "TRF")}
    return seq.replace(**moved, TR=seq.repetition_times + rng.choice([-by, by], seq.n_pulses))


@pytest.mark.parametrize("n_trains", [300, pytest.param(100_000, marks=pytest.mark.long)])
def test_trains_that_are_shaken_in_their_last_bits_keep_their_identity(n_trains):
    rng = np.random.default_rng(n_trains)
    for _ in range(n_trains):
        seq = random_train(rng.integers(1, 40), rng)
        assert has_identity(shaken(seq, rng), identify(seq))


def test_a_long_train_keeps_it_too_wherever_its_values_lie():
    seq = random_train(20_000, RNG)
    known = identify(seq)
    assert all(has_identity(shaken(seq, RNG), known) for _ in range(20))
    assert has_identity(shaken(BUNDLED, RNG), identify(BUNDLED))


@pytest.mark.parametrize(
    "changes",
    [
        {"TR": 3.5e-3 + 2 * CELL},
        {"alpha": smooth_train().alpha + 2 * CELL * np.eye(60)[7]},
        {"TRF": smooth_train().TRF + 2 * CELL * np.eye(60)[7]},
        {"gradient_moment": "balanced"},
        {"rf_phase_increment": 0.0},
        {"start": "thermal"},
        {"start": [0, 0, 1, 0, 0.1]},
        {"echo": np.arange(60) > 0},
    ],
)
def test_another_sequence_has_another_identity(changes):
    assert not has_identity(smooth_train(**changes), identify(smooth_train()))
    assert not has_identity(smooth_train(), identify(smooth_train(**changes)))


def test_turns_of_the_rf_phase_are_the_same_phase():
    turned = smooth_train(rf_phase_increment=np.pi + 2 * np.pi * np.arange(60))
    assert has_identity(turned, identify(smooth_train()))


def test_a_sequence_comes_back_from_a_pulseq_file_as_the_same(tmp_path):
    with pytest.warns(UserWarning, match="raster"):
        BUNDLED.save(tmp_path / "train.seq")
    back = sb.Sequence.load(tmp_path / "train.seq")
    assert back != BUNDLED  # the last bit of a flip angle
    assert has_identity(back, identify(BUNDLED))


def test_so_does_the_published_train(published_train, tmp_path):
    with pytest.warns(UserWarning, match="raster"):
        published_train.save(tmp_path / "train.seq")
    assert has_identity(sb.Sequence.load(tmp_path / "train.seq"), identify(published_train))


def test_the_order_of_a_joint_experiment_counts():
    one, other = smooth_train(20), smooth_train(30)
    known = as_trains([one, other]).identity
    assert as_trains([one, other]).has_identity(known)
    assert not as_trains([other, one]).has_identity(known)
    assert not as_trains(one).has_identity(known)
