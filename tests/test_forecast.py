"""What a run is going to take, held against one that was carried out, and against hand counts."""

import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml

from biorobust.__main__ import main
from biorobust.config.reading import read_experiment
from biorobust.forecast.command import forecast
from biorobust.forecast.estimate import Given, StageForecast, total
from pipeline import planned, reconfigure, with_package


def stages_of(
    project: Path, given: Given | None = None, **changes: str
) -> dict[str, StageForecast]:
    """The forecast of a project's experiment by stage; `changes` replace top keys of its config."""
    raw = yaml.safe_load((project / "config.yaml").read_text()) | changes
    made = forecast(read_experiment(raw), project / "results", given or Given())
    return {stage.stage: stage for stage in made.stages()}


def to_do(project: Path) -> Counter[str]:
    return Counter({name: stage.to_do.jobs for name, stage in stages_of(project).items()})


def dry_run(project: Path) -> Counter[str]:
    """Jobs that Snakemake would do, by stage."""
    rules = (job.split()[0] for job in planned(project))
    names = {"table": "tables", "figure": "figures", "check": "check", "card": "cards"}
    names["attack_part"] = "attack part"
    return Counter(names.get(rule) or names.get(rule.partition("_")[0], rule) for rule in rules)


def no_change(project: Path) -> None:
    pass


def another_epsilon(project: Path) -> None:
    reconfigure(project, "epsilons: [0.01,", "epsilons: [0.02, 0.01,")


def deleted_training(project: Path) -> None:
    (project / "results/tiny/models/plain/seed-0/training.json").unlink()


def deleted_shards(project: Path) -> None:
    (project / "results/tiny/shards/test/manifest.json").unlink()


def other_attack_in_parts(project: Path) -> None:
    reconfigure(project, "attacks:\n", "execution: {attack_shards: 3}\nattacks:\n")
    reconfigure(project, "steps: 2", "steps: 3")


@pytest.mark.parametrize(
    "change",
    [no_change, another_epsilon, deleted_training, deleted_shards, other_attack_in_parts],
)
def test_jobs_to_do_are_those_of_the_workflow(
    project: Path, monkeypatch: pytest.MonkeyPatch, change: object
) -> None:
    assert callable(change)
    change(project)
    monkeypatch.chdir(project)
    assert +to_do(project) == dry_run(project)


def test_a_record_whose_file_is_gone_counts_as_gone(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run, though not a dry run, makes it anew and whatever was made from it."""
    monkeypatch.chdir(project)
    (project / "results/tiny/models/plain/seed-0/weights.safetensors").unlink()
    hollow = to_do(project)
    deleted_training(project)
    assert hollow == to_do(project)
    assert (hollow["train"], hollow["attack"], hollow["collect"]) == (1, 2, 1)


def test_before_a_first_run_every_job_is_to_do(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(project / "results")
    monkeypatch.chdir(project)
    stages = stages_of(project)
    jobs = {name: stage.planned.jobs for name, stage in stages.items()}
    assert jobs == to_do(project) == dry_run(project)
    unknown = {name for name, stage in stages.items() if stage.planned.unknown}
    assert unknown == set(jobs)
    # 60 images of 32 pixels, two arrays with 128 bytes of header, two indexes, two JSON files each.
    assert 184_320 + 256 < stages["shard"].planned.bytes < 184_320 + 256 + 10_000


def size_of(folder: Path, pattern: str) -> int:
    return sum(path.stat().st_size for path in folder.glob(pattern) if path.is_file())


def test_an_experiment_like_a_finished_one_takes_what_that_one_took(
    finished_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    stages = stages_of(finished_project, name="alike")
    folder = finished_project / "results/tiny"
    attacks = size_of(folder, "models/*/seed-0/attacks/**/*")
    checks = size_of(folder, "models/*/seed-0/checks/**/*")
    sizes = {
        "shard": size_of(folder, "shards/**/*"),
        "train": size_of(folder, "models/**/*") - attacks - checks,
        "attack": attacks,
        "check": checks,
        "collect": size_of(folder, "results.*") + size_of(folder, "corrections.*"),
        "tables": size_of(folder, "tables/*"),
        "figures": size_of(folder, "figures/*"),
        "cards": size_of(folder, "cards/*"),
        "report": size_of(folder, "report.*"),
    }
    for name, size in sizes.items():
        assert stages[name].to_do.bytes == pytest.approx(size, rel=0.03), name
    assert total(stages.values()).to_do.bytes == pytest.approx(sum(sizes.values()), rel=0.01)
    costs = {name: stage.to_do.seconds for name, stage in stages.items()}
    lines = (folder / "tables/costs.csv").read_text().splitlines()
    wall = lines[0].split(",").index("wall_seconds")
    took = {line.split(",")[0]: float(line.split(",")[wall]) for line in lines[1:-1]}
    # The table of costs itself is planned as well, at the mean of the other tables.
    took["tables"] = costs["tables"]
    # The page is made after that table.
    took["report"] = costs["report"]
    assert costs == pytest.approx(took)
    assert not any(tmp_path.glob("results"))


def test_given_throughputs_win_and_give_hours(
    finished_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = Given(train={None: 4, "plain": 2}, attack={None: 0.5})
    stages = stages_of(finished_project, given)
    # 12 epochs of 40 images at 2 and at 4 a second; four attacks on 20 images at half an image.
    assert stages["train"].planned.seconds == 240 + 120
    assert stages["attack"].planned.seconds == 4 * 40
    assert stages["train"].to_do.seconds == 0


def test_the_command_tells_its_sources_and_writes_nothing(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)

    def files() -> dict[str, int]:
        paths = (path for path in project.rglob("*") if path.is_file())
        return {
            str(path): path.stat().st_mtime_ns
            for path in paths
            if path.name != "source-hashes.json"
        }

    before = files()
    (project / "gpu.yaml").write_text("name: gpu\nseeds: [3, 4]\n")
    before[str(project / "gpu.yaml")] = (project / "gpu.yaml").stat().st_mtime_ns
    command = ["plan", "--configfile", "gpu.yaml", "--device", "cuda"]
    command += ["--train-images-per-second", "plain=480", "0.1"]
    assert main(command) == 0
    assert files() == before
    text = capsys.readouterr().out
    assert text.startswith("gpu in results/gpu, on cuda\n")
    cells = {line.split()[0]: line.split() for line in text.splitlines() if line[:1].isalpha()}
    # Two seeds: 1 s each at 480 images a second, 4,800 s each at 0.1.
    assert cells["train"][:5] == ["train", "4", "4", "2.7", "h"]
    assert cells["train"][7:9] == ["2.67", "2.67"]
    assert cells["attack"][:5] == ["attack", "8", "8", "?", "?"]
    told = " ".join(text.split())
    assert "time given, 480 images a second (plain); time given, 0.1 images a second (r" in told
    assert "attack: time not known: run a small experiment with it first, or give --attack" in told
    assert "collect: time measured in results/tiny (cpu of " in told


def test_the_command_needs_neither_snakemake_nor_pandas(project: Path) -> None:
    check = (
        "import sys; from biorobust.__main__ import main; assert main(['plan']) == 0; "
        "assert not {'snakemake', 'pandas', 'pytorch_lightning'} & set(sys.modules)"
    )
    command = [sys.executable, "-c", check]
    done = subprocess.run(command, cwd=project, env=with_package(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--configfile", "none.yaml"], "none.yaml cannot be read: No such file or directory"),
        (["--config", "seeds"], "--config seeds: write KEY=VALUE"),
        (["--config", "name=x", "epochs=3"], "epochs: unknown key"),
        (["--train-images-per-second", "fast"], "'fast' is no number above 0"),
        (["--attack-images-per-second", "x=3"], "there is no model 'x'; plain, retinal are"),
    ],
)
def test_bad_input_is_one_clear_line(
    finished_project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(finished_project)
    assert main(["plan", *arguments]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
