"""The page on the training set: what it says in Python and in commands runs, at a smaller size, to the same bits."""

import subprocess
import sys

import numpy as np
import pytest
import spinbound as sb

from tests.support.pages import code, run

SHELL = f'set -e; python() {{ {sys.executable} "$@"; }}; spinbound() {{ python -m spinbound.cli "$@"; }}\n'


@pytest.fixture(scope="module")
def made(published_data, tmp_path_factory):
    """Folders of what the page makes in Python and with commands, and what Python knows then."""
    here, there = tmp_path_factory.mktemp("python"), tmp_path_factory.mktemp("commands")
    for folder in (here, there):
        (folder / "published_train.mat").symlink_to(published_data / "published_train.mat")
    script = SHELL + code("training_set.md", "bash")
    subprocess.run(["bash", "-c", script], cwd=there, check=True, stdout=subprocess.DEVNULL)
    return here, there, run("training_set.md", here)


@pytest.mark.parametrize(("name", "first", "n"), [("training", 0, 96), ("validation", 96, 10), ("test", 106, 9)])
def test_the_sets_hold_consecutive_tissues_of_the_paper(made, name, first, n):
    store = sb.open_dictionary(made[0] / f"{name}.zarr")
    assert store.complete
    assert store.valid.all()
    assert store.tissue == sb.Prior.paper().sample(n, first=first)
    assert store.signals.shape == (n, 13)
    assert set(store.crb) == {"M0", "m0s", "T1a", "T2f", "Rex", "T2s", "omega0", "B1"}


@pytest.mark.parametrize("name", ["training", "validation", "test"])
def test_commands_make_the_same_bits(made, name):
    python, commands = (sb.open_dictionary(folder / f"{name}.zarr") for folder in made[:2])
    assert commands.configuration == python.configuration
    assert commands.signals.tobytes() == python.signals.tobytes()
    assert all(commands.crb[name].tobytes() == bound.tobytes() for name, bound in python.crb.items())


def test_bounds_scale_with_noise_and_signal(made):
    store = sb.open_dictionary(made[0] / "plane.zarr")
    seq, basis, unknowns = (made[2][name] for name in ("seq", "basis", "unknowns"))
    tissue = store.tissue.replace(M0=0.2j)
    bounds = sb.crb(seq, tissue, unknowns, sigma=0.01, basis=basis)
    for name in unknowns[1:]:
        # roundings, amplified by the condition of the bounds
        assert bounds[name] == pytest.approx(store.crb[name] * (0.01 / 0.2) ** 2, rel=1e-6)


def test_a_slice_is_a_grid(made):
    assert made[2]["bound"].shape == (3, 2)
    tissue = sb.open_dictionary(made[0] / "plane.zarr").tissue
    assert tissue["m0s"].reshape(3, 2)[:, 0].tolist() == np.linspace(0, 0.4, 3).tolist()
    assert (tissue["Rex"] == 44).all()
