"""`spinbound fit`: images in, maps out as the library fits them; what does not fit together is refused before work."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import spinbound as sb
from scipy.io import savemat
from spinbound.cli.main import main
from spinbound.io import nifti

from tests.support.commands import failure, report
from tests.support.trains import smooth_train

SEQ = smooth_train(60)
SHAPE = (3, 2, 2)
RNG = np.random.default_rng(12)
TISSUE = sb.Tissue(
    m0s=0.12, R1a=RNG.uniform(0.5, 1.5, SHAPE), R2f=RNG.uniform(10, 20, SHAPE), M0=0.8 + 0.3j, B1=np.full(SHAPE, 0.9)
)
DATA = sb.simulate(SEQ, TISSUE) + 1e-4 * RNG.normal(size=(*SHAPE, 60, 2)) @ (1, 1j)
AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])
MASK = np.ones(SHAPE, bool)
MASK[0, 0] = False
FREE = ("M0", "R1a", "R2f")
FIXED = {"m0s": 0.12, "B1": 0.9}
START = {"R1a": 1.0, "R2f": 14.0}  # spares the dictionary
COMMAND = ["fit", "data.nii.gz", "train.npz", "--free", ",".join(FREE)]
STARTED = ["--start", "R1a=1,R2f=14"]
KNOWN = ["--fixed", "m0s=0.12,B1=0.9", *STARTED]
ANAT = Path("spinbound-fit", "sub-01", "anat")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working directory with a sequence, data as NIfTI, a mask and a map of B1."""
    monkeypatch.chdir(tmp_path)
    SEQ.save("train.npz")
    nifti.write("data.nii.gz", DATA, AFFINE)
    nifti.write("mask.nii.gz", MASK, AFFINE)
    nifti.write("B1.nii.gz", 100 * np.asarray(TISSUE["B1"]), AFFINE)
    return tmp_path


def stored():
    """The data as the image holds them, in single precision."""
    return DATA.astype(np.complex64)


def assert_same_fit(first, second):
    """Fits from other starts, or of data that differ by rounding, stop within some 1e-3 of a standard error."""
    one, other = np.load(first), np.load(second)
    for name in FREE:
        assert (np.abs(one[name] - other[name]) < 0.02 * one[f"std_{name}"]).all()


# Results


def test_maps_are_what_the_library_fits(here):
    assert main([*COMMAND, *KNOWN, "--mask", "mask.nii.gz", "--sigma", "1e-4"]) == 0
    result = sb.fit(stored(), SEQ, free=FREE, fixed=FIXED, start=START, mask=MASK, sigma=1e-4)
    files = {
        "desc-apparent_R1map": result.estimates["R1a"],
        "desc-free_R2map": result.estimates["R2f"],
        "desc-free_R2stdmap": result.std["R2f"],
        "M0map": np.abs(result.estimates["M0"]),
        "fitresidual": result.residual,
        "fitstatus": result.status,
        "fititerations": result.iterations,
    }
    for name, values in files.items():
        image, affine = nifti.read(ANAT / f"sub-01_{name}.nii.gz")
        assert np.array_equal(affine, AFFINE)
        assert np.array_equal(image, values.astype(image.dtype), equal_nan=True)
    assert np.isnan(nifti.read(ANAT / "sub-01_desc-free_R2map.nii.gz")[0][~MASK]).all()
    assert Path("spinbound-fit.png").read_bytes().startswith(b"\x89PNG")


def test_sidecars_say_how_the_maps_were_made(here):
    main([*COMMAND, *KNOWN, "--bounds", "R1a=0.2:3,R2f=:50"])
    sidecar = json.loads((ANAT / "sub-01_desc-apparent_R1map.json").read_text())
    assert sidecar["Units"] == "1/s"
    made = sidecar["Fit"]
    assert made["sequence"]["sha256"] == SEQ.sha256
    assert (made["model"], made["spinbound"]) == ("gbloch", sb.__version__)
    assert made["bounds"]["R1a"] == [0.2, 3.0]
    assert made["bounds"]["R2f"] == [sb.parameters.PARAMETERS["R2f"].least, 50.0]  # what is left out is none
    assert made["start"] == START
    assert made["known"].items() >= FIXED.items()
    levels = json.loads((ANAT / "sub-01_fitstatus.json").read_text())["Levels"]
    assert "outside the mask" in levels.values()


def test_a_npz_file_holds_the_same_in_double_precision(here):
    assert main([*COMMAND, *KNOWN, "-o", "maps.npz"]) == 0
    result = sb.fit(stored(), SEQ, free=FREE, fixed=FIXED, start=START)
    with np.load("maps.npz", allow_pickle=False) as written:
        for name in FREE:
            assert np.array_equal(written[name], result.estimates[name])
            assert np.array_equal(written[f"std_{name}"], result.std[name])
        assert np.array_equal(written["status"], result.status)
        assert json.loads(str(written["provenance"]))["free"] == list(FREE)
    assert not Path("spinbound-fit").exists()


def test_data_of_other_formats_leave_a_npz_file_unless_told(here):
    np.savez("data.npz", data=stored())
    savemat("data.mat", {"data": stored(), "other": stored()})
    for source in ("data.npz", "data.mat:data"):
        assert main(["fit", source, *COMMAND[2:], *KNOWN, "--overwrite"]) == 0
        assert Path("fit.npz").exists()
    assert main(["fit", "data.npz", *COMMAND[2:], *KNOWN, "-o", "maps"]) == 0
    assert Path("maps", "sub-01", "anat", "sub-01_M0map.nii.gz").exists()


@pytest.mark.parametrize(("option", "parts"), [("--imag", (np.real, np.imag)), ("--phase", (np.abs, np.angle))])
def test_a_pair_of_files_is_as_good_as_complex_data(here, option, parts):
    for name, part in zip(("first", "second"), parts, strict=True):
        nifti.write(f"{name}.nii.gz", part(stored()), AFFINE)
    assert main(["fit", "first.nii.gz", *COMMAND[2:], *KNOWN, option, "second.nii.gz", "-o", "pair.npz"]) == 0
    assert main([*COMMAND, *KNOWN, "-o", "one.npz"]) == 0
    assert_same_fit("pair.npz", "one.npz")


def test_a_map_of_B1_is_known(here):
    assert (
        main([*COMMAND, *STARTED, "--fixed", "m0s=0.12", "--B1", "B1.nii.gz", "--B1-unit", "%", "-o", "map.npz"]) == 0
    )
    assert main([*COMMAND, *KNOWN, "-o", "number.npz"]) == 0
    assert_same_fit("map.npz", "number.npz")


def test_what_is_known_is_not_fitted_unless_asked_for(here, capsys):
    known = ["--B1", "B1.nii.gz", "--B1-unit", "%", "--fixed", "m0s=0.12,Rex=30,T2s=1e-5"]
    told = report(["fit", "data.nii.gz", "train.npz", *known, "--start", "R1a=1,R2f=14,omega0=0"], capsys)
    assert told["free"] == ["M0", "R1a", "R2f", "omega0"]


def test_coefficients_of_a_basis_are_fitted(here):
    basis = sb.Basis.from_svd(sb.simulate(SEQ, sb.Prior.paper().sample(40)), rank=8, seq=SEQ)
    basis.save("basis.npz")
    np.savez("data.npz", data=basis.compress(DATA))
    assert main(["fit", "data.npz", *COMMAND[2:], *KNOWN, "--basis", "basis.npz"]) == 0
    result = sb.fit(basis.compress(DATA), SEQ, basis, free=FREE, fixed=FIXED, start=START)
    assert np.array_equal(np.load("fit.npz")["R2f"], result.estimates["R2f"])


def test_without_a_start_a_dictionary_is_matched(here):
    assert main([*COMMAND, "--fixed", "m0s=0.12,B1=0.9", "--multi-start", "2", "-o", "matched.npz"]) == 0
    assert main([*COMMAND, *KNOWN, "-o", "started.npz"]) == 0
    assert_same_fit("matched.npz", "started.npz")
    assert (np.load("matched.npz")["agreement"] > 0).all()


# What is told


def test_a_table_counts_the_statuses(here, capsys):
    assert main([*COMMAND, *KNOWN, "--mask", "mask.nii.gz"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"outside the mask +2\n", out)
    counts = [int(n) for n in re.findall(r"^converged.*? +(\d+) +[\d.]+ %$", out, re.MULTILINE)]
    assert sum(counts) == 10
    assert "wrote spinbound-fit and spinbound-fit.png" in out


def test_json_counts_the_statuses(here, capsys):
    told = report([*COMMAND, *KNOWN, "--mask", "mask.nii.gz"], capsys)
    assert told["status"]["masked"] == 2
    assert sum(told["status"].values()) == MASK.size
    assert told["voxels"] == 10
    assert all(Path(path).exists() for path in told["written"])


def test_an_empty_mask_is_warned_of_and_leaves_complete_maps(here, capsys):
    nifti.write("mask.nii.gz", np.zeros(SHAPE, bool), AFFINE)
    assert main([*COMMAND, *KNOWN, "--mask", "mask.nii.gz"]) == 0
    captured = capsys.readouterr()
    assert "the mask is empty" in captured.err
    assert re.search(r"outside the mask +12\n", captured.out)
    assert np.isnan(nifti.read(ANAT / "sub-01_desc-free_R2map.nii.gz")[0]).all()


def test_voxels_without_a_result_are_told_by_the_exit_status(here, capsys):
    broken = stored()
    broken[1, 1, 1, 7], broken[2, 1, 1] = np.nan, 0
    nifti.write("data.nii.gz", broken, AFFINE)
    told = report([*COMMAND, *KNOWN], capsys, status=3)
    assert (told["status"]["not_finite"], told["status"]["no_data"], told["voxels"]) == (1, 1, 11)
    values = nifti.read(ANAT / "sub-01_desc-free_R2map.nii.gz")[0]
    assert np.isnan(values).sum() == np.isnan(values[[1, 2], 1, 1]).sum() == 2


# What is refused


@pytest.fixture
def no_fit(monkeypatch):
    """Refusals come before the work."""
    monkeypatch.setattr(import_module("spinbound.cli.commands.fit"), "fit_voxels", None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--fixed", "m0s"], "--fixed: 'm0s' is not NAME=VALUE"),
        (["--fixed", "m0s=0.1,m0s=0.2"], "--fixed: 'm0s=0.2'"),
        (["--fixed", "m0ss=0.1"], "did you mean 'm0s'"),
        (["--fixed", "m0s=much"], "--fixed: m0s is 'much', no number"),
        (["--bounds", "R2f=5"], "--bounds: R2f=5 is not NAME=LOW:HIGH"),
        (["--bounds", "R2f=a:b"], "--bounds: a limit of R2f is 'a', no number"),
        (["--fixed", "B1=1", "--B1", "B1.nii.gz", "--B1-unit", "%"], "B1 is given as a number and as a map"),
        (["--imag", "a.nii", "--phase", "b.nii"], "--imag and --phase"),
        (["-o", "maps.nii.gz"], "the output is a folder with a name, or a .npz file"),
        (["-o", "."], ".: the output is a folder with a name, or a .npz file"),
        (["--sigma", "0"], "--sigma"),
        (["--B1-unit", "percent"], "--B1-unit"),
    ],
)
def test_bad_arguments_are_refused(here, capsys, no_fit, arguments, message):
    assert message in failure([*COMMAND, *arguments], capsys, status=2)
    assert not Path("spinbound-fit").exists()


@pytest.mark.parametrize(("free", "message"), [("M0,R1x", "a name in --free is 'R1x'"), ("R1a,R1f", "R1a determines")])
def test_unknowns_that_make_no_sense_together_are_refused(here, capsys, no_fit, free, message):
    assert message in failure([*COMMAND[:3], "--free", free], capsys, status=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--B1", "B1.nii.gz"], "is it in %?"),
        (["--mask", "small.nii.gz"], "mask has another shape than data: data (3, 2, 2)"),
        (["--mask", "moved.nii.gz"], "mask lies elsewhere than data"),
        (["--mask", "absent.nii.gz"], "absent.nii.gz: No such file"),
    ],
)
def test_images_that_do_not_belong_to_the_data_are_refused(here, capsys, no_fit, arguments, message):
    moved = AFFINE.copy()
    moved[0, 3] = 10
    nifti.write("small.nii.gz", MASK[:2], AFFINE)
    nifti.write("moved.nii.gz", MASK, moved)
    assert message in failure([*COMMAND, *arguments], capsys)


def test_affines_are_ignored_on_request(here):
    moved = AFFINE.copy()
    moved[0, 3] = 10
    nifti.write("moved.nii.gz", MASK, moved)
    assert main([*COMMAND, *KNOWN, "--mask", "moved.nii.gz", "--ignore-affine"]) == 0


def test_real_data_need_their_other_part(here, capsys, no_fit):
    nifti.write("data.nii.gz", np.abs(DATA), AFFINE)
    assert "--imag or --phase" in failure(COMMAND, capsys)


def test_maps_that_exist_stay_unless_overwritten(here, capsys, monkeypatch):
    assert main([*COMMAND, *KNOWN]) == 0
    path = ANAT / "sub-01_desc-free_R2map.nii.gz"
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(import_module("spinbound.cli.commands.fit"), "fit_voxels", None)
        assert "exists" in failure([*COMMAND, *KNOWN], capsys)
    assert path.read_bytes() == before
    nifti.write("data.nii.gz", 2 * DATA, AFFINE)
    assert main([*COMMAND, *KNOWN, "--overwrite"]) == 0
    assert (ANAT / "sub-01_M0map.nii.gz").exists()
    # the tissue is the same, but for the rounding of data in single precision
    assert nifti.read(path)[0] == pytest.approx(
        sb.fit(stored(), SEQ, free=FREE, fixed=FIXED, start=START).estimates["R2f"], rel=1e-5
    )


def test_maps_of_an_earlier_fit_do_not_stay_beside_others(here):
    main([*COMMAND, *KNOWN])
    mine = Path("spinbound-fit", "sub-01", "fmap", "sub-01_TB1map.nii.gz")
    mine.parent.mkdir()
    nifti.write(mine, 100 * np.asarray(TISSUE["B1"]), AFFINE)  # measured, not fitted
    mine.with_name("sub-01_TB1map.json").write_text('{"Units": "%"}', encoding="utf-8")
    before = {path.name for path in ANAT.iterdir()}
    main([*COMMAND[:3], "--free", "M0,R1a", "--fixed", "m0s=0.12,B1=0.9,R2f=14", "--start", "R1a=1", "--overwrite"])
    gone = {f"sub-01_desc-free_R2{kind}.{suffix}" for kind in ("map", "stdmap") for suffix in ("nii.gz", "json")}
    assert before - {path.name for path in ANAT.iterdir()} == gone
    assert len(list(mine.parent.iterdir())) == 2


def test_what_the_library_refuses_leaves_nothing(here, capsys):
    before = sorted(os.listdir())
    assert "R2f must be (low, high)" in failure([*COMMAND, *KNOWN, "--bounds", "R2f=20:10"], capsys)
    assert sorted(os.listdir()) == before


def test_a_full_disk_leaves_no_map(here, capsys, monkeypatch):
    def full(_descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    assert "No space left" in failure([*COMMAND, *KNOWN, "-o", "maps.npz"], capsys)
    assert not list(Path().glob("maps*"))


# Runs that are stopped


def stopped(number, arguments):
    """A run that gets a signal once it has kept some of its work; its exit status and stderr."""
    command = [sys.executable, "-m", "spinbound.cli", *arguments, "--threads", "1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        while process.poll() is None and not kept(Path(arguments[-1])):
            time.sleep(0.005)
        process.send_signal(number)
        err = process.stderr.read()
    return process.returncode, err


def kept(output):
    """Files of work in progress that are whole."""
    return list((output / ".spinbound-fit").glob("voxels-*.npz"))


def many_voxels(repeats=1000):
    """The data many times over: enough for several parts of work."""
    data = np.concatenate([stored() * (1 + 1e-3 * k) for k in range(repeats)])
    nifti.write("data.nii.gz", data, AFFINE)


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGKILL, -9), (signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stopped_run_goes_on_to_the_same_files(here, number, status):
    many_voxels()
    returned, err = stopped(number, [*COMMAND, *KNOWN, "-o", "maps"])
    assert returned == status
    assert "Traceback" not in err
    assert kept(Path("maps"))
    assert not list(Path("maps").rglob("*.nii.gz"))
    for folder in ("maps", "undisturbed"):
        assert main([*COMMAND, *KNOWN, "-o", folder]) == 0
    files = [path.relative_to("undisturbed") for path in Path("undisturbed").rglob("*") if path.is_file()]
    assert not Path("maps", ".spinbound-fit").exists()
    assert len(files) > 10
    for file in files:
        assert Path("maps", file).read_bytes() == Path("undisturbed", file).read_bytes()


# What belongs together


def test_the_goodness_of_a_fit_is_printed(here, capsys):
    assert main([*COMMAND, *KNOWN, "--sigma", "1e-4"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^residual: median [\d.]+ %, 95 % of voxels below [\d.]+ %$", out, re.MULTILINE)
    assert re.search(r"^chi\^2 per degree of freedom: [01]\.\d+$", out, re.MULTILINE)
    goodness = report([*COMMAND, *KNOWN], capsys)["goodness"]
    assert set(goodness) == {"median_residual", "residual_95", "median_chi_squared"}
    assert goodness["median_chi_squared"] is None


def test_data_of_another_train_are_refused_unless_told_otherwise(here, capsys):
    nifti.write("data.nii.gz", DATA[..., ::-1], AFFINE)
    assert "the data do not belong to the sequence" in failure([*COMMAND, *KNOWN], capsys)
    assert not Path("spinbound-fit").exists()
    assert main([*COMMAND, *KNOWN, "--unchecked"]) == 0
    assert "spinbound: warning: the fit leaves" in capsys.readouterr().err


def test_a_basis_of_another_train_is_refused_unless_told_otherwise(here, capsys):
    basis = sb.Basis(np.eye(60)[:, 20:32])
    basis.save("basis.npz")
    nifti.write("data.nii.gz", basis.compress(DATA), AFFINE)
    command = [*COMMAND, *KNOWN, "--basis", "basis.npz"]
    assert "the basis does not belong to the sequence" in failure(command, capsys)
    assert main([*command, "--unchecked"]) == 0
