"""
The C++ core of spinbound; its arguments are checked by the Python functions that wrap it.
"""
from __future__ import annotations
import collections.abc
import numpy
import numpy.typing
import os
import typing
from . import reference
__all__: list[str] = ['Experiment', 'LeastSquares', 'PoolResponse', 'R2sl', 'Sequence', 'available_threads', 'cgroup_cpu_limit', 'compiler', 'crb', 'fisher', 'fit', 'greens_function', 'greens_slope', 'in_one_run', 'isa_available', 'isa_in_use', 'limits', 'magnetization', 'parameters', 'pulse_propagator', 'reference', 'response_table', 'sensitivities', 'simulate', 'statuses', 'version']
class Sequence:
    def __init__(self: Sequence, alpha: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], TRF: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], TR: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], rf_phase_increment: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], gradient_moment: typing.Annotated[numpy.typing.ArrayLike, numpy.int32], echo: typing.Annotated[numpy.typing.ArrayLike, numpy.bool], shape: typing.Annotated[numpy.typing.ArrayLike, numpy.complex128], start: typing.SupportsInt | typing.SupportsIndex, initial: typing.Annotated[numpy.typing.ArrayLike, numpy.float64]) -> None:
        ...
    @property
    def n_echoes(self) -> int:
        ...
    @property
    def n_pulses(self) -> int:
        ...
class Experiment:
    def __init__(self, trains: collections.abc.Sequence[Sequence]) -> None:
        ...
class PoolResponse:
    """
    Exact response of the isolated semi-solid pool to a rectangular pulse, tau = TRF/T2s.
    """
    def __init__(self, lineshape: typing.SupportsInt | typing.SupportsIndex, tau_max: typing.SupportsFloat | typing.SupportsIndex) -> None:
        ...
    def rho(self, tau: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], theta: typing.Annotated[numpy.typing.ArrayLike, numpy.float64]) -> typing.Any:
        """
        R2sl T2s, the rate of the linear model that ends the pulse with the same zs.
        """
    def z(self, tau: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], theta: typing.Annotated[numpy.typing.ArrayLike, numpy.float64]) -> typing.Any:
        """
        zs at the end of a pulse of flip angle theta (rad), from zs = 1.
        """
    @property
    def tau_max(self) -> float:
        ...
class LeastSquares:
    def __init__(self, start: typing.Annotated[numpy.typing.ArrayLike, numpy.float64, "[m, 1]"], low: typing.Annotated[numpy.typing.ArrayLike, numpy.float64, "[m, 1]"], high: typing.Annotated[numpy.typing.ArrayLike, numpy.float64, "[m, 1]"], *, prior: tuple[typing.Annotated[numpy.typing.ArrayLike, numpy.float64, "[m, 1]"], typing.Annotated[numpy.typing.ArrayLike, numpy.float64, "[m, 1]"]] | None = None, stopping: tuple[typing.SupportsFloat | typing.SupportsIndex, typing.SupportsFloat | typing.SupportsIndex, typing.SupportsFloat | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex]) -> None:
        ...
    def refuse(self) -> None:
        ...
    def take(self, J: typing.Annotated[numpy.typing.ArrayLike, numpy.float64, "[m, n]"], r: typing.Annotated[numpy.typing.ArrayLike, numpy.float64, "[m, 1]"]) -> bool:
        ...
    @property
    def cost(self) -> float:
        ...
    @property
    def estimate(self) -> typing.Annotated[numpy.typing.NDArray[numpy.float64], "[m, 1]"]:
        ...
    @property
    def factor(self) -> typing.Annotated[numpy.typing.NDArray[numpy.float64], "[m, n]"]:
        ...
    @property
    def iterations(self) -> int:
        ...
    @property
    def outcome(self) -> str:
        ...
    @property
    def trial(self) -> typing.Annotated[numpy.typing.NDArray[numpy.float64], "[m, 1]"]:
        ...
def R2sl(sequence: Sequence, lineshape: typing.SupportsInt | typing.SupportsIndex, T2s: typing.SupportsFloat | typing.SupportsIndex, B1: typing.SupportsFloat | typing.SupportsIndex) -> numpy.typing.NDArray[numpy.float64]:
    ...
def available_threads() -> int:
    """
    Cores that this process may use, by its affinity and by the limits of its control groups.
    """
def cgroup_cpu_limit(root: os.PathLike | str | bytes = '/') -> int | None:
    """
    Whole cores that the control groups grant, or None; root: the folder that holds proc/ and sys/.
    """
def crb(experiment: Experiment, tissue: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], M0: typing.Annotated[numpy.typing.ArrayLike, numpy.complex128], sigma: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], valid: typing.Annotated[numpy.typing.ArrayLike, numpy.bool], physics: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex, typing.SupportsFloat | typing.SupportsIndex], wrt: collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], form: typing.SupportsInt | typing.SupportsIndex, basis: typing.Annotated[numpy.typing.ArrayLike, numpy.complex128] | None, threads: typing.SupportsInt | typing.SupportsIndex, progress: typing.Any, out: numpy.typing.NDArray[numpy.float64]) -> None:
    ...
def fisher(experiment: Experiment, tissue: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], M0: typing.Annotated[numpy.typing.ArrayLike, numpy.complex128], sigma: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], valid: typing.Annotated[numpy.typing.ArrayLike, numpy.bool], physics: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex, typing.SupportsFloat | typing.SupportsIndex], wrt: collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], form: typing.SupportsInt | typing.SupportsIndex, basis: typing.Annotated[numpy.typing.ArrayLike, numpy.complex128] | None, threads: typing.SupportsInt | typing.SupportsIndex, progress: typing.Any, out: numpy.ndarray) -> None:
    ...
def fit(experiment: Experiment, data: typing.Annotated[numpy.typing.ArrayLike, numpy.complex128], tissue: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], M0: typing.Annotated[numpy.typing.ArrayLike, numpy.complex128], valid: typing.Annotated[numpy.typing.ArrayLike, numpy.bool], sigma: typing.Annotated[numpy.typing.ArrayLike, numpy.float64] | None, physics: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex, typing.SupportsFloat | typing.SupportsIndex], unknowns: collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], M0_treatment: typing.SupportsInt | typing.SupportsIndex, low: collections.abc.Sequence[typing.SupportsFloat | typing.SupportsIndex], high: collections.abc.Sequence[typing.SupportsFloat | typing.SupportsIndex], prior_mean: typing.Annotated[numpy.typing.ArrayLike, numpy.float64] | None, prior_std: collections.abc.Sequence[typing.SupportsFloat | typing.SupportsIndex], stopping: tuple[typing.SupportsFloat | typing.SupportsIndex, typing.SupportsFloat | typing.SupportsIndex, typing.SupportsFloat | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex], basis: typing.Annotated[numpy.typing.ArrayLike, numpy.complex128] | None, threads: typing.SupportsInt | typing.SupportsIndex, progress: typing.Any, estimates: numpy.typing.NDArray[numpy.float64], estimated_M0: numpy.typing.NDArray[numpy.complex128], covariance: numpy.typing.NDArray[numpy.float64], estimated_sigma: numpy.typing.NDArray[numpy.float64], residual: numpy.typing.NDArray[numpy.float64], status: numpy.typing.NDArray[numpy.int8], iterations: numpy.typing.NDArray[numpy.int32], at_bound: numpy.typing.NDArray[numpy.uint16]) -> None:
    ...
def greens_function(lineshape: typing.Annotated[numpy.typing.ArrayLike, numpy.int32], kappa: typing.Annotated[numpy.typing.ArrayLike, numpy.float64]) -> typing.Any:
    """
    G(kappa), kappa = (t - s)/T2s >= 0; lineshape: superlorentzian 0, gaussian 1, lorentzian 2.
    """
def greens_slope(lineshape: typing.Annotated[numpy.typing.ArrayLike, numpy.int32], kappa: typing.Annotated[numpy.typing.ArrayLike, numpy.float64]) -> typing.Any:
    """
    dG/dkappa of the same.
    """
def in_one_run(experiment: Experiment, tissue: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], M0: typing.Annotated[numpy.typing.ArrayLike, numpy.complex128], sigma: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], valid: typing.Annotated[numpy.typing.ArrayLike, numpy.bool], physics: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex, typing.SupportsFloat | typing.SupportsIndex], wrt: collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], form: typing.SupportsInt | typing.SupportsIndex, basis: typing.Annotated[numpy.typing.ArrayLike, numpy.complex128], threads: typing.SupportsInt | typing.SupportsIndex, progress: typing.Any, signal: numpy.typing.NDArray[numpy.complex128], jacobian: numpy.typing.NDArray[numpy.complex128] | None, F: numpy.ndarray | None, bounds: numpy.typing.NDArray[numpy.float64] | None) -> None:
    ...
def isa_available() -> list[str]:
    """
    Instruction sets that this build and processor can run, the widest last.
    """
def isa_in_use() -> str:
    """
    The instruction set of the next call.
    """
def magnetization(experiment: Experiment, tissue: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], M0: typing.Annotated[numpy.typing.ArrayLike, numpy.complex128], valid: typing.Annotated[numpy.typing.ArrayLike, numpy.bool], physics: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex, typing.SupportsFloat | typing.SupportsIndex], single: bool, threads: typing.SupportsInt | typing.SupportsIndex, progress: typing.Any, out: numpy.typing.NDArray[numpy.complex128]) -> None:
    ...
def pulse_propagator(model: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex, typing.SupportsFloat | typing.SupportsIndex], tissue: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], *, alpha: typing.SupportsFloat | typing.SupportsIndex, TRF: typing.SupportsFloat | typing.SupportsIndex, shape: typing.Annotated[numpy.typing.ArrayLike, numpy.complex128] | None = None, n_elements: typing.SupportsInt | typing.SupportsIndex = 0) -> tuple:
    """
    A pulse as affine map of (xf yf zf zs): P (4, 5), its derivatives (8, 4, 5) by the tissue (8,), and the elements per sample of the shape; 0 elements: as many as rtol takes. Models: gbloch-ide 1, graham 2, graham-single-frequency 3, sled 4.
    """
def response_table(lineshape: typing.SupportsInt | typing.SupportsIndex, tau_max: typing.SupportsFloat | typing.SupportsIndex, tau: typing.SupportsFloat | typing.SupportsIndex, theta: typing.SupportsFloat | typing.SupportsIndex, which: str, *, x_low: typing.SupportsFloat | typing.SupportsIndex | None = None, theta_max: typing.SupportsFloat | typing.SupportsIndex | None = None) -> numpy.typing.NDArray[numpy.float64]:
    """
    Value and partials f f_x f_u f_xx f_xu f_uu of the table of 'rho' or 'z', x = ln tau, u = theta^2, in the patch that holds [x_low, x_low + ln 1.5] (x_low: ln tau unless given) and [0, theta_max] (theta).
    """
def sensitivities(experiment: Experiment, tissue: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], M0: typing.Annotated[numpy.typing.ArrayLike, numpy.complex128], valid: typing.Annotated[numpy.typing.ArrayLike, numpy.bool], physics: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex, typing.SupportsFloat | typing.SupportsIndex], single: bool, wrt: collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], basis: typing.Annotated[numpy.typing.ArrayLike, numpy.complex128] | None, threads: typing.SupportsInt | typing.SupportsIndex, progress: typing.Any, out_s: numpy.typing.NDArray[numpy.complex128], out_J: numpy.typing.NDArray[numpy.complex128]) -> None:
    ...
def simulate(experiment: Experiment, tissue: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], M0: typing.Annotated[numpy.typing.ArrayLike, numpy.complex128], valid: typing.Annotated[numpy.typing.ArrayLike, numpy.bool], physics: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex, typing.SupportsFloat | typing.SupportsIndex], single: bool, basis: typing.Annotated[numpy.typing.ArrayLike, numpy.complex128] | None, threads: typing.SupportsInt | typing.SupportsIndex, progress: typing.Any, out: numpy.typing.NDArray[numpy.complex128]) -> None:
    ...
compiler: str
limits: dict
parameters: tuple
statuses: tuple
version: str
