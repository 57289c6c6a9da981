"""What each figure shows, in words: its caption, and what a reader who cannot see it is told."""

from typing import NamedTuple


class Caption(NamedTuple):
    """Below a figure: what it shows and how to read it. alt: what there is to see."""

    title: str
    text: str
    alt: str


CAPTIONS = {
    "accuracy_curve": Caption(
        "Accuracy against ε",
        "One panel an attack. Each line is a model: the share of test images that it classifies "
        "correctly although the attack may change them by up to ε; at “clean” nothing is changed. "
        "A line that stays high is a model that is hard to fool. Lines are means over seeds; the "
        "note in the figure says what its bands and bars cover. The numbers are those of the "
        "tables above.",
        "Line chart: accuracy in percent falls from its clean value as epsilon grows, a line with "
        "markers for each model; a dashed line marks the accuracy of guessing.",
    ),
    "accuracy_bars": Caption(
        "Accuracy at each ε, model by model",
        "The same accuracies side by side: a panel an ε, a bar a model (mean over seeds), a point "
        "a seed, and as a whisker Wilson's 95% interval over the test images.",
        "Bar chart in panels: for clean images and each epsilon, a bar for each model with its "
        "error whisker and a point for each seed.",
    ),
    "survival": Caption(
        "Images that survive, against the size of the perturbation",
        "The share of test images for which no perturbation of up to this size was found that "
        "misleads the model. Every size is an upper bound, since a smaller perturbation may exist.",
        "Curves that fall from left to right: the share of images still classified correctly as "
        "the size of the perturbation grows, a curve for each model.",
    ),
    "adversarial_example": Caption(
        "An image, the image that fools the model, and their difference",
        "The first test image that every shown model classifies correctly, with what the model "
        "says and how sure it is; the same image after the attack, at the smallest ε at which it "
        "succeeds; and the difference, magnified, grey where nothing changed.",
        "Rows of pictures, one row a model: the clean image, the adversarial image, which looks "
        "much the same, and their magnified difference, which looks like coloured noise.",
    ),
    "dataset_samples": Caption(
        "What is classified",
        "The first test images of each class, as the models get them: cut to size, nothing else.",
        "A grid of test images, a group for each class, labelled with the class's name.",
    ),
    "retinal_sampling": Caption(
        "What retinal fixations see",
        "A checkerboard as sampled from each of the five gazes: dense around the gaze, as in the "
        "fovea, and sparse towards the edge.",
        "A checkerboard and its views from several gazes: squares near the gaze are enlarged, "
        "those far from it shrink.",
    ),
    "cortical_scales": Caption(
        "What cortical fixations see",
        "The windows of several sizes around the image's centre, and what is left of the image in "
        "each after filtering and sampling: the wider the window, the coarser the view. Marks are "
        "the gazes of a test.",
        "A test image with nested square windows, and beside it the small filtered view through "
        "each of them.",
    ),
    "transformer_boxes": Caption(
        "The boxes that parallel transformers choose",
        "Test images with the box of each branch, which the model has learnt to place: each branch "
        "looks at the image through its own box. Colours and marks tell the branches apart.",
        "Test images with several coloured rectangles drawn on each, one a branch.",
    ),
    "gaze_view": Caption(
        "One image, its gazes, and the view from each",
        "An image with the gazes that a multi-gaze model has learnt to choose on it, and what its "
        "branches see from them.",
        "A test image with marked points, and the warped view of the image from each of them.",
    ),
    "gazes": Caption(
        "The gazes that multi-gaze models choose",
        "Test images with the points that each branch looks at.",
        "Test images with several marked points on each, one a branch.",
    ),
    "gaze_trajectories": Caption(
        "Where learned gazes and boxes went in training",
        "Epoch by epoch, the gazes that a model chose in training, in pixels from the image's "
        "centre, or the scale and shift of its boxes: whether they spread over the image, stick to "
        "its border or fall together in its centre. A line is the mean over an epoch's images.",
        "Line charts over epochs, a line for each branch: gaze row and gaze column, or scale and "
        "shift of a box.",
    ),
}
"""By the names of `biorobust.stages.FIGURES`."""
