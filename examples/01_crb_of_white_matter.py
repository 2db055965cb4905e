"""How well can one train of 4 s tell the parameters of white matter? Bounds, and the figure of where they come from.

Prints the Cramér-Rao bound of every parameter at SNR 50, with all nine unknown and with fewer, and writes
``white_matter.png``: what each parameter does to the signal.
"""

import numpy as np
import spinbound as sb
from spinbound import plot

SNR = 50  # |M0|/sigma, per channel

seq = sb.sequences.load("hybrid-mt-4s")
white_matter = sb.Tissue(m0s=0.15, R1f=0.5, R2f=15, Rex=30, R1s=3, T2s=10e-6)

# What must be estimated beside the parameter of interest decides how well that can be known.
scenarios = {
    "all nine unknown": sb.ALL,
    "field maps known": ("M0", "m0s", "R1f", "R2f", "Rex", "R1s", "T2s"),
    "semi-solid pool fixed": ("M0", "m0s", "R1f", "R2f"),
}
print(f"least standard deviation in percent of the parameter, SNR {SNR}")
print(f"{'':<22}" + "".join(f"{name:>9}" for name in ("m0s", "R1f", "R2f", "Rex", "T2s")))
for title, unknown in scenarios.items():
    bounds = sb.crb(seq, white_matter, unknown, sigma=1 / SNR)
    cells = []
    for name in ("m0s", "R1f", "R2f", "Rex", "T2s"):
        percent = 100 * np.sqrt(bounds[name]) / white_matter[name] if name in bounds else None
        cells.append("known" if percent is None else f"{percent:.2f}")
    print(f"{title:<22}" + "".join(f"{cell:>9}" for cell in cells))

signal, jacobian = sb.sensitivities(seq, white_matter)
plot.sensitivities(seq, jacobian, white_matter, sb.ALL).savefig("white_matter.png")
