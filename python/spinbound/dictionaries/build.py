"""Dictionaries: signals of many tissues, held in memory for matching, or on disk with their bounds for training."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import Executor
from pathlib import Path
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from spinbound.base.checks import as_count, as_one_of, as_parameter_names, as_positive, as_result_dtype
from spinbound.base.errors import FloatArray, InvalidParameter, Progress
from spinbound.base.parameters import ALL
from spinbound.sequences.experiment import Experiment, refuse_silence
from spinbound.sequences.model import Model
from spinbound.signals.basis import Basis
from spinbound.signals.batch import FORMS
from spinbound.signals.forward import ForwardModel
from spinbound.signals.simulate import simulate
from spinbound.tissues.prior import Prior
from spinbound.tissues.sources import as_tissues, open_source
from spinbound.tissues.tissue import Tissue
from spinbound.work.job import Runner
from spinbound.work.run import Run

from .dictionary import Dictionary, norms
from .job import DictionaryJob
from .making import open_store
from .recipe import DERIVATIVES, Recipe, check_chunk, default_chunk, refuse_invalid
from .store import StoredDictionary

ATOMS = 20_000  # of a prior, unless a number is given


def dictionary(
    seq: Experiment,
    source: Prior | Tissue,
    n: int | None = None,
    *,
    seed: int = 0,
    basis: Basis | None = None,
    strict: bool = False,
    model: Model | str = "gbloch",
    threads: int | None = None,
    progress: bool | Progress | None = None,
) -> Dictionary:
    """Simulate the signals of tissues that are drawn from a prior, or given.

    Tissues of a prior that cannot be simulated or give no signal are left out and counted (`Dictionary.n_left_out`);
    the others keep the order of their numbers.

    Parameters
    ----------
    seq
        The pulse sequence, or a list of them as in `simulate`.
    source
        A `Prior` to draw from, or the tissues themselves: all voxels of a `Tissue`, in one axis; their M0 is ignored.
    n
        Number of tissues to draw; 20,000 unless given, or each once where all parameters are grids or constants. Not
        for a `Tissue`.
    seed
        Seed of the draw.
    basis
        Signals are stored as its coefficients. A dictionary takes 16 n bytes per sample: 4 MB for 20,000 atoms in 13
        vectors, 370 MB in the time domain of a train of 1142 pulses.
    strict
        Refuse a prior of which a tissue would be left out; `Prior.within` keeps a prior to what a sequence allows.
    model, threads, progress
        As in `simulate`.

    Returns
    -------
    Dictionary
        In memory; its signals are read-only.

    Raises
    ------
    InvalidParameter
        If an argument is not accepted, no tissue can be an atom, or one of a `Tissue` or, with `strict`, of a prior
        cannot.

    Examples
    --------
    >>> import spinbound as sb
    >>> seq = sb.sequences.load("hybrid-mt-4s")
    >>> prior = sb.Prior.paper().truncated(B1=(0.5, 1.2))
    >>> sb.dictionary(seq, prior, n=100)
    Dictionary(100 tissues of 1142 samples)
    """
    forward = ForwardModel.of(seq, model, basis)
    refuse_silence(forward.trains)
    tissue = as_tissues(source, n, ATOMS, seed)

    signals = simulate(seq, tissue, model=forward.model, basis=basis, threads=threads, progress=progress)
    scale = norms(signals)
    usable = scale > 0
    n_left_out = int(np.count_nonzero(~usable))
    if n_left_out:
        if strict or isinstance(source, Tissue) or n_left_out == len(signals):
            _refuse_without_signal(forward, tissue, scale)
        tissue, signals = tissue[usable], signals[usable]
    signals.setflags(write=False)

    return Dictionary(seq, tissue, signals, basis, n_left_out=n_left_out, configuration=forward.described)


def _refuse_without_signal(forward: ForwardModel, tissue: Tissue, scale: FloatArray) -> NoReturn:
    wrong = np.flatnonzero(~(scale > 0))
    first = int(wrong[0])
    reason = "its signal is zero" if scale[first] == 0 else "its pulses cannot be integrated to rtol"
    try:
        simulate(forward.sequence, tissue[first], model=forward.model, basis=forward.basis)
    except InvalidParameter as problem:
        reason = str(problem)
    raise InvalidParameter(f"{wrong.size} of {scale.size} tissues cannot be atoms; tissue {first}: {reason}")


def build_dictionary(
    seq: Experiment,
    source: Prior | Tissue,
    n: int | None,
    path: str | os.PathLike[str],
    *,
    basis: Basis | None = None,
    wrt: str | Iterable[str] = ALL,
    derivatives: str | Iterable[str] | None = "crb",
    seed: int = 0,
    first: int = 0,
    sigma: float = 1.0,
    form: str = "real",
    chunk: int | None = None,
    model: Model | str = "gbloch",
    dtype: npt.DTypeLike | None = None,
    strict: bool = False,
    overwrite: bool = False,
    rebuild: bool = False,
    threads: int | None = None,
    progress: bool | Progress | None = None,
    runner: Runner | Executor | None = None,
) -> StoredDictionary:
    """Simulate the signals of many tissues and their bounds, chunk by chunk, into a dictionary on disk.

    After a kill the same call goes on where it stopped, to the same bits. Memory never holds more than a chunk.

    Parameters
    ----------
    seq
        The pulse sequence, or a list of them as in `simulate`.
    source
        A `Prior` to draw from, or the tissues themselves: all voxels of a `Tissue`, in one axis; their M0 is ignored.
        Tissues that cannot be simulated are rows of NaN that are marked in `valid`.
    n
        Number of tissues to draw; None for a `Tissue`.
    path
        The folder of the store, in Zarr format 3 (extra `io`).
    basis
        Signals and sensitivities are stored as its coefficients, and bounds hold for such data.
    wrt, sigma, form
        Options of the bounds and sensitivities, as in `crb`; sigma is one number.
    derivatives
        Arrays to keep beside the signals: ``crb`` (default), ``fisher``, ``sensitivities``, several of them, or None.
    seed, first
        Seed of the draw, and the first tissue: tissues `first` to `first + n - 1`, as in `Prior.sample`.
    chunk
        Number of tissues in a chunk; by default 4096, or fewer where those fill more than 64 MB. No result depends on
        it.
    dtype
        complex128, or complex64: computed in double precision, stored in single, bounds as well.
    strict
        Refuse a source of which a tissue cannot be simulated.
    overwrite
        Replace a dictionary of that name.
    rebuild
        Check the existing chunks first, and compute damaged ones again.
    runner
        A runner of `sb.cluster` or any `concurrent.futures.Executor`, that gives the chunks to other processes; by
        default this process does them.
    model, threads, progress
        As in `simulate`.

    Returns
    -------
    StoredDictionary
        A `Dictionary` on disk. It is not complete if the runner does a part only.

    Raises
    ------
    InvalidData
        If there is a dictionary of another configuration, or another run is at work in it.
    InvalidParameter, InvalidSequence
        If an argument is not accepted, or no tissue, or with `strict` not every one, can be simulated.
    OSError
        If the store cannot be written, or its disk is too small.
    KeyboardInterrupt
        Within 0.2 s of Ctrl-C.

    Examples
    --------
    >>> import spinbound as sb, tempfile
    >>> seq = sb.sequences.load("hybrid-mt-4s")
    >>> prior = sb.Prior.paper().truncated(B1=(0.5, 1.2))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = sb.build_dictionary(seq, prior, 100, f"{folder}/atoms.zarr", wrt=("M0", "m0s", "T2f"))
    ...     len(store), sorted(store.crb)
    (100, ['M0', 'T2f', 'm0s'])
    """
    recipe = Recipe(
        forward=ForwardModel.of(seq, model, basis),
        wrt=as_parameter_names(wrt),
        derivatives=_check_derivatives(derivatives),
        sigma=as_positive("sigma", sigma),
        form=as_one_of("form", form, FORMS),
        dtype=str(as_result_dtype(dtype, np.complex128)),
        strict=strict,
    )

    tissues = open_source(source, n, seed, first)
    chunk = default_chunk(recipe, tissues.n) if chunk is None else min(as_count("chunk", chunk, 1), tissues.n)

    run = Run.of(path, runner, threads, progress, option="path")
    if overwrite and run.part:
        raise InvalidParameter(f"overwrite goes with the whole work, not with part {run.part}")
    check_chunk(recipe, chunk)
    refuse_invalid(recipe, tissues)

    with open_store(Path(path), recipe, tissues, chunk, run.part, overwrite=overwrite, rebuild=rebuild) as store:
        run.do(DictionaryJob(store, tissues, recipe), "dictionary", "tissue")
    return store


def _check_derivatives(derivatives: str | Iterable[str] | None) -> tuple[str, ...]:
    """Return the derivatives in the order in which they are stored."""
    given = (derivatives,) if isinstance(derivatives, str) else tuple(derivatives or ())
    chosen = {as_one_of("derivatives", word, DERIVATIVES) for word in given}
    return tuple(word for word in DERIVATIVES if word in chosen)
