"""The examples in the documentation of every module run and give what they say."""

import doctest
import inspect
import pkgutil
from importlib import import_module
from pathlib import Path

import pytest
import spinbound as sb

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(sb.__path__, "spinbound.")
    if not module.name.endswith(("__main__", "._core"))
)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.mark.parametrize("name", ["spinbound", *MODULES])
def test_examples_give_what_they_say(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert doctest.testmod(import_module(name), optionflags=FLAGS).failed == 0


def is_shown_by_example(thing: object) -> bool:
    is_error = inspect.isclass(thing) and issubclass(thing, Exception)
    return callable(thing) and not is_error


@pytest.mark.parametrize("name", [name for name in sb.__all__ if is_shown_by_example(getattr(sb, name))])
def test_everything_that_is_called_has_an_example(name: str) -> None:
    module = import_module(getattr(sb, name).__module__)
    found = doctest.DocTestFinder().find(getattr(sb, name), name, module)
    assert any(test.examples for test in found)
