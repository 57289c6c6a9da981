"""The page's middle: which tables and figures stand under which heading, and what they tell."""

from typing import NamedTuple

from biorobust.analysis.finding_marks import REACH
from biorobust.analysis.report.pieces import Figure, Table, figure_of, tables_of
from biorobust.jobs import Inputs, Job


class Heading(NamedTuple):
    """A heading, what a reader should know before the tables and figures below it, their names."""

    anchor: str
    title: str
    text: str
    tables: tuple[str, ...] = ()
    figures: tuple[str, ...] = ()


class Section(NamedTuple):
    """A heading with the tables and figures that this experiment has below it."""

    heading: Heading
    tables: list[Table]
    figures: list[Figure]


HEADINGS = (
    Heading(
        "accuracy",
        "Accuracy under attack",
        "An attack changes each test image by at most ε, measured in the norm that the table "
        "names, and tries to make the model name a wrong class. Adversarial accuracy is the share "
        "of all test images that the model classifies correctly and that the attack does not "
        "break; the clean column is the share without any attack. Higher is better. ε counts "
        "pixel values from 0 to 1, so that 0.004 is about one step of an 8-bit image.",
        ("adversarial_accuracy",),
        ("accuracy_curve", "accuracy_bars"),
    ),
    Heading(
        "claims",
        "What was claimed, and what came out",
        "The experiment's config states claims about the models; each is held against the data at "
        "hand. Undecided is no refutation: the data are too few to tell.",
        ("claims",),
    ),
    Heading(
        "differences",
        "Which differences are real",
        "A difference between two models may be chance: other test images, or other seeds of the "
        "random numbers in training, could have given another. Marked differences are unlikely to "
        "be chance.",
        ("differences",),
    ),
    Heading(
        "sizes",
        "How small a perturbation is enough",
        "For each image, the size of the smallest perturbation that was found to mislead the "
        "model. Larger is better.",
        ("robustness",),
        ("survival",),
    ),
    Heading(
        "published",
        "Beside published numbers",
        "Where the config says that a model repeats a published one, its numbers stand beside it.",
        ("published",),
    ),
    Heading(
        "examples",
        "What an attack does to an image",
        "Perturbations this small can hardly be seen, and yet they change what the model says.",
        (),
        ("adversarial_example",),
    ),
    Heading(
        "views",
        "What the models see, and where they look",
        "The front ends replace the image by one or several views of it: from fixed gazes, or from "
        "gazes and boxes that the model has learnt to choose.",
        (),
        (
            "dataset_samples",
            "retinal_sampling",
            "cortical_scales",
            "transformer_boxes",
            "gaze_view",
            "gazes",
            "gaze_trajectories",
        ),
    ),
    Heading(
        "checks",
        "Can the numbers be trusted?",
        "A weak attack makes any model look robust. So every evaluation is examined: each check "
        "looks for one way in which a number may be too kind. † is a warning, ‡ a failed check. "
        f"{REACH}",
        ("checks", "data"),
    ),
    Heading(
        "costs",
        "What it cost",
        "Parameters, time and memory of each model, and what each stage of the run took. Times "
        "depend on the machine, and differ from run to run.",
        ("trade_off", "costs"),
    ),
)


def sections_of(job: Job, inputs: Inputs, models: list[str]) -> list[Section]:
    """The headings under which this experiment has something, with what it has.

    A table or figure that no heading names comes under the last one, rather than be lost.
    """
    named = {f"tables:{t}" for heading in HEADINGS for t in heading.tables}
    others = [n.partition(":")[2] for n in inputs if n.startswith("tables:") and n not in named]
    last = Heading("more", "Further tables", "What else the experiment measured.", tuple(others))
    found = []
    for heading in (*HEADINGS, last):
        tables = [table for name in heading.tables for table in tables_of(job, inputs, name)]
        drawn = (figure_of(job, inputs, name, models) for name in heading.figures)
        figures = [figure for figure in drawn if figure is not None]
        if tables or figures:
            found.append(Section(heading, tables, figures))
    return found
