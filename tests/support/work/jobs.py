"""Four kinds of work that are done in chunks, each as five chunks of eight voxels, tissues or pairs.

Of every kind the same is asked (tests/work/test_job_contract.py).
"""

import os
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
import spinbound as sb
from spinbound.dictionaries.store import MARK

from tests.support import stores
from tests.support.evaluations import BOUND, SNR, changed, efficient, toy_set
from tests.support.trains import noise, random_tissues, smooth_train

N, CHUNK, N_CHUNKS = 40, 8, 5
SEQ = smooth_train(40)
TISSUE = random_tissues(N, seed=2)
DATA = sb.simulate(SEQ, TISSUE) + noise((N, 40), 0, 1e-4)
B1 = np.asarray(TISSUE["B1"])
PRIOR = sb.Prior(m0s=sb.Uniform(0.05, 0.3), R2f=sb.Uniform(8, 50))
OTHER_TRAIN = smooth_train(40, TR=3.6e-3)


class Job:
    """Work in a place of its own, and the bits of what it finds."""

    kind: str
    called: str  # in refusals
    computes: str  # what does the work of a chunk
    size: tuple[str, int]  # what tells how much is stored together, and the number that makes it eight

    def __init__(self, path: Path) -> None:
        self.path = path

    def result(self, **changes):
        """What the library gives where the work is kept in `self.path`."""
        with mock.patch(*self.size):
            return self.call(**{"resume": self.path} | changes)

    def run(self, **changes):
        """The same as bits."""
        return self.bits(self.result(**changes))

    def alone(self, **changes):
        """The bits of a run of whose work nothing is kept."""
        return self.run(resume=None, **changes)

    def is_complete(self):
        """Whether what is kept says of itself that nothing is missing."""
        return False

    def no_work(self):
        """While this lasts, computing is an error."""
        return mock.patch(self.computes, side_effect=AssertionError("computed again"))

    def files(self):
        """All that is kept but locks, and what killed runs have left half written."""
        found = (file for file in self.path.rglob("*") if file.is_file())
        kept = (file for file in found if not file.name.startswith("lock") and file.suffix != ".tmp")
        return {str(file.relative_to(self.path)): file.read_bytes() for file in kept}

    @property
    def done(self):
        """Numbers of the chunks that are stored."""
        return [chunk for chunk in range(N_CHUNKS) if self.names(chunk)]

    def kept(self):
        """The files of the chunks that are stored."""
        files = self.files()
        return {name: files[name] for chunk in self.done for name in self.names(chunk)}

    def bits(self, result):
        return {name: np.asarray(values).tobytes() for name, values in result.items()}


class FolderJob(Job):
    """Work whose chunks are .npz files in a folder."""

    is_folder = True

    def names(self, chunk):
        """The files of a chunk that is stored."""
        name = f"voxels-{CHUNK * chunk:010d}.npz"
        return [name] if (self.path / name).exists() else []

    @property
    def lock(self):
        return self.path / "lock"

    def complaint(self, name):
        """How damage to a file is told."""
        return name


START = {"m0s": 0.15, "R2f": 20}


class FitJob(FolderJob):
    """Fifty voxels, of which a mask takes forty."""

    kind = "fit"
    called, computes = "fit", "spinbound._core.fit"
    size = "spinbound.estimators.fitting.chunks.CHUNK", CHUNK

    def call(self, **changes):
        known = {"data": DATA, "seq": SEQ, "free": ("M0", "m0s", "R2f"), "start": START, "fixed": {"B1": B1}}
        return sb.fit(**known | changes)

    def bits(self, fit):
        return super().bits(fit.as_arrays()) | {"settings": repr(fit.settings)}


class CrbJob(FolderJob):
    """Bounds of forty tissues."""

    kind = "crb"
    called, computes = "crb", "spinbound._core.crb"
    size = "spinbound.signals.bounds.CHUNK", CHUNK

    def call(self, **changes):
        return sb.crb(**{"seq": SEQ, "tissue": TISSUE, "wrt": ("M0", "m0s", "T2f"), "sigma": 1 + B1} | changes)


def by_value():
    """An efficient estimator that workers get by value: they know nothing of this file."""
    roots = [(name, np.sqrt(bound)) for name, bound in BOUND.items()]
    return lambda data: {name: data[:, k].real * root for k, (name, root) in enumerate(roots)}


class EvaluateJob(FolderJob):
    """Twenty tissues at two SNRs."""

    kind = "evaluate"
    called, computes = "evaluation", "spinbound.evaluation.pairs.NoisyPairs.__call__"
    size = "spinbound.evaluation.pairs.ROWS", 10 * CHUNK

    def call(self, **changes):
        known = {"estimator": efficient, "dataset": toy_set(20), "snr": [20, SNR], "realizations": 10}
        return sb.evaluate(**known | changes)

    def bits(self, report):
        return super().bits(report.as_arrays())


class DictionaryJob(Job):
    """Forty atoms in a store."""

    is_folder = False
    kind = "dictionary"
    called, computes = "dictionary", "spinbound.dictionaries.job.ChunkTask.__call__"

    def result(self, **changes):
        return self.call(**{"resume": self.path} | changes)

    def call(self, resume, **changes):
        if resume is None:
            resume = self.path.with_name("alone.zarr")
            changes["overwrite"] = resume.exists()
        return stores.built(resume, **{"n": N, "chunk": CHUNK} | changes)

    def bits(self, store):
        return stores.values(store) if store.complete else {}

    def names(self, chunk):
        if not (self.path.exists() and sb.open_dictionary(self.path).is_done(chunk)):
            return []
        return [
            name for name in self.files() if f"{os.sep}c{os.sep}{chunk}" in name and not name.startswith("sequence")
        ]

    def is_complete(self):
        return self.path.exists() and sb.open_dictionary(self.path).complete

    @property
    def lock(self):
        return self.path / MARK / "lock"

    def complaint(self, name):
        array, _, chunk = Path(name).as_posix().partition("/c/")
        return f"chunk {chunk.partition('/')[0]} of {array} is (damaged|missing)"


JOBS = {job.kind: job for job in (FitJob, CrbJob, EvaluateJob, DictionaryJob)}

# Arguments that lead through other code
VARIANTS = {
    "fit": {
        "starts": {},
        "matches": {"start": {}, "dictionary": PRIOR},
        "maps": {"start": {"m0s": np.linspace(0.1, 0.2, N), "R2f": 20}, "sigma": np.full(N, 1e-4),
                 "prior": {"m0s": (np.linspace(0.1, 0.2, N), 0.1)}},
        "mask": {"data": DATA[np.arange(50) % 40], "mask": np.arange(50) % 5, "fixed": {}, "covariance": True},
        "grid": {"data": DATA.reshape(5, 8, 40), "fixed": {"B1": B1[:8], "R1f": np.ones((5, 1))}, "covariance": True},
    },
    "crb": {
        "real": {},
        "single": {"dtype": np.float32},
        "complex": {"form": "complex"},
        "a chunk of invalid ones": {"tissue": TISSUE.replace(R1f=np.where(np.arange(N) // CHUNK == 1, np.nan, 1.0))},
    },
    "evaluate": {"efficient": {}, "sent by value": {"estimator": by_value()}, "of random phase": {"phase": "random"}},
    "dictionary": {"bounds": {}, "of a simple prior": {"source": PRIOR, "wrt": ("M0", "m0s")}},
}  # fmt: skip

WIDE = {"sigma": 1.0, "prior": {"m0s": (0.15, 0.1)}}
VECTORS = sb.Basis.from_svd(DATA, rank=12, seq=SEQ).vectors
BASES = [sb.Basis(VECTORS[:, first : first + 6], seq=SEQ) for first in (0, 1)]
IN_BASIS = {"data": BASES[0].compress(DATA), "basis": BASES[0]}
ATOMS = [
    {"start": None, "dictionary": sb.dictionary(SEQ, sb.Tissue(m0s=np.linspace(0, high, 9)), basis=BASES[0])}
    for high in (0.2, 0.3)
]

# Arguments, others of which the work must not be taken for that of the first, and what differs
OTHERS = {
    "fit": {
        "data": ({}, {"data": DATA * (1 + 1e-15)}, "data"),
        "seq": ({}, {"seq": OTHER_TRAIN}, "sequence_sha256"),
        "free": ({}, {"free": ("M0", "R2f", "m0s")}, "free"),
        "start": ({}, {"start": START | {"m0s": 0.16}}, "start"),
        "bounds": ({}, {"bounds": {"m0s": (0, 0.5)}}, "bounds"),
        "fixed": ({}, {"fixed": {"R1f": 0.6}}, "known"),
        "a map": ({}, {"fixed": {"R1f": np.full(N, 0.5)}}, "known"),
        "mask": ({}, {"mask": np.arange(N)}, "data"),
        "sigma": ({}, {"sigma": 1e-4}, "noise"),
        "prior": ({}, WIDE, "prior"),
        "mean": (WIDE, WIDE | {"prior": {"m0s": (0.16, 0.1)}}, "prior"),
        "width": (WIDE, WIDE | {"prior": {"m0s": (0.15, 0.2)}}, "prior"),
        "parameter": (WIDE, WIDE | {"prior": {"R2f": (0.15, 0.1)}}, "prior"),
        "max_iterations": ({}, {"max_iterations": 99}, "max_iterations"),
        "tolerance": ({}, {"tolerance": 1e-9}, "tolerance"),
        "model": ({}, {"model": "graham"}, "model|physics"),
        "projection": ({}, {"variable_projection": False, "start": START | {"M0": 1}}, "variable_projection"),
        "basis": (IN_BASIS, IN_BASIS | {"basis": BASES[1]}, "basis"),
        "atoms": (IN_BASIS | ATOMS[0], IN_BASIS | ATOMS[1], "dictionary"),
    },
    "crb": {
        "sigma": ({}, {"sigma": 2.0}, "sigma"),
        "wrt": ({}, {"wrt": ("m0s", "M0", "T2f")}, "wrt"),
        "form": ({}, {"form": "complex"}, "form"),
        "tissue": ({}, {"tissue": TISSUE.replace(M0=1)}, "tissue"),
        "sequence": ({}, {"seq": OTHER_TRAIN}, "sequence"),
        "model": ({}, {"model": "graham"}, "model|physics"),
        "basis": ({}, {"basis": sb.Basis(np.eye(40)[:, :9], seq=SEQ)}, "basis"),
    },
    "evaluate": {
        "estimator": ({}, {"estimator": partial(changed, gain=0.9)}, "estimator"),
        "signals": ({}, {"dataset": toy_set(20, seed=8)}, "signals"),
        "seed": ({}, {"seed": 1}, "seed"),
        "phase": ({}, {"phase": "random"}, "phase"),
        "snr": ({}, {"snr": [20, 60]}, "snr"),
        "realizations": ({}, {"realizations": 11}, "realizations"),
        "names": ({}, {"names": "m0s"}, "names"),
    },
    "dictionary": {
        "seed": ({}, {"seed": 1}, "seed"),
        "n": ({}, {"n": 39}, "n"),
        "chunk": ({}, {"chunk": 16}, "chunk"),
        "basis": ({}, {"basis": stores.BASIS.truncate(5)}, "basis_sha256"),
        "prior": ({}, {"source": sb.Prior.paper().truncated(B1=(0.5, 1.4))}, "prior, prior_sha256"),
        "train": ({}, {"seq": OTHER_TRAIN, "basis": None}, "basis_sha256, sequence_sha256"),
        "unknowns": ({}, {"wrt": "m0s", "derivatives": "fisher"}, "derivatives, wrt"),
    },
}
