"""The page on clusters: what it says in Python runs, and its jobs are as the shell and the command take them."""

import inspect
import re
import subprocess
import tomllib

import numpy as np
from spinbound.work import cluster

from tests.support.paths import read_page

PAGE = read_page("cluster.md")


def code(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_page_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in code("python"):
        exec(block, names)
    assert np.isfinite(names["bounds"]["m0s"]).all()
    assert names["fit"].converged.all()


def test_the_jobs_of_the_page_are_as_the_shell_and_the_command_take_them():
    for script in code("bash"):
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    (toml,) = code("toml")
    assert set(tomllib.loads(toml)) < set(inspect.signature(cluster.slurm).parameters)
