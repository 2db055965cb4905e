"""Dictionaries on disk: damage is found, named and made good; what is not theirs, or lies, is refused."""

import json
import os
import shutil
from contextlib import contextmanager

import numpy as np
import pytest
import spinbound as sb
from spinbound.dictionaries import contents as _dictionary_contents
from spinbound.dictionaries.store import MARK
from spinbound.files.stores import HEADER
from spinbound.work import cluster
from spinbound.work.locks import hold_lock

from tests.support.stores import BASIS, built, chunk_file, files, flip, posix


@contextmanager
def edited(file):
    """The content of a header, which is written back."""
    content = json.loads(file.read_text())
    yield content
    file.write_text(json.dumps(content))


# Damage


@pytest.mark.parametrize("name", ["signals", "crb", "tissue/m0s", "valid", MARK])
def test_a_flipped_bit_is_found_named_and_made_good(tmp_path, name):
    path = tmp_path / "a.zarr"
    store = built(path)
    whole = files(path)
    flip(chunk_file(path, name, 3))
    report = store.verify()
    assert (report.ok, report.missing, list(report.damaged)) == (False, (), [3])
    assert f"chunk 3 of {name} is damaged" in report.damaged[3]
    if name != MARK:
        with pytest.raises(OSError, match=f"a.zarr: chunk 3 of {name} is damaged"):
            store.block(3)
    built(path)
    assert not store.verify().ok  # what is there is checked on request only
    assert built(path, rebuild=True).verify().ok
    assert files(path) == whole


def test_a_missing_chunk_is_damage_not_NaN(tmp_path):
    store = built(tmp_path / "a.zarr")
    chunk_file(store.path, "signals", 2).unlink()
    assert "chunk 2 of signals is missing" in store.verify().damaged[2]
    with pytest.raises(OSError, match="chunk 2 of signals is missing"):
        _ = store.signals


def test_damage_to_the_sequence_and_the_basis_is_found_and_made_good(tmp_path):
    store = built(tmp_path / "a.zarr")
    whole = files(store.path)
    for name in ("sequence/0/alpha", "basis/vectors"):
        flip(chunk_file(store.path, name, 0))
        report = sb.open_dictionary(store.path).verify()
        assert not report.ok
        assert f"chunk 0 of {name} is damaged" in report.other[0]
        assert files(built(store.path, rebuild=True).path) == whole


def complaint(path):
    """What a store that checks itself says first."""
    try:
        return sb.open_dictionary(path).verify().other[0]
    except OSError as problem:
        return str(problem)


@pytest.mark.parametrize("name", ["tissue/R2f", "crb", "basis/vectors", MARK])
def test_a_header_that_is_cut_short_or_missing_is_named_and_made_good(tmp_path, name):
    whole = files(built(tmp_path / "a.zarr").path)
    header = tmp_path / "a.zarr" / name / HEADER
    for damage in (lambda: os.truncate(header, 100), header.unlink):
        damage()
        assert f"{name}/{HEADER}" in complaint(tmp_path / "a.zarr")
        assert files(built(tmp_path / "a.zarr", rebuild=True).path) == whole


@pytest.mark.parametrize("word", ["units", "1/s", "rate of the free", '"tissue"'])
def test_a_changed_letter_in_what_other_readers_are_told_is_found(tmp_path, word):
    header = built(tmp_path / "a.zarr").path / "tissue" / "R2f" / HEADER
    assert header.read_text().count(word) == 1
    header.write_text(header.read_text().replace(word, word.replace("t", "u").replace("1", "3")))
    assert "tissue/R2f/zarr.json is damaged" in complaint(tmp_path / "a.zarr")


def test_damage_to_the_description_is_found(tmp_path):
    with edited(built(tmp_path / "a.zarr").path / HEADER) as content:
        content["attributes"]["configuration"]["sigma"] = 2.0
    with pytest.raises(OSError, match="its description is damaged"):
        sb.open_dictionary(tmp_path / "a.zarr")


# What is refused


def test_another_instruction_set_is_another_configuration(tmp_path, monkeypatch):
    built(tmp_path / "a.zarr")
    monkeypatch.setattr("spinbound._core.isa_in_use", lambda: "abacus")
    with pytest.raises(sb.InvalidData, match="differs in instruction_set;"):
        built(tmp_path / "a.zarr")


def test_overwriting_replaces_a_dictionary_and_nothing_else(tmp_path):
    built(tmp_path / "a.zarr", seed=1)
    assert files(built(tmp_path / "a.zarr", overwrite=True).path) == files(built(tmp_path / "b.zarr").path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(OSError, match=r"mine: zarr.json is missing"):
        built(tmp_path / "mine", overwrite=True)
    (tmp_path / "mine" / HEADER).write_text('{"zarr_format": 3, "node_type": "group", "attributes": {}}')
    with pytest.raises(sb.InvalidData, match="mine is no dictionary; what is there must be removed by hand"):
        built(tmp_path / "mine", overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zarr", "b.zarr", "mine"]


@posix
def test_a_link_to_a_dictionary_is_not_replaced(tmp_path):
    whole = files(built(tmp_path / "a.zarr").path)
    (tmp_path / "link.zarr").symlink_to("a.zarr")
    with pytest.raises(sb.InvalidData, match=r"link.zarr is a link, and only a folder can be replaced; name .*a.zarr"):
        built(tmp_path / "link.zarr", overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zarr", "link.zarr"]
    assert files(built(tmp_path / "link.zarr").path) == whole


@posix
def test_two_runs_do_not_write_to_one_store(tmp_path):
    path = built(tmp_path / "a.zarr").path
    with hold_lock(path / MARK / "lock"):
        for overwrite in (False, True):
            with pytest.raises(sb.InvalidData, match=r"a.zarr is in use by another run, process \d+ on .*; wait for"):
                built(path, overwrite=overwrite)
    built(path)


@pytest.mark.parametrize(("free", "is_there"), [(9000, False), (0, True)])
def test_a_disk_without_room_is_refused_before_any_work(tmp_path, monkeypatch, free, is_there):
    whole = files(built(tmp_path / "a.zarr").path) if is_there else {}
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**6, 10**6 - free, free))
    with pytest.raises(OSError, match=r"a\.zarr takes \d+\.\d MB more, but only 0\.\d MB are free"):
        built(tmp_path / "a.zarr", n=5000, overwrite=is_there)
    assert files(tmp_path / "a.zarr") == whole
    assert (tmp_path / "a.zarr").exists() == is_there


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n": 0}, "n must be an integer of at least 1"),
        ({"n": None}, "n must be an integer of at least 1; given None"),
        ({"source": {}}, "source must be a spinbound.Prior or Tissue; given dict"),
        ({"source": sb.Tissue(m0s=[0.1, 0.2])}, "n is 100, but the tissues are given"),
        ({"first": -1}, "first must be an integer of at least 0"),
        ({"chunk": 0}, "chunk must be an integer of at least 1"),
        (
            {"n": 10**8, "chunk": 10**8},
            "chunk is 100000000: its signals would take 9600000000 bytes; allowed: 22020096",
        ),
        ({"derivatives": "hessian"}, "derivatives is 'hessian'; allowed: crb, fisher, sensitivities"),
        ({"dtype": "float32"}, "dtype is 'float32'; allowed: complex128, complex64"),
        ({"sigma": 0}, "sigma is 0; allowed: sigma > 0"),
        ({"sigma": [1, 2]}, "sigma must be one number"),
        ({"form": "imaginary"}, "form is 'imaginary'"),
        ({"model": "gblock"}, "model is 'gblock' .did you mean 'gbloch'"),
        ({"basis": np.eye(40)}, "basis must be a spinbound.Basis; given ndarray"),
        ({"basis": sb.Basis(np.eye(39))}, "the basis has 39 echoes, the sequence 40"),
        ({"basis": BASIS.truncate(2)}, "a basis of rank 2 gives 4 real numbers, too few for 6"),
        ({"wrt": "T3"}, "a name in wrt is 'T3'"),
        ({"threads": -1}, "threads must be an integer of at least 0"),
        ({"progress": "bar"}, "progress must be None, True"),
        ({"runner": "slurm"}, "runner must be one of spinbound.cluster, or a concurrent.futures.Executor; given str"),
        ({"runner": cluster.part(1, 2), "overwrite": True}, "overwrite goes with the whole work, not with part 1/2"),
    ],
)
def test_bad_arguments_are_refused_before_any_work(tmp_path, changes, message):
    with pytest.raises(sb.InvalidParameter, match=message):
        built(tmp_path / "a.zarr", **changes)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere: there is no such folder"):
        built(tmp_path / "nowhere" / "a.zarr")
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        built(tmp_path / "file")


def test_what_is_no_dictionary_is_refused(tmp_path):
    with pytest.raises(OSError, match=r"a.zarr: zarr.json is missing"):
        sb.open_dictionary(tmp_path / "a.zarr")
    (tmp_path / HEADER).write_text('{"zarr_format": 3, "node_type": "group", "attributes": {"format": "image"}}')
    with pytest.raises(sb.InvalidData, match="format 'image' of version None; read: 'spinbound dictionary' of 1"):
        sb.open_dictionary(tmp_path)


def forged(path, **changes):
    """A store that says something else of itself, with the hash that belongs to it."""
    with edited(path / HEADER) as content:
        said = content["attributes"]
        for place in (said["configuration"], said["contents"], said):
            place |= {name: value for name, value in changes.items() if name in place}
        said["sha256"] = _dictionary_contents.description_sha256(said)
    return sb.open_dictionary(path)


def test_a_store_that_claims_more_than_the_memory_is_refused_before_it_is_allocated(tmp_path):
    path = built(tmp_path / "a.zarr", n=16).path
    n = 10**12
    for name in (*sb.open_dictionary(path).arrays, MARK):
        with edited(path / name / HEADER) as content:
            content["shape"][0] = n // 16 if name == MARK else n
    store = forged(path, n=n)
    with pytest.raises(sb.InvalidData, match="signals claims 96000000000000 bytes, only"):
        _ = store.signals
    assert store.block(0).signals.shape == (16, 6)
    with pytest.raises(sb.InvalidData, match="chunk 1 of 62500000000 is not done"):
        store.block(1)
    with pytest.raises(sb.InvalidData, match=f"{MARK} claims"):
        store.verify()


NONSENSE = {
    "n": ["many", -1, None, 10**30],
    "chunk": [0],
    "wrt": [[], 3],
    "configuration": [5],
    "contents": [None],
    "arrays": [7, [], ["valid"]],
    "starts": [[], 1, ["often"]],
    "small_arrays": [None],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in NONSENSE for value in NONSENSE[name]], ids=repr)
def test_a_description_that_makes_no_sense_is_refused(tmp_path, name, value):
    path = built(tmp_path / "a.zarr", n=16).path
    with pytest.raises((sb.InvalidData, OSError), match=r"a\.zarr"):
        _ = getattr(forged(path, **{name: value}), "sequence" if name in ("starts", "small_arrays") else "crb")


def test_names_that_lead_out_of_a_store_are_refused(tmp_path):
    store = forged(built(tmp_path / "a.zarr").path, arrays=["../b.zarr/signals"])
    with pytest.raises(sb.InvalidData, match=r"unknown arrays among \.\./b\.zarr/signals"):
        _ = store.signals


def test_a_run_removes_what_killed_ones_have_left_beside_its_store_and_nothing_else(tmp_path):
    others = [".a.zarr.b.zarr.12.0123abcd.tmp", ".a.zarr.notes.tmp", ".b.zarr.12.0123abcd.tmp"]
    for name in (".a.zarr.12.0123abcd.tmp", *others):
        (tmp_path / name / "signals").mkdir(parents=True)
    built(tmp_path / "a.zarr")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*others, "a.zarr"])


def test_a_process_that_outlives_its_run_does_not_write_to_the_store_that_took_its_place(tmp_path):
    whole = files(built(tmp_path / "b.zarr", seed=1).path)
    tasks = []

    def die(job, *_):
        tasks.append(job.make_task(2))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        built(tmp_path / "a.zarr", runner=die)
    built(tmp_path / "a.zarr", seed=1, overwrite=True)
    with pytest.raises(sb.InvalidData, match="a.zarr holds another dictionary than when chunk 2 was begun"):
        tasks[0](1, None)
    assert files(tmp_path / "a.zarr") == whole
