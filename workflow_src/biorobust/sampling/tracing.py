"""Whether tensors are real: what is computed while a graph is recorded must not be kept."""

import torch
from torch import Tensor


def is_traced(images: Tensor) -> bool:
    """Whether torch.export, torch.compile or the like records what is computed from the images.

    Tensors that are made then are placeholders without numbers, of no use to any later pass.
    """
    return torch.compiler.is_compiling() or type(images) is not Tensor
