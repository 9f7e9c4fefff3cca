//! From structure to text.

use std::fmt::Write as _;

use super::comment::quote;
use crate::elements;
use crate::error::WriteError;
use crate::format::{decimal, triple};
use crate::math::row_times;
use crate::structure::Structure;

/// Write one frame of extended XYZ: Cartesian coordinates, columns for whatever the crystal has, rows in their order.
///
/// `digits` is the number of significant digits; 17 is exact in Cartesian coordinates.
///
/// # Errors
/// [`WriteError`] where a label has blanks, or a column or key has a name that the format cannot hold.
pub fn write_extxyz(structure: &Structure, digits: usize) -> Result<String, Box<WriteError>> {
    let refuse = |field, row: Option<usize>, value: &str, message: String| {
        Box::new(WriteError {
            message,
            format: "extxyz",
            field,
            crystal: None,
            row,
            value: Some(crate::lines::shown(value)),
        })
    };
    let mut layout = String::from("species:S:1:pos:R:3");
    let marks = [
        (structure.occupancies.is_some(), ":occupancy:R:1"),
        (structure.site.is_some(), ":site:I:1"),
        (structure.charges.is_some(), ":initial_charges:R:1"),
        (structure.isotopes.is_some(), ":isotopes:I:1"),
        (structure.labels.is_some(), ":labels:S:1"),
        (structure.u_iso.is_some(), ":u_iso:R:1"),
        (structure.u_aniso.is_some(), ":u_aniso:R:6"),
    ];
    for (there, mark) in marks {
        if there {
            layout.push_str(mark);
        }
    }
    for column in &structure.columns {
        let known = layout.split(':').step_by(3).any(|name| name == column.name);
        let plain = |c: char| c.is_whitespace() || c.is_control() || ":\"'=".contains(c);
        if known || column.name.is_empty() || column.name.contains(plain) || matches!(&*column.name, "Z" | "numbers") {
            let message = format!(
                "site property {:?}: extxyz has no column of this name; rename it, or leave it out",
                crate::lines::shown(&column.name)
            );
            return Err(refuse("properties", None, &column.name, message));
        }
        let _ = write!(layout, ":{}:R:{}", column.name, column.width);
    }
    let [a, b, c] = structure.lattice.map(|row| triple(row, digits));
    let mut out = format!(
        "{}\nLattice=\"{a} {b} {c}\" Properties={layout} pbc=\"T T T\"",
        structure.len()
    );
    for (key, value, quoted) in &structure.info {
        let taken = ["lattice", "properties", "pbc"].contains(&key.to_ascii_lowercase().as_str());
        if taken || key.is_empty() {
            let message = format!("property {key:?}: extxyz has its own use for this key; rename it, or leave it out");
            return Err(refuse("properties", None, key, message));
        }
        let _ = write!(out, " {}={}", quote(key, false), quote(value, *quoted));
    }
    out.push('\n');
    for row in 0..structure.len() {
        let symbol = match (structure.numbers[row], structure.isotope(row)) {
            (1, 2) => "D",
            (1, 3) => "T",
            (number, _) => elements::symbol(number).unwrap_or("X"),
        };
        let position = row_times(structure.frac[row], &structure.lattice);
        let _ = write!(out, "{symbol:<2} {}", triple(position, digits));
        if let Some(values) = &structure.occupancies {
            push_real(&mut out, values[row], digits);
        }
        if let Some(values) = &structure.site {
            let _ = write!(out, " {}", values[row]);
        }
        if let Some(values) = &structure.charges {
            push_real(&mut out, values[row], digits);
        }
        if let Some(values) = &structure.isotopes {
            let _ = write!(out, " {}", values[row]);
        }
        if let Some(labels) = &structure.labels {
            let label = &labels[row];
            if label.contains(|c: char| c.is_whitespace() || c.is_control()) || label == "." {
                let message = format!(
                    "row {row}: the label {label:?} has blanks or is a point, which extxyz has no place for; rename it"
                );
                return Err(refuse("labels", Some(row), label, message));
            }
            let _ = write!(out, " {}", if label.is_empty() { "." } else { label });
        }
        if let Some(values) = &structure.u_iso {
            push_real(&mut out, values[row], digits);
        }
        if let Some(values) = &structure.u_aniso {
            values[row]
                .into_iter()
                .for_each(|value| push_real(&mut out, value, digits));
        }
        for column in &structure.columns {
            column.values[row * column.width..(row + 1) * column.width]
                .iter()
                .copied()
                .for_each(|value| push_real(&mut out, value, digits));
        }
        out.push('\n');
    }
    Ok(out)
}

fn push_real(out: &mut String, value: f64, digits: usize) {
    out.push(' ');
    out.push_str(&if value.is_nan() {
        "nan".into()
    } else {
        decimal(value, digits)
    });
}
