"""MATLAB files: named arrays of both versions with MATLAB's axes, complex numbers among them."""

import sys

import h5py
import numpy as np
import pytest
import spinbound as sb
from scipy import io
from spinbound.io import matlab

from tests.support.disks import flip_bit, limited_files

RNG = np.random.default_rng(7)
VALUES = RNG.normal(size=(4, 3, 2)) + 1j * RNG.normal(size=(4, 3, 2))


def hdf5(folder, values=VALUES, kind=b"double"):
    """A file as MATLAB 7.3 writes it: axes reversed, complex numbers as pairs."""
    path = folder / "v73.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        if np.iscomplexobj(values):
            values = values.view([("real", "f8"), ("imag", "f8")])
        dataset = file.create_dataset("data", data=values.T)
        if kind:
            dataset.attrs["MATLAB_class"] = np.bytes_(kind)
    return path


@pytest.mark.parametrize("version", ["5", "7.3"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128, np.complex64, np.int16])
def test_a_round_trip_gives_the_same_bits(tmp_path, dtype, version):
    values = (100 * (VALUES if np.dtype(dtype).kind == "c" else VALUES.real)).astype(dtype)
    matlab.write(tmp_path / "x.mat", {"data": values, "mask": values.real > 0}, version)
    read = matlab.read(tmp_path / "x.mat")
    assert list(read) == ["data", "mask"]
    assert read["data"].dtype == dtype
    assert read["data"].tobytes() == values.tobytes()
    assert np.array_equal(read["mask"], values.real > 0)


@pytest.mark.parametrize("values", [np.zeros((0, 3)), np.float32(3), [1, 2, 3], [[True, False]], np.array(2 + 1j)])
def test_small_arrays_come_back_from_the_hdf5_version(tmp_path, values):
    matlab.write(tmp_path / "x.mat", {"a": values}, "7.3")
    assert np.array_equal(matlab.read(tmp_path / "x.mat")["a"], np.squeeze(values) if np.size(values) else np.empty(0))


def test_the_hdf5_version_is_as_matlab_writes_it(tmp_path):
    matlab.write(tmp_path / "x.mat", {"data": VALUES, "mask": VALUES.real > 0, "vector": [1.0, 2.0]}, "7.3")
    head = (tmp_path / "x.mat").read_bytes()[:512]
    assert head[:19] == b"MATLAB 7.3 MAT-file"
    assert head[124:128] == b"\x00\x02IM"
    with h5py.File(tmp_path / "x.mat") as file, h5py.File(hdf5(tmp_path)) as expected:
        assert file["data"].dtype == expected["data"].dtype
        assert np.array_equal(file["data"][()], expected["data"][()])
        assert file["vector"].shape == (1, 2)  # a column
        assert file["mask"].attrs["MATLAB_class"] == b"logical"
        assert file["mask"].attrs["MATLAB_int_decode"] == 1


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
@pytest.mark.parametrize("version", ["5", "7.3"])
def test_a_full_disk_is_told_and_leaves_nothing(tmp_path, version):
    with limited_files(10_000), pytest.raises(OSError, match="File too large"):
        matlab.write(tmp_path / "x.mat", {"data": RNG.normal(size=(100, 100))}, version)
    assert list(tmp_path.iterdir()) == []


def test_large_arrays_take_the_hdf5_version(tmp_path, monkeypatch):
    monkeypatch.setattr(matlab, "MAX_BYTES", VALUES.nbytes - 1)
    matlab.write(tmp_path / "x.mat", {"data": VALUES})
    assert h5py.is_hdf5(tmp_path / "x.mat")
    assert matlab.read(tmp_path / "x.mat")["data"].tobytes() == VALUES.tobytes()
    with pytest.raises(sb.InvalidData, match="data takes 384 bytes; v5 holds 383 at most, version='7.3' more"):
        matlab.write(tmp_path / "y.mat", {"data": VALUES}, "5")


@pytest.mark.parametrize("place", [0.4, 0.6, 0.8])
def test_a_flipped_bit_of_packed_values_is_found(tmp_path, place):
    path = tmp_path / "x.mat"
    matlab.write(path, {"data": np.random.default_rng(0).normal(size=(50, 40))}, "7.3")
    flip_bit(path, int(place * path.stat().st_size))
    with pytest.raises(OSError, match=r"x\.mat: cannot be read"):
        matlab.read(path)


def test_another_version_is_refused(tmp_path):
    with pytest.raises(sb.InvalidParameter, match="version is '7'"):
        matlab.write(tmp_path / "x.mat", {"data": VALUES}, "7")


def test_scipy_reads_what_is_written(tmp_path):
    matlab.write(tmp_path / "x.mat", {"data": VALUES, "vector": [1.0, 2.0]})
    content = io.loadmat(tmp_path / "x.mat")
    assert np.array_equal(content["data"], VALUES)
    assert content["vector"].shape == (2, 1)


def test_complex_arrays_of_the_hdf5_version_keep_their_axes(tmp_path):
    read = matlab.read(hdf5(tmp_path))["data"]
    assert read.shape == VALUES.shape
    assert np.array_equal(read, VALUES)


def test_parts_that_are_not_finite_stay_in_their_part(tmp_path):
    values = np.array([[complex(np.inf, 1), complex(2, np.nan)], [0, 0]])
    read = matlab.read(hdf5(tmp_path, values=values))["data"]
    assert np.array_equal(read.real, values.real)
    assert np.array_equal(read.imag, values.imag, equal_nan=True)


def test_arrays_that_matlab_did_not_write_keep_their_order(tmp_path):
    path = hdf5(tmp_path, values=VALUES.real, kind=None)
    assert np.array_equal(matlab.read(path)["data"], VALUES.real.T)


def test_fields_of_structs_go_by_dotted_names(tmp_path):
    io.savemat(tmp_path / "x.mat", {"scan": {"data": VALUES, "name": "first"}})
    assert list(matlab.read(tmp_path / "x.mat")) == ["scan.data"]
    assert np.array_equal(matlab.read(tmp_path / "x.mat", ["scan.data"])["scan.data"], VALUES)


@pytest.mark.parametrize("name", ["absent", "text"])
def test_a_missing_variable_is_named_with_those_present(tmp_path, name):
    io.savemat(tmp_path / "x.mat", {"data": VALUES, "text": "words"})
    with pytest.raises(sb.InvalidData, match=rf"no array of numbers {name}; the file has: data, text"):
        matlab.read(tmp_path / "x.mat", [name])


@pytest.mark.parametrize(
    ("path", "arrays", "message"),
    [
        ("x.npz", {"data": VALUES}, r"are \.mat"),
        ("x.mat", {"1st": VALUES}, "'1st' is no name"),
        ("x.mat", {"_data": VALUES}, "'_data' is no name"),
        ("x.mat", {"data": np.array(["a"])}, "must be numbers"),
        ("x.mat", {"data": np.zeros(3, np.float16)}, "must be numbers; given type float16"),
    ],
)
def test_what_cannot_be_stored_is_refused(tmp_path, path, arrays, message):
    with pytest.raises(sb.InvalidData, match=message):
        matlab.write(tmp_path / path, arrays)
