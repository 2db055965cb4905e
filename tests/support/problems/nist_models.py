"""The nonlinear regressions of NIST's Statistical Reference Datasets, with exact Jacobians.

Every model takes the parameters `b` (n) and the predictor `x` (m) and returns its values (m) and their Jacobian (m, n).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy import cos, exp, log, pi, sin
from numpy.typing import NDArray

Array = NDArray[np.float64]
Model = Callable[[Array, Array], tuple[Array, Array]]

FOLDER = Path(__file__).parent / "nist"


@dataclass(frozen=True)
class Problem:
    """One file: data, two starts, and the certified estimates, standard errors (n) and residual sum of squares."""

    name: str
    model: Model
    x: Array
    y: Array
    starts: Array
    certified: Array
    std: Array
    cost: float

    def evaluate(self, b: Array) -> tuple[Array, Array]:
        """Model - data and its Jacobian."""
        value, J = self.model(b, self.x)
        return value - self.y, J


def read_problem(name: str) -> Problem:
    """The problem of a file: in every one, lines 41 on hold the parameters and lines 61 on the data."""
    lines = (FOLDER / f"{name}.dat").read_text().splitlines()
    table = np.array([line.split("=")[1].split() for line in lines[40:60] if "=" in line], dtype=float)
    cost = next(float(line.split(":")[1]) for line in lines[40:60] if line.startswith("Residual Sum of Squares"))
    data = np.array([line.split() for line in lines[60:] if line.strip()], dtype=float)
    y = log(data[:, 0]) if name == "Nelson" else data[:, 0]
    x = data[:, 1:].T if name == "Nelson" else data[:, 1]
    return Problem(name, MODELS[name], x, y, table[:, :2].T, table[:, 2], table[:, 3], cost)


def columns(*derivatives: Array | float, like: Array) -> Array:
    return np.stack([np.broadcast_to(column, like.shape) for column in derivatives], axis=1)


def bennett(b: Array, x: Array) -> tuple[Array, Array]:
    power = (b[1] + x) ** (-1 / b[2])
    y = b[0] * power
    return y, columns(power, -y / (b[1] + x) / b[2], y * log(b[1] + x) / b[2] ** 2, like=x)


def saturation(b: Array, x: Array) -> tuple[Array, Array]:
    decay = exp(-b[1] * x)
    return b[0] * (1 - decay), columns(1 - decay, b[0] * x * decay, like=x)


def chwirut(b: Array, x: Array) -> tuple[Array, Array]:
    line = b[1] + b[2] * x
    y = exp(-b[0] * x) / line
    return y, columns(-x * y, -y / line, -x * y / line, like=x)


def danwood(b: Array, x: Array) -> tuple[Array, Array]:
    power = x ** b[1]
    return b[0] * power, columns(power, b[0] * power * log(x), like=x)


def enso(b: Array, x: Array) -> tuple[Array, Array]:
    year = 2 * pi * x / 12
    y = b[0] + b[1] * cos(year) + b[2] * sin(year)
    derivatives: list[Array | float] = [1.0, cos(year), sin(year)]
    for period, c, s in (b[3:6], b[6:9]):
        angle = 2 * pi * x / period
        y = y + c * cos(angle) + s * sin(angle)
        derivatives += [angle / period * (c * sin(angle) - s * cos(angle)), cos(angle), sin(angle)]
    return y, columns(*derivatives, like=x)


def eckerle(b: Array, x: Array) -> tuple[Array, Array]:
    z = (x - b[2]) / b[1]
    peak = exp(-(z**2) / 2) / b[1]
    y = b[0] * peak
    return y, columns(peak, y * (z**2 - 1) / b[1], y * z / b[1], like=x)


def gauss(b: Array, x: Array) -> tuple[Array, Array]:
    decay = exp(-b[1] * x)
    y = b[0] * decay
    derivatives = [decay, -x * y]
    for height, centre, width in (b[2:5], b[5:8]):
        z = (x - centre) / width
        bell = exp(-(z**2))
        y = y + height * bell
        derivatives += [bell, 2 * height * bell * z / width, 2 * height * bell * z**2 / width]
    return y, columns(*derivatives, like=x)


def rational(degree: int, b: Array, x: Array) -> tuple[Array, Array]:
    """A polynomial of b[0] to b[degree] over one of 1 and the others."""
    powers = x[:, None] ** np.arange(degree + 1)
    above, below = powers @ b[: degree + 1], powers @ np.append(1, b[degree + 1 :])
    y = above / below
    return y, np.hstack([powers, -y[:, None] * powers[:, 1:]]) / below[:, None]


def exponentials(b: Array, x: Array) -> tuple[Array, Array]:
    height, decay = b[::2], exp(-x[:, None] * b[1::2])
    return decay @ height, np.stack([decay, -x[:, None] * height * decay], axis=2).reshape(x.size, b.size)


def mgh09(b: Array, x: Array) -> tuple[Array, Array]:
    above, below = x**2 + x * b[1], x**2 + x * b[2] + b[3]
    y = b[0] * above / below
    return y, columns(above / below, b[0] * x / below, -y * x / below, -y / below, like=x)


def mgh10(b: Array, x: Array) -> tuple[Array, Array]:
    growth = exp(b[1] / (x + b[2]))
    y = b[0] * growth
    return y, columns(growth, y / (x + b[2]), -y * b[1] / (x + b[2]) ** 2, like=x)


def mgh17(b: Array, x: Array) -> tuple[Array, Array]:
    first, second = exp(-x * b[3]), exp(-x * b[4])
    y = b[0] + b[1] * first + b[2] * second
    return y, columns(1.0, first, second, -b[1] * x * first, -b[2] * x * second, like=x)


def misra_power(factor: float, power: float, b: Array, x: Array) -> tuple[Array, Array]:
    """b0 (1 - (1 + factor b1 x)^power)"""
    base = 1 + factor * b[1] * x
    return b[0] * (1 - base**power), columns(1 - base**power, -b[0] * power * factor * x * base ** (power - 1), like=x)


def misra1d(b: Array, x: Array) -> tuple[Array, Array]:
    base = 1 + b[1] * x
    return b[0] * b[1] * x / base, columns(b[1] * x / base, b[0] * x / base**2, like=x)


def nelson(b: Array, x: Array) -> tuple[Array, Array]:
    decay = x[0] * exp(-b[2] * x[1])
    return b[0] - b[1] * decay, columns(1.0, -decay, b[1] * x[1] * decay, like=decay)


def rat42(b: Array, x: Array) -> tuple[Array, Array]:
    growth = exp(b[1] - b[2] * x)
    y = b[0] / (1 + growth)
    slope = y * growth / (1 + growth)
    return y, columns(1 / (1 + growth), -slope, x * slope, like=x)


def rat43(b: Array, x: Array) -> tuple[Array, Array]:
    growth = exp(b[1] - b[2] * x)
    factor = (1 + growth) ** (-1 / b[3])
    y = b[0] * factor
    slope = y * growth / (1 + growth) / b[3]
    return y, columns(factor, -slope, x * slope, y * log(1 + growth) / b[3] ** 2, like=x)


def roszman(b: Array, x: Array) -> tuple[Array, Array]:
    shifted = x - b[3]
    norm = pi * (shifted**2 + b[2] ** 2)
    y = b[0] - b[1] * x - np.arctan(b[2] / shifted) / pi
    return y, columns(1.0, -x, -shifted / norm, -b[2] / norm, like=x)


MODELS: dict[str, Model] = {
    "Bennett5": bennett,
    "BoxBOD": saturation,
    "Chwirut1": chwirut,
    "Chwirut2": chwirut,
    "DanWood": danwood,
    "ENSO": enso,
    "Eckerle4": eckerle,
    "Gauss1": gauss,
    "Gauss2": gauss,
    "Gauss3": gauss,
    "Hahn1": partial(rational, 3),
    "Kirby2": partial(rational, 2),
    "Lanczos1": exponentials,
    "Lanczos2": exponentials,
    "Lanczos3": exponentials,
    "MGH09": mgh09,
    "MGH10": mgh10,
    "MGH17": mgh17,
    "Misra1a": saturation,
    "Misra1b": partial(misra_power, 0.5, -2),
    "Misra1c": partial(misra_power, 2, -0.5),
    "Misra1d": misra1d,
    "Nelson": nelson,
    "Rat42": rat42,
    "Rat43": rat43,
    "Roszman1": roszman,
    "Thurber": partial(rational, 3),
}
