"""Pulseq files that make no sense, say what a sequence cannot, are changed or hostile: each is named, at once."""

import hashlib
import time
from contextlib import suppress
from math import pi

import pytest
import spinbound as sb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spinbound.sequences import pulseq_file as pulseq
from spinbound.sequences.pulseq import text as _pulseq_text

from tests.support.refusals import assert_refused

ALPHA = 1e-14  # rounding errors of 2 pi

HEAD = "[VERSION]\nmajor 1\nminor 5\nrevision 1\n"
RASTERS = (
    "[DEFINITIONS]\nAdcRasterTime 1e-07\nBlockDurationRaster 1e-05\nGradientRasterTime 1e-05\n"
    "RadiofrequencyRasterTime 1e-06\n"
)
RF = "[RF]\n1 250 1 2 3 500 0 0 0 0 0 e\n"
TRAP = "[TRAP]\n1 100000 100 300 100 0\n2 0 10 0 10 0\n"
EXTENSIONS = "[EXTENSIONS]\n1 1 1 2\n2 1 1 0\nextension LABELSET 1\n1 1 LIN\n"
SHAPES = "[SHAPES]\n\n" + "\n".join(
    f"shape_id {number}\nnum_samples 2\n{first}\n{last}\n"
    for number, first, last in ((1, 1, 1), (2, 0, 0), (3, 0, 1000))
)
FREE = "[GRADIENTS]\n3 1000 0 0 1 0 0\n"
ONES, TIMES = "num_samples 2\n1\n1\n", "num_samples 2\n0\n1000\n"  # of the pulse


def saved(folder, text):
    (folder / "x.seq").write_text(text, encoding="utf-8", newline="")
    return folder / "x.seq"


def small(*changes):
    """A file of three pulses every 4 ms, each followed by its readout after 2 ms."""
    blocks = "[BLOCKS]\n" + "".join(
        f"{2 * i + 1} 100 1 0 0 0 0 {int(i == 2)}\n{2 * i + 2} 300 0 0 0 0 1 0\n" for i in range(3)
    )
    adc = "[ADC]\n1 100 10000 1000 0 0 0 0 0\n"
    text = HEAD + RASTERS + blocks + RF + TRAP + adc + EXTENSIONS + SHAPES + FREE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return text


def test_a_small_file_is_read(tmp_path):
    seq = sb.Sequence.load(saved(tmp_path, small()))
    assert seq.alpha == pytest.approx([pi / 2] * 3, abs=ALPHA)
    assert (seq.TR, seq.TRF.tolist()) == (4e-3, [1e-3] * 3)
    assert (seq.start, set(seq.gradient_moment), seq.rf_phase_increment) == ("thermal", {"balanced"}, 0.0)
    assert seq.echo.all()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        # what makes no sense
        ("minor 5", "minor 6", r"line 2: version 1\.6; read are: 1\.4, 1\.5"),
        ("major 1", "major 99", r"version 99\.5"),
        ("major 1\n", "", r"version \?\.5"),
        ("[VERSION]\nmajor 1\nminor 5\nrevision 1\n", "", r"no section \[VERSION\]"),
        ("[BLOCKS]", "[BLOCK]", r"line 10: section BLOCK is unknown; allowed: .*BLOCKS"),
        ("[TRAP]", "[RF]", "section RF is there twice"),
        ("[VERSION]", "hello\n[VERSION]", "line 1: 'hello' before the first section: no Pulseq file"),
        ("BlockDurationRaster 1e-05\n", "", "does not define BlockDurationRaster"),
        ("BlockDurationRaster 1e-05", "BlockDurationRaster 0", "BlockDurationRaster is 0; allowed: 1e-9 to 1 s"),
        ("BlockDurationRaster 1e-05", "BlockDurationRaster nan", "BlockDurationRaster is nan"),
        ("1 100 1 0 0 0 0 0", "1 100 7 0 0 0 0 0", r"line 11: RF is 7, which section \[RF\] does not have"),
        ("1 100 1 0 0 0 0 0", "1 100 1.5 0 0 0 0 0", "RF is 1.5, which"),
        ("1 100 1 0 0 0 0 0", "1 100 1 0 9 0 0 0", r"line 11: gy is 9, which section \[GRADIENTS\] does not have"),
        ("[ADC]\n1 100 10000 1000 0 0 0 0 0\n", "", r"line 12: ADC is 1, but the file has no section \[ADC\]"),
        ("1 1 1 2", "1 1 1 8", r"next is 8, which section \[EXTENSIONS\] does not have"),
        ("1 100 1 0 0 0 0 0", "1 100 1 0 0 0 0", r"line 11: 7 words in \[BLOCKS\]; needed: 8"),
        ("1 100 1 0 0 0 0 0", "1 x 1 0 0 0 0 0", "line 11: duration must be a number"),
        ("1 100 1 0 0 0 0 0", "a 100 1 0 0 0 0 0", "line 11: the id must be a number"),
        ("1 250 1 2 3", "1 inf 1 2 3", r"amplitude must be a number of at most 1e\+15"),
        ("1 100 1 0 0 0 0 0", "1 1e308 1 0 0 0 0 0", "duration must be a number of at most"),
        ("2 300 0 0 0 0 1 0", "1 300 0 0 0 0 1 0", r"line 12: id 1 of \[BLOCKS\] is 0 or there twice"),
        ("1 250 1 2 3", "1 250 1 2 8", r"time is 8, which section \[SHAPES\] does not have"),
        ("shape_id 2\n", "shape_id 1\n", "shape 1 is there twice"),
        ("shape_id 1\n", "", "a shape must begin with shape_id"),
        (ONES, "num_samples two\n1\n1\n", "shape 1 is there twice, without samples or not numbered"),
        (ONES, "1\n1\n", "a shape needs shape_id and num_samples"),
        (ONES, "num_samples 2\n1\nx\n", r"line \d+: a sample must be a number"),
        (ONES, "num_samples 3\n1\n1\n", "a shape of 3 samples holds 2"),
        (ONES, "num_samples 9\n0\n0\n7.5\n", "a run of 7.5 further samples"),
        (ONES, "num_samples 9\n0\n0\n-3\n", "a run of -3 further samples"),
        (ONES, "num_samples 9\n0\n0\n1e14\n", r"a run of 1e\+14 further samples in a shape of 9"),
        (ONES, "num_samples 2000000000\n0\n0\n1999999998\n", "a shape of 2000000000 samples; all shapes"),
        (TIMES, "num_samples 2\n1000\n0\n", "the times of the pulse do not rise"),
        (TIMES, "num_samples 2\n0.5\n1e12\n", "a shape of 1000000000000 samples"),
        (TIMES, "num_samples 3\n0\n1\n1000\n", "are not equally many"),
        # what a sequence cannot say
        ("500 0 0 0 0 0 e", "500 0 0 0 10 0 e", r"line 11: block 1: its pulse has a frequency of 10; allowed: 0"),
        ("500 0 0 0 0 0 e", "500 0 0 2 0 0 e", "its pulse has a phase_ppm of 2"),
        ("500 0 0 0 0 0 e", "500 10 0 0 0 0 e", "block 1: its pulse is longer than the block"),
        (
            "3 100 1 0 0 0 0 0",
            "3 100 1 0 0 0 1 0",
            "block 4: a second readout after one pulse; a Sequence has one echo",
        ),
        ("1 100 1 0 0 0 0 0", "1 100 0 0 0 0 0 0", "block 2: a readout before the first pulse"),
        ("extension LABELSET 1", "extension DELAYS 1", "block 5: the extension DELAYS is not read; read are: TRIGGERS"),
        ("1 1 1 2", "1 4 1 2", "block 5: the extension of type 4 is not read"),
        ("2 1 1 0\n", "2 1 1 1\n", "block 5: a circle of extensions"),
        ("4 300 0 0 0 0 1 0", "4 340 0 0 0 0 1 0", r"block 6: its readout is not where the echo of a Sequence is"),
        ("2 300 0 0 0 0 1 0", "2 300 0 1 0 0 1 0", r"block 1: gradients leave 40 turns/m after its pulse; allowed: at"),
        (ONES, "num_samples 2\n1\n-1\n", "the mean of the pulse nearly vanishes"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_line_or_block(tmp_path, old, new, message):
    assert_refused(saved(tmp_path, small((old, new))), rf"x\.seq: .*{message}")


def test_gradients_without_their_section_are_refused(tmp_path):
    text = small((FREE, ""), ("2 300 0 0 0", "2 300 0 9 0"))
    assert_refused(saved(tmp_path, text), r"x\.seq: .*line 12: gx is 9, but the file has no section \[GRADIENTS\]")


def test_spoilers_after_a_pulse_alone_are_refused(tmp_path):
    late = ("2 300 0 0 0 0 1 0", "2 100 0 1 0 0 0 0\n7 200 0 0 0 0 2 0"), ("1 100000 100", "1 2000000 100")
    text = small(*late, ("1 100 10000 1000 0 0 0 0 0", "1 100 10000 1000 0 0 0 0 0\n2 100 10000 0 0 0 0 0 0"))
    assert_refused(saved(tmp_path, text), "block 1: gradients spoil after its pulse, but not before it")


def test_a_file_without_readouts_is_refused(tmp_path):
    text = small(*[(f"{n} 300 0 0 0 0 1 0", f"{n} 300 0 0 0 0 0 0") for n in (2, 4, 6)])
    assert_refused(saved(tmp_path, text), "a pulse and a readout after it are needed")


def test_pulses_of_different_shape_are_refused(tmp_path):
    other = ("500 0 0 0 0 0 e\n", "500 0 0 0 0 0 e\n2 250 4 0 0 2 498 0 0 0 0 e\n"), ("3 100 1", "3 100 2")
    shape = ("shape_id 3", "shape_id 4\nnum_samples 4\n0\n1\n1\n0\n\nshape_id 3")
    assert_refused(saved(tmp_path, small(*other, shape)), "block 3: its pulse has another waveform than block 1")


def test_the_receiver_must_follow_the_pulses(tmp_path):
    adc = ("1 100 10000 1000 0 0 0 0 0\n", "1 100 10000 1000 0 0 0 0 0\n2 100 10000 1000 0 0 0 0.1 0\n")
    text = small(adc, ("4 300 0 0 0 0 1 0", "4 300 0 0 0 0 2 0"))
    assert_refused(saved(tmp_path, text), r"block 4: the receiver's phase is 0\.1 rad off that of the pulse")


@pytest.mark.parametrize("start", ["sideways", "0 0 x 0 0", "0 0 1"])
def test_a_start_that_makes_no_sense_is_refused(tmp_path, start):
    text = small(("[DEFINITIONS]\n", f"[DEFINITIONS]\nSpinboundStart {start}\n"))
    assert_refused(saved(tmp_path, text), r"x\.seq: start")


def test_a_run_of_samples_is_expanded(tmp_path):
    # differences 1, 0 (twice and 998 times more) give a thousand ones
    runs = (ONES, "num_samples 1000\n1\n0\n0\n997\n"), ("1 250 1 2 3", "1 250 1 0 0")
    seq = sb.Sequence.load(saved(tmp_path, small(*runs)))
    assert seq.shape is None
    assert seq.alpha == pytest.approx([pi / 2] * 3, abs=ALPHA)


def test_samples_in_half_steps_of_the_raster_are_read(tmp_path):
    halves = (ONES, "num_samples 1999\n1\n0\n0\n1996\n"), ("1 250 1 2 3", "1 250 1 0 -1")
    seq = sb.Sequence.load(saved(tmp_path, small(*halves)))
    assert seq.TRF.tolist() == [1e-3] * 3


# Signatures


def signed(text, kind="md5"):
    digest = hashlib.new(kind, text.encode(), usedforsecurity=False).hexdigest()
    return f"{text}\n[SIGNATURE]\n# a comment\nType {kind}\nHash {digest}\n"


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("kind", ["md5", "sha1", "sha256"])
def test_a_signature_that_is_right_is_silent(tmp_path, kind, ends):
    path = saved(tmp_path, signed(small(), kind).replace("\n", ends))
    assert pulseq.read(path, strict=True).n_pulses == 3


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("1 250 1", "1 251 1", "the md5 of the file is not that"),
        ("Type md5", "Type crc", "of type crc; verified are: md5"),
    ],
)
def test_a_signature_that_is_not_the_file_s_is_a_warning_or_refused(tmp_path, old, new, message):
    path = saved(tmp_path, signed(small()).replace(old, new))
    with pytest.warns(UserWarning, match=rf"x\.seq: .*{message}"):
        assert sb.Sequence.load(path).n_pulses == 3
    with pytest.raises(sb.InvalidSequence, match=message):
        pulseq.read(path, strict=True)


def test_every_changed_byte_of_a_signed_file_is_seen(tmp_path):
    content = signed(small()).encode()
    end = content.index(b"\n[SIGNATURE]")
    for place in range(0, end, 7):
        changed = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
        with pytest.raises(sb.InvalidSequence, match="was changed after it was signed"):
            _pulseq_text.check_signature(tmp_path / "x.seq", changed, strict=True)


# Hostile files


@pytest.mark.timeout(60)
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, len(small()) - 1), piece=st.text("0123456789.-e \n[]#x", min_size=1, max_size=12))
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_damaged_files_are_read_or_refused_at_once(tmp_path, place, piece):
    text = small()
    begin = time.monotonic()
    with suppress(sb.InvalidSequence, OSError):  # anything else fails
        sb.Sequence.load(saved(tmp_path, text[:place] + piece + text[place + len(piece) :]))
    assert time.monotonic() - begin < 5


@pytest.mark.timeout(60)
def test_many_pulses_of_long_shapes_are_refused_in_time(tmp_path):
    """Every pulse of another pair of shapes of 4 million samples, in a file of 30 kB."""
    n = 1 << 22
    shapes = "".join(f"shape_id {k}\nnum_samples {n}\n1\n0\n0\n{n - 3}\n\n" for k in (11, 12))
    rf = "".join(f"{k} 250 {11 + k % 2} {11 + k // 2 % 2} 0 0 0 0 0 0 0 e\n" for k in range(2, 500))
    blocks = "".join(f"{k + 10} 1000000 {k} 0 0 0 0 0\n" for k in range(2, 500))
    text = small((RF, RF + rf), ("[SHAPES]\n", f"[SHAPES]\n{shapes}"), ("[RF]", f"{blocks}[RF]"))
    begin = time.monotonic()
    assert_refused(saved(tmp_path, text), r"a shape of 4194304 samples; all shapes of a file may have 16777216")
    assert time.monotonic() - begin < 20


@pytest.mark.filterwarnings("ignore:.*signature:UserWarning")  # half a signature is none
@pytest.mark.parametrize("text", [small(), signed(small())])
def test_a_truncated_file_is_refused_or_lacks_nothing_that_is_played(tmp_path, text):
    whole = sb.Sequence.load(saved(tmp_path, text))
    for keep in range(0, len(text), 3):
        with suppress(sb.InvalidSequence, OSError):
            assert sb.Sequence.load(saved(tmp_path, text[:keep])) == whole


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"\x89HDF", b"[VERSION]\n", b"\0" * 1000])
def test_what_is_no_pulseq_file_is_refused(tmp_path, content):
    (tmp_path / "x.seq").write_bytes(content)
    with pytest.raises((sb.InvalidSequence, OSError), match=r"x\.seq"):
        sb.Sequence.load(tmp_path / "x.seq")
