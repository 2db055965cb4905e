"""Estimators that learn: losses by the Cramér-Rao bound, networks and their training; all that needs torch."""

from .._files import optional_module

optional_module("torch", "nn")
optional_module("safetensors", "nn")

from .data import Samples, SimulatedData, StoredData  # noqa: E402
from .estimator import Estimator  # noqa: E402
from .history import History  # noqa: E402
from .loss import BiasConstrainedLoss, CRBLoss, MSELoss, RelativeLoss  # noqa: E402
from .network import Architecture, Network  # noqa: E402
from .noise import Noise  # noqa: E402
from .novelty import Novelty  # noqa: E402
from .onnx import export_onnx  # noqa: E402
from .train import train  # noqa: E402
from .training_file import Training  # noqa: E402

__all__ = [
    "Architecture",
    "BiasConstrainedLoss",
    "CRBLoss",
    "Estimator",
    "History",
    "MSELoss",
    "Network",
    "Noise",
    "Novelty",
    "RelativeLoss",
    "Samples",
    "SimulatedData",
    "StoredData",
    "Training",
    "export_onnx",
    "train",
]
