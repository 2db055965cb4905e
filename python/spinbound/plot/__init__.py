"""Figures of sequences, signals, sensitivities, Cramér-Rao maps, bases, fits and report cards (extra ``plot``).

Every function takes objects or arrays of the package and returns a ``matplotlib.figure.Figure`` that belongs to no
window: save it with ``figure.savefig(path)``. Labels say exactly what is drawn, with its unit.
"""

from .basis import basis_report
from .evaluation import bias_histograms, loss_over_crb, loss_over_snr, std_histograms
from .evaluation_maps import bias_maps
from .fit import fit_maps
from .maps import crb_maps, grid_axes
from .paper import compared_maps, convergence, region_boxes
from .time import magnetization, sensitivities, sequence, signal

__all__ = [
    "basis_report",
    "bias_histograms",
    "bias_maps",
    "compared_maps",
    "convergence",
    "crb_maps",
    "fit_maps",
    "grid_axes",
    "loss_over_crb",
    "loss_over_snr",
    "magnetization",
    "region_boxes",
    "sensitivities",
    "sequence",
    "signal",
    "std_histograms",
]
