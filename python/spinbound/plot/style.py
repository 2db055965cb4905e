"""The style of all figures, the width of a page, and the symbol and unit of each parameter."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, NamedTuple, ParamSpec

from spinbound.files.guard import optional_module

if TYPE_CHECKING:
    from matplotlib.figure import Figure


P = ParamSpec("P")
WIDTH = 7.2  # inches: two journal columns
BLUE, RED, YELLOW, GREEN, PURPLE, GREY = "#0b4f6c", "#d1495b", "#edae49", "#66a182", "#6a4c93", "#999999"
STYLE = {
    "font.size": 8,
    "font.family": "sans-serif",
    "mathtext.fontset": "dejavusans",
    "axes.titlesize": 9,
    "axes.labelsize": 8,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": f"cycler('color', {[BLUE, RED, YELLOW, GREEN, PURPLE]})",
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.0,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "figure.dpi": 200,
    "savefig.dpi": 200,
    "hatch.linewidth": 0.5,
}


class Quantity(NamedTuple):
    """The symbol of a parameter in a figure, and its unit with the factor from SI to that unit."""

    symbol: str
    unit: str = ""
    scale: float = 1.0

    @property
    def label(self) -> str:
        """Symbol with unit, as an axis carries it."""
        return f"${self.symbol}$ ({self.unit})" if self.unit else f"${self.symbol}$"


QUANTITIES = {
    "M0": Quantity("M_0"),
    "m0s": Quantity("m_0^s"),
    "R1f": Quantity("R_1^f", "1/s"),
    "R2f": Quantity("R_2^f", "1/s"),
    "Rex": Quantity("R_x", "1/s"),
    "R1s": Quantity("R_1^s", "1/s"),
    "T2s": Quantity("T_2^s", "µs", 1e6),
    "omega0": Quantity(r"\omega_0", "rad/s"),
    "B1": Quantity("B_1"),
    "R1a": Quantity("R_1^a", "1/s"),
    "T1a": Quantity("T_1^a", "s"),
    "T1f": Quantity("T_1^f", "s"),
    "T1s": Quantity("T_1^s", "s"),
    "T2f": Quantity("T_2^f", "ms", 1e3),
    "novelty": Quantity(r"\mathrm{novelty}"),
}


def apply_style(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Let a function draw in the style of all figures; it needs the extra ``plot``."""

    @wraps(draw)
    def draw_in_style(*args: P.args, **kwargs: P.kwargs) -> Figure:
        optional_module("cmcrameri", "plot")
        with optional_module("matplotlib", "plot").rc_context(STYLE):
            return draw(*args, **kwargs)

    return draw_in_style


def make_figure(height: float, width: float = WIDTH) -> Figure:
    """Make an empty figure of `width` by `height` inches that belongs to no window."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    return Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(h_pad=0.07))
