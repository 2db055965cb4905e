"""python benchmarks [--quick] [--only scaling|peers] [--out DIR] [--write-docs]

Measures how spinbound scales and how its peers do on the same work; writes report.md, results.json and figure.png.
"""

import argparse
import json
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if not __package__:  # python benchmarks: the folder itself is on the path, where its files are no package
    sys.path[0] = str(ROOT)

from spinbound._files import optional_module  # noqa: E402

from benchmarks import comparison, figure, machine, report, scaling, workload  # noqa: E402

PAGE, PICTURE = ROOT / "docs" / "benchmarks.md", ROOT / "docs" / "images" / "benchmarks.png"
BEGIN, END = "<!-- measured: begin -->\n", "<!-- measured: end -->\n"


def arguments():
    parser = argparse.ArgumentParser(prog="python benchmarks", description=__doc__.splitlines()[2])
    parser.add_argument("--quick", action="store_true", help="small sizes: about two minutes")
    parser.add_argument("--only", choices=("scaling", "peers"), help="one half of it")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "benchmarks", help="folder of the results")
    parser.add_argument("--write-docs", action="store_true", help="put report and figure into docs/benchmarks.md")
    return parser.parse_args()


def measure(quick, only):
    """Everything that was asked for, as one record."""
    start, before, record = time.monotonic(), machine.load(), {"machine": machine.describe(), "quick": quick}

    def say(line):
        print(f"{time.monotonic() - start:5.0f} s  {line}", flush=True)

    if only != "peers":
        record["scaling"], record["left out"] = scaling.measure(quick, say)
    if only != "scaling":
        record["peers"], record["missing"] = [], {}
        for train in workload.trains()[: 1 if quick else None]:
            results, missing = comparison.compare(train, *((3, 128) if quick else (7, 256)), say)
            record["peers"] += results
            record["missing"] |= missing
    return record | {"load": (before, machine.load()), "seconds": time.monotonic() - start}


def write_docs(text):
    """Replace the generated part of the page."""
    page = PAGE.read_text()
    head, tail = page.split(BEGIN)[0], page.split(END)[1]
    PAGE.write_text(f"{head}{BEGIN}\n{text}\n{END}{tail}")


def main():
    args = arguments()
    optional_module("matplotlib", "plot")
    record = measure(args.quick, args.only)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "results.json").write_text(json.dumps(record, indent=1))
    text = report.markdown(record)
    (args.out / "report.md").write_text(text)
    picture = figure.draw(record)
    picture.savefig(args.out / "figure.png")
    if args.write_docs:
        write_docs(text)
        picture.savefig(PICTURE)
    print(f"{text}\nresults.json, report.md and figure.png are in {args.out}")


if __name__ == "__main__":
    main()
