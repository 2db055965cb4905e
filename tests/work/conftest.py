"""The jobs that are all asked the same."""

import pytest

from tests.support.work.jobs import JOBS
from tests.support.work.mortal import server


def made(kind, folder):
    """A job of a kind; its place is not made, and has a name that nobody expects."""
    return JOBS[kind](folder / "made" / "ünd so" if JOBS[kind].is_folder else folder / "ünd so.zarr")


@pytest.fixture(params=JOBS)
def job(request, tmp_path):
    """Every kind of work that is done in chunks."""
    return made(request.param, tmp_path)


@pytest.fixture(params=[kind for kind in JOBS if JOBS[kind].is_folder])
def folder_job(request, tmp_path):
    """Every kind of work whose chunks are files of one folder."""
    return made(request.param, tmp_path)


@pytest.fixture(scope="session")
def mortals():
    """Where runs of jobs start that do not reach their end."""
    with server() as started:
        yield started
