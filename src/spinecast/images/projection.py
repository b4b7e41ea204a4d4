"""A lateral radiograph from a CT: line integrals of attenuation from side to side."""

from __future__ import annotations

import numpy as np

from spinecast.errors import error
from spinecast.images.image import Image
from spinecast.images.radiograph import checked_spacing

_WATER_PER_CM = 0.193  # linear attenuation of water at 70 keV, NIST XCOM
_LEAST_HU, _MOST_HU = -1000.0, 3000.0  # air; metal and artefacts beyond


def project_lateral(ct: Image) -> Image:
    """Project a CT volume to a digitally reconstructed lateral radiograph.

    Parameters
    ----------
    ct
        Volume in Hounsfield units, (slices, rows, columns) running head to feet, front to
        back, right to left, as :func:`~spinecast.images.read_image` returns NIfTI volumes.

    Returns
    -------
    Image
        (slices, rows) of the volume, head up, the patient looking left. Pixels are the line
        integral of attenuation along the beam (Beer-Lambert: minus the logarithm of the
        transmitted share), dimensionless; bone is bright. ``spacing`` in mm at the patient.

    Raises
    ------
    ContentError
        SC-204 where ``ct`` is no volume in Hounsfield units, SC-208 without usable spacing,
        SC-209 for values that are not finite.

    Notes
    -----
    It misleads where it looks most real: beams are parallel and of one energy, there is no
    scatter, the table is in the picture, and resolution is that of the CT (3 mm against
    0.15 mm). A network trained on radiographs has not seen such pictures.
    """
    volume = ct.pixels
    if volume.ndim != 3:
        raise error("SC-204", expected="a CT volume", got=f"an image of {ct.shape}")
    if not np.isfinite(volume).all():
        raise error("SC-209", expected="finite voxels", got="NaN or infinity")
    if ct.modality not in {"", "CT"} or float(volume.min()) > -200.0:
        got = ct.modality or f"values from {float(volume.min()):g}"
        raise error("SC-204", expected="a CT in Hounsfield units, air included", got=got)
    spacing = checked_spacing(ct)
    if spacing is None:
        raise error("SC-208", expected="spacing in mm", got="none")
    attenuation = np.clip(volume, _LEAST_HU, _MOST_HU) / np.float32(1000.0) + np.float32(1.0)
    integral = attenuation.sum(axis=2) * np.float32(_WATER_PER_CM * spacing[2] / 10.0)
    return Image(
        pixels=integral,
        spacing=(spacing[0], spacing[1]),
        modality="DX",
        view="LATERAL",
        manufacturer=ct.manufacturer,
        attributes={"ImageType": "DERIVED\\SECONDARY\\PROJECTION"},
    )
