"""Powder lines as text: a table to read, a CSV to keep."""

from __future__ import annotations

from collections.abc import Iterator

from recipnet.powder import PowderPattern

#: Weaker lines, in per cent of the strongest, are not printed.
WEAK = 0.05
_HEADER = "two_theta_degrees,d_angstrom,h,k,l,multiplicity,intensity"


def lines(pattern: PowderPattern) -> Iterator[str]:
    """A table of the lines of a pattern, weak ones left out and counted.

    >>> import recipnet as rn
    >>> print(*lines(rn.powder_pattern(rn.sample("silicon"), two_theta=(0, 50))), sep="\\n")
     2 theta         d     h   k   l   mult  intensity
      28.465    3.1356     1   1   1      8     100.00
      47.343    1.9202     2   2   0     12      67.06
    5 weaker lines are not shown
    """
    yield " 2 theta         d     h   k   l   mult  intensity"
    rows = zip(
        pattern.two_theta.tolist(),
        pattern.d_spacing.tolist(),
        pattern.hkl.tolist(),
        pattern.multiplicity.tolist(),
        pattern.intensity.tolist(),
        strict=True,
    )
    weak = 0
    for angle, d, (h, k, l), multiplicity, intensity in rows:  # noqa: E741
        if intensity < WEAK:
            weak += 1
        else:
            yield f"{angle:8.3f}{d:10.4f}  {h:4d}{k:4d}{l:4d}{multiplicity:7d}{intensity:11.2f}"
    if weak:
        yield f"{weak} weaker lines are not shown"


def csv_text(pattern: PowderPattern) -> str:
    """All lines of a pattern of one crystal, values as Python writes them: they read back the same."""
    rows = [_HEADER]
    for line in range(len(pattern)):
        angle, d, intensity = (
            array[line].item() for array in (pattern.two_theta, pattern.d_spacing, pattern.intensity)
        )
        h, k, l = pattern.hkl[line].tolist()  # noqa: E741
        rows.append(f"{angle!r},{d!r},{h},{k},{l},{pattern.multiplicity[line]},{intensity!r}")
    return "\n".join([*rows, ""])
