"""A sequence of three pulses, and files of its fields."""

from math import pi

import h5py
import numpy as np
import spinbound as sb

ALPHA, TRF = np.array([pi, 0.2, 0.3]), np.array([500e-6, 300e-6, 200e-6])
MOMENTS = ("crusher", "balanced", "balanced")
SEQ = sb.Sequence(ALPHA, TRF, 3.5e-3, gradient_moment=MOMENTS)
REST = {"TR": 3.5e-3, "gradient_moment": MOMENTS}


def npz(folder, **content):
    np.savez(folder / "seq.npz", **content)
    return folder / "seq.npz"


def hdf5(folder, **content):
    with h5py.File(folder / "seq.mat", "w") as file:
        for name, value in content.items():
            file[name] = value
    return folder / "seq.mat"
