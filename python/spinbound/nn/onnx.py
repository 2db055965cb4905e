"""Export of trained estimators as ONNX (extra ``export``), for programs without Python such as reconstruction software.

ONNX has no complex numbers, so real and imaginary parts are separate inputs. The model holds all steps from the
coefficients to SI units, including the normalisation of the data.

=========  ===============  =======================================================
input      (voxels, rank)   ``real``, ``imag``: parts of the coefficients, float32
output     (voxels, P_e)    ``estimates``: the parameters in their order, SI units
metadata                    ``spinbound``: the description of the estimator as JSON
=========  ===============  =======================================================
"""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from spinbound.base.errors import InvalidData
from spinbound.base.text import as_finite
from spinbound.files.guard import optional_module
from spinbound.files.writing import write_atomically

from .estimator import Estimator

NOISY = "torch.onnx._internal.exporter"  # it logs notes on packages that we do not use


class RealInputs(torch.nn.Module):
    """An estimator whose inputs are the real and the imaginary parts."""

    def __init__(self, estimator: Estimator) -> None:
        super().__init__()
        self.estimator = estimator

    def forward(self, real: Tensor, imag: Tensor) -> Tensor:
        """Return estimates (voxels, P_e) from parts (voxels, rank)."""
        return self.estimator.from_parts(real, imag)


def export_onnx(estimator: Estimator, path: str | os.PathLike[str]) -> None:
    """Write an estimator as an ONNX model, whole or not at all.

    Parameters
    ----------
    estimator
        A trained estimator.
    path
        The file, .onnx.

    Raises
    ------
    ImportError
        If onnx or onnxscript is not installed.
    InvalidData
        For another suffix, or an estimator that has not been trained.
    OSError
        If the file cannot be written.
    """
    if not str(path).lower().endswith(".onnx"):
        raise InvalidData(f"{path}: a model in ONNX is saved as .onnx")
    if not torch.isfinite(estimator.centre).all():
        raise InvalidData("the estimator has not been trained: there is nothing to export")

    model = _make_model(estimator)
    entry = model.metadata_props.add()
    entry.key, entry.value = "spinbound", json.dumps(as_finite(estimator.description), allow_nan=False)
    optional_module("onnx", "export").checker.check_model(model, full_check=True)
    content = model.SerializeToString()
    write_atomically(path, lambda stream: stream.write(content))


def _make_model(estimator: Estimator) -> Any:
    """Make the ONNX model, for any number of voxels."""
    optional_module("onnx", "export")
    optional_module("onnxscript", "export")
    home = estimator.centre
    example = tuple(torch.ones(2, estimator.rank, dtype=home.dtype, device=home.device) for _ in range(2))
    voxels = torch.export.Dim("voxels")
    with _silence_exporter():
        program = torch.onnx.export(
            RealInputs(estimator),
            example,
            dynamo=True,
            external_data=False,
            verbose=False,
            input_names=["real", "imag"],
            output_names=["estimates"],
            dynamic_shapes={"real": {0: voxels}, "imag": {0: voxels}},
        )
    return program.model_proto  # type: ignore[union-attr]


@contextmanager
def _silence_exporter() -> Iterator[None]:
    """Suppress the messages and warnings of torch during an export."""
    logger = logging.getLogger(NOISY)
    level = logger.level
    try:
        logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
