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
__all__: list[str] = ['Call', 'Experiment', 'FitProblem', 'FitResults', 'LeastSquares', 'Noise', 'PoolResponse', 'R2sl', 'Sequence', 'Unknowns', 'available_threads', 'cgroup_cpu_limit', 'compiler', 'crb', 'fisher', 'fit', 'greens_function', 'greens_slope', 'in_one_run', 'isa_available', 'isa_in_use', 'limits', 'magnetization', 'parameters', 'pulse_propagator', 'reference', 'response_table', 'sensitivities', 'simulate', 'statuses', 'version']
class Sequence:
    def __init__(self: Sequence, *, alpha: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], TRF: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], TR: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], rf_phase_increment: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], gradient_moment: typing.Annotated[numpy.typing.ArrayLike, numpy.int32], echo: typing.Annotated[numpy.typing.ArrayLike, numpy.bool], shape: typing.Annotated[numpy.typing.ArrayLike, numpy.complex128], start: typing.SupportsInt | typing.SupportsIndex, initial: typing.Annotated[numpy.typing.ArrayLike, numpy.float64]) -> None:
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
class Call:
    """
    Voxels, what simulates them, and how it runs: tissue (8, n), M0 (n,), valid (n,), the codes of model and lineshape and rtol, basis (n_echoes, rank), threads (0: all), progress(done, total).
    """
    def __init__(self, *, experiment: Experiment, tissue: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], M0: typing.Annotated[numpy.typing.ArrayLike, numpy.complex128], valid: typing.Annotated[numpy.typing.ArrayLike, numpy.bool], model: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex, typing.SupportsFloat | typing.SupportsIndex], basis: typing.Annotated[numpy.typing.ArrayLike, numpy.complex128] | None = None, single: bool = False, threads: typing.SupportsInt | typing.SupportsIndex = 0, progress: typing.Any = None) -> None:
        ...
    @property
    def n_voxels(self) -> int:
        ...
class Noise:
    """
    sigma (n,): standard deviation in the real and in the imaginary part each; whitening (1 or n, rank, rank): W with W C W^H = 1 for the covariance C of coefficients.
    """
    def __init__(self, sigma: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], whitening: typing.Annotated[numpy.typing.ArrayLike, numpy.complex128] | None = None) -> None:
        ...
class Unknowns:
    """
    Codes of parameters, and that of their Fisher matrix: real, complex, real-M0.
    """
    def __init__(self, codes: collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], form: typing.SupportsInt | typing.SupportsIndex = 0) -> None:
        ...
    @property
    def size(self) -> int:
        ...
class FitProblem:
    """
    data (n, n_samples); the treatment of M0: known, eliminated, fitted; low and high of every unknown; prior_mean (unknowns, n) or None; prior_std of every unknown, inf: no prior; stopping (gradient, step, cost, max_iterations); the depth: look, rough, full; the reach of every unknown, for a look.
    """
    def __init__(self, data: typing.Annotated[numpy.typing.ArrayLike, numpy.complex128], *, M0: typing.SupportsInt | typing.SupportsIndex, low: collections.abc.Sequence[typing.SupportsFloat | typing.SupportsIndex], high: collections.abc.Sequence[typing.SupportsFloat | typing.SupportsIndex], prior_mean: typing.Annotated[numpy.typing.ArrayLike, numpy.float64] | None, prior_std: collections.abc.Sequence[typing.SupportsFloat | typing.SupportsIndex], stopping: tuple[typing.SupportsFloat | typing.SupportsIndex, typing.SupportsFloat | typing.SupportsIndex, typing.SupportsFloat | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex], depth: typing.SupportsInt | typing.SupportsIndex = 2, reach: collections.abc.Sequence[typing.SupportsFloat | typing.SupportsIndex] = []) -> None:
        ...
class FitResults:
    """
    Arrays to fill: estimates (unknowns, n), covariance (n, size, size) of the unknowns and of Re M0 and Im M0 unless it is known, at_bound with bit k for unknown k; the others (n,).
    """
    def __init__(self, *, estimates: numpy.typing.NDArray[numpy.float64], M0: numpy.typing.NDArray[numpy.complex128], covariance: numpy.typing.NDArray[numpy.float64], sigma: numpy.typing.NDArray[numpy.float64], residual: numpy.typing.NDArray[numpy.float64], misfit: numpy.typing.NDArray[numpy.float64], status: numpy.typing.NDArray[numpy.int8], iterations: numpy.typing.NDArray[numpy.int32], at_bound: numpy.typing.NDArray[numpy.uint16]) -> None:
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
    """
    (n_pulses, 3): R2sl, dR2sl/dT2s, dR2sl/dB1 as tabulated; for a crusher z, dz/dT2s, dz/dB1.
    """
def available_threads() -> int:
    """
    Cores that this process may use, by its affinity and by the limits of its control groups.
    """
def cgroup_cpu_limit(root: os.PathLike | str | bytes = '/') -> int | None:
    """
    Whole cores that the control groups grant, or None; root: the folder that holds proc/ and sys/.
    """
def crb(call: Call, noise: Noise, unknowns: Unknowns, bounds: numpy.typing.NDArray[numpy.float64], *, prior: numpy.typing.NDArray[numpy.float64] | None = None, condition: numpy.typing.NDArray[numpy.float64] | None = None) -> None:
    """
    Bounds (unknowns, n): Cramer-Rao, or diag((F + P^-1)^-1) of a prior with rows R (size, size), R^T R = P^-1; and the condition (n,) of the column-scaled Jacobian.
    """
def fisher(call: Call, noise: Noise, unknowns: Unknowns, F: numpy.ndarray) -> None:
    """
    Fisher matrices (n, size, size), complex in the complex form; M0 has two rows in the real one.
    """
def fit(call: Call, noise: Noise | None, unknowns: Unknowns, problem: FitProblem, results: FitResults) -> None:
    """
    Least squares from the tissue and M0 of the call; without noise sigma is estimated.
    """
def greens_function(lineshape: typing.Annotated[numpy.typing.ArrayLike, numpy.int32], kappa: typing.Annotated[numpy.typing.ArrayLike, numpy.float64]) -> typing.Any:
    """
    G(kappa), kappa = (t - s)/T2s >= 0; lineshape: superlorentzian 0, gaussian 1, lorentzian 2.
    """
def greens_slope(lineshape: typing.Annotated[numpy.typing.ArrayLike, numpy.int32], kappa: typing.Annotated[numpy.typing.ArrayLike, numpy.float64]) -> typing.Any:
    """
    dG/dkappa of the same.
    """
def in_one_run(call: Call, noise: Noise, unknowns: Unknowns, signals: numpy.typing.NDArray[numpy.complex128], *, sensitivities: numpy.typing.NDArray[numpy.complex128] | None = None, fisher: numpy.ndarray | None = None, crb: numpy.typing.NDArray[numpy.float64] | None = None) -> None:
    """
    Signals (n, rank) in a basis, and of the others those that are wanted, as the functions of these names.
    """
def isa_available() -> list[str]:
    """
    Instruction sets that this build and processor can run, the widest last.
    """
def isa_in_use() -> str:
    """
    The instruction set of the next call.
    """
def magnetization(call: Call, out: numpy.typing.NDArray[numpy.complex128]) -> None:
    """
    M0 times xf yf zf xs zs (n, n_echoes, 5) at the echoes.
    """
def pulse_propagator(model: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex, typing.SupportsFloat | typing.SupportsIndex], tissue: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], *, alpha: typing.SupportsFloat | typing.SupportsIndex, TRF: typing.SupportsFloat | typing.SupportsIndex, shape: typing.Annotated[numpy.typing.ArrayLike, numpy.complex128] | None = None, n_elements: typing.SupportsInt | typing.SupportsIndex = 0) -> tuple:
    """
    A pulse as affine map of (xf yf zf zs): P (4, 5), its derivatives (8, 4, 5) by the tissue (8,), and the elements per sample of the shape; 0 elements: as many as rtol takes. Models: gbloch-ide 1, graham 2, graham-single-frequency 3, sled 4.
    """
def response_table(lineshape: typing.SupportsInt | typing.SupportsIndex, tau_max: typing.SupportsFloat | typing.SupportsIndex, tau: typing.SupportsFloat | typing.SupportsIndex, theta: typing.SupportsFloat | typing.SupportsIndex, which: str, *, x_low: typing.SupportsFloat | typing.SupportsIndex | None = None, theta_max: typing.SupportsFloat | typing.SupportsIndex | None = None) -> numpy.typing.NDArray[numpy.float64]:
    """
    Value and partials f f_x f_u f_xx f_xu f_uu of the table of 'rho' or 'z', x = ln tau, u = theta^2, in the patch that holds [x_low, x_low + ln 1.5] (x_low: ln tau unless given) and [0, theta_max] (theta).
    """
def sensitivities(call: Call, unknowns: Unknowns, s: numpy.typing.NDArray[numpy.complex128], J: numpy.typing.NDArray[numpy.complex128]) -> None:
    """
    Signals (n, n_samples) and their derivatives (n, n_samples, unknowns).
    """
def simulate(call: Call, out: numpy.typing.NDArray[numpy.complex128]) -> None:
    """
    Signals (n, n_samples).
    """
compiler: str
limits: dict
parameters: tuple
statuses: tuple
version: str
