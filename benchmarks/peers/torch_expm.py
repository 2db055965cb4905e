"""PyTorch: forward mode by hand through torch.matrix_exp of block-triangular 11x11 generators."""

import numpy as np

from .model import N_PARAMETERS, WITHOUT_XS, Train, generator_derivatives, generators, inversion
from .peer import Peer

SIZE = 11  # xf yf zf xs zs 1 and the derivatives of the first five
BOTH_WITHOUT_XS = np.append(np.diag(WITHOUT_XS), np.diag(WITHOUT_XS)[:5])


def blocks(value, tangent):
    """(8, n, 11, 11) [[A, 0], [dA, A]] from (n, 6, 6) and (8, n, 6, 6)."""
    joined = np.zeros((*tangent.shape[:2], SIZE, SIZE))
    joined[:, :, :6, :6] = value
    joined[:, :, 6:, 6:] = value[:, :5, :5]
    joined[:, :, 6:, :6] = tangent[:, :, :5]
    return joined


def exponential(torch, value, tangent):
    """exp of such blocks; derivatives are scaled to the size of the generators, lest they add squarings."""
    scale = np.abs(value).max() / np.maximum(np.abs(tangent).max(axis=(1, 2, 3)), 1e-300)
    result = torch.matrix_exp(torch.from_numpy(blocks(value, tangent * scale[:, None, None, None])))
    result[:, :, 6:, :6] /= torch.from_numpy(scale)[:, None, None, None]
    return result * torch.from_numpy(BOTH_WITHOUT_XS)[:, None]


def repetitions(torch, train, theta, response):
    """(8, n, 11, 11) propagators of all repetitions."""
    A = generators(theta, train.slope, response[:, 0])
    dA = generator_derivatives(theta, train.slope, *response[:, 1:].T)
    TRF = train.TRF[1:, None, None]
    value, tangent = inversion(theta, train.alpha[0], response[0])
    crusher = torch.from_numpy(blocks(value[None], tangent[:, None]))
    pulse = torch.cat([crusher, exponential(torch, A[1:] * TRF, dA[:, 1:] * TRF)], dim=1)
    none, t = np.zeros(len(train.durations)), train.durations[:, None, None]
    gap = exponential(torch, generators(theta, none, none) * t, generator_derivatives(theta, none, none, none) * t)
    turn = torch.from_numpy(blocks(train.phase_turn[None], np.zeros((1, 1, 6, 6))))[0, 0]
    return gap[:, train.gap] @ (pulse @ (turn @ gap)[:, train.gap])


def product(torch, M):
    """All of them, the last to the left, in pairs."""
    while M.shape[1] > 1:
        odd = M.shape[1] % 2
        M = torch.cat([M[:, :odd], M[:, odd + 1 :: 2] @ M[:, odd::2]], dim=1)
    return M[:, 0]


def fixed_point(torch, cycle):
    """(8, 11, 1) state of the periodic train and its derivatives."""
    eye = torch.eye(5, dtype=torch.float64)
    inverse = torch.linalg.inv(eye - cycle[0, :5, :5])
    m = torch.zeros(N_PARAMETERS, SIZE, 1, dtype=torch.float64)
    m[:, :5, 0], m[:, 5] = inverse @ cycle[0, :5, 5], 1
    m[:, 6:] = inverse @ (cycle[:, 6:, :6] @ m[:, :6])
    return m


def prepare(seq, tissues):
    """See `Peer`."""
    import torch

    torch.set_num_threads(1)
    train = Train(seq)
    responses = train.responses(tissues)

    def one(theta, response):
        M = repetitions(torch, train, theta, response)
        m, echoes = fixed_point(torch, product(torch, M)), []
        for repetition in M.unbind(1):
            m = torch.bmm(repetition, m)
            echoes.append(m)
        states = torch.stack(echoes).numpy()[..., 0]
        return states[:, 0, 0] + 1j * states[:, 0, 1], states[:, :, 6] + 1j * states[:, :, 7]

    def call():
        with torch.inference_mode():
            results = [one(*voxel) for voxel in zip(tissues, responses, strict=True)]
        return tuple(map(np.array, zip(*results, strict=True)))

    return call


PEER = Peer(
    name="PyTorch",
    does="torch.matrix_exp of 11x11 blocks, all pulses and parameters in one tensor",
    made_fast="forward mode by hand: torch.func.jacfwd through torch.matrix_exp, or through a series of our own, took "
    "half as long again. Four fifths of its time go to torch.matrix_exp, the rest to the walk from echo to echo",
    prepare=prepare,
    packages=("torch",),
)
