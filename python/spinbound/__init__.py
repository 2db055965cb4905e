"""Signals, Cramér-Rao bounds and fits of quantitative magnetization transfer sequences."""

from . import phantom, sequences
from ._basis_build import build_basis
from ._basis_report import BasisReport
from ._core import version as __version__
from ._dictionary_store import Block, DictionaryStore, StoreReport
from ._estimate_result import Estimates, EstimateStatus
from ._evaluation_result import Evaluation, Score, SquaredError
from ._evaluation_statistics import Verdict
from ._fit_result import Fit, FitStatus
from ._validate import InvalidData, InvalidParameter, InvalidSequence
from .basis import Basis
from .dictionary import Dictionary, build_dictionary, dictionary
from .evaluate import evaluate
from .experiments import continuous_wave, inversion_recovery, saturation_recovery
from .fisher import crb, fisher
from .fit import fit
from .identifiability import Identifiability, identifiability
from .match import Match, match
from .model_error import ModelError, model_bias, model_error
from .parameters import ALL
from .prior import Constant, Grid, LogUniform, Mixture, Prior, TruncatedNormal, Uniform
from .sequence import Sequence
from .simulate import sensitivities, simulate
from .test_set import TestSet, test_set
from .tissue import Tissue
from .verify import Verification, verify

__all__ = [
    "ALL",
    "Basis",
    "BasisReport",
    "Block",
    "Constant",
    "Dictionary",
    "DictionaryStore",
    "EstimateStatus",
    "Estimates",
    "Evaluation",
    "Fit",
    "FitStatus",
    "Grid",
    "Identifiability",
    "InvalidData",
    "InvalidParameter",
    "InvalidSequence",
    "LogUniform",
    "Match",
    "Mixture",
    "ModelError",
    "Prior",
    "Score",
    "Sequence",
    "SquaredError",
    "StoreReport",
    "TestSet",
    "Tissue",
    "TruncatedNormal",
    "Uniform",
    "Verdict",
    "Verification",
    "__version__",
    "build_basis",
    "build_dictionary",
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
    "phantom",
    "saturation_recovery",
    "sensitivities",
    "sequences",
    "simulate",
    "test_set",
    "verify",
]
