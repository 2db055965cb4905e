"""The model as its users write it: one 6x6 generator per pulse, a sum of constant patterns.

State (xf yf zf xs zs 1), tissue m0s R1f R2f Rex R1s T2s omega0 B1, M0 = 1:

    A_i = sum_k c_k,i P_k,   dA_i/dtheta_p = sum_k (dc_k,i/dtheta_p) P_k

R2sl and its derivatives are given; how long they take is not counted.
"""

import numpy as np
from spinbound import _core
from spinbound.sequences.experiment import as_core_sequence

XF, YF, ZF, XS, ZS, ONE = range(6)
N_PARAMETERS = 8

# Of each coefficient: row, column, sign of its entries.
ENTRIES = (
    ((XF, XF, -1), (YF, YF, -1)),  # R2f
    ((XF, YF, -1), (YF, XF, 1)),  # omega0
    ((XF, ZF, 1), (ZF, XF, -1), (XS, ZS, 1), (ZS, XS, -1)),  # omega1
    ((XS, XS, -1),),  # R2sl
    ((ZF, ZF, -1),),  # R1f + Rex m0s
    ((ZF, ZS, 1),),  # Rex m0f
    ((ZF, ONE, 1),),  # R1f m0f
    ((ZS, ZF, 1),),  # Rex m0s
    ((ZS, ZS, -1),),  # R1s + Rex m0f
    ((ZS, ONE, 1),),  # R1s m0s
)
PATTERNS = np.zeros((len(ENTRIES), 6, 6))
for _pattern, _entries in zip(PATTERNS, ENTRIES, strict=True):
    for _row, _column, _sign in _entries:
        _pattern[_row, _column] = _sign
WITHOUT_XS = np.diag([1.0, 1, 1, 0, 1, 1])


class Train:
    """A periodic train, a crusher pulse and then balanced ones, in the arrays that the peers work on.

    Attributes: alpha, TRF, slope (n,); phase_turn (6, 6), the phase increment of the RF; durations (k,) of free
    precession without repeats, and gap (n,), which of them stands on both sides of pulse i.
    """

    def __init__(self, seq):
        if seq.gradient_moment != ("crusher",) + ("balanced",) * (seq.n_pulses - 1) or seq.start != "periodic":
            raise ValueError("the peers play periodic trains of one crusher pulse and then balanced ones")
        self.core, self.n, self.TR = as_core_sequence(seq), seq.n_pulses, seq.TR
        self.alpha, self.TRF = np.array(seq.alpha), np.array(seq.TRF)
        self.slope = self.alpha / self.TRF
        c, s = np.cos(seq.rf_phase_increment), np.sin(seq.rf_phase_increment)
        self.phase_turn = np.eye(6)
        self.phase_turn[:2, :2] = [[c, s], [-s, c]]
        around = np.where(np.arange(self.n) == 0, self.TR, self.TR - self.TRF) / 2
        self.durations, self.gap = np.unique(around, return_inverse=True)

    def responses(self, tissues):
        """(N, n, 3) R2sl, dR2sl/dT2s, dR2sl/dB1 of each pulse; of the crusher pulse z and its derivatives."""
        return np.array([_core.R2sl(self.core, 0, tissue[5], tissue[7]) for tissue in tissues])


def coefficients(theta, slope, R2sl):
    """The ten coefficients of a tissue (8,): numbers, or (n,) where they depend on the pulse."""
    m0s, R1f, R2f, Rex, R1s, _, omega0, B1 = theta
    m0f = 1 - m0s
    exchange = (R1f + Rex * m0s, Rex * m0f, R1f * m0f, Rex * m0s, R1s + Rex * m0f, R1s * m0s)
    return (R2f, omega0, B1 * slope, R2sl, *exchange)


def coefficient_derivatives(theta, slope, dT2s, dB1):
    """(8, n, 10) derivatives of the coefficients; slope, dT2s, dB1 (n,)."""
    m0s, R1f, _, Rex, R1s, *_ = theta
    d = np.zeros((N_PARAMETERS, np.size(slope), len(ENTRIES)))
    d[0, :, 4:] = Rex, -Rex, -R1f, Rex, -Rex, R1s
    d[1, :, [4, 6]] = [[1], [1 - m0s]]
    d[2, :, 0] = 1
    d[3, :, [4, 5, 7, 8]] = [[m0s], [1 - m0s], [m0s], [1 - m0s]]
    d[4, :, [8, 9]] = [[1], [m0s]]
    d[5, :, 3] = dT2s
    d[6, :, 1] = 1
    d[7, :, 2], d[7, :, 3] = slope, dB1
    return d


def generators(theta, slope, R2sl):
    """(n, 6, 6) generators; slope and R2sl (n,), zero in free precession."""
    ones = np.ones_like(slope)
    c = np.stack([c * ones for c in coefficients(theta, slope, R2sl)], axis=-1)
    return np.tensordot(c, PATTERNS, 1)


def generator_derivatives(theta, slope, dT2s, dB1):
    """(8, n, 6, 6) derivatives of the generators."""
    return np.tensordot(coefficient_derivatives(theta, slope, dT2s, dB1), PATTERNS, 1)


def inversion(theta, alpha, response):
    """The crusher pulse (6, 6) and its derivatives (8, 6, 6): the refocused path, zs times z."""
    z, dT2s, dB1 = response
    angle = theta[7] * alpha
    refocused, slope = np.sin(angle / 2) ** 2, alpha * np.sin(angle) / 2
    value, tangent = np.diag([refocused, -refocused, np.cos(angle), 0, z, 1]), np.zeros((N_PARAMETERS, 6, 6))
    tangent[5, ZS, ZS] = dT2s
    tangent[7] = np.diag([slope, -slope, -2 * slope, 0, dB1, 0])
    return value, tangent
