"""The commands that turn images into maps, `fit` and `estimate`: their data, and what the library makes of these.

Of both the same is asked (tests/cli/test_maps.py).
"""

from functools import cached_property
from pathlib import Path

import numpy as np
import spinbound as sb
import torch
from spinbound import nn
from spinbound.io import nifti

from tests.support import learning
from tests.support.trains import noise, smooth_train

AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])
MOVED = AFFINE + 10 * np.outer([1, 0, 0, 0], [0, 0, 0, 1])  # by a centimetre


class MapCommand:
    """A command with all that it needs, and its data in single precision, as images hold them."""

    words: tuple[str, ...]
    data: np.ndarray
    sigma: float  # of their noise
    named: str  # the attribute that names the parameters
    map: str  # of one of them
    works: str  # what does the work

    @property
    def name(self):
        return self.words[0]

    @property
    def anat(self):
        """Where the maps are."""
        return Path(f"spinbound-{self.name}", "sub-01", "anat")

    @property
    def mask(self):
        """All voxels but two."""
        mask = np.ones(self.data.shape[:-1], bool)
        mask[0, 0] = False
        return mask

    def of(self, source):
        """The command of other data."""
        return tuple(source if word == "data.nii.gz" else word for word in self.words)

    def read(self, name=None):
        """The image of a map that the command has made."""
        return nifti.read(self.anat / f"sub-01_{name or self.map}.nii.gz")[0]

    def prepare(self, folder, monkeypatch):
        """Go to a folder that holds data, a mask and the sequence."""
        monkeypatch.chdir(folder)
        nifti.write("data.nii.gz", self.data, AFFINE)
        nifti.write("mask.nii.gz", self.mask, AFFINE)
        self.seq.save("train.npz")


class Fit(MapCommand):
    """Fits of M0, R1a and R2f, which start near the truth: that spares the dictionary."""

    map, works = "desc-free_R2map", "spinbound.cli.commands.fit.fit_voxels"
    free, fixed, start = ("M0", "R1a", "R2f"), {"m0s": 0.12, "B1": 0.9}, {"R1a": 1.0, "R2f": 14.0}
    command = ("fit", "data.nii.gz", "train.npz", "--free", ",".join(free))
    started = ("--start", "R1a=1,R2f=14")
    words = (*command, "--fixed", "m0s=0.12,B1=0.9", *started)
    named, seq, shape, sigma = "free", smooth_train(60), (3, 2, 2), 1e-4

    @cached_property
    def data(self):
        rng = np.random.default_rng(12)
        R1a, R2f = rng.uniform(0.5, 1.5, self.shape), rng.uniform(10, 20, self.shape)
        tissue = sb.Tissue(m0s=0.12, R1a=R1a, R2f=R2f, M0=0.8 + 0.3j, B1=np.full(self.shape, 0.9))
        return (sb.simulate(self.seq, tissue) + noise((*self.shape, 60), 13, self.sigma)).astype(np.complex64)

    def compute(self, data, basis=None, **options):
        known = {"free": self.free, "fixed": self.fixed, "start": self.start}
        return sb.fit(data, self.seq, basis, **known | options)

    def maps(self, fit):
        """Some maps of a result, by the names of their files."""
        return {
            "desc-apparent_R1map": fit.estimates["R1a"],
            "desc-free_R2map": fit.estimates["R2f"],
            "desc-free_R2stdmap": fit.std["R2f"],
            "M0map": np.abs(fit.estimates["M0"]),
            "fitresidual": fit.residual,
            "fitstatus": fit.status,
            "fititerations": fit.iterations,
        }

    def tolerance(self, fit, name):
        """Fits from other starts, or of data that differ by rounding, stop within some 1e-3 of a standard error."""
        return 0.02 * fit.std[name]

    def prepare(self, folder, monkeypatch):
        super().prepare(folder, monkeypatch)
        nifti.write("B1.nii.gz", np.full(self.shape, 90.0), AFFINE)


class Estimate(MapCommand):
    """Estimates of m0s and T2f by a network that knows what it was trained with, though it has learnt nothing."""

    words = ("estimate", "net.safetensors", "data.nii.gz")
    map, works = "desc-free_T2map", "spinbound.nn.estimator.estimate"
    named, seq, shape, sigma = "names", learning.SEQ, (5, 4, 2), 0.01

    @cached_property
    def data(self):
        tissue = learning.PRIOR.sample(40, seed=4).replace(M0=3j)
        signals = sb.simulate(self.seq, tissue, basis=learning.BASIS).reshape(*self.shape, 6)
        return (signals + noise(signals.shape, 22, self.sigma)).astype(np.complex64)

    @cached_property
    def net(self):
        net = learning.estimator(names=("m0s", "T2f"), seq=self.seq)
        net.scale_to(torch.tensor([[0.12, 0.06], [0.14, 0.07]]))
        net.novelty = nn.Novelty.from_prior(self.seq, learning.PRIOR, basis=learning.BASIS, n=60)
        return net

    def compute(self, data, **options):
        return self.net.estimate(data, **options)

    def maps(self, result):
        """All maps of a result, by the names of their files."""
        return {
            "desc-semisolid_MPFmap": result.estimates["m0s"],
            "desc-free_T2map": result.estimates["T2f"],
            "fitnovelty": result.novelty,
            "fitstatus": result.status,
        }

    def tolerance(self, result, name):
        """Magnitude and phase round the data by some 1e-7."""
        return 1e-4 * np.abs(result.estimates[name])

    def prepare(self, folder, monkeypatch):
        super().prepare(folder, monkeypatch)
        self.net.save("net.safetensors")
        learning.BASIS.save("basis.npz")


FIT, ESTIMATE = Fit(), Estimate()
