"""How much does the choice of the model bias a fit of white matter? Errors, and biases beside the noise.

Data follow the full generalized Bloch equation. Prints how far the signals and bounds of simpler models are from it
over a range of tissues, and by how much a fit with each of them misses every parameter, beside the least standard
deviation at SNR 50: noise averages out over voxels, a bias does not. Field maps are known.
"""

import numpy as np
import spinbound as sb

SNR = 50  # |M0|/sigma, per channel
TRUTH, SIMPLER = "gbloch-ide", ("gbloch", "sled", "graham", "hybrid")
UNKNOWN = ("M0", "m0s", "R1f", "R2f", "Rex", "R1s", "T2s")

seq = sb.sequences.load("hybrid-mt-4s")
white_matter = sb.Tissue(m0s=0.15, R1f=0.5, R2f=15, Rex=30, R1s=3, T2s=10e-6)

# A table over all voxels; the error of each is in error.signal and error.crb.
several = white_matter.replace(m0s=np.array([0.08, 0.15, 0.22]), T2s=np.array([8, 10, 13])[:, None] * 1e-6)
print(sb.model_error(seq, several, "graham", TRUTH, UNKNOWN), "\n")

noise = {name: np.sqrt(bound) for name, bound in sb.crb(seq, white_matter, UNKNOWN, sigma=1 / SNR, model=TRUTH).items()}
bias = {model: sb.model_bias(TRUTH, model, seq, white_matter, UNKNOWN) for model in SIMPLER}

print(f"bias of a fit in percent of the parameter, and the least standard deviation at SNR {SNR}")
print(f"{'':<5}" + "".join(f"{model:>10}" for model in SIMPLER) + f"{'noise':>10}")
for name in UNKNOWN:
    columns = [bias[model][name] for model in SIMPLER] + [noise[name]]
    print(f"{name:<5}" + "".join(f"{100 * np.real(value / white_matter[name]):>z10.2f}" for value in columns))
