"""Every peer computes what it says it does, on a short train; `python benchmarks` says how fast it is."""

import pytest

from benchmarks.measure import comparison
from benchmarks.peers import PEERS, eigen_expm, spinbound_reference
from benchmarks.peers.peer import Peer

from . import workload

N_PULSES = 40
# What blochsim and sycomore leave out of the model: 3 % of the signal of this train, a third of the derivative by Rex.
OTHER_MODEL = 0.1, 0.5
# Matrix exponentials take some 200 times as long as the bounds; 100 on a crowded machine.
SURELY = 50


@pytest.fixture(params=PEERS, ids=lambda peer: peer.name)
def peer(request):
    """Each peer that can run here."""
    if reason := request.param.missing():
        pytest.skip(reason)
    return request.param


@pytest.mark.filterwarnings("ignore")  # other people's
def test_a_peer_computes_what_it_says(peer):
    seq, given = workload.load_train("bundled", N_PULSES), comparison.tissues(4)
    errors = comparison.worst_errors(peer, seq, given, peer.prepare(seq, given)())
    signal, jacobian = OTHER_MODEL if peer.tolerance is None else (peer.tolerance, peer.tolerance)
    assert errors["signal error"] <= signal
    assert errors["jacobian error"] <= jacobian


def test_a_peer_that_is_not_installed_gives_the_reason():
    absent = Peer("absent", "", "", prepare=None, packages=("no_such_package",))
    assert absent.missing() == "no_such_package not installed"


def test_a_peer_that_fails_is_left_out_with_its_last_words(monkeypatch):
    monkeypatch.setattr(comparison, "PEERS", (spinbound_reference.PEER,))
    results, missing = comparison.compare("no such train", 1, 4, say=lambda _: None)
    assert results == []
    assert missing == {spinbound_reference.PEER.name: "KeyError: 'no such train'"}


def test_spinbound_beats_matrix_exponentials_by_far():
    if reason := eigen_expm.AS_REFERENCE.missing():
        pytest.skip(reason)
    result = comparison.in_own_process(eigen_expm.AS_REFERENCE.name, "bundled", 3, 64)
    assert result["ratio"]["crb"] > SURELY
