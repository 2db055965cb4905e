"""Write the type stub of the extension: `python tools/make_stub.py [FOLDER]`, python/ unless told otherwise.

What pybind11-stubgen writes is corrected in two places: values (compiler, version, tables), which differ between
machines, are left out, and the extension's own Sequence, which it takes for that of `typing`, gets its name back.
"""

import re
import subprocess
import sys
from pathlib import Path

MODULE = "spinbound._core"
VALUE = re.compile(r"^((?!__all__)\w+: [^=#\n]*\S) *(?:= .*|# value = .*)$", re.MULTILINE)


def make_stub(folder: Path) -> list[Path]:
    """Stubs of the extension and of its submodules below `folder`."""
    subprocess.run([sys.executable, "-m", "pybind11_stubgen", MODULE, "-o", folder, "--exit-code"], check=True)
    package = folder / "spinbound"
    stubs = [*package.glob("_core.pyi"), *package.glob("_core/**/*.pyi")]
    for stub in stubs:
        stub.write_text(corrected(stub.read_text()))
    return stubs


def corrected(stub: str) -> str:
    return VALUE.sub(r"\1", stub).replace("typing.Sequence", "Sequence")


if __name__ == "__main__":
    python = Path(__file__).resolve().parents[1] / "python"
    for path in make_stub(Path(sys.argv[1]) if len(sys.argv) > 1 else python):
        print(path)
