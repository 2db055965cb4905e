"""What `spinbound fit` and `spinbound estimate` have in common: images in, maps out as the library makes them."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from spinbound.cli.main import main
from spinbound.io import nifti

from tests.support.commands import failure, report
from tests.support.map_commands import AFFINE, ESTIMATE, FIT, MOVED


@pytest.fixture(params=[FIT, ESTIMATE], ids=["fit", "estimate"])
def tool(request, tmp_path, monkeypatch):
    """Each of the commands, in a working directory with its data."""
    request.param.prepare(tmp_path, monkeypatch)
    return request.param


@pytest.fixture
def no_work(tool, monkeypatch):
    """Refusals come before the work."""
    monkeypatch.setattr(tool.works, None)


# Results


def test_maps_are_what_the_library_makes(tool):
    assert main([*tool.words, "--mask", "mask.nii.gz", "--sigma", str(tool.sigma)]) == 0
    result = tool.compute(tool.data, mask=tool.mask, sigma=tool.sigma)
    for name, values in tool.maps(result).items():
        image, affine = nifti.read(tool.anat / f"sub-01_{name}.nii.gz")
        assert np.array_equal(affine, AFFINE)
        assert np.array_equal(image, values.astype(image.dtype), equal_nan=True)
    assert np.isnan(tool.read()[~tool.mask]).all()
    assert len(list(tool.anat.glob("*.nii.gz"))) == len(list(tool.anat.glob("*.json")))
    assert Path(f"spinbound-{tool.name}.png").read_bytes().startswith(b"\x89PNG")


def test_a_npz_file_holds_the_same_in_double_precision(tool):
    np.savez("data.npz", data=tool.data)
    assert main(tool.of("data.npz")) == 0
    result = tool.compute(tool.data)
    with np.load(f"{tool.name}.npz", allow_pickle=False) as written:
        for name, values in result.as_arrays().items():
            assert np.array_equal(written[name], values, equal_nan=True)
        assert json.loads(str(written["provenance"]))[tool.named] == list(getattr(result, tool.named))
    assert Path(f"{tool.name}.png").exists()
    assert not tool.anat.exists()


@pytest.mark.parametrize(("option", "parts"), [("--imag", (np.real, np.imag)), ("--phase", (np.abs, np.angle))])
def test_a_pair_of_files_is_as_good_as_complex_data(tool, option, parts):
    for name, part in zip(("first", "second"), parts, strict=True):
        nifti.write(f"{name}.nii.gz", part(tool.data), AFFINE)
    assert main([*tool.of("first.nii.gz"), option, "second.nii.gz", "-o", "pair.npz"]) == 0
    result = tool.compute(tool.data)
    with np.load("pair.npz") as file:
        pair = dict(file)
    for name in getattr(result, tool.named):
        assert (np.abs(pair[name] - result.estimates[name]) <= tool.tolerance(result, name)).all()


# What is told


def test_a_table_counts_the_statuses(tool, capsys):
    assert main([*tool.words, "--mask", "mask.nii.gz"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"outside the mask +2\n", out)
    counts = [int(n) for n in re.findall(r"^(?:converged|estimated).*? +(\d+) +[\d.]+ %$", out, re.MULTILINE)]
    assert sum(counts) == tool.mask.sum()
    assert f"wrote spinbound-{tool.name} and spinbound-{tool.name}.png" in out


def test_voxels_without_a_result_are_told_by_the_exit_status(tool, capsys):
    broken = tool.data.copy()
    broken[1, 1, 1, 3], broken[2, 1, 1] = np.nan, 0
    nifti.write("data.nii.gz", broken, AFFINE)
    told = report(tool.words, capsys, status=3)
    assert (told["status"]["not_finite"], told["status"]["no_data"], told["voxels"]) == (1, 1, tool.mask.size - 1)
    assert all(Path(path).exists() for path in told["written"])
    assert np.isnan(tool.read()).sum() == np.isnan(tool.read()[[1, 2], 1, 1]).sum() == 2


def test_an_empty_mask_is_warned_of_and_leaves_complete_maps(tool, capsys):
    nifti.write("mask.nii.gz", np.zeros_like(tool.mask), AFFINE)
    assert main([*tool.words, "--mask", "mask.nii.gz"]) == 0
    captured = capsys.readouterr()
    assert "the mask is empty" in captured.err
    assert re.search(rf"outside the mask +{tool.mask.size}\n", captured.out)
    assert np.isnan(tool.read()).all()


# What is refused


@pytest.mark.parametrize(
    ("status", "arguments", "message"),
    [
        (1, ["--mask", "small.nii.gz"], "mask has another shape than data: data {shape}"),
        (1, ["--mask", "moved.nii.gz"], "mask lies elsewhere than data"),
        (1, ["--mask", "absent.nii.gz"], "absent.nii.gz: No such file"),
        (1, ["--imag", "absent.nii.gz"], "absent.nii.gz: No such file"),
        (2, ["--imag", "a.nii", "--phase", "b.nii"], "--imag and --phase"),
        (2, ["-o", "maps.nii.gz"], "the output is a folder with a name, or a .npz file"),
        (2, ["-o", "."], ".: the output is a folder with a name, or a .npz file"),
        (2, ["--sigma", "0"], "--sigma"),
    ],
)
def test_what_does_not_fit_together_is_refused(tool, capsys, no_work, status, arguments, message):
    nifti.write("small.nii.gz", tool.mask[:2], AFFINE)
    nifti.write("moved.nii.gz", tool.mask, MOVED)
    assert message.format(shape=tool.mask.shape) in failure([*tool.words, *arguments], capsys, status)
    assert not tool.anat.exists()


def test_affines_are_ignored_on_request(tool):
    nifti.write("moved.nii.gz", tool.mask, MOVED)
    assert main([*tool.words, "--mask", "moved.nii.gz", "--ignore-affine"]) == 0


def test_real_data_need_their_other_part(tool, capsys, no_work):
    nifti.write("data.nii.gz", np.abs(tool.data), AFFINE)
    assert "--imag or --phase" in failure(tool.words, capsys)


def test_maps_that_exist_stay_unless_overwritten(tool, capsys, monkeypatch):
    assert main(tool.words) == 0
    path = tool.anat / f"sub-01_{tool.map}.nii.gz"
    before, values = path.read_bytes(), tool.read()
    with monkeypatch.context() as patch:
        patch.setattr(tool.works, None)
        assert "exists" in failure(tool.words, capsys)
    assert path.read_bytes() == before
    path.write_bytes(b"of an earlier run")
    nifti.write("data.nii.gz", 2 * tool.data, AFFINE)
    assert main([*tool.words, "--overwrite"]) == 0
    # the tissue is the same, but for the rounding of data in single precision
    assert tool.read() == pytest.approx(values, rel=1e-5)
