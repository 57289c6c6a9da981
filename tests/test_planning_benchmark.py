"""The benchmark of planning goes on working: at its smallest size, it plans and finds all done."""

import importlib.util

from pipeline import ROOT


def test_a_made_up_finished_experiment_plans_as_finished() -> None:
    spec = importlib.util.spec_from_file_location("planning", ROOT / "benchmarks/planning.py")
    assert spec is not None and spec.loader is not None
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    # Two models: one training, ten attacks and two groups of checks each, the shards, the rows in
    # one table, and tables and figures. It asserts itself that all of them are found done.
    jobs, fresh, done = benchmark.plan(2, 1)
    assert jobs > 2 * 13 + 2
    assert fresh > 0 and done > 0
