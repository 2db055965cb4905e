"""``spinbound basis``: the basis of the library, its report, and what is refused before any work."""

import json
from pathlib import Path

import numpy as np
import pytest
import spinbound as sb
from spinbound.cli.main import main

from tests.support.trains import smooth_train

SEQ = smooth_train(40)
PRIOR = sb.Prior(m0s=sb.Uniform(0.1, 0.2), T1a=sb.Uniform(1, 2), B1=sb.Uniform(0.8, 1.2))
PAPER = sb.Prior.paper().within(SEQ)
WRT = ("M0", "m0s", "R1a", "T2f")
CALL = ["basis", "train.npz", "--n", "60", "--rank", "5", "--wrt", ",".join(WRT)]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A working directory that holds a sequence and a prior."""
    monkeypatch.chdir(tmp_path)
    SEQ.save("train.npz")
    PRIOR.save("prior.toml")


def test_the_file_holds_what_the_library_makes():
    assert main([*CALL, "--real", "--report", "0"]) == 0
    assert sb.Basis.load("basis.npz") == sb.build_basis(SEQ, PAPER, 60, 5, real=True)
    with np.load("basis.npz") as written:
        told = json.loads(str(written["provenance"]))
    assert told["sequence"]["sha256"] == SEQ.sha256
    assert (told["prior"], told["n"], told["seed"], told["bounds"]) == (repr(PAPER), 60, 0, None)


@pytest.mark.parametrize(("flag", "bounds"), [("all", WRT), ("m0s,T2f", ("m0s", "T2f"))])
def test_bounds_and_prior_are_those_of_the_arguments(flag, bounds):
    assert main([*CALL, "--bounds", flag, "--prior", "prior.toml", "--seed", "3", "-o", "made.npz"]) == 0
    assert sb.Basis.load("made.npz") == sb.build_basis(SEQ, PRIOR, 60, 5, bounds=bounds, wrt=WRT, seed=3)


def test_the_report_is_that_of_other_tissues(capsys):
    assert main([*CALL, "--report", "20", "--figure", "kept.png"]) == 0
    *table, made, wrote = capsys.readouterr().out.splitlines()
    expected = sb.basis_report(sb.Basis.load("basis.npz"), SEQ, PAPER, 20, WRT)
    assert "\n".join(table) == str(expected)
    assert made.startswith("60 tissues in ")
    assert wrote == "wrote basis.npz and kept.png"
    assert Path("kept.png").read_bytes().startswith(b"\x89PNG")


def test_json_has_the_numbers_of_the_report(capsys):
    assert main([*CALL, "--report", "20", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    expected = sb.basis_report(sb.Basis.load("basis.npz"), SEQ, PAPER, 20, WRT)
    assert told["report"]["ranks"] == list(expected.ranks)
    assert told["report"]["energy"] == expected.energy.tolist()
    assert told["report"]["crb_ratio"]["median"]["m0s"][-1] == expected.quantiles(0.5)["m0s"][-1]
    assert told["written"] == ["basis.npz"]


def test_tissues_that_are_left_out_are_told(capsys):
    sb.Prior(B1=sb.Uniform(0.5, 5)).save("wide.toml")
    assert main(["basis", "train.npz", "--prior", "wide.toml", "--n", "50", "--rank", "2", "--report", "0"]) == 0
    assert "of 50 tissues cannot be simulated and are left out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--basis", "other.npz"], 2, "--basis has no meaning here"),
        (["--report", "0", "--figure", "kept.png"], 2, "--figure draws the report"),
        (["--prior", "papre"], 2, "'papre' is no file; name a .toml file, or \"paper\""),
        (["--prior", "nothing.toml"], 1, "nothing.toml"),
        (["-o", "basis.mat"], 2, "the output is .npz"),
        (["--bounds", "T2s"], 1, "a name in bounds is 'T2s'"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(arguments, status, message, capsys):
    assert main([*CALL, *arguments]) == status
    assert message in capsys.readouterr().err
    assert [path.name for path in Path().glob("*.npz")] == ["train.npz"]


def test_a_rank_beyond_the_echoes_is_refused(capsys):
    assert main(["basis", "train.npz", "--rank", "41"]) == 1
    assert "rank is 41; allowed: 1 to 40" in capsys.readouterr().err
