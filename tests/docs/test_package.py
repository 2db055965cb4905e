"""The package as a whole: what importing it costs, and what it exports."""

import subprocess
import sys

import spinbound as sb


def test_importing_loads_nothing_that_is_optional_or_slow():
    code = "import sys, spinbound; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"scipy", "tqdm", "h5py", "matplotlib", "torch", "dask", "nibabel"} & set(loaded)


def test_every_public_name_is_documented():
    for name in sb.__all__:
        assert hasattr(sb, name)
        assert name in ("ALL", "__version__") or getattr(sb, name).__doc__
