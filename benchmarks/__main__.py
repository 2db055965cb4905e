"""python benchmarks [--quick] [--only scaling|peers|fits] [--out DIR] [--write-docs]

Measures how spinbound scales and how its peers do on the same work; writes tables.md, results.json and the figures.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if not __package__:  # python benchmarks: the folder itself is on the path, where its files are no package
    sys.path[0] = str(ROOT)

from spinbound.files.guard import optional_module  # noqa: E402

from benchmarks import workload  # noqa: E402
from benchmarks.measure import comparison, fit_comparison, fit_scaling, machine, scaling  # noqa: E402
from benchmarks.report import figure, fit_figure, fit_tables, tables  # noqa: E402

PAGE, PICTURES = ROOT / "docs" / "measured" / "benchmarks.md", ROOT / "docs" / "images"


@dataclass(frozen=True)
class Part:
    """A generated part of the page and its picture: from a record a text and a figure, if it has `keys`."""

    name: str
    picture: str
    keys: tuple[str, ...]
    markdown: Callable
    draw: Callable

    @property
    def marks(self):
        """Between which lines of the page it stands."""
        return f"<!-- {self.name}: begin -->\n", f"<!-- {self.name}: end -->\n"


PARTS = (
    Part("measured", "benchmarks.png", ("scaling", "peers"), tables.markdown, figure.draw),
    Part("measured fits", "fits.png", ("fits",), fit_tables.markdown, fit_figure.draw),
)


def arguments():
    parser = argparse.ArgumentParser(prog="python benchmarks", description=__doc__.splitlines()[2])
    parser.add_argument("--quick", action="store_true", help="small sizes: about two minutes")
    parser.add_argument("--only", choices=("scaling", "peers", "fits"), help="one part of it")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "benchmarks", help="folder of the results")
    parser.add_argument("--write-docs", action="store_true", help="put texts and figures into docs/measured")
    return parser.parse_args()


def measure(quick, only):
    """Everything that was asked for, as one record."""
    start, before, record = time.monotonic(), machine.load(), {"machine": machine.describe(), "quick": quick}

    def say(line):
        print(f"{time.monotonic() - start:5.0f} s  {line}", flush=True)

    if only in (None, "scaling"):
        record["scaling"], record["left out"] = scaling.measure(quick, say)
    if only in (None, "peers"):
        record["peers"], record["missing"] = [], {}
        for train in workload.trains()[: 1 if quick else None]:
            results, missing = comparison.compare(train, *((3, 128) if quick else (7, 256)), say)
            record["peers"] += results
            record["missing"] |= missing
    if only in (None, "fits"):
        record["fits"], record["fits left out"] = fit_scaling.measure(quick, say)
        say("fits beside SciPy's")
        record["fit peers"] = fit_comparison.compare(workload.trains()[-1], *((1, 64, 1) if quick else (2, 1024, 16)))
    return record | {"load": (before, machine.load()), "seconds": time.monotonic() - start}


def write_docs(part, text):
    """Replace a generated part of the page."""
    begin, end = part.marks
    page = PAGE.read_text()
    head, tail = page.split(begin)[0], page.split(end)[1]
    PAGE.write_text(f"{head}{begin}\n{text}\n{end}{tail}")


def main():
    args = arguments()
    optional_module("matplotlib", "plot")
    record = measure(args.quick, args.only)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "results.json").write_text(json.dumps(record, indent=1))
    texts = []
    for part in (part for part in PARTS if record.keys() & set(part.keys)):
        texts.append(part.markdown(record))
        picture = part.draw(record)
        picture.savefig(args.out / part.picture)
        if args.write_docs:
            write_docs(part, texts[-1])
            picture.savefig(PICTURES / part.picture)
    text = "\n".join(texts)
    (args.out / "tables.md").write_text(text)
    print(f"{text}\nresults.json, tables.md and the figures are in {args.out}")


if __name__ == "__main__":
    main()
