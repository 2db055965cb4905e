"""Maps of fits: what is no value looks like none, and the status is told."""

import numpy as np
import pytest
import spinbound as sb
from matplotlib.colors import to_rgb
from spinbound import plot
from spinbound.plot.maps import UNIDENTIFIABLE

from tests.support.figures import drawn, legend_of

RNG = np.random.default_rng(11)
MASK = np.zeros((12, 10), bool)
MASK[2:9, 3:8] = True
MAPS = {"M0": RNG.normal(size=MASK.shape) + 1j, "m0s": RNG.uniform(0.05, 0.2, MASK.shape)}
LEVELS = {0: "converged", 3: "at a bound", 10: "outside the mask"}


def panels(figure):
    """The panels of maps, without their colour bars."""
    return [axes for axes in figure.axes if axes.images]


def colours(panel):
    """The colour of each voxel, as the images of a panel lie upon each other; white where there is none."""
    shown = np.ones((*np.shape(panel.images[0].get_array()), 3))
    for image in panel.images:
        layer = image.to_rgba(image.get_array())
        shown = np.where(layer[..., 3:] > 0, layer[..., :3], shown)
    return shown


def test_each_parameter_and_the_status_has_a_panel():
    figure = drawn(plot.fit_maps(MAPS, mask=MASK, status=np.where(MASK, 0, 10), levels=LEVELS, title="a title"))
    assert len(panels(figure)) == 3
    labels = [axes.get_xlabel() for axes in figure.axes]
    assert [label for label in labels if label] == ["$|M_0|$", "$m_0^s$"]
    assert figure.get_suptitle() == "a title"


def test_colours_are_of_the_values_in_the_mask():
    values = np.where(MASK, MAPS["m0s"], 1e6)
    (panel,) = panels(plot.fit_maps({"m0s": values}, mask=MASK))
    assert panel.images[-1].get_clim() == tuple(np.percentile(MAPS["m0s"][MASK], (3, 97)))


def test_voxels_outside_the_mask_are_white_and_those_without_a_result_grey():
    values = MAPS["m0s"].copy()
    values[4, 5] = np.nan
    values[5, 5] = MAPS["m0s"][MASK].min() / 2
    (panel,) = panels(plot.fit_maps({"m0s": values}, mask=MASK))
    shown = colours(panel)  # rows and columns of the mask with a margin of three voxels
    assert shown.shape[:2] == (12, 10)
    assert (shown[~MASK] == 1).all()
    assert np.allclose(shown[4, 5], to_rgb(UNIDENTIFIABLE), atol=1 / 255)
    small = shown[5, 5]
    assert not np.allclose(small, 1, atol=0.1)
    assert not np.allclose(small, to_rgb(UNIDENTIFIABLE), atol=0.1)


def test_the_border_of_the_mask_is_drawn_only_where_it_has_one():
    (with_border,) = panels(plot.fit_maps({"m0s": MAPS["m0s"]}, mask=MASK))
    (without,) = panels(plot.fit_maps({"m0s": MAPS["m0s"]}))
    assert (len(with_border.collections), len(without.collections)) == (1, 0)


def test_the_legend_counts_voxels_of_each_status():
    status = np.where(MASK, 0, 10)
    status[3, 4] = 3
    figure = plot.fit_maps({"m0s": np.where(status == 3, np.nan, 0.1)}, mask=MASK, status=status, levels=LEVELS)
    assert legend_of(figure) == ["34 converged", "1 at a bound", "in maps: no result"]


def test_voxels_at_limits_are_told_above_their_panel():
    counts = {"m0s": (1200, 3), "M0": (0, 0)}
    for maps, mask in ((MAPS, MASK), ({name: values[0] for name, values in MAPS.items()}, None)):
        figure = plot.fit_maps(maps, mask=mask, bound_counts=counts)
        titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
        assert titles == ["1,200 at its lower limit, 3 at its upper limit"]


def test_a_volume_is_cut_in_its_middle():
    values = np.broadcast_to(np.arange(5.0), (12, 10, 5))
    (panel,) = panels(plot.fit_maps({"m0s": values}))
    assert (np.asarray(panel.images[-1].get_array()) == 2).all()


def test_a_list_of_voxels_becomes_dots():
    figure = plot.fit_maps({name: values[0] for name, values in MAPS.items()})
    assert [np.size(axes.lines[0].get_ydata()) for axes in figure.axes] == [10, 10]


@pytest.mark.parametrize("mask", [np.zeros((12, 10), bool), np.ones((12, 10), bool)])
def test_maps_without_any_value_are_drawn(mask):
    empty = np.full((12, 10), np.nan)
    assert drawn(plot.fit_maps({"m0s": empty}, mask=mask, status=np.full((12, 10), 10))).axes


@pytest.mark.parametrize(
    ("maps", "options", "message"),
    [
        ({}, {}, "given none"),
        ({"m0s": np.ones((3, 4))}, {"mask": np.ones((3, 5))}, r"m0s \(3, 4\), mask \(3, 5\)"),
        ({"m0s": np.ones((3, 4))}, {"status": np.ones(3)}, r"status \(3,\)"),
    ],
)
def test_shapes_must_agree(maps, options, message):
    with pytest.raises(sb.InvalidParameter, match=message):
        plot.fit_maps(maps, **options)
