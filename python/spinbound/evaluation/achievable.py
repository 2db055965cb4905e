"""The mean squared errors that an estimator can achieve with the prior of a reference set: theory, section 10."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from spinbound.base.checks import as_sigma
from spinbound.base.errors import FloatArray
from spinbound.dictionaries.dictionary import Dictionary
from spinbound.sequences.model import Model
from spinbound.signals.batch import Batch
from spinbound.signals.bayesian import make_prior_rows, match_prior
from spinbound.signals.bounds import Bounds
from spinbound.signals.fisher import n_columns
from spinbound.signals.forward import ForwardModel
from spinbound.signals.noise import GaussianNoise
from spinbound.tissues.prior import Prior
from spinbound.tissues.prior_file import parse_distributions

from .dataset import ReferenceSet

# Of a few tissues the covariance is singular; so much of each variance makes it invertible.
FREEDOM = 1e-9
OF_PRIOR, OF_TISSUES, UNKNOWN = "the prior of the set", "the covariance of the tissues", "unknown"


def achievable_errors(data: ReferenceSet, snr: FloatArray, threads: int | None) -> tuple[dict[str, FloatArray], str]:
    """Return diag((F + P^-1)^-1), (S, n) by unknown, at each SNR, and which prior it is.

    P is the covariance of the prior that the tissues were drawn from, else that of the tissues. An unknown that has one
    value in all of them is known; with a single tissue nothing is known of the prior, and all is NaN.
    """
    unknowns, n = tuple(data.crb), len(data.signals)
    P, coordinates, source = _find_covariance(data, tuple(name for name in unknowns if name != "M0"))
    errors = {name: np.full((snr.size, n), np.nan) for name in unknowns}
    if source == UNKNOWN:
        return errors, source

    free = np.flatnonzero(np.diagonal(P) > 0)
    names = ("M0", *(coordinates[k] for k in free)) if "M0" in unknowns else tuple(coordinates[k] for k in free)
    covariance = np.diag(np.full(len(names), np.inf))
    covariance[-free.size :, -free.size :] = P[np.ix_(free, free)] + FREEDOM * np.diag(np.diagonal(P)[free])
    rows = make_prior_rows(names, covariance, n_columns(names, "real"))
    forward = ForwardModel.of(data.sequence, Model.read(data.configuration), data.basis)
    tissue, noise = data.tissue.replace(M0=1), GaussianNoise.of(1.0, data.noise_covariance, data.basis)
    for k, level in enumerate(snr):
        batch = Batch.of(forward, tissue, replace(noise, sigma=as_sigma(1 / level)), threads=threads, progress=None)
        asked = tuple(name for name in unknowns if name == "M0" or unknowns.index(name) - ("M0" in unknowns) in free)
        found = Bounds(batch, asked, names, "real", prior=rows).compute(None)
        for name in unknowns:
            errors[name][k] = found.get(name, 0.0)
    return errors, source


def _find_covariance(data: Dictionary, unknowns: tuple[str, ...]) -> tuple[FloatArray, tuple[str, ...], str]:
    """Return P, the unknowns as the prior names them, and where P is from."""
    text = data.configuration.get("prior")
    if text is not None:
        prior = Prior(**parse_distributions(text))
        coordinates, P = match_prior(prior, unknowns)
        if np.isfinite(P).all():
            return P, coordinates, OF_PRIOR
    if len(data.signals) < 2:
        return np.zeros((0, 0)), unknowns, UNKNOWN
    values = np.array([np.broadcast_to(data.tissue[name], len(data.signals)) for name in unknowns])
    return np.cov(values, bias=True).reshape(len(unknowns), len(unknowns)), unknowns, OF_TISSUES
