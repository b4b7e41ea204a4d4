"""The start of numba, without what compiled code here never uses."""

from __future__ import annotations

import sys

_BLAS = "scipy.linalg.cython_blas"


def start_numba() -> None:
    """Load numba; twice does no harm.

    Starting, numba looks whether SciPy's BLAS is there (for ``np.kron``, of all), and so loads
    SciPy's linear algebra and half of NumPy's tools: as long as a small scan takes. Here it is
    told no; matrix products within compiled code still find BLAS when they need it.
    """
    if "numba.np.arraymath" in sys.modules or _BLAS in sys.modules:
        return
    sys.modules[_BLAS] = None  # type: ignore[assignment]  # None halts an import
    try:
        import numba.np.arraymath  # noqa: F401
    finally:
        del sys.modules[_BLAS]
