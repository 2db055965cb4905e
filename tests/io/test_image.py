"""Images as a fit takes them: samples last, pairs joined, masks and maps on the grid of the data, units plausible."""

from contextlib import nullcontext

import numpy as np
import pytest
import spinbound as sb
from scipy.io import savemat
from spinbound.io import Image, bart, check_same_grid, nifti, read_complex, read_image, read_map, read_mask

RNG = np.random.default_rng(8)
DATA = (RNG.normal(size=(4, 3, 2, 5)) + 1j * RNG.normal(size=(4, 3, 2, 5))).astype(np.complex64)
REAL, IMAG, PHASE = DATA.real, DATA.imag, np.angle(DATA)
AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def nii(name, values):
    nifti.write(f"{name}.nii.gz", values, AFFINE)
    return f"{name}.nii.gz"


def images_of(**parts):
    """A file for each part."""
    return [nii(name, values) for name, values in parts.items()]


def saved(suffix):
    """The data as a file of that format."""
    if suffix.startswith(".nii"):
        nifti.write(f"data{suffix}", DATA, AFFINE)
    elif suffix == ".npz":
        np.savez("data.npz", data=DATA, echo=np.arange(5))
    elif suffix == ".mat":
        savemat("data.mat", {"data": DATA, "name": "scan"})
    else:  # coefficients lie along axis 6 in BART
        bart.write(f"data{suffix}", DATA.reshape(4, 3, 2, 1, 1, 1, 5))
    return f"data{suffix}"


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".npz", ".mat", ".cfl", ".hdr", ".ra"])
def test_complex_data_are_the_same_from_every_format(here, suffix):
    image = read_complex(saved(suffix))
    assert image.data.dtype == np.complex64
    assert np.array_equal(image.data, DATA)
    assert (image.shape, image.has_samples) == ((4, 3, 2), True)
    assert (image.affine is not None) == suffix.startswith(".nii")


def test_a_named_array_is_picked(here):
    np.savez("data.npz", first=DATA, second=2 * DATA)
    savemat("data.mat", {"first": DATA, "second": 2 * DATA})
    for file in ("data.npz:second", "data.mat:second"):
        assert np.array_equal(read_image(file).data, 2 * DATA)


@pytest.mark.parametrize("suffix", ["npz", "mat"])
def test_several_arrays_are_listed_where_none_is_named(here, suffix):
    arrays = {"first": DATA, "second": DATA}
    np.savez("data.npz", **arrays)
    savemat("data.mat", arrays)
    with pytest.raises(sb.InvalidData, match=rf"data\.{suffix}:NAME; the file has: first \(4, 3, 2, 5\), second"):
        read_image(f"data.{suffix}")
    with pytest.raises(sb.InvalidData, match=r"third; the file has: first, second"):
        read_image(f"data.{suffix}:third")


def test_a_file_without_images_is_refused(here):
    np.savez("data.npz", TR=3.5e-3)
    with pytest.raises(sb.InvalidData, match=r"the file has: TR \(\)"):
        read_image("data.npz")


def test_other_formats_are_refused(here):
    with pytest.raises(sb.InvalidData, match=r"scan\.dcm: images are read from \.nii, \.nii\.gz"):
        read_image("scan.dcm")


def test_an_affine_that_maps_nowhere_is_refused_unless_ignored(here, monkeypatch):
    file = nii("data", DATA)
    monkeypatch.setattr(nifti, "read", lambda _: (DATA, np.diag([2.0, 0.0, 3.0, 1.0])))
    with pytest.raises(sb.InvalidData, match=r"data\.nii\.gz: the affine is singular"):
        read_image(file)
    assert read_image(file, ignore_affine=True).affine is None


# Pairs


def test_real_and_imaginary_parts_are_joined_bit_for_bit(here):
    image = read_complex(images_of(real=REAL, imag=IMAG), "real-imag")
    assert image.data.tobytes() == DATA.tobytes()
    assert np.array_equal(image.affine, AFFINE)


@pytest.mark.parametrize(
    # in single precision: of magnitude, phase and product; a phase from zero to a turn is rounded more
    ("phase", "roundings"),
    [(PHASE, 3), (PHASE % (2 * np.pi), 6)],
    ids=["around zero", "from zero"],
)
def test_magnitude_and_phase_in_radians_are_joined(here, phase, roundings):
    image = read_complex(images_of(magnitude=np.abs(DATA), phase=phase), "magnitude-phase")
    assert image.data.dtype == np.complex64
    assert np.abs(image.data - DATA).max() <= roundings * np.finfo(np.float32).eps * np.pi * np.abs(DATA).max()


@pytest.mark.parametrize("span", [(-180, 180), (-4096, 4095), (0, 8)])
def test_a_phase_that_is_not_in_radians_is_refused(here, span):
    files = images_of(magnitude=np.abs(DATA), phase=np.linspace(*span, DATA.size).reshape(DATA.shape))
    with pytest.raises(sb.InvalidData, match=r"phase\.nii\.gz: .* looks like degrees or scanner units"):
        read_complex(files, "magnitude-phase")


@pytest.mark.parametrize(
    ("parts", "files", "message"),
    [
        ("magnitude-phase", {"magnitude": REAL, "phase": PHASE}, r"magnitude\.nii\.gz: a magnitude is negative"),
        ("complex", {"data": REAL}, r"holds real numbers.*use parts='real-imag' or 'magnitude-phase'"),
        ("real-imag", {"data": DATA, "phase": REAL}, r"holds complex numbers.*use parts='complex'"),
        ("real-imag", {"real": REAL, "imag": IMAG[:, :2]}, r"imag has another shape than real: real \(4, 3, 2, 5\)"),
    ],
)
def test_files_that_do_not_hold_their_parts_are_refused(here, parts, files, message):
    with pytest.raises(sb.InvalidData, match=message):
        read_complex(images_of(**files), parts)


@pytest.mark.parametrize(("files", "parts"), [(1, "real-imag"), (2, "complex"), (3, "magnitude-phase")])
def test_the_number_of_files_must_fit_the_parts(here, files, parts):
    with pytest.raises(sb.InvalidParameter, match=f"parts='{parts}' takes"):
        read_complex(["data.nii"] * files, parts)


# Masks and maps


@pytest.mark.parametrize("values", [[True, False], [255, 0], [0.25, 0.0], [-1, 0]])
def test_every_value_but_zero_includes_its_voxel(here, values):
    np.savez("mask.npz", mask=np.array([values]))
    image = read_mask("mask.npz")
    assert image.data.dtype == np.bool_
    assert image.data.tolist() == [[True, False]]


@pytest.mark.parametrize(
    ("values", "message"), [([[1.0, np.nan]], "holds NaN"), ([[1j, 0]], "must be booleans or numbers")]
)
def test_a_mask_that_leaves_doubt_is_refused(here, values, message):
    np.savez("mask.npz", mask=np.array(values))
    with pytest.raises(sb.InvalidData, match=rf"mask\.npz {message}"):
        read_mask("mask.npz")


def test_maps_are_converted_from_the_unit_that_is_named(here):
    B1, B0 = RNG.uniform(0.8, 1.2, (4, 3, 2)), RNG.normal(size=(4, 3, 2))
    np.savez("maps.npz", B1=100 * B1, B0=B0)
    assert read_map("maps.npz:B1", "B1", "%").data == pytest.approx(B1, rel=1e-15)
    assert np.array_equal(read_map("maps.npz:B0", "omega0").data, B0)
    assert read_map("maps.npz:B0", "omega0", "Hz").data == pytest.approx(2 * np.pi * B0, rel=1e-15)


def test_B1_in_percent_is_refused_with_the_unit_that_would_convert_it(here):
    background = np.zeros((4, 3, 4))
    background[..., 0] = RNG.uniform(80, 120, (4, 3))  # fewer voxels than the air around them
    with pytest.raises(sb.InvalidData, match=r"median of B1 is .*is it in %\? unit='%' would convert it"):
        read_map(nii("B1", background), "B1")
    assert read_map("B1.nii.gz", "B1", "%").data.max() < 1.2


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("B1.nii.gz", "B1", "rad"), sb.InvalidParameter, "the unit of B1 is 'rad'; allowed: 1, %"),
        (("B1.nii.gz", "B2"), sb.InvalidParameter, "B2"),
        (("data.nii.gz", "B1"), sb.InvalidData, r"data\.nii\.gz: a map of B1 holds real numbers"),
    ],
)
def test_a_map_that_makes_no_sense_is_refused(here, arguments, error, message):
    nii("B1", np.ones((4, 3, 2)))
    nii("data", DATA)
    with pytest.raises(error, match=message):
        read_map(*arguments)


# Grids


def test_images_of_one_grid_are_accepted():
    data = Image(DATA[:, :, :1], AFFINE, "data", has_samples=True)
    check_same_grid(
        {"data": data, "mask": Image(np.ones((4, 3)), None, "mask"), "B1": Image(np.ones((4, 3, 1)), AFFINE, "B1")}
    )


def test_another_shape_is_refused_with_all_shapes():
    images = {"data": Image(DATA, AFFINE, "d.nii", True), "mask": Image(np.ones((4, 2, 2)), AFFINE, "m.nii")}
    with pytest.raises(sb.InvalidData, match=r"data \(4, 3, 2\) \(d\.nii\), mask \(4, 2, 2\) \(m\.nii\)"):
        check_same_grid(images, ignore_affine=True)


@pytest.mark.parametrize(("shift", "agree"), [(0.1, True), (0.5, False)])
def test_grids_may_lie_a_tenth_of_a_voxel_apart(shift, agree):
    """Voxels have 2 mm: 0.1 mm is rounding of headers, 0.5 mm another scan."""
    moved = AFFINE.copy()
    moved[0, 3] += shift
    images = {"data": Image(DATA, AFFINE, "d.nii", True), "B1": Image(np.ones((4, 3, 2)), moved, "b.nii")}
    check_same_grid(images, ignore_affine=True)
    message = r"B1 lies elsewhere than data: affines data \[\[2\.0, 0\.0"
    with nullcontext() if agree else pytest.raises(sb.InvalidData, match=message):
        check_same_grid(images)


def test_a_turn_counts_at_the_far_corner():
    turned, angle = AFFINE.copy(), 2e-3
    turned[:2, :2] = 2 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    for width, agree in ((10, True), (1000, False)):
        first, second = (Image(np.ones((width, 2, 2)), affine, "x") for affine in (AFFINE, turned))
        with nullcontext() if agree else pytest.raises(sb.InvalidData, match="second lies elsewhere"):
            check_same_grid({"first": first, "second": second})
