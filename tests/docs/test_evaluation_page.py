"""The page on judging estimators: what it says in Python runs, with fewer tissues, and shows what it says."""

import re
from pathlib import Path

import pytest
import spinbound as sb
from spinbound.cli.main import app

from tests.support.paths import read_page

PAGE = read_page("evaluation.md")
FEWER = {"prior, 60": "prior, 12", "2000": "200", "30": "10", "0.12, 10": "0.12, 3", "2.5, 12": "2.5, 4"}


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """What the page knows in the end."""
    pytest.importorskip("matplotlib")
    code = "\n".join(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
    for many, few in FEWER.items():
        code = re.sub(rf"\b{many}\b", few, code)
    names = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("page"))
        exec(code, names)
        names["written"] = {path.name: path.stat().st_size for path in Path().iterdir()}
    return names


def test_report_cards_are_made_and_read(known):
    assert known["card"].names == ("m0s", "T1a", "T2f")
    assert known["again"].table() == known["card"].table()
    assert known["card"].overall.loss[2] < known["cards"]["match"].overall.loss[2]
    assert known["maps"].bias["T2f"].shape == (1, 4, 3)
    assert all(known["written"][f"{name}.png"] > 10_000 for name in known["figures"])


def test_estimates_between_atoms_shrink(known):
    score = known["cards"]["between atoms"].overall
    assert score.variance_part_corrected[0] < 0.8
    assert score.bias_part_corrected[0] > 0.05


def test_a_function_of_ones_own_is_judged(known):
    report = sb.evaluate(known["guess"], known["data"], 50, 5, names=("m0s", "T1a"))
    assert report.overall.loss[0] > 1


def test_commands_of_the_page_are_understood():
    blocks = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
    commands = [line.split()[1:] for line in "".join(blocks).splitlines()]
    assert len(commands) == 4
    for command in commands:
        app.parse_args(command, exit_on_error=False, print_error=False)
