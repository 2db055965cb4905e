"""The workers of a command: this process, others on this machine, jobs of a cluster, or one process per part."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from pathlib import Path

from cyclopts import Parameter

from spinbound.base.checks import suggest
from spinbound.base.errors import InvalidData, InvalidParameter
from spinbound.files.toml import read_toml
from spinbound.work import cluster as runners
from spinbound.work.job import Runner, as_part

from .arguments import DONE, Count, UsageError
from .report import print_json

MAX_BYTES = 1 << 20  # of a file that describes jobs


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Workers:
    """Options on which processes do the work.

    Parameters
    ----------
    workers
        Number of processes that share the work, of one thread each unless --threads says otherwise; with --cluster the
        number of jobs.
    cluster
        "slurm": jobs of SLURM, as Dask's configuration describes them; or a .toml file that does: cores = 8,
        memory = "16GB", walltime = "02:00:00", and queue, account, directives, prologue, interface, logs.
    part
        "2/5": do the second of five parts of the work, here. When all parts are done, the same command without --part
        writes the results.
    """

    workers: Count | None = None
    cluster: str | None = None
    part: str | None = None


def make_runner(workers: Workers | None) -> Runner | None:
    """Make the argument `runner` of the library's functions; None for this process alone."""
    chosen = workers or Workers()
    if chosen.part is not None:
        if chosen.workers is not None or chosen.cluster is not None:
            raise UsageError("--part is done by this process alone; leave --workers and --cluster out")
        return parse_part(chosen.part)

    if chosen.cluster is not None:
        if chosen.workers is None:
            raise UsageError("--cluster needs the number of jobs: --workers")
        return make_jobs(chosen.cluster, chosen.workers)
    return None if chosen.workers is None else runners.workers(chosen.workers)


def parse_part(text: str) -> Runner:
    """Make the runner of the part I/K."""
    numbers = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text.strip())
    try:
        return runners.part(*map(int, numbers.groups() if numbers else (0, 0)))
    except InvalidParameter:
        raise UsageError(f"--part {text}: a part is one of several, such as 2/5") from None


def make_jobs(source: str, n: int) -> Runner:
    """Make a runner of SLURM jobs, as a file or else Dask's configuration describes them."""
    if source == "slurm":
        return runners.slurm(n)
    path = Path(source)
    if path.suffix.lower() != ".toml":
        raise UsageError(f"--cluster {source}: allowed are slurm, and a .toml file that describes its jobs")

    options = read_toml(path, MAX_BYTES, InvalidData)
    allowed = [name for name in inspect.signature(runners.slurm).parameters if name != "jobs"]
    for name in options:
        if name not in allowed:
            raise InvalidData(f"{path}: unknown {name!r}{suggest(name, allowed)}; allowed: {', '.join(allowed)}")
    return runners.slurm(n, **options)


def print_part_done(runner: Runner | None, work: Path, as_json: bool) -> int:
    """Say that a part is done, and return the exit status."""
    if as_json:
        print_json({"part": str(as_part(runner)), "work": str(work)})
    else:
        print(f"part {as_part(runner)} is done, in {work}; after all parts, run without --part to write the results")
    return DONE
