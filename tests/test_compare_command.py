"""`biorobust compare` on made-up results, against counts by hand and scipy's own test."""

import csv
import io
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from scipy.stats import binomtest

from biorobust.__main__ import main
from biorobust.files import read_json, sha256_of_file, write_json
from small_results import counted_job, finding, make_grid, write_results

# Images of twelve that a model keeps at epsilon 0.01; clean, all are right.
EYE, PLAIN = set(range(9)), {1, 2, 3, 4, 10}
ONLY_EYE, ONLY_PLAIN = 5, 1


def kept_by(model: str, images: set[int], *, seed: int = 0, text: str = "0.01") -> pd.DataFrame:
    job = counted_job(model, seed, "pgd", text, 12, 12, images=12)
    return job.assign(broken=[image not in images for image in range(12)])


def write(folder: Path, rows: list[pd.DataFrame], **changes: Any) -> Path:
    """An experiment's folder whose record vouches for its files."""
    seeds: dict[str, list[int]] = {}
    for job in rows:
        model, seed = job["model"][0], int(job["seed"][0])
        if seed not in seeds.setdefault(model, []):
            seeds[model].append(seed)
    texts = sorted({job["epsilon_text"][0] for job in rows})
    folder.parent.mkdir(parents=True, exist_ok=True)
    write_results(folder, pd.concat(rows), make_grid(seeds, {"pgd": texts}), **changes)
    outputs = {
        name: sha256_of_file(folder / name) for name in ("results.parquet", "corrections.parquet")
    }
    write_json(folder / "results.json", read_json(folder / "results.json") | {"outputs": outputs})
    return folder


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return write(tmp_path / "one", [kept_by("plain", PLAIN), kept_by("eye", EYE)])


def lines(capsys: pytest.CaptureFixture[str], *places: Path) -> list[dict[str, str]]:
    assert main(["compare", *map(str, places), "--format", "csv"]) == 0
    return list(csv.DictReader(io.StringIO(capsys.readouterr().out)))


def test_two_models_of_one_experiment(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clean, attacked = lines(capsys, results / "models/eye", results / "models/plain")
    assert (clean["epsilon_text"], float(clean["difference"])) == ("clean", 0)
    assert (attacked["first"], attacked["second"]) == ("eye", "plain")
    assert (attacked["only_first"], attacked["only_second"]) == (str(ONLY_EYE), str(ONLY_PLAIN))
    assert float(attacked["difference"]) == pytest.approx((len(EYE) - len(PLAIN)) / 12)
    expected = binomtest(ONLY_PLAIN, ONLY_EYE + ONLY_PLAIN).pvalue
    assert float(attacked["mcnemar"]) == pytest.approx(expected)
    assert float(attacked["low"]) < 4 / 12 < float(attacked["high"])


def test_the_sides_are_the_users(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, there = lines(capsys, results / "models/eye", results / "models/plain")
    _, back = lines(capsys, results / "models/plain", results / "models/eye")
    assert float(back["difference"]) == -float(there["difference"])
    assert float(back["low"]) == pytest.approx(-float(there["high"]))


def test_two_experiments_compare_the_models_that_both_have(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # The same model trained otherwise, another epsilon besides, and a model of its own.
    rows = [kept_by("plain", EYE), kept_by("plain", {0}, text="0.05"), kept_by("new", {1})]
    rows.append(kept_by("new", set(), text="0.05"))
    other = write(tmp_path / "two", rows)
    clean, attacked = lines(capsys, other, results)
    assert (clean["first"], clean["second"]) == ("two/plain", "one/plain")
    assert attacked["epsilon_text"] == "0.01"
    assert (attacked["only_first"], attacked["only_second"]) == (str(ONLY_EYE), str(ONLY_PLAIN))


def test_models_of_two_experiments_of_one_name(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = write(tmp_path / "elsewhere/one", [kept_by("new", EYE)])
    _, attacked = lines(capsys, other / "models/new", results / "models/plain")
    assert (attacked["first"], attacked["second"]) == (f"{other}/new", f"{results}/plain")
    assert attacked["only_first"] == str(ONLY_EYE)


def test_seeds_are_paired_by_their_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [kept_by("plain", PLAIN, seed=3), kept_by("plain", EYE, seed=4)]
    rows += [kept_by("eye", EYE, seed=4), kept_by("eye", EYE, seed=3)]
    folder = write(tmp_path / "seeds", rows)
    _, attacked = lines(capsys, folder / "models/eye", folder / "models/plain")
    assert sorted(attacked["only_first"].split()) == ["0", str(ONLY_EYE)]
    assert float(attacked["difference"]) == pytest.approx((9 - (5 + 9) / 2) / 12)


def test_a_reader_is_told_what_sets_two_experiments_apart(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = write(
        tmp_path / "two",
        [kept_by("plain", EYE)],
        findings=[finding("plain", 0, "learned", "fail")],
    )
    for folder, steps, size in ((results, 20, 32), (other, 40, 64)):
        path = folder / "models/plain/seed-0/attacks/pgd/eps-0.01.json"
        write_json(path, {"config": {"steps": steps, "epsilon": 0.01, "seed": 0}})
        manifest = folder / "shards/test/manifest.json"
        write_json(manifest, {"config": {"image_size": size, "source": "digits"}})
    assert main(["compare", str(other), str(results)]) == 0
    told = capsys.readouterr()
    assert "attack pgd is another: steps 40 and 20\n" in told.err
    assert "the test images are others: image_size 64 and 32\n" in told.err
    assert "two/plain ‡ − one/plain" in told.out and "+33.3" in told.out


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ("one/models/eye", "one/models/eye", "both sides are the same"),
        ("one", "one/models/eye", "not of one sort"),
        ("one/models/ear", "one/models/eye", "has no results of 'ear', but of plain, eye"),
        ("none", "one", "is no model's and no experiment's folder"),
        ("one", "two", "no model of the same name"),
    ],
)
def test_mistakes_are_one_line(
    first: str,
    second: str,
    message: str,
    results: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(tmp_path / "two", [kept_by("new", EYE)])
    assert main(["compare", str(tmp_path / first), str(tmp_path / second)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_other_test_images_are_refused(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = kept_by("plain", EYE)
    other.loc[3, "image"] = "another"
    write(tmp_path / "two", [other])
    assert main(["compare", str(results), str(tmp_path / "two")]) == 1
    assert "not run on the same test images" in capsys.readouterr().err


def test_results_that_were_edited_are_refused(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = pd.read_parquet(results / "results.parquet")
    rows.assign(broken=False).to_parquet(results / "results.parquet")
    assert main(["compare", str(results / "models/eye"), str(results / "models/plain")]) == 1
    assert "results.parquet is damaged" in capsys.readouterr().err
