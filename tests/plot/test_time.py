"""Figures say what they show, and special voxels look like nothing else."""

import subprocess
import sys

import numpy as np
import pytest
import spinbound as sb
from matplotlib import colormaps, pyplot
from matplotlib.colors import LogNorm, to_rgb
from spinbound import plot
from spinbound.plot.maps import UNIDENTIFIABLE, choose_colour_map

from tests.support.figures import drawn, legend_of
from tests.support.trains import smooth_train

SIZES = np.linspace(0.05, 0.25, 6)
TIMES = np.geomspace(0.02, 0.2, 5)
SEQ = smooth_train(40, alpha=np.linspace(0.1, 1, 40), TRF=np.full(40, 3e-4))
GRID = sb.Tissue(m0s=SIZES[:, None], T2f=TIMES, omega0=0)


def panels_of(figure):
    return [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]


def bars_of(figure):
    return [axes for axes in figure.axes if axes.get_label() == "<colorbar>"]


def values_of(figure):
    """The values of the first panel."""
    return np.asarray(panels_of(figure)[0].collections[0].get_array())


def test_sequence_shows_flip_angles_and_marks_the_crusher():
    above, below = drawn(plot.sequence(SEQ)).axes
    time, angle = above.lines[0].get_data()
    np.testing.assert_allclose(angle[1:], SEQ.alpha[1:] / np.pi)
    np.testing.assert_allclose(time, (np.arange(40) + 0.5) * SEQ.TR)
    assert np.isnan(angle[0])
    assert [text.get_text() for text in above.get_legend().get_texts()] == ["crusher"]
    assert "µs" in below.get_ylabel()


def test_signal_on_resonance_has_no_panel_for_its_imaginary_part():
    assert len(drawn(plot.signal(SEQ, np.ones((2, 40)), ["a", "b"])).axes) == 1
    assert len(drawn(plot.signal(SEQ, np.full((2, 40), 1j))).axes) == 2


def test_echoes_come_half_a_repetition_after_their_pulses():
    (axes,) = plot.signal(SEQ, np.ones(40)).axes
    np.testing.assert_allclose(axes.lines[0].get_xdata(), np.arange(1, 41) * SEQ.TR)


def test_magnetization_shows_both_pools():
    states = np.arange(200.0).reshape(40, 5) + 0j
    free, semisolid = drawn(plot.magnetization(SEQ, states)).axes
    np.testing.assert_array_equal(free.lines[2].get_ydata(), states[:, 2].real)
    np.testing.assert_array_equal(semisolid.lines[0].get_ydata(), states[:, 4].real)


def test_sensitivities_are_scaled_by_their_parameter_unless_that_is_zero():
    jacobian = np.ones((40, 3)) + 0j
    figure = drawn(plot.sensitivities(SEQ, jacobian, sb.Tissue(), ["m0s", "omega0", "T2f"]))
    size, frequency, time = figure.axes
    assert size.lines[0].get_ydata()[0] == pytest.approx(0.15)
    assert frequency.lines[0].get_ydata()[0] == 1
    assert "s/rad" in frequency.get_title()
    assert time.lines[0].get_ydata()[0] == pytest.approx(1 / 15)


def test_relative_bounds_are_in_percent_of_the_parameter():
    figure = drawn(plot.crb_maps(GRID, {"m0s": np.full((6, 5), 1e-4)}, axes=("m0s", "T2f")))
    (panel,), (bar,) = panels_of(figure), bars_of(figure)
    np.testing.assert_allclose(values_of(figure).reshape(6, 5)[:, 0], 1 / SIZES)
    assert "(%)" in bar.get_xlabel()
    assert panel.get_xlabel() == "$T_2^f$ (ms)"
    assert panel.get_xscale() == "log"
    assert panel.get_yscale() == "linear"


def test_a_parameter_that_is_zero_is_drawn_in_its_unit():
    (bar,) = bars_of(plot.crb_maps(GRID, {"omega0": np.ones((6, 5))}))
    assert "rad/s" in bar.get_xlabel()


def test_invalid_voxels_decide_neither_the_unit_nor_what_is_defined():
    tissue = sb.Tissue(m0s=np.full((2, 3), 0.1), R1f=[0, 1.0, 1.0], R1s=[1.0, 2.0, 1.0])
    variance = np.full((2, 3), 1e-4)
    variance[:, :2] = np.nan
    for name in ("R1f", "R1a", "T1a"):
        (bar,) = bars_of(drawn(plot.crb_maps(tissue, {name: variance})))
        assert "(%)" in bar.get_xlabel()
    with pytest.raises(sb.InvalidParameter, match="R1a is not defined where R1f and R1s differ"):
        plot.crb_maps(tissue, {"R1a": np.ones((2, 3))})


def test_maps_for_another_snr_scale_with_the_noise():
    bounds = {"m0s": np.full((6, 5), 1e-4)}
    at_sigma, at_snr = (values_of(plot.crb_maps(GRID, bounds, sigma=0.1, snr=snr)) for snr in (None, 50))
    np.testing.assert_allclose(at_snr, at_sigma / (50 * 0.1))


def test_colours_are_logarithmic_where_the_bounds_span_more_than_a_decade():
    for variance, is_wide in ((np.geomspace(1e-6, 1, 30).reshape(6, 5), True), (np.full((6, 5), 1e-4), False)):
        (panel,) = panels_of(drawn(plot.crb_maps(GRID, {"m0s": variance})))
        assert isinstance(panel.collections[0].norm, LogNorm) == is_wide


def test_special_voxels_are_explained_and_in_no_colour_map():
    variance = np.full((6, 5), 1e-4)
    variance[0, 0], variance[1, 1] = np.nan, np.inf
    figure = drawn(plot.crb_maps(GRID, {"m0s": variance}))
    assert legend_of(figure) == ["invalid input", "not identifiable"]
    mesh = panels_of(figure)[0].collections[0]
    colours = mesh.to_rgba(mesh.get_array().reshape(6, 5))
    assert colours[0, 0, 3] == 0
    np.testing.assert_allclose(colours[1, 1, :3], to_rgb(UNIDENTIFIABLE))
    for name in ("cmc.lipari", "cmc.navia"):
        scale = colormaps[name](np.linspace(0, 1, 256))[:, :3]
        # Farther than two neighbours of the scale are from each other, many times over.
        assert np.linalg.norm(scale - to_rgb(UNIDENTIFIABLE), axis=1).min() > 0.1


def test_transverse_times_have_colours_of_their_own():
    assert choose_colour_map("T2f").name == choose_colour_map("R2f").name == "cmc.navia"
    assert choose_colour_map("T1a").name == choose_colour_map("m0s").name == "cmc.lipari"


def test_few_voxels_far_beyond_the_rest_do_not_set_the_colours():
    tissue = sb.Tissue(m0s=np.full((20, 20), 0.1))
    variance = np.full((20, 20), 1e-4)
    variance[0, 0] = 1e8
    figure = drawn(plot.crb_maps(tissue, {"m0s": variance}))
    assert panels_of(figure)[0].collections[0].norm.vmax < 100
    assert "99th percentile" in bars_of(figure)[0].get_xlabel()


@pytest.mark.parametrize("shape", [(), (7,), (4, 5), (4, 5, 6), (3, 4, 5, 2)])
def test_voxels_of_any_shape_are_drawn(shape):
    tissue = sb.Tissue(m0s=np.full(shape, 0.1))
    assert len(panels_of(drawn(plot.crb_maps(tissue, {"m0s": np.ones(shape), "R1f": np.ones(shape)})))) == 2


def test_a_volume_is_cut_in_its_middle():
    variance = np.broadcast_to((1 + np.arange(6.0)) ** 2, (4, 5, 6))
    tissue = sb.Tissue(m0s=np.full((4, 5, 6), 0.1))
    assert values_of(plot.crb_maps(tissue, {"m0s": variance}, relative=False)).max() == 4


def test_maps_without_any_bounded_voxel_are_drawn():
    figure = drawn(plot.crb_maps(GRID, {"m0s": np.full((6, 5), np.inf), "T2f": np.full((6, 5), np.nan)}))
    assert len(panels_of(figure)) == 2


def test_grid_axes_are_found_from_what_varies():
    assert plot.grid_axes(GRID, ["T2f", "m0s", "Rex"]) == ("m0s", "T2f")
    assert plot.grid_axes(GRID, ["m0s"]) is None
    assert plot.grid_axes(sb.Tissue(m0s=SIZES), ["m0s"]) is None


def test_missing_matplotlib_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install 'spinbound\[plot\]'"):
        plot.sequence(SEQ)


def test_figures_belong_to_no_window():
    plot.sequence(SEQ)
    assert pyplot.get_fignums() == []


def test_import_of_the_module_loads_no_matplotlib():
    code = "import sys; from spinbound import plot; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
