"""Parts of the work, done in any order by runs of their own, give the same bits; no two runs do the same."""

import inspect
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import spinbound as sb
from spinbound.cli.main import main
from spinbound.work import cluster
from spinbound.work.job import Part
from spinbound.work.locks import hold_lock

from tests.support.commands import failure
from tests.support.paths import read_page
from tests.support.trains import smooth_train
from tests.support.voxel_jobs import B1, CHUNK, DATA, SEQ, TISSUE, N, bits, bounds, fitted


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch):
    for module in ("estimators.fitting.chunks", "signals.crb", "cli.commands.crb"):
        monkeypatch.setattr(f"spinbound.{module}.CHUNK", CHUNK)


# Results

FITS = {
    "starts": {},
    "matches": {"start": {}, "dictionary": sb.Prior(m0s=sb.Uniform(0.05, 0.3), R2f=sb.Uniform(8, 50))},
    "maps": {"start": {"m0s": np.linspace(0.1, 0.2, N), "R2f": 20}, "sigma": np.full(N, 1e-4), "mask": np.arange(N) % 7,
             "prior": {"m0s": (np.linspace(0.1, 0.2, N), 0.1)}},
    "grid": {"data": DATA.reshape(5, 8, 40), "fixed": {"B1": B1[:8], "R1f": np.ones((5, 1))}, "covariance": True},
}  # fmt: skip


@pytest.mark.parametrize("options", FITS.values(), ids=FITS)
@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2)])
def test_parts_of_a_fit_in_any_order_give_the_same_bits(options, order, tmp_path):
    for number in order:
        fitted(**options, resume=tmp_path, runner=cluster.part(number, 3))
    assert bits(fitted(**options, resume=tmp_path)) == bits(fitted(**options))


@pytest.mark.parametrize("options", [{}, {"dtype": np.float32}, {"form": "complex"}])
def test_parts_of_bounds_give_the_same_bits(options, tmp_path):
    for number in (2, 1):
        bounds(**options, resume=tmp_path, runner=cluster.part(number, 2))
    assert bits(bounds(**options, resume=tmp_path)) == bits(bounds(**options))


def test_parts_of_a_dictionary_give_the_same_arrays(tmp_path):
    pytest.importorskip("zarr")
    prior = sb.Prior(m0s=sb.Uniform(0.05, 0.3), R2f=sb.Uniform(8, 50))

    def built(name, runner=None):
        return sb.build_dictionary(SEQ, prior, N, tmp_path / name, wrt=("M0", "m0s"), chunk=CHUNK, runner=runner)

    for number in (3, 1):
        assert not built("parts", cluster.part(number, 3)).complete
    parts, whole = built("parts", cluster.part(2, 3)), built("whole")
    assert np.array_equal(parts.signals, whole.signals)
    assert bits(parts.crb) == bits(whole.crb)
    assert built("parts").complete


def test_bounds_go_on_where_they_stopped(tmp_path, monkeypatch):
    def stop(done, _):
        if done > 2 * CHUNK:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bounds(resume=tmp_path, progress=stop)
    kept = sorted(path.name for path in tmp_path.glob("voxels-*"))
    assert kept == ["voxels-0000000000.npz", "voxels-0000000008.npz"]
    assert bits(bounds(resume=tmp_path)) == bits(bounds())
    monkeypatch.setattr("spinbound._core.crb", None)
    assert bits(bounds(resume=tmp_path)) == bits(bounds(resume=tmp_path, threads=1))


def test_chunks_of_invalid_voxels_alone_are_computed_like_others(tmp_path):
    R1f = np.array(TISSUE["R1f"])
    R1f[CHUNK : 2 * CHUNK] = np.nan
    tissue = TISSUE.replace(R1f=R1f)
    whole, resumed = sb.crb(SEQ, tissue), sb.crb(SEQ, tissue, resume=tmp_path)
    assert bits(whole) == bits(resumed)
    assert np.isnan(resumed["m0s"]).sum() == CHUNK


def test_voxels_of_other_parts_are_unfinished(tmp_path):
    fit = fitted(resume=tmp_path, runner=cluster.part(2, 2))  # of five chunks the second and the fourth
    mine = np.arange(N) // CHUNK % 2 == 1
    assert np.array_equal(fit.status != sb.FitStatus.unfinished, mine)
    assert np.array_equal(np.isfinite(fit.estimates["m0s"]), mine)
    assert fit.counts["unfinished"] == 3 * CHUNK
    found = bounds(resume=tmp_path / "crb", runner=cluster.part(2, 2))
    assert np.array_equal(np.isfinite(found["m0s"]), mine)


def test_more_parts_than_chunks_leave_some_without_work(tmp_path):
    fit = fitted(resume=tmp_path, runner=cluster.part(7, 9))
    assert fit.counts == {"unfinished": N}
    assert not list(tmp_path.glob("voxels-*"))


def test_progress_of_a_part_is_that_of_its_voxels(tmp_path):
    reports = []
    fitted(resume=tmp_path, runner=cluster.part(1, 2), progress=lambda *report: reports.append(report))
    assert reports[-1] == (3 * CHUNK, 3 * CHUNK)
    assert reports == sorted(reports)


def test_damage_is_told_before_any_work(tmp_path, monkeypatch):
    fitted(resume=tmp_path)
    (tmp_path / "voxels-0000000000.npz").unlink()
    (tmp_path / "voxels-0000000032.npz").write_bytes(b"PK")
    monkeypatch.setattr("spinbound._core.fit", None)
    with pytest.raises(OSError, match="voxels-0000000032"):
        fitted(resume=tmp_path)


# What is refused


@pytest.mark.parametrize("numbers", [(0, 3), (4, 3), (1, 0), (1.0, 2), (True, 2)])
def test_a_part_that_does_not_exist_is_refused(numbers):
    with pytest.raises(sb.InvalidParameter, match="number|n_parts"):
        cluster.part(*numbers)


@pytest.mark.parametrize("call", [fitted, bounds])
def test_a_runner_needs_a_folder_and_must_run(call, tmp_path):
    with pytest.raises(sb.InvalidParameter, match="a runner needs resume="):
        call(runner=cluster.part(1, 2))
    with pytest.raises(sb.InvalidParameter, match=r"runner must be one of spinbound\.cluster; given int"):
        call(runner=3, resume=tmp_path)


CHANGES = {
    "sigma": {"sigma": 2.0},
    "wrt": {"wrt": ("m0s", "M0")},
    "form": {"form": "complex"},
    "tissue": {"tissue": TISSUE.replace(M0=1)},
    "sequence": {"seq": smooth_train(40, TR=3.6e-3)},
    "model": {"model": "graham"},
    "basis": {"basis": sb.Basis(np.eye(40)[:, :9])},
}


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
def test_the_work_of_other_bounds_is_refused(changes, tmp_path, monkeypatch):
    base = {"seq": SEQ, "tissue": TISSUE, "wrt": ("M0", "m0s"), "resume": tmp_path}
    sb.crb(**base)
    monkeypatch.setattr("spinbound._core.crb", None)
    with pytest.raises(sb.InvalidData, match="holds the work of another crb, which differs in"):
        sb.crb(**base | changes)


def test_a_folder_without_results_is_taken_over(tmp_path):
    fitted(resume=tmp_path)
    for file in tmp_path.glob("voxels-*"):
        file.unlink()
    assert fitted(resume=tmp_path, tolerance=1e-6).converged.all()
    with pytest.raises(sb.InvalidData, match="differs in tolerance"):
        fitted(resume=tmp_path)


# Locks


@pytest.mark.skipif(sys.platform == "win32", reason="locks of POSIX")
@pytest.mark.parametrize(
    ("first", "second", "are_compatible"),
    [
        (None, None, False),
        (None, Part(1, 2), False),
        (Part(1, 2), None, False),
        (Part(1, 2), Part(1, 2), False),
        (Part(1, 2), Part(2, 2), True),
    ],
)
def test_runs_that_would_do_the_same_exclude_each_other(first, second, are_compatible, tmp_path):
    lock = tmp_path / "lock"
    with hold_lock(lock, first):
        if are_compatible:
            with hold_lock(lock, second):
                pass
        else:
            with (
                pytest.raises(sb.InvalidData, match=f"in use by another run, process {os.getpid()} on .*; wait"),
                hold_lock(lock, second),
            ):
                pass
    with hold_lock(lock, second), pytest.raises(sb.InvalidData), hold_lock(lock, None):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="locks of POSIX")
def test_a_run_that_is_over_is_not_named_as_the_holder(tmp_path):
    lock = tmp_path / "lock"
    with hold_lock(lock):
        pass
    lock.write_text(", process 1 on elsewhere", encoding="utf-8")
    with hold_lock(lock, Part(2, 3)), pytest.raises(sb.InvalidData, match=f"process {os.getpid()}"), hold_lock(lock):
        pass


# The page


PAGE = read_page("cluster.md")


def code(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_page_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in code("python"):
        exec(block, names)
    assert np.isfinite(names["bounds"]["m0s"]).all()
    assert names["fit"].converged.all()


def test_the_jobs_of_the_page_are_as_the_shell_and_the_command_take_them():
    for script in code("bash"):
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    (toml,) = code("toml")
    assert set(tomllib.loads(toml)) < set(inspect.signature(cluster.slurm).parameters)


# The command line


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
