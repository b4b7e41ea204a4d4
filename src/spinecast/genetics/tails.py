"""Compiled: two-sided p values in log space, valid far beyond the smallest float."""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

_Floats = NDArray[np.float64]
_LN10 = math.log(10.0)
# Where degrees are many and t^2 a small share of them the normal expansion is exact to nine
# digits of -log10 p; elsewhere the fraction, which costs more, is seldom wanted.
_MANY_DEGREES = 300.0
_SMALL_SHARE = 0.1
# erfc(25) is about 1e-273: the library's function is still a normal number.
_FAR = 25.0
_FRACTION_STEPS = 400


@numba.njit(cache=True, nogil=True)
def normal_log10_p(z: float) -> float:
    """Return -log10 of the two-sided normal p value of ``z``."""
    if math.isnan(z):
        return math.nan
    x = abs(z) / math.sqrt(2.0)
    if x < _FAR:
        return max(0.0, -math.log(math.erfc(x)) / _LN10)
    inverse = 1.0 / (2.0 * x * x)
    series = 1.0 - inverse * (1.0 - inverse * (3.0 - inverse * (15.0 - 105.0 * inverse)))
    return (x * x + math.log(x * math.sqrt(math.pi)) - math.log(series)) / _LN10


@numba.njit(cache=True, nogil=True)
def student_log10_p(t: float, df: float) -> float:
    """Return -log10 of the two-sided p value of Student's t with ``df`` degrees of freedom.

    Many degrees: the normal deviate of the same probability (Hill, Commun ACM 1970;13:617,
    algorithm 395). Few: the incomplete beta function as a continued fraction.
    """
    if math.isnan(t) or not df > 0:
        return math.nan
    if math.isinf(t):
        return math.inf
    if df < _MANY_DEGREES or t * t > _SMALL_SHARE * df:
        return _beta_log10_p(t * t, df)
    a = df - 0.5
    b = 48.0 * a * a
    y = a * math.log1p(t * t / df)
    correction = (((-0.4 * y - 3.3) * y - 24.0) * y - 85.5) / (0.8 * y * y + 100.0 + b)
    return normal_log10_p(((correction + y + 3.0) / b + 1.0) * math.sqrt(y))


@numba.njit(cache=True, nogil=True)
def _beta_log10_p(square: float, df: float) -> float:
    """I_x(df / 2, 1 / 2) at x = df / (df + t^2), from the end where the fraction converges."""
    a = 0.5 * df
    log_beta = math.lgamma(a) + math.lgamma(0.5) - math.lgamma(a + 0.5)
    log_x = -math.log1p(square / df)
    x = math.exp(log_x)
    rest = square / (df + square)
    if rest <= 0.0:
        return 0.0
    if x < (a + 1.0) / (a + 2.5):
        log_front = a * log_x + 0.5 * math.log(rest) - log_beta - math.log(a)
        return -(log_front + math.log(_beta_fraction(a, 0.5, x))) / _LN10
    log_front = a * log_x + 0.5 * math.log(rest) - log_beta - math.log(0.5)
    lower = math.exp(log_front) * _beta_fraction(0.5, a, rest)
    return max(0.0, -math.log1p(-min(lower, 1.0 - 1e-16)) / _LN10)


@numba.njit(cache=True, nogil=True)
def _beta_fraction(a: float, b: float, x: float) -> float:
    """Continued fraction of the incomplete beta function by Lentz's method."""
    tiny = 1e-300
    c = 1.0
    d = 1.0 - (a + b) * x / (a + 1.0)
    d = 1.0 / (d if abs(d) > tiny else tiny)
    value = d
    for m in range(1, _FRACTION_STEPS):
        for odd in range(2):
            if odd:
                step = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
            else:
                step = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
            d = 1.0 + step * d
            d = 1.0 / (d if abs(d) > tiny else tiny)
            c = 1.0 + step / c
            c = c if abs(c) > tiny else tiny
            value *= c * d
        if abs(c * d - 1.0) < 1e-15:
            break
    return value


@numba.njit(cache=True, nogil=True)
def _student_rows(t: _Floats, df: _Floats, out: _Floats) -> None:
    for i in range(t.size):
        out[i] = student_log10_p(t[i], df[i])


@numba.njit(cache=True, nogil=True)
def _normal_rows(z: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    for i in range(z.size):
        out[i] = normal_log10_p(z[i])


def log10_p_of_t(t: ArrayLike, df: ArrayLike) -> NDArray[np.float64]:
    """Return -log10 of two-sided p values of Student's t.

    Parameters
    ----------
    t, df
        Statistics and degrees of freedom, of shapes that broadcast. NaN, or df <= 0, give NaN.

    Returns
    -------
    float64 array
        From 0 up; 1e5 is as good a value as 5.
    """
    statistics, degrees = np.broadcast_arrays(np.asarray(t, float), np.asarray(df, float))
    out = np.empty(statistics.size)
    _student_rows(statistics.ravel(), degrees.ravel(), out)
    return out.reshape(statistics.shape)


def log10_p_of_z(z: ArrayLike) -> NDArray[np.float64]:
    """Return -log10 of two-sided normal p values; NaN stays NaN."""
    statistics = np.asarray(z, dtype=np.float64)
    out = np.empty(statistics.size)
    _normal_rows(statistics.ravel(), out)
    return out.reshape(statistics.shape)


def p_of_log10(log10_p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return p values; below about 1e-308 they become 0, which is why -log10 p is kept too."""
    return np.power(10.0, -log10_p)


# Numerator and denominator of z, highest power first, near the middle and in two tails.
_MIDDLE = np.array(
    [[2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4,
      4.5921953931549871457e4, 1.3731693765509461125e4, 1.9715909503065514427e3,
      1.3314166789178437745e2, 3.3871328727963666080],
     [5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4,
      2.1213794301586595867e4, 5.3941960214247511077e3, 6.8718700749205790830e2,
      4.2313330701600911252e1, 1.0]],
)  # fmt: skip
_TAIL = np.array(
    [[7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1,
      1.27045825245236838258, 3.64784832476320460504, 5.76949722146069140550,
      4.63033784615654529590, 1.42343711074968357734],
     [1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2,
      1.48103976427480074590e-1, 6.89767334985100004550e-1, 1.67638483018380384940,
      2.05319162663775882187, 1.0]],
)  # fmt: skip
_FAR_TAIL = np.array(
    [[2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3,
      2.65321895265761230930e-2, 2.96560571828504891230e-1, 1.78482653991729133580,
      5.46378491116411436990, 6.65790464350110377720],
     [2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5,
      7.86869131145613259100e-4, 1.48753612908506148525e-2, 1.36929880922735805310e-1,
      5.99832206555887937690e-1, 1.0]],
)  # fmt: skip
# The far tail's polynomials were fitted down to p values of about 1e-316.
_FITTED = 300.0


@numba.njit(cache=True, nogil=True)
def z_of_log10_p(log10_p: float) -> float:
    """Return the z >= 0 whose two-sided normal p value is 10 to the minus ``log10_p``.

    Wichura, Appl Stat 1988;37:477 (algorithm AS 241), relative error 1e-16; beyond its range
    Newton's method.
    """
    if not log10_p > 0:
        return 0.0 if log10_p == 0 else math.nan
    if log10_p > _FITTED:
        return _z_of_tiny_p(log10_p)
    beyond = -0.5 * math.expm1(-_LN10 * log10_p)
    if beyond <= 0.425:
        return beyond * _ratio(0.180625 - beyond * beyond, _MIDDLE)
    r = math.sqrt(_LN10 * log10_p + math.log(2.0))
    return _ratio(r - 1.6, _TAIL) if r <= 5.0 else _ratio(r - 5.0, _FAR_TAIL)


@numba.njit(cache=True, nogil=True)
def _ratio(x: float, terms: _Floats) -> float:
    above, below = terms[0, 0], terms[1, 0]
    for k in range(1, 8):
        above = above * x + terms[0, k]
        below = below * x + terms[1, k]
    return above / below


@numba.njit(cache=True, nogil=True)
def _z_of_tiny_p(log10_p: float) -> float:
    z = math.sqrt(2.0 * _LN10 * log10_p)
    if math.isinf(z):
        return z
    for _ in range(60):
        step = (normal_log10_p(z) - log10_p) * _LN10 / (z + 1.0 / z)
        z = max(z - step, 0.25 * z)
        if abs(step) < 1e-13 * (1.0 + z):
            break
    return z


@numba.njit(cache=True, nogil=True)
def _z_rows(log10_p: _Floats, out: _Floats) -> None:
    for i in range(log10_p.size):
        out[i] = z_of_log10_p(log10_p[i])


def z_of_log10_ps(log10_p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return z >= 0 of -log10 of two-sided normal p values, (v,); NaN stays NaN."""
    out = np.empty(log10_p.size)
    _z_rows(np.ascontiguousarray(log10_p), out)
    return out
