"""Checks against single numbers: those of the literature, and solutions of its equations by other means.

`tools/make_conformance.py` computes the numbers that no paper states, from the equations of

    generalized Bloch    J. Assländer et al., Magn. Reson. Med. 2022 (arXiv 2107.11000)
    Sled & Pike 2000     J. G. Sled, G. B. Pike, J. Magn. Reson. 145, 24
    Graham & Henkelman   S. J. Graham, R. M. Henkelman, J. Magn. Reson. Imaging 7, 903 (1997)
    Henkelman 1993       R. M. Henkelman et al., Magn. Reson. Med. 29, 759
    Kay 1993             S. M. Kay, Fundamentals of Statistical Signal Processing, section 3.9
"""

from __future__ import annotations

from functools import partial
from math import log, pi

import numpy as np
import numpy.typing as npt

import spinbound._core as _core
from spinbound.sequences import library
from spinbound.sequences.model import LINESHAPES, Model
from spinbound.sequences.sequence import Sequence
from spinbound.signals.crb import crb
from spinbound.signals.experiments import continuous_wave
from spinbound.signals.simulate import simulate
from spinbound.tissues.tissue import Tissue

from .check import Check

GBLOCH = "arXiv 2107.11000, generalized Bloch"
JULIA = "MRIgeneralizedBloch.jl, "
SLED = "Sled & Pike 2000"
GRAHAM = "Graham & Henkelman 1997"
HENKELMAN = "Henkelman 1993"
QR = "Kay 1993, QR of the reference Jacobian"

AT_ONCE = 1e-12  # s after the pulse: nothing here is faster than 1e5/s
NEVER = 1e-9  # 1/s: relaxation without effect


def after_pulse(
    model: Model | str, tissue: Tissue, alpha: float, TRF: float, shape: npt.ArrayLike | None = None
) -> npt.NDArray[np.float64]:
    """Return xf yf zf xs zs right after one pulse on the equilibrium."""
    seq = Sequence([alpha], [TRF], TRF + 2 * AT_ONCE, gradient_moment="balanced", start="thermal", shape=shape)
    state = simulate(seq, tissue, model=model, output="magnetization")[0]
    return np.asarray(state.real)


def isolated_pool(
    model: str, alpha: float, TRF: float, T2s: float, R1s: float = NEVER, shape: npt.ArrayLike | None = None
) -> float:
    """Return zs after one pulse on a semi-solid pool without exchange, from its equilibrium 1."""
    tissue = Tissue(m0s=0.5, Rex=0, R1s=R1s, T2s=T2s)
    return float(after_pulse(model, tissue, alpha, TRF, shape)[4] / 0.5)


def greens_function() -> float:
    """Return G of the super-Lorentzian at kappa = 10."""
    return float(_core.greens_function(LINESHAPES.index("superlorentzian"), 10.0))


def documented_pulse(component: int) -> float:
    """Return one component after the pulse that the Julia package documents for its linear model, R2s = 1e5/s."""
    tissue = Tissue(m0s=0.1, R1f=1, R2f=15, Rex=30, R1s=6.5, T2s=1e-5)
    return float(after_pulse(Model("gbloch", "lorentzian"), tissue, pi, 500e-6)[component])


def documented_excitation(component: int) -> float:
    """Return one component after the pulse that the Julia package documents for the generalized Bloch equation."""
    tissue = Tissue(m0s=0.2, R1f=1 / 3, R2f=15, Rex=30, R1s=2, T2s=10e-6)
    return float(after_pulse("gbloch-ide", tissue, pi / 2, 100e-6)[component])


def sled_excess(TRF: float) -> float:
    """Return zs by Sled's model less that by the generalized Bloch equation, pi pulse, T2s 10 us, R1s 1/s."""
    sled, gbloch = (isolated_pool(model, pi, TRF, 10e-6, 1.0) for model in ("sled", "gbloch-ide"))
    return sled - gbloch


def graham_rate() -> float:
    """Return Graham's saturation rate for a pi pulse of 500 us, T2s 12 us, from zs after the pulse."""
    return -log(isolated_pool("graham", pi, 500e-6, 12e-6)) / 500e-6


def sinc_pulse() -> float:
    """Return zs after a pi pulse of 1 ms whose field follows sinc(4 (t/TRF - 1/2)), T2s 12 us, R1s 3/s."""
    lobes = 4 * ((np.arange(SINC_SAMPLES) + 0.5) / SINC_SAMPLES - 0.5)
    shape = np.sinc(lobes)
    return isolated_pool("gbloch-ide", pi, 1e-3, 12e-6, 3.0, shape / shape.mean())


def continuous_wave_pool() -> float:
    """Return zs of an isolated Lorentzian pool under a continuous wave of 1 kHz, 100 Hz off resonance."""
    tissue = Tissue(m0s=0.5, Rex=0, R1s=1, T2s=10e-6)
    zs = np.asarray(continuous_wave(tissue, 2000 * pi, 200 * pi, output="zs", lineshape="lorentzian"))
    return float(zs[0].real / 0.5)


def bound(name: str) -> float:
    """Return the CRB of one of all nine unknowns in the bundled sequence, white matter, sigma = 1."""
    return float(crb(library.load("hybrid-mt-4s"), Tissue())[name])


def linearisation_error() -> float:
    """Return the relative L2 norm of gbloch less gbloch-ide, bundled sequence, white matter."""
    seq, tissue = library.load("hybrid-mt-4s"), Tissue()
    linear, full = (simulate(seq, tissue, model=model) for model in ("gbloch", "gbloch-ide"))
    return float(np.linalg.norm(linear - full) / np.linalg.norm(full))


SINC_SAMPLES = 400  # four times as many samples change zs by 2e-6

# The computed numbers are right to the digits given. The tolerances cover the error of the table of R2sl (1e-9) or of
# the collocation (rtol 1e-8). The Julia package prints more digits than its solver's tolerance makes right.
CONSTANTS: tuple[Check, ...] = (
    Check("G(10), super-Lorentzian", 0.14712468680944, 1e-13, GBLOCH, greens_function),
    *(
        Check(f"zs after pi, TRF = {tau} T2s, {model}", z, 1e-8, GBLOCH, partial(isolated_pool, model, pi, TRF, T2s))
        for model in ("gbloch", "gbloch-ide")
        for tau, TRF, T2s, z in (
            ("5", 50e-6, 10e-6, -0.56540213733686),
            ("500/12", 500e-6, 12e-6, 0.21863776728802),
            ("100", 1e-3, 10e-6, 0.51379453870914),
        )
    ),
    Check(
        "zs after pi/500 us, T2s 12 us, R1s 3/s, gbloch-ide",
        0.2190847321859,
        1e-8,
        GBLOCH,
        partial(isolated_pool, "gbloch-ide", pi, 500e-6, 12e-6, 3.0),
    ),
    Check("zs after a sinc pulse, gbloch-ide", -0.0807, 5e-4, GBLOCH, sinc_pulse),
    *(
        Check(f"{name} after pi/500 us, gbloch, R2sl 1e5/s", expected, 1e-10, JULIA + "hamiltonian_linear", compute)
        for name, expected, compute in (
            ("zf", -0.8957848274535, partial(documented_pulse, 2)),
            ("zs", 0.0812200714211, partial(documented_pulse, 4)),
        )
    ),
    *(
        Check(f"{name} after (pi/2)/100 us, gbloch-ide", z, 1e-6, JULIA + "apply_hamiltonian_gbloch!", compute)
        for name, z, compute in (
            ("xf", 0.799421119, partial(documented_excitation, 0)),
            ("zs", 0.082148097, partial(documented_excitation, 4)),
        )
    ),
    Check("sled - gbloch-ide, zs after pi/1 ms", 0.0290674535, 1e-8, SLED, partial(sled_excess, 1e-3)),
    Check("sled - gbloch-ide, zs after pi/0.1 ms", 0.3550167355, 1e-8, SLED, partial(sled_excess, 1e-4)),
    Check("saturation rate, pi/500 us, T2s 12 us (1/s)", 2333.75069, 1e-4, GRAHAM, graham_rate),
    Check("gbloch less gbloch-ide, hybrid-mt-4s, relative L2", 6.36045e-5, 5e-9, GBLOCH, linearisation_error),
    Check("CRB of m0s, hybrid-mt-4s, white matter", 0.636925560, 1e-8, QR, partial(bound, "m0s")),
    Check("CRB of T2s, hybrid-mt-4s, white matter (s^2)", 1.131310279e-7, 2e-15, QR, partial(bound, "T2s")),
    Check("continuous wave, Lorentzian zs", 0.00252672905891, 1e-14, HENKELMAN, continuous_wave_pool),
)
