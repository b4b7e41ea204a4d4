"""Images: read safely, prepare, store and compare.

Names are loaded when they are first used, because the decode worker imports this
package too and must start quickly.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spinecast.images.fidelity import ms_ssim, psnr
    from spinecast.images.identity import pseudonym
    from spinecast.images.image import Image
    from spinecast.images.limits import Limits
    from spinecast.images.projection import project_lateral
    from spinecast.images.radiograph import Preparation, prepare_radiograph
    from spinecast.images.reader import close_workers, read_image
    from spinecast.images.screening import check_acquisition, check_content
    from spinecast.images.store import ImageStore, prepare_store

_HOMES = {
    "Image": "image",
    "ImageStore": "store",
    "Limits": "limits",
    "Preparation": "radiograph",
    "check_acquisition": "screening",
    "check_content": "screening",
    "close_workers": "reader",
    "ms_ssim": "fidelity",
    "prepare_radiograph": "radiograph",
    "prepare_store": "store",
    "project_lateral": "projection",
    "pseudonym": "identity",
    "psnr": "fidelity",
    "read_image": "reader",
}

__all__ = [
    "Image",
    "ImageStore",
    "Limits",
    "Preparation",
    "check_acquisition",
    "check_content",
    "close_workers",
    "ms_ssim",
    "prepare_radiograph",
    "prepare_store",
    "project_lateral",
    "pseudonym",
    "psnr",
    "read_image",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
