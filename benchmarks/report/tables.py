"""What was measured, as Markdown."""

import math

from benchmarks.measure import fits, scaling
from benchmarks.peers import BY_NAME

CALL = {"crb": "bounds (`crb`)", "simulate": "signal (`simulate`)", "sensitivities": "`sensitivities`"}
CALL |= {name: name for name in fits.KINDS}


def markdown(record):
    """The tables of a record as `python benchmarks` writes them."""
    sections = [machine(record), *scaling_sections(record), *peer_sections(record)]
    return "\n\n".join(filter(None, sections)) + "\n"


def scaling_sections(record):
    results = record.get("scaling")
    if not results:
        return []
    return [
        kernel(results["kernel"]),
        threads(results["voxels"]),
        voxels(results["voxels"]),
        pulses(results["pulses"]),
        left_out(record["left out"]),
    ]


def peer_sections(record):
    results = record.get("peers")
    if results is None:
        return []
    trains = dict.fromkeys(r["train"] for r in results)
    tables = [peers([r for r in results if r["train"] == train]) for train in trains]
    return [*tables, notes(results), missing(record["missing"])]


# Pieces


def table(header, rows):
    """A Markdown table; the first column is text, the others are numbers."""
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def digits(value, n=3):
    """A number with n digits, thousands apart."""
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    decimals = n - 1 - math.floor(math.log10(abs(value)))
    return f"{round(value, decimals):,.{max(0, decimals)}f}"


def duration(seconds):
    """Seconds in the unit that suits them."""
    unit, size = next((u for u in (("s", 1.0), ("ms", 1e-3)) if seconds >= u[1]), ("µs", 1e-6))
    return f"{digits(seconds / size)} {unit}"


def mebibytes(n):
    return "–" if n is None else f"{n / 2**20:.1f}"


def repetitions(results):
    fewest, most = (f(len(r["rounds"]) for r in results) for f in (min, max))
    return f"{fewest} repetition{'s'[: fewest > 1]}" if fewest == most else f"{fewest} to {most} repetitions"


# Sections


def machine(record):
    about, (before, after) = record["machine"], record["load"]
    run = "a quick run" if record["quick"] else "the full run"
    return (
        f"Measured with spinbound {about['spinbound']} ({about['built with']}) on {about['cores']} cores of one "
        f"{about['processor']}, instruction sets {', '.join(about['isa'])}; Python {about['python']}, NumPy "
        f"{about['numpy']}. Load {before} before and {after} after {run} of {record['seconds'] / 60:.0f} min."
    )


def kernel(results):
    rows = [
        (
            f"{r['train']}, {r['tissue']}",
            CALL[r["call"]],
            r["isa"],
            duration(r["core seconds"] / r["n_voxels"]),
            digits(1e-9 * r["peak"]),
            digits(1e-6 * r["possible per voxel"]),
            *done(r),
        )
        for r in results
    ]
    head = ("train, tissue", "call", "instructions", "time per voxel", "FMA peak", "product", "done", "of the peak")
    return (
        f"### One core\n\n{table(head, rows)}\n\nBatches of {results[0]['n_voxels']} voxels, one thread, medians of "
        f"{repetitions(results)}; R2sl and all nine parameters are included. The peak is in GFlop/s; its product with "
        f"the time, and what the processor counted as done, are in MFlop."
    )


def done(result):
    """Operations of a voxel, and the fraction of the peak that they are."""
    if result["operations per voxel"] is None:
        return "–", "–"
    return digits(1e-6 * result["operations per voxel"]), f"{100 * result['fraction of peak']:.0f} %"


def threads(results):
    found = scaling.speedups(results)
    if not found:
        return "### Two threads\n\nNot measured: one core only."
    rows = [(CALL[call], isa, f"{n:,}", f"{ratio:.2f}", load) for (call, isa), (n, ratio, load) in found.items()]
    head = ("call", "instructions", "voxels", "times as fast as one", "load")
    return f"### Two threads\n\n{table(head, rows)}\n\nThe load is that of the machine when two threads had finished."


def voxels(results, what="The tissues are random, in the bundled train"):
    return (
        f"### More voxels\n\n{growth(results, 'n_voxels')}\n\n{what}. The exponent is that of the growth of the cost, "
        f"time on the cores times the FMA peak, over the last decade; 1 is linear. The memory is by how much the first "
        f"call raised the process's peak. {nonlinear(results, 'n_voxels')}"
    )


def pulses(results):
    return (
        f"### More pulses\n\n{growth(results, 'n_pulses')}\n\nThe train is the bundled one, resampled, with white "
        f"matter in {results[0]['n_voxels']} voxels. {nonlinear(results, 'n_pulses')}"
    )


def growth(results, along):
    """A row for every curve: its largest point and its exponent."""
    most = "voxels" if along == "n_voxels" else "pulses"
    head = ("call", "instructions", "threads", most, "time", "voxels/s", "exponent", "memory, MiB", "of it results")
    return table(head, [growth_row(curve, along) for curve in scaling.curves(results, along).values()])


def growth_row(curve, along):
    last, exponent = curve[-1], scaling.slope(curve, along)
    return (
        CALL[last["call"]],
        last["isa"],
        last["threads"],
        f"{last[along]:,}",
        duration(last["seconds"]),
        digits(last["voxels per second"]),
        "–" if exponent is None else f"{exponent:.2f}",
        mebibytes(last["memory"]),
        mebibytes(last["results"]),
    )


def nonlinear(results, along):
    """The sentence that says whether time grows in proportion."""
    slopes = [(curve[-1], scaling.slope(curve, along)) for curve in scaling.curves(results, along).values()]
    off = [f"{scaling.label(r)}: {s:.2f}" for r, s in slopes if s is not None and abs(s - 1) > scaling.LINEAR]
    if not off:
        return f"Every exponent is within {scaling.LINEAR} of 1."
    return f"These are further than {scaling.LINEAR} from 1: {'; '.join(off)}."


def left_out(points):
    listed = (f"{scaling.label(p)}, {p['n_voxels']:,} voxels (some {duration(p['predicted'])})" for p in points)
    return f"These would have taken too long: {'; '.join(listed)}." if points else ""


def peers(results):
    """The table of one train."""
    rows = [
        (
            f"**{r['name']}**: {BY_NAME[r['name']].does}",
            duration(r["median"]["peer"]),
            digits(r["ratio"]["sensitivities"]),
            digits(r["ratio"]["crb"]),
            f"{r['signal error']:.0e}",
            f"{r['jacobian error']:.0e}",
            r["columns"] + 1,
        )
        for r in results
    ]
    first, took = results[0], {call: [r["median"][call] for r in results] for call in ("sensitivities", "crb")}
    ours = " and ".join(f"{duration(min(t))} to {duration(max(t))} (`{call}`)" for call, t in took.items())
    head = ("", "time per voxel", "× `sensitivities`", "× `crb`", "error of s", "of ds/dθ", "derivatives")
    return (
        f"### Peers, {first['train']} train of {first['n_pulses']} pulses\n\n{table(head, rows)}\n\nEach peer ran in "
        f"turns with spinbound ({first['isa']}, batches of {first['voxels']['crb']} voxels) on one core. Times are "
        f"medians of {repetitions(results)}; spinbound took {ours}. Errors are the largest against a long double "
        f"oracle, relative to the largest value."
    )


def notes(results):
    """A line on each peer: how it was made fast, and what differs."""
    return "\n".join(note(*name) for name in dict.fromkeys((r["name"], r["versions"]) for r in results))


def note(name, versions):
    peer, packages = BY_NAME[name], f" ({versions})" if versions else ""
    differs = f" What differs: {peer.differs}." if peer.differs else ""
    return f"- **{name}**{packages}: {peer.made_fast}.{differs}"


def missing(reasons):
    return f"Not measured: {'; '.join(f'{name} ({why})' for name, why in reasons.items())}." if reasons else ""
