"""The tests' own cluster ends what killed tests left of theirs."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cluster import CONFIG_LINK, Cluster, why_not

_START_AND_DIE = """
import os, signal, sys
from pathlib import Path
from cluster import Cluster
Cluster(Path(sys.argv[1])).start()
os.kill(os.getpid(), signal.SIGKILL)
"""


# Here, before any test has the cluster that all the others share.
def test_a_cluster_that_killed_tests_left_is_taken_over(tmp_path: Path) -> None:
    if reason := why_not():
        pytest.skip(reason)
    first, second = tmp_path / "first", tmp_path / "second"
    died = subprocess.run(
        [sys.executable, "-c", _START_AND_DIE, str(first)], cwd=Path(__file__).parent
    )
    assert died.returncode == -signal.SIGKILL
    assert CONFIG_LINK.readlink().parent == first
    assert len(list(Cluster(first).daemons())) == 5
    assert why_not() is None
    cluster = Cluster(second)
    try:
        cluster.start()
        assert not list(Cluster(first).daemons())
        assert CONFIG_LINK.readlink().parent == second
        assert "hold" in str(why_not())
    finally:
        cluster.stop()
    assert not CONFIG_LINK.is_symlink()
    assert not list(cluster.daemons())
