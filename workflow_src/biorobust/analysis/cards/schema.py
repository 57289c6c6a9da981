"""What a robustness card holds: the names and types of its JSON, and what each means.

A card stands under the key `card` of `cards/<model>.json`; the other keys of that file are those of
every record. Accuracies are fractions; perturbations are of pixel values in [0, 1]. `None` (null)
stands for what is unknown, does not apply or is infinite, as said at each key. Whoever changes a
key's name or meaning raises `SCHEMA_VERSION`; a new key does not need it.
"""

from typing import Any, TypedDict

from biorobust.analysis.cards.environment_schema import EnvironmentPart

SCHEMA_VERSION = 1


class LastEpoch(TypedDict):
    """How training ended. None: not a finite number."""

    epoch: int
    """Counted from 0."""
    learning_rate: float | None
    loss: float | None
    extra_loss: float | None
    """Regularisation and auxiliary losses, beside `loss`."""
    accuracy: float | None
    """On the training images as the model met them, augmented where `training` says so."""


class TrainedModel(TypedDict):
    """The model from one seed."""

    seed: int
    weights_sha256: str
    last_epoch: LastEpoch | None
    """None: the weights were trained elsewhere."""


class Parameters(TypedDict):
    """Trained numbers: of the network that a test runs, and of parts for training alone."""

    network: int
    training_only: int


class ModelPart(TypedDict):
    """The model, how it was trained, and its weights."""

    name: str
    kind: str
    description: str | None
    source: str | None
    """The publications, with sections, and the ways in which this code differs from them."""
    options: dict[str, Any]
    """As in the config; None: the published value."""
    parameters: Parameters
    training: dict[str, Any] | None
    """Training settings as in the config; None: trained elsewhere."""
    seeds: list[TrainedModel]


class Split(TypedDict):
    """The images of one split."""

    images: int
    smallest_class: int
    largest_class: int
    left_out: int
    """Images that could not be read."""
    manifest_sha256: str
    """Of `shards/<split>/manifest.json`, which names the SHA-256 of every file of images."""


class DataPart(TypedDict):
    """The images, and what is wrong with them."""

    source: str
    source_fingerprint: str
    """Digest of the source's files."""
    settings: dict[str, Any]
    """As in the config: `resize` is how images are brought to `image_size` pixels a side."""
    image_size: int
    classes: list[str]
    splits: dict[str, Split]
    """By "train" and "test"."""
    test_copies_of_training: int
    """Test images that are training images as well, pixel for pixel."""
    test_near_copies_of_training: int
    warnings: list[str]


class Epsilon(TypedDict):
    """One size of perturbation, in both forms. None: it does not apply to this norm."""

    text: str
    """As in the config."""
    value: float
    """In the attack's norm."""
    per_pixel: float
    """The largest change (linf) or the root-mean-square change (l2, rms) of a pixel's channel."""
    per_pixel_8bit: float
    """The same for pixel values in 0 to 255."""
    l2: float | None
    """Euclidean length over all pixels and channels; None for linf."""
    step: float | None
    """Length of a step in the attack's norm; None where the attack has no fixed one."""


class AttackPart(TypedDict):
    """One attack's settings."""

    name: str
    kind: str
    norm: str
    """linf, l2, rms (l2 over the square root of pixels times channels) or l0."""
    method: str
    """many steps, single step (both by gradients), black box or noise."""
    options: dict[str, Any]
    epsilons: list[Epsilon]
    """Empty: the attack searches for each image's smallest perturbation."""


class Protocol(TypedDict):
    """How attacks were carried out and judged."""

    attacked: str
    broken: str
    decided_in: str
    first_pass: dict[str, list[str]]
    """Of a faster pass that only finds candidates: by setting, every value that jobs had."""
    batch_independence: list[str]
    """The verdicts of the check of that name, in the order of seeds."""


class SeedCount(TypedDict):
    """Counts of test images for one seed, or their sums over seeds."""

    images: int
    attacked: int
    """Classified correctly as they are; only these are attacked."""
    broken: int
    """Of these, by the attack here or at a smaller epsilon, or by what checks found there."""
    broken_by_attack_alone: int
    standing: int


class CountOfSeed(SeedCount):
    """A seed's counts."""

    seed: int


class Interval(TypedDict):
    """A 95 % interval, as fractions."""

    low: float
    high: float


class Accuracy(TypedDict):
    """Accuracy on clean images, or under one attack at one epsilon."""

    attack: str | None
    """None: clean images."""
    epsilon: str | None
    """As in the config; None: clean images."""
    mean: float
    """Over seeds, of standing over images."""
    deviation: float | None
    """Sample standard deviation over seeds; None with one seed."""
    images_interval: Interval
    """Wilson's, of the mean count: covers the choice of test images, not that of seeds."""
    images_and_seeds_interval: Interval | None
    """Covers both; None where no model of the experiment has two seeds."""
    by_attack_alone: float
    """The mean without what checks broke besides. Where it is larger, `mean` is the honest one."""
    corrected_by: list[str]
    """Checks that broke images here, or at a smaller epsilon, which the attack had missed."""
    sum: SeedCount
    seeds: list[CountOfSeed]


class Sizes(TypedDict):
    """Sizes over all images, then seeds. A misclassified image is 0. None: infinite, or of none."""

    median: float | None
    mean: float | None
    """The thesis's R (§2.2): infinite once an image was never broken."""
    mean_of_broken: float | None
    never_broken_share: float


class Smallest(Sizes):
    """The smallest perturbations that an attack, or a check of it, found, in one norm."""

    attack: str
    """"smallest over attacks": the smallest that any of them found."""
    norm: str
    by_attack_alone: Sizes
    seeds: list["SmallestOfSeed"]


class SmallestOfSeed(TypedDict):
    """A seed's counts and sums."""

    seed: int
    never_broken: int
    sum_of_sizes: float
    """Over the images that are not among `never_broken`."""


class ResultsPart(TypedDict):
    """Every measured number."""

    images: int
    confidence: float
    """Of every interval."""
    clean: Accuracy
    adversarial: list[Accuracy]
    smallest_perturbations: list[Smallest]


class Verdict(TypedDict):
    """What one check found on one seed, of one attack or of the model as a whole."""

    check: str
    group: str
    seed: int
    attack: str | None
    """The attack that was judged; None: the model as a whole."""
    unexamined: list[str]
    """Attacks that the check cannot judge."""
    verdict: str
    """pass, warn, fail, or skipped, where the check does not apply."""
    figure: float | None
    """What was measured; None: not a finite number, or skipped."""
    threshold: str
    images: int
    """How many are concerned."""
    sentence: str


class NotRun(TypedDict):
    """A check that the experiment did not ask for."""

    check: str
    asked_by: str
    """The word of `checks.groups` in a config."""
    cost: str
    """In passes, in words: n test images, s that survive at one epsilon, a iterative attacks."""


class ChecksPart(TypedDict):
    """Whether the numbers can be trusted."""

    counts: dict[str, int]
    """Findings by verdict."""
    forward_passes: int
    backward_passes: int
    """Of an image through the model; those of honest rows among them."""
    findings: list[Verdict]
    not_run: list[NotRun]


class Untried(TypedDict):
    """Something that was not tried, so that nothing is known of it."""

    topic: str
    sentence: str


class Card(TypedDict):
    """A robustness card."""

    schema_version: int
    experiment: str
    model: ModelPart
    data: DataPart
    attacks: list[AttackPart]
    protocol: Protocol
    results: ResultsPart
    checks: ChecksPart
    not_tried: list[Untried]
    environment: EnvironmentPart
