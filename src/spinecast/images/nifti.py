"""NIfTI volumes to :class:`Image`; runs inside the decode worker only."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np

from spinecast.errors import error
from spinecast.images.image import Image
from spinecast.images.limits import Limits, check_declared_pixels, inflate

_HEADER_BYTES = {348: b"n+1", 540: b"n+2"}


def looks_like_nifti(data: bytes) -> bool:
    """Tell single-file NIfTI-1 and NIfTI-2 by header size and magic word, either byte order."""
    if len(data) < 348:
        return False
    sizes = struct.unpack_from("<i", data)[0], struct.unpack_from(">i", data)[0]
    return any(_has_magic(data, size) for size in sizes)


def _has_magic(data: bytes, size: int) -> bool:
    at = 344 if size == 348 else 4
    return size in _HEADER_BYTES and data[at : at + 3] == _HEADER_BYTES[size]


def read_nifti(data: bytes, limits: Limits) -> Image:
    """Decode one NIfTI volume and turn it head first, front first, patient's right first.

    Parameters
    ----------
    data
        The whole file, gzipped or not.
    limits
        Bounds.

    Returns
    -------
    Image
        (slices, rows, cols): slices run from head to feet, rows from front to back, columns from
        the patient's right to the left, as radiologists look at axial slices. A file with one
        slice gives a 2-D image. ``spacing`` comes from the affine, whatever ``pixdim`` says.

    Raises
    ------
    FileError
        SC-102 to SC-104, SC-112 or SC-113.
    """
    if data[:2] == b"\x1f\x8b":
        data = inflate(data, limits=limits, gzip=True)
        if not looks_like_nifti(data):
            raise error("SC-102", expected="NIfTI inside gzip", got="something else")
    volume = _open(data)
    shape = tuple(int(size) for size in volume.shape)
    check_declared_pixels(int(np.prod(shape, dtype=object)) if min(shape) > 0 else 0, limits)
    kind = volume.get_data_dtype()
    if kind.kind not in "iuf" or kind.itemsize > 8:
        raise error("SC-102", expected="a grey volume", got=f"values of type {kind}")
    need = int(np.prod(shape)) * kind.itemsize
    have = len(data) - int(volume.dataobj.offset)
    if have < need:
        raise error("SC-103", expected=f"{need} bytes of voxels", got=str(max(have, 0)))
    return _oriented(volume)


def _open(data: bytes) -> Any:
    import nibabel

    maker: Any = nibabel.Nifti1Image if data[344:347] == b"n+1" else nibabel.Nifti2Image
    try:
        volume = maker.from_stream(io.BytesIO(data))
    except (MemoryError, RecursionError):
        raise
    except Exception as cause:
        raise error("SC-102", expected="a NIfTI header", got=type(cause).__name__) from cause
    if not volume.shape:
        raise error("SC-112", expected="voxels", got="a header without dimensions")
    return volume


def _oriented(volume: Any) -> Image:
    import nibabel

    affine = np.asarray(volume.affine, np.float64)
    axes = affine[:3, :3]
    if not np.isfinite(affine).all() or abs(np.linalg.det(axes)) < 1e-12:
        raise error("SC-102", expected="an affine of full rank", got="a degenerate one")
    values = np.asarray(volume.dataobj, np.float32)
    while values.ndim > 3 and values.shape[-1] == 1:
        values = values[..., 0]
    values = values.reshape(values.shape + (1,) * (3 - values.ndim))
    if values.ndim != 3:
        raise error("SC-112", expected="one volume", got=f"shape {volume.shape}")
    orientation = nibabel.orientations.io_orientation(affine)
    spacing = np.linalg.norm(axes, axis=0)
    # nibabel counts towards right, front and head; ours is the reverse of each, slices first
    canonical = nibabel.orientations.apply_orientation(values, orientation)[::-1, ::-1, ::-1]
    by_axis = np.empty(3)
    by_axis[orientation[:, 0].astype(int)] = spacing
    turned = np.ascontiguousarray(canonical.transpose(2, 1, 0))
    return _image(turned, tuple(float(each) for each in by_axis[::-1]))


def _image(turned: Any, spacing: tuple[float, ...]) -> Image:
    flat = [axis for axis in range(3) if turned.shape[axis] == 1]
    if len(flat) == 1:
        keep = [axis for axis in range(3) if axis not in flat]
        return Image(pixels=turned.squeeze(flat[0]), spacing=tuple(spacing[axis] for axis in keep))
    return Image(pixels=turned, spacing=spacing)
