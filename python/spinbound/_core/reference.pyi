"""
The model by matrix exponentials: the tests' oracle.
"""
from __future__ import annotations
import numpy
import numpy.typing
import spinbound._core
import typing
__all__: list[str] = ['exponential', 'pulse', 'simulate', 'simulate_complex']
def exponential(a: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], directions: typing.Annotated[numpy.typing.ArrayLike, numpy.float64]) -> tuple:
    """
    exp(a), a (6, 6), and its Frechet derivatives (8, 6, 6) in the directions (8, 6, 6).
    """
def pulse(alpha: typing.SupportsFloat | typing.SupportsIndex, TRF: typing.SupportsFloat | typing.SupportsIndex, tissue: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], R2sl: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], magnetization: typing.Annotated[numpy.typing.ArrayLike, numpy.float64]) -> numpy.typing.NDArray[numpy.float64]:
    """
    Magnetization (5,) after one rectangular pulse; xs is kept.
    """
def simulate(sequence: spinbound._core.Sequence, tissue: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], R2sl: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], extended: bool = True) -> tuple:
    """
    Magnetization (n, 5) at the echoes and its derivatives (n, 5, 8); tissue (8,), R2sl (n, 3). Extended: in long double, else in double.
    """
def simulate_complex(sequence: spinbound._core.Sequence, tissue: typing.Annotated[numpy.typing.ArrayLike, numpy.complex128], R2sl: typing.Annotated[numpy.typing.ArrayLike, numpy.complex128]) -> numpy.typing.NDArray[numpy.complex128]:
    """
    Magnetization (n, 5) of a complex tissue (8,) and R2sl (n, 3), for complex-step derivatives.
    """
