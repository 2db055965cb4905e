"""A long call can be left at any time, and leaves nothing behind."""

import sys

import numpy as np
import pytest
import spinbound as sb

from tests.support.processes import output_of
from tests.support.trains import random_tissues, smooth_train

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


CTRL_C = """
import contextlib, io
for delay in (0.1, 0.3, 0.5):
    later(delay, signal.SIGINT)
    try:
        CALL
        print("not interrupted")
    except KeyboardInterrupt:
        print(time.perf_counter() - sent)
    assert np.array_equal(sb.crb(seq, few)["m0s"], expected)
"""


@pytest.mark.parametrize(
    "call",
    [
        "sb.crb(seq, tissue, threads=2)",
        "sb.crb(seq, classes, threads=2)",
        "with contextlib.redirect_stderr(io.StringIO()): sb.crb(seq, tissue, threads=2, progress=True)",
        "sb.crb(seq, tissue, threads=2, dtype=np.float32)",
        "sb.fisher(seq, tissue, threads=1)",
        "sb.simulate(seq, tissue, threads=1, basis=basis)",
        "sb.sensitivities(seq, tissue, threads=2, basis=basis)",
    ],
)
def test_ctrl_c_ends_a_call_at_once_and_leaves_the_interpreter_usable(call):
    delays = output_of(CTRL_C.replace("CALL", call))
    # the fastest of three: other work on the machine can only add to it
    assert min(map(float, delays)) < 0.2


def test_what_a_signal_handler_raises_ends_the_call():
    script = """
def handler(*_):
    raise TimeoutError("time is up")
signal.signal(signal.SIGTERM, handler)
later(0.2, signal.SIGTERM)
try:
    sb.crb(seq, tissue, threads=2)
except TimeoutError as reason:
    print(reason, time.perf_counter() - sent < 5)
"""
    assert output_of(script) == ["time is up True"]


@pytest.mark.parametrize("progress", [None, "lambda *_: None"])
def test_the_interpreter_ends_while_another_thread_computes(progress):
    script = f"""
options = {{"threads": 2, "progress": {progress}}}
thread = threading.Thread(target=sb.crb, args=(seq, tissue), kwargs=options, daemon=True)
thread.start()
time.sleep(0.3)
print(thread.is_alive())
"""
    assert output_of(script) == ["True"]


def test_ctrl_c_is_for_the_main_thread_and_another_computes_on():
    script = """
results = []
thread = threading.Thread(target=lambda: results.append(sb.crb(seq, tissue[:10], threads=1)["m0s"]))
thread.start()
later(0.1, signal.SIGINT)
try:
    time.sleep(10)
except KeyboardInterrupt:
    print(thread.is_alive())
thread.join()
print(np.isfinite(results[0]).all())
"""
    assert output_of(script) == ["True", "True"]


def test_a_call_lets_other_threads_run():
    script = """
ticks = []
def tick():
    while True:
        ticks.append(time.perf_counter())
        time.sleep(0.01)
threading.Thread(target=tick, daemon=True).start()
sb.crb(seq, tissue[:10])
print(len(ticks) > 3)
"""
    assert output_of(script) == ["True"]


def test_progress_that_raises_is_not_asked_again():
    reports = []

    def stop(done, total):
        reports.append((done, total))
        if len(reports) == 2:
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        sb.crb(smooth_train(300), random_tissues(10_000, seed=0), progress=stop)
    assert len(reports) == 2
    assert reports[-1][0] < reports[-1][1] == 10_000


@pytest.mark.parametrize("invalid", [0, 100])
def test_progress_rises_to_the_total(invalid):
    seq, tissue = smooth_train(200), random_tissues(8000, seed=0)  # several times the 50 ms between reports
    R1f = np.array(tissue["R1f"])
    R1f[:invalid] = np.nan
    reports = []
    sb.crb(seq, tissue.replace(R1f=R1f), progress=lambda *report: reports.append(report))
    done = [report[0] for report in reports]
    assert len(reports) > 2
    assert done == sorted(done)
    assert reports[-1][0] == reports[-1][1]
    assert len({total for _, total in reports}) == 1
