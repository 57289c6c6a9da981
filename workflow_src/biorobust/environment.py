"""Where and with what a job ran: facts that may differ from run to run."""

import os
import platform
import resource
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

# A result may depend on these; their versions are recorded with it.
_PACKAGES = (
    "torch",
    "numpy",
    "scipy",
    "pytorch-lightning",
    "foolbox",
    "eagerpy",
    "pillow",
    "scikit-learn",
    "torchvision",
)


def package_versions() -> dict[str, str]:
    """Installed versions of the packages that a result may depend on."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return {"python": platform.python_version(), **found}


def git_commit() -> str | None:
    """The commit of the code, with "+" where tracked files differ from it; None without git."""
    here = Path(__file__).parent
    try:
        commit = _git(here, "rev-parse", "HEAD")
        dirty = _git(here, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit + ("+" if dirty else "")


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def peak_memory_bytes() -> int:
    """The most main memory that this process, or one that it started and outlived, has held."""
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if platform.system() == "Darwin" else 1024
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(who).ru_maxrss for who in whose) * unit


def peak_gpu_memory() -> dict[str, int]:
    """{"peak_gpu_memory_bytes": ...}, the most that torch has held on the GPU; {} without a GPU."""
    # A job that does not use torch must not import it for this.
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return {}
    return {"peak_gpu_memory_bytes": torch.cuda.max_memory_allocated()}


def describe_host() -> dict[str, Any]:
    """Host, platform, package versions and commit of the running process."""
    return {
        "host": platform.node(),
        "platform": platform.platform(),
        "cpu_count": os.cpu_count(),
        "versions": package_versions(),
        "git_commit": git_commit(),
    }
