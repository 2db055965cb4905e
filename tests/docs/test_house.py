"""The arrangement of the code: small files in small rooms, faces that only hand on, names that hide nothing.

Floors and circles of imports are import-linter's (pyproject.toml), but for modules that are imported by a string, which
it does not see; those of C++ are in test_cpp_floors.py.
"""

import ast
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PACKAGE = ROOT / "python" / "spinbound"
FILES = sorted(PACKAGE.rglob("*.py"))
FACES = [path for path in FILES if path.name == "__init__.py"]
MOST_LINES, MOST_FILES = 400, {"cli/commands": 20}
CODE = [
    path
    for folder in ("python", "tests", "benchmarks", "tools", "studies", "examples", "cpp", "bindings")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in (".py", ".cpp", ".hpp")
]
ROOMS_OF = {  # where a package that an extra installs may be imported, be it by a string
    "zarr": {"files"},
    "numcodecs": {"files"},
    "dask": {"work"},
    "distributed": {"work"},
    "dask_jobqueue": {"work"},
    "nibabel": {"io"},
    "h5py": {"files", "io"},
    "torch": {"nn"},
    "safetensors": {"nn"},
    "onnx": {"nn"},
    "onnxscript": {"nn"},
}
TEST_ROOMS = {  # test folders of another name than the room that they ask
    "core": "_core",
    "fitting": "estimators/fitting",
    "matching": "estimators/matching",
}
OF_NO_ROOM = {"cpp", "docs", "support", "theory"}


def place(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def room(path: Path) -> str:
    return place(path).partition("/")[0]


@cache
def imported(path: Path) -> list[str]:
    """Names of all modules that a file may import, those of `optional_module` and `import_module` among them."""
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import():
                names += [alias.name for alias in node.names]
            case ast.ImportFrom():
                module = "." * node.level + (node.module or "")
                names += [module, *(f"{module}.{alias.name}" for alias in node.names)]
            case ast.Call(func=ast.Name(id="optional_module" | "import_module"), args=[ast.Constant(value=name), *_]):
                names.append(name)
    return names


def test_no_file_is_two_ideas():
    long = {path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines()) for path in CODE}
    assert {path: n for path, n in long.items() if n > MOST_LINES} == {}


def test_no_room_is_a_shoebox():
    counts = {folder: len(list(folder.glob("*.py"))) for folder in {path.parent for path in FILES}}
    full = {place(folder): n for folder, n in counts.items() if n > MOST_FILES.get(place(folder), 13)}
    assert full == {}


def test_file_names_have_no_underscore_in_front():
    assert [place(path) for path in FILES if path.name.startswith("_") and not path.name.startswith("__")] == []


@pytest.mark.parametrize("face", FACES, ids=place)
def test_a_face_defines_nothing(face):
    body = ast.parse(face.read_text(encoding="utf-8")).body
    assert isinstance(body[0], ast.Expr), "a face begins with a docstring"
    others = [ast.unparse(node) for node in body[1:] if not isinstance(node, (ast.Import, ast.ImportFrom))]
    others = [text for text in others if not text.startswith("__all__ = ")]
    if place(face) == "nn/__init__.py":  # the extra is asked for before anything needs it
        others = [text for text in others if not text.startswith("optional_module(")]
    assert others == []


@pytest.mark.parametrize("face", FACES, ids=place)
def test_no_module_is_hidden_by_a_name_of_the_face(face):
    package = ".".join(["spinbound", *face.parent.relative_to(PACKAGE).parts])
    module = import_module(package)
    below = {path.stem for path in face.parent.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    shared = below & set(getattr(module, "__all__", ()))
    assert [name for name in shared if getattr(module, name) is not import_module(f"{package}.{name}")] == []


def test_nobody_imports_the_face():
    found = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module in ("spinbound", "spinbound._core"):
                found.append(f"{place(path)}: {ast.unparse(node)}")
            if isinstance(node, ast.Import):
                found += [
                    f"{place(path)}: {ast.unparse(node)}"
                    for alias in node.names
                    if alias.name == "spinbound" or (alias.name == "spinbound._core" and alias.asname != "_core")
                ]
    assert [line for line in found if not line.startswith("__init__.py: from spinbound._core import version")] == []


@pytest.mark.parametrize("name", ROOMS_OF)
def test_a_package_of_an_extra_is_known_in_its_rooms_only(name):
    users = {room(path) for path in FILES for module in imported(path) if module.partition(".")[0] == name}
    assert users <= ROOMS_OF[name]
    assert users, "nobody uses it: the table is out of date"


def test_a_module_that_is_imported_by_a_string_is_seen(tmp_path):
    path = tmp_path / "odd.py"
    path.write_text(
        'zarr = optional_module("zarr.core", "io")\nimport h5py\nfrom dask import config\nfrom .a import b\n'
    )
    assert sorted(imported(path)) == [".a", ".a.b", "dask", "dask.config", "h5py", "zarr.core"]


def test_the_folders_of_the_tests_are_the_rooms():
    folders = {
        path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and not path.name.startswith(("_", "."))
    }
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    asked = {TEST_ROOMS.get(name, name).partition("/")[0] for name in folders - OF_NO_ROOM}
    assert asked == rooms


def test_no_test_imports_another():
    tests = sorted((ROOT / "tests").rglob("test_*.py"))
    assert [path.name for path in tests for name in imported(path) if ".test_" in f".{name}"] == []
