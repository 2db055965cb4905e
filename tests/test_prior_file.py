"""Priors as TOML: the same prior comes back, and what is wrong in a file is named."""

import re
from pathlib import Path

import numpy as np
import pytest
import spinbound as sb
from hypothesis import given
from spinbound.tissues import prior_file as _prior_file

from .strategies import priors

TEXT = """# of a brain
[m0s]
distribution = "truncated-normal"
mean = 0.12
std = 0.08
low = 0

[T1a]
distribution = "uniform"
low = 0.5
high = 2.5

[T2f]
distribution = "mixture"
high = "T1a"
parts = [
    { weight = 1, distribution = "constant", value = 0.02 },
    { weight = 3, distribution = "log-uniform", low = 0.03, high = 1 },
]

[B1]
distribution = "grid"
values = [0.8, 1, 1.2]
"""
PRIOR = sb.Prior(
    m0s=sb.TruncatedNormal(0.12, 0.08, low=0),
    T1a=sb.Uniform(0.5, 2.5),
    T2f=sb.Mixture([(1, sb.Constant(0.02)), (3, sb.LogUniform(0.03, 1))], high="T1a"),
    B1=sb.Grid([0.8, 1, 1.2]),
)


def toml(folder, text):
    path = folder / "größe 1.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_file_says_what_python_says(tmp_path):
    assert sb.Prior.load(toml(tmp_path, TEXT)) == PRIOR
    assert sb.Prior.load(str(toml(tmp_path, TEXT.replace("\n", "\r\n")))) == PRIOR


@pytest.mark.parametrize("prior", [PRIOR, sb.Prior.paper(), sb.Prior.paper(5e-3).truncated(B1=(0.7, 1 / 3 + 1))])
def test_a_written_prior_comes_back(tmp_path, prior):
    path = tmp_path / "prior.toml"
    prior.save(path)
    back = sb.Prior.load(path)
    assert back == prior
    assert back.sha256 == prior.sha256
    assert back.sample(100) == prior.sample(100)
    assert [file.name for file in tmp_path.iterdir()] == ["prior.toml"]


@given(prior=priors())
def test_any_written_prior_comes_back(tmp_path_factory, prior):
    path = tmp_path_factory.mktemp("prior") / "prior.toml"
    prior.save(path)
    assert sb.Prior.load(path) == prior
    assert sb.Prior.load(path).sha256 == prior.sha256


def test_the_file_on_the_page_is_read(tmp_path):
    page = (Path(__file__).parents[1] / "docs" / "guides" / "dictionaries.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    prior = sb.Prior.load(toml(tmp_path, text))
    assert prior.bounds == {"m0s": (0, np.nextafter(1, 0)), "T1a": (0.5, 3), "T2f": (0.005, 3), "B1": (0.8, 1.2)}


def test_a_file_states_its_units(tmp_path):
    sb.Prior.paper().save(tmp_path / "prior.toml")
    text = (tmp_path / "prior.toml").read_text(encoding="utf-8")
    assert text == sb.Prior.paper().toml
    lines = text.splitlines()
    assert "SI units" in lines[0]
    assert {"[T1a]  # s", "[Rex]  # 1/s", "[omega0]  # rad/s", "[B1]", "low = 5e-06", 'high = "T1a"'} <= set(lines)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[m0s]", "[mos]", r"a parameter's name is 'mos' \(did you mean 'm0s'\?\); allowed: M0, m0s"),
        ("std = 0.08", "sdt = 0.08", r"\[m0s\]: a key is 'sdt' \(did you mean 'std'\?\); allowed: distribution, mean"),
        ("std = 0.08", "", r"\[m0s\]: lacks std, which a truncated-normal needs"),
        ("mean = 0.12\nstd = 0.08", "", r"\[m0s\]: lacks mean and std"),
        (
            "truncated-normal",
            "truncated_normal",
            r"\[m0s\]: distribution is 'truncated_normal' \(did you mean 'truncated-normal'",
        ),
        ('distribution = "uniform"', "", r"\[T1a\]: lacks the key distribution; it has: low, high"),
        ("mean = 0.12", 'mean = "1e-3"', r"\[m0s\]: mean is the text '1e-3'; a number has no quotes"),
        ("low = 0.5", 'low = "0.5"', r"\[T1a\]: low is the text '0.5'; a number has no quotes"),
        ("low = 0.5", "low = true", r"\[T1a\]: low must be real numbers; given True"),
        ("low = 0.5", "low = 2026-01-01", r"\[T1a\]: low must be real numbers"),
        ("low = 0.5", 'low = "T1"', r"\[T1a\]: low is 'T1' \(did you mean"),
        ("low = 0.5", "low = nan", r"\[T1a\]: low must be one number or the name of a parameter; given nan"),
        ("mean = 0.12", 'mean = "m0s"', r"\[m0s\]: mean must be real numbers; given 'm0s'"),
        ("mean = 0.12", "mean = [0.12]", r"\[m0s\]: mean must be one number"),
        ("mean = 0.12", "mean = 1" + 400 * "0", r"\[m0s\]: mean must be real numbers"),
        ("std = 0.08", "std = 0", r"\[m0s\]: std is 0; allowed: std > 0"),
        ("low = 0.03, high = 1 ", "low = 0.03 ", r"\[T2f\], part 1: lacks high, which a log-uniform needs"),
        ("weight = 3, ", "", r"\[T2f\]: parts must be tables, each with a weight"),
        ("weight = 3", "weight = -3", r"\[T2f\]: the weight of part 1 is -3"),
        ("value = 0.02", "value = 0.02, parts = []", r"\[T2f\], part 0: a key is 'parts'"),
        ("[0.8, 1, 1.2]", "[0.8, [1]]", r"\[B1\]: values must be"),
        ("[0.8, 1, 1.2]", '["0.8"]', r"\[B1\]: values must be real numbers"),
        ("# of a brain", "T1s = 1", r"\[T1s\]: must be a table; given 1"),
        ("[m0s]", "[T1f]", "the prior has T1f and T1a together|the prior has T1a and T1f together"),
        ("low = 0.5", "low = 0.01", "T2f: its limits 0.02 and T1a could cross"),
        ("low = 0\n", "low = -1\n", "m0s of the prior is limited by -1"),
        ("[B1]", "[B1", "not valid TOML"),
        ("[B1]", "[T1a]", "not valid TOML"),
        ("low = 0\n", "low = " + "[" * 100_000 + "\n", "not valid TOML"),
        ("low = 0\n", "low = " + "1" * 10_000 + "\n", "not valid TOML"),
        ("[0.8, 1, 1.2]", "[80, 100, 120]", "the median of B1 is 100, where 0.3 to 3 is usual; is it in %"),
    ],
)
def test_a_file_with_a_mistake_is_refused(tmp_path, old, new, message):
    assert old in TEXT
    with pytest.raises(sb.InvalidData, match=rf"größe 1\.toml.*({message})"):
        sb.Prior.load(toml(tmp_path, TEXT.replace(old, new, 1)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the prior is empty"),
        (b"[m0s]\nlow = '\xff'", "not valid TOML: 'utf-8' codec"),
        (b"PK\x03\x04\0\0", "not valid TOML"),
        (b"# " + b"x" * 1_000_000, "longer than 1000000 bytes"),
    ],
)
def test_what_is_no_prior_is_refused(tmp_path, content, message):
    with pytest.raises(sb.InvalidData, match=rf"größe 1\.toml.*{message}"):
        sb.Prior.load(toml(tmp_path, content))


def test_times_in_milliseconds_raise_doubt(tmp_path):
    text = TEXT.replace("low = 0.5\nhigh = 2.5", "low = 500\nhigh = 2500")
    with pytest.warns(UserWarning, match="T1a is 1500, where 0.05 to 10 s is usual; is it in ms.* in SI units"):
        assert sb.Prior.load(toml(tmp_path, text)).bounds["T1a"] == (500, 2500)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.toml"):
        sb.Prior.load(tmp_path / "absent.toml")
    with pytest.raises(FileNotFoundError, match=r"absent"):
        PRIOR.save(tmp_path / "absent" / "prior.toml")


def test_a_prior_that_could_not_be_read_is_not_written(tmp_path, monkeypatch):
    PRIOR.save(tmp_path / "prior.toml")
    size = (tmp_path / "prior.toml").stat().st_size
    monkeypatch.setattr(_prior_file, "MAX_BYTES", size - 1)
    with pytest.raises(sb.InvalidParameter, match=f"the prior takes {size} bytes in a file; allowed: {size - 1}"):
        PRIOR.save(tmp_path / "other.toml")
    assert not (tmp_path / "other.toml").exists()
