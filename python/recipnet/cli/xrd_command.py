"""``recipnet xrd``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recipnet.cli.guard import exit_codes, say

HELP = """Powder lines of a structure: angle, d, indices, multiplicity and intensity.

\b
Examples:
  recipnet xrd quartz.cif --plot quartz.png
  recipnet xrd quartz.cif --wavelength MoKa --two-theta 5 60 --output lines.csv
"""


def xrd(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A structure file; the first structure is taken.")],
    plot: Annotated[Path | None, typer.Option(metavar="P.png", help="Also draw the pattern.")] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="P.csv", help="Also write all lines, weak ones too, as CSV.")
    ] = None,
    wavelength: Annotated[str, typer.Option(help="Angstrom, or CuKa, MoKa, CoKa, FeKa, CrKa, AgKa.")] = "CuKa",
    two_theta: Annotated[tuple[float, float], typer.Option(metavar="LOW HIGH", help="Degrees.")] = (0.0, 90.0),
    radiation: Annotated[str, typer.Option(help="xray, electron or neutron.")] = "xray",
    fwhm: Annotated[float | None, typer.Option(help="Width of the plotted lines in degrees; 0.1 by default.")] = None,
    size: Annotated[float | None, typer.Option(help="Size of crystallites in angstrom, instead of --fwhm.")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    with exit_codes(debug):
        import recipnet
        from recipnet.powder_table import csv_text, lines

        pattern = recipnet.powder_pattern(
            recipnet.read(file), wavelength=_wavelength(wavelength), two_theta=two_theta, radiation=radiation
        )
        if output is not None:
            from recipnet.io.atomic import atomic_write

            with atomic_write(output, "w") as handle:
                handle.write(csv_text(pattern))
        if plot is not None:
            pattern.plot(plot, fwhm=fwhm, size=size)
        print(*lines(pattern), sep="\n")
        for path in (output, plot):
            if path is not None:
                say(f"wrote {path}")


def _wavelength(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text
