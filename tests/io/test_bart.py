"""BART's .cfl and .ra: round trips, headers as BART writes them, and files that do not hold what they say."""

import os
import struct

import numpy as np
import pytest
import spinbound as sb
from spinbound.io import bart

from tests.support.disks import fill_disk

RNG = np.random.default_rng(6)
VALUES = (RNG.normal(size=(4, 3, 1, 2)) + 1j * RNG.normal(size=(4, 3, 1, 2))).astype(np.complex64)


def cfl(folder, header):
    """A .cfl file of zeros under a header of one's own."""
    (folder / "x.hdr").write_bytes(header.encode())
    (folder / "x.cfl").write_bytes(bytes(192))
    return folder / "x.cfl"


@pytest.mark.parametrize("name", ["x.cfl", "x.hdr", "x.ra"])
def test_a_round_trip_gives_the_same_bits(tmp_path, name):
    bart.write(tmp_path / name, VALUES)
    read = bart.read(tmp_path / name)
    assert read.shape == VALUES.shape
    assert read.tobytes() == VALUES.tobytes()


@pytest.mark.parametrize(
    "header",
    [
        "# Dimensions\n4 3 2 1 1 1 1 1 1 1 1 1 1 1 1 1 \n",
        "# Dimensions\r\n4 3 2\r\n",
        "# Command\nphantom -x4 x\n# Dimensions\n4 3 2 \n# Files\n >x\n# Creator\nBART v0.8.00\n",
    ],
)
def test_headers_as_programs_write_them_are_read(tmp_path, header):
    assert bart.read(cfl(tmp_path, header)).shape == (4, 3, 2)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("# Dimensions\n4 3 3\n", r"x\.cfl: the header claims 288 bytes .*the file holds 192"),
        ("# Dimensions\n4 3 1\n", r"x\.cfl: the header claims 96 bytes .*the file holds 192"),
        ("# Dimensions\n4294967296 4294967296 2\n", "claims 295147905179352825856 bytes"),
        ("# Dimensions\n4 -3 -2\n", "lengths of axes"),
        ("# Dimensions\n4 0 2\n", "lengths of axes"),
        ("# Dimensions\n\n", "lengths of axes"),
        ("# Dimensions\nfour\n", "no line of integers"),
        ("# Dimensions", "no line of integers"),
        ("4 3 2\n", "no line of integers"),
    ],
)
def test_a_header_that_does_not_fit_its_file_is_refused(tmp_path, header, message):
    with pytest.raises(sb.InvalidData, match=message):
        bart.read(cfl(tmp_path, header))


@pytest.mark.parametrize("missing", ["x.hdr", "x.cfl"])
def test_half_of_a_pair_is_not_enough(tmp_path, missing):
    bart.write(tmp_path / "x.cfl", VALUES)
    (tmp_path / missing).unlink()
    with pytest.raises(FileNotFoundError, match=missing):
        bart.read(tmp_path / "x.cfl")


def ra(folder, magic=b"rawarray", flags=0, kind=4, width=8, dims=(4, 3, 2)):
    head = struct.pack(f"<8s5Q{len(dims)}Q", magic, flags, kind, width, 192, len(dims), *dims)
    (folder / "x.ra").write_bytes(head + bytes(192))
    return folder / "x.ra"


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"magic": b"rawarra!"}, "does not begin with rawarray"),
        ({"flags": 1}, "flags 1"),
        ({"kind": 3}, "type 3"),
        ({"width": 16}, "16 bytes"),
        ({"dims": (2**63, 2**63)}, "the header claims"),
        ({"dims": (4, 3)}, "the header claims 96 bytes .*the file holds 192"),
        ({"dims": (4, 0, 2)}, "lengths of axes"),
        ({"dims": ()}, "0 axes"),
    ],
)
def test_a_ra_file_that_makes_no_sense_is_refused(tmp_path, header, message):
    assert bart.read(ra(tmp_path)).shape == (4, 3, 2)
    with pytest.raises(sb.InvalidData, match=rf"x\.ra: .*{message}"):
        bart.read(ra(tmp_path, **header))


@pytest.mark.parametrize("keep", [0, 8, 50])
def test_a_truncated_ra_file_is_named(tmp_path, keep):
    path = ra(tmp_path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises((OSError, sb.InvalidData), match=r"x\.ra"):
        bart.read(path)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("x.dat", VALUES, r"\.cfl, \.hdr or \.ra"),
        ("x.ra", np.empty((3, 0)), r"no values in shape \(3, 0\)"),
        ("x.cfl", [1e40], "do not fit single precision"),
    ],
)
def test_what_cannot_be_stored_is_refused(tmp_path, name, values, message):
    with pytest.raises(sb.InvalidData, match=message):
        bart.write(tmp_path / name, values)
    assert not os.listdir(tmp_path)


def test_no_header_is_written_without_its_data(tmp_path, monkeypatch):
    fill_disk(monkeypatch)
    with pytest.raises(OSError, match="No space left") as failed:
        bart.write(tmp_path / "x.hdr", VALUES)
    assert failed.value.filename == str(tmp_path / "x.cfl")
    assert not os.listdir(tmp_path)
