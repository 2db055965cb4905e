"""Files of sequences that are refused."""

import pytest
import spinbound as sb


def assert_refused(path, message, **given):
    """A file is refused, beside what is given, for the reason that a pattern names."""
    with pytest.raises(sb.InvalidSequence, match=message):
        sb.Sequence.load(path, **given)
