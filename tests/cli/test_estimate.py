"""`spinbound estimate`: a checkpoint and images in, maps out as the library estimates them."""

import hashlib
import json
from pathlib import Path

import pytest
import spinbound as sb
from spinbound.cli.main import main
from spinbound.io import nifti
from spinbound.sequences.identity import identify

from tests.support.commands import failure
from tests.support.learning import BASIS, SEQ
from tests.support.map_commands import AFFINE, ESTIMATE

ANAT = ESTIMATE.anat


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    """A working directory with a checkpoint, data as NIfTI, a mask, the sequence and the basis."""
    ESTIMATE.prepare(tmp_path, monkeypatch)


# Results


def test_sidecars_name_the_checkpoint_and_what_it_was_trained_for():
    main([*ESTIMATE.words, "--mask", "mask.nii.gz"])
    sidecar = json.loads((ANAT / "sub-01_desc-free_T2map.json").read_text())
    assert (sidecar["Units"], sidecar["EstimationAlgorithm"]) == ("s", "neural network")
    made = sidecar["Estimate"]
    sha256 = hashlib.sha256(Path("net.safetensors").read_bytes()).hexdigest()
    assert made["checkpoint"] == {"file": "net.safetensors", "sha256": sha256}
    assert made["sequence_identity"] == identify(SEQ)
    assert made["basis_sha256"] == ESTIMATE.net.description["basis_sha256"]
    assert made["novelty_limit"] == ESTIMATE.net.novelty.limit()
    levels = json.loads((ANAT / "sub-01_fitstatus.json").read_text())["Levels"]
    assert levels == {str(int(status)): status.sentence for status in sb.EstimateStatus}


def test_the_sequence_and_the_basis_may_be_named():
    assert main([*ESTIMATE.words, "--sequence", "train.npz", "--basis", "basis.npz"]) == 0


def test_novelty_is_left_out_on_request():
    assert main([*ESTIMATE.words, "--no-novelty"]) == 0
    assert not (ANAT / "sub-01_fitnovelty.nii.gz").exists()


# What is refused


@pytest.fixture
def no_estimate(monkeypatch):
    """Refusals come before the work."""
    monkeypatch.setattr(ESTIMATE.works, None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sequence", "other.npz"], "the data come from another sequence than that of the estimator's training"),
        (["--basis", "other-basis.npz"], "the data are coefficients of another basis than that of the estimator's"),
        (["--basis", "short.npz"], "the basis has 4 vectors, the estimator was trained with 6"),
    ],
)
def test_what_does_not_belong_to_the_checkpoint_is_refused(capsys, no_estimate, arguments, message):
    SEQ.replace(alpha=0.9 * SEQ.alpha).save("other.npz")
    sb.Basis(BASIS.vectors[:, ::-1]).save("other-basis.npz")
    BASIS.truncate(4).save("short.npz")
    assert message in failure([*ESTIMATE.words, *arguments], capsys)
    assert not Path("spinbound-estimate").exists()


def test_data_of_another_rank_are_refused(capsys):
    nifti.write("data.nii.gz", ESTIMATE.data[..., :5], AFFINE)
    assert "the last axis must be 6, as many as the estimator was trained with" in failure(ESTIMATE.words, capsys)
    assert not Path("spinbound-estimate").exists()


@pytest.mark.parametrize(("file", "message"), [("data.nii.gz", "data.nii.gz"), ("absent.safetensors", "no such file")])
def test_what_is_no_checkpoint_is_refused(capsys, no_estimate, file, message):
    assert message in failure(["estimate", file, "data.nii.gz"], capsys)


def test_a_damaged_checkpoint_is_refused(capsys, no_estimate):
    content = bytearray(Path("net.safetensors").read_bytes())
    content[-100] ^= 1
    Path("net.safetensors").write_bytes(content)
    assert "net.safetensors" in failure(ESTIMATE.words, capsys)


def test_estimates_take_the_place_of_a_fit_in_the_same_folder():
    fit = ["fit", "data.nii.gz", "train.npz", "--basis", "basis.npz", "--free", "M0,R1a", "--start", "R1a=1"]
    assert main([*fit, "-o", "spinbound-estimate"]) == 0
    assert (ANAT / "sub-01_desc-apparent_R1map.nii.gz").exists()
    assert main([*ESTIMATE.words, "--overwrite"]) == 0
    assert sorted(path.name for path in ANAT.glob("*.nii.gz")) == [
        f"sub-01_{name}.nii.gz" for name in ("desc-free_T2map", "desc-semisolid_MPFmap", "fitnovelty", "fitstatus")
    ]
