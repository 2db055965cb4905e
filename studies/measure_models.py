"""How far every model is from the generalized Bloch equation, and its cost: the tables of docs/reference/models.md.

    python studies/measure_models.py               the bundled train
    python studies/measure_models.py train.mat     the published train of arXiv 2207.08259 beside it
    python studies/measure_models.py --brief       four tissues and one repetition, to see that it runs

Prints markdown. Errors are those of `sb.model_error`, for white matter and over a box of tissues; times are those of
one thread, each the least of some repetitions in which all models take turns, so that they share what else the machine
does. Takes five minutes on two cores for two trains.
"""

import argparse
from time import perf_counter

import numpy as np
import spinbound as sb
from spinbound.sequences.model import MODELS

WHITE_MATTER = sb.Tissue(m0s=0.15, R1f=0.5, R2f=15, Rex=30, R1s=3, T2s=10e-6)
BOX = {  # uniform within, the others 1
    "m0s": (0.05, 0.3),
    "R1f": (0.3, 1),
    "R2f": (8, 30),
    "Rex": (10, 60),
    "R1s": (1, 6),
    "T2s": (6e-6, 20e-6),
    "omega0": (-200, 200),
    "B1": (0.8, 1.2),
}
N_TISSUES, SEED = 64, 4
MOMENTS = ["crusher"] + ["balanced"] * 1141
PAIRS = (
    ("gbloch", "gbloch-ide"),
    ("sled", "gbloch-ide"),
    ("graham", "gbloch-ide"),
    ("graham-single-frequency", "gbloch-ide"),
    ("hybrid", "gbloch-ide"),
    ("hybrid", "gbloch"),
)
# The signal of the hybrid state is real and even in omega0: on resonance it says nothing of it.
WITHOUT_OMEGA0 = tuple(name for name in sb.ALL if name != "omega0")
SOME_B1 = (0.7, 0.88, 1, 1.12, 1.3)
REFINEMENTS = (1, 2, 4)
REPETITIONS = 5


def box(n):
    """Random tissues, the same in every run."""
    rng = np.random.default_rng(SEED)
    return sb.Tissue(**{name: rng.uniform(*bounds, n) for name, bounds in BOX.items()})


def model_named(name):
    return sb.Model(name, "gaussian" if name == "graham-single-frequency" else "superlorentzian")


def errors(seq, tissue, model, against):
    """(...) relative error of the signal, and the largest relative change of a bound."""
    unknown = WITHOUT_OMEGA0 if model == "hybrid" else sb.ALL
    lineshape = model_named(model).lineshape
    error = sb.model_error(seq, tissue, sb.Model(model, lineshape), sb.Model(against, lineshape), unknown)
    return error.signal, np.max([np.abs(change) for change in error.crb.values()], axis=0)


def error_table(seq, tissues):
    head = (
        "model",
        "against",
        "lineshape",
        "signal",
        "bound",
        "signal, box: median to largest",
        "bound, box: median to largest",
    )
    rows = []
    for model, against in PAIRS:
        white_matter = [f"{number(100 * error)} %" for error in errors(seq, WHITE_MATTER, model, against)]
        over_box = [spread(100 * error) for error in errors(seq, tissues, model, against)]
        rows.append((f"`{model}`", f"`{against}`", model_named(model).lineshape, *white_matter, *over_box))
    return markdown(head, rows)


def spread(percent):
    return f"{number(np.median(percent))} to {number(np.max(percent))} %"


def number(x):
    """Two significant digits, no exponent."""
    return np.format_float_positional(float(f"{x:.2g}"), trim="-")


CALLS = {"signal": sb.simulate, "sensitivities": sb.sensitivities, "bounds": sb.crb}
OF_ONE_POOL = ("M0", "R1f", "R2f", "omega0", "B1")


def hybrid_table(seq):
    """The error of hybrid against gbloch, as what alternates from echo to echo after the inversion, and the rest."""
    tissues = WHITE_MATTER.replace(B1=np.array(SOME_B1))
    s, hybrid = (sb.simulate(seq, tissues, model=model) for model in ("gbloch", "hybrid"))
    before, after = (hybrid - s)[:, :-1], (hybrid - s)[:, 1:]
    norms = [np.linalg.norm(part, axis=-1) for part in (hybrid - s, (after - before) / 2, (after + before) / 2)]
    errors = 100 * np.array(norms) / np.linalg.norm(s, axis=-1)
    rows = [(f"{B1:g}", *(f"{number(part)} %" for part in parts)) for B1, parts in zip(SOME_B1, errors.T, strict=True)]
    return markdown(("B1", "error of the signal", "alternating", "smooth"), rows)


def convergence_table(seq):
    """The error of hybrid against gbloch with k pulses in the place of one, the controls the same functions of time."""
    rows = []
    for k in REFINEMENTS:
        error = sb.model_error(refined(seq, k), WHITE_MATTER, "hybrid", "gbloch", "M0")
        rows.append((f"{1e3 * seq.TR / k:.3g} ms", f"{number(100 * error.signal)} %"))
    return markdown(("TR", "error of the signal"), rows)


def refined(seq, k):
    """All pulses but the first, an inversion, k times as often."""
    n = seq.n_pulses - 1
    before, after = ((np.arange(m) + 0.5) / m for m in (n, k * n))
    alpha, TRF = (np.r_[each[0], np.interp(after, before, each[1:])] for each in (seq.alpha, seq.TRF))
    return sb.Sequence(alpha, TRF, seq.TR / k, gradient_moment=["crusher"] + ["balanced"] * (k * n))


def cost_table(seq, tissues, repetitions):
    """Time per voxel: of gbloch in ms, of the others in units of it."""
    seconds = {(model, call): np.inf for model in MODELS for call in CALLS}
    for _ in range(repetitions):
        for model, call in seconds:
            seconds[model, call] = min(seconds[model, call], duration(seq, tissues, model, call))
    rows = []
    for model in MODELS:
        ratios = [number(seconds[model, call] / seconds["gbloch", call]) for call in CALLS]
        own = [f"{number(1e3 * seconds[model, call])} ms" for call in CALLS]
        rows.append((f"`{model}`", *(own if model == "gbloch" else ratios)))
    return markdown(("model", *CALLS), rows)


def duration(seq, tissues, model, call):
    """Seconds per voxel on one thread; a model in the lanes gets as many voxels as fill them many times over."""
    some = tissues if MODELS[model].lanes else tissues[:2]
    unknown = sb.ALL
    if model == "bloch":
        some, unknown = some.replace(m0s=0), OF_ONE_POOL
    begin = perf_counter()
    CALLS[call](
        seq,
        some,
        *(() if call == "signal" else (unknown,)),
        model=model_named(model),
        threads=1,
    )
    return (perf_counter() - begin) / np.prod(some.shape)


def markdown(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("train", nargs="?", help="file of the published train, TR 3.5 ms")
    parser.add_argument("--brief", action="store_true")
    chosen = parser.parse_args()
    trains = {"hybrid-mt-4s": sb.sequences.load("hybrid-mt-4s")}
    if chosen.train:
        trains[chosen.train] = sb.Sequence.load(chosen.train, TR=3.5e-3, gradient_moment=MOMENTS)
    tissues = box(4 if chosen.brief else N_TISSUES)
    for name, seq in trains.items():
        print(f"\n{name}: errors\n\n{error_table(seq, tissues)}")
        print(f"\n{name}: hybrid against gbloch\n\n{hybrid_table(seq)}")
        print(f"\n{name}: hybrid against gbloch, shorter TR\n\n{convergence_table(seq)}")
        print(f"\n{name}: time per voxel\n\n{cost_table(seq, tissues, 1 if chosen.brief else REPETITIONS)}", flush=True)


if __name__ == "__main__":
    main()
