"""How many threads a call starts, and that they are gone with it."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import spinbound as sb
from spinbound import _core

from tests.support.processes import lines_of
from tests.support.trains import random_tissues, smooth_train

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
forks = pytest.mark.skipif(sys.platform == "win32", reason="needs os.fork")


# Control groups

V2 = "0::/kubepods/pod7/box\n"
V1 = "11:cpuset:/\n4:cpu,cpuacct:/docker/7\n1:name=systemd:/docker/7\n"


def limit(root, groups, files):
    """The limit that a tree of /proc and /sys grants; `files` lie in /sys/fs/cgroup."""
    tree = {"proc/self/cgroup": groups} | {f"sys/fs/cgroup/{name}": text for name, text in files.items()}
    for name, text in tree.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return _core.cgroup_cpu_limit(root)


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"kubepods/pod7/box/cpu.max": "200000 100000\n"}, 2),
        ({"kubepods/pod7/box/cpu.max": "150000 100000\n"}, 2),
        ({"kubepods/pod7/box/cpu.max": "20000 100000\n"}, 1),
        ({"kubepods/pod7/box/cpu.max": "max 100000\n"}, None),
        ({"kubepods/pod7/box/cpu.max": "max 100000\n", "kubepods/cpu.max": "300000 100000\n"}, 3),
        ({"kubepods/pod7/box/cpu.max": "400000 100000\n", "kubepods/pod7/cpu.max": "700000 50000\n"}, 4),
        ({"kubepods/pod7/box/cpu.max": f"{10**18} 1\n", "cpu.max": "600000 100000\n"}, 6),  # beyond any machine
        ({"cpu.max": "300000 100000\n"}, 3),  # in a container whose path outside is not mounted
        ({"kubepods/pod8/cpu.max": "100000 100000\n", "kubepods/pod7/box2/cpu.max": "100000 100000\n"}, None),
        ({}, None),
    ],
)
def test_the_least_limit_around_the_process_counts(files, cores, tmp_path):
    assert limit(tmp_path, V2, files) == cores


@pytest.mark.parametrize(
    ("quota", "period", "cores"),
    [("250000", "100000", 3), ("-1", "100000", None), ("50000", "100000", 1), ("100000", "", None)],
)
@pytest.mark.parametrize("group", ["", "docker/", "docker/7/"])
def test_limits_of_the_first_version_count_too(quota, period, cores, group, tmp_path):
    files = {f"cpu/{group}cpu.cfs_quota_us": f"{quota}\n", f"cpu/{group}cpu.cfs_period_us": f"{period}\n"}
    assert limit(tmp_path, V1, files) == cores


@pytest.mark.parametrize(
    "text",
    ["", "\n", "max", "max max", "100000", "100000 0", "0 100000", "-5 100000", "two 100000", "\0\xff", "9" * 30],
)
def test_a_limit_that_is_not_understood_is_none(text, tmp_path):
    assert limit(tmp_path, V2, {"kubepods/pod7/box/cpu.max": text}) is None


@pytest.mark.parametrize(
    "groups", ["", "0", "0:", "0::", "::", "a:b\n", "7:cpuset:/\n", "5:cpuacct:/box\n", "0::box/../..\n"]
)
def test_groups_that_are_not_understood_limit_nothing(groups, tmp_path):
    assert limit(tmp_path, groups, {"box/cpu.max": "100000 100000\n"}) is None


def test_a_system_without_control_groups_limits_nothing(tmp_path):
    assert _core.cgroup_cpu_limit(tmp_path) is None
    assert _core.cgroup_cpu_limit(tmp_path / "nothing") is None


@linux
def test_threads_are_those_of_affinity_and_control_group():
    granted = _core.cgroup_cpu_limit()
    cores = len(os.sched_getaffinity(0))
    assert _core.available_threads() == min(cores, granted or cores)


@linux
def test_affinity_is_asked_at_each_call():
    script = """
import os
from spinbound import _core
before = os.sched_getaffinity(0)
os.sched_setaffinity(0, {min(before)})
print(_core.available_threads())
os.sched_setaffinity(0, before)
print(_core.available_threads() >= min(2, len(before)) or _core.cgroup_cpu_limit() == 1)
"""
    assert lines_of(script) == ["1", "True"]


# Threads of a call

COUNT = """
import os
import numpy as np

def count():
    return len(os.listdir("/proc/self/task"))
before = count()
"""
SHORT = """
import os
import numpy as np, spinbound as sb
phase = np.linspace(0, 6, 1000)
seq = sb.Sequence(0.4 + 0.3 * np.sin(phase), 3e-4 + 1e-4 * np.cos(phase), 3.5e-3, gradient_moment="balanced")
tissue = sb.Tissue(m0s=np.linspace(0.05, 0.3, 2000))
"""


@linux
def test_import_starts_no_thread_and_none_outlives_its_call():
    script = """
import spinbound as sb
print(count() - before)
sb.crb(sb.sequences.load("hybrid-mt-4s"), sb.Tissue(m0s=np.linspace(0.1, 0.3, 100)), threads=2)
print(count() - before)
"""
    assert lines_of(COUNT + script) == ["0", "0"]


@linux
@pytest.mark.parametrize("n_voxels, threads, most", [(2000, 1, {1}), (2000, 2, {2}), (2000, 3, {3}), (1, 4, {0, 1})])
def test_as_many_threads_work_as_asked_for_but_no_more_than_blocks_of_voxels(n_voxels, threads, most):
    script = f"""
seen = []
sb.crb(seq, tissue[:{n_voxels}], threads={threads}, progress=lambda *_: seen.append(count() - before))
print(max(seen))
"""
    (seen,) = lines_of(COUNT + SHORT + script)
    assert int(seen) in most


# Forks

BITS = """
import threading, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside other threads
expected = sb.crb(seq, tissue[:40], threads=1)["m0s"]

def same_bits():
    return all(np.array_equal(sb.crb(seq, tissue[:40], threads=n)["m0s"], expected) for n in (1, 2, None))

def child_agrees():
    child = os.fork()
    if child == 0:
        os._exit(0 if same_bits() else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""


@forks
def test_parent_child_and_grandchild_compute_after_a_fork():
    script = """
child = os.fork()
if child == 0:
    os._exit(0 if same_bits() and child_agrees() and same_bits() else 1)
print(same_bits(), os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert lines_of(SHORT + BITS + script) == ["True 0"]


@forks
def test_a_process_may_fork_while_another_thread_computes():
    # every call of the thread is of another train, so that forks meet it wherever it takes locks
    script = """
stopped = False
def compute():
    number = 0
    while not stopped:
        number += 1
        sb.crb(seq.replace(TR=3.5e-3 + 1e-6 * number), tissue[:8].replace(B1=0.5 + 1e-3 * number), threads=2)
thread = threading.Thread(target=compute)
thread.start()
print(all([child_agrees() for _ in range(20)]))
stopped = True
thread.join()
print(same_bits())
"""
    assert lines_of(SHORT + BITS + script) == ["True", "True"]


# Plans kept between calls


def test_a_call_after_many_others_gives_the_same_bits():
    seq, tissue = smooth_train(50), random_tissues(30, seed=1)
    expected = sb.fisher(seq, tissue)
    for number in range(20):
        sb.fisher(smooth_train(50, TR=3.5e-3 + 1e-5 * (number + 1)), tissue)
        assert np.array_equal(sb.fisher(seq, tissue), expected)


def test_a_sequence_may_be_used_for_the_first_time_by_many_threads():
    tissue = random_tissues(9, seed=2)
    expected = sb.simulate(smooth_train(70), tissue)
    seq = smooth_train(70)
    with ThreadPoolExecutor(8) as pool:
        for result in pool.map(lambda _: sb.simulate(seq, tissue, threads=2), range(24)):
            assert np.array_equal(result, expected)
