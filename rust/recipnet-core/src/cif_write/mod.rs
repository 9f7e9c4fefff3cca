//! From structure to CIF: the asymmetric unit with its operations, or every row in P 1.

use std::fmt::Write as _;

mod asymmetric;

use crate::error::WriteError;
use crate::format::{decimal, triple};
use crate::lattice::Lattice;
use crate::math::gcd;
use crate::structure::Structure;
use crate::symmetry::{Operation, Operations};
use asymmetric::{Representative, representatives};

/// A CIF block and, where declared operations could not be kept, the reason why it is in P 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CifText {
    /// The block.
    pub text: String,
    /// Why the operations are not those that the structure declares.
    pub lost: Option<String>,
}

/// Write one data block.
///
/// With `symmetry`, declared operations that make the cell from a part of its rows are kept with that part; otherwise
/// all rows are written in P 1. `digits` is the number of significant digits. A left-handed cell is written with all
/// three axes reversed (coordinates change sign): the same crystal, in the axes that cell parameters can say.
///
/// # Errors
/// [`WriteError`] for isotopes other than D and T, and for cells that no parameters describe.
pub fn write_cif(structure: &Structure, symmetry: bool, digits: usize) -> Result<CifText, Box<WriteError>> {
    let cell = Lattice::new(structure.lattice).map_err(|error| refuse("lattice", None, "", error.to_string()))?;
    if structure.is_empty() {
        let message = "a CIF holds one atom or more, this crystal has none".into();
        return Err(refuse("numbers", None, "", message).into());
    }
    let left_handed = crate::math::det(&structure.lattice) < 0.0;
    let (mut rows, mut lost) = (None, None);
    if let Some(operations) = structure.operations.as_ref().filter(|_| symmetry) {
        match representatives(structure, operations) {
            Ok(found) => rows = Some((operations.clone(), found)),
            Err(reason) => lost = Some(reason),
        }
    }
    let kept = rows.is_some();
    let (operations, rows) = rows.unwrap_or_else(|| {
        let all = (0..structure.len()).map(|row| Representative { row, multiplicity: 1 });
        (Operations::identity(), all.collect())
    });
    let operations = if left_handed { reversed(&operations) } else { operations };

    let mut out = format!(
        "data_{}\n_audit_creation_method recipnet\n",
        block_name(&structure.title)
    );
    for (name, value) in ["a", "b", "c"].into_iter().zip(cell.lengths()) {
        let _ = writeln!(out, "_cell_length_{name} {}", decimal(value, digits));
    }
    for (name, value) in ["alpha", "beta", "gamma"].into_iter().zip(cell.angles()) {
        let _ = writeln!(out, "_cell_angle_{name} {}", decimal(value, digits));
    }
    let _ = writeln!(out, "_cell_volume {}", decimal(cell.volume(), digits.min(10)));
    if let Some((formula, units)) = formula(structure) {
        let _ = writeln!(out, "_chemical_formula_sum '{formula}'\n_cell_formula_units_Z {units}");
    }
    push_symmetry(&mut out, structure, &operations, kept && !left_handed, kept);
    push_atoms(&mut out, structure, &rows, left_handed, digits)?;
    Ok(CifText { text: out, lost })
}

fn refuse(field: &'static str, row: Option<usize>, value: &str, message: String) -> WriteError {
    WriteError {
        message,
        format: "cif",
        field,
        crystal: None,
        row,
        value: (!value.is_empty()).then(|| value.to_owned()),
    }
}

/// Operations after the change of axes a, b, c -> -a, -b, -c: rotations stay, translations change sign.
fn reversed(operations: &Operations) -> Operations {
    let denominator = operations.denominator();
    let list = operations
        .as_slice()
        .iter()
        .map(|one| Operation {
            rotation: one.rotation,
            translation: one.translation.map(|w| (-w).rem_euclid(denominator)),
        })
        .collect();
    // Signs do not change what is checked there.
    Operations::new(list, denominator).unwrap_or_else(|_| operations.clone())
}

/// A name without blanks or control characters.
fn block_name(title: &str) -> String {
    let name: String = title
        .chars()
        .map(|c| if c.is_whitespace() || c.is_control() { '_' } else { c })
        .collect();
    if name.is_empty() { "crystal".into() } else { name }
}

/// Formula and number of formula units, where the cell holds whole numbers of known elements.
fn formula(structure: &Structure) -> Option<(String, u64)> {
    let mut sums: std::collections::BTreeMap<&str, f64> = std::collections::BTreeMap::new();
    for row in 0..structure.len() {
        *sums
            .entry(structure.symbol(row).filter(|&symbol| symbol != "X")?)
            .or_default() += structure.occupancy(row);
    }
    if sums.is_empty() || sums.values().any(|sum| (sum - sum.round()).abs() > 1e-6 || *sum < 0.5) {
        return None;
    }
    let units = sums.values().fold(0, |sum, &count| gcd(sum, count.round() as i64)) as u64;
    let parts: Vec<String> = sums
        .iter()
        .map(|(symbol, &count)| match count.round() as u64 / units {
            1 => (*symbol).to_owned(),
            count => format!("{symbol}{count}"),
        })
        .collect();
    Some((parts.join(" "), units))
}

fn push_symmetry(out: &mut String, structure: &Structure, operations: &Operations, named: bool, kept: bool) {
    let mut item = |tag: &str, value: &str| {
        out.push_str(tag);
        push_value(out, value);
        out.push('\n');
    };
    if named {
        if let Some(symbol) = &structure.hm_symbol {
            item("_space_group_name_H-M_alt", symbol);
        }
        if let Some(symbol) = &structure.hall_symbol {
            item("_space_group_name_Hall", symbol);
        }
        if let Some(number) = structure.number {
            item("_space_group_IT_number", &number.to_string());
        }
    } else if !kept {
        item("_space_group_name_H-M_alt", "P 1");
        item("_space_group_name_Hall", "P 1");
        item("_space_group_IT_number", "1");
    }
    out.push_str("loop_\n_space_group_symop_operation_xyz\n");
    for text in operations.to_xyz() {
        let _ = writeln!(out, "{text}");
    }
}

/// Type symbol with the charge: `Fe3+`, `O2-`, `Fe2.5+`, `Na`.
fn type_symbol(structure: &Structure, row: usize) -> Result<String, Box<WriteError>> {
    let Some(symbol) = structure.symbol(row) else {
        let value = structure.isotope(row).to_string();
        let message = format!(
            "row {row}: CIF has symbols for the isotopes D and T only, not for mass number {value} of element {}; \
             write extxyz or Parquet, or set isotopes to 0",
            structure.numbers[row]
        );
        return Err(refuse("isotopes", Some(row), &value, message).into());
    };
    let Some(charge) = structure.charge(row) else {
        return Ok(symbol.to_owned());
    };
    if charge.abs() > 20.0 {
        let message = format!(
            "row {row}: the charge {charge} is beyond 20 and no symbol of CIF holds it; write extxyz or Parquet"
        );
        return Err(refuse("charges", Some(row), &charge.to_string(), message).into());
    }
    let sign = if charge < 0.0 { '-' } else { '+' };
    Ok(format!("{symbol}{}{sign}", charge.abs()))
}

/// Labels as CIF needs them: each once. Missing ones are symbol and number, repeated ones get a running number.
fn labels(structure: &Structure, rows: &[Representative]) -> Vec<String> {
    let mut used = std::collections::HashSet::new();
    let mut next: std::collections::HashMap<String, usize> = std::collections::HashMap::new();
    let given = |row: usize| {
        structure
            .labels
            .as_ref()
            .map(|labels| labels[row].clone())
            .filter(|label| !label.is_empty())
    };
    let wanted: std::collections::HashSet<String> = rows.iter().filter_map(|one| given(one.row)).collect();
    rows.iter()
        .map(|one| {
            let given = given(one.row);
            let (stem, joint) = match &given {
                Some(label) if used.insert(label.clone()) => return label.clone(),
                Some(label) => (label.as_str(), "_"),
                None => (structure.symbol(one.row).unwrap_or("X"), ""),
            };
            let first = if given.is_some() { 2 } else { 1 };
            let count = next.entry(format!("{stem}{joint}")).or_insert(first);
            loop {
                let label = format!("{stem}{joint}{count}");
                *count += 1;
                if !wanted.contains(&label) && used.insert(label.clone()) {
                    return label;
                }
            }
        })
        .collect()
}

fn push_atoms(
    out: &mut String,
    structure: &Structure,
    rows: &[Representative],
    left_handed: bool,
    digits: usize,
) -> Result<(), Box<WriteError>> {
    let labels = labels(structure, rows);
    let known = |value: f64| {
        if value.is_nan() {
            ".".into()
        } else {
            decimal(value, digits)
        }
    };
    out.push_str(
        "loop_\n_atom_site_label\n_atom_site_type_symbol\n_atom_site_symmetry_multiplicity\n_atom_site_fract_x\n\
         _atom_site_fract_y\n_atom_site_fract_z\n_atom_site_occupancy\n",
    );
    if structure.u_iso.is_some() {
        out.push_str("_atom_site_U_iso_or_equiv\n");
    }
    if structure.disorder.is_some() {
        out.push_str("_atom_site_disorder_assembly\n_atom_site_disorder_group\n");
    }
    for (one, label) in rows.iter().zip(&labels) {
        let x = structure.frac[one.row].map(|x| if left_handed { 0.0 - x } else { x });
        push_value(out, label);
        let symbol = type_symbol(structure, one.row)?;
        let _ = write!(
            out,
            " {symbol} {} {} {}",
            one.multiplicity,
            triple(x, digits),
            decimal(structure.occupancy(one.row), digits)
        );
        if let Some(values) = &structure.u_iso {
            let _ = write!(out, " {}", known(values[one.row]));
        }
        for name in structure.disorder.iter().flat_map(|disorder| &disorder[one.row]) {
            if name.is_empty() {
                out.push_str(" .");
            } else {
                push_value(out, name);
            }
        }
        out.push('\n');
    }
    let Some(tensors) = &structure.u_aniso else {
        return Ok(());
    };
    out.push_str("loop_\n_atom_site_aniso_label\n");
    for pair in ["11", "22", "33", "23", "13", "12"] {
        let _ = writeln!(out, "_atom_site_aniso_U_{pair}");
    }
    for (one, label) in rows.iter().zip(&labels) {
        let tensor = tensors[one.row];
        if tensor.iter().all(|value| value.is_nan()) {
            continue;
        }
        push_value(out, label);
        for value in tensor {
            let _ = write!(out, " {}", known(value));
        }
        out.push('\n');
    }
    Ok(())
}

/// A value behind a tag or at the start of a row, in quotes or as a text field where it needs them.
fn push_value(out: &mut String, value: &str) {
    let behind_tag = out.chars().next_back().is_some_and(|last| last != '\n');
    let lower = value.to_ascii_lowercase();
    let reserved = ["data_", "save_", "loop_", "stop_", "global_"]
        .iter()
        .any(|word| lower.starts_with(word));
    let bare = !value.is_empty()
        && !reserved
        && value != "."
        && value != "?"
        && !value.starts_with(['_', '#', '$', '\'', '"', '[', ']', ';', '{', '}'])
        && !value.chars().any(|c| c.is_whitespace() || c.is_control());
    // A quote inside ends a quoted value only where a blank follows it.
    let closes = |quote: char| {
        value
            .match_indices(quote)
            .any(|(at, _)| value[at + 1..].starts_with([' ', '\t']))
    };
    let quotable = !value.chars().any(char::is_control);
    if behind_tag {
        out.push(' ');
    }
    if bare {
        out.push_str(value);
    } else if quotable && !closes('\'') {
        let _ = write!(out, "'{value}'");
    } else if quotable && !closes('"') {
        let _ = write!(out, "\"{value}\"");
    } else {
        let text: String = value.replace(['\r', '\n'], " ");
        let _ = write!(out, "\n;{text}\n;");
    }
}
