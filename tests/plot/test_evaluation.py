"""Figures of report cards show the numbers of the report cards."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import spinbound as sb
from spinbound import plot
from spinbound.plot.evaluation import BINS

from tests.support.evaluations import BOUND, NAMES, SEQ, SNR, changed, efficient, toy_set
from tests.support.figures import drawn, legend_of

LEVELS = [10, SNR]
ESTIMATORS = {"ideal": efficient, "shrunk": partial(changed, gain=0.8)}
FIGURES_OF_A_CARD = (plot.bias_histograms, plot.std_histograms, plot.loss_over_snr, plot.loss_over_crb)


def plane():
    """A slice of m0s over T2f, with one tissue without a bound."""
    m0s, T2f = np.meshgrid(np.linspace(0.05, 0.25, 6), np.geomspace(0.05, 0.15, 5), indexing="ij")
    signals = np.stack([m0s / 2, T2f / 0.5, 0 * m0s], axis=-1).reshape(30, 3).astype(complex)
    crb = {name: np.full(30, BOUND[name]) for name in NAMES}
    crb["T2f"][7] = np.inf
    return sb.ReferenceSet(SEQ, sb.Tissue(m0s=m0s.ravel(), T2f=T2f.ravel()), signals, crb=crb, grid_shape=(6, 5))


@pytest.fixture(scope="module")
def cards():
    return {label: sb.evaluate(one, toy_set(120), LEVELS, 20) for label, one in ESTIMATORS.items()}


@pytest.fixture(scope="module")
def slices():
    return {label: sb.evaluate(one, plane(), LEVELS, 20) for label, one in ESTIMATORS.items()}


def test_maps_are_of_bias_deviation_and_bound(slices):
    figure = drawn(plot.bias_maps(slices, "T2f", SNR, mark=(0.15, 0.1)))
    meshes = [axes.collections[0] for axes in figure.axes if axes.get_title()]
    values = [np.ma.filled(mesh.get_array(), np.nan).reshape(6, 5) for mesh in meshes]
    expected = [1e3 * card.bias["T2f"][1] for card in slices.values()]
    expected += [1e3 * np.sqrt(card.variance["T2f"][1]) for card in slices.values()]
    np.testing.assert_allclose(values[:4], expected)
    known = np.delete(values[-1], 7)
    np.testing.assert_allclose(known, 1e3 * 0.5 / SNR)  # ms
    assert values[-1].ravel()[7] > 1e3 * 0.5 / SNR  # beyond the colours: grey
    biases, deviations = [mesh.get_clim() for mesh in meshes[:2]], [mesh.get_clim() for mesh in meshes[2:]]
    assert set(biases) == {(-biases[0][1], biases[0][1])}
    assert len(set(deviations)) == 1


@pytest.mark.parametrize(("most", "scale"), [(4, "linear"), (1e4, "log")])
def test_deviations_that_span_more_than_a_decade_have_a_logarithmic_scale(slices, most, scale):
    card, factors = slices["ideal"], np.geomspace(1, most**2, 30).reshape(6, 5)
    same = dict.fromkeys(card.names, np.ones((len(LEVELS), 6, 5)))
    wide = replace(card, crb=dict.fromkeys(card.names, factors), variance=same)
    figure = drawn(plot.bias_maps(wide, "m0s"))
    (bar,) = (axes for axes in figure.axes if axes.get_xlabel().startswith("standard deviation"))
    assert bar.get_xscale() == scale


def test_the_axes_of_a_slice_are_its_parameters(slices):
    figure = plot.bias_maps(slices["ideal"], "m0s")
    (first, *_) = (axes for axes in figure.axes if axes.get_title())
    assert ("m_0^s" in first.get_ylabel(), "T_2^f" in first.get_xlabel()) == (True, True)
    assert first.get_xscale() == "log"
    assert "SNR $|M_0|/\\sigma$ = 10" in figure.get_suptitle()


@pytest.mark.parametrize("draw", [plot.bias_histograms, plot.std_histograms])
def test_histograms_count_every_tissue_in_the_same_bins(cards, draw):
    figure = drawn(draw(cards, SNR))
    for panel in figure.axes:
        stairs = [patch.get_data() for patch in panel.patches]
        assert [counts.values.sum() for counts in stairs] == [120, 120]
        assert np.array_equal(stairs[0].edges, stairs[1].edges)
        assert len(stairs[0].values) == BINS
    assert legend_of(figure) == ["ideal", "shrunk"]


def test_parts_of_the_loss_over_the_snr(cards):
    figure = drawn(plot.loss_over_snr(cards, trained=(10, 100)))
    for panel, card in zip(figure.axes, cards.values(), strict=True):
        loss, bias, variance = (line.get_ydata() for line in panel.lines[:3])
        np.testing.assert_allclose(loss, card.overall.loss)
        np.testing.assert_allclose(bias, card.overall.bias_part_corrected)
        np.testing.assert_allclose(variance, card.overall.variance_part_corrected)


def test_parts_of_the_loss_over_the_bound(cards):
    data = toy_set(120)
    data.crb["T2f"][:] = np.linspace(0.1, 0.5, 120)
    card = sb.evaluate(partial(changed, gain=0.8), data, SNR, 20)
    figure = drawn(plot.loss_over_crb({"one": card, "other": card}))
    bias, variance = figure.axes[1].lines[:2]
    assert len(bias.get_xdata()) == 4  # of 120 tissues, 30 at a time
    thirty = card.variance_part("T2f", corrected=True)[0].reshape(4, 30).mean(axis=1)
    np.testing.assert_allclose(variance.get_ydata(), thirty)
    roots = 1e3 / SNR * np.median(np.sqrt(data.crb["T2f"]).reshape(4, 30), axis=1)
    np.testing.assert_allclose(variance.get_xdata(), roots)


def test_a_single_report_card_needs_no_name(cards, slices):
    for draw in FIGURES_OF_A_CARD:
        assert drawn(draw(cards["ideal"])).axes
    assert drawn(plot.bias_maps(slices["ideal"], "T2f")).axes


def test_estimates_that_never_are_finite_are_drawn_as_nothing():
    nothing = lambda data: {name: np.full(len(data), np.nan) for name in NAMES}
    card = sb.evaluate(nothing, plane(), LEVELS, 3)
    for draw in (*FIGURES_OF_A_CARD, partial(plot.bias_maps, name="T2f")):
        assert drawn(draw(card)).axes


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (
            lambda cards: plot.bias_maps(cards, "T2f"),
            r"maps need reference sets of one shape of two dimensions; given \(120,\)",
        ),
        (lambda cards: plot.bias_maps(cards, "B1"), "B1 was not judged; allowed: m0s, T2f"),
        (lambda cards: plot.std_histograms(cards, 7), "snr is 7; the report cards have in common: 10, 50"),
        (lambda cards: plot.bias_histograms({}), "reports must be one or more"),
        (lambda cards: plot.loss_over_snr({}), "reports must be one or more"),
    ],
)
def test_what_cannot_be_drawn_is_refused(cards, draw, message):
    with pytest.raises(sb.InvalidParameter, match=message):
        draw(cards)
