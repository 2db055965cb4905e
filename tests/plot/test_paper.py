"""Estimators side by side: boxes of regions, maps on one scale, curves of trainings."""

import numpy as np
import pytest
import spinbound as sb
from spinbound import plot

from tests.support.figures import drawn, legend_of

RNG = np.random.default_rng(5)
SHAPE = (12, 14)
LEFT, RIGHT = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
LEFT[2:6, 2:6], RIGHT[2:6, 8:12] = True, True
TRUTH = {"m0s": np.where(LEFT, 0.1, 0.2), "T2f": np.where(LEFT, 0.05, 0.1)}
ESTIMATES = {
    label: {name: values * RNG.normal(1, 0.05, SHAPE) for name, values in TRUTH.items()} for label in ("one", "other")
}


def test_each_region_has_a_box_of_each_estimator_and_the_truth():
    figure = drawn(plot.region_boxes(ESTIMATES, {"left": LEFT, "right": RIGHT}, truth=TRUTH, title="a title"))
    assert legend_of(figure) == ["one", "other", "truth"]
    for panel, name, scale in zip(figure.axes, TRUTH, (1, 1e3), strict=True):
        assert len(panel.patches) == 4
        (truth,) = panel.collections
        assert sorted(path[0, 1] for path in truth.get_segments()) == pytest.approx(
            [scale * TRUTH[name].min(), scale * TRUTH[name].max()]
        )
    assert [text.get_text() for text in figure.axes[-1].get_xticklabels()] == ["left", "right"]


def test_boxes_are_of_the_finite_estimates_in_the_region():
    maps = {"m0s": np.where(RIGHT, 0.5, 0.1)}
    maps["m0s"][2, 2] = np.nan
    figure = plot.region_boxes({"one": maps}, {"left": LEFT})
    (box,) = figure.axes[0].patches
    assert set(box.get_path().vertices[:4, 1]) == {0.1}


def test_maps_of_one_parameter_share_the_scale_of_the_first():
    figure = drawn(plot.compared_maps(ESTIMATES, mask=LEFT | RIGHT, notes={"one": {"m0s": "a note"}}))
    panels = [axes for axes in figure.axes if len(axes.images) == 2]
    limits = [panel.images[-1].get_clim() for panel in panels]
    expected = tuple(np.percentile(ESTIMATES["one"]["m0s"][LEFT | RIGHT], (3, 97)))
    assert limits[:2] == [expected, expected]
    assert limits[2] == limits[3] != limits[0]
    assert [panel.get_title() for panel in panels] == ["one\na note", "other", "", ""]


def test_convergence_marks_the_loss_of_an_efficient_estimator():
    curve = {"epoch": np.arange(1, 4), "loss": np.array([30, 4, 1.2])}
    histories = {"CRB loss": {"training": curve, "validation": curve}, "MSE loss": {"training": curve}}
    figure = drawn(plot.convergence(histories))
    assert [len(panel.lines) for panel in figure.axes] == [3, 1]
    assert figure.axes[0].lines[-1].get_ydata() == [1, 1]


@pytest.mark.parametrize(
    "draw, message",
    [
        (lambda: plot.convergence({}), "histories is empty"),
        (lambda: plot.region_boxes({}, {"left": LEFT}), "of the same parameters"),
        (lambda: plot.region_boxes(ESTIMATES, {}), "masks is empty"),
        (lambda: plot.compared_maps({"one": ESTIMATES["one"], "other": {"m0s": TRUTH["m0s"]}}), "same parameters"),
    ],
)
def test_what_cannot_be_compared_is_refused(draw, message):
    with pytest.raises(sb.InvalidParameter, match=message):
        draw()
