"""BIDS derivatives: names and units of the specification, sidecars that are JSON, nothing replaced unasked."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import spinbound as sb
from spinbound.base.parameters import PARAMETERS
from spinbound.io import bids, nifti

from tests.support.disks import fill_disk

RNG = np.random.default_rng(9)
AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])
ESTIMATES = {
    "M0": RNG.normal(size=(4, 3, 2)) + 1j * RNG.normal(size=(4, 3, 2)),
    "m0s": RNG.uniform(0, 0.3, (4, 3, 2)),
    "R1a": RNG.uniform(0.3, 2, (4, 3, 2)),
    "B1": RNG.uniform(0.8, 1.2, (4, 3, 2)),
    "omega0": RNG.normal(size=(4, 3, 2)),
}
STATUS = np.array([0, 1, 4], np.int8)[RNG.integers(0, 3, (4, 3, 2))]


def read(folder, name):
    """Values and sidecar of a map."""
    values, affine = nifti.read(folder / f"{name}.nii.gz")
    assert np.array_equal(affine, AFFINE)
    return values, json.loads((folder / f"{name}.json").read_text())


def test_every_parameter_has_a_file_of_its_own():
    assert set(bids.MAPS) == set(PARAMETERS)
    files = bids.map_files(bids.MAPS, bids.MAPS, bids.FURTHER).values()
    paths = [bids.path_of(Path(), "sub-01", file) for file in files]
    assert len(set(paths)) == len(paths) == 2 * len(bids.MAPS) + 2 + len(bids.FURTHER)


def test_values_are_stored_in_the_units_of_bids(tmp_path):
    bids.write_maps(tmp_path, ESTIMATES, AFFINE, std={"B1": ESTIMATES["B1"] / 10})
    anat, fmap = tmp_path / "sub-01" / "anat", tmp_path / "sub-01" / "fmap"
    expected = {
        (anat, "sub-01_M0map"): (np.abs(ESTIMATES["M0"]), "1"),
        (anat, "sub-01_M0phase"): (np.angle(ESTIMATES["M0"]), "rad"),
        (anat, "sub-01_desc-semisolid_MPFmap"): (ESTIMATES["m0s"], "1"),
        (anat, "sub-01_desc-apparent_R1map"): (ESTIMATES["R1a"], "1/s"),
        (anat, "sub-01_TB1stdmap"): (10 * ESTIMATES["B1"], "%"),
        (fmap, "sub-01_TB1map"): (100 * ESTIMATES["B1"], "%"),
        (fmap, "sub-01_fieldmap"): (ESTIMATES["omega0"] / (2 * np.pi), "Hz"),
        (fmap, "sub-01_magnitude"): (np.abs(ESTIMATES["M0"]), "1"),
    }
    for (folder, name), (values, unit) in expected.items():
        stored, sidecar = read(folder, name)
        assert np.array_equal(stored, values.astype(np.float32))
        assert sidecar["Units"] == unit
        assert sidecar["SkullStripped"] is False
    assert len(list(tmp_path.rglob("*.nii.gz"))) == len(expected)


def test_sidecars_say_how_the_map_was_made(tmp_path):
    provenance = {"Model": "gbloch", "Bounds": {"R1a": [0.0, np.inf]}, "SkullStripped": True}
    further = {"status": STATUS, "iterations": 10 * STATUS, "residual": np.full((4, 3, 2), np.nan)}
    levels = {"status": {0: "converged", 1: "at a bound", 4: "no data"}}
    bids.write_maps(tmp_path, {"m0s": ESTIMATES["m0s"]}, AFFINE, further=further, levels=levels, provenance=provenance)
    anat = tmp_path / "sub-01" / "anat"
    sidecar = read(anat, "sub-01_desc-semisolid_MPFmap")[1]
    assert sidecar["Definition"] == "M0s/(M0s+M0f)"
    assert sidecar["Bounds"] == {"R1a": [0.0, None]}
    assert sidecar["SkullStripped"] is True
    values, sidecar = read(anat, "sub-01_fitstatus")
    assert values.dtype == np.uint8
    assert np.array_equal(values, STATUS)
    assert sidecar["Levels"] == {"0": "converged", "1": "at a bound", "4": "no data"}
    assert np.isnan(read(anat, "sub-01_fitresidual")[0]).all()


def test_the_dataset_describes_itself(tmp_path):
    bids.write_maps(tmp_path, {"m0s": ESTIMATES["m0s"]}, AFFINE)
    description = json.loads((tmp_path / "dataset_description.json").read_text())
    assert description["DatasetType"] == "derivative"
    assert description["GeneratedBy"] == [{"Name": "spinbound", "Version": sb.__version__}]


def test_what_a_dataset_says_of_itself_stays(tmp_path):
    (tmp_path / "dataset_description.json").write_text("{}")
    (tmp_path / ".bidsignore").write_text("mine\n")
    for prefix in ("sub-01", "sub-02_ses-a"):
        bids.write_maps(tmp_path, {"m0s": ESTIMATES["m0s"]}, AFFINE, prefix=prefix)
    assert (tmp_path / "dataset_description.json").read_text() == "{}"
    assert (tmp_path / ".bidsignore").read_text().splitlines() == ["mine", *bids.IGNORED]
    assert (tmp_path / "sub-02" / "ses-a" / "anat" / "sub-02_ses-a_desc-semisolid_MPFmap.nii.gz").exists()


def test_maps_that_exist_stay_unless_overwritten(tmp_path):
    bids.write_maps(tmp_path, {"m0s": ESTIMATES["m0s"]}, AFFINE)
    with pytest.raises(FileExistsError, match=r"MPFmap\.nii\.gz exists"):
        bids.write_maps(tmp_path, {"R1a": ESTIMATES["R1a"], "m0s": ESTIMATES["m0s"] / 2}, AFFINE)
    assert len(list(tmp_path.rglob("*.nii.gz"))) == 1
    bids.write_maps(tmp_path, {"m0s": ESTIMATES["m0s"] / 2}, AFFINE, overwrite=True)
    stored = read(tmp_path / "sub-01" / "anat", "sub-01_desc-semisolid_MPFmap")[0]
    assert np.array_equal(stored, (ESTIMATES["m0s"] / 2).astype(np.float32))


def test_maps_of_fewer_axes_are_stored_as_volumes(tmp_path):
    (path,) = bids.write_maps(tmp_path, {"m0s": [0.1, 0.2]})
    assert nifti.read(path)[0].shape == (2, 1, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"estimates": {"m0ss": 1.0}}, "did you mean 'm0s'"),
        ({"estimates": {}, "std": {"m0ss": 1.0}}, "a name in std"),
        ({"estimates": {}, "further": {"cost": 1.0}}, "a name in further"),
        ({"estimates": {"m0s": 1.0}, "prefix": "../sub-01"}, "prefix is"),
        ({"estimates": {"m0s": 1.0}, "prefix": "01"}, "prefix is"),
    ],
)
def test_unknown_names_are_refused(tmp_path, arguments, message):
    with pytest.raises(sb.InvalidParameter, match=message):
        bids.write_maps(tmp_path, **arguments)
    assert not os.listdir(tmp_path)


def test_a_full_disk_leaves_no_image_without_its_sidecar(tmp_path, monkeypatch):
    fill_disk(monkeypatch, n_files=5)
    with pytest.raises(OSError, match="No space left"):
        bids.write_maps(tmp_path, ESTIMATES, AFFINE)
    assert not list(tmp_path.rglob("*.tmp"))
    (image,) = tmp_path.rglob("*.nii.gz")
    assert image.with_name(image.name.replace(".nii.gz", ".json")).exists()
