"""The mean squared errors that an estimator can achieve with the prior of a reference set: theory, section 10."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from spinbound.base.checks import as_sigma
from spinbound.base.errors import FloatArray, InvalidParameter
from spinbound.signals.batch import Batch
from spinbound.signals.bayesian import make_prior_rows, match_prior
from spinbound.signals.bounds import Bounds
from spinbound.signals.fisher import n_columns
from spinbound.signals.forward import ForwardModel
from spinbound.signals.noise import GaussianNoise
from spinbound.tissues.moments import find_covariance
from spinbound.tissues.prior import Prior
from spinbound.tissues.prior_file import parse_distributions

from .dataset import ReferenceSet
from .pairs import true_values

# Of a few tissues the covariance is singular; so much of each variance makes it invertible.
FREEDOM = 1e-9
OF_PRIOR, OF_TISSUES, UNKNOWN = "the prior of the set", "the covariance of the tissues", "no prior known"


def achievable_errors(data: ReferenceSet, snr: FloatArray, threads: int | None) -> tuple[dict[str, FloatArray], str]:
    """Return diag((F + P^-1)^-1), (S, n) by unknown, at each SNR, and which prior it is.

    P is the covariance of the prior that the tissues were drawn from, else that of the tissues. An unknown that has one
    value in all of them is known; with a single tissue nothing is known of the prior, and all is NaN.
    """
    unknowns, n = tuple(data.crb), len(data.signals)
    names = tuple(name for name in unknowns if name != "M0")
    P, coordinates, source = _find_covariance(data, names)
    if source == UNKNOWN or data.model is None:
        return {name: np.full((snr.size, n), np.nan) for name in unknowns}, UNKNOWN

    errors = {name: np.zeros((snr.size, n)) for name in unknowns}
    free = np.flatnonzero(np.diagonal(P) > 0)
    as_in_prior = {names[k]: coordinates[k] for k in free}
    asked = tuple(name for name in unknowns if name == "M0" or name in as_in_prior)
    if not as_in_prior:
        return errors, source

    places = [asked.index(names[k]) for k in free]
    covariance = np.diag(np.full(len(asked), np.inf))
    covariance[np.ix_(places, places)] = P[np.ix_(free, free)] + FREEDOM * np.diag(np.diagonal(P)[free])
    form = str(data.configuration.get("form", "real"))
    rows = make_prior_rows(asked, covariance, n_columns(asked, form))
    forward = ForwardModel.of(data.sequence, data.model, data.basis)
    tissue, noise = data.tissue.replace(M0=1), GaussianNoise.of(1.0, data.noise_covariance, data.basis)
    for k, level in enumerate(snr):
        batch = Batch.of(forward, tissue, replace(noise, sigma=as_sigma(1 / level)), threads=threads, progress=None)
        bounds = Bounds(batch, asked, tuple(as_in_prior.get(name, name) for name in asked), form, prior=rows)
        for name, found in bounds.compute(None).items():
            errors[name][k] = found
    return errors, source


def _find_covariance(data: ReferenceSet, unknowns: tuple[str, ...]) -> tuple[FloatArray, tuple[str, ...], str]:
    """Return P, the unknowns as the prior names them, and where P is from."""
    if (text := data.configuration.get("prior")) is not None:
        try:
            coordinates, P = match_prior(Prior(**parse_distributions(text)), unknowns)
        except InvalidParameter:  # it names R1a where R1f and R1s are unknown, or the other way round
            P = np.array([[np.inf]])
        if np.isfinite(P).all():
            return P, coordinates, OF_PRIOR
    valid = np.flatnonzero(data.valid)
    if valid.size < 2:
        return np.zeros((0, 0)), unknowns, UNKNOWN
    values = np.array([true_values(data.tissue, name)[valid] for name in unknowns])
    return find_covariance(values), unknowns, OF_TISSUES
