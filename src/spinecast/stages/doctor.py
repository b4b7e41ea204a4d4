"""What this machine can do, checked one thing at a time."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

_GIB = 2**30
_NEEDED_MEMORY_GIB = 8
_NEEDED_DISK_GIB = 5
_SYNTAXES = {
    "Explicit VR Little Endian": "1.2.840.10008.1.2.1",
    "RLE Lossless": "1.2.840.10008.1.2.5",
    "JPEG Baseline": "1.2.840.10008.1.2.4.50",
    "JPEG Lossless": "1.2.840.10008.1.2.4.70",
    "JPEG-LS Lossless": "1.2.840.10008.1.2.4.80",
    "JPEG 2000 Lossless": "1.2.840.10008.1.2.4.90",
}


@dataclass(frozen=True)
class Check:
    """One thing looked at: its name, whether it is as needed, and what was found."""

    name: str
    ok: bool
    detail: str


def examine() -> list[Check]:
    """Look at Python, torch, memory, disk, image decoders, the browser and shipped weights."""
    return [
        _python(),
        _torch(),
        _memory(),
        _disk(),
        *_decoders(),
        _browser(),
        _weights(),
        _network(),
    ]


def _python() -> Check:
    version = sys.version.split()[0]
    return Check("Python", sys.version_info >= (3, 11), f"{version} (3.11 or newer is needed)")


def _torch() -> Check:
    import torch

    place = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "cpu"
    return Check(
        "torch", True, f"{torch.__version__} on {place}, {torch.get_num_threads()} threads"
    )


def _memory() -> Check:
    import psutil

    free = psutil.virtual_memory().available / _GIB
    return Check("memory", free >= _NEEDED_MEMORY_GIB, f"{free:.1f} GiB free, the demo needs 8")


def _disk() -> Check:
    free = shutil.disk_usage(Path.cwd()).free / _GIB
    return Check("disk", free >= _NEEDED_DISK_GIB, f"{free:.0f} GiB free here, the demo needs 1")


def _decoders() -> list[Check]:
    from pydicom.pixels import get_decoder
    from pydicom.uid import UID

    checks = []
    for name, syntax in _SYNTAXES.items():
        decoder = get_decoder(UID(syntax))
        plugins = ", ".join(decoder.available_plugins) if UID(syntax).is_compressed else "built in"
        missing = "; ".join(decoder.missing_dependencies)
        checks.append(Check(f"DICOM {name}", decoder.is_available, plugins or missing))
    return checks


def _browser() -> Check:
    found = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")
    return Check("browser for PDF", found is not None, "found" if found else "optional: chromium")


def _weights() -> Check:
    from spinecast.stages.weights import SHIPPED

    size = sum(f.stat().st_size for f in SHIPPED.rglob("*.safetensors")) / 1e6
    return Check("demo weights", size > 0, f"{size:.1f} MB of safetensors")


def _network() -> Check:
    return Check("network", True, f"none used; {os.cpu_count()} cores")
