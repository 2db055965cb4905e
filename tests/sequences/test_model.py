"""Models as values: what is refused, and that a plain name is the same."""

import numpy as np
import pytest
import spinbound as sb

from tests.support.trains import smooth_train

SEQ = smooth_train()
TISSUE = sb.Tissue(m0s=[0.1, 0.2])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "grahm"}, r"model is 'grahm' \(did you mean 'graham'\?\); allowed: gbloch, gbloch-ide, graham,"),
        ({"name": 3}, "model is 3; allowed: gbloch"),
        ({"lineshape": "lorenzian"}, r"lineshape is 'lorenzian' \(did you mean 'lorentzian'\?\)"),
        ({"rtol": 1e-14}, "rtol is 1e-14; allowed: 1e-12 to 0.01"),
        ({"rtol": 0}, "rtol is 0; allowed"),
        ({"rtol": np.nan}, "rtol must be finite"),
        ({"rtol": [1e-8, 1e-9]}, "rtol must be one number"),
        ({"name": "graham-single-frequency"}, "infinite for the superlorentzian; allowed: gaussian, lorentzian"),
    ],
)
def test_what_makes_no_model_is_refused(arguments, message):
    with pytest.raises(sb.InvalidParameter, match=message):
        sb.Model(**arguments)


def test_a_plain_name_is_the_model_of_usual_lineshape_and_accuracy():
    by_name, by_value = (sb.simulate(SEQ, TISSUE, model=model) for model in ("sled", sb.Model("sled")))
    assert by_name.tobytes() == by_value.tobytes()


def test_models_are_values():
    assert sb.Model("sled", rtol=1e-6) == sb.Model("sled", rtol=np.float64(1e-6)) != sb.Model("sled")
    assert len({sb.Model(), sb.Model("gbloch"), sb.Model(lineshape="gaussian")}) == 2


def test_a_model_comes_back_from_what_files_keep_of_it():
    model = sb.Model("gbloch-ide", "gaussian", 1e-9)
    assert sb.Model.read({"n": 3} | model.described) == model
    assert sb.Model.read({}) == sb.Model()


def test_rtol_is_heard():
    coarse, fine = (sb.simulate(SEQ, TISSUE, model=sb.Model("gbloch-ide", rtol=rtol)) for rtol in (1e-2, 1e-10))
    assert 0 < np.abs(coarse - fine).max() < 1e-2
