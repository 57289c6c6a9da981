"""Models and attacks outside of the pipeline: notebooks, other libraries, published weights."""

import json
from pathlib import Path

import foolbox
import pytest
import torch
from safetensors import safe_open
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

import biorobust
from biorobust.errors import UserError
from biorobust.models.kinds import MODELS
from biorobust.models.publishing import read_card
from biorobust.sampling.gaussian import gaussian_filter
from guides import FENCE
from own_code import write_own
from tiny_jobs import PLAIN, ROOT, TinyExperiment, flip_byte, make_experiment, succeed

SLIM = {"width": 2, "stem_width": 2}


def slim(kind: str, **options: object) -> nn.Module:
    torch.manual_seed(1)
    slimmer = {"localiser_width": 2} if kind in ("multi_gaze", "parallel_transformers") else {}
    model = biorobust.build_model(kind, image_size=32, classes=3, **SLIM, **slimmer, **options)
    return model.requires_grad_(False)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TinyExperiment:
    experiment = make_experiment(
        tmp_path_factory.mktemp("digits"),
        train_images=32,
        training={"epochs": 4, "batch_size": 8, "learning_rate": 1e-2},
    )
    succeed(experiment.train())
    return experiment


def test_the_page_does_what_it_says(
    trained: TinyExperiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs/from-python.md").read_text()
    blocks = [text for language, text in FENCE.findall(page) if language == "python"]
    names = {"results/digits/models/standard": "models/plain", "results/digits/shards": "shards"}
    found: dict[str, object] = {}
    for block in blocks:
        for name, place in names.items():
            block = block.replace(name, str(trained.folder / place))
        exec(compile(block, "from-python.md", "exec"), found)
    assert len([line for line in blocks[0].splitlines() if line.strip()]) == 5
    model, images, labels = found["model"], found["images"], found["labels"]
    assert isinstance(model, nn.Module) and isinstance(images, Tensor)
    adversarial, broken = found["adversarial"], found["broken"]
    assert isinstance(adversarial, list) and isinstance(broken, Tensor)
    assert broken.shape == (1, len(images))
    assert torch.equal(broken[0], model(adversarial[0]).argmax(1) != labels)
    assert torch.equal(found["same"](images), model(images))
    exported = torch.export.load("standard.pt2").module()
    assert torch.equal(exported(images[:2]), model(images[:2]))


def mean_reduced_pgd(
    model: nn.Module, images: Tensor, labels: Tensor, epsilon: float, steps: int
) -> Tensor:
    """PGD in the manner of torchattacks, for where that is not installed.

    Cross-entropy averaged over the batch, images in [0, 1].
    """
    found = images.clone().detach()
    for _ in range(steps):
        found.requires_grad_(True)
        cost = nn.CrossEntropyLoss()(model(found), labels)
        (gradient,) = torch.autograd.grad(cost, found, retain_graph=False, create_graph=False)
        found = found.detach() + epsilon / 4 * gradient.sign()
        delta = torch.clamp(found - images, min=-epsilon, max=epsilon)
        found = torch.clamp(images + delta, min=0, max=1).detach()
    return found


@pytest.mark.parametrize("kind", MODELS)
def test_every_kind_is_attacked_as_other_libraries_do_it(kind: str) -> None:
    model = slim(kind)
    images = torch.rand(4, 3, 32, 32)
    logits = model(images)
    # RobustBench's convention: images in [0, 1], the class is the largest logit, no probabilities.
    labels = logits.max(1)[1]
    assert logits.shape == (4, 3) and not torch.allclose(logits.sum(1), torch.ones(4))
    assert (model(images).max(1)[1] == labels).float().mean() == 1
    before = nn.functional.cross_entropy(logits, labels)
    found = mean_reduced_pgd(model, images, labels, 8 / 255, 4)
    assert nn.functional.cross_entropy(model(found), labels) > before
    victim = foolbox.PyTorchModel(model, bounds=(0, 1))
    assert foolbox.accuracy(victim, images, labels) == 1
    _, clipped, _ = foolbox.attacks.LinfPGD(steps=4)(victim, images, labels, epsilons=8 / 255)
    assert nn.functional.cross_entropy(model(clipped), labels) > before
    assert (clipped - images).abs().max() <= 8 / 255 + 1e-6


@pytest.mark.parametrize("kind", MODELS)
def test_every_kind_is_attacked_by_torchattacks_itself(kind: str) -> None:
    torchattacks = pytest.importorskip(
        "torchattacks", reason="pip install --no-deps torchattacks==3.5.1"
    )
    model = slim(kind)
    images = torch.rand(4, 3, 32, 32)
    labels = model(images).argmax(1)
    before = nn.functional.cross_entropy(model(images), labels)
    attack = torchattacks.PGD(model, eps=8 / 255, alpha=2 / 255, steps=4, random_start=False)
    found = attack(images, labels)
    assert not model.training
    assert nn.functional.cross_entropy(model(found), labels) > before
    assert (found - images).abs().max() <= 8 / 255 + 1e-6
    assert found.min() >= 0 and found.max() <= 1
    # Its steps are those of the imitation, which is what runs where it is not installed.
    imitated = mean_reduced_pgd(model, images, labels, 8 / 255, 4)
    torch.testing.assert_close(found, imitated, rtol=0, atol=1e-6)


EXPORTED = [(kind, {}, kind not in ("multi_gaze", "parallel_transformers")) for kind in MODELS]


@pytest.mark.parametrize(
    ("kind", "options", "any_count"),
    [*EXPORTED, ("retinal_fixations", {"interpolation": "bilinear"}, False)],
    ids=str,
)
def test_every_kind_is_exported(kind: str, options: dict[str, str], any_count: bool) -> None:
    model = slim(kind, **options)
    images = torch.rand(2, 3, 32, 32)
    shapes = ({0: torch.export.Dim("batch")},) if any_count else None
    program = torch.export.export(model, (images,), dynamic_shapes=shapes).module()
    for count in (1, 3) if any_count else (2,):
        others = torch.rand(count, 3, 32, 32)
        torch.testing.assert_close(program(others), model(others))


class Filter(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return gaussian_filter(images, radius=3, stride=2)


@pytest.mark.parametrize(("height", "way"), [(37, "exported"), (43, "fake")])
def test_what_was_traced_first_is_computed_as_ever(height: int, way: str) -> None:
    """With image sizes of their own: no earlier test has computed their filters."""
    images = torch.rand(2, 3, height, height + 2)
    if way == "exported":
        program = torch.export.export(Filter(), (images,)).module()
        torch.testing.assert_close(program(images), Filter()(images))
    else:
        with FakeTensorMode() as mode:
            Filter()(mode.from_tensor(images))
    found = Filter()(images)
    assert type(found) is Tensor
    torch.testing.assert_close(found, Filter()(images.double()).float())


def test_a_config_takes_published_weights(trained: TinyExperiment, tmp_path: Path) -> None:
    published = tmp_path / "published.safetensors"
    biorobust.publish_model(trained.seed_folder, published)
    models = [{**PLAIN, "weights": str(published)}]
    experiment = make_experiment(tmp_path / "elsewhere", models=models)
    succeed(experiment.train(weights=str(published)))
    images = torch.rand(2, 3, 32, 32)
    taken, original = (biorobust.load_model(e.seed_folder) for e in (experiment, trained))
    assert torch.equal(taken(images), original(images))


def test_images_and_labels_are_those_of_the_shards(trained: TinyExperiment) -> None:
    whole, labels = biorobust.load_images(trained.folder / "shards/test")
    assert whole.shape == (6, 3, 32, 32) and whole.min() >= 0 and whole.max() <= 1
    # Dark images of class 0 and bright ones of class 1 in turn; number 3 looks like the other.
    assert labels.tolist() == [0, 1, 0, 1, 0, 1]
    bright = (whole.mean((1, 2, 3)) > 0.5).tolist()
    assert bright == [False, True, False, False, False, True]
    part, few = biorobust.load_images(trained.folder / "shards/test", first=4, count=9)
    assert torch.equal(part, whole[4:]) and few.tolist() == [0, 1]


def test_a_published_file_holds_all_that_it_takes(trained: TinyExperiment, tmp_path: Path) -> None:
    file, card = tmp_path / "plain.safetensors", trained.folder / "cards/plain.md"
    biorobust.publish_model(trained.seed_folder, file)
    assert read_card(file) is None
    card.parent.mkdir()
    card.write_text("# Card\n± 3\n")
    biorobust.publish_model(trained.seed_folder, file)
    assert read_card(file) == "# Card\n± 3\n"
    with safe_open(file, framework="pt") as opened:
        told = json.loads(opened.metadata()["biorobust"])
    assert told["class_names"] == ["dark", "bright"] and told["config"]["seed"] == 0
    images, _ = biorobust.load_images(trained.folder / "shards/test")
    model, again = biorobust.load_model(trained.seed_folder), biorobust.load_model(file)
    assert torch.equal(model(images), again(images)) and not again.training


def test_what_cannot_be_published_or_loaded_is_told(
    trained: TinyExperiment, tmp_path: Path
) -> None:
    file = tmp_path / "plain.safetensors"
    with pytest.raises(UserError, match=r"must end in \.safetensors"):
        biorobust.publish_model(trained.seed_folder, tmp_path / "plain.pt")
    with pytest.raises(UserError, match=r"there is no card .*gone"):
        biorobust.publish_model(trained.seed_folder, file, card="gone.md")
    with pytest.raises(UserError, match="there is no file"):
        biorobust.load_model(file)
    with pytest.raises(UserError, match="holds weights alone"):
        biorobust.load_model(trained.seed_folder / "weights.safetensors")
    file.write_bytes(b"not one")
    with pytest.raises(UserError, match="no intact safetensors file"):
        biorobust.load_model(file)


def test_a_published_file_does_not_say_which_code_to_run(own_folder: Path) -> None:
    entry = {"name": "plain", "kind": "own_model.py:Own"}
    experiment = make_experiment(own_folder / "results", models=[entry])
    succeed(experiment.train())
    biorobust.publish_model(experiment.seed_folder, "own.safetensors")
    with pytest.raises(UserError, match=r"somebody's own, own_model\.py:Own; if you have and"):
        biorobust.load_model("own.safetensors")
    write_own(own_folder, {"moved.py": (own_folder / "own_model.py").read_text()})
    images = torch.rand(2, 3, 32, 32)
    expected = biorobust.load_model(experiment.seed_folder)(images)
    again = biorobust.load_model("own.safetensors", kind="moved.py:Own")
    assert torch.equal(again(images), expected)
    flip_byte(experiment.seed_folder / "weights.safetensors")
    with pytest.raises(UserError, match="is damaged"):
        biorobust.publish_model(experiment.seed_folder, "own.safetensors")
