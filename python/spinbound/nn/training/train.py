"""Training of estimators, with new scales and noise in every epoch, and a folder from which a killed run resumes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from time import monotonic, perf_counter
from typing import Any

import torch

import spinbound._core as _core
from spinbound.base.checks import as_instance, check_progress
from spinbound.base.errors import InvalidData, InvalidParameter, Progress
from spinbound.nn.checkpoint import hash_tensors
from spinbound.nn.device import as_device
from spinbound.nn.estimator import Estimator
from spinbound.nn.loss import CRBLoss, Loss
from spinbound.nn.noise import Noise
from spinbound.sequences.experiment import as_trains

from .data import Data
from .history import History
from .loop import DeviceSamples, Loop, move_to_device
from .progress import open_course
from .run import TrainingRun, open_folder
from .settings import TrainingSettings
from .tensorboard import open_writer

PAPER = Noise()
SAVE_EVERY = 10.0  # s: time that a kill may cost, beside the epoch that it ends


def train(
    estimator: Estimator,
    data: Data,
    *,
    validation: Data | None = None,
    loss: Loss | None = None,
    noise: Noise = PAPER,
    epochs: int = 400,
    batch: int = 512,
    learning_rate: float = 0.01,
    halve_every: int = 40,
    schedule: str = "halving",
    clip: float | None = None,
    seed: int = 0,
    folder: str | os.PathLike[str] | None = None,
    device: str | torch.device | None = None,
    mixed_precision: bool = False,
    compile: bool = False,
    progress: bool | Progress | None = None,
) -> History:
    """Train an estimator with Adam; the defaults are the recipe of arXiv 2109.10535.

    In every epoch each signal has a new M0 and new noise, made on the device. At the end the estimator has the weights
    of the best epoch; if the training is interrupted, it has those of that moment.

    Parameters
    ----------
    estimator
        The estimator to train. It takes the mean and the spread of its outputs from the tissues of the first epoch,
        unless it has been trained before; and sequence, basis and prior from the data, as far as it has none.
    data
        `StoredData`, or `SimulatedData`.
    validation
        Samples by which every epoch is judged, always with the same noise, and from which the estimator does not learn.
        Without them an epoch is judged by its own loss.
    loss
        `CRBLoss` by default.
    noise
        The law of M0 and of the noise.
    epochs
        Number of times that all samples are seen.
    batch
        Samples of one step. Samples that do not fill a batch at the end of an epoch wait for another epoch.
    learning_rate
        The first and largest learning rate.
    halve_every
        Epochs after which the learning rate is halved, again and again.
    schedule
        ``halving``, or ``cosine``: a rise within the first 2 % of the epochs, then half a cosine down to 0. The cosine
        does better with few epochs.
    clip
        The largest norm of a gradient; longer ones are shortened.
    seed
        Seed of M0, of the noise and of the order of samples.
    folder
        Folder of the checkpoints, written every ten seconds at most, and of the log. A run that was killed resumes
        when it is called again with the same arguments: on a CPU, with as many threads, to the same bits.
    device
        "cpu", "cuda", ...; by default the GPU if there is one.
    mixed_precision
        Compute the network in bfloat16, on a GPU.
    compile
        Compile the network with `torch.compile`.
    progress
        True: a bar on stderr; or a callable (done, total), in steps.

    Returns
    -------
    History
        Losses by epoch.

    Raises
    ------
    InvalidData
        If estimator and data do not belong together, most bounds are infinite, the gradient is not finite ten times in
        a row, or the folder holds another training or is in use by another run.
    InvalidParameter
        If another argument is not accepted.
    OSError
        If the folder cannot be written.

    References
    ----------
    X. Zhang et al., arXiv 2109.10535, section 2.6.

    Examples
    --------
    >>> import spinbound as sb
    >>> from spinbound import nn
    >>> seq = sb.sequences.load("hybrid-mt-4s")
    >>> prior = sb.Prior.paper().within(seq)
    >>> basis = sb.build_basis(seq, prior, n=100, rank=9, real=True)
    >>> data = nn.SimulatedData(seq, prior, 64, basis=basis)
    >>> net = nn.Estimator(("m0s", "T2f"), basis=basis, architecture=nn.Architecture.small(9))
    >>> history = nn.train(net, data, epochs=2, batch=32)
    >>> len(history), net.noise
    (2, Noise(sigma=0.01, M0=(0.1, 1.0)))
    """
    loss = CRBLoss() if loss is None else loss
    settings = TrainingSettings(
        noise=noise,
        epochs=epochs,
        batch=batch,
        learning_rate=learning_rate,
        halve_every=halve_every,
        schedule=schedule,
        clip=clip,
        seed=seed,
        device=as_device(device),
        mixed_precision=mixed_precision,
        compile=compile,
    )
    _check(estimator, data, validation, loss)
    check_progress(progress)

    home = estimator.centre.device
    place = None if folder is None else Path(folder)
    with open_folder(place):
        configuration = _describe(estimator, data, validation, loss, settings)
        try:
            estimator.to(settings.device)
            run = TrainingRun(Loop(estimator, loss.to(settings.device), settings), configuration, place)
            run.resume()
            _adopt(estimator, data, noise)
            _complete(run, data, validation, progress)
        finally:
            data.close()
            estimator.to(home)

    return run.history


# The estimator and its data


def _check(estimator: Estimator, data: Data, validation: Data | None, loss: object) -> None:
    as_instance("estimator", estimator, Estimator)
    if not isinstance(loss, Loss):
        raise InvalidParameter(f"loss must be one of spinbound.nn; given {type(loss).__name__}")
    _check_source(estimator, "data", data)
    if validation is not None:
        _check_source(estimator, "validation", validation)


def _check_source(estimator: Estimator, name: str, data: Data) -> None:
    """Refuse data that an estimator can neither learn from nor be judged by."""
    if not hasattr(data, "samples"):
        raise InvalidParameter(f"{name} must be StoredData or SimulatedData; given {type(data).__name__}")
    estimator.check(data.seq, data.basis)
    if estimator.trained_for["basis_sha256"] is not None and data.basis is None:
        raise InvalidData(f"{name} are signals in the time domain, the estimator takes coefficients of a basis")
    described = {} if data.model is None else data.model.described
    for what in ("model", "lineshape"):
        if (word := described.get(what, estimator.trained_for[what])) != estimator.trained_for[what]:
            raise InvalidData(f"{name} come from the {what} {word}, the estimator is for {estimator.trained_for[what]}")


def _adopt(estimator: Estimator, data: Data, noise: Noise) -> None:
    """Complete the description of an estimator by noise, prior and sequence of its training."""
    known = estimator.trained_for
    known["noise"] = noise.describe()
    known["prior"] = known["prior"] or data.prior
    known["sequence_identity"] = known["sequence_identity"] or as_trains(data.seq).identity


def _describe(
    estimator: Estimator, data: Data, validation: Data | None, loss: Loss, settings: TrainingSettings
) -> dict[str, Any]:
    """Describe everything that the curve depends on, so that a folder of another training is recognised."""
    sources = {"data": data, "validation": validation}
    described = {name: source.describe(estimator.names) if source else None for name, source in sources.items()}
    return {
        "spinbound": _core.version,
        "names": list(estimator.names),
        "phase": estimator.trained_for["phase"],
        "architecture": estimator.network.architecture.describe(),
        "first_weights": hash_tensors(*estimator.state_dict().values()),
        "loss": repr(loss),
        **described,
        **settings.describe(),
    }


# The epochs


def _complete(run: TrainingRun, data: Data, validation: Data | None, progress: bool | Progress | None) -> None:
    """Do the epochs that are not done; then give the estimator the best weights."""
    estimator, settings, first = run.loop.estimator, run.loop.settings, len(run.history)
    judge = None if validation is None else move_to_device(validation.samples(0, estimator.names), estimator.centre)
    total, saved = settings.epochs * run.loop.count_steps(data.n), monotonic()
    with open_course(progress, total) as course, open_writer(run.folder) as write:
        for epoch in range(first, settings.epochs):
            run.add(_run_epoch(run.loop, data, judge, epoch, course.steps))
            course.epoch(run.history)
            write(run.history)
            if monotonic() - saved > SAVE_EVERY:
                run.save()
                saved = monotonic()
    run.save()
    estimator.load_state_dict(run.best)


def _run_epoch(
    loop: Loop, data: Data, judge: DeviceSamples | None, epoch: int, steps: Callable[[int], object]
) -> list[float]:
    """Learn from the samples of an epoch, while those of the next are made; return its row of the history."""
    begin, estimator = perf_counter(), loop.estimator
    drawn = data.samples(epoch, estimator.names)
    samples = move_to_device(drawn, estimator.centre)
    if not torch.isfinite(estimator.centre).all():
        estimator.scale_to(drawn.truth)
    if epoch + 1 < loop.settings.epochs:
        data.prepare(epoch + 1)
    shown, taken = loop.count_steps(data.n), loop.count_steps(len(samples))  # fewer where tissues are left out

    def count(step: int) -> None:
        steps(epoch * shown + (step if step < taken else shown))

    loss, skipped, masked = loop.run_epoch(epoch, samples, count)
    judged = (float("nan"),) * 2 if judge is None else loop.validate(judge)
    rate = loop.optimiser.param_groups[0]["lr"]
    return [epoch + 1, rate, loss, *judged, skipped, masked, perf_counter() - begin]
