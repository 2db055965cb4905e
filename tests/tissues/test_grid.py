"""Grids: all combinations in turn, beside parameters that are drawn."""

import numpy as np
import pytest
import spinbound as sb

T1A, B1 = (0.8, 1.2, 2.0), (0.9, 1.1)
GRID = sb.Prior(T1a=sb.Grid(T1A), m0s=sb.Uniform(0, 0.2), B1=sb.Grid(B1), T2f=sb.Uniform(0.01, "T1a"))


def test_the_first_named_grid_changes_slowest():
    tissue = GRID.sample(6)
    assert GRID.grid_shape == (3, 2)
    assert tissue["B1"].tolist() == [0.9, 1.1] * 3
    assert tissue["T1a"].tolist() == pytest.approx([0.8, 0.8, 1.2, 1.2, 2.0, 2.0], rel=1e-15)  # kept as 1/T1a
    turned = sb.Prior(B1=sb.Grid(B1), T1a=sb.Grid(T1A))
    assert turned.sample(6)["B1"].tolist() == [0.9] * 3 + [1.1] * 3


def test_combinations_repeat_from_any_tissue_on():
    for name in ("T1a", "B1"):
        values = np.roll(GRID.sample(6)[name], -4)
        for n, first in ((9, 4), (3, 6 * 10**15 + 4)):
            assert GRID.sample(n, first=first)[name].tolist() == np.resize(values, n).tolist()
    lone = sb.Prior(B1=sb.Grid(B1), T1a=sb.Grid(T1A))
    far = lone.sample(4, first=6 * 10**30 + 4)  # beyond all integers of 64 bits
    assert far["B1"].tolist() == [1.1, 1.1, 0.9, 0.9]


def test_every_combination_comes_once():
    prior = sb.Prior(m0s=sb.Grid(np.linspace(0, 0.3, 7)), B1=sb.Grid(np.linspace(0.7, 1.3, 11)), Rex=sb.Grid([3]))
    tissue = prior.sample(77)
    assert len({tuple(row) for row in np.stack([tissue[name] for name in prior.names], axis=1).tolist()}) == 77
    assert (tissue["m0s"].reshape(prior.grid_shape)[:, 0, 0] == np.linspace(0, 0.3, 7)).all()
    assert (tissue["Rex"] == 3).all()


def test_what_is_drawn_does_not_see_the_grids():
    drawn = sb.Prior(m0s=sb.Uniform(0, 0.2)).sample(50)
    assert (GRID.sample(50)["m0s"] == drawn["m0s"]).all()
    assert (GRID.sample(50, seed=1)["B1"] == GRID.sample(50)["B1"]).all()


def test_a_grid_may_limit_what_is_drawn():
    tissue = GRID.sample(600)
    assert GRID.bounds["T2f"] == (0.01, 2.0)
    assert (tissue["T2f"] <= tissue["T1a"]).all()
    assert tissue["T2f"].max() > 1.2


def test_the_order_of_several_grids_is_part_of_a_prior():
    for names, is_same in ((("B1", "T2f", "m0s", "T1a"), False), (("m0s", "T1a", "T2f", "B1"), True)):
        turned = sb.Prior(**{name: GRID[name] for name in names})
        assert (turned == GRID) == (turned.sha256 == GRID.sha256) == is_same


def test_a_truncated_grid_keeps_the_values_between_the_limits():
    assert GRID.truncated(T1a=(1, None))["T1a"] == sb.Grid([1.2, 2.0])
    assert GRID.truncated(T1a=(None, 1.2)).grid_shape == (2, 2)


def test_a_prior_without_grids_has_one_combination_of_none():
    assert sb.Prior.paper().grid_shape == ()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sb.Grid([]), "values must be a list of numbers; given shape"),
        (lambda: sb.Grid(1.0), "values must be a list of numbers; given shape"),
        (lambda: sb.Grid([1, np.nan]), "values must be finite; value 1 is not"),
        (lambda: sb.Grid(["a"]), "values must be real numbers"),
        (lambda: GRID.truncated(T1a=(1.3, 1.9)), "T1a: no value of the grid is between 1.3 and 1.9"),
        (lambda: sb.Prior(m0s=sb.Grid([0.1, 1.0])), "m0s of the prior is limited by 1; allowed: 0 <= m0s < 1"),
        (lambda: sb.Prior(**dict.fromkeys(["m0s", "Rex", "B1"], sb.Grid(np.linspace(0.1, 0.9, 300_000)))), "27000000"),
    ],
)
def test_a_grid_that_makes_no_sense_is_refused(make, message):
    with pytest.raises(sb.InvalidParameter, match=message):
        make()
