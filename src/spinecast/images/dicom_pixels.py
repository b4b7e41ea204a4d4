"""From the pixel data of a DICOM object to numbers that mean something.

Order of PS3.3 and PS3.4 N.2: stored values, modality LUT or rescale, VOI LUT or
window, inversion of MONOCHROME1. Stored values have at most 16 bits in nearly
every file, so the whole chain is one lookup table, computed once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinecast.errors import error
from spinecast.images.codestream import declared_size
from spinecast.images.limits import Limits, check_declared_pixels, check_inflation
from spinecast.images.modality import modality_record

Array = NDArray[Any]

_TABLE_BITS = 16
_OVERLAY_BIT_POSITION = 0x60000102


def read_stored(dataset: Any, limits: Limits) -> Array:
    """Decode the stored values, (rows, cols) or (frames, rows, cols), colour made grey.

    Raises
    ------
    FileError
        SC-102, SC-103, SC-109, SC-111, SC-112 or SC-113; no codec is called before
        rows, columns, frames and lengths have been found to agree.
    """
    from pydicom.pixels import pixel_array

    shape, samples = _declared_shape(dataset)
    check_declared_pixels(int(np.prod(shape, dtype=object)) * samples, limits)
    if _is_encapsulated(dataset):
        _check_encapsulated(dataset, shape, limits)
    else:
        _check_native(dataset, shape, samples)
    try:
        # unused bits are judged by _significant_bits; dropping them here would hide a wrong header
        stored = pixel_array(dataset, correct_unused_bits=False)
    except (MemoryError, RecursionError):
        raise
    except Exception as cause:
        raise error("SC-102", expected="a valid pixel stream", got=_short(cause)) from cause
    # tables are looked up through views of the bytes, which must be in this machine's order
    stored = stored.astype(stored.dtype.newbyteorder("="), copy=False)
    frames, rows, columns = shape
    want = (frames, rows, columns, samples)
    if stored.size != np.prod(want):
        raise error("SC-112", expected=f"{want} values", got=f"an array of {stored.shape}")
    stored = _as_grey(stored.reshape(want)) if samples > 1 else stored.reshape(want[:3])
    return stored[0] if frames == 1 else stored


def _declared_shape(dataset: Any) -> tuple[tuple[int, int, int], int]:
    try:
        rows, columns = int(dataset.Rows), int(dataset.Columns)
        frames = int(dataset.get("NumberOfFrames") or 1)
        samples = int(dataset.get("SamplesPerPixel") or 1)
    except (AttributeError, TypeError, ValueError, OverflowError) as cause:
        raise error("SC-102", expected="Rows and Columns", got=_short(cause)) from cause
    if min(rows, columns, frames) < 1 or samples not in {1, 3}:
        got = f"{frames} x {rows} x {columns}, {samples} samples"
        raise error("SC-112", expected="a picture with rows and columns", got=got)
    return (frames, rows, columns), samples


def _check_native(dataset: Any, shape: tuple[int, int, int], samples: int) -> None:
    keyword, bits = _pixel_element(dataset)
    if bits is None:
        bits = _integer(dataset, "BitsAllocated")
    if bits not in {1, 8, 16, 32, 64}:
        raise error("SC-102", expected="8, 16 or 32 bits allocated", got=str(bits))
    need = (int(np.prod(shape)) * samples * bits + 7) // 8
    have = len(dataset[keyword].value or b"")
    if have < need:
        raise error("SC-103", expected=f"{need} bytes of pixel data", got=str(have))
    if have > need + max(need % 2, 1):
        raise error("SC-112", expected=f"{need} bytes of pixel data", got=str(have))


def _pixel_element(dataset: Any) -> tuple[str, int | None]:
    for keyword, bits in (("PixelData", None), ("FloatPixelData", 32)):
        if keyword in dataset:
            return keyword, bits
    if "DoubleFloatPixelData" in dataset:
        return "DoubleFloatPixelData", 64
    raise error("SC-111", expected="pixel data", got="an object without any")


def _is_encapsulated(dataset: Any) -> bool:
    syntax = dataset.file_meta.TransferSyntaxUID
    if not syntax.is_transfer_syntax or syntax.is_private:
        raise error("SC-109", expected="a transfer syntax of the standard", got=str(syntax)[:64])
    return bool(syntax.is_encapsulated)


def _check_encapsulated(dataset: Any, shape: tuple[int, int, int], limits: Limits) -> None:
    from pydicom.encaps import generate_frames
    from pydicom.pixels import get_decoder

    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        available = get_decoder(syntax).is_available
    except NotImplementedError:
        available = False
    if not available:
        raise error("SC-109", expected="an installed codec", got=f"transfer syntax {syntax.name}")
    _pixel_element(dataset)
    frames, rows, columns = shape
    try:
        streams = list(generate_frames(dataset.PixelData, number_of_frames=frames))
    except Exception as cause:
        raise error("SC-103", expected=f"{frames} whole frames", got=_short(cause)) from cause
    check_inflation(int(np.prod(shape)), sum(map(len, streams)), limits)
    if len(streams) < frames:
        raise error("SC-103", expected=f"{frames} frames", got=f"{len(streams)}")
    for stream in streams:
        size = declared_size(stream)
        if size is not None and size != (rows, columns):
            raise error("SC-112", expected=f"{rows} x {columns}", got=f"a stream of {size}")


def _as_grey(colour: Array) -> Array:
    """Luminance of Rec. 601, which keeps grey values grey."""
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    return colour.astype(np.float32) @ weights


def to_values(stored: Array, dataset: Any) -> NDArray[np.float32]:
    """Apply modality LUT, VOI LUT and inversion; see the module.

    Parameters
    ----------
    stored
        As returned by :func:`read_stored`.
    dataset
        The header.

    Returns
    -------
    ndarray
        float32, same shape; bright is much attenuation. Pixels with the padding value
        get the lowest value of the others.

    Raises
    ------
    FileError
        SC-112 where stored values exceed the bits the header declares.
    """
    if stored.dtype.kind == "f" or stored.dtype.itemsize > 2:
        return np.asarray(_chain(stored.astype(np.float64), dataset), np.float32)
    stored = _significant_bits(stored, dataset)
    low = int(np.iinfo(stored.dtype).min)
    codes = np.arange(low, int(np.iinfo(stored.dtype).max) + 1, dtype=np.int64)
    bits = _integer(dataset, "BitsStored") or _TABLE_BITS
    half = 1 << (bits - 1)
    first, last = (-half, half - 1) if low < 0 else (0, 2 * half - 1)
    chain = _chain(np.clip(codes, first, last).astype(np.float64), dataset)
    table = np.asarray(chain, np.float32)
    index = stored if low == 0 else stored.view(_unsigned(stored.dtype))
    if low < 0:
        table = np.concatenate([table[-low:], table[:-low]])
    return _without_padding(table[index], stored, dataset)


def _unsigned(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(f"u{dtype.itemsize}")


def _significant_bits(stored: Array, dataset: Any) -> Array:
    """Drop the bits above BitsStored where the header says what they are, refuse them elsewhere."""
    allocated = stored.dtype.itemsize * 8
    bits = _integer(dataset, "BitsStored") or allocated
    if not 1 <= bits <= allocated:
        raise error("SC-102", expected=f"1 to {allocated} bits stored", got=str(bits))
    if bits == allocated:
        return stored
    shift = allocated - bits
    clean = (stored << shift) >> shift
    if np.array_equal(clean, stored):
        return stored
    unsigned = stored.view(_unsigned(stored.dtype))
    sign_not_extended = stored.dtype.kind == "i" and not (unsigned >> bits).any()
    if sign_not_extended or _OVERLAY_BIT_POSITION in dataset:
        return clean
    raise error(
        "SC-112", expected=f"values of {bits} bits", got=f"stored values up to {stored.max()}"
    )


def _chain(values: NDArray[np.float64], dataset: Any) -> NDArray[np.float64]:
    measured = _modality(values, dataset)
    if modality_record(str(dataset.get("Modality") or "")).windowed:
        measured = _windowed(measured, dataset)
    if dataset.get("PhotometricInterpretation") == "MONOCHROME1":
        measured = float(measured.max()) + float(measured.min()) - measured
    return measured


def _modality(values: NDArray[np.float64], dataset: Any) -> NDArray[np.float64]:
    sequence = dataset.get("ModalityLUTSequence")
    if sequence:
        return _looked_up(values, sequence[0])
    slope, intercept = _number(dataset, "RescaleSlope"), _number(dataset, "RescaleIntercept")
    usable = slope is not None and np.isfinite(slope) and slope != 0
    scaled = values * slope if usable and slope is not None else values
    return scaled + intercept if intercept is not None and np.isfinite(intercept) else scaled


def _windowed(values: NDArray[np.float64], dataset: Any) -> NDArray[np.float64]:
    sequence = dataset.get("VOILUTSequence")
    if sequence:
        return _looked_up(values, sequence[0])
    centre, width = _number(dataset, "WindowCenter"), _number(dataset, "WindowWidth")
    if centre is None or width is None or not np.isfinite([centre, width]).all():
        return values
    function = str(dataset.get("VOILUTFunction") or "LINEAR")
    if width <= (1.0 if function == "LINEAR" else 0.0):
        return values  # an unusable window is no reason to lose the film
    if function == "SIGMOID":
        return 1.0 / (1.0 + np.exp(np.clip(-4.0 * (values - centre) / width, -700, 700)))
    if function == "LINEAR":
        centre, width = centre - 0.5, width - 1.0
    return np.clip((values - centre) / width + 0.5, 0.0, 1.0)


def _looked_up(values: NDArray[np.float64], item: Any) -> NDArray[np.float64]:
    """Map through a LUT item (PS3.3 C.11.1.1); values outside take its ends."""
    try:
        entries, first, bits = (int(number) for number in item.LUTDescriptor)
        data = item.LUTData
    except (AttributeError, TypeError, ValueError) as cause:
        raise error("SC-102", expected="a LUT with its descriptor", got=_short(cause)) from cause
    if isinstance(data, bytes):
        data = np.frombuffer(data, "<u2" if len(data) >= 2 * (entries or 65536) else "u1")
    table = np.asarray(data, np.float64).ravel()
    if table.size == 0 or table.size < (entries or 65536) or not 8 <= bits <= 16:
        got = f"{table.size} entries of {bits} bits"
        raise error("SC-102", expected=f"a LUT of {entries} entries", got=got)
    place = np.clip(np.rint(values) - first, 0, table.size - 1).astype(np.intp)
    return table[place]


def _without_padding(
    values: NDArray[np.float32], stored: Array, dataset: Any
) -> NDArray[np.float32]:
    padding = _number(dataset, "PixelPaddingValue")
    if padding is None:
        return values
    outside = stored == padding
    if outside.any() and not outside.all():
        values[outside] = values[~outside].min()
    return values


def _number(dataset: Any, keyword: str) -> float | None:
    """Return the first value of an element as a float, None where absent or unreadable."""
    value = dataset.get(keyword)
    if value is not None and not isinstance(value, str | bytes) and hasattr(value, "__len__"):
        value = value[0] if len(value) else None
    try:
        return None if value is None else float(value)
    except (TypeError, ValueError):
        return None


def _integer(dataset: Any, keyword: str) -> int | None:
    number = _number(dataset, keyword)
    return None if number is None or not np.isfinite(number) else int(number)


def _short(cause: BaseException) -> str:
    words = " ".join(str(cause).split())
    return words[:160] or type(cause).__name__
