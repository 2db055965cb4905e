"""`spinbound fit` tells which unknowns are at limits, on which side, and takes priors."""

import json

import numpy as np
import pytest
import spinbound as sb
from spinbound.cli.main import main

from tests.support.commands import failure, report
from tests.support.trains import smooth_train

SEQ = smooth_train(60)
TISSUE = sb.Tissue(m0s=0.12, R1a=[0.6, 0.8, 1.0, 1.2], R2f=14, M0=0.8 + 0.3j)
COMMAND = ["fit", "data.npz", "train.npz", "--free", "M0,R1a,R2f", "--fixed", "m0s=0.12", "--start", "R1a=0.8,R2f=14"]
LIMITED = [*COMMAND, "--bounds", "R1a=0.7:0.9"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working directory with a sequence and data of four voxels."""
    monkeypatch.chdir(tmp_path)
    SEQ.save("train.npz")
    np.savez("data.npz", data=sb.simulate(SEQ, TISSUE))
    return tmp_path


def test_limits_are_told_in_table_and_json_and_the_status_stays_zero(here, capsys):
    told = report(LIMITED, capsys)
    assert told["at_bound"] == {"R1a": {"low": 1, "high": 2}, "R2f": {"low": 0, "high": 0}}
    assert told["status"]["at_bound"] == 3
    assert told["advice"].startswith("many estimates are at a limit: R1a at 0.7 1/s in 25 % and R1a at 0.9 1/s in 50 %")
    assert json.loads(str(np.load("fit.npz")["provenance"]))["at_bound"] == told["at_bound"]
    assert main([*LIMITED, "--overwrite"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert [line.split() for line in out if line.startswith(("at limits  ", "R1a  ", "R2f  "))] == [
        ["at", "limits", "low", "high"],
        ["R1a", "1", "2"],
    ]
    assert told["advice"] in out


def test_without_limits_there_is_no_table_of_them(here, capsys):
    assert main(COMMAND) == 0
    assert "limit" not in capsys.readouterr().out


def test_a_prior_reaches_the_library(here, capsys):
    told = report([*COMMAND, "--prior", "R1a=1:0.01,R2f=14:1", "--sigma", "0.01"], capsys)
    assert told["prior"] == {"R1a": [1, 0.01], "R2f": [14, 1]}
    wanted = sb.fit(
        sb.simulate(SEQ, TISSUE),
        SEQ,
        free=("M0", "R1a", "R2f"),
        fixed={"m0s": 0.12},
        start={"R1a": 0.8, "R2f": 14},
        prior={"R1a": (1, 0.01), "R2f": (14, 1)},
        sigma=0.01,
    )
    assert np.array_equal(np.load("fit.npz")["R1a"], wanted.estimates["R1a"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--prior", "R1a=1:0.1"], "--prior needs the noise that it is weighed against: --sigma"),
        (["--prior", "R1a=1", "--sigma", "1"], "--prior: R1a=1 is not NAME=MEAN:STD"),
        (["--prior", "R1a=1:a", "--sigma", "1"], "--prior: the standard deviation of R1a is 'a', no number"),
        (["--prior", "R1x=1:2", "--sigma", "1"], "--prior: "),
    ],
)
def test_priors_that_make_no_sense_are_refused(here, capsys, arguments, message):
    assert message in failure([*COMMAND, *arguments], capsys, status=2)
