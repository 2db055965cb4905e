"""BART itself: it opens what is written here, and what it writes is read, bit for bit."""

import shutil
import subprocess

import numpy as np
import pytest
from spinbound.io import bart

pytestmark = pytest.mark.skipif(shutil.which("bart") is None, reason="BART is not installed")

RNG = np.random.default_rng(6)
VALUES = (RNG.normal(size=(4, 3, 1, 2)) + 1j * RNG.normal(size=(4, 3, 1, 2))).astype(np.complex64)
SUFFIXES = pytest.mark.parametrize("suffix", [".cfl", ".ra"])


def run(*arguments):
    """What a command of BART prints."""
    return subprocess.run(["bart", *map(str, arguments)], check=True, capture_output=True, text=True).stdout


def named(path):
    """The name by which BART knows a file."""
    return path if path.suffix == ".ra" else path.with_suffix("")


@SUFFIXES
def test_bart_shows_the_same_axes(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    bart.write(path, VALUES)
    assert "4\t3\t1\t2\t1" in run("show", "-m", named(path))
    assert [run("show", "-d", axis, named(path)).strip() for axis in range(4)] == ["4", "3", "1", "2"]


@SUFFIXES
def test_bart_shows_the_same_values(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    bart.write(path, VALUES)
    shown = run("show", "-f", "%+.9e%+.9ei", named(path)).replace("i", "j").split()
    assert np.array(shown, complex).astype(np.complex64).tobytes() == VALUES.tobytes(order="F")


@SUFFIXES
def test_arrays_that_bart_has_copied_have_the_same_bits(tmp_path, suffix):
    values = VALUES.copy()
    values[0, 0, 0] = 0, complex(np.nan, -np.inf)
    values[1, 0, 0, 0] = complex(-0.0, 1e-42)  # below the normal numbers
    source, copy = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    bart.write(source, values)
    run("copy", named(source), named(copy))
    assert bart.read(copy).tobytes() == values.tobytes()


@SUFFIXES
def test_bart_computes_with_arrays_of_ours(tmp_path, suffix):
    source, doubled, energy = (tmp_path / f"{name}{suffix}" for name in ("in", "out", "energy"))
    bart.write(source, VALUES)
    run("scale", "2", named(source), named(doubled))
    assert bart.read(doubled).tobytes() == (2 * VALUES).tobytes()
    run("fmac", "-C", "-s", "15", named(source), named(source), named(energy))  # sum of |x|^2 over four axes
    assert bart.read(energy) == pytest.approx(np.sum(np.abs(VALUES.astype(complex)) ** 2), rel=1e-6)  # float sums


@SUFFIXES
def test_bart_finds_no_difference_to_its_own_array(tmp_path, suffix):
    own, ours = tmp_path / f"own{suffix}", tmp_path / f"ours{suffix}"
    run("phantom", "-x", "16", "-s", "3", named(own))
    values = bart.read(own)
    assert values.shape == (16, 16, 1, 3)
    bart.write(ours, values)
    run("nrmse", "-t", "0", named(own), named(ours))  # fails above this error
    assert bart.read(ours).tobytes() == values.tobytes()


def test_the_files_of_both_formats_hold_the_same(tmp_path):
    bart.write(tmp_path / "a.ra", VALUES)
    run("copy", tmp_path / "a.ra", tmp_path / "b")
    assert bart.read(tmp_path / "b.cfl").tobytes() == VALUES.tobytes()
    assert "# Creator" in (tmp_path / "b.hdr").read_text()  # a section that is not read
