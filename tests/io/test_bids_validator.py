"""The BIDS validator: datasets of maps, and those that the command line makes of a fit, have no error."""

import json
import shutil
import subprocess

import numpy as np
import pytest
import spinbound as sb
from spinbound.cli.main import main
from spinbound.io import bids, nifti

from tests.support.trains import smooth_train

pytestmark = pytest.mark.skipif(shutil.which("bids-validator-deno") is None, reason="the validator is not installed")

PREFIXES = ("sub-01", "sub-7T_ses-pre")
AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])


def errors(folder):
    """The codes of all errors."""
    done = subprocess.run(["bids-validator-deno", "--json", folder], capture_output=True, text=True)
    issues = json.loads(done.stdout)["issues"]["issues"]
    return [issue["code"] for issue in issues if issue["severity"] == "error"]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_dataset_with_every_map_has_no_error(tmp_path, prefix):
    maps = {name: np.ones((4, 3, 2), complex if name == "M0" else float) for name in bids.MAPS}
    further = dict.fromkeys(bids.FURTHER, np.ones((4, 3, 2), np.int8))
    bids.write_maps(tmp_path, maps, AFFINE, std=dict.fromkeys(maps, maps["m0s"]), further=further, prefix=prefix)
    assert errors(tmp_path) == []


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_dataset_of_the_command_line_has_no_error(tmp_path, monkeypatch, prefix):
    monkeypatch.chdir(tmp_path)
    seq = smooth_train(60)
    tissue = sb.Tissue(m0s=0.12, R1a=np.full((3, 2, 2), 0.8), R2f=15, omega0=20, B1=0.9, M0=0.5j)
    seq.save("train.npz")
    nifti.write("data.nii.gz", sb.simulate(seq, tissue), AFFINE)
    known = ["--fixed", "m0s=0.12", "--start", "R1a=1,R2f=14,omega0=0,B1=1"]
    free = ["--free", "M0,R1a,R2f,omega0,B1"]
    assert main(["fit", "data.nii.gz", "train.npz", *free, *known, "-o", "maps", "--prefix", prefix]) == 0
    assert errors("maps") == []


def test_the_validator_sees_what_is_wrong(tmp_path):
    (image,) = bids.write_maps(tmp_path, {"R1a": np.ones((4, 3, 2))}, AFFINE)
    sidecar = image.with_name(image.name.replace(".nii.gz", ".json"))
    content = json.loads(sidecar.read_text())
    del content["SkullStripped"]
    sidecar.write_text(json.dumps(content))
    assert "SIDECAR_KEY_REQUIRED" in errors(tmp_path)
