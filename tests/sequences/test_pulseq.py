"""Pulseq files: trains come back, pypulseq reads them, and its own are read."""

import os
from math import pi

import numpy as np
import pytest
import spinbound as sb
from spinbound.sequences import pulseq_file as pulseq

N = 20
WORDS = ("spoiler_dual", "spoiler_prepulse", "balanced", "crusher", "balanced")
TRAIN = sb.Sequence(
    np.linspace(-1, 1, N),
    np.linspace(100e-6, 480e-6, N),
    np.linspace(10e-3, 10.19e-3, N),
    gradient_moment=WORDS * 4,
    rf_phase_increment=np.radians(117) * np.arange(N),
    start="thermal",
    echo=np.arange(N) % 3 > 0,
)
# Amplitudes are written in full, and TRF is an integer of the raster: what is left are rounding errors of 2 pi.
ALPHA = 1e-14


def angles(seq):
    return np.exp(1j * np.broadcast_to(seq.rf_phase_increment, seq.n_pulses))


def assert_same_train(read, seq):
    assert read.alpha == pytest.approx(seq.alpha, abs=ALPHA)
    assert np.array_equal(np.round(read.TRF * 1e7), np.round(seq.TRF * 1e7))
    assert read.TRF == pytest.approx(seq.TRF, rel=1e-15)
    assert read.repetition_times == pytest.approx(seq.repetition_times, rel=1e-15)
    assert angles(read) == pytest.approx(angles(seq), abs=1e-11)  # phases have 12 digits
    assert read.gradient_moment == seq.gradient_moment
    assert np.array_equal(read.echo, seq.echo)
    assert str(read.start) == str(seq.start)


# Round trips


def test_a_train_comes_back_as_it_was_written(tmp_path):
    pulseq.write(tmp_path / "train.seq", TRAIN)
    assert_same_train(pulseq.read(tmp_path / "train.seq", strict=True), TRAIN)
    assert os.listdir(tmp_path) == ["train.seq"]


def test_the_published_train_comes_back_on_a_raster_of_a_tenth_of_a_microsecond(published_train, tmp_path):
    seq = published_train
    with pytest.warns(UserWarning, match="raster of 1e-07 s, as the file says; scanners have 1e-06 s"):
        seq.save(tmp_path / "train.seq")
    assert_same_train(sb.Sequence.load(tmp_path / "train.seq"), seq)


@pytest.mark.parametrize("name", sb.sequences.names())
def test_trains_that_ship_with_the_package_come_back(tmp_path, name):
    seq = sb.sequences.load(name)
    rounded = seq.replace(TRF=2e-6 * np.round(seq.TRF / 2e-6))  # even: pulses begin and end on full microseconds
    rounded.save(tmp_path / "rounded.seq")
    assert_same_train(sb.Sequence.load(tmp_path / "rounded.seq"), rounded)
    with pytest.warns(UserWarning, match="raster of 5e-07 s"):
        seq.save(tmp_path / "train.seq")
    assert_same_train(sb.Sequence.load(tmp_path / "train.seq"), seq)


def test_a_preparation_and_a_pause_come_back(tmp_path):
    train = sb.Sequence(np.full(6, 0.4), np.full(6, 2e-4), 4e-3, gradient_moment="balanced", start="thermal")
    whole = sb.Sequence.concatenate([train, sb.Sequence.delay(0.5, spoil=True), train])
    whole.save(tmp_path / "whole.seq")
    assert_same_train(sb.Sequence.load(tmp_path / "whole.seq"), whole)


@pytest.mark.parametrize("start", ["periodic", "thermal", (0.1, -0.2, 0.3, 0, 0.05)])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_how_a_train_starts_comes_back(tmp_path, start, n):
    seq = sb.Sequence(np.full(n, 0.4), np.full(n, 2e-4), 4e-3, gradient_moment="balanced", start=start)
    seq.save(tmp_path / "a.seq")
    read = sb.Sequence.load(tmp_path / "a.seq")
    assert_same_train(read, seq)
    assert read.rf_phase_increment == seq.rf_phase_increment  # one number


@pytest.mark.parametrize(
    "shape", [np.hanning(50), np.hanning(50) * np.exp(1j * np.linspace(-1, 1, 50)), [1, 0, -0.5, 2]]
)
def test_a_shaped_pulse_plays_the_same_field(tmp_path, shape):
    seq = sb.Sequence([0.3, -1.2, 0], [200e-6, 400e-6, 100e-6], 5e-3, gradient_moment="balanced", shape=shape)
    seq.save(tmp_path / "a.seq")
    read = sb.Sequence.load(tmp_path / "a.seq")
    mean = np.mean(shape)
    assert read.shape == pytest.approx(np.asarray(shape) / mean, abs=1e-12)
    # the phase of the mean is the pulse's
    field = read.alpha * np.cumprod(angles(read))
    assert field == pytest.approx(seq.alpha * mean * np.cumprod(angles(seq)), abs=1e-11)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"TRF": 200.04e-6}, r"TRF of pulse 0 is 0\.00020004 s; TRF and \(TR - TRF\)/2 must be multiples of 1e-07 s"),
        ({"TR": 5.003e-3}, r"TR of pulse 0 is 0\.005003 s; allowed: multiples of 1e-05 s"),
        (
            {"TRF": 4.7e-3},
            r"\(TR - TRF\)/2 of pulse 0 is 0\.00015 s; its readout, dead times and spoilers take 0\.0002 s",
        ),
        ({"TR": 2.5e-3, "gradient_moment": "crusher"}, r"is 0\.00115 s; .* take 0\.0012 s"),
        ({"shape": [1, 2, 1]}, "lasts 0.0002 s, which is not 3 samples of its shape on the RF raster of 1e-06 s"),
        ({"shape": [1, -1]}, "the mean of the shape nearly vanishes"),
    ],
)
def test_what_a_file_cannot_say_is_refused(tmp_path, changes, message):
    fields = {"TRF": 200e-6, "TR": 5e-3, "gradient_moment": "balanced", "shape": None} | changes
    seq = sb.Sequence([0.3, 0.4], [fields.pop("TRF")] * 2, fields.pop("TR"), **fields)
    with pytest.raises(sb.InvalidSequence, match=message):
        seq.save(tmp_path / "a.seq")
    assert not os.listdir(tmp_path)


def test_other_suffixes_are_refused(tmp_path):
    with pytest.raises(sb.InvalidSequence, match=r"Pulseq files are \.seq"):
        pulseq.write(tmp_path / "a.npz", TRAIN)
    with pytest.raises(sb.InvalidSequence, match=r"Pulseq files are \.seq"):
        pulseq.read(tmp_path / "a.npz")


# pypulseq reads and writes

SYSTEM = {"rf_dead_time": 100e-6, "rf_ringdown_time": 20e-6, "adc_dead_time": 10e-6}


@pytest.fixture(scope="module")
def pp():
    return pytest.importorskip("pypulseq")


def played(path, pp):
    """Flip angle with its phase, and duration of every pulse, and whether the times fit, as pypulseq reads a file."""
    seq = pp.Sequence(pp.Opts(**SYSTEM))
    seq.read(str(path))
    pulses = [block.rf for block in map(seq.get_block, seq.block_events) if block.rf is not None]
    steps = [rf.t[1] - rf.t[0] for rf in pulses]
    means = [rf.signal.mean() if len(rf.t) == 2 else rf.signal.sum() for rf in pulses]
    field = 2 * pi * np.array(means) * steps * np.exp([1j * rf.phase_offset for rf in pulses])
    return field, np.array([rf.shape_dur for rf in pulses]), seq.check_timing(), seq


@pytest.mark.parametrize("shape", [None, np.hanning(50)])
def test_pypulseq_reads_the_same_train(tmp_path, pp, shape):
    TRF = np.linspace(100e-6, 480e-6, N) if shape is None else np.full(N, 300e-6)
    train = TRAIN.replace(TRF=TRF, shape=shape)
    train.save(tmp_path / "a.seq")
    field, durations, (fits, errors), seq = played(tmp_path / "a.seq", pp)
    expected = train.alpha * train.shape_samples.mean() * np.cumprod(angles(train))
    assert field == pytest.approx(expected, abs=1e-5)  # pypulseq keeps six digits of what it reads
    assert durations == pytest.approx(TRF, rel=1e-12)
    assert fits, errors
    assert seq.duration()[0] == pytest.approx(train.duration + 100e-6, rel=1e-12)  # half a readout before
    begins = np.cumsum([0, *seq.block_durations.values()])
    readouts = [begin for block, begin in zip(seq.block_events, begins, strict=False) if seq.get_block(block).adc]
    assert np.array(readouts) + 100e-6 == pytest.approx(train.echo_times, rel=1e-12)


def imaging_train(pp, pulse, spoiler=0.0):
    """As pypulseq makes a train with phase encoding: TR 5 ms, blocks of 1.2, 0.9, 2 and 0.9 ms, echoes after 2.5 ms."""
    system = pp.Opts(max_grad=35, grad_unit="mT/m", max_slew=150, slew_unit="T/m/s", **SYSTEM)
    seq = pp.Sequence(system)
    options = {"duration": 1e-3, "delay": 100e-6, "system": system, "use": "excitation"}
    gx = pp.make_trapezoid("x", area=300, duration=2e-3, system=system)

    def lobes(**areas):
        return [pp.make_trapezoid(axis, area=size, duration=0.9e-3, system=system) for axis, size in areas.items()]

    for number in range(8):
        alpha, turn = 0.1 * (number + 1), {"phase_offset": pi * (number % 2)}
        if pulse == "block":
            rf, gz, rewound = pp.make_block_pulse(alpha, **options, **turn), [], 0.0
        else:
            selection = {"time_bw_product": 4, "slice_thickness": 10e-3, "return_gz": True}
            rf, gradient, _ = pp.make_sinc_pulse(alpha, **options, **turn, **selection)
            gz, rewound = [gradient], -gradient.area / 2
        phase = 40 * number - 150.0
        seq.add_block(rf, *gz, pp.make_delay(1.2e-3))
        seq.add_block(*lobes(x=-gx.area / 2, y=phase, z=rewound))
        seq.add_block(gx, pp.make_adc(64, dwell=10e-6, delay=680e-6, system=system, **turn))
        seq.add_block(*lobes(x=-gx.area / 2, y=-phase, z=spoiler + rewound))
    return seq


@pytest.mark.parametrize("v141_compat", [False, True])
@pytest.mark.parametrize(("spoiler", "word"), [(0.0, "balanced"), (800.0, "spoiler_prepulse")])
def test_an_imaging_train_of_pypulseq_is_read(tmp_path, pp, spoiler, word, v141_compat):
    imaging_train(pp, "block", spoiler=spoiler).write(str(tmp_path / "a.seq"), v141_compat=v141_compat)
    seq = pulseq.read(tmp_path / "a.seq", strict=True)
    assert seq.alpha == pytest.approx(0.1 * np.arange(1, 9), rel=1e-5)  # six digits of the amplitude
    assert (seq.TR, seq.TRF.tolist(), seq.start) == (5e-3, [1e-3] * 8, "thermal")
    assert seq.gradient_moment == (word,) * 8
    assert angles(seq) == pytest.approx(-np.ones(8), abs=1e-5)
    assert seq.shape is None


def test_slices_of_pypulseq_are_read_with_a_warning(tmp_path, pp):
    imaging_train(pp, "sinc").write(str(tmp_path / "a.seq"))
    with pytest.warns(UserWarning, match=r"a\.seq: block 1: a gradient is on during the pulse"):
        seq = sb.Sequence.load(tmp_path / "a.seq")
    assert seq.alpha == pytest.approx(0.1 * np.arange(1, 9), rel=1e-5)
    assert seq.gradient_moment == ("balanced",) * 8
    assert seq.shape.size == 1000
    assert seq.shape.mean() == pytest.approx(1, abs=1e-12)
    assert np.abs(seq.shape).argmax() in (499, 500)


@pytest.mark.parametrize("kind", ["raster", "times"])
@pytest.mark.parametrize("v141_compat", [False, True])
def test_gradients_of_any_form_count_by_their_area(tmp_path, pp, kind, v141_compat):
    """Crushers of 800 turns/m around the second of three pulses; the two are of other forms than a trapezoid."""
    system = pp.Opts(max_grad=40, grad_unit="mT/m", max_slew=200, slew_unit="T/m/s", **SYSTEM)
    seq = pp.Sequence(system)
    if kind == "raster":
        wave = np.hanning(102)[1:-1]
        crusher = pp.make_arbitrary_grad("z", 800 * wave / wave.sum() / 10e-6, first=0, last=0, system=system)
    else:
        crusher = pp.make_extended_trapezoid(
            "z", amplitudes=[0, 1e6, 6e5, 0], times=[0, 3e-4, 7e-4, 1e-3], system=system
        )
    rf = pp.make_block_pulse(0.5, duration=1e-3, delay=100e-6, system=system, use="excitation")
    adc = pp.make_adc(64, dwell=10e-6, delay=680e-6, system=system)
    for lobe in ([], [crusher], []):
        seq.add_block(*lobe, pp.make_delay(1e-3))
        seq.add_block(rf, pp.make_delay(1.2e-3))
        seq.add_block(*lobe, pp.make_delay(1e-3))
        seq.add_block(adc, pp.make_delay(2e-3))
    seq.write(str(tmp_path / "a.seq"), v141_compat=v141_compat)
    read = pulseq.read(tmp_path / "a.seq", strict=True)
    assert read.gradient_moment == ("balanced", "crusher", "balanced")
    assert read.TR == 5.2e-3
