"""NumPy: all exponentials of a train side by side, 6x6 with their Frechet derivatives, by batched products."""

from itertools import pairwise

import numpy as np

from .model import N_PARAMETERS, WITHOUT_XS, Train, generator_derivatives, generators, inversion
from .peer import Peer

BOUND = 0.78  # of |x|_1, below which Taylor's series to x^16 leaves less than half a unit of roundoff
FACTORIALS = np.cumprod([1.0, *range(1, 17)])


class Jets:
    """Matrices (n, 6, 6) with their derivatives (8, n, 6, 6)."""

    def __init__(self, value, tangent):
        self.value, self.tangent = value, tangent

    def __matmul__(self, other):
        return Jets(self.value @ other.value, self.tangent @ other.value + self.value @ other.tangent)

    def __add__(self, other):
        return Jets(self.value + other.value, self.tangent + other.tangent)

    def __mul__(self, factor):
        return Jets(self.value * factor, self.tangent * factor)

    def __getitem__(self, index):
        return Jets(self.value[index], self.tangent[:, index])

    def led_by(self, matrix):
        """A constant matrix times these."""
        return Jets(matrix @ self.value, matrix @ self.tangent)


def joined(first, others):
    """Two runs of jets, one after the other."""
    return Jets(np.concatenate([first.value, others.value]), np.concatenate([first.tangent, others.tangent], axis=1))


def exponential(x):
    """exp of jets: Taylor's series in blocks of four powers, scaling and squaring."""
    largest = np.abs(x.value).sum(axis=-2).max()
    squarings = max(0, int(np.ceil(np.log2(largest / BOUND))))
    x = x * 2.0**-squarings
    x2 = x @ x
    powers, x4 = (x, x2, x2 @ x), x2 @ x2
    result = block(12, powers) + x4 * (1 / FACTORIALS[16])
    for first in (8, 4, 0):
        result = x4 @ result + block(first, powers)
    for _ in range(squarings):
        result = result @ result
    return result


def block(first, powers):
    """sum_(i < 4) x^i/(first + i)!"""
    one = Jets(np.eye(6) / FACTORIALS[first], 0.0)
    return sum((power * (1 / FACTORIALS[first + i]) for i, power in enumerate(powers, 1)), start=one)


def repetitions(train, theta, response, columns):
    """The propagators of all repetitions: free precession, phase increment, pulse, free precession.

    With all derivatives, or with none: `columns` of them.
    """

    def jets(slope, R2sl, *slopes):
        value = generators(theta, slope, R2sl)
        none = np.empty((0, *value.shape))
        return Jets(value, generator_derivatives(theta, slope, *slopes) if columns else none)

    A = jets(train.slope, *response.T)
    value, tangent = inversion(theta, train.alpha[0], response[0])
    pulse = joined(Jets(value[None], tangent[:columns, None]), exponential(A[1:] * train.TRF[1:, None, None]))
    B = jets(*np.zeros((4, len(train.durations))))
    gap = exponential(B * train.durations[:, None, None]).led_by(WITHOUT_XS)
    return gap[train.gap] @ (pulse @ gap.led_by(train.phase_turn)[train.gap])


def product(jets):
    """All of them, the last to the left, in pairs."""
    while len(jets.value) > 1:
        odd = len(jets.value) % 2
        pairs = jets[odd + 1 :: 2] @ jets[odd::2]
        jets = joined(jets[:1], pairs) if odd else pairs
    return jets[0]


def fixed_point(cycle):
    """(6, 1 + columns): the state of the periodic train, and its derivatives."""
    inverse = np.linalg.inv(np.eye(5) - cycle.value[:5, :5])
    m = np.zeros((6, 1 + len(cycle.tangent)))
    m[:5, 0], m[5, 0] = inverse @ cycle.value[:5, 5], 1
    m[:5, 1:] = inverse @ (cycle.tangent @ m[:, 0])[:, :5].T
    return m


def walk(jets, m):
    """(n, 6, 1 + columns) states and derivatives at every echo."""
    n, columns = len(jets.value), len(jets.tangent)
    states = np.empty((n + 1, 6, 1 + columns))
    states[0] = m
    tangents = np.ascontiguousarray(jets.tangent.transpose(1, 2, 0, 3)).reshape(n, 6 * columns, 6)
    for value, tangent, (before, after) in zip(jets.value, tangents, pairwise(states), strict=True):
        np.matmul(value, before, out=after)
        after[:, 1:] += (tangent @ before[:, 0]).reshape(6, columns)
    return states[1:]


def signal(train, theta, response, columns=0):
    """(n, 1 + columns) the signal of a tissue (8,) for M0 = 1, and its derivatives."""
    jets = repetitions(train, theta, response, columns)
    states = walk(jets, fixed_point(product(jets)))
    return states[:, 0] + 1j * states[:, 1]


def prepare(seq, tissues):
    """See `Peer`."""
    train = Train(seq)
    responses = train.responses(tissues)

    def call():
        xy = np.array([signal(train, *voxel, N_PARAMETERS) for voxel in zip(tissues, responses, strict=True)])
        return xy[:, :, 0], xy[:, :, 1:]

    return call


PEER = Peer(
    name="NumPy",
    does="6x6 matrix exponentials with Fréchet derivatives, all pulses in one array",
    made_fast="products of all matrices of a train in one call of matmul, which is six times as fast as "
    "scipy.linalg.expm of 11x11 blocks; the product of the cycle in pairs. Two thirds of its time go to matmul, the "
    "rest to sums of arrays and the walk from echo to echo",
    prepare=prepare,
)
