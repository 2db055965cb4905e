"""Samples to learn from: stored ones, simulated ones, and the scale and noise that every epoch draws anew."""

import threading
import time

import numpy as np
import pytest
import spinbound as sb
import torch
from spinbound import nn
from spinbound.nn.noise import make_generator

from tests.support.learning import BASIS, NAMES, PRIOR, SEQ, UNKNOWNS, simulated, store


def bits(samples):
    return [tensor.numpy().tobytes() for tensor in (samples.signals, samples.truth, samples.crb)]


# Stored


def test_a_store_gives_its_tissues_signals_and_bounds(tmp_path):
    kept = store(tmp_path / "a.zarr", 20)
    samples = nn.StoredData(kept).samples(0, ("T2f", "m0s"))
    assert samples.signals.numpy().tobytes() == kept.signals.astype(np.complex64).tobytes()
    truth = np.stack([kept.tissue["T2f"], kept.tissue["m0s"]], axis=-1)
    assert samples.truth.numpy().tobytes() == truth.astype(np.float32).tobytes()
    assert samples.crb.numpy().tolist() == np.stack([kept.crb["T2f"], kept.crb["m0s"]], -1).astype(np.float32).tolist()
    assert (len(samples), samples.left_out) == (20, 0)


def test_bounds_are_those_of_unit_noise_whatever_the_store_has(tmp_path):
    one, half = (nn.StoredData(store(tmp_path / f"{s}.zarr", 20, sigma=s)).samples(0, NAMES) for s in (1.0, 0.5))
    assert torch.allclose(one.crb, half.crb, rtol=1e-6)  # roundings to single precision


def test_tissues_that_cannot_be_simulated_are_left_out_and_counted(tmp_path):
    T2s = np.array([10e-6, 1e-3, 10e-6])  # the second is out of range
    tissue = sb.Tissue(m0s=[0.1, 0.15, 0.2], T1a=[1.0, 1.1, 1.2], T2s=T2s)
    kept = sb.build_dictionary(SEQ, tissue, None, tmp_path / "a.zarr", basis=BASIS, wrt=UNKNOWNS)
    data = nn.StoredData(kept)
    samples = data.samples(0, NAMES)
    assert (data.n, len(samples), samples.left_out) == (2, 2, 1)
    assert samples.truth[:, 0].tolist() == pytest.approx([0.1, 0.2])
    assert torch.isfinite(torch.view_as_real(samples.signals)).all()


def test_bounds_that_know_M0_are_refused(tmp_path):
    with pytest.raises(sb.InvalidData, match="know M0, which is not among: m0s, T1a"):
        nn.StoredData(store(tmp_path / "a.zarr", 5, wrt=("m0s", "T1a")))


def test_what_has_no_bounds_is_refused(tmp_path):
    with pytest.raises(sb.InvalidData, match="no bounds of Rex; they have: M0, m0s"):
        nn.StoredData(store(tmp_path / "a.zarr", 5)).samples(0, ("m0s", "Rex"))
    with pytest.raises(sb.InvalidData, match="holds no crb"):
        nn.StoredData(store(tmp_path / "b.zarr", 5, derivatives=None))


# Simulated


def test_simulated_samples_are_those_of_a_store(tmp_path):
    kept = nn.StoredData(store(tmp_path / "a.zarr", 20))
    assert bits(simulated(20).samples(0, NAMES)) == bits(kept.samples(0, NAMES))


def test_no_tissue_is_seen_twice():
    data = simulated(10)
    truth = torch.cat([data.samples(epoch, NAMES).truth for epoch in (0, 1, 2)])
    wanted = PRIOR.sample(30)
    assert truth[:, 0].tolist() == pytest.approx(wanted["m0s"].tolist(), rel=1e-6)


def test_samples_do_not_depend_on_how_they_are_prepared():
    plain = bits(simulated(20).samples(4, NAMES))
    data = simulated(20, threads=1)
    data.prepare(4)
    assert bits(data.samples(4, NAMES)) == plain
    data.prepare(4)
    data.close()
    assert bits(data.samples(4, NAMES)) == plain


def threads_that_simulate():
    return [thread for thread in threading.enumerate() if thread.name.startswith("spinbound-simulate")]


def test_a_thread_simulates_ahead_and_ends_when_told():
    data = simulated(1_000_000)
    data.prepare(1)
    assert threads_that_simulate()
    begin = time.monotonic()
    data.close()
    assert time.monotonic() - begin < 5  # of minutes that all tissues would take
    assert not threads_that_simulate()


# Scale and noise


def test_noise_has_its_size_in_both_channels():
    n = 20_000
    zeros = torch.zeros(n, 6, dtype=torch.float64)
    real, imag, _ = nn.Noise(sigma=0.02).apply(zeros, zeros, make_generator("cpu", 0))
    for channel in (real, imag):
        # the standard deviation of m numbers is known to 1/sqrt(2 m) of itself; four of these
        assert float(channel.std()) == pytest.approx(0.02, rel=4 / np.sqrt(12 * n))
    # the correlation of m pairs is 0 +- 1/sqrt(m)
    assert abs(np.corrcoef(real.ravel(), imag.ravel())[0, 1]) < 4 / np.sqrt(6 * n)


def test_scale_and_phase_are_uniform():
    real, imag = torch.ones(20_000, 1, dtype=torch.float64), torch.zeros(20_000, 1, dtype=torch.float64)
    noise = nn.Noise(sigma=1e-9, M0=(0.1, 1))
    noisy_real, noisy_imag, M0 = noise.apply(real, imag, make_generator("cpu", 0))
    value = torch.complex(noisy_real, noisy_imag)[:, 0]
    assert torch.allclose(value.abs(), M0, atol=1e-7)
    assert (float(M0.min()), float(M0.max())) == pytest.approx((0.1, 1), abs=1e-3)
    for uniform in ((M0 - 0.1) / 0.9, value.angle() / (2 * np.pi) + 0.5):
        # the largest distance of two distribution functions (Kolmogorov), probability 1e-6
        steps = np.arange(20_000) / 20_000
        assert np.abs(np.sort(uniform) - steps).max() < 2.7 / np.sqrt(20_000)


def test_realisations_share_scale_and_phase_but_not_the_noise():
    real, imag = torch.from_numpy(np.random.default_rng(1).normal(size=(2, 200, 6)))
    noisy = nn.Noise(sigma=0.01).apply(real, imag, make_generator("cpu", 0), realizations=400)
    assert noisy[0].shape == (400, 200, 6)
    assert noisy[2].shape == (200,)
    std, mean = torch.std_mean(torch.complex(*noisy[:2]), dim=0)
    clean = torch.complex(real, imag)
    assert torch.allclose((mean / clean).abs().mean(dim=1), noisy[2], rtol=0.05)
    assert float(std.mean()) == pytest.approx(0.01 * np.sqrt(2), rel=0.02)


def test_the_words_of_a_generator_decide_its_numbers():
    drawn = [
        torch.rand(3, generator=make_generator("cpu", *words)).tolist() for words in ((0, 1), (0, 1), (0, 2), (1, 1))
    ]
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2] != drawn[3] != drawn[0]


# What is refused


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: simulated(5, wrt=("m0s", "T1a")), "M0 must be among them"),
        (lambda: simulated(0), "n must be an integer of at least 1"),
        (lambda: simulated(5, seed=-1), "seed must be an integer of at least 0"),
        (lambda: simulated(5, model="gblock"), "did you mean 'gbloch'"),
        (lambda: simulated(5, basis=BASIS.truncate(3), wrt=(*UNKNOWNS, "Rex", "B1")), "too few for 8 real parameters"),
        (lambda: nn.Noise(sigma=0), "sigma is 0; allowed: sigma > 0"),
        (lambda: nn.Noise(sigma="1e-2"), "sigma must be real numbers"),
        (lambda: nn.Noise(M0=(0, 1)), r"M0 is \(0, 1\); allowed: 0 < low <= high"),
        (lambda: nn.Noise(M0=(2, 1)), r"M0 is \(2, 1\); allowed"),
        (lambda: nn.Noise(M0=(1,)), "M0 must be a pair"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(sb.InvalidParameter, match=message):
        make()


def test_a_store_without_a_valid_tissue_is_refused(tmp_path):
    class Empty:
        sequence, basis, tissue = SEQ, BASIS, PRIOR.sample(3)
        signals, crb = np.full((3, 6), np.nan + 0j), dict.fromkeys(("M0", *NAMES), np.full(3, np.nan))

    with pytest.raises(sb.InvalidData, match="none of the 3 tissues could be simulated"):
        nn.StoredData(Empty()).samples(0, NAMES)
