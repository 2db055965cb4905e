"""`spinbound fit`: images in, maps out as the library fits them; what does not fit together is refused before work."""

import json
import os
import re
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import spinbound as sb
from scipy.io import savemat
from spinbound.cli.main import main
from spinbound.io import nifti

from tests.support.commands import failure, report
from tests.support.disks import fill_disk
from tests.support.map_commands import AFFINE, FIT
from tests.support.stopping import stop

ANAT = FIT.anat


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    """A working directory with a sequence, data as NIfTI, a mask and a map of B1."""
    FIT.prepare(tmp_path, monkeypatch)


def assert_same_fit(first, second):
    """Fits from other starts, or of data that differ by rounding, stop within some 1e-3 of a standard error."""
    one, other = np.load(first), np.load(second)
    for name in FIT.free:
        assert (np.abs(one[name] - other[name]) < 0.02 * one[f"std_{name}"]).all()


# Results


def test_sidecars_say_how_the_maps_were_made():
    main([*FIT.words, "--bounds", "R1a=0.2:3,R2f=:50"])
    sidecar = json.loads((ANAT / "sub-01_desc-apparent_R1map.json").read_text())
    assert sidecar["Units"] == "1/s"
    made = sidecar["Fit"]
    assert made["sequence"]["sha256"] == FIT.seq.sha256
    assert (made["model"], made["spinbound"]) == ("gbloch", sb.__version__)
    assert made["bounds"]["R1a"] == [0.2, 3.0]
    assert made["bounds"]["R2f"] == [sb.parameters.PARAMETERS["R2f"].least, 50.0]  # what is left out is none
    assert made["start"] == FIT.start
    assert made["known"].items() >= FIT.fixed.items()
    levels = json.loads((ANAT / "sub-01_fitstatus.json").read_text())["Levels"]
    assert "outside the mask" in levels.values()


def test_data_of_other_formats_leave_a_npz_file_unless_told():
    np.savez("data.npz", data=FIT.data)
    savemat("data.mat", {"data": FIT.data, "other": FIT.data})
    for source in ("data.npz", "data.mat:data"):
        assert main([*FIT.of(source), "--overwrite"]) == 0
        assert Path("fit.npz").exists()
    assert main([*FIT.of("data.npz"), "-o", "maps"]) == 0
    assert Path("maps", "sub-01", "anat", "sub-01_M0map.nii.gz").exists()


def test_a_map_of_B1_is_known():
    known = ["--fixed", "m0s=0.12", "--B1", "B1.nii.gz", "--B1-unit", "%"]
    assert main([*FIT.command, *FIT.started, *known, "-o", "map.npz"]) == 0
    assert main([*FIT.words, "-o", "number.npz"]) == 0
    assert_same_fit("map.npz", "number.npz")


def test_what_is_known_is_not_fitted_unless_asked_for(capsys):
    known = ["--B1", "B1.nii.gz", "--B1-unit", "%", "--fixed", "m0s=0.12,Rex=30,T2s=1e-5"]
    told = report(["fit", "data.nii.gz", "train.npz", *known, "--start", "R1a=1,R2f=14,omega0=0"], capsys)
    assert told["free"] == ["M0", "R1a", "R2f", "omega0"]


def test_coefficients_of_a_basis_are_fitted():
    basis = sb.Basis.from_svd(sb.simulate(FIT.seq, sb.Prior.paper().sample(40)), rank=8, seq=FIT.seq)
    basis.save("basis.npz")
    np.savez("data.npz", data=basis.compress(FIT.data))
    assert main([*FIT.of("data.npz"), "--basis", "basis.npz"]) == 0
    result = FIT.compute(basis.compress(FIT.data), basis)
    assert np.array_equal(np.load("fit.npz")["R2f"], result.estimates["R2f"])


def test_without_a_start_a_dictionary_is_matched():
    assert main([*FIT.command, "--fixed", "m0s=0.12,B1=0.9", "--multi-start", "2", "-o", "matched.npz"]) == 0
    assert main([*FIT.words, "-o", "started.npz"]) == 0
    assert_same_fit("matched.npz", "started.npz")
    assert (np.load("matched.npz")["agreement"] > 0).all()


# What is told


def test_json_counts_the_statuses(capsys):
    told = report([*FIT.words, "--mask", "mask.nii.gz"], capsys)
    assert told["status"]["masked"] == 2
    assert sum(told["status"].values()) == FIT.mask.size
    assert told["voxels"] == 10
    assert all(Path(path).exists() for path in told["written"])


# What is refused


@pytest.fixture
def no_fit(monkeypatch):
    """Refusals come before the work."""
    monkeypatch.setattr(FIT.works, None)


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
        (["--B1-unit", "percent"], "--B1-unit"),
    ],
)
def test_bad_arguments_are_refused(capsys, no_fit, arguments, message):
    assert message in failure([*FIT.command, *arguments], capsys, status=2)
    assert not Path("spinbound-fit").exists()


@pytest.mark.parametrize(("free", "message"), [("M0,R1x", "a name in --free is 'R1x'"), ("R1a,R1f", "R1a determines")])
def test_unknowns_that_make_no_sense_together_are_refused(capsys, no_fit, free, message):
    assert message in failure([*FIT.command[:3], "--free", free], capsys, status=2)


def test_a_map_of_B1_needs_its_unit(capsys, no_fit):
    assert "is it in %?" in failure([*FIT.command, "--B1", "B1.nii.gz"], capsys)


def test_maps_of_an_earlier_fit_do_not_stay_beside_others():
    main(FIT.words)
    mine = Path("spinbound-fit", "sub-01", "fmap", "sub-01_TB1map.nii.gz")
    mine.parent.mkdir()
    nifti.write(mine, np.full(FIT.shape, 90.0), AFFINE)  # measured, not fitted
    mine.with_name("sub-01_TB1map.json").write_text('{"Units": "%"}', encoding="utf-8")
    before = {path.name for path in ANAT.iterdir()}
    main([*FIT.command[:3], "--free", "M0,R1a", "--fixed", "m0s=0.12,B1=0.9,R2f=14", "--start", "R1a=1", "--overwrite"])
    gone = {f"sub-01_desc-free_R2{kind}.{suffix}" for kind in ("map", "stdmap") for suffix in ("nii.gz", "json")}
    assert before - {path.name for path in ANAT.iterdir()} == gone
    assert len(list(mine.parent.iterdir())) == 2


def test_what_the_library_refuses_leaves_nothing(capsys):
    before = sorted(os.listdir())
    assert "R2f must be (low, high)" in failure([*FIT.words, "--bounds", "R2f=20:10"], capsys)
    assert sorted(os.listdir()) == before


def test_a_full_disk_leaves_no_map(capsys, monkeypatch):
    fill_disk(monkeypatch)
    assert "No space left" in failure([*FIT.words, "-o", "maps.npz"], capsys)
    assert not list(Path().glob("maps*"))


# Runs that are stopped


def kept():
    """Files of work in progress that are whole."""
    return list(Path("maps", ".spinbound-fit").glob("voxels-*.npz"))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The maps of a run that is not stopped, of data many times over: enough for several parts of work."""
    with pytest.MonkeyPatch.context() as patch:
        FIT.prepare(tmp_path_factory.mktemp("undisturbed"), patch)
        many = np.concatenate([FIT.data * (1 + 1e-3 * k) for k in range(1000)])
        nifti.write("data.nii.gz", many, AFFINE)
        assert main([*FIT.words, "-o", "maps"]) == 0
        return Path("maps").resolve()


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGKILL, -9), (signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stopped_run_goes_on_to_the_same_files(undisturbed, number, status):
    shutil.copy(undisturbed.with_name("data.nii.gz"), "data.nii.gz")
    returned, err = stop([*FIT.words, "-o", "maps"], number, kept)
    assert returned == status
    assert "Traceback" not in err
    assert kept()
    assert not list(Path("maps").rglob("*.nii.gz"))
    assert main([*FIT.words, "-o", "maps"]) == 0
    files = [path.relative_to(undisturbed) for path in undisturbed.rglob("*") if path.is_file()]
    assert not Path("maps", ".spinbound-fit").exists()
    assert len(files) > 10
    for file in files:
        assert Path("maps", file).read_bytes() == (undisturbed / file).read_bytes()


# What belongs together


def test_the_goodness_of_a_fit_is_printed(capsys):
    assert main([*FIT.words, "--sigma", "1e-4"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^residual: median [\d.]+ %, 95 % of voxels below [\d.]+ %$", out, re.MULTILINE)
    assert re.search(r"^chi\^2 per degree of freedom: [01]\.\d+$", out, re.MULTILINE)
    goodness = report(FIT.words, capsys)["goodness"]
    assert set(goodness) == {"median_residual", "residual_95", "median_chi_squared"}
    assert goodness["median_chi_squared"] is None


def test_data_of_another_train_are_refused_unless_told_otherwise(capsys):
    nifti.write("data.nii.gz", FIT.data[..., ::-1], AFFINE)
    assert "the data do not belong to the sequence" in failure(FIT.words, capsys)
    assert not Path("spinbound-fit").exists()
    assert main([*FIT.words, "--unchecked"]) == 0
    assert "spinbound: warning: the fit leaves" in capsys.readouterr().err


def test_a_basis_of_another_train_is_refused_unless_told_otherwise(capsys):
    basis = sb.Basis(np.eye(60)[:, 20:32])
    basis.save("basis.npz")
    nifti.write("data.nii.gz", basis.compress(FIT.data), AFFINE)
    command = [*FIT.words, "--basis", "basis.npz"]
    assert "the basis does not belong to the sequence" in failure(command, capsys)
    assert main([*command, "--unchecked"]) == 0
