"""The six tubes: where they lie, what is in them, what is refused."""

import numpy as np
import pytest
import spinbound as sb

SLICE = sb.phantom.tubes((64, 80))


def test_there_are_six_tubes_that_do_not_touch():
    assert SLICE.names == tuple(SLICE.masks)
    assert len(SLICE.names) == 6
    assert sum(mask.astype(int) for mask in SLICE.masks.values()).max() == 1
    assert set(np.unique(SLICE.labels)) == set(range(8))


def test_masks_leave_out_the_border_of_their_tube():
    for label, mask in enumerate(SLICE.masks.values(), 2):
        tube = SLICE.labels == label
        assert mask.any()
        assert not (mask & ~tube).any()
        grown = mask.copy()
        for axis in (0, 1):
            grown |= np.roll(mask, 1, axis) | np.roll(mask, -1, axis)
        assert not (grown & ~tube).any()


def test_a_wider_margin_leaves_less():
    wide = sb.phantom.tubes((64, 80), margin=3)
    assert all(wide.masks[name].sum() < SLICE.masks[name].sum() for name in SLICE.names)


def test_more_protein_has_a_larger_pool_and_manganese_a_shorter_T2f():
    means = {name: [SLICE.tissue[name][mask].mean() for mask in SLICE.masks.values()] for name in ("m0s", "T2f", "T1a")}
    assert means["m0s"][:3] == sorted(means["m0s"][:3])
    assert means["m0s"][:3] == means["m0s"][3:]
    assert all(short < 0.6 * long for long, short in zip(means["T2f"][:3], means["T2f"][3:], strict=True))
    assert all(short < long for long, short in zip(means["T1a"][:3], means["T1a"][3:], strict=True))


def test_fields_vary_smoothly_between_the_limits_that_are_asked_for():
    tissue = sb.phantom.tubes((64, 64), B1_variation=0.2, omega0_variation=50).tissue
    assert (tissue["B1"].min(), tissue["B1"].max()) == pytest.approx((0.8, 1.2), abs=1e-3)  # no voxel in the middle
    assert (tissue["omega0"].min(), tissue["omega0"].max()) == (-50, 50)
    assert np.abs(np.diff(tissue["B1"])).max() < 0.03


def test_without_variations_the_fields_are_uniform():
    tissue = sb.phantom.tubes((64, 64), B1_variation=0, omega0_variation=0).tissue
    assert (tissue["B1"] == 1).all()
    assert (tissue["omega0"] == 0).all()


def test_there_is_no_signal_outside():
    assert (SLICE.tissue["M0"][~SLICE.inside] == 0).all()
    assert (SLICE.tissue["M0"][SLICE.inside] == 1).all()


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"shape": 64}, "shape must be two numbers"),
        ({"shape": (64, 10)}, "a length in shape must be an integer of at least 24"),
        ({"B1_variation": 1.0}, "B1_variation is 1; allowed: 0 <= B1_variation <= 0.9"),
        ({"omega0_variation": -1}, "omega0_variation is -1"),
        ({"margin": 20}, "margin is 20"),
    ],
)
def test_what_makes_no_phantom_is_refused(arguments, message):
    with pytest.raises(sb.InvalidParameter, match=message):
        sb.phantom.tubes(**arguments)
