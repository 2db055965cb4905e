"""The figure of what bases keep: it shows the numbers of the reports."""

import numpy as np
import pytest
import spinbound as sb
from spinbound import plot

from tests.support.figures import drawn, legend_of

RANKS = (2, 4, 8)
ENERGY = np.array([0.9, 0.96, 0.99])
RATIO = np.array([[np.inf, np.inf, 40], [9, 3, 5], [1, 2, 1.5]])


def report(**crb):
    return sb.BasisQuality(RANKS, ENERGY, crb, 0)


def panels_of(reports):
    """The panels that show something."""
    return [axes for axes in drawn(plot.basis_report(reports)).axes if axes.lines]


def test_lines_are_the_energy_lost_and_quantiles():
    energy, panel = panels_of(report(m0s=RATIO))
    np.testing.assert_allclose(energy.lines[0].get_data(), [RANKS, [10, 4, 1]])
    median, high = (line.get_ydata() for line in panel.lines[:2])
    np.testing.assert_array_equal(median, [np.nan, 5, 1.5])
    np.testing.assert_array_equal(high, [np.nan, 9, 2])
    assert "m_0^s" in panel.get_ylabel()
    assert panel.get_ylim() == (0.9, 100)


def test_an_axis_reaches_what_even_all_vectors_lose():
    _, panel = panels_of(report(T2f=1000 * RATIO))
    assert panel.get_ylim()[1] == 3000


def test_several_bases_have_a_legend():
    _, panel = panels_of({"one": report(M0=RATIO), "two": report(M0=2 * RATIO)})
    assert legend_of(panel.figure) == ["one", "two"]
    assert panel.lines[2].get_ydata()[1] == 10
    assert not plot.basis_report(report(M0=RATIO)).legends


@pytest.mark.parametrize("reports", [{}, {"one": report(M0=RATIO), "two": report(m0s=RATIO)}])
def test_reports_that_cannot_be_compared_are_refused(reports):
    with pytest.raises(sb.InvalidParameter, match="reports must be one or more, of the same unknowns"):
        plot.basis_report(reports)
