"""How good is an estimator, any estimator? Report cards of four of them, in units of the Cramér-Rao bound.

Judges a least-squares fit, matching, estimates between atoms, and a regression of one's own. Prints for each parameter
the loss, which is 1 for an efficient unbiased estimator, with its parts and a verdict, and draws the parts over the
SNR. Watch what is estimated between atoms at SNR 20: it scores well below 1, as it keeps to the middle of the prior,
and pays for it in bias.
"""

from functools import partial

import numpy as np
import spinbound as sb
from spinbound import plot

UNKNOWN, NAMES = ("M0", "m0s", "T1a", "T2f", "B1"), ("m0s", "T1a", "T2f")
SNR, LEVELS, REALIZATIONS = 50, (20, 50, 200), 30

seq = sb.sequences.load("hybrid-mt-4s")
prior = sb.Prior(
    m0s=sb.Uniform(0.05, 0.25), T1a=sb.Uniform(0.8, 2.5), T2f=sb.Uniform(0.04, 0.12), B1=sb.Uniform(0.8, 1.2)
)
basis = sb.Basis.from_svd(sb.simulate(seq, prior.sample(300)), rank=8, seq=seq)
known = sb.reference_set(seq, prior, 2000, basis=basis, wrt=UNKNOWN)  # tissues 0 to 1999, to learn from
unseen = sb.reference_set(seq, prior, 40, basis=basis, wrt=UNKNOWN, first=2000)  # and others, to be judged by


def features(signals):
    """Coefficients of unit norm, the first of them real and positive, and their products."""
    scale = np.linalg.norm(signals, axis=1, keepdims=True) * np.exp(1j * np.angle(signals[:, :1]))
    x = np.concatenate([(signals / scale).real, (signals / scale).imag[:, 1:]], axis=1)
    first, second = np.triu_indices(x.shape[1])
    return np.concatenate([np.ones((len(x), 1)), x, x[:, first] * x[:, second]], axis=1)


rng = np.random.default_rng(0)
signals = np.repeat(known.signals, 5, axis=0)
noise = rng.normal(size=(*signals.shape, 2)).view(complex)[..., 0] / SNR
truth = np.repeat(np.stack([known.tissue[name] for name in NAMES], axis=1), 5, axis=0)
weights = np.linalg.lstsq(features(signals + noise), truth)[0]

atoms = sb.dictionary(seq, prior, 2000, seed=1, basis=basis)
estimators = {
    "NLLS": partial(sb.fit, seq=seq, basis=basis, free=UNKNOWN, dictionary=atoms),
    "match": partial(sb.match, dictionary=atoms),
    "between atoms": partial(sb.match, dictionary=atoms, interpolate=True),
    "regression": lambda data: dict(zip(NAMES, (features(data) @ weights).T, strict=True)),
}
cards = {
    label: sb.evaluate(estimator, unseen, LEVELS, REALIZATIONS, names=NAMES) for label, estimator in estimators.items()
}
print(sb.Evaluation.compare(cards))
for label, card in cards.items():
    print(f"\n{label}, SNR {SNR}")
    for name, verdicts in card.verdicts().items():
        print(f"  {name}: {verdicts[LEVELS.index(SNR)]}")

plot.loss_over_snr(cards).savefig("report_cards.png")
