"""Estimators: a network with its inputs and outputs, and a description of the data that it was trained for.

Coefficients c of a voxel, of any scale, become the 2 x rank real inputs of the network: the real parts of c/|c|, then
the imaginary parts. In the standard phase they are first turned so that the first coefficient is real and positive;
then the estimates depend on neither scale nor phase of the data. The network's outputs y become the estimates
centre + width y, with the mean and the standard deviation of each parameter in the training tissues.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

import spinbound._core as _core
from spinbound.base.checks import as_count, as_instance, as_one_of, as_parameter_names
from spinbound.base.errors import InvalidData, InvalidParameter, Progress
from spinbound.base.parameters import PARAMETERS
from spinbound.estimators.estimates import Estimates
from spinbound.files.hashes import hash_arrays
from spinbound.nn.novelty.file import as_tensors, take_novelty
from spinbound.nn.novelty.novelty import Novelty
from spinbound.sequences.experiment import Experiment, as_trains
from spinbound.sequences.model import Model, as_model
from spinbound.signals.basis import Basis
from spinbound.tissues.prior import Prior

from .checkpoint import check_precision, check_tensors, check_texts, read_tensors, write_tensors
from .estimate import estimate
from .network import Architecture, Network
from .noise import Noise

KIND = "spinbound estimator 1"
PHASES = ("standard", "random")
KEPT = ("names", "rank", "basis_sha256", "sequence_identity", "prior", "phase", "model", "lineshape", "noise")


class Estimator(torch.nn.Module):
    """A network that maps coefficients of signals to parameters of tissue, in SI units.

    Parameters
    ----------
    names
        The P_e parameters to estimate, base or derived, but not M0.
    basis
        The basis of the coefficients; None: signals in the time domain of `seq`.
    architecture
        The layers of the network; by default those of the paper.
    seq
        The sequence that data must come from. If sequence or prior is not given, a training takes it from its data.
    prior
        The prior of the training tissues.
    phase
        ``standard``: all coefficients are turned so that the first is real and positive; ``random``: the phase is left
        as it is, and the network has to learn that it means nothing, as in the paper.
    model
        The model with which the training signals are simulated.
    seed
        Seed of the first weights.

    Attributes
    ----------
    centre, width : Tensor (P_e,)
        Mean and standard deviation that scale the outputs; NaN, like the estimates, until a training sets them.
    noise : Noise or None
        The noise of the training.
    novelty : Novelty or None
        The measure of how unlike the training data are; saved with the estimator.

    Raises
    ------
    InvalidParameter
        If an argument is not accepted, or the architecture has another number of inputs.

    Examples
    --------
    >>> import numpy as np, spinbound as sb, torch
    >>> from spinbound import nn
    >>> basis = sb.Basis(np.eye(20)[:, :4])
    >>> net = nn.Estimator(("m0s", "T1a"), basis=basis, architecture=nn.Architecture((32, 32), n_inputs=8))
    >>> net.scale_to(torch.tensor([[0.1, 1.0], [0.2, 1.4]]))
    >>> net(torch.ones(5, 4, dtype=torch.complex64)).shape
    torch.Size([5, 2])
    """

    centre: Tensor
    width: Tensor
    novelty: Novelty | None

    def __init__(
        self,
        names: str | Iterable[str],
        *,
        basis: Basis | None,
        architecture: Architecture | None = None,
        seq: Experiment | None = None,
        prior: Prior | None = None,
        phase: str = "standard",
        model: Model | str = "gbloch",
        seed: int = 0,
    ) -> None:
        rank = count_coefficients(basis, seq)
        trained_for = {
            "names": list(_as_names(names)),
            "rank": rank,
            "basis_sha256": None if basis is None else hash_vectors(basis),
            "sequence_identity": _identify_sequence(basis, seq),
            "prior": None if prior is None else prior.toml,
            "phase": as_one_of("phase", phase, PHASES),
            "model": as_model(model).name,
            "lineshape": as_model(model).lineshape,
            "noise": None,
        }
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(as_count("seed", seed, 0))
            self._build(trained_for, architecture or Architecture.paper(rank))

    def _build(self, trained_for: Mapping[str, Any], architecture: Architecture) -> None:
        """Build the network and its buffers from a checked description."""
        super().__init__()
        if architecture.n_inputs != 2 * trained_for["rank"]:
            raise InvalidParameter(
                f"the architecture has {architecture.n_inputs} inputs; allowed: {2 * trained_for['rank']}, the real "
                f"and imaginary parts of {trained_for['rank']} coefficients"
            )
        self.trained_for = dict(trained_for)
        self.novelty = None
        self.network = Network(architecture, len(self.names))
        self.register_buffer("centre", torch.full((len(self.names),), torch.nan))
        self.register_buffer("width", torch.full((len(self.names),), torch.nan))

    # Its description

    @property
    def names(self) -> tuple[str, ...]:
        """The estimated parameters, in the order of the outputs."""
        return tuple(self.trained_for["names"])

    @property
    def rank(self) -> int:
        """Number of coefficients of a voxel."""
        return int(self.trained_for["rank"])

    @property
    def noise(self) -> Noise | None:
        """Scale and noise of the training."""
        described = self.trained_for["noise"]
        return None if described is None else Noise(described["sigma"], tuple(described["M0"]))

    @property
    def description(self) -> dict[str, Any]:
        """Inputs, outputs and training of the estimator, as plain numbers and words."""
        return {
            "spinbound": _core.version,
            **self.trained_for,
            "units": [PARAMETERS[name].unit for name in self.names],
            "architecture": self.network.architecture.describe(),
            "novelty": None if self.novelty is None else self.novelty.description,
        }

    def extra_repr(self) -> str:
        """Describe inputs and outputs in `repr`."""
        return f"{', '.join(self.names)} from {self.rank} coefficients"

    # Its computation

    def forward(self, coefficients: Tensor) -> Tensor:
        """Return estimates (..., P_e) from complex coefficients (..., rank) of any scale."""
        return self.from_parts(coefficients.real, coefficients.imag)

    def from_parts(self, real: Tensor, imag: Tensor) -> Tensor:
        """Return estimates (..., P_e) from the real and imaginary parts (..., rank)."""
        return self.scale_outputs(self.network(self.inputs(real, imag)))

    def scale_outputs(self, outputs: Tensor) -> Tensor:
        """Return estimates (..., P_e) in SI units from the outputs of the network."""
        return self.centre + self.width * outputs

    def inputs(self, real: Tensor, imag: Tensor) -> Tensor:
        """Return the inputs (..., 2 rank) of the network from the parts (..., rank); 0 where the data are 0."""
        parts = torch.cat([real, imag], dim=-1).to(self.centre.dtype)
        parts = parts / _replace_zeros(parts.abs().amax(dim=-1, keepdim=True))  # whose squares are in range
        parts = parts / _replace_zeros(torch.linalg.vector_norm(parts, dim=-1, keepdim=True))
        return parts if self.trained_for["phase"] == "random" else _turn_to_real(parts)

    def scale_to(self, truth: Tensor) -> None:
        """Set centre and width to the mean and the standard deviation of tissues (n, P_e).

        Raises
        ------
        InvalidData
            If a parameter is the same in all of them.
        """
        std, mean = torch.std_mean(truth.double(), dim=0, correction=0)
        constant = [name for name, spread in zip(self.names, std.tolist(), strict=True) if not spread > 0]
        if constant:
            raise InvalidData(f"{', '.join(constant)} is the same in all tissues: there is nothing to learn")
        self.centre.copy_(mean)
        self.width.copy_(std)

    def estimate(
        self,
        data: npt.ArrayLike,
        mask: npt.ArrayLike | None = None,
        *,
        sigma: npt.ArrayLike | None = None,
        novelty: bool = True,
        threads: int | None = None,
        device: str | torch.device | None = None,
        progress: bool | Progress | None = None,
    ) -> Estimates:
        """Estimate the parameters of every voxel of a volume.

        Parameters
        ----------
        data : (..., rank) complex
            Coefficients in the basis, of any scale and phase. Masked entries count as NaN.
        mask : (...)
            Voxels to estimate: not zero.
        sigma
            Standard deviation of the noise in the real and in the imaginary part each, a number or a map (...). Novelty
            is relative to it; by default to the noise of the training, as `Novelty` says. No estimate depends on it.
        novelty
            Compute how unlike the training the data are, if the estimator has `novelty`.
        threads
            As in `spinbound.simulate`.
        device
            "cpu", "cuda", ...; by default the GPU if there is one.
        progress
            As in `spinbound.simulate`.

        Returns
        -------
        Estimates
            Estimates, novelty and status of every voxel. On a CPU, other voxels change none of its bits.

        Raises
        ------
        InvalidData
            If data or mask have a wrong type or shape, or the estimator has not been trained.
        InvalidParameter
            If another argument is not accepted.

        Examples
        --------
        >>> import numpy as np, spinbound as sb, torch
        >>> from spinbound import nn
        >>> basis = sb.Basis(np.eye(20)[:, :4])
        >>> net = nn.Estimator(("m0s", "T1a"), basis=basis, architecture=nn.Architecture((32, 32), n_inputs=8))
        >>> net.scale_to(torch.tensor([[0.1, 1.0], [0.2, 1.4]]))
        >>> result = net.estimate([[3j, 1, 0, 0], [0, 0, 0, 0]])
        >>> result.estimates["T1a"].shape, result.counts
        ((2,), {'estimated': 1, 'no_data': 1})
        """
        return estimate(
            self, data, mask, sigma=sigma, novelty=novelty, threads=threads, device=device, progress=progress
        )

    # The data that it fits

    def check(
        self,
        seq: Experiment | None = None,
        basis: Basis | None = None,
        names: Iterable[str] | None = None,
        units: Iterable[str] | None = None,
    ) -> None:
        """Refuse data of another sequence or basis, and other parameters or units than expected.

        Raises
        ------
        InvalidData
            If something differs from what the estimator was trained for; the message names it.
        InvalidParameter
            If basis and sequence do not belong together.
        """
        described, known = self.description, self.trained_for
        identity = known["sequence_identity"]
        if seq is not None and identity and not as_trains(seq).has_identity(identity):
            raise InvalidData("the data come from another sequence than that of the estimator's training")
        if basis is not None:
            if seq is not None:
                basis.check_sequence(seq)
            rank = "no basis" if known["basis_sha256"] is None else self.rank
            if basis.rank != rank:
                raise InvalidData(f"the basis has {basis.rank} vectors, the estimator was trained with {rank}")
            if known["basis_sha256"] not in (None, hash_vectors(basis)):
                raise InvalidData("the data are coefficients of another basis than that of the estimator's training")
        for what, wanted in (("names", names), ("units", units)):
            if wanted is not None and list(wanted) != described[what]:
                raise InvalidData(
                    f"the estimator has the {what} {', '.join(described[what])} in this order; "
                    f"wanted: {', '.join(wanted)}"
                )

    # Files

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the estimator as safetensors, whole or not at all.

        Raises
        ------
        InvalidData
            For another suffix than .safetensors.
        OSError
            If the file cannot be written.
        """
        if not str(path).lower().endswith(".safetensors"):
            raise InvalidData(f"{path}: an estimator is saved as .safetensors")
        novelty = {} if self.novelty is None else as_tensors(self.novelty)
        write_tensors(path, KIND, self.state_dict() | novelty, self.description)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Estimator:
        """Read an estimator that `save` has written; nothing in the file is run.

        Raises
        ------
        InvalidData
            If it is another file, or an estimator of something that this version does not know.
        OSError
            If the file cannot be read or is damaged.
        """
        tensors, described = read_tensors(path, KIND)
        novelty = take_novelty(path, tensors, described)
        estimator = cls.__new__(cls)
        try:
            with torch.device("meta"):  # nothing is allocated beyond what the file holds
                estimator._build(*_read_description(described))
        except (InvalidParameter, InvalidData, KeyError, TypeError, RuntimeError) as problem:  # torch counts bytes
            raise InvalidData(f"{path}: no estimator of this version: {problem}") from None
        check_tensors(path, tensors, estimator.state_dict())
        check_precision(path, tensors)

        estimator.load_state_dict(tensors, assign=True)
        estimator.novelty = novelty
        return estimator.requires_grad_(True)


def count_coefficients(basis: Basis | None, seq: Experiment | None) -> int:
    """Count the complex numbers of a voxel: vectors of the basis, or echoes of the sequence."""
    if basis is not None:
        as_instance("basis", basis, Basis)
        if seq is not None:
            basis.check_sequence(seq)
        return basis.rank
    if seq is None:
        raise InvalidParameter("neither basis nor seq is given; the estimator must know what its data are")
    return as_trains(seq).n_echoes


def _as_names(names: str | Iterable[str]) -> tuple[str, ...]:
    known = as_parameter_names(names, "names")
    if "M0" in known:
        raise InvalidParameter("names has M0, the scale of the data, which the estimator takes out")
    return known


def _identify_sequence(basis: Basis | None, seq: Experiment | None) -> str | None:
    if seq is not None:
        return as_trains(seq).identity
    return None if basis is None else basis.sequence_identity


def hash_vectors(basis: Basis) -> str:
    """Hash the vectors of a basis."""
    return hash_arrays(np.asarray(basis.vectors, np.complex128))


def _read_description(described: dict[str, Any]) -> tuple[dict[str, Any], Architecture]:
    """Return the description in a file and the architecture; refuse what this version does not know."""
    units = [PARAMETERS[name].unit for name in _as_names(described["names"])]
    if described["units"] != units:
        raise InvalidData(f"its units are {', '.join(described['units'])}; this version has {', '.join(units)}")
    as_one_of("phase", described["phase"], PHASES)
    Model(described["model"], described["lineshape"])
    check_texts(described, ("basis_sha256", "sequence_identity", "prior"))
    if described["noise"] is not None:
        Noise(**described["noise"])
    return {name: described[name] for name in KEPT}, Architecture(**described["architecture"])


def _replace_zeros(scale: Tensor) -> Tensor:
    """Return the scale with 1 in the place of 0, so that a division leaves zeros as they are."""
    return torch.where(scale > 0, scale, 1)


def _turn_to_real(parts: Tensor) -> Tensor:
    """Return parts (..., 2 rank), turned so that the first coefficient is real and positive."""
    real, imag = parts.chunk(2, dim=-1)
    first = torch.linalg.vector_norm(torch.cat([real[..., :1], imag[..., :1]], dim=-1), dim=-1, keepdim=True)
    cosine = torch.where(first > 0, real[..., :1] / _replace_zeros(first), 1)
    sine = imag[..., :1] / _replace_zeros(first)
    return torch.cat([real * cosine + imag * sine, imag * cosine - real * sine], dim=-1)
