"""A look at a start promises the minimum of the damped linearised model, which dense linear algebra gives, too."""

import numpy as np
import spinbound as sb
from spinbound.estimators.fitting.core import LOOK, FitSettings, fit_from
from spinbound.estimators.fitting.problem import check
from spinbound.signals.forward import ForwardModel

from tests.support.trains import smooth_train

SEQ, N = smooth_train(40), 12
NAMES = ("m0s", "R2f", "B1")
REACH = np.array([0.05, 3.0, 0.1])
NOTHING = dict.fromkeys(("start", "bounds", "fixed", "mask", "sigma", "noise_covariance", "prior"))


def tissues(seed):
    draw = sb.Prior(m0s=sb.Uniform(0.1, 0.2), T2f=sb.Uniform(0.05, 0.1), B1=sb.Uniform(0.9, 1.1))
    return draw.sample(N, seed=seed)


def promise(start, data):
    """The least of |r + J p|^2 + |r|^2 |p/reach|^2, without the part of r and J along the signal, and start + p."""
    signal, J = sb.sensitivities(SEQ, start, NAMES)
    along = signal / np.linalg.norm(signal)
    r = -(data - along * np.vdot(along, data))
    columns = np.vdot(signal, data) / np.vdot(signal, signal) * J.T
    columns = columns - np.outer(columns @ along.conj(), along)
    A, b = np.hstack([columns.real, columns.imag]).T, np.hstack([r.real, r.imag])
    damping = np.diag(np.linalg.norm(b) / REACH)
    p, cost, *_ = np.linalg.lstsq(np.vstack([A, damping]), -np.append(b, np.zeros(3)), rcond=None)
    return np.sqrt(cost[0]) / np.linalg.norm(data), np.array([start[name] for name in NAMES]) + p


def test_a_look_promises_the_minimum_of_the_damped_linearised_model():
    data, start = sb.simulate(SEQ, tissues(1)), tissues(2)
    problem = check(data, ForwardModel.of(SEQ, "gbloch", None), ("M0", *NAMES), variable_projection=True, **NOTHING)
    given = {name: start[name] for name in NAMES}
    settings = FitSettings(1e-10, 1e-10, 1e-8, 100, 1)
    found = fit_from(problem, problem.voxels, given, settings, None, max_iterations=1, depth=LOOK, reach=REACH)
    for voxel in range(N):
        misfit, place = promise(start[voxel], data[voxel])
        # signals in single precision: 1e-5 of the data and of their derivatives
        assert abs(found["misfit"][voxel] - misfit) < 1e-4
        assert np.abs((found["estimates"][:, voxel] - place) / REACH).max() < 1e-2
