"""Signals, Cramér-Rao bounds and fits of quantitative magnetization transfer sequences."""

from spinbound._core import version as __version__
from spinbound.analysis.basis_report import BasisQuality, basis_report
from spinbound.analysis.build_basis import build_basis
from spinbound.analysis.identifiability import Identifiability, identifiability
from spinbound.analysis.model_error import ModelError, model_bias, model_error
from spinbound.base import parameters
from spinbound.base.errors import InvalidData, InvalidParameter, InvalidSequence
from spinbound.base.parameters import ALL
from spinbound.conformance.verify import Verification, verify
from spinbound.dictionaries.build import build_dictionary, dictionary
from spinbound.dictionaries.dictionary import Dictionary
from spinbound.dictionaries.store import StoreCheck, open_dictionary
from spinbound.estimators.estimates import Estimates, EstimateStatus
from spinbound.estimators.fitting.fit import fit
from spinbound.estimators.fitting.goodness import Goodness
from spinbound.estimators.fitting.result import Fit, FitStatus
from spinbound.estimators.matching.match import Match, match
from spinbound.evaluation.card import Evaluation
from spinbound.evaluation.dataset import ReferenceSet, reference_set
from spinbound.evaluation.evaluate import evaluate
from spinbound.evaluation.score import Score, SquaredError
from spinbound.evaluation.statistics import Verdict
from spinbound.sequences.model import Model
from spinbound.sequences.sequence import Sequence
from spinbound.signals.basis import Basis
from spinbound.signals.bayesian import bayesian_crb
from spinbound.signals.crb import crb
from spinbound.signals.experiments import continuous_wave, inversion_recovery, saturation_recovery
from spinbound.signals.fisher import fisher
from spinbound.signals.noise import noise_covariance
from spinbound.signals.simulate import sensitivities, simulate
from spinbound.tissues import phantom
from spinbound.tissues.distributions import Constant, Grid, LogUniform, TruncatedNormal, Uniform
from spinbound.tissues.mixture import Mixture
from spinbound.tissues.prior import Prior
from spinbound.tissues.tissue import Tissue
from spinbound.work import cluster

from . import sequences

__all__ = [
    "ALL",
    "Basis",
    "BasisQuality",
    "Constant",
    "Dictionary",
    "EstimateStatus",
    "Estimates",
    "Evaluation",
    "Fit",
    "FitStatus",
    "Goodness",
    "Grid",
    "Identifiability",
    "InvalidData",
    "InvalidParameter",
    "InvalidSequence",
    "LogUniform",
    "Match",
    "Mixture",
    "Model",
    "ModelError",
    "Prior",
    "ReferenceSet",
    "Score",
    "Sequence",
    "SquaredError",
    "StoreCheck",
    "Tissue",
    "TruncatedNormal",
    "Uniform",
    "Verdict",
    "Verification",
    "__version__",
    "basis_report",
    "bayesian_crb",
    "build_basis",
    "build_dictionary",
    "cluster",
    "continuous_wave",
    "crb",
    "dictionary",
    "evaluate",
    "fisher",
    "fit",
    "identifiability",
    "inversion_recovery",
    "match",
    "model_bias",
    "model_error",
    "noise_covariance",
    "open_dictionary",
    "parameters",
    "phantom",
    "reference_set",
    "saturation_recovery",
    "sensitivities",
    "sequences",
    "simulate",
    "verify",
]
