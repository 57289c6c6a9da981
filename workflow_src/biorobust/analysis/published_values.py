"""What was published: accuracies of the thesis's and the paper's models, and what gave them.

Values are kept as they were printed, in percent: their digits tell how they were rounded. Sources:
the thesis's Tables 1 and 2, and the results that Vuyyuru et al. 2020 released with their code
(github.com/mvuyyuru/adversary @ d45b6ac, pickled packets, one a model and attack). The thesis draws
its Figure 16 without giving a number.
"""

from typing import Any, NamedTuple

THESIS_1, THESIS_2, THESIS_16 = "thesis Table 1", "thesis Table 2", "thesis Fig. 16"
RELEASED = "paper's release"


class Attack(NamedTuple):
    """Projected gradient descent from the image itself; `rms` is what both sources call L2."""

    norm: str
    steps: int
    relative_step: float


# The thesis does not say its step; two rows of its Table 1 are the release's with a third.
PGD_20 = Attack("linf", 20, 1 / 3)
PGD_20_SMALL = Attack("linf", 20, 1 / 12)
PGD_5 = Attack("linf", 5, 1 / 3)
PGD_5_RMS = Attack("rms", 5, 1 / 3)


class DataSet(NamedTuple):
    """A data set as it was published: what a config says of it, and the number of test images.

    `batch_sizes`: the paper's and, where there is one, the thesis's. Learning rates fall after
    [share of the epochs, factor].
    """

    data: dict[str, Any]
    training: dict[str, Any]
    batch_sizes: tuple[int, ...]
    images: int


_STEPS = [[0.4, 1e-1], [0.6, 1e-2], [0.8, 1e-3], [0.9, 0.5e-3]]
_ADAM = {"learning_rate": 1e-3, "learning_rate_steps": _STEPS, "augment": True}

DATA_SETS = {
    "imagenet10": DataSet(
        {"source": "imagenet10", "image_size": 320, "resize": "thesis"},
        {"epochs": 400, **_ADAM},
        (64, 32),
        500,
    ),
    "cifar10": DataSet(
        {"source": "cifar10", "image_size": 32}, {"epochs": 200, **_ADAM}, (128,), 10_000
    ),
}


class Row(NamedTuple):
    """One published line: the clean accuracy, and the adversarial one by epsilon's text.

    Without a number in the source, `clean` is None and `adversarial` is empty.
    """

    source: str
    attack: Attack
    clean: str | None
    adversarial: dict[str, str]


class Model(NamedTuple):
    """A published model: its data set, its kind and options as a config gives them, its lines."""

    data_set: str
    options: dict[str, Any]
    rows: list[Row]


_EPSILONS = ("0.001", "0.005", "0.01", "0.02", "0.05")
_CIFAR_EPSILONS = ("0.001", "0.005", "0.01", "0.05", "0.1")


def _row(source: str, attack: Attack, clean: str, values: str) -> Row:
    epsilons = _CIFAR_EPSILONS if source == _CIFAR else _EPSILONS
    return Row(source, attack, clean, dict(zip(epsilons, values.split(), strict=False)))


_CIFAR = RELEASED + " (CIFAR-10)"


def _released(clean: str, **values: str) -> list[Row]:
    """The lines of one model of the release, by attack."""
    return [_row(RELEASED, _ATTACKS[name], clean, line) for name, line in values.items()]


_ATTACKS = {"pgd_20": PGD_20, "pgd_20_small": PGD_20_SMALL, "pgd_5": PGD_5, "rms_5": PGD_5_RMS}


def _drawn(kind: str, **options: Any) -> Model:
    return Model("imagenet10", {"kind": kind, **options}, [Row(THESIS_16, PGD_20, None, {})])


def _cifar(clean: str, values: str, **options: Any) -> Model:
    return Model(
        "cifar10", {"backbone": "resnet20", **options}, [_row(_CIFAR, PGD_5, clean, values)]
    )


MODELS = {
    "imagenet10-standard": Model(
        "imagenet10",
        {"kind": "standard"},
        [
            _row(THESIS_1, PGD_20, "89.2", "79.6 24.4 3.0 0.02 0.00"),
            _row(THESIS_2, PGD_20, "88.2", "79.6 24.4 3.0 0.2 0.00"),
            *_released(
                "89.4",
                pgd_20="78.4 20.0 1.6 0.0 0.0",
                pgd_20_small="78.6 21.8 3.4 0.0 0.0",
                pgd_5="78.8 24.2 4.0 0.0 0.0",
                rms_5="68.4 14.8 11.8 10.4 8.8",
            ),
        ],
    ),
    "imagenet10-coarse": Model(
        "imagenet10",
        {"kind": "coarse_fixations"},
        [
            _row(THESIS_1, PGD_20, "91.2", "80.8 16.4 1.20 0.01 0.00"),
            *_released(
                "91.2",
                pgd_20="80.8 16.4 1.2 0.0 0.0",
                pgd_20_small="81.0 18.8 2.0 0.2 0.0",
                pgd_5="81.0 20.2 2.2 0.2 0.0",
                rms_5="67.4 11.2 8.8 6.6 5.8",
            ),
        ],
    ),
    "imagenet10-retinal-nearest": Model(
        "imagenet10",
        {"kind": "retinal_fixations", "interpolation": "nearest"},
        [
            _row(THESIS_1, PGD_20, "90.0", "82.8 41.0 9.0 0.2 0.00"),
            _row(THESIS_2, PGD_20, "90.0", "82.8 41.0 9.0 0.2 0.00"),
            *_released(
                "90.2",
                pgd_20="86.4 43.4 7.6 0.4 0.0",
                pgd_20_small="86.4 44.4 10.4 0.6 0.0",
                pgd_5="86.4 45.0 12.4 0.8 0.0",
                rms_5="80.4 20.2 15.2 13.2 10.8",
            ),
        ],
    ),
    "imagenet10-retinal-bilinear": Model(
        "imagenet10",
        {"kind": "retinal_fixations", "interpolation": "bilinear"},
        [_row(THESIS_2, PGD_20, "89.8", "85.4 45.0 12.6 0.4 0.00")],
    ),
    "imagenet10-cortical": Model(
        "imagenet10",
        {"kind": "cortical_fixations"},
        [
            _row(THESIS_1, PGD_20, "87.8", "82.0 42.8 11.8 1.00 0.00"),
            *_released(
                "88.6",
                pgd_20="82.0 42.8 11.8 1.0 0.0",
                pgd_20_small="82.0 44.6 13.2 1.2 0.0",
                pgd_5="82.0 46.8 14.6 2.4 0.0",
                rms_5="73.8 23.8 17.6 16.2 14.6",
            ),
        ],
    ),
    "imagenet10-cortical-without-auxiliary": Model(
        "imagenet10",
        {"kind": "cortical_fixations", "auxiliary": False},
        _released("85.2", pgd_20="78.8 52.0 23.2 2.0 0.0"),
    ),
    "imagenet10-cortical-single-scale": Model(
        "imagenet10",
        {"kind": "cortical_fixations", "auxiliary": False, "radii": [6]},
        _released("85.2", pgd_20="79.0 43.0 15.6 1.2 0.0"),
    ),
    "imagenet10-coarse-upsampled": Model(
        "imagenet10",
        {"kind": "coarse_fixations", "view": "upsampled"},
        _released("92.8", pgd_20="67.8 1.4 0.0 0.0 0.0"),
    ),
    "imagenet10-coarse-blurred": Model(
        "imagenet10",
        {"kind": "coarse_fixations", "view": "blurred"},
        _released("89.0", pgd_20="78.4 21.4 2.8 0.0 0.0"),
    ),
    "imagenet10-coarse-branched": Model(
        "imagenet10",
        {"kind": "coarse_fixations", "branches": 4},
        _released("88.8", pgd_20="76.2 10.6 0.8 0.0 0.0"),
    ),
    # The thesis says neither which transformers it drew nor which of the regularised gazes.
    "imagenet10-parallel-transformers": _drawn("parallel_transformers"),
    "imagenet10-multi-gaze": _drawn("multi_gaze", gaze_regularisation=0),
    "imagenet10-multi-gaze-regularised": _drawn("multi_gaze", gaze_regularisation=0.01),
    "cifar10-standard": _cifar("88.13", "69.8 11.4 0.54 0.0 0.0", kind="standard"),
    "cifar10-coarse": _cifar("87.70", "70.7 11.7 0.48 0.0 0.0", kind="coarse_fixations", crop=24),
    "cifar10-retinal-nearest": _cifar(
        "88.88", "82.1 43.8 11.8 0.0 0.0", kind="retinal_fixations", interpolation="nearest"
    ),
    "cifar10-cortical": _cifar(
        "85.16",
        "77.8 40.1 11.5 0.0 0.0",
        kind="cortical_fixations",
        auxiliary=False,
        radii=[1, 2],
        view_size=15,
    ),
}
