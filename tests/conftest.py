"""What all tests share: the place of the published data, and how hypothesis draws."""

import os
from pathlib import Path

import pytest
import spinbound as sb
from hypothesis import settings

# Times of a shared machine say nothing about the code, and a suite that must pass draws the same examples each time.
settings.register_profile("spinbound", deadline=None, derandomize=True)
settings.load_profile("spinbound")


@pytest.fixture(scope="session")
def published_data() -> Path:
    """Folder of the published train and basis; the test is skipped where SPINBOUND_TEST_DATA names none."""
    folder = os.environ.get("SPINBOUND_TEST_DATA")
    if not folder:
        pytest.skip("SPINBOUND_TEST_DATA is not set")
    return Path(folder)


@pytest.fixture(scope="session")
def published_train(published_data: Path) -> sb.Sequence:
    """The published train of 1142 pulses."""
    moments = ["crusher"] + ["balanced"] * 1141
    return sb.Sequence.load(published_data / "published_train.mat", TR=3.5e-3, gradient_moment=moments)
