"""Write the tables of form factors that the core is compiled with, from public references.

    pip install gemmi periodictable
    python scripts/build_form_factors.py

- X-rays: D. Waasmaier and A. Kirfel, Acta Cryst. A 51 (1995) 416, by way of periodictable's copy of the DABAX file
  (periodictable and the file are in the public domain). The valence-only fits of C and Si are left out.
- Electrons: International Tables C (1999) table 4.3.2.2, Peng, Ren, Dudarev and Whelan, Acta Cryst. A 52 (1996) 257, by
  way of gemmi (MPL 2.0), rounded to the four decimals that are printed.
- Neutrons: V. F. Sears, Neutron News 3(3) (1992) 26, elements and deuterium by way of gemmi, rounded to the printed
  digits; other isotopes from periodictable's table (the same compilation with later measurements).

Numbers of this kind are facts; each table names its source in its first lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import gemmi
import periodictable

FOLDER = Path(__file__).resolve().parent.parent / "rust/recipnet-core/src/form_factor"
LINTS = "clippy::approx_constant, clippy::type_complexity"
SYMBOLS = ["X", *(gemmi.Element(z).name for z in range(1, 119))]


def number(value: float, digits: int) -> str:
    """As Rust writes it, without superfluous zeros."""
    text = f"{value:.{digits}f}".rstrip("0")
    return text + "0" if text.endswith(".") else text


def write(name: str, doc: str, declaration: str, rows: Iterable[str]) -> None:
    lines = [*(f"//! {line}".rstrip() for line in doc.strip().splitlines()), "//!"]
    lines.append("//! Written by `scripts/build_form_factors.py`; do not edit.")
    comment, constant = declaration.split("\n")
    lines += ["", "// What looks like a constant or a complicated type here is a table.", f"#![allow({LINTS})]"]
    lines += ["", comment, "#[rustfmt::skip]", f"{constant} = &["]
    lines += [f"    {row}," for row in rows]
    (FOLDER / name).write_text("\n".join([*lines, "];", ""]), encoding="utf-8")


def xray() -> None:
    text = (Path(periodictable.__file__).parent / "f0_WaasKirf.dat").read_text()
    rows = {}
    for found in re.finditer(r"^#S +(\d+) +(\S+) *\n#N 11\n#L.*\n(.*)$", text, re.MULTILINE):
        ion = re.fullmatch(r"([A-Z][a-z]?)(?:(\d)([+-]))?", found[2])
        if ion is None or ion[1] not in SYMBOLS:
            print(f"left out: {found[2]}")
            continue
        z, charge = int(found[1]), int(ion[2] or 0) * (-1 if ion[3] == "-" else 1)
        assert SYMBOLS[z] == ion[1]
        a, c, b = (values := [float(x) for x in found[3].split()])[:5], values[5], values[6:]
        fields = [f"[{', '.join(number(x, 6) for x in part)}]" for part in (a, b)]
        rows[z, charge] = f"({z}, {charge}, {fields[0]},\n     {fields[1]}, {number(c, 6)})"
    doc = """
X-ray form factors of atoms and ions: `f(s) = sum a_i exp(-b_i s^2) + c`, s up to 6 per angstrom.

D. Waasmaier and A. Kirfel, Acta Cryst. A 51 (1995) 416, as in the DABAX file `f0_WaasKirf.dat` (public domain).
"""
    head = "/// Atomic number, charge, a, b, c; sorted.\npub const ROWS: &[(u8, i8, [f64; 5], [f64; 5], f64)]"
    write("xray_table.rs", doc, head, (rows[key] for key in sorted(rows)))


def electron() -> None:
    rows = []
    for z in range(1, 119):
        fit = gemmi.Element(z).c4322
        if fit is not None:
            values = [number(x, 4) for x in fit.get_coefs()]
            rows.append(f"({z}, [{', '.join(values[:5])}], [{', '.join(values[5:])}])")
    head = "/// Atomic number, a, b; sorted.\npub const ROWS: &[(u8, [f64; 5], [f64; 5])]"
    doc = """
Electron form factors of neutral atoms in angstrom: `f(s) = sum a_i exp(-b_i s^2)`, s up to 2 per angstrom.

International Tables C (1999) table 4.3.2.2; L.-M. Peng, G. Ren, S. L. Dudarev and M. J. Whelan, Acta Cryst. A 52
(1996) 257.
"""
    write("electron_table.rs", doc, head, rows)


def neutron() -> None:
    lengths = {}
    for element in periodictable.elements:
        if 0 < element.number < 119:
            for mass in element.isotopes:
                data = element[mass].neutron
                if data is not None and data.b_c is not None and not data.is_energy_dependent:
                    lengths[element.number, mass] = data.b_c
    for z in range(1, 119):
        sears = gemmi.Element(z).neutron92
        if sears is not None and sears.get_coefs()[0] != 0.0:
            lengths[z, 0] = sears.get_coefs()[0]
    lengths[1, 2] = gemmi.Element("D").neutron92.get_coefs()[0]
    rows = [f"({z}, {mass}, {number(length, 4)})" for (z, mass), length in sorted(lengths.items())]
    packed = [", ".join(rows[at : at + 4]) for at in range(0, len(rows), 4)]
    doc = """
Bound coherent scattering lengths for neutrons, real parts, in femtometres.

V. F. Sears, Neutron News 3(3) (1992) 26: elements (mass number 0) and deuterium; other isotopes as in periodictable
2.1 (public domain), without those whose length depends on the energy.
"""
    head = "/// Atomic number, mass number, length; sorted.\npub const ROWS: &[(u8, u16, f64)]"
    write("neutron_table.rs", doc, head, packed)


if __name__ == "__main__":
    xray()
    electron()
    neutron()
