"""Files that lie, are damaged or reach out are refused; writing fails without a trace."""

import os
import struct
import zipfile

import h5py
import numpy as np
import pytest
import spinbound as sb
from scipy import io
from spinbound.files.guard import find_max_bytes

from tests.support.disks import fill_disk
from tests.support.sequence_files import ALPHA, REST, SEQ, TRF, hdf5, npz


def assert_refused(path, message, error=sb.InvalidSequence):
    """A sequence is not read from a file, and a message says why."""
    with pytest.raises(error, match=message):
        sb.Sequence.load(path, **REST)


def test_pickled_objects_are_refused(tmp_path):
    assert_refused(npz(tmp_path, alpha=np.array([{}, 1, 2], dtype=object), TRF=TRF), "pickled Python objects")


@pytest.mark.parametrize("shape", [(2**29,), (2**40, 2**40), (-3,), (-1, -3)])
def test_an_array_that_claims_more_than_the_file_holds_is_refused_unread(tmp_path, shape):
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    with zipfile.ZipFile(tmp_path / "seq.npz", "w") as archive:
        archive.writestr("alpha.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"\0" * 24)
    assert_refused(tmp_path / "seq.npz", "alpha.npy claims")


def written(kind, folder, alpha, compressed):
    """A file of a kind."""
    if kind == "npz":
        (np.savez_compressed if compressed else np.savez)(folder / "seq.npz", alpha=alpha, TRF=TRF)
        return folder / "seq.npz"
    if kind == "v7.3":
        path = hdf5(folder, TRF=TRF)
        with h5py.File(path, "a") as file:
            file.create_dataset("alpha", data=alpha, compression="gzip" if compressed else None)
        return path
    content = {"alpha": alpha, "TRF": TRF}
    io.savemat(folder / "seq.mat", {"train": content} if kind == "struct" else content, do_compression=compressed)
    return folder / "seq.mat"


@pytest.mark.parametrize("kind", ["npz", "v5", "struct", "v7.3"])
def test_what_unpacks_to_more_than_most_of_the_memory_is_refused_unread(tmp_path, monkeypatch, kind):
    path = written(kind, tmp_path, np.zeros(1 << 17), compressed=True)
    memory = {"SC_PAGE_SIZE": 1, "SC_PHYS_PAGES": 1 << 20}
    monkeypatch.setattr(os, "sysconf", memory.__getitem__, raising=False)
    assert_refused(path, r"seq\..*(alpha|train).* bytes, only \d+ may be allocated")
    memory["SC_PHYS_PAGES"] <<= 1
    assert_refused(path, "alpha has 131072 pulses but TRF has 3")


def test_memory_that_the_system_does_not_tell_is_assumed(monkeypatch):
    monkeypatch.delattr(os, "sysconf", raising=False)
    assert find_max_bytes() == 6871947673


@pytest.mark.parametrize("version", ["4", "5"])
def test_a_matlab_header_that_claims_more_than_the_file_holds_is_refused_unread(tmp_path, version):
    path = tmp_path / "seq.mat"
    io.savemat(path, {"alpha": ALPHA, "TRF": TRF}, format=version)
    shape = struct.pack("<ii", 1, 3)
    content = path.read_bytes()
    assert shape in content
    path.write_bytes(content.replace(shape, struct.pack("<ii", 1 << 20, 1 << 20), 1))
    assert_refused(path, "alpha claims 1099511627776 bytes, the file holds")


def test_a_chunk_larger_than_its_array_counts_in_full(tmp_path, monkeypatch):
    path = hdf5(tmp_path, TRF=TRF)
    with h5py.File(path, "a") as file:
        data = file.create_dataset("alpha", (3,), "f8", maxshape=(None,), chunks=(1 << 24,), compression="gzip")
        data[:] = ALPHA
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 1, "SC_PHYS_PAGES": 100 << 20}.__getitem__, raising=False)
    assert_refused(path, "alpha claims 134217728 bytes, only")


def test_cells_that_contain_themselves_come_to_an_end(tmp_path):
    path = hdf5(tmp_path, alpha=ALPHA, TRF=TRF, TR=3.5e-3)
    with h5py.File(path, "a") as file:
        cell = file.create_dataset("gradient_moment", (3,), h5py.ref_dtype)
        cell.attrs["MATLAB_class"] = np.bytes_("cell")
        cell[:] = [cell.ref] * 3
    with pytest.raises(sb.InvalidSequence, match="/gradient_moment lies in more than 4 cells"):
        sb.Sequence.load(path)


def add_sparse(file, _):
    file.create_dataset("alpha", shape=(10**12,), chunks=(10**6,), dtype="f8")


def add_link(file, _):
    file["alpha"] = h5py.ExternalLink("/etc/passwd", "/alpha")


def add_external(file, folder):
    ALPHA.tofile(folder / "values")
    file.create_dataset("alpha", (3,), "f8", external=[(str(folder / "values"), 0, 24)])


def add_virtual(file, _):
    layout = h5py.VirtualLayout((3,), "f8")
    layout[:] = h5py.VirtualSource("other.h5", "alpha", (3,))
    file.create_virtual_dataset("alpha", layout)


@pytest.mark.parametrize(
    ("add", "message"),
    [
        (add_sparse, "claims 8000000000000 bytes"),
        (add_link, "alpha is a link to another file"),
        (add_external, "keeps its values in another file"),
        (add_virtual, "keeps its values in another file"),
    ],
)
def test_an_hdf5_array_that_is_sparse_or_lies_elsewhere_is_refused_unread(tmp_path, add, message):
    path = hdf5(tmp_path, TRF=TRF)
    with h5py.File(path, "a") as file:
        add(file, tmp_path)
    assert_refused(path, message)


@pytest.mark.parametrize("kind", ["npz", "v5", "v7.3"])
@pytest.mark.parametrize("keep", [0.0, 0.3, 0.6])
def test_a_truncated_file_is_named(tmp_path, kind, keep):
    path = written(kind, tmp_path, ALPHA, compressed=False)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    assert_refused(path, f"{path.name}: cannot be read, it is damaged", OSError)


def test_a_flipped_bit_is_noticed(tmp_path):
    path = npz(tmp_path, alpha=ALPHA, TRF=TRF)
    content = bytearray(path.read_bytes())
    content[content.index(ALPHA.tobytes()) + 3] ^= 4
    path.write_bytes(content)
    assert_refused(path, "damaged.*CRC", OSError)


@pytest.mark.parametrize("suffix", [".npz", ".mat"])
def test_a_file_of_another_kind_is_named(tmp_path, suffix):
    path = tmp_path / f"seq{suffix}"
    path.write_bytes(b"this is no array at all, but text that goes on for a while" * 10)
    assert_refused(path, "cannot be read", OSError)


@pytest.mark.parametrize("suffix", [".npz", ".toml", ".mat", ".seq"])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, suffix):
    path = tmp_path / f"seq{suffix}"
    SEQ.save(path)
    content = path.read_bytes()
    fill_disk(monkeypatch)
    with pytest.raises(OSError, match="No space left") as failed:
        SEQ.replace(TR=4e-3).save(path)
    assert failed.value.filename == str(path)
    assert os.listdir(tmp_path) == [path.name]
    assert path.read_bytes() == content


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError) as failed:
        SEQ.save(tmp_path / "absent" / "seq.npz")
    assert failed.value.filename == str(tmp_path / "absent" / "seq.npz")


def test_a_folder_in_place_of_a_file_is_named(tmp_path):
    (tmp_path / "seq.npz").mkdir()
    with pytest.raises(OSError, match="seq") as failed:
        SEQ.save(tmp_path / "seq.npz")
    assert (failed.value.filename, failed.value.filename2) == (str(tmp_path / "seq.npz"), None)
    assert os.listdir(tmp_path) == ["seq.npz"]


def test_a_failure_without_a_number_is_given_the_name_too(tmp_path, monkeypatch):
    def fail(_descriptor):
        raise OSError("only some bytes were written")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match=r"seq\.npz: only some bytes were written"):
        SEQ.save(tmp_path / "seq.npz")
