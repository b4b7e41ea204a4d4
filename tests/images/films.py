"""Small honest films of every kind, made here so that no file need be shipped."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from spinecast.images import Image

PLAIN_SYNTAXES = {
    "explicit little": ExplicitVRLittleEndian,
    "implicit little": ImplicitVRLittleEndian,
    "explicit big": ExplicitVRBigEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
}


def phantom(shape: tuple[int, int] = (40, 24), *, bits: int = 12, seed: int = 0) -> NDArray[Any]:
    """Return a spine of bright blocks on a gradient with a little noise, full range of ``bits``."""
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]]
    spine = (np.abs(columns / shape[1] - 0.5) < 0.15) & ((rows * 12 // shape[0]) % 2 == 0)
    noise = np.random.default_rng(seed).random(shape)
    light = 0.3 * rows / shape[0] + 0.5 * spine + 0.2 * noise
    light = (light - light.min()) / (light.max() - light.min())
    return np.rint(light * (2**bits - 1)).astype(np.uint8 if bits <= 8 else np.uint16)


def film(seed: int = 0, shape: tuple[int, int] = (120, 60), **known: Any) -> Image:
    """Return a decoded radiograph."""
    pixels = phantom(shape, seed=seed).astype(np.float32)
    return Image(pixels=pixels, **{"modality": "DX", "view": "LATERAL", **known})


def header(pixels: NDArray[Any], *, bits: int | None = None, **tags: Any) -> Dataset:
    """Return a DX object holding ``pixels``; ``tags`` replace elements, None leaves them out."""
    grey = pixels.ndim == 2 or tags.get("NumberOfFrames")
    dataset = Dataset()
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    dataset.SOPInstanceUID = "1.2.3.4"
    dataset.Modality = "DX"
    dataset.Manufacturer = "GE Healthcare"
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    dataset.Rows, dataset.Columns = (pixels.shape[:2] if pixels.ndim == 2 or not grey
                                     else pixels.shape[1:])  # fmt: skip
    dataset.SamplesPerPixel = 1 if grey else 3
    dataset.PhotometricInterpretation = "MONOCHROME2" if grey else "RGB"
    if not grey:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = pixels.dtype.itemsize * 8
    dataset.BitsStored = bits or pixels.dtype.itemsize * 8
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
    dataset["PixelData"].VR = "OW" if pixels.dtype.itemsize > 1 else "OB"
    with warnings.catch_warnings(action="ignore"):  # some tests want values no device may write
        for word, value in tags.items():
            if value is None:
                del dataset[word]
            else:
                setattr(dataset, word, value)
    return dataset


def encoded(dataset: Dataset, syntax: str = ExplicitVRLittleEndian) -> bytes:
    """Return the bytes of a DICOM file; stored values are given in little endian."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    if syntax == ExplicitVRBigEndian and dataset.BitsAllocated == 16:
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
    target = io.BytesIO()
    with warnings.catch_warnings(action="ignore"):
        pydicom.dcmwrite(target, dataset, enforce_file_format=True)
    return target.getvalue()


def save(path: Path, dataset: Dataset, syntax: str = ExplicitVRLittleEndian) -> Path:
    """Write a DICOM file."""
    path.write_bytes(encoded(dataset, syntax))
    return path


def lut(first: int, values: list[int], *, bits: int = 16) -> Dataset:
    """Return a LUT item."""
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(values) % 65536, first, bits])
    item.add_new("LUTData", "OW", np.asarray(values, "<u2").tobytes())
    item.ModalityLUTType = "US"
    return item


def compressed_by_gdcm(source: Path, target: Path, syntax: int) -> Path:
    """Recompress a DICOM file with an encoder that is not the package's own."""
    import gdcm

    reader = gdcm.ImageReader()
    reader.SetFileName(str(source))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(syntax))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(target))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    return target


def encapsulated(dataset: Dataset, stream: bytes | list[bytes], syntax: str) -> Dataset:
    """Put ready streams into ``dataset``."""
    from pydicom.encaps import encapsulate

    streams = [stream] if isinstance(stream, bytes) else stream
    dataset.PixelData = encapsulate(streams)
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    return dataset
