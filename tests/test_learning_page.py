"""The page on learning and the trainings among the examples: what they say runs, at a smaller size."""

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
import spinbound as sb
from spinbound import nn

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "guides" / "learning.md").read_text(encoding="utf-8")
SMALLER = {"92_160": "400", "10_240": "64", "20_000": "200", "20_480": "48", "4096": "32", "epochs=[0-9]+": "epochs=2"}


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """What Python knows after the page, and where it was."""
    text = "\n".join(blocks("python"))
    for many, few in SMALLER.items():
        text = re.sub(rf"\b{many}\b", few, text)
    names = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("page"))
        exec(text, names)
        names["here"] = Path.cwd()
    return names


def test_the_calls_of_the_page_run(known):
    assert len(known["history"]) == 2
    assert known["again"].names == ("m0s", "T1a", "T2f")
    assert known["again"].noise == nn.Noise(0.01, (0.1, 1.0))
    assert sorted(file.name for file in (known["here"] / "run").glob("*.*")) == [
        *("best.safetensors", "last.safetensors", "log.csv", "optimiser.safetensors"),
    ]


def test_the_training_of_the_page_is_that_of_the_examples(known):
    (text,) = blocks("toml")
    example = (ROOT / "examples" / "train_crb.toml").read_text(encoding="utf-8")
    assert tomllib.loads(text.replace('"training', '"../training').replace('"valid', '"../valid')) == tomllib.loads(
        example
    )
    path = known["here"] / "train_crb.toml"
    path.write_text(text, encoding="utf-8")
    training = nn.Training.load(path)
    assert training.estimator.network.architecture == nn.Architecture.small()
    assert np.isfinite(training.run(epochs=1)["validation_crb_loss"]).all()


def test_the_training_that_simulates_can_be_read(known):
    text = (ROOT / "examples" / "train_on_the_fly.toml").read_text(encoding="utf-8")
    known["basis"].save(known["here"] / "basis.npz")
    path = known["here"] / "fly.toml"
    path.write_text(text.replace("../", ""), encoding="utf-8")
    training = nn.Training.load(path)
    assert training.data.n == 20_480
    assert training.estimator.trained_for["sequence_sha256"] == sb.sequences.load("hybrid-mt-4s").sha256


def test_the_table_of_keys_is_complete():
    from spinbound.nn.training.recipe import KEYS

    for table, keys in KEYS.items():
        (row,) = re.findall(rf"^\| `\[{table}\]` \|(.*)\|$", PAGE, re.MULTILINE)
        if table != "validation":
            assert all(f"`{key}`" in row for key in keys)
