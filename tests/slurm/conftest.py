"""One cluster for all of these tests, and the results of an undisturbed run to compare with."""

from collections.abc import Iterator

import pytest

from cluster import Cluster, why_not
from cluster_runs import cluster_project
from pipeline import result_bytes, snakemake


@pytest.fixture(scope="session")
def _cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    if reason := why_not():
        pytest.skip(reason)
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def cluster(_cluster: Cluster) -> Iterator[Cluster]:
    """The cluster with every node up, and no jobs but those of this test."""
    _cluster.refresh()
    yield _cluster
    _cluster.clear_jobs()


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """SHA-256 of the results of the same tables, made without a cluster, by path."""
    project = cluster_project(tmp_path_factory.mktemp("undisturbed") / "project")
    done = snakemake(project, "tables", "--cores", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    return result_bytes(project)
