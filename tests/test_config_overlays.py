"""Config files and values on a command line, laid over each other as Snakemake does it."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from snakemake.cli import parse_config
from snakemake.utils import update_config

from biorobust.config.overlays import merged, read_config
from biorobust.errors import UserError

KEYS = st.sampled_from("abc")
CONFIGS = st.dictionaries(
    KEYS,
    st.recursive(
        st.none() | st.integers() | st.lists(st.integers(), max_size=2),
        lambda inner: st.dictionaries(KEYS, inner, max_size=3),
        max_leaves=8,
    ),
)


@given(CONFIGS, CONFIGS)
def test_maps_are_merged_as_snakemake_merges_them(
    below: dict[str, Any], above: dict[str, Any]
) -> None:
    expected = copy.deepcopy(below)
    update_config(expected, copy.deepcopy(above))
    kept = copy.deepcopy(below)
    assert merged(below, above) == expected
    assert below == kept


@pytest.mark.parametrize(
    "value",
    [
        *("smoke=true", "smoke=True", "seeds=[0, 1]", "name=mine", "name='mine'", "name=12"),
        *("training={epochs: 3, batch_size: 1e1}", "name=", "name=a=b", "name=0.5", "name=[1,"),
    ],
)
def test_values_are_read_as_snakemake_reads_them(tmp_path: Path, value: str) -> None:
    (tmp_path / "config.yaml").write_text("name: default\nsmoke: false\n")
    entry = parse_config([value, "name=given"]) if not value.startswith("name") else None
    expected = entry or parse_config([value])
    values = [value] if entry is None else [value, "name=given"]
    found = read_config(tmp_path / "config.yaml", [], values)
    assert {key: found[key] for key in expected} == expected


def test_later_overlays_win_and_a_new_source_brings_its_own_section(tmp_path: Path) -> None:
    files = {
        "config.yaml": {"name": "a", "data": {"source": "digits", "test_limit": 5}, "seeds": [0]},
        "one.yaml": {"name": "b", "data": {"source": "cifar10"}, "execution": {"threads": 2}},
        "two.yaml": {"seeds": [1], "execution": {"device": "cpu"}},
    }
    for name, content in files.items():
        (tmp_path / name).write_text(yaml.safe_dump(content))
    overlays = [tmp_path / "one.yaml", tmp_path / "two.yaml"]
    assert read_config(tmp_path / "config.yaml", overlays, ["seeds=[4]"]) == {
        "name": "b",
        "data": {"source": "cifar10"},
        "seeds": ["4"],
        "execution": {"threads": 2, "device": "cpu"},
    }
    with pytest.raises(UserError, match="gives no name of its own"):
        read_config(tmp_path / "config.yaml", [tmp_path / "two.yaml"], [])


@pytest.mark.parametrize("text", ["a: [", "- 1", "", "\tname: x"])
def test_what_is_no_config_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=r"config.yaml (is no YAML|holds no `key: value` lines)"):
        read_config(path, [], [])
