"""Zarr stores: read by Zarr itself, every flipped bit found, nothing believed that a store says of itself."""

import json
import os
import pickle
import sys

import numpy as np
import pytest
import zarr
from spinbound import InvalidData
from spinbound.files import stores
from spinbound.files.stores import HEADER, Layout, create, read, read_chunk, read_layout, write_chunk

from tests.support.disks import fill_disk, flip_bits

RNG = np.random.default_rng(0)
LAYOUT = Layout((10, 3), "complex128", 4, ("tissue", "vector"), {"units": "M0"})
VALUES = RNG.normal(size=(10, 3)) + 1j * RNG.normal(size=(10, 3))


@pytest.fixture
def path(tmp_path):
    """A store of one array in three chunks, in a folder with a blank and an umlaut."""
    path = tmp_path / "ein Füllhorn" / "a.zarr"
    path.parent.mkdir()
    create(path, {"signals": LAYOUT}, {"format": "test"}, {"signals": VALUES})
    return path


def file_of(path, chunk):
    """The file of a chunk."""
    return path / "signals" / LAYOUT.file(chunk)


def edited(path, **changes):
    """The store with other words in the header of its array."""
    file = path / "signals" / HEADER
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    return path


def test_zarr_reads_what_is_written_here(path):
    group = zarr.open_group(path, mode="r")
    array = group["signals"]
    assert np.array_equal(array[:], VALUES)
    assert array.metadata.dimension_names == ("tissue", "vector")
    assert array.chunks == (4, 3)
    assert dict(array.attrs) == {"units": "M0"}
    assert dict(group.attrs) == {"format": "test"}
    assert json.loads((path / "signals" / HEADER).read_text())["codecs"][1] == {
        "name": "zstd",
        "configuration": {"level": 3, "checksum": True},
    }


@pytest.mark.parametrize("dtype", stores.DTYPES)
def test_what_is_written_is_read_by_both_to_the_last_bit(tmp_path, dtype):
    if dtype in ("bool", "uint8"):
        values = RNG.integers(0, 2, (5, 2)).astype(dtype)
    else:
        values = RNG.normal(size=(5, 2)).astype(dtype)
        values[3] = np.nan, np.inf
    layout = Layout((5, 2), dtype, 3, ("a", "b"))
    create(tmp_path / "a", {"x/y": layout}, {}, {"x/y": values})
    assert read_layout(tmp_path / "a", "x/y") == layout
    assert read(tmp_path / "a", "x/y", layout).tobytes() == values.tobytes()
    assert zarr.open_group(tmp_path / "a", mode="r")["x/y"][:].tobytes() == values.tobytes()


def test_a_chunk_that_holds_nothing_but_its_fill_value_is_stored_as_well(tmp_path):
    create(tmp_path / "a", {"x": LAYOUT}, {}, {"x": np.full((10, 3), np.nan + 0j)})
    assert all(stores.has_chunk(tmp_path / "a", "x", LAYOUT, chunk) for chunk in range(3))


def test_every_flipped_bit_is_found_by_its_checksum(path):
    whole = file_of(path, 1).read_bytes()
    for _ in flip_bits(file_of(path, 1), RNG.permutation(8 * len(whole))[:200]):
        with pytest.raises(OSError, match="chunk 1 of signals is damaged"):
            read_chunk(path, "signals", LAYOUT, 1, stores.hashlib.sha256(whole).digest())
    assert np.array_equal(read_chunk(path, "signals", LAYOUT, 1), VALUES[4:8])


def test_a_flipped_bit_of_the_values_is_found_by_other_readers_too(path):
    size = file_of(path, 1).stat().st_size
    first = size // 2  # beyond the header of the frame
    for _ in flip_bits(file_of(path, 1), RNG.integers(8 * first, 8 * size, 40)):
        with pytest.raises(OSError, match="chunk 1 of signals is damaged: .*[Zz]std"):
            read_chunk(path, "signals", LAYOUT, 1)
        with pytest.raises(RuntimeError, match="[Zz]std"):
            zarr.open_group(path, mode="r")["signals"][4:8]


def test_a_chunk_that_is_cut_short_or_missing_is_named(path):
    file = file_of(path, 2)
    file.write_bytes(file.read_bytes()[:-7])
    with pytest.raises(OSError, match=r"a\.zarr: chunk 2 of signals is damaged"):
        read_chunk(path, "signals", LAYOUT, 2)
    file.unlink()
    with pytest.raises(OSError, match=r"a\.zarr: chunk 2 of signals is missing"):
        read_chunk(path, "signals", LAYOUT, 2)


def test_a_chunk_of_another_place_is_not_taken_for_this_one(path):
    sha256 = write_chunk(path, "signals", LAYOUT, 0, VALUES[:4])
    file_of(path, 0).write_bytes(file_of(path, 1).read_bytes())
    with pytest.raises(OSError, match="its sha256 is not that of what was written"):
        read_chunk(path, "signals", LAYOUT, 0, sha256)


# What must not be believed


def test_a_chunk_that_claims_more_than_may_be_allocated_is_refused_unread(path, monkeypatch):
    monkeypatch.setattr(stores, "find_max_bytes", lambda: 100)
    with pytest.raises(InvalidData, match="chunk 0 of signals claims 192 bytes, only 100 may be allocated"):
        read_chunk(path, "signals", LAYOUT, 0)


def test_a_frame_that_unpacks_to_more_than_its_chunk_is_refused(path):
    bomb = stores._make_codec().encode(np.zeros(1 << 24, np.uint8))
    assert len(bomb) < 1200
    file_of(path, 0).write_bytes(bomb)
    with pytest.raises(OSError, match="chunk 0 of signals is damaged: .*too small"):
        read_chunk(path, "signals", LAYOUT, 0)


def test_a_file_that_is_longer_than_its_chunk_can_be_is_refused_unread(path):
    os.truncate(file_of(path, 0), 1 << 40)  # a hole, that takes no disk
    with pytest.raises(InvalidData, match="has 1099511627776 bytes, no more than 1217 are expected"):
        read_chunk(path, "signals", LAYOUT, 0)


class Planted:
    """Pickled, it would make a folder."""

    def __reduce__(self):
        return os.mkdir, ("planted",)


def test_codecs_that_might_run_code_are_refused(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file_of(path, 0).write_bytes(pickle.dumps(Planted()))
    for codec in ("numcodecs.pickle", "bytes"):
        edited(path, codecs=[{"name": codec, "configuration": {}}])
        with pytest.raises(InvalidData, match="signals is stored in another way than spinbound does"):
            read_layout(path, "signals")
    assert not (tmp_path / "planted").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shape": [-1, 3]}, "signals has shape"),
        ({"shape": []}, "signals has shape"),
        ({"shape": "many"}, "cannot be read"),
        ({"data_type": "object"}, "signals has shape"),
        ({"data_type": "vlen-utf8"}, "signals has shape"),
        ({"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4, 2]}}}, "another way"),
        ({"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [0, 3]}}}, "signals has shape"),
        ({"chunk_key_encoding": {"name": "v2"}}, "another way"),
        ({"storage_transformers": [{"name": "x"}]}, "another way"),
        ({"zarr_format": 2}, "another way"),
        ({"attributes": []}, "no mapping"),
    ],
)
def test_a_layout_of_other_makers_is_refused(path, changes, message):
    with pytest.raises((InvalidData, OSError), match=message):
        read_layout(edited(path, **changes), "signals")


@pytest.mark.parametrize(
    "text", ["", "[]", "{", "[" * 100_000, '{"zarr_format": 2}', '{"zarr_format": 3, "node_type": "array"}']
)
def test_what_is_no_group_is_refused(path, text):
    (path / HEADER).write_text(text)
    with pytest.raises((InvalidData, OSError), match=r"a\.zarr"):
        stores.read_attributes(path)


def test_a_header_without_end_is_refused_unread(path):
    os.truncate(path / HEADER, 1 << 40)
    with pytest.raises(InvalidData, match=r"zarr\.json has 1099511627776 bytes"):
        stores.read_attributes(path)


@pytest.mark.skipif(sys.platform == "win32", reason="links and pipes of POSIX")
def test_no_link_out_of_the_store_is_followed_and_no_pipe_is_waited_for(path, tmp_path):
    file = file_of(path, 0)
    file.symlink_to(file.rename(tmp_path / "secret"))
    with pytest.raises(InvalidData, match="leads out of the store, which is never followed"):
        read_chunk(path, "signals", LAYOUT, 0)
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(InvalidData, match="chunk 0 of signals is no regular file"):
        read_chunk(path, "signals", LAYOUT, 0)


# Writing


@pytest.mark.skipif(sys.platform == "win32", reason="links of POSIX")
def test_nothing_is_written_through_a_link_out_of_the_store(path, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis").write_text("years of work")
    file = file_of(path, 0)
    file.unlink()
    file.symlink_to(mine / "thesis")
    with pytest.raises(InvalidData, match="chunk 0 of signals is a link that leads out of the store"):
        write_chunk(path, "signals", LAYOUT, 0, VALUES[:4])
    file.unlink()
    file.parent.rmdir()
    file.parent.symlink_to(mine)
    with pytest.raises(InvalidData, match="chunk 0 of signals is a link that leads out of the store"):
        write_chunk(path, "signals", LAYOUT, 0, VALUES[:4])
    assert {file.name: file.read_text() for file in mine.iterdir()} == {"thesis": "years of work"}


@pytest.mark.parametrize(
    ("place", "name", "message"),
    [
        (stores, "write_small", "No space left"),
        (zarr.storage.LocalStore, "set", r"No space left on device: '.*mine'"),
    ],
)
def test_a_store_is_whole_or_absent(tmp_path, monkeypatch, place, name, message):
    fill_disk(monkeypatch, place, name)
    with pytest.raises(OSError, match=message):
        create(tmp_path / "mine", {"x": LAYOUT}, {}, {"x": VALUES})
    assert list(tmp_path.iterdir()) == []


def test_a_store_does_not_take_the_place_of_another(path):
    before = (path / HEADER).read_bytes()
    with pytest.raises(FileExistsError, match=r"a\.zarr"):
        create(path, {"x": LAYOUT}, {"format": "other"}, {"x": VALUES})
    assert (path / HEADER).read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["a.zarr"]


def test_a_chunk_that_cannot_be_written_leaves_the_old_one(path, monkeypatch):
    before = file_of(path, 0).read_bytes()
    fill_disk(monkeypatch)
    with pytest.raises(OSError, match="No space left"):
        write_chunk(path, "signals", LAYOUT, 0, np.zeros((4, 3)))
    assert file_of(path, 0).read_bytes() == before
    assert [file.name for file in file_of(path, 0).parent.iterdir()] == ["0"]


def test_without_zarr_one_sentence_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(ImportError, match=r"this needs zarr, which is missing: pip install 'spinbound\[io\]'"):
        create(tmp_path / "a", {"x": LAYOUT}, {}, {"x": VALUES})
