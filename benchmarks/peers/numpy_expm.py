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


def repetitions(train, theta, response):
    """The propagators of all repetitions: free precession, phase increment, pulse, free precession."""
    A = Jets(
        generators(theta, train.slope, response[:, 0]), generator_derivatives(theta, train.slope, *response[:, 1:].T)
    )
    value, tangent = inversion(theta, train.alpha[0], response[0])
    pulse = joined(Jets(value[None], tangent[:, None]), exponential(A[1:] * train.TRF[1:, None, None]))
    none = np.zeros(len(train.durations))
    B = Jets(generators(theta, none, none), generator_derivatives(theta, none, none, none))
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
    """(6, 9): the state of the periodic train, and its derivatives."""
    inverse = np.linalg.inv(np.eye(5) - cycle.value[:5, :5])
    m = np.zeros((6, 1 + N_PARAMETERS))
    m[:5, 0], m[5, 0] = inverse @ cycle.value[:5, 5], 1
    m[:5, 1:] = inverse @ (cycle.tangent @ m[:, 0])[:, :5].T
    return m


def walk(jets, m):
    """(n, 6, 9) states and derivatives at every echo."""
    states = np.empty((len(jets.value) + 1, 6, 1 + N_PARAMETERS))
    states[0] = m
    tangents = np.ascontiguousarray(jets.tangent.transpose(1, 2, 0, 3)).reshape(-1, 6 * N_PARAMETERS, 6)
    for value, tangent, (before, after) in zip(jets.value, tangents, pairwise(states), strict=True):
        np.matmul(value, before, out=after)
        after[:, 1:] += (tangent @ before[:, 0]).reshape(6, N_PARAMETERS)
    return states[1:]


def prepare(seq, tissues):
    """See `Peer`."""
    train = Train(seq)
    responses = train.responses(tissues)

    def call():
        jets = (repetitions(train, *voxel) for voxel in zip(tissues, responses, strict=True))
        states = np.array([walk(each, fixed_point(product(each))) for each in jets])
        xy = states[:, :, 0] + 1j * states[:, :, 1]
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
