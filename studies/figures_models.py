"""The figures of docs/reference/models.md: saturation by one pulse, and the error of the models over T2s and B1.

    python studies/figures_models.py [FOLDER]    writes saturation.png and model_error.png, into docs/images by default

Takes two minutes on one core, nearly all of it the full generalized Bloch equation of the maps.
"""

import argparse
from math import pi
from pathlib import Path

import numpy as np
import spinbound as sb
from spinbound.plot.maps import Ruler, find_cell_edges, finish_axes, set_log_ticks
from spinbound.plot.style import BLUE, GREEN, QUANTITIES, RED, YELLOW, apply_style, make_figure
from spinbound.sequences.model import LINESHAPES

T2S = 10e-6  # s, of the saturated pool
TITLES = {"superlorentzian": "super-Lorentzian", "gaussian": "Gaussian", "lorentzian": "Lorentzian"}
LINES = {
    "gbloch-ide": {"color": BLUE, "linewidth": 1.6},
    "gbloch": {"color": BLUE, "linestyle": "", "marker": "o", "markersize": 4, "markerfacecolor": "white"},
    "sled": {"color": RED},
    "graham": {"color": YELLOW, "linestyle": "--"},
    "graham-single-frequency": {"color": GREEN, "linestyle": ":", "linewidth": 1.4},
}
DURATIONS = np.geomspace(20e-6, 2e-3, 61)  # s
SPARSE = 6  # every so many durations there is a marker
MAPPED = ("gbloch", "hybrid", "sled", "graham")


@apply_style
def draw_saturation():
    """1 - zs/m0s after a pi pulse on an isolated pool, and its error, over the pulse's duration, by lineshape."""
    figure = make_figure(4.2)
    panels = figure.subplots(2, len(LINESHAPES), sharex=True, sharey="row", height_ratios=(3, 2))
    for (above, below), lineshape in zip(panels.T, LINESHAPES, strict=True):
        truth = saturation("gbloch-ide", lineshape)
        for model in models_of(lineshape):
            curve, line = saturation(model, lineshape), LINES[model]
            above.semilogx(1e3 * DURATIONS, curve, label=model, markevery=SPARSE, **line)
            if model not in ("gbloch-ide", "gbloch"):  # the same within the error of the table of R2sl
                below.loglog(1e3 * DURATIONS, np.abs(curve - truth), **line)
        above.axhline(1, color="0.8", linewidth=0.6, zorder=0)
        above.set(title=TITLES[lineshape], ylim=(0, 2))
        below.set(xlabel=r"$T_\mathrm{RF}$ (ms)", ylim=(1e-4, 1))
        set_log_ticks(below.xaxis, DURATIONS[-1] / DURATIONS[0])
    panels[0, 0].set_ylabel(r"saturation $1 - z^s/m_0^s$")
    panels[1, 0].set_ylabel("its error")
    figure.legend(*panels[0, -1].get_legend_handles_labels(), loc="outside upper center", ncols=len(LINES))
    return figure


def models_of(lineshape):
    return [model for model in LINES if (model, lineshape) != ("graham-single-frequency", "superlorentzian")]


def saturation(model, lineshape):
    """By the duration, of a semi-solid pool that neither exchanges nor relaxes within the pulse."""
    pool = sb.Tissue(m0s=0.5, Rex=0, R1s=1e-9, T2s=T2S)
    pulses = [sb.Sequence([pi], [TRF], 1.001 * TRF, gradient_moment="balanced", start="thermal") for TRF in DURATIONS]
    m = sb.simulate(pulses, pool, model=sb.Model(model, lineshape), output="magnetization")
    return 1 - m[:, 4].real / pool["m0s"]


@apply_style
def draw_errors():
    """Relative error of the signal against gbloch-ide over T2s and B1: a map for each model, one colour scale."""
    import cmcrameri  # noqa: F401  (registers its colour maps)
    from matplotlib.colors import LogNorm

    T2s, B1 = np.linspace(5e-6, 20e-6, 25), np.linspace(0.7, 1.3, 61)
    maps = signal_errors(sb.Tissue(T2s=T2s, B1=B1[:, None]))
    rulers = [Ruler(QUANTITIES[n].scale * x, QUANTITIES[n].label) for n, x in (("B1", B1), ("T2s", T2s))]
    figure = make_figure(2.5)
    panels = figure.subplots(1, len(maps), sharey=True)
    values = np.array(list(maps.values()))
    norm = LogNorm(values.min(), values.max())
    for panel, (model, error) in zip(panels, maps.items(), strict=True):
        edges = find_cell_edges(rulers[1]), find_cell_edges(rulers[0])
        image = panel.pcolormesh(*edges, error, norm=norm, cmap="cmc.lipari", rasterized=True)
        panel.set_title(model)
        finish_axes(panel, *rulers)
        panel.set_xticks((5, 10, 15, 20))
        panel.label_outer()
    bar = figure.colorbar(image, ax=panels, pad=0.01, aspect=18)
    bar.set_label("error of the signal (%)")
    set_log_ticks(bar.ax.yaxis, values.max() / values.min())
    return figure


def signal_errors(tissue):
    """In percent, norms over the bundled train."""
    seq = sb.sequences.load("hybrid-mt-4s")
    truth = sb.simulate(seq, tissue, model="gbloch-ide")
    norm = np.linalg.norm(truth, axis=-1)
    return {
        model: 100 * np.linalg.norm(sb.simulate(seq, tissue, model=model) - truth, axis=-1) / norm for model in MAPPED
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parents[1] / "docs" / "images")
    folder = parser.parse_args().folder
    draw_saturation().savefig(folder / "saturation.png")
    draw_errors().savefig(folder / "model_error.png")


if __name__ == "__main__":
    main()
