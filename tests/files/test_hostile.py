"""Files that lie, are damaged or reach out are refused; writing fails without a trace."""

import errno
import os
import struct
import zipfile

import h5py
import numpy as np
import pytest
import spinbound as sb
from scipy import io
from spinbound.files.guard import find_max_bytes

from tests.support.sequence_files import ALPHA, REST, SEQ, TRF, hdf5, npz


def test_pickled_objects_are_refused(tmp_path):
    path = npz(tmp_path, alpha=np.array([{}, 1, 2], dtype=object), TRF=TRF)
    with pytest.raises(sb.InvalidSequence, match="pickled Python objects"):
        sb.Sequence.load(path, **REST)


def forged_npz(path, shape, payload=b"\0" * 24):
    """An .npz file whose array `alpha` claims a shape of its own."""
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("alpha.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + payload)
    return path


@pytest.mark.parametrize("shape", [(2**29,), (2**40, 2**40), (-3,), (-1, -3)])
def test_an_array_that_claims_more_than_the_file_holds_is_refused_unread(tmp_path, shape):
    with pytest.raises(sb.InvalidSequence, match="alpha.npy claims"):
        sb.Sequence.load(forged_npz(tmp_path / "seq.npz", shape), **REST)


def packed(kind, folder, size):
    """A small file whose array `alpha` takes `size` bytes once it is unpacked."""
    zeros = np.zeros(size // 8)
    if kind == "npz":
        np.savez_compressed(folder / "seq.npz", alpha=zeros, TRF=TRF)
        return folder / "seq.npz"
    if kind == "v7.3":
        path = hdf5(folder, TRF=TRF)
        with h5py.File(path, "a") as file:
            file.create_dataset("alpha", data=zeros, chunks=True, compression="gzip")
        return path
    content = {"alpha": zeros, "TRF": TRF}
    io.savemat(folder / "seq.mat", {"train": content} if kind == "struct" else content, do_compression=True)
    return folder / "seq.mat"


@pytest.mark.parametrize("kind", ["npz", "v5", "struct", "v7.3"])
def test_what_unpacks_to_more_than_most_of_the_memory_is_refused_unread(tmp_path, monkeypatch, kind):
    path = packed(kind, tmp_path, 1 << 20)
    memory = {"SC_PAGE_SIZE": 1, "SC_PHYS_PAGES": 1 << 20}
    monkeypatch.setattr(os, "sysconf", memory.__getitem__, raising=False)
    with pytest.raises(sb.InvalidSequence, match=r"seq\..*(alpha|train).* bytes, only \d+ may be allocated"):
        sb.Sequence.load(path, **REST)
    memory["SC_PHYS_PAGES"] <<= 1
    with pytest.raises(sb.InvalidSequence, match="alpha has 131072 pulses but TRF has 3"):
        sb.Sequence.load(path, **REST)


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
    with pytest.raises(sb.InvalidSequence, match="alpha claims 1099511627776 bytes, the file holds"):
        sb.Sequence.load(path, **REST)


def test_a_chunk_larger_than_its_array_counts_in_full(tmp_path, monkeypatch):
    path = hdf5(tmp_path, TRF=TRF)
    with h5py.File(path, "a") as file:
        data = file.create_dataset("alpha", (3,), "f8", maxshape=(None,), chunks=(1 << 24,), compression="gzip")
        data[:] = ALPHA
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 1, "SC_PHYS_PAGES": 100 << 20}.__getitem__, raising=False)
    with pytest.raises(sb.InvalidSequence, match="alpha claims 134217728 bytes, only"):
        sb.Sequence.load(path, **REST)


def test_cells_that_contain_themselves_come_to_an_end(tmp_path):
    path = hdf5(tmp_path, alpha=ALPHA, TRF=TRF, TR=3.5e-3)
    with h5py.File(path, "a") as file:
        cell = file.create_dataset("gradient_moment", (3,), h5py.ref_dtype)
        cell.attrs["MATLAB_class"] = np.bytes_("cell")
        cell[:] = [cell.ref] * 3
    with pytest.raises(sb.InvalidSequence, match="/gradient_moment lies in more than 4 cells"):
        sb.Sequence.load(path)


def test_a_sparse_hdf5_array_is_refused_unread(tmp_path):
    path = hdf5(tmp_path, TRF=TRF)
    with h5py.File(path, "a") as file:
        file.create_dataset("alpha", shape=(10**12,), chunks=(10**6,), dtype="f8")
    with pytest.raises(sb.InvalidSequence, match="claims 8000000000000 bytes"):
        sb.Sequence.load(path, **REST)


def test_a_link_to_another_file_is_never_followed(tmp_path):
    path = hdf5(tmp_path, TRF=TRF)
    with h5py.File(path, "a") as file:
        file["alpha"] = h5py.ExternalLink("/etc/passwd", "/alpha")
    with pytest.raises(sb.InvalidSequence, match="alpha is a link to another file"):
        sb.Sequence.load(path, **REST)


def test_values_kept_in_another_file_are_never_opened(tmp_path):
    path = hdf5(tmp_path, TRF=TRF)
    ALPHA.tofile(tmp_path / "values")
    with h5py.File(path, "a") as file:
        file.create_dataset("alpha", (3,), "f8", external=[(str(tmp_path / "values"), 0, 24)])
    with pytest.raises(sb.InvalidSequence, match="keeps its values in another file"):
        sb.Sequence.load(path, **REST)


def test_a_virtual_dataset_is_never_opened(tmp_path):
    path = hdf5(tmp_path, TRF=TRF)
    layout = h5py.VirtualLayout((3,), "f8")
    layout[:] = h5py.VirtualSource("other.h5", "alpha", (3,))
    with h5py.File(path, "a") as file:
        file.create_virtual_dataset("alpha", layout)
    with pytest.raises(sb.InvalidSequence, match="keeps its values in another file"):
        sb.Sequence.load(path, **REST)


def written_as(kind, folder):
    if kind == "npz":
        return npz(folder, alpha=ALPHA, TRF=TRF)
    if kind == "v7.3":
        return hdf5(folder, alpha=ALPHA, TRF=TRF)
    io.savemat(folder / "seq.mat", {"alpha": ALPHA, "TRF": TRF})
    return folder / "seq.mat"


@pytest.mark.parametrize("kind", ["npz", "v5", "v7.3"])
@pytest.mark.parametrize("keep", [0.0, 0.3, 0.6])
def test_a_truncated_file_is_named(tmp_path, kind, keep):
    path = written_as(kind, tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(OSError, match=rf"{path.name}: cannot be read, it is damaged"):
        sb.Sequence.load(path, **REST)


def test_a_flipped_bit_is_noticed(tmp_path):
    path = npz(tmp_path, alpha=ALPHA, TRF=TRF)
    content = bytearray(path.read_bytes())
    content[content.index(ALPHA.tobytes()) + 3] ^= 4
    path.write_bytes(content)
    with pytest.raises(OSError, match=r"damaged.*CRC"):
        sb.Sequence.load(path, **REST)


@pytest.mark.parametrize("suffix", [".npz", ".mat"])
def test_a_file_of_another_kind_is_named(tmp_path, suffix):
    path = tmp_path / f"seq{suffix}"
    path.write_bytes(b"this is no array at all, but text that goes on for a while" * 10)
    with pytest.raises(OSError, match=r"cannot be read"):
        sb.Sequence.load(path, **REST)


@pytest.mark.parametrize("suffix", [".npz", ".toml", ".mat", ".seq"])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, suffix):
    path = tmp_path / f"seq{suffix}"
    SEQ.save(path)
    content = path.read_bytes()

    def full(_descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
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
