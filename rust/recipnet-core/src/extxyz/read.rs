//! From text to structure.

use super::comment::{self, Pair};
use crate::elements;
use crate::error::{Format, Result, Warning};
use crate::lattice::Lattice;
use crate::lines::{Code, Line, Lines, Place, Reading, Refusal, TextOptions, Word, number};
use crate::math::{dot, wrap};
use crate::structure::{Column, Structure};

const SHORT: Code = ("W-SHORT", "E-SHORT");
const COUNT: Code = ("W-COUNT", "E-COUNT");
const COMMENT: Code = ("W-COMMENT", "E-COMMENT");
const CELL: Code = ("W-CELL", "E-CELL");
const COLUMNS: Code = ("W-COLUMNS", "E-COLUMNS");
const SPECIES: Code = ("W-SPECIES", "E-SPECIES");
const OCCUPANCY: Code = ("W-OCCUPANCY", "E-OCCUPANCY");
const NUMBER: Code = ("W-NUMBER", "E-NUMBER");
const LEFT_OUT: Code = ("W-LEFT-OUT", "E-LEFT-OUT");
const SEVERAL: Code = ("W-SEVERAL", "E-SEVERAL");
const NO_BLOCK: Code = ("W-NO-BLOCK", "E-NO-BLOCK");
/// Values of one row beyond which a file is not believed.
const MAX_WIDTH: usize = 10_000;

type Read<T> = std::result::Result<T, Refusal>;

/// Read one frame of an extended XYZ text; where there are several and none was chosen, the first, with a warning.
///
/// Columns that crystals have no place for are kept if they are numbers; text columns are left out with a warning.
///
/// # Errors
/// [`ReadError`](crate::error::ReadError) with line, column and value; a frame without `Lattice`, or not periodic in
/// three directions, is no crystal.
///
/// ```
/// use recipnet_core::{extxyz::read_extxyz, lines::TextOptions};
/// let text = "1\nLattice=\"3 0 0 0 3 0 0 0 3\" Properties=species:S:1:pos:R:3\nPo 1.5 0 0\n";
/// let (crystal, _) = read_extxyz(text.as_bytes(), &TextOptions::default())?;
/// assert_eq!((crystal.numbers[0], crystal.frac[0]), (84, [0.5, 0.0, 0.0]));
/// # Ok::<(), recipnet_core::error::Error>(())
/// ```
pub fn read_extxyz(bytes: &[u8], options: &TextOptions) -> Result<(Structure, Vec<Warning>)> {
    let mut reading = Reading::new(Format::Extxyz, options.strict);
    let structure = frames(bytes, options, &mut reading)?;
    Ok((structure, reading.warnings))
}

fn frames(bytes: &[u8], options: &TextOptions, reading: &mut Reading) -> Read<Structure> {
    let text = reading.decode(bytes, options.max_bytes)?;
    let mut lines = Lines::new(&text);
    let mut seen = 0;
    let mut chosen = None;
    while let Some(line) = lines.find(|line| !line.is_blank()) {
        let total = match (count(line, reading), &chosen) {
            (Ok(total), _) => total,
            (Err(refusal), None) => return Err(refusal),
            (Err(_), Some(_)) => {
                reading.repair(
                    COUNT,
                    "text behind the frame is no frame and was left out",
                    Place::line(line),
                )?;
                break;
            }
        };
        if seen == options.index {
            if total > options.max_sites {
                let message = format!("{total} atoms, more than max_sites = {}", options.max_sites);
                let hint = "raise max_sites if that is meant";
                return Err(reading.refuse(("W-LIMIT", "E-LIMIT"), message, Place::line(line), hint));
            }
            chosen = Some(frame(total, &mut lines, options, reading)?);
        } else {
            // The comment and the rows of another frame.
            for _ in 0..=total {
                if lines.next().is_none() {
                    break;
                }
            }
        }
        seen += 1;
    }
    if options.index == 0 && seen > 1 {
        let message = format!("the text has {seen} frames; the first was taken; choose with index");
        reading.note(SEVERAL, message, Place::NONE);
    }
    chosen.ok_or_else(|| {
        if seen == 0 {
            return reading.refuse(
                SHORT,
                "the text is empty",
                Place::NONE,
                "an extended XYZ begins with a count",
            );
        }
        let message = format!("index {} is asked for, but the text has {seen} frame(s)", options.index);
        reading.refuse(NO_BLOCK, message, Place::NONE, "")
    })
}

fn count(line: Line<'_>, reading: &Reading) -> Read<usize> {
    let text = line.text.trim();
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
        .ok_or_else(|| {
            reading.refuse(
                COUNT,
                "the number of atoms is needed here",
                Place::line(line),
                "a frame has a count, a comment and so many rows",
            )
        })
}

/// What a column of the rows is for.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Role {
    Symbol,
    Number,
    Position,
    Occupancy,
    Site,
    Charge,
    Isotope,
    Label,
    UIso,
    UAniso,
    /// Kept as numbers in this place of `columns`.
    Other(usize),
    Skipped,
}

struct Field {
    role: Role,
    width: usize,
}

fn fields(text: &str, place: Place<'_>, out: &mut Structure, reading: &mut Reading) -> Read<Vec<Field>> {
    let hint = "Properties is name:type:width for each column, such as species:S:1:pos:R:3";
    let parts: Vec<&str> = text.split(':').collect();
    let mut found: Vec<Field> = Vec::new();
    let mut skipped = Vec::new();
    for part in parts.chunks(3) {
        let parsed = match part {
            [name, kind @ ("R" | "I" | "S" | "L"), width] => width
                .parse::<usize>()
                .ok()
                .filter(|width| (1..=MAX_WIDTH).contains(width))
                .map(|width| (*name, *kind, width)),
            _ => None,
        };
        let Some((name, kind, width)) = parsed else {
            let message = format!("Properties: \"{}\" is no column", crate::lines::shown(&part.join(":")));
            return Err(reading.refuse(COLUMNS, message, place, hint));
        };
        let numeric = matches!(kind, "R" | "I");
        let role = match (name, width) {
            ("species" | "element", 1) if kind == "S" => Role::Symbol,
            ("Z" | "numbers", 1) if numeric => Role::Number,
            ("pos", 3) if kind == "R" => Role::Position,
            ("occupancy", 1) if numeric => Role::Occupancy,
            ("site", 1) if kind == "I" => Role::Site,
            ("initial_charges", 1) if numeric => Role::Charge,
            ("isotopes", 1) if kind == "I" => Role::Isotope,
            ("labels", 1) if kind == "S" => Role::Label,
            ("u_iso", 1) if numeric => Role::UIso,
            ("u_aniso", 6) if numeric => Role::UAniso,
            _ if numeric => {
                out.columns.push(Column {
                    name: name.to_owned(),
                    width,
                    values: Vec::new(),
                });
                Role::Other(out.columns.len() - 1)
            }
            _ => {
                skipped.push(name);
                Role::Skipped
            }
        };
        let twice = !matches!(role, Role::Other(_) | Role::Skipped) && found.iter().any(|field| field.role == role);
        if twice {
            let message = format!("Properties: a second column for {name}");
            return Err(reading.refuse(COLUMNS, message, place, hint));
        }
        found.push(Field { role, width });
    }
    if !skipped.is_empty() {
        let message = format!(
            "columns that are no numbers are not kept: {}",
            crate::lines::shown(&skipped.join(", "))
        );
        reading.note(LEFT_OUT, message, place);
    }
    let has = |role: Role| found.iter().any(|field| field.role == role);
    if !has(Role::Position) || !(has(Role::Symbol) || has(Role::Number)) {
        let message = "Properties: columns species:S:1 (or Z:I:1) and pos:R:3 are needed";
        return Err(reading.refuse(COLUMNS, message, place, hint));
    }
    Ok(found)
}

/// The cell of a comment, which must be periodic in three directions.
fn cell(pairs: &[Pair], place: Place<'_>, options: &TextOptions, reading: &Reading) -> Read<Lattice> {
    let get = |name: &str| pairs.iter().find(|pair| pair.key.eq_ignore_ascii_case(name));
    let Some(lattice) = get("Lattice") else {
        return Err(reading.refuse(
            CELL,
            "the comment has no Lattice: this is a molecule, not a crystal",
            place,
            "a crystal needs Lattice=\"ax ay az bx by bz cx cy cz\" in the second line",
        ));
    };
    let words: Vec<&str> = lattice
        .value
        .split(|c: char| c.is_whitespace() || "[],".contains(c))
        .filter(|word| !word.is_empty())
        .collect();
    let numbers: Vec<f64> = words.iter().map_while(|word| number(word)).collect();
    let [ax, ay, az, bx, by, bz, cx, cy, cz] = numbers[..] else {
        let message = format!(
            "Lattice: nine numbers are needed, the rows a, b, c; these are {}",
            words.len()
        );
        return Err(reading.refuse(CELL, message, place, ""));
    };
    if let Some(pbc) = get("pbc") {
        let truth = |word: &str| matches!(word.to_ascii_lowercase().as_str(), "t" | "true" | "1");
        let words: Vec<&str> = pbc
            .value
            .split(|c: char| c.is_whitespace() || c == ',')
            .filter(|word| !word.is_empty())
            .collect();
        if words.len() != 3 || !words.iter().all(|word| truth(word)) {
            let message = format!(
                "pbc is \"{}\": a crystal is periodic in three directions",
                crate::lines::shown(&pbc.value)
            );
            return Err(reading.refuse(CELL, message, place, "write pbc=\"T T T\" if that is meant"));
        }
    }
    reading.cell([[ax, ay, az], [bx, by, bz], [cx, cy, cz]], options, place)
}

fn frame(total: usize, lines: &mut Lines<'_>, options: &TextOptions, reading: &mut Reading) -> Read<Structure> {
    let Some(line) = lines.next() else {
        return Err(reading.refuse(SHORT, "the text ends before the comment", Place::after(lines), ""));
    };
    let place = Place::line(line);
    let pairs = comment::parse(line.text).map_err(|at| {
        let column = line.text[..at].chars().count() + 1;
        let message = format!("the comment is no list of key=value pairs from column {column} on");
        reading.refuse(COMMENT, message, place, "a quote or bracket may be missing its end")
    })?;
    let cell = cell(&pairs, place, options, reading)?;
    let mut out = Structure {
        lattice: *cell.rows(),
        ..Structure::default()
    };
    let properties = pairs.iter().find(|pair| pair.key.eq_ignore_ascii_case("Properties"));
    let layout = properties.map_or("species:S:1:pos:R:3", |pair| &pair.value);
    let fields = fields(layout, place, &mut out, reading)?;
    let known = ["lattice", "properties", "pbc"];
    out.info = pairs
        .iter()
        .filter(|pair| !known.contains(&pair.key.to_ascii_lowercase().as_str()))
        .map(|pair| (pair.key.clone(), pair.value.clone(), pair.quoted))
        .collect();
    let mut rows = Rows::default();
    for _ in 0..total {
        let Some(line) = lines.next() else {
            let message = format!("the text ends after {} of {total} rows", out.len());
            return Err(reading.refuse(SHORT, message, Place::after(lines), ""));
        };
        rows.take(line, &fields, &cell, options, reading, &mut out)?;
    }
    rows.into_structure(&fields, &mut out);
    Ok(out)
}

/// Columns while they are read.
#[derive(Default)]
struct Rows {
    occupancies: Vec<f64>,
    site: Vec<i32>,
    charges: Vec<f64>,
    isotopes: Vec<u16>,
    labels: Vec<String>,
    u_iso: Vec<f64>,
    u_aniso: Vec<[f64; 6]>,
}

impl Rows {
    fn take(
        &mut self,
        line: Line<'_>,
        fields: &[Field],
        cell: &Lattice,
        options: &TextOptions,
        reading: &mut Reading,
        out: &mut Structure,
    ) -> Read<()> {
        let mut words = line.words();
        let (mut by_symbol, mut by_number) = (None, None);
        let mut isotope = 0;
        for field in fields {
            let mut values = [0.0; 6];
            for place in 0..field.width {
                let Some(word) = words.next() else {
                    let needed: usize = fields.iter().map(|field| field.width).sum();
                    let message = format!("a row needs {needed} values, as Properties says");
                    return Err(reading.refuse(COLUMNS, message, Place::line(line), ""));
                };
                match field.role {
                    Role::Symbol => by_symbol = Some(symbol(line, word, options, reading)?),
                    Role::Label => self
                        .labels
                        .push(if word.text == "." { "" } else { word.text }.to_owned()),
                    Role::Skipped => {}
                    Role::Charge | Role::UIso | Role::UAniso => values[place] = or_nan(line, word, reading)?,
                    Role::Other(column) => out.columns[column].values.push(or_nan(line, word, reading)?),
                    _ => values[place] = reading.number(line, word, "a value of this row")?,
                }
            }
            let whole = |most: f64, what: &str| {
                let [value, ..] = values;
                if value >= 0.0 && value <= most && value.fract() == 0.0 {
                    Ok(value)
                } else {
                    let message = format!("{what} is a whole number from 0 to {most}, this row has {value}");
                    Err(reading.refuse(NUMBER, message, Place::line(line), ""))
                }
            };
            match field.role {
                Role::Number => by_number = Some(whole(f64::from(elements::MAX_NUMBER), "an atomic number")? as u8),
                Role::Position => {
                    let position = [values[0], values[1], values[2]];
                    let x = cell.reciprocal().map(|row| dot(position, row));
                    if x.iter().any(|value| value.abs() > crate::crystal::MAX_COORDINATE) {
                        let message = "a position is beyond a million cells";
                        return Err(reading.refuse(NUMBER, message, Place::line(line), ""));
                    }
                    out.frac.push(x.map(wrap));
                }
                Role::Occupancy => {
                    if values[0] < 0.0 {
                        let message = "an occupancy is negative";
                        return Err(reading.refuse(OCCUPANCY, message, Place::line(line), ""));
                    }
                    if values[0] > 1.0 + 1e-9 {
                        reading.repair(OCCUPANCY, "an occupancy above 1 was kept", Place::line(line))?;
                    }
                    self.occupancies.push(values[0]);
                }
                Role::Site => self.site.push(whole(f64::from(i32::MAX), "a site")? as i32),
                Role::Isotope => isotope = whole(400.0, "a mass number")? as u16,
                Role::Charge => self.charges.push(values[0]),
                Role::UIso => self.u_iso.push(values[0]),
                Role::UAniso => self.u_aniso.push(values),
                Role::Symbol | Role::Label | Role::Other(_) | Role::Skipped => {}
            }
        }
        if let Some(word) = words.next() {
            let message = "more values than Properties says";
            return Err(reading.refuse(COLUMNS, message, Place::word(line, word), ""));
        }
        let (named, mass) = by_symbol.unwrap_or((by_number.unwrap_or(0), 0));
        if let Some(number) = by_number
            && number != named
        {
            let message = "species and atomic number of this row contradict each other";
            return Err(reading.refuse(SPECIES, message, Place::line(line), ""));
        }
        out.numbers.push(named);
        self.isotopes.push(if isotope > 0 { isotope } else { mass });
        Ok(())
    }

    fn into_structure(self, fields: &[Field], out: &mut Structure) {
        let has = |role: Role| fields.iter().any(|field| field.role == role);
        out.occupancies = has(Role::Occupancy).then_some(self.occupancies);
        out.site = has(Role::Site).then_some(self.site);
        out.charges = has(Role::Charge).then_some(self.charges);
        out.isotopes = self.isotopes.iter().any(|&mass| mass > 0).then_some(self.isotopes);
        out.labels = has(Role::Label).then_some(self.labels);
        out.u_iso = has(Role::UIso).then_some(self.u_iso);
        out.u_aniso = has(Role::UAniso).then_some(self.u_aniso);
    }
}

/// A number, or NaN where the file says `nan`: unknown.
fn or_nan(line: Line<'_>, word: Word<'_>, reading: &Reading) -> Read<f64> {
    if word.text.eq_ignore_ascii_case("nan") {
        return Ok(f64::NAN);
    }
    reading.number(line, word, "a value of this row")
}

/// Atomic number and isotope of a species; a number is taken for the atomic number.
fn symbol(line: Line<'_>, word: Word<'_>, options: &TextOptions, reading: &mut Reading) -> Read<(u8, u16)> {
    match word.text {
        "D" => return Ok((1, 2)),
        "T" => return Ok((1, 3)),
        _ => {}
    }
    let place = Place::word(line, word);
    if let Some(number) = elements::number(word.text).filter(|&number| number > 0) {
        if elements::symbol(number) != Some(word.text) {
            reading.repair(SPECIES, "a symbol in other letter case was read as the element", place)?;
        }
        return Ok((number, 0));
    }
    if options.keep_unknown {
        if word.text != "X" {
            reading.note(SPECIES, "this names no element; X was taken", place);
        }
        return Ok((0, 0));
    }
    Err(reading.refuse(
        SPECIES,
        "this names no element",
        place,
        "unknown_element=\"X\" keeps such atoms as X, number 0",
    ))
}
