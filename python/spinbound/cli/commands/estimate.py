"""``spinbound estimate``: maps of tissue parameters from data, by a trained estimator."""

from __future__ import annotations

import hashlib
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import numpy as np
from cyclopts import Parameter

import spinbound._core as _core
from spinbound.cli.shared.arguments import Positive, Sources, open_basis, open_basis_of, open_sequence, show_bar
from spinbound.cli.shared.images import DataFile, Images, open_volume
from spinbound.cli.shared.map_output import Delivery, Maps, Statuses, Target, default_output
from spinbound.cli.shared.outputs import OptionalOutput
from spinbound.estimators.estimates import Estimates, EstimateStatus

Checkpoint = Annotated[Path, Parameter(help="A trained estimator: the .safetensors file that a training has written.")]

STATUSES = Statuses(
    kind=EstimateStatus,
    unwanted=(EstimateStatus.masked, EstimateStatus.no_data),
    failed=(EstimateStatus.not_finite,),
    done="estimated",
    missing="without an estimate: their data hold NaN or infinity",
)


def estimate(
    checkpoint: Checkpoint,
    data: DataFile,
    /,
    *,
    output: OptionalOutput = None,
    figure: Path | None = None,
    prefix: str = "sub-01",
    images: Images | None = None,
    sequence: str | None = None,
    sigma: Positive | None = None,
    no_novelty: bool = False,
    device: str | None = None,
    sources: Sources | None = None,
) -> int:
    """Estimate tissue parameters from the data of every voxel with a trained network.

    Parameters
    ----------
    output
        A folder for maps as a BIDS derivative dataset (NIfTI with JSON), or a .npz file; by default the folder
        "spinbound-estimate" for data in NIfTI, else estimate.npz.
    figure
        The figure of the maps; by default beside the output as .png, if the extra "plot" is installed.
    prefix
        Prefix of the files in the folder: sub-LABEL or sub-LABEL_ses-LABEL.
    sequence
        The sequence of the data, by name or file. An estimator that was trained for another sequence is refused, and
        so is one of another --basis.
    sigma
        Standard deviation of the noise in the real and in the imaginary part each, to which novelty is relative; by
        default that of the training.
    no_novelty
        Leave out how unlike the training the data are.
    device
        "cpu", "cuda", ...; the GPU by default, if there is one.
    """
    from spinbound.nn import Estimator

    images, sources = images or Images(), sources or Sources()

    estimator = Estimator.load(checkpoint)
    target = Target(output or default_output(data, "estimate"), prefix)
    target.check(estimator.names, (), sources.overwrite)
    picture = target.choose_figure(figure, sources.overwrite)
    seq = None if sequence is None else open_sequence(sequence, sources)
    estimator.check(seq, open_basis(sources.basis) if seq is None else open_basis_of(seq, sources))

    volume, begin = open_volume(data, images), perf_counter()
    with show_bar(volume.n_voxels, "estimate") as progress:
        result = estimator.estimate(
            volume.data.data,
            volume.mask,
            sigma=sigma,
            novelty=not no_novelty,
            threads=sources.threads,
            device=device,
            progress=progress,
        )

    seconds = perf_counter() - begin
    chosen = {"data": data, "images": vars(images), "checkpoint": describe_checkpoint(checkpoint)}
    settings = {"spinbound": _core.version, "instruction_set": _core.isa_in_use(), **result.settings, **chosen}

    delivery = Delivery(target, picture, f"estimates of {checkpoint.name}", seconds, sources.json)
    return delivery.deliver(make_maps(result), STATUSES, volume, settings)


def describe_checkpoint(path: Path) -> dict[str, Any]:
    """Return the path and the hash of a checkpoint."""
    with path.open("rb") as stream:
        return {"file": str(path), "sha256": hashlib.file_digest(stream, "sha256").hexdigest()}


def make_maps(result: Estimates) -> Maps:
    """Make all maps of an estimation."""
    estimates = {name: np.asarray(result.estimates[name]) for name in result.names}
    novelty = {} if result.novelty is None else {"novelty": result.novelty}

    return Maps(
        entry="Estimate",
        algorithm="neural network",
        arrays=result.as_arrays(),
        estimates=estimates,
        further={"status": result.status, **novelty},
        levels={"status": STATUSES.sentences},
        drawn=estimates | novelty,
    )
