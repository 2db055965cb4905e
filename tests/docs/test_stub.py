"""The committed type stub says what the extension is."""

import subprocess
import sys

from tests.support.paths import ROOT


def stubs(folder):
    package = folder / "spinbound"
    paths = [*package.glob("_core.pyi"), *package.glob("_core/**/*.pyi")]
    return {path.relative_to(folder).as_posix(): path.read_text() for path in paths}


def test_committed_stub_is_the_one_that_the_extension_generates(tmp_path):
    subprocess.run([sys.executable, ROOT / "tools" / "make_stub.py", tmp_path], check=True)
    assert stubs(tmp_path) == stubs(ROOT / "python")
