"""Estimators that learn: losses by the Cramér-Rao bound, networks and their training, the simulator in a loss.

The only part of spinbound that needs PyTorch.
"""

from spinbound.files.guard import optional_module

optional_module("torch", "nn")
optional_module("safetensors", "nn")

from .estimator import Estimator  # noqa: E402
from .loss import BiasConstrainedLoss, CRBLoss, MSELoss, RelativeLoss  # noqa: E402
from .network import Architecture, Network  # noqa: E402
from .noise import Noise  # noqa: E402
from .novelty.novelty import Novelty  # noqa: E402
from .onnx import export_onnx  # noqa: E402
from .operator.simulate import simulate  # noqa: E402
from .training.data import Samples, SimulatedData, StoredData  # noqa: E402
from .training.history import History  # noqa: E402
from .training.recipe import Training  # noqa: E402
from .training.train import train  # noqa: E402

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
    "simulate",
    "train",
]
