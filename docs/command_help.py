"""The directive `command-help`: what every command of `spinbound` says of itself, asked when the pages are built."""

from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import spinbound.cli.main as program
from cyclopts import App
from docutils import nodes
from rich.console import Console
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

WIDTH = 90  # characters that a page of the theme has room for


def walk(app: App, names: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Name every command, those of a command after it, in the order in which the program defines them."""
    for name in app:
        if not name.startswith("-"):
            yield (*names, name)
            yield from walk(app[name], (*names, name))


def print_help(names: tuple[str, ...]) -> str:
    """Return what `spinbound NAMES --help` prints."""
    text = StringIO()
    program.app.help_print(names, console=Console(file=text, width=WIDTH, color_system=None))
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def block(names: tuple[str, ...]) -> nodes.literal_block:
    """Show the help of one command as it stands."""
    text = print_help(names)
    return nodes.literal_block(text, text, language="none")


class CommandHelp(SphinxDirective):
    """Show the help of the program, and then of each of its commands below a heading of its own."""

    def run(self) -> list[nodes.Node]:
        """Return the help of the program and the sections of its commands."""
        for path in Path(program.__file__).parent.rglob("*.py"):
            self.env.note_dependency(str(path))
        return [block(()), *map(self.section, walk(program.app))]

    def section(self, names: tuple[str, ...]) -> nodes.section:
        """Return the section of a command: its name, and its help."""
        title = " ".join(("spinbound", *names))
        section = nodes.section("", nodes.title(title, "", nodes.literal(title, title)), block(names))
        section["ids"].append(nodes.make_id(title))
        self.state.document.note_implicit_target(section, section)
        return section


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("command-help", CommandHelp)
    return {"parallel_read_safe": True}
