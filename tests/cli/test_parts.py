"""Parts of the work on the command line: they are collected by the whole run, and what fails is left to the next."""

import json
from pathlib import Path

import numpy as np
import pytest
from spinbound.cli.main import main
from spinbound.work import cluster

from tests.support.commands import failure
from tests.support.work.jobs import CHUNK, DATA, SEQ, TISSUE, N

pytestmark = pytest.mark.filterwarnings("ignore:the fit leaves")  # what is not free is known wrongly


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch):
    for module in ("estimators.fitting.chunks", "signals.bounds", "cli.commands.crb"):
        monkeypatch.setattr(f"spinbound.{module}.CHUNK", CHUNK)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working directory with a sequence, data, and tissues."""
    monkeypatch.chdir(tmp_path)
    SEQ.save("train.npz")
    np.savez("data.npz", data=DATA)
    np.savez("tissue.npz", **{name: TISSUE[name] for name in ("m0s", "R1f", "R2f", "Rex", "R1s", "T2s")})
    return tmp_path


COMMANDS = {
    "fit": ["fit", "data.npz", "train.npz", "--free", "M0,m0s,R2f", "--start", "m0s=0.15,R2f=20"],
    "crb": ["crb", "train.npz", "tissue.npz", "--wrt", "M0,m0s"],
}


def arrays(path):
    with np.load(path) as content:
        return {name: values.tobytes() for name, values in content.items() if name not in ("provenance", "settings")}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_parts_on_the_command_line_are_collected_by_the_whole_run(command, here, capsys, monkeypatch):
    output = ["-o", "parts.npz"]
    work = f".parts.npz.spinbound-{command[0]}"
    for number in (3, 1, 2):
        assert main([*command, *output, "--part", f"{number}/3"]) == 0
        assert f"part {number}/3 is done, in {work}; after all parts, run without --part" in capsys.readouterr().out
    assert not Path("parts.npz").exists()
    assert main([*command, *output, "--part", "1/3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"part": "1/3", "work": work}
    with monkeypatch.context() as patch:
        patch.setattr(f"spinbound._core.{command[0]}", None)
        assert main([*command, *output]) == 0
    assert not Path(work).exists()
    assert main([*command, "-o", "whole.npz"]) == 0
    assert arrays("parts.npz") == arrays("whole.npz")


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_chunks_that_fail_are_left_out_and_the_next_run_does_them(command, here, capsys, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(cluster, "workers", lambda n: all_but_the_second)
        assert main([*command, "-o", "out.npz", "--workers", "2"]) == 3
    assert f"{CHUNK} of {N} voxels" in capsys.readouterr().err
    assert sum(np.isnan(np.load("out.npz")["m0s" if command[0] == "fit" else "crb_m0s"])) == CHUNK
    assert Path(f".out.npz.spinbound-{command[0]}").exists()
    assert main([*command, "-o", "out.npz"]) == 0
    assert not Path(f".out.npz.spinbound-{command[0]}").exists()
    assert main([*command, "-o", "whole.npz"]) == 0
    assert arrays("out.npz") == arrays("whole.npz")


def all_but_the_second(job, threads, _report):
    """A runner that leaves a chunk undone, as workers do that fail at it."""
    for chunk in (0, 2, 3, 4):
        job.make_task(chunk)(threads, None)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--part", "3/2"], "--part 3/2: a part is one of several, such as 2/5"),
        (["--part", "2"], "a part is one of several"),
        (["--part", "1/2", "--workers", "2"], "leave --workers and --cluster out"),
        (["--cluster", "slurm"], "needs the number of jobs: --workers"),
        (["--cluster", "pbs", "--workers", "2"], "allowed are slurm, and a .toml file"),
        (["--workers", "0"], "--workers"),
    ],
)
def test_workers_that_make_no_sense_are_bad_arguments(options, words, here, capsys):
    for command in COMMANDS.values():
        assert words in failure([*command, *options], capsys, status=2)


def test_a_description_of_jobs_with_an_unknown_name_is_refused(here, capsys):
    Path("jobs.toml").write_text('cors = 8\nmemory = "8GB"\n', encoding="utf-8")
    words = failure([*COMMANDS["crb"], "--cluster", "jobs.toml", "--workers", "2"], capsys)
    assert "jobs.toml: unknown 'cors' (did you mean 'cores'?); allowed: cores, memory" in words
