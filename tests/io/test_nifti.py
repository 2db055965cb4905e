"""NIfTI: round trips bit for bit, complex numbers kept, and no file believed beyond what it holds."""

import gzip
import os
import struct
import sys

import nibabel
import numpy as np
import pytest
import spinbound as sb
from spinbound.io import nifti

from tests.support.disks import fill_disk, limited_files

# Voxels of 2 x 2.5 x 5 mm, turned by an angle with sine 0.6 and cosine 0.8
AFFINE = np.array([[-2.0, 0, 0, 90], [0, 2.0, -3.0, -126], [0, 1.5, 4.0, -72], [0, 0, 0, 1]])
RNG = np.random.default_rng(5)
MAP = RNG.normal(size=(4, 3, 2)).astype(np.float32)

# Places in the header of NIfTI-1: https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h
DIM, DATATYPE, VOX_OFFSET, SLOPE, INTERCEPT, MAGIC = 40, 70, 108, 112, 116, 344


def forged(path, place, *values, form, image=MAP):
    """A .nii whose header says something else at a place."""
    nifti.write(path, image, AFFINE)
    content = bytearray(path.read_bytes())
    struct.pack_into(f"<{form}", content, place, *values)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("dtype", [np.float32, np.complex64, np.uint8, np.int16, np.int32])
@pytest.mark.parametrize("shape", [(5,), (4, 3), (4, 3, 2), (4, 3, 2, 6)])
def test_a_round_trip_gives_the_same_bits(tmp_path, suffix, dtype, shape):
    values = (RNG.normal(size=shape) * 100 + 1j * RNG.normal(size=shape)).astype(np.complex64)
    values = values if dtype == np.complex64 else np.abs(values.real).astype(dtype)
    values.flat[0] = np.iinfo(dtype).max if np.dtype(dtype).kind in "iu" else np.nan
    nifti.write(tmp_path / f"map{suffix}", values, AFFINE)
    read, affine = nifti.read(tmp_path / f"map{suffix}")
    assert (read.dtype, read.shape) == (values.dtype, shape)
    assert read.tobytes() == values.tobytes()
    assert np.array_equal(affine, AFFINE)


def test_nibabel_reads_what_is_written(tmp_path):
    nifti.write(tmp_path / "map.nii.gz", MAP, AFFINE)
    image = nibabel.load(tmp_path / "map.nii.gz")
    assert np.array_equal(np.asanyarray(image.dataobj), MAP)
    assert np.array_equal(image.get_sform(), AFFINE)
    assert image.get_qform() == pytest.approx(AFFINE, abs=1e-5)  # a quaternion in single precision, times 5 mm
    assert image.header.get_xyzt_units() == ("mm", "sec")
    assert struct.unpack_from("<ff", gzip.decompress((tmp_path / "map.nii.gz").read_bytes()), SLOPE) == (1, 0)


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("order", ["<", ">"])
def test_images_of_nibabel_are_read(tmp_path, kind, order):
    values = (MAP + 2j * MAP).astype(np.complex128)
    header = kind.header_class(endianness=order)
    header.set_data_dtype(values.dtype)
    image = kind(values, AFFINE, header)
    image.to_filename(tmp_path / "image.nii.gz")
    read, affine = nifti.read(tmp_path / "image.nii.gz")
    assert read.dtype.kind == "c"
    assert np.array_equal(read, values)
    assert np.array_equal(affine, AFFINE)


def test_scaled_integers_are_scaled(tmp_path):
    integers = np.arange(24).reshape(4, 3, 2)
    path = forged(tmp_path / "scaled.nii", SLOPE, 0.5, -1, form="ff", image=integers)
    assert np.array_equal(nifti.read(path)[0], integers * 0.5 - 1)


def test_equal_images_give_equal_files(tmp_path):
    for name in ("first.nii.gz", "second.nii.gz"):
        nifti.write(tmp_path / name, MAP, AFFINE)
    assert (tmp_path / "first.nii.gz").read_bytes() == (tmp_path / "second.nii.gz").read_bytes()


def test_long_axes_take_the_second_version_of_the_format(tmp_path):
    voxels = np.arange(40_000)
    nifti.write(tmp_path / "long.nii", voxels)
    assert (tmp_path / "long.nii").read_bytes()[:4] == struct.pack("<i", 540)
    assert np.array_equal(nifti.read(tmp_path / "long.nii")[0], voxels)


@pytest.mark.parametrize(
    ("name", "image", "message"),
    [
        # values that would change
        ("map.nii", [np.array([1e39, np.nan])], r"values up to 1e\+39 do not fit single"),
        ("map.nii", [np.array([2**40])], "do not fit 32 bits"),
        ("map.nii", [np.array(["a"])], "must be numbers"),
        # affines that map nowhere
        ("map.nii", [MAP, np.zeros((4, 4))], r"map\.nii: the affine"),
        ("map.nii", [MAP, np.full((4, 4), np.nan)], r"map\.nii: the affine"),
        ("map.nii", [MAP, np.eye(3)], r"map\.nii: the affine"),
        ("map.img", [MAP], r"map\.img: an image is saved as"),
    ],
)
def test_what_cannot_be_stored_is_refused(tmp_path, name, image, message):
    with pytest.raises(sb.InvalidData, match=message):
        nifti.write(tmp_path / name, *image)
    assert not os.listdir(tmp_path)


# Files that lie or are damaged


@pytest.mark.parametrize(
    ("place", "form", "values", "message"),
    [
        (DIM, "8h", (3, 32767, 32767, 32767, 1, 1, 1, 1), r"the image claims \d+ bytes, the file holds"),
        (DIM, "8h", (7, *[32767] * 7), r"the image claims \d+ bytes, the file holds"),
        (DIM, "8h", (3, 4, -3, 2, 1, 1, 1, 1), "header's dim"),
        (DIM, "8h", (3, 4, 0, 2, 1, 1, 1, 1), "header's dim"),
        (DIM, "8h", (0, 4, 3, 2, 1, 1, 1, 1), "header's dim"),
        (DIM, "8h", (9, 4, 3, 2, 1, 1, 1, 1), "header's dim"),
        (SLOPE, "f", (np.nan,), "scl_slope is nan"),
        (INTERCEPT, "f", (np.inf,), "scl_inter inf"),
        (VOX_OFFSET, "f", (np.nan,), "vox_offset"),
        (VOX_OFFSET, "f", (-8,), "vox_offset"),
        (VOX_OFFSET, "f", (1e30,), "vox_offset"),
        (DATATYPE, "h", (128,), "not numbers"),
        (MAGIC, "4s", (b"ni1\0",), "file of its own"),
        (0, "i", (77,), "no NIfTI image"),
    ],
)
def test_a_header_that_makes_no_sense_is_refused(tmp_path, place, form, values, message):
    with pytest.raises(sb.InvalidData, match=rf"map\.nii: .*{message}"):
        nifti.read(forged(tmp_path / "map.nii", place, *values, form=form))


def test_an_unknown_type_of_voxels_is_named(tmp_path):
    with pytest.raises(OSError, match=r"map\.nii: cannot be read.*777"):
        nifti.read(forged(tmp_path / "map.nii", DATATYPE, 777, form="h"))


def test_what_unpacks_to_more_than_most_of_the_memory_is_refused_unread(tmp_path, monkeypatch):
    nifti.write(tmp_path / "map.nii.gz", np.zeros((100, 100, 100)))
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 1, "SC_PHYS_PAGES": 1 << 20}.__getitem__, raising=False)
    with pytest.raises(sb.InvalidData, match=r"claims 4000352 bytes, only \d+ may be allocated"):
        nifti.read(tmp_path / "map.nii.gz")


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9])
def test_a_truncated_image_is_named(tmp_path, suffix, keep):
    path = tmp_path / f"map{suffix}"
    nifti.write(path, RNG.normal(size=(9, 9, 9)), AFFINE)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises((OSError, sb.InvalidData), match=path.name):
        nifti.read(path)


def test_every_flipped_bit_of_a_packed_image_is_found(tmp_path):
    """Or it changes nothing: the time in the header, padding, one code for another of the same meaning."""
    path = tmp_path / "map.nii.gz"
    nifti.write(path, MAP, AFFINE)
    content, n_found = path.read_bytes(), 0
    for bit in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        try:
            values, affine = nifti.read(path)
        except (OSError, sb.InvalidData):
            n_found += 1
        else:
            assert values.tobytes() == MAP.tobytes()
            assert np.array_equal(affine, AFFINE)
    assert n_found > 0.9 * 8 * len(content)


def test_a_full_disk_leaves_the_old_image_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "map.nii.gz"
    nifti.write(path, MAP, AFFINE)
    fill_disk(monkeypatch)
    with pytest.raises(OSError, match="No space left") as failed:
        nifti.write(path, 2 * MAP, AFFINE)
    assert failed.value.filename == str(path)
    assert os.listdir(tmp_path) == [path.name]
    assert np.array_equal(nifti.read(path)[0], MAP)


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_a_write_that_stops_in_the_middle_leaves_nothing(tmp_path):
    path = tmp_path / "map.nii"
    with limited_files(10_000), pytest.raises(OSError, match="File too large") as failed:
        nifti.write(path, np.ones((50, 50, 50)))
    assert failed.value.filename == str(path)
    assert not os.listdir(tmp_path)
