"""The package as a whole: what importing it costs, and what it exports."""

import re
import subprocess
import sys
from pathlib import Path

import spinbound as sb


def test_importing_loads_nothing_that_is_optional_or_slow():
    code = "import sys, spinbound; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"scipy", "tqdm", "h5py", "matplotlib", "torch", "dask", "nibabel"} & set(loaded)


def test_only_nn_imports_torch():
    folder = Path(sb.__file__).parent
    imports = re.compile(r"^\s*(import torch|from torch)\b|optional_module\([\"']torch", re.MULTILINE)
    users = {path.relative_to(folder).parts[0] for path in folder.rglob("*.py") if imports.search(path.read_text())}
    assert users == {"nn"}


def test_every_public_name_is_documented():
    for name in sb.__all__:
        assert hasattr(sb, name)
        assert name in ("ALL", "__version__") or getattr(sb, name).__doc__
