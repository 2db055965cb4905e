"""No kernel object holds a weak symbol, so the linker can't hand code of one instruction set to another machine."""

import shutil
import subprocess

import pytest

from tests.support.paths import ROOT

CHECK = ROOT / "cmake" / "refuse_weak_symbols.cmake"
KERNELS = [f"kernel_{isa}_{real}" for isa in ("baseline", "avx2", "avx512") for real in ("double", "float")]
WEAK = set("WwVvu")


def symbol_classes(objects):
    lines = subprocess.run(["nm", *objects], check=True, capture_output=True, text=True).stdout.splitlines()
    return {line[17] for line in lines if len(line) > 18 and line[18] == " "}


@pytest.mark.parametrize("kernel", KERNELS)
def test_objects_of_the_last_build_list_no_weak_symbols(kernel):
    objects = list(ROOT.glob(f"build/cp*/**/{kernel}.dir/**/*.o"))
    if not objects or not shutil.which("nm"):
        pytest.skip(f"no build folder with {kernel}, or no nm")
    classes = symbol_classes(objects)
    assert "D" in classes or "R" in classes, "the exported kernel table is missing: this is no kernel object"
    assert not classes & WEAK


@pytest.mark.skipif(not all(map(shutil.which, ("cmake", "c++", "nm"))), reason="needs cmake, c++ and nm")
@pytest.mark.parametrize(
    "code, accepted",
    [
        ("namespace { inline int twice(int x) { return 2 * x; } } int (*table)(int) = twice;", True),
        ("inline int twice(int x) { return 2 * x; } int (*table)(int) = twice;", False),
        ("template <class T> T twice(T x) { return 2 * x; } double (*table)(double) = twice<double>;", False),
    ],
)
def test_build_stops_at_an_object_with_a_weak_symbol(code, accepted, tmp_path):
    (tmp_path / "kernel.cpp").write_text(code)
    subprocess.run(["c++", "-c", "kernel.cpp"], check=True, cwd=tmp_path)
    check = ["cmake", "-DNM=nm", "-DOBJECTS=kernel.o", "-DLISTING=listing", "-P", CHECK]
    outcome = subprocess.run(check, cwd=tmp_path, capture_output=True, text=True)
    assert (outcome.returncode == 0) == accepted
    assert ("weak symbols" in outcome.stderr) != accepted
