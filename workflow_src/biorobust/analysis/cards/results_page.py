"""The part of a card's page that tells of the results."""

from collections.abc import Iterator

from biorobust.analysis.cards.schema import Accuracy, Card, Interval, Smallest
from biorobust.analysis.cards.tables import number, table
from biorobust.analysis.typesetting import NORM_NAMES


def share(accuracy: Accuracy) -> str:
    """The mean accuracy in percent, with the standard deviation over seeds where there is one."""
    mean, deviation = 100 * accuracy["mean"], accuracy["deviation"]
    return f"{mean:.1f} %" if deviation is None else f"{mean:.1f} ± {100 * deviation:.1f} %"


def measured(card: Card) -> Iterator[str]:
    """Blocks of Markdown: accuracies with their counts, each seed's, and the smallest sizes."""
    results = card["results"]
    accuracies = [results["clean"], *results["adversarial"]]
    yield (
        "Accuracy is standing / images, over all seeds: of the images those stand that are "
        "classified correctly and, under an attack, not broken. Mean ± sample standard deviation "
        f"over seeds. Intervals are of {100 * results['confidence']:.0f} %: the one over images is "
        "Wilson's and covers the choice of test images alone, the other one that of seeds too."
    )
    header = ["attack", "ε", "ε of 255", "accuracy", "over images and seeds", "over images"]
    header += ["standing / images", "broken / attacked"]
    eight_bit = {
        (attack["name"], epsilon["text"]): epsilon["per_pixel_8bit"]
        for attack in card["attacks"]
        for epsilon in attack["epsilons"]
    }
    rows = []
    for each in accuracies:
        count = each["sum"]
        place = (each["attack"] or "", each["epsilon"] or "")
        rows.append(
            [
                each["attack"] or "none (clean)",
                each["epsilon"] or "",
                number(eight_bit[place]) if each["attack"] else "",
                share(each),
                _interval(each["images_and_seeds_interval"]),
                _interval(each["images_interval"]),
                f"{count['standing']} / {count['images']}",
                f"{count['broken']} / {count['attacked']}" if each["attack"] else "",
            ]
        )
    yield table(header, rows)
    corrected = [each for each in accuracies if each["corrected_by"]]
    if corrected:
        yield "Where checks broke what the attack had left standing, the accuracy above is theirs:"
        yield table(["attack", "ε", "accuracy", "by the attack alone", "checks"], _both(corrected))
    yield "Each seed:"
    header = ["attack", "ε", "seed", "standing", "broken", "attacked", "images"]
    yield table(header, _seeds(accuracies))
    yield from _smallest(results["smallest_perturbations"])


def _both(corrected: list[Accuracy]) -> list[list[str]]:
    return [
        [
            each["attack"] or "",
            each["epsilon"] or "",
            share(each),
            f"{100 * each['by_attack_alone']:.1f} % "
            f"({each['sum']['broken_by_attack_alone']} / {each['sum']['attacked']} broken)",
            ", ".join(each["corrected_by"]),
        ]
        for each in corrected
    ]


def _seeds(accuracies: list[Accuracy]) -> list[list[str]]:
    return [
        [
            each["attack"] or "none (clean)",
            each["epsilon"] or "",
            *(str(count[key]) for key in ("seed", "standing")),
            *(str(count[key]) if each["attack"] else "" for key in ("broken", "attacked")),
            str(count["images"]),
        ]
        for each in accuracies
        for count in each["seeds"]
    ]


def _smallest(sizes: list[Smallest]) -> Iterator[str]:
    yield (
        "Smallest perturbation found of each image (0 where the clean image is misclassified, "
        "infinite where it was never broken): an upper bound of its robustness. Means and medians "
        "are over images, then seeds, and missing where infinite; sums are over the images that "
        "were broken or misclassified, seed by seed. Where checks found smaller ones, what the "
        "attack alone found stands in brackets."
    )
    header = ["norm", "attack", "median", "mean", "mean of broken", "never broken", "sum of sizes"]
    yield table(
        header,
        [
            [
                NORM_NAMES[each["norm"]],
                each["attack"],
                _size(each["median"], each["by_attack_alone"]["median"]),
                _size(each["mean"], each["by_attack_alone"]["mean"]),
                _size(each["mean_of_broken"], each["by_attack_alone"]["mean_of_broken"]),
                ", ".join(str(seed["never_broken"]) for seed in each["seeds"]),
                ", ".join(number(seed["sum_of_sizes"]) for seed in each["seeds"]),
            ]
            for each in sizes
        ],
    )


def _size(honest: float | None, alone: float | None) -> str:
    return number(honest) if honest == alone else f"{number(honest)} ({number(alone)})"


def _interval(interval: Interval | None) -> str:
    if interval is None:
        return "–"
    return f"{100 * interval['low']:.1f}–{100 * interval['high']:.1f} %"
