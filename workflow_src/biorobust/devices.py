"""Which device a job runs on, and torch set up to give the same bytes for the same config."""

import os
from functools import partial
from typing import Any

import torch

from biorobust.errors import UserError
from biorobust.gpus import claim_gpus, granted_gpus
from biorobust.terminal import warn


def prepare_torch(execution: dict[str, Any]) -> torch.device:
    """Set threads and determinism, and choose the device: "auto", "cpu" or "cuda".

    Of `execution`, `device` and `threads` count, and `gpus`, how many the job was promised (none
    where it is absent): see `gpus.claim_gpus`.

    Raises UserError where a GPU is asked for and there is none. Where "auto" finds none although
    the job was given one, it warns: that is a fault of the installation.
    """
    # cuBLAS is deterministic only with a fixed workspace, chosen before its first use.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(execution["threads"])
    # The same as use_deterministic_algorithms(True, warn_only=True), which would import the
    # compiler and so take as long as importing torch.
    torch.set_deterministic_debug_mode("warn")
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    wanted = execution["device"]
    if wanted != "cpu":
        # Before torch looks for GPUs. It counts them by NVML, which does not start CUDA.
        claim_gpus(execution.get("gpus") or 0, torch.cuda.device_count, partial(print, flush=True))
    if wanted == "cuda" and not torch.cuda.is_available():
        raise UserError(
            "execution.device is cuda, but torch finds no GPU here; "
            "run on a GPU node, or set execution.device to auto or cpu"
        )
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
        # On a machine without GPUs a job asks for one all the same, and nobody gives it any.
        if wanted == "cpu" and execution.get("gpus") and (granted := granted_gpus()):
            built = f"for CUDA {torch.version.cuda}" if torch.version.cuda else "without CUDA"
            warn(
                f"THIS JOB WAS GIVEN A GPU ({granted}) AND RUNS ON THE CPU: torch "
                f"{torch.__version__}, built {built}, sees none; install a torch that fits the "
                "node's driver, or set execution.device to cpu, so that no GPU is asked for"
            )
    return torch.device(wanted)
