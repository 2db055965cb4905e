"""The fits that were measured, as Markdown."""

from benchmarks.measure import fits
from benchmarks.peers.scipy_fit import FIT_PEERS

from .tables import digits, duration, left_out, machine, repetitions, table, threads, voxels

DOES = {peer.name: peer.does for peer in FIT_PEERS}


def markdown(record):
    """The tables of the fits."""
    results = record["fits"]
    train = results["kinds"][0]["train"]
    sections = [
        machine(record),
        kinds(results["kinds"]),
        threads(results["voxels"]),
        voxels(
            results["voxels"], f"The tissues are brain, in the {train} train; memory includes data, basis and atoms"
        ),
        left_out(record["fits left out"]),
        peers(record["fit peers"]),
    ]
    return "\n\n".join(filter(None, sections)) + "\n"


def kinds(results):
    rows = [(*described(fits.KINDS[r["call"]]), *numbers(r)) for r in results]
    head = "start, data, unknowns, SNR, per voxel, voxels/s, per evaluation, evaluations, converged, at a limit, best"
    first = results[0]
    return (
        f"### One core, {first['train']} train\n\n{table(head.split(', '), rows)}\n\n{first['n_voxels']:,} voxels of "
        f"brain were fitted on one thread ({first['isa']}); times are those on the core. Unknowns are real numbers, "
        f"and M0 is two of them; 10 unknowns have R1 of each pool, 9 have one for both. Evaluations of the model are "
        f"means per voxel, of all starts together. A fit is best if its residual is at most {fits.BEST:g} above that "
        f"of a fit from the true tissue."
    )


def described(kind):
    """What a kind is, in the words of the table."""
    start = {0: "one tissue", 1: "best match", 2: "two matches"}[kind.matches]
    data = f"{fits.RANK} coefficients" if kind.in_basis else "time domain"
    return start, data, len(kind.free) + 1, digits(kind.snr)


def numbers(result):
    """Time and outcome."""
    each, outcome = result["core seconds"] / result["n_voxels"], result["outcome"]
    evaluations = outcome["iterations"] + 1
    shares = (f"{100 * outcome[key]:.1f} %" for key in ("converged", "at bound", "best"))
    return duration(each), digits(1 / each), duration(each / evaluations), digits(evaluations), *shares


def peers(results):
    """Beside SciPy's fits."""
    if not results:
        return ""
    rows = [
        (
            f"**{r['name']}**: {DOES[r['name']]}",
            r["voxels"],
            duration(r["seconds"]),
            digits(r["ratio"]),
            digits(r["steps"]),
            digits(r["evaluations"]),
            digits(r["our evaluations"]),
            f"{r['deviation']:.1e}",
            f"{r['excess']:.0e}",
            f"{r['lack']:.0e}",
        )
        for r in results
    ]
    head = ", voxels, per voxel, × `sb.fit`, steps, evaluations, of `sb.fit`, deviation, excess, lack"
    first = results[0]
    compared = ", ".join(f"{r['compared']} of {r['voxels']}" for r in results)
    return (
        f"### Beside SciPy, {first['train']} train\n\n{table(head.split(', '), rows)}\n\nTen unknowns were fitted from "
        f"one start, with SNR {digits(fits.KINDS['fit'].snr)} and {fits.RANK} coefficients. SciPy fitted the first "
        f"voxels of a batch of {first['batch']:,} one after the other on one core, in turns with `sb.fit` of the "
        f"batch; times are medians of {repetitions(results)}. Steps are evaluations without those for finite "
        f"differences, which the next column includes. The deviation is the largest difference of an estimate from "
        f"that of `sb.fit`, in standard errors, over voxels with the same residual that are not at a limit "
        f"({compared}). Excess and lack are by how much SciPy's residual is above and below at most, relatively."
    )
