"""Tissues as values: names, ranges, voxels."""

import copy
import pickle
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
import spinbound as sb
from hypothesis import given
from spinbound.base.parameters import PARAMETERS

from tests.support.strategies import tissues


def test_what_is_left_out_is_white_matter():
    tissue = sb.Tissue()
    assert tissue.shape == ()
    assert tissue.as_dict() == {
        "M0": 1, "m0s": 0.15, "R1f": 0.5, "R2f": 15, "Rex": 30, "R1s": 3, "T2s": 10e-6, "omega0": 0, "B1": 1,
    }  # fmt: skip


def test_parameters_broadcast_but_are_stored_as_given():
    tissue = sb.Tissue(m0s=np.full((4, 1), 0.1), R1f=[1.0, 2.0, 3.0])
    assert tissue.shape == (4, 3)
    assert tissue.size == 12
    assert tissue["m0s"].shape == (4, 1)
    assert tissue["R2f"].shape == ()


def test_times_become_rates_and_can_be_read_back():
    tissue = sb.Tissue(T1f=2.0, T1s=0.25, T2f=[0.05, 0.1])
    assert (tissue["R1f"], tissue["R1s"]) == (0.5, 4)
    assert tissue["R2f"].tolist() == [20, 10]
    assert tissue["T2f"].tolist() == [0.05, 0.1]
    assert (tissue["T1f"], tissue["T1s"]) == (2, 0.25)


@pytest.mark.parametrize("given_as", [{"R1a": 0.8}, {"T1a": 1.25}])
def test_apparent_relaxation_is_that_of_both_pools(given_as):
    tissue = sb.Tissue(**given_as)
    assert tissue["R1f"] == tissue["R1s"] == tissue["R1a"] == 0.8
    assert tissue["T1a"] == 1.25


def test_apparent_relaxation_of_invalid_voxels_need_not_agree():
    tissue = sb.Tissue(R1f=[1, 1, np.nan, -3], R1s=[1, np.inf, 2, 4])
    assert tissue["R1a"][:2].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("m0s", 1, "0 <= m0s < 1"),
        ("m0s", -0.1, "0 <= m0s < 1"),
        ("R1f", 0, r"0 < R1f <= 1e\+06 1/s"),
        ("R2f", -1, r"0 < R2f <= 1e\+06 1/s"),
        ("R1s", np.inf, r"0 < R1s <= 1e\+06 1/s"),
        ("R1a", 1.1e6, r"0 < R1a <= 1e\+06 1/s"),
        ("Rex", -1, r"0 <= Rex <= 1e\+06 1/s"),
        ("T2s", 1e-6, "2e-06 <= T2s <= 5e-05 s"),
        ("T2s", 60e-6, "2e-06 <= T2s <= 5e-05 s"),
        ("omega0", np.nan, "-100000 <= omega0 <= 100000 rad/s"),
        ("omega0", -1.1e5, "-100000 <= omega0 <= 100000 rad/s"),
        ("B1", 0, "B1 > 0"),
        ("M0", complex(0, np.inf), "M0 finite"),
        ("T1a", 0, "T1a >= 1e-06 s"),
        ("T2f", -0.1, "T2f >= 1e-06 s"),
        ("T2f", 1e-320, "T2f >= 1e-06 s"),  # its reciprocal is more than a double can hold
        ("B1", np.ma.masked, "B1 > 0"),
    ],
)
def test_a_number_out_of_range_is_refused_at_once(name, value, allowed):
    with pytest.raises(sb.InvalidParameter, match=f"^{name} is .*; allowed: {allowed}"):
        sb.Tissue(**{name: value})


def test_an_entry_out_of_range_is_kept_for_the_call_to_mark():
    tissue = sb.Tissue(m0s=[0.1, 1.5, np.nan], T2f=[0.1, 0, -1])
    assert tissue.shape == (3,)


def test_the_shortest_time_is_that_of_the_fastest_rate():
    assert sb.Tissue(T1a=1e-6, T2f=1e-6)["R2f"] == 1e6
    rates = sb.Tissue(T2f=[1e-6, 0.9e-6, 1e-320, 0])["R2f"]
    assert PARAMETERS["R2f"].contains(rates).tolist() == [True, False, False, False]


def test_masked_entries_become_invalid_voxels():
    tissue = sb.Tissue(B1=np.ma.array([1.0, 0.9], mask=[False, True]))
    assert np.array_equal(tissue["B1"], [1, np.nan], equal_nan=True)


@pytest.mark.parametrize("value", [True, "0.1", 1j, None, [0.1, None]])
def test_what_is_no_real_number_is_refused(value):
    with pytest.raises(sb.InvalidParameter, match="m0s must be real numbers"):
        sb.Tissue(m0s=value)


def test_a_few_wild_entries_do_not_make_a_map_of_B1_percent():
    assert sb.Tissue(B1=[1.0, 0.9, 1.1, 1e6, np.inf, 80.0]).shape == (6,)
    assert sb.Tissue(B1=[1.0, np.inf, np.inf, np.nan]).shape == (4,)


def test_arrays_are_copied_and_read_only():
    m0s = np.full(3, 0.1)
    tissue = sb.Tissue(m0s=m0s)
    m0s[0] = 0.2
    assert tissue["m0s"][0] == 0.1
    with pytest.raises(ValueError, match="read-only"):
        tissue["m0s"][0] = 0.3


def test_a_tissue_is_frozen():
    with pytest.raises(FrozenInstanceError):
        sb.Tissue().shape = (3,)


def test_voxels_are_selected_by_index_and_mask():
    tissue = sb.Tissue(m0s=np.linspace(0, 0.3, 12).reshape(3, 4), B1=np.linspace(0.8, 1.2, 4), T2s=12e-6)
    assert tissue[1].shape == (4,)
    assert tissue[:, 2]["B1"].tolist() == [tissue["B1"][2]] * 3
    mask = tissue["m0s"] > 0.2
    assert tissue[mask]["m0s"].tolist() == tissue["m0s"][mask].tolist()
    assert tissue[mask]["T2s"].shape == ()
    assert tissue[2, 3] == sb.Tissue(m0s=0.3, B1=1.2, T2s=12e-6)


def test_a_masked_mask_selects_no_masked_voxel():
    tissue = sb.Tissue(m0s=[0.1, 0.2, 0.3])
    mask = np.ma.array([True, True, False], mask=[False, True, False])
    assert tissue[mask]["m0s"].tolist() == [0.1]


def test_selecting_an_invalid_voxel_raises_nothing():
    assert np.isnan(sb.Tissue(m0s=[0.1, np.nan])[1]["m0s"])


@pytest.mark.parametrize("index", [0, ..., True])
def test_a_single_voxel_cannot_be_indexed(index):
    with pytest.raises(IndexError, match="single voxel"):
        sb.Tissue()[index]


def test_iteration_ends():
    assert [voxel["m0s"] for voxel in sb.Tissue(m0s=[0.1, 0.2])] == [0.1, 0.2]


def test_replacing_a_parameter_leaves_the_others():
    tissue = sb.Tissue(m0s=[0.1, 0.2], T1a=1.25)
    changed = tissue.replace(B1=[[0.9], [1.1]], T2f=0.1)
    assert changed.shape == (2, 2)
    assert changed["R2f"] == 10
    assert changed["R1a"] == 0.8
    assert tissue["B1"] == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        # two names for one thing
        (lambda: sb.Tissue(R1a=1.0, R1f=1.0), "R1a determines R1f"),
        (lambda: sb.Tissue(T1a=1.0, R1s=1.0), "T1a determines R1s"),
        (lambda: sb.Tissue(R1a=1.0, T1a=1.0), "determines R1f and R1s"),
        (lambda: sb.Tissue(T2f=1.0, R2f=1.0), "T2f determines R2f"),
        (lambda: sb.Tissue(T1s=1.0, R1s=1.0), "T1s determines R1s"),
        (lambda: sb.Tissue().replace(R1a=1, R1s=2), "R1a determines R1s"),
        # no names, or names of nothing
        (lambda: sb.Tissue(mos=0.1), r"'mos' \(did you mean 'm0s'\?\)"),
        (lambda: sb.Tissue.from_dict(None), "values must be a mapping of names to numbers; given NoneType"),
        (lambda: sb.Tissue.from_dict([("m0s", 0.1)]), "values must be a mapping"),
        (lambda: sb.Tissue.from_dict({1: 0.1}), "a name in values is 1; allowed: M0, m0s"),
        (lambda: sb.Tissue.from_dict({"mos": 0.1}), r"a name in values is 'mos' \(did you mean 'm0s'"),
        (lambda: sb.Tissue(R1f=[1, 1], R1s=[np.nan, 2])["R1a"], "R1a is not defined"),
        (lambda: sb.Tissue(R1f=1, R1s=2)["T1a"], "T1a is not defined where R1f and R1s differ"),
        # no values
        (lambda: sb.Tissue().replace(m0s=2), "0 <= m0s < 1"),
        (lambda: sb.Tissue(m0s=[0.1, 0.2], B1=[1, 1, 1]), r"m0s \(2,\), B1 \(3,\)"),
        (lambda: sb.Tissue(B1=np.full((4, 4), 100.0)), "looks like percent"),
    ],
)
def test_what_makes_no_tissue_is_refused(make, message):
    with pytest.raises(sb.InvalidParameter, match=message):
        make()


@given(tissues(shape=(2, 3)))
def test_a_tissue_survives_every_way_of_copying(tissue):
    assert sb.Tissue.from_dict(tissue.as_dict()) == tissue
    assert pickle.loads(pickle.dumps(tissue)) == tissue
    assert copy.deepcopy(tissue) == tissue


def test_invalid_voxels_survive_copying():
    voxel = sb.Tissue(m0s=[0.1, np.nan])[1]
    copied = pickle.loads(pickle.dumps(voxel))
    assert copied == voxel
    assert not copied["m0s"].flags.writeable


def test_equality_is_of_values():
    assert sb.Tissue(m0s=[0.1, 0.2]) == sb.Tissue(m0s=[0.1, 0.2], B1=np.ones(2))
    assert sb.Tissue(m0s=[0.1, 0.2]) != sb.Tissue(m0s=[0.1, 0.3])
    assert sb.Tissue(m0s=[0.1, 0.1]) != sb.Tissue(m0s=0.1)
    assert sb.Tissue() != "tissue"


def test_the_text_of_a_tissue_tells_its_ranges():
    text = repr(sb.Tissue(m0s=[0.1, np.nan, 0.2], M0=1j))
    assert text.startswith("Tissue(M0=0+1j, m0s=<0.1 to 0.2, shape (3,)>, R1f=0.5")
