"""`spinbound estimate`: a checkpoint and images in, maps out as the library estimates them."""

import hashlib
import json
import re
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import spinbound as sb
import torch
from spinbound import nn
from spinbound.cli.main import main
from spinbound.io import nifti
from spinbound.sequences.identity import identify

from tests.support.commands import failure, report
from tests.support.learning import BASIS, PRIOR, SEQ, estimator

SHAPE = (5, 4, 2)
RNG = np.random.default_rng(22)
DATA = sb.simulate(SEQ, PRIOR.sample(40, seed=4).replace(M0=3j), basis=BASIS).reshape(*SHAPE, 6)
DATA = (DATA + 0.01 * RNG.normal(size=(*DATA.shape, 2)) @ (1, 1j)).astype(np.complex64)
AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])
MASK = np.ones(SHAPE, bool)
MASK[0, 0] = False
COMMAND = ["estimate", "net.safetensors", "data.nii.gz"]
ANAT = Path("spinbound-estimate", "sub-01", "anat")


@pytest.fixture(scope="module")
def net():
    """One that knows what it was trained with, though it has learnt nothing."""
    made = estimator(names=("m0s", "T2f"), seq=SEQ)
    made.scale_to(torch.tensor([[0.12, 0.06], [0.14, 0.07]]))
    made.novelty = nn.Novelty.from_prior(SEQ, PRIOR, basis=BASIS, n=60)
    return made


@pytest.fixture
def here(net, tmp_path, monkeypatch):
    """A working directory with a checkpoint, data as NIfTI, a mask, the sequence and the basis."""
    monkeypatch.chdir(tmp_path)
    net.save("net.safetensors")
    nifti.write("data.nii.gz", DATA, AFFINE)
    nifti.write("mask.nii.gz", MASK, AFFINE)
    SEQ.save("train.npz")
    BASIS.save("basis.npz")
    return tmp_path


# Results


def test_maps_are_what_the_library_estimates(here, net):
    assert main([*COMMAND, "--mask", "mask.nii.gz", "--sigma", "0.01"]) == 0
    result = net.estimate(DATA, MASK, sigma=0.01)
    files = {
        "desc-semisolid_MPFmap": result.estimates["m0s"],
        "desc-free_T2map": result.estimates["T2f"],
        "fitnovelty": result.novelty,
        "fitstatus": result.status,
    }
    for name, values in files.items():
        image, affine = nifti.read(ANAT / f"sub-01_{name}.nii.gz")
        assert np.array_equal(affine, AFFINE)
        assert np.array_equal(image, values.astype(image.dtype), equal_nan=True)
    assert len(list(ANAT.iterdir())) == 2 * len(files)
    assert Path("spinbound-estimate.png").read_bytes().startswith(b"\x89PNG")


def test_sidecars_name_the_checkpoint_and_what_it_was_trained_for(here, net):
    main([*COMMAND, "--mask", "mask.nii.gz"])
    sidecar = json.loads((ANAT / "sub-01_desc-free_T2map.json").read_text())
    assert (sidecar["Units"], sidecar["EstimationAlgorithm"]) == ("s", "neural network")
    made = sidecar["Estimate"]
    sha256 = hashlib.sha256(Path("net.safetensors").read_bytes()).hexdigest()
    assert made["checkpoint"] == {"file": "net.safetensors", "sha256": sha256}
    assert made["sequence_identity"] == identify(SEQ)
    assert made["basis_sha256"] == net.description["basis_sha256"]
    assert made["novelty_limit"] == net.novelty.limit()
    levels = json.loads((ANAT / "sub-01_fitstatus.json").read_text())["Levels"]
    assert levels == {str(int(status)): status.sentence for status in sb.EstimateStatus}


def test_a_npz_file_holds_the_same_in_double_precision(here, net):
    np.savez("data.npz", data=DATA)
    assert main(["estimate", "net.safetensors", "data.npz"]) == 0
    result = net.estimate(DATA)
    with np.load("estimate.npz", allow_pickle=False) as written:
        for name, values in result.as_arrays().items():
            assert np.array_equal(written[name], values)
        assert json.loads(str(written["provenance"]))["names"] == ["m0s", "T2f"]
    assert Path("estimate.png").exists()


@pytest.mark.parametrize(("option", "parts"), [("--imag", (np.real, np.imag)), ("--phase", (np.abs, np.angle))])
def test_a_pair_of_files_is_as_good_as_complex_data(here, net, option, parts):
    for name, part in zip(("first", "second"), parts, strict=True):
        nifti.write(f"{name}.nii.gz", part(DATA), AFFINE)
    assert main(["estimate", "net.safetensors", "first.nii.gz", option, "second.nii.gz", "-o", "pair.npz"]) == 0
    with np.load("pair.npz") as written:
        # magnitude and phase round the data by some 1e-7
        assert written["T2f"] == pytest.approx(net.estimate(DATA).estimates["T2f"], rel=1e-4)


def test_the_sequence_and_the_basis_may_be_named(here):
    assert main([*COMMAND, "--sequence", "train.npz", "--basis", "basis.npz"]) == 0


def test_novelty_is_left_out_on_request(here):
    assert main([*COMMAND, "--no-novelty"]) == 0
    assert not (ANAT / "sub-01_fitnovelty.nii.gz").exists()


# What is told


def test_a_table_counts_the_statuses(here, capsys):
    assert main([*COMMAND, "--mask", "mask.nii.gz"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"outside the mask +2\n", out)
    counts = [int(n) for n in re.findall(r"^estimated.*? +(\d+) +[\d.]+ %$", out, re.MULTILINE)]
    assert sum(counts) == 38
    assert "wrote spinbound-estimate and spinbound-estimate.png" in out


def test_voxels_without_an_estimate_are_told_by_the_exit_status(here, capsys):
    broken = DATA.copy()
    broken[1, 1, 1, 3], broken[2, 1, 1] = np.nan, 0
    nifti.write("data.nii.gz", broken, AFFINE)
    told = report(COMMAND, capsys, status=3)
    assert (told["status"]["not_finite"], told["status"]["no_data"], told["voxels"]) == (1, 1, 39)
    assert all(Path(path).exists() for path in told["written"])
    values = nifti.read(ANAT / "sub-01_desc-free_T2map.nii.gz")[0]
    assert np.isnan(values).sum() == np.isnan(values[[1, 2], 1, 1]).sum() == 2


def test_an_empty_mask_leaves_complete_maps(here, capsys):
    nifti.write("mask.nii.gz", np.zeros(SHAPE, bool), AFFINE)
    assert main([*COMMAND, "--mask", "mask.nii.gz"]) == 0
    assert "the mask is empty" in capsys.readouterr().err
    assert np.isnan(nifti.read(ANAT / "sub-01_desc-free_T2map.nii.gz")[0]).all()


# What is refused


@pytest.fixture
def no_estimate(monkeypatch):
    """Refusals come before the work."""
    monkeypatch.setattr(import_module("spinbound.nn.estimator"), "estimate", None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sequence", "other.npz"], "the data come from another sequence than that of the estimator's training"),
        (["--basis", "other-basis.npz"], "the data are coefficients of another basis than that of the estimator's"),
        (["--basis", "short.npz"], "the basis has 4 vectors, the estimator was trained with 6"),
        (["--mask", "small.nii.gz"], "mask has another shape than data"),
        (["--imag", "absent.nii.gz"], "absent.nii.gz: No such file"),
    ],
)
def test_what_does_not_belong_to_the_checkpoint_is_refused(here, capsys, no_estimate, arguments, message):
    SEQ.replace(alpha=0.9 * SEQ.alpha).save("other.npz")
    sb.Basis(BASIS.vectors[:, ::-1]).save("other-basis.npz")
    BASIS.truncate(4).save("short.npz")
    nifti.write("small.nii.gz", MASK[:2], AFFINE)
    assert message in failure([*COMMAND, *arguments], capsys)
    assert not Path("spinbound-estimate").exists()


def test_data_of_another_rank_are_refused(here, capsys):
    nifti.write("data.nii.gz", DATA[..., :5], AFFINE)
    assert "the last axis must be 6, as many as the estimator was trained with" in failure(COMMAND, capsys)
    assert not Path("spinbound-estimate").exists()


@pytest.mark.parametrize(
    "arguments", [["-o", "maps.nii.gz"], ["--sigma", "0"], ["--imag", "a.nii", "--phase", "b.nii"]]
)
def test_bad_arguments_are_refused(here, capsys, no_estimate, arguments):
    failure([*COMMAND, *arguments], capsys, status=2)


@pytest.mark.parametrize(("file", "message"), [("data.nii.gz", "data.nii.gz"), ("absent.safetensors", "no such file")])
def test_what_is_no_checkpoint_is_refused(here, capsys, no_estimate, file, message):
    assert message in failure(["estimate", file, "data.nii.gz"], capsys)


def test_a_damaged_checkpoint_is_refused(here, capsys, no_estimate):
    content = bytearray(Path("net.safetensors").read_bytes())
    content[-100] ^= 1
    Path("net.safetensors").write_bytes(content)
    assert "net.safetensors" in failure(COMMAND, capsys)


def test_maps_that_exist_stay_unless_overwritten(here, capsys):
    assert main(COMMAND) == 0
    assert "exists" in failure(COMMAND, capsys)
    assert main([*COMMAND, "--overwrite"]) == 0


def test_estimates_take_the_place_of_a_fit_in_the_same_folder(here):
    fit = ["fit", "data.nii.gz", "train.npz", "--basis", "basis.npz", "--free", "M0,R1a", "--start", "R1a=1"]
    assert main([*fit, "-o", "spinbound-estimate"]) == 0
    assert (ANAT / "sub-01_desc-apparent_R1map.nii.gz").exists()
    assert main([*COMMAND, "--overwrite"]) == 0
    assert sorted(path.name for path in ANAT.glob("*.nii.gz")) == [
        f"sub-01_{name}.nii.gz" for name in ("desc-free_T2map", "desc-semisolid_MPFmap", "fitnovelty", "fitstatus")
    ]
