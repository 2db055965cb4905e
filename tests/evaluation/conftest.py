"""The report card that several files look at."""

import pytest
import spinbound as sb

from tests.support.evaluations import SNR, efficient, toy_set


@pytest.fixture(scope="package")
def ideal():
    """That of an efficient unbiased estimator."""
    return sb.evaluate(efficient, toy_set(), SNR)
