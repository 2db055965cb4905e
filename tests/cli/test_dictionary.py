"""``spinbound dictionary`` and ``spinbound info STORE``: what the library makes, and whether it is whole."""

import json
import re

import numpy as np
import pytest
import spinbound as sb
from spinbound.cli.main import main

from tests.support.commands import error
from tests.support.stores import chunk_file, files, flip
from tests.support.trains import smooth_train

SEQ = smooth_train(40)
COMMAND = ["dictionary", "train.npz", "a.zarr", "--n", "50", "--chunk", "16", "--wrt", "M0,m0s,T2f"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working directory that holds a train."""
    monkeypatch.chdir(tmp_path)
    SEQ.save("train.npz")


@pytest.fixture
def store(here, capsys):
    """The path of the store that the command makes."""
    assert main(COMMAND) == 0
    capsys.readouterr()
    return sb.open_dictionary("a.zarr").path


def test_the_command_makes_what_the_library_makes(here, capsys):
    assert main(COMMAND) == 0
    prior = sb.Prior.paper(3.5e-3).within(SEQ)
    wanted = sb.build_dictionary(SEQ, prior, 50, "b.zarr", chunk=16, wrt=("M0", "m0s", "T2f"))
    assert files("a.zarr") == files(wanted.path)
    out = capsys.readouterr().out
    assert re.search(r"signals +50 x 40 +complex128", out)
    assert re.search(r"50 tissues in .* s \(.* per second\)\nwrote a\.zarr \(\d\.\d MB\)\n$", out)


def test_options_reach_the_library(here, capsys):
    prior = sb.Prior(m0s=sb.Uniform(0.05, 0.2), T1a=sb.Uniform(1, 2))
    prior.save("prior.toml")
    basis = sb.Basis.from_svd(sb.simulate(SEQ, prior.sample(50)), rank=4, seq=SEQ)
    basis.save("basis.npz")
    options = "--prior prior.toml --first 20 --seed 3 --basis basis.npz --derivatives fisher,sensitivities --single"
    assert main([*COMMAND, *options.split(), "--sigma", "0.1", "--form", "complex", "--threads", "1", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    store = sb.open_dictionary("a.zarr")
    assert store.tissue == prior.sample(50, seed=3, first=20)
    assert store.fisher.dtype == np.complex64
    assert store.arrays[-2:] == ("fisher", "sensitivities")
    assert (report["configuration"]["sigma"], report["tissues"], report["invalid"]) == (0.1, 50, 0)
    assert report["arrays"]["sensitivities"] == [[50, 4, 3], "complex64"]


def test_signals_alone(here):
    assert main([*COMMAND, "--derivatives", "none"]) == 0
    assert sb.open_dictionary("a.zarr").arrays[-1] == "signals"


def test_invalid_tissues_are_counted(here, capsys):
    sb.Prior(B1=sb.Uniform(0.5, 4)).save("prior.toml")
    assert main([*COMMAND, "--prior", "prior.toml"]) == 3
    n_invalid = int((~sb.open_dictionary("a.zarr").valid).sum())
    assert 0 < n_invalid < 50
    assert f"spinbound: {n_invalid} of 50 voxels cannot be simulated: their rows are NaN" in capsys.readouterr().err


def test_parts_make_the_whole(here, capsys):
    for part in ("2/2", "1/2"):
        assert main([*COMMAND, "--part", part]) == 0
        assert f"part {part} is done, in a.zarr" in capsys.readouterr().out
    assert sb.open_dictionary("a.zarr").complete
    assert main([*COMMAND[:2], "b.zarr", *COMMAND[3:]]) == 0
    assert files("a.zarr") == files("b.zarr")


def test_info_tells_what_a_store_is_and_that_it_is_whole(store, capsys):
    assert main(["info", "a.zarr"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"crb +50 x 3 +float64", out)
    assert f"sequence_sha256  {SEQ.sha256}" in out
    assert '[T2f]  # s\ndistribution = "truncated-normal"' in out
    assert re.search(r"50 tissues in 4 chunks, \d\.\d MB: checked\n$", out)


def test_info_names_all_that_is_damaged_and_a_rebuild_makes_it_good(store, capsys):
    for chunk, name in enumerate(("valid", "signals", "tissue/B1")):
        flip(chunk_file(store, name, chunk))
    assert main(["info", "a.zarr", "--json"]) == 1
    told = capsys.readouterr()
    assert list(json.loads(told.out)["check"]["damaged"]) == ["0", "1", "2"]
    assert "a.zarr: chunk 1 of signals is damaged: its sha256 is not that of what was written" in told.err
    assert [line.split()[6] for line in told.err.splitlines()] == ["valid", "signals", "tissue/B1"]
    assert main([*COMMAND, "--rebuild"]) == 0
    assert main(["info", "a.zarr"]) == 0


def test_info_tells_what_is_missing(here, capsys):
    main([*COMMAND, "--part", "1/4"])
    capsys.readouterr()
    assert main(["info", "a.zarr"]) == 1
    told = capsys.readouterr()
    assert told.err == "spinbound: a.zarr: 3 of 4 chunks are not done\n"
    assert told.out.endswith("NOT whole\n")


def test_errors_take_one_line(here, capsys):
    assert "NAME.zarr" in error([*COMMAND[:2], "a.npz", *COMMAND[3:]], capsys, 2)
    assert "--n" in error(["dictionary", "train.npz", "a.zarr"], capsys, 2)
    assert "--prior: 'nobody' is no file" in error([*COMMAND, "--prior", "nobody"], capsys, 2)
    assert "derivatives is 'hessian'" in error([*COMMAND, "--derivatives", "hessian"], capsys)
    assert "a.zarr: zarr.json is missing" in error(["info", "a.zarr"], capsys)


def test_a_store_of_something_else_stays_unless_overwritten(store, capsys):
    assert "which differs in seed; overwrite it" in error([*COMMAND, "--seed", "1"], capsys)
    assert main([*COMMAND, "--seed", "1", "--overwrite"]) == 0
