"""What networks learn with three losses, and cards beside fits and matches: the tables of docs/guides/learning.md.

    python studies/measure_learning.py FOLDER

The folder holds training.zarr, validation.zarr and test.zarr, made as docs/guides/training_set.md says. Networks are
kept in it, and trained where they are not there: on one core some 80 s for each, 8 minutes for the one that sees eight
realisations of the noise. Prints markdown.
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np
import spinbound as sb
import torch
from spinbound import nn
from spinbound.reproduce.data import make_plane

NAMES = ("m0s", "T1a", "T2f")
UNKNOWN = ("M0", "m0s", "T1a", "T2f", "Rex", "T2s", "omega0", "B1")
LOSSES = {"crb": nn.CRBLoss, "mse": nn.MSELoss, "bias": nn.BiasConstrainedLoss}
SHORT = {"epochs": 40, "learning_rate": 3e-3, "schedule": "cosine", "clip": 1.0}
SNR, REALIZATIONS = 50, 300
SLICE = (30, 30)  # tissues along T1 and T2f
FEW, FEW_REALIZATIONS, ATOMS = 500, 10, 20_000  # for the slow estimators


def trained(folder, label, stores):
    """A network of one loss, and its history."""
    net = nn.Estimator(NAMES, basis=stores["training"].basis, architecture=nn.Architecture.small())
    data, judge = (nn.StoredData(stores[name]) for name in ("training", "validation"))
    history = nn.train(net, data, validation=judge, loss=LOSSES[label](), folder=folder / f"run-{label}", **SHORT)
    return net, history


def row(*entries):
    print("| " + " | ".join(entry if isinstance(entry, str) else f"{entry:.3g}" for entry in entries) + " |")


def parts(card, name):
    """Bias and variance part of the loss of a parameter; of all without a name."""
    score = card.scores[name] if name else card.overall
    return f"{score.bias_part[0]:.2f} + {score.variance_part[0]:.2f}"


def judged(net, data, realizations=REALIZATIONS):
    """Its report card; phases are random, as they are in data."""
    estimate = partial(net.estimate, novelty=False, threads=1)
    return sb.evaluate(estimate, data, SNR, realizations, names=NAMES, phase="random")


def tissue_slice(store):
    """T1 x T2f through the middle of the paper's distribution."""
    tissue = make_plane(sb.Prior.paper(store.sequence.TR), ("T1a", "T2f"), SLICE)
    return sb.reference_set(store.sequence, tissue, basis=store.basis, wrt=UNKNOWN)


def print_networks(networks, test):
    on_slice = tissue_slice(test)
    row("trained with", "validation `CRBLoss`", *NAMES, "all", "mean abs. bias of T2f, slice", "std/sqrt(CRB) of T1a")
    for label, (net, history) in networks.items():
        card, sliced = judged(net, test), judged(net, on_slice)
        bias = 1e3 * np.mean(np.abs(sliced.bias["T2f"][0]))
        low, middle, high = card.ratio_quantiles("T1a")[0]
        ratio = f"{low:.2f}, {middle:.2f}, {high:.2f}"
        row(
            label,
            history["validation_crb_loss"].min(),
            *(parts(card, n) for n in (*NAMES, None)),
            f"{bias:.2g} ms",
            ratio,
        )


def others(test):
    """Fits and matches, by their names."""
    seq, basis = test.sequence, test.basis
    atoms = sb.dictionary(seq, sb.Prior.paper(seq.TR).within(seq), n=ATOMS, basis=basis)
    reach = {"omega0": (-2 * np.pi / seq.TR, 2 * np.pi / seq.TR)}

    def nlls(data, threads):
        options = {"dictionary": atoms, "bounds": reach, "sigma": 1 / SNR, "threads": threads}
        return sb.fit(data, seq, basis, ("M0", "m0s", "T1a", "T2f", "Rex", "T2s", "omega0", "B1"), **options)

    matched = {"best atom": False, "between atoms": True}
    return {"nlls": nlls} | {
        label: partial(sb.match, dictionary=atoms, interpolate=interpolate) for label, interpolate in matched.items()
    }


def print_side_by_side(networks, test):
    few = sb.reference_set(test.sequence, test.tissue[:FEW], basis=test.basis, wrt=UNKNOWN)
    row("estimator", *NAMES, "all", "loss", "95 %", "not finite")
    cards = {label: judged(net, few, FEW_REALIZATIONS) for label, (net, _) in networks.items()}
    for label, estimator in others(test).items():
        cards[label] = sb.evaluate(estimator, few, SNR, FEW_REALIZATIONS, names=NAMES, phase="random")
    for label, card in cards.items():
        low, high = card.overall.loss_interval[0]
        shares = (parts(card, name) for name in (*NAMES, None))
        row(label, *shares, card.overall.loss[0], f"{low:.3g} to {high:.3g}", str(card.overall.n_not_finite[0]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    torch.set_num_threads(1)
    stores = {name: sb.open_dictionary(folder / f"{name}.zarr") for name in ("training", "validation", "test")}
    networks = {label: trained(folder, label, stores) for label in LOSSES}
    print_networks(networks, stores["test"])
    print_side_by_side(networks, stores["test"])


if __name__ == "__main__":
    main()
