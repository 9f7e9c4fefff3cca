//! POSCAR and CONTCAR, the structure files of VASP.
//!
//! Format: <https://www.vasp.at/wiki/POSCAR> (comment, scale, cell, species, counts, coordinates).

use crate::elements;
use crate::error::{Format, Result, Warning, WriteError};
use crate::lines::{Code, Line, Lines, Place, Reading, Refusal, TextOptions, Word};
use crate::math::{Mat3, det, dot, wrap};
use crate::structure::Structure;

const SHORT: Code = ("W-SHORT", "E-SHORT");
const SCALE: Code = ("W-SCALE", "E-SCALE");
const SPECIES: Code = ("W-SPECIES", "E-SPECIES");
const COUNT: Code = ("W-COUNT", "E-COUNT");
const MODE: Code = ("W-MODE", "E-MODE");
const LEFT_OUT: Code = ("W-LEFT-OUT", "E-LEFT-OUT");

/// Read a POSCAR: coordinates in [0, 1), D and T as isotopes, the comment as title.
///
/// Species must stand in line 6, as VASP 5 and 6 write them; a file without them is read where its comment names
/// them, with a warning. Velocities are not read, with a warning.
///
/// # Errors
/// [`ReadError`](crate::error::ReadError) with line, column and value.
///
/// ```
/// use recipnet_core::{lines::TextOptions, poscar::read_poscar};
/// let text = "salt\n1.0\n0 2.82 2.82\n2.82 0 2.82\n2.82 2.82 0\nNa Cl\n1 1\nDirect\n0 0 0\n0.5 0.5 0.5\n";
/// let (salt, warnings) = read_poscar(text.as_bytes(), &TextOptions::default())?;
/// assert_eq!((salt.numbers, warnings.len()), (vec![11, 17], 0));
/// # Ok::<(), recipnet_core::error::Error>(())
/// ```
pub fn read_poscar(bytes: &[u8], options: &TextOptions) -> Result<(Structure, Vec<Warning>)> {
    let mut reading = Reading::new(Format::Poscar, options.strict);
    let structure = read(bytes, options, &mut reading)?;
    Ok((structure, reading.warnings))
}

fn read(bytes: &[u8], options: &TextOptions, reading: &mut Reading) -> std::result::Result<Structure, Refusal> {
    if options.index > 0 {
        let message = format!("there is no structure {}: a POSCAR holds one", options.index);
        return Err(reading.refuse(("W-NO-BLOCK", "E-NO-BLOCK"), message, Place::NONE, "leave index out"));
    }
    let text = reading.decode(bytes, options.max_bytes)?;
    let mut lines = Lines::new(&text);
    let comment = next(&mut lines, reading, "the comment")?;
    let scale_line = next(&mut lines, reading, "the scale")?;
    let first = next(&mut lines, reading, "the cell")?;
    let mut rows = [reading.triple(first, "cell vector a")?, [0.0; 3], [0.0; 3]];
    for (row, what) in rows[1..].iter_mut().zip(["cell vector b", "cell vector c"]) {
        let line = next(&mut lines, reading, what)?;
        *row = reading.triple(line, what)?;
    }
    let scale = scale(scale_line, &rows, reading)?;
    for row in &mut rows {
        for (value, factor) in row.iter_mut().zip(scale) {
            *value *= factor;
        }
    }
    let cell = reading.cell(rows, options, Place::line(first))?;

    let mut line = next(&mut lines, reading, "the species")?;
    let named = if counts(line).is_some() {
        let named = named_in_comment(comment, line, reading, options)?;
        reading.repair(
            SPECIES,
            "no line of species before the counts (VASP 4): they were taken from the comment",
            Place::line(comment),
        )?;
        named
    } else {
        let named = species(line, reading, options)?;
        line = next(&mut lines, reading, "the counts")?;
        named
    };
    let counts = counts(line).ok_or_else(|| {
        reading.refuse(
            COUNT,
            "whole numbers of atoms are needed, one for each species",
            Place::line(line),
            "",
        )
    })?;
    if counts.len() != named.len() {
        let message = format!("{} counts for {} species", counts.len(), named.len());
        return Err(reading.refuse(COUNT, message, Place::line(line), "each species needs its count"));
    }
    let total = counts.iter().fold(0usize, |sum, &count| sum.saturating_add(count));
    if total > options.max_sites {
        let message = format!("{total} atoms, more than max_sites = {}", options.max_sites);
        return Err(reading.refuse(
            ("W-LIMIT", "E-LIMIT"),
            message,
            Place::line(line),
            "raise max_sites if that is meant",
        ));
    }
    if total == 0 {
        return Err(reading.refuse(COUNT, "there are no atoms", Place::line(line), ""));
    }
    let mut mode = next(&mut lines, reading, "the kind of coordinates")?;
    if starts_with(mode, b"sS") {
        mode = next(&mut lines, reading, "the kind of coordinates")?;
    }
    let cartesian = starts_with(mode, b"cCkK");
    if !cartesian && !starts_with(mode, b"dD") {
        let is_text = mode.text.trim_start().starts_with(|c: char| c.is_ascii_alphabetic());
        if !is_text {
            return Err(reading.refuse(MODE, "Direct or Cartesian is needed here", Place::line(mode), ""));
        }
        reading.repair(
            MODE,
            "neither Direct nor Cartesian: read as Direct, as VASP does",
            Place::line(mode),
        )?;
    }
    let mut out = Structure {
        title: comment.text.trim().to_owned(),
        lattice: rows,
        ..Structure::default()
    };
    let mut isotopes = Vec::new();
    for (&(number, isotope), &count) in named.iter().zip(&counts) {
        for _ in 0..count {
            let line = lines.next().ok_or_else(|| {
                let message = format!("the text ends after {} of {total} positions", out.len());
                reading.refuse(SHORT, message, Place::after(&lines), "")
            })?;
            let mut x = reading.triple(line, "a position")?;
            check_end(line, number, reading)?;
            if cartesian {
                for (value, factor) in x.iter_mut().zip(scale) {
                    *value *= factor;
                }
                x = cell.reciprocal().map(|row| dot(x, row));
            }
            if x.iter().any(|value| value.abs() > crate::crystal::MAX_COORDINATE) {
                return Err(reading.refuse(
                    ("W-NUMBER", "E-NUMBER"),
                    "a position is beyond a million cells",
                    Place::line(line),
                    "",
                ));
            }
            out.frac.push(x.map(wrap));
            out.numbers.push(number);
            isotopes.push(isotope);
        }
    }
    out.isotopes = isotopes.iter().any(|&isotope| isotope > 0).then_some(isotopes);
    if let Some(line) = lines.find(|line| !line.is_blank()) {
        reading.note(
            LEFT_OUT,
            "what follows the positions (velocities, predictor) is not read",
            Place::line(line),
        );
    }
    Ok(out)
}

fn next<'t>(lines: &mut Lines<'t>, reading: &Reading, what: &str) -> std::result::Result<Line<'t>, Refusal> {
    lines.next().ok_or_else(|| {
        reading.refuse(
            SHORT,
            format!("the text ends where {what} should be"),
            Place::after(lines),
            "a POSCAR has comment, scale, three cell vectors, species, counts, Direct or Cartesian, and positions",
        )
    })
}

fn starts_with(line: Line<'_>, letters: &[u8]) -> bool {
    line.text
        .trim_start()
        .bytes()
        .next()
        .is_some_and(|byte| letters.contains(&byte))
}

/// Factors of x, y and z: one positive number, the negative volume of the cell, or three positive numbers.
fn scale(line: Line<'_>, rows: &Mat3, reading: &Reading) -> std::result::Result<[f64; 3], Refusal> {
    let numbers: Vec<f64> = line.words().map_while(|word| crate::lines::number(word.text)).collect();
    let bad = |message: &str| {
        reading.refuse(
            SCALE,
            message,
            Place::line(line),
            "the second line of a POSCAR is a factor, minus the volume in cubic angstrom, or three factors",
        )
    };
    match numbers[..] {
        [one] if one > 0.0 => Ok([one; 3]),
        [one] if one < 0.0 => {
            let volume = det(rows).abs();
            if volume > 0.0 {
                Ok([(-one / volume).cbrt(); 3])
            } else {
                Err(bad("the cell vectors below span no volume"))
            }
        }
        [x, y, z, ..] if x > 0.0 && y > 0.0 && z > 0.0 => Ok([x, y, z]),
        _ => Err(bad("this is no scale")),
    }
}

/// Words of a line up to a comment.
fn plain_words(line: Line<'_>) -> impl Iterator<Item = Word<'_>> {
    line.words().take_while(|word| !word.text.starts_with(['#', '!']))
}

/// The counts of a line, where all its words are whole numbers.
fn counts(line: Line<'_>) -> Option<Vec<usize>> {
    let counts: Option<Vec<usize>> = plain_words(line)
        .map(|word| {
            let digits = word.text.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| word.text.parse().unwrap_or(usize::MAX))
        })
        .collect();
    counts.filter(|counts| !counts.is_empty())
}

/// Number and isotope of a symbol as VASP writes it: `Fe`, `Fe_pv`, `Fe/a1b2c3`.
fn element(text: &str) -> Option<(u8, u16)> {
    let symbol = text.split(['_', '/']).next().unwrap_or(text);
    let isotope = match symbol {
        "D" => 2,
        "T" => 3,
        _ => 0,
    };
    elements::number(symbol).map(|number| (number, isotope))
}

fn species(
    line: Line<'_>,
    reading: &mut Reading,
    options: &TextOptions,
) -> std::result::Result<Vec<(u8, u16)>, Refusal> {
    let mut named = Vec::new();
    for word in plain_words(line) {
        let place = Place::word(line, word);
        match element(word.text) {
            Some((number, isotope)) if number > 0 => {
                let symbol = word.text.split(['_', '/']).next().unwrap_or_default();
                if isotope == 0 && elements::symbol(number) != Some(symbol) {
                    reading.repair(SPECIES, "a symbol in other letter case was read as the element", place)?;
                }
                named.push((number, isotope));
            }
            _ if options.keep_unknown => {
                reading.note(SPECIES, "this names no element; X was taken", place);
                named.push((0, 0));
            }
            _ => {
                return Err(reading.refuse(
                    SPECIES,
                    "this names no element",
                    place,
                    "line 6 of a POSCAR lists the species; unknown_element=\"X\" keeps such atoms as X, number 0",
                ));
            }
        }
    }
    if named.is_empty() {
        return Err(reading.refuse(SPECIES, "there are no species", Place::line(line), ""));
    }
    Ok(named)
}

/// Species of a VASP 4 file, whose comment names them by custom.
fn named_in_comment(
    comment: Line<'_>,
    counted: Line<'_>,
    reading: &mut Reading,
    options: &TextOptions,
) -> std::result::Result<Vec<(u8, u16)>, Refusal> {
    let wanted = counts(counted).map_or(0, |counts| counts.len());
    let words: Vec<Word<'_>> = plain_words(comment).collect();
    let all = words
        .iter()
        .all(|word| element(word.text).is_some_and(|(number, _)| number > 0));
    if words.len() != wanted || !all {
        return Err(reading.refuse(
            SPECIES,
            "there is no line of species before these counts (VASP 4), and the comment does not name them",
            Place::line(counted),
            "add a line such as \"Na Cl\" above the counts",
        ));
    }
    species(comment, reading, options)
}

/// Behind a position stand flags of selective dynamics and perhaps a symbol: another element is a contradiction.
fn check_end(line: Line<'_>, number: u8, reading: &mut Reading) -> std::result::Result<(), Refusal> {
    for word in line.words().skip(3) {
        if word.text.starts_with(['#', '!']) {
            break;
        }
        if matches!(word.text, "T" | "F" | ".TRUE." | ".FALSE.") {
            continue;
        }
        if let Some(position) = elements::SYMBOLS[1..].iter().position(|&symbol| symbol == word.text)
            && position + 1 != usize::from(number)
        {
            let message = format!(
                "this position is named otherwise than in the line of species, which says {}",
                elements::symbol(number).unwrap_or("X")
            );
            reading.repair(SPECIES, message, Place::word(line, word))?;
        }
        break;
    }
    Ok(())
}

/// Write a POSCAR of VASP 5: fractional coordinates, rows in their order, one species per run of equal symbols.
///
/// `digits` is the number of significant digits; 17 is exact.
///
/// # Errors
/// [`WriteError`] where the crystal has partial occupancies, mixed sites, unknown elements, or isotopes other than
/// D and T.
pub fn write_poscar(structure: &Structure, digits: usize) -> std::result::Result<String, Box<WriteError>> {
    use std::fmt::Write as _;
    let refuse = |field, row: usize, value: String, message: &str| {
        Box::new(WriteError {
            message: format!("row {row}: {message}"),
            format: "poscar",
            field,
            crystal: None,
            row: Some(row),
            value: Some(value),
        })
    };
    let mut runs: Vec<(&str, usize)> = Vec::new();
    let mut owners = std::collections::HashSet::new();
    for row in 0..structure.len() {
        let occupancy = structure.occupancy(row);
        if (occupancy - 1.0).abs() > 1e-9 {
            let message = format!(
                "a POSCAR has no place for the occupancy {occupancy}; write CIF, extxyz or Parquet, or an ordered cell"
            );
            return Err(refuse("occupancies", row, occupancy.to_string(), &message));
        }
        if structure.site.as_ref().is_some_and(|site| !owners.insert(site[row])) {
            let message = "a POSCAR has no place for a site with several atoms; write CIF, extxyz or Parquet";
            return Err(refuse("site", row, String::new(), message));
        }
        let symbol = structure.symbol(row).filter(|&symbol| symbol != "X").ok_or_else(|| {
            let (field, value) = match structure.isotope(row) {
                0 => ("numbers", structure.numbers[row].to_string()),
                isotope => ("isotopes", isotope.to_string()),
            };
            let message =
                format!("a POSCAR names elements, D and T only, not {field} = {value}; write extxyz or Parquet");
            refuse(field, row, value, &message)
        })?;
        match runs.last_mut() {
            Some((last, count)) if *last == symbol => *count += 1,
            _ => runs.push((symbol, 1)),
        }
    }
    if structure.is_empty() {
        return Err(Box::new(WriteError {
            message: "a POSCAR holds one atom or more, this crystal has none".into(),
            format: "poscar",
            field: "numbers",
            crystal: None,
            row: None,
            value: None,
        }));
    }
    let mut out = String::new();
    let title: String = structure
        .title
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let _ = writeln!(out, "{}\n1.0", title.trim());
    for row in structure.lattice {
        let _ = writeln!(out, "  {}", crate::format::triple(row, digits));
    }
    let join = |words: Vec<String>| words.join(" ");
    let _ = writeln!(out, "{}", join(runs.iter().map(|run| run.0.to_owned()).collect()));
    let _ = writeln!(
        out,
        "{}\nDirect",
        join(runs.iter().map(|run| run.1.to_string()).collect())
    );
    for &x in &structure.frac {
        let _ = writeln!(out, "  {}", crate::format::triple(x, digits));
    }
    Ok(out)
}
