"""Weights on disk: safetensors for tensors, JSON for everything else, never a pickle.

A checkpoint is two files: ``NAME.json`` (config, version, hash) and the weights
file it names. The weights file carries its own hash in its name, so that a kill
between the two writes leaves the old pair whole; the JSON is written last.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as tensors_from_bytes
from safetensors.torch import save as bytes_from_tensors
from torch import nn

from spinecast.errors import error
from spinecast.files import read_json, write_bytes, write_json

#: Raised when the layout of checkpoints changes, so that old ones are refused by SC-403.
FORMAT = 1

State = dict[str, torch.Tensor]


def save_checkpoint(
    folder: Path,
    module_or_state: nn.Module | Mapping[str, torch.Tensor],
    *,
    name: str,
    config: Mapping[str, Any],
    half: bool = False,
) -> Path:
    """Write weights and their config, whole or not at all.

    Parameters
    ----------
    folder
        Where ``NAME.json`` and its weights file go; made if missing.
    module_or_state
        A module, or a state dict of tensors.
    name
        Stem of the files, e.g. ``"vertebral_fracture_scorer"``.
    config
        JSON-able description of the network, returned unchanged by :func:`load_checkpoint`.
    half
        Store 32-bit floats as 16-bit. Halves the size; outputs then differ in the
        third to fourth digit, so scores are to be made from the loaded weights. Vectors and
        single numbers, such as means and scales, keep their 32 bits.

    Returns
    -------
    Path
        The JSON file.

    Raises
    ------
    RunError
        SC-705 where the folder cannot be written.
    """
    state = (
        module_or_state.state_dict() if isinstance(module_or_state, nn.Module) else module_or_state
    )
    content = bytes_from_tensors(
        {key: _on_disk(value, half=half) for key, value in sorted(state.items())}
    )
    digest = hashlib.sha256(content).hexdigest()
    weights = folder / f"{name}-{digest[:12]}.safetensors"
    description = {
        "format": FORMAT,
        "weights": weights.name,
        "sha256": digest,
        "half": half,
        "dtypes": {key: str(value.dtype).removeprefix("torch.") for key, value in state.items()},
        "config": dict(config),
    }
    write_bytes(weights, content)
    write_json(folder / f"{name}.json", description)
    _sweep(folder, name=name, keep=weights.name)
    return folder / f"{name}.json"


def load_checkpoint(folder: Path, name: str) -> tuple[State, dict[str, Any]]:
    """Read weights and their config, checking the hash before anything is parsed.

    Parameters
    ----------
    folder, name
        As given to :func:`save_checkpoint`.

    Returns
    -------
    tuple
        State dict (on the CPU, in the dtypes it was saved from) and config.

    Raises
    ------
    ModelError
        SC-406 no such checkpoint; SC-402 bytes differ from the stored hash;
        SC-403 written by another version of the format.
    """
    description = _description(folder, name)
    weights = folder / str(description["weights"])
    if not weights.is_file():
        raise error("SC-406", expected=f"the weights {weights.name}", got="none", where=str(folder))
    content = weights.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != description["sha256"]:
        raise error(
            "SC-402",
            expected=f"sha256 {description['sha256'][:12]}",
            got=digest[:12],
            where=str(weights),
        )
    try:
        state = tensors_from_bytes(content)
    except SafetensorError as cause:
        raise error("SC-402", expected="safetensors", got=str(cause), where=str(weights)) from cause
    dtypes = description["dtypes"]
    restored = {key: value.to(getattr(torch, dtypes[key])) for key, value in state.items()}
    return restored, description["config"]


def load_weights(module: nn.Module, state: Mapping[str, torch.Tensor], *, where: str = "") -> None:
    """Put ``state`` into ``module``.

    Raises
    ------
    ModelError
        SC-403 where names or shapes do not fit the module.
    """
    try:
        module.load_state_dict(dict(state))
    except RuntimeError as cause:
        raise error(
            "SC-403",
            expected=f"weights of a {type(module).__name__}",
            got=str(cause).splitlines()[-1].strip(),
            where=where,
        ) from cause


def checkpoint_hash(folder: Path, name: str) -> str:
    """Return the sha256 of a checkpoint's weights, for provenance.

    Raises
    ------
    ModelError
        SC-406 where there is no checkpoint of that name.
    """
    return str(_description(folder, name)["sha256"])


def _description(folder: Path, name: str) -> dict[str, Any]:
    path = folder / f"{name}.json"
    if not path.is_file():
        raise error("SC-406", expected=f"a checkpoint {name}", got="none", where=str(folder))
    try:
        description: dict[str, Any] = read_json(path)
    except ValueError as cause:
        raise error("SC-402", expected="JSON", got="damaged text", where=str(path)) from cause
    found = description.get("format") if isinstance(description, dict) else None
    if found != FORMAT:
        raise error("SC-403", expected=f"format {FORMAT}", got=str(found), where=str(path))
    return description


def _on_disk(value: torch.Tensor, *, half: bool) -> torch.Tensor:
    # 16-bit floats end at 65,504; a running variance beyond that keeps its 32 bits
    matrix = half and value.dtype == torch.float32 and value.ndim > 1
    shrink = matrix and bool((value.abs() < 6e4).all())
    plain = value.detach().to("cpu", torch.float16 if shrink else value.dtype)
    # cloned, because tied weights share memory and safetensors refuses that
    return plain.contiguous().clone()


def _sweep(folder: Path, *, name: str, keep: str) -> None:
    mine = re.compile(rf"{re.escape(name)}-[0-9a-f]{{12}}\.safetensors")
    for path in folder.iterdir():
        if mine.fullmatch(path.name) and path.name != keep:
            path.unlink(missing_ok=True)
