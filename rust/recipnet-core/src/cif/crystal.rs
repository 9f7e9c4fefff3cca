//! From a document to a crystal: choose the block, read, expand, check.

use super::atoms::{self, FRACT_TAGS, Row};
use super::cell::{self, Cell};
use super::declared::{self, DeclaredSymmetry};
use super::document::{BlockView, Document};
use super::expand::{Neighborhood, images};
use super::options::CifOptions;
use super::report::{Fault, Report, code};
use crate::error::Warning;
use crate::symmetry::{Operation, Operations};

/// Two fully occupied rows closer than this are a doubt, angstrom.
const CLOSE: f64 = 0.3;
/// Images of one row closer than this, yet not merged, are a doubt, angstrom.
const SPLIT: f64 = 0.5;
/// Occupancy from which a row counts as full.
const FULL: f64 = 0.99;

/// A crystal with everything that the file says about it. Arrays have one entry per atom of the cell.
#[derive(Debug, Clone, PartialEq)]
pub struct CifCrystal {
    /// Name of the data block.
    pub block: String,
    /// Rows a, b, c in angstrom: c along z, a in the xz plane.
    pub lattice: [[f64; 3]; 3],
    /// Atomic numbers, 0 = X.
    pub numbers: Vec<u8>,
    /// Fractional coordinates in [0, 1).
    pub frac: Vec<[f64; 3]>,
    /// Occupancies.
    pub occupancies: Vec<f64>,
    /// Equal for rows at one point; None where no two rows share a point.
    pub site: Option<Vec<i32>>,
    /// Charges, NaN where the file states none; None where it states none at all.
    pub charges: Option<Vec<f64>>,
    /// Mass numbers, 0 = natural; None where all are natural.
    pub isotopes: Option<Vec<u16>>,
    /// Labels of the file.
    pub labels: Vec<String>,
    /// Isotropic displacement U in angstrom^2, NaN for rows without one; None where no row has one.
    pub u_iso: Option<Vec<f64>>,
    /// U11 U22 U33 U23 U13 U12 in angstrom^2 in the file's convention, NaN for rows without them; None where no row has them.
    pub u_aniso: Option<Vec<[f64; 6]>>,
    /// What the file declares about its symmetry.
    pub symmetry: DeclaredSymmetry,
    /// Repairs and doubts.
    pub warnings: Vec<Warning>,
}

/// Whether a block holds a structure.
fn is_structure(block: &BlockView<'_, '_>) -> bool {
    cell::is_given(block) && atoms::has_coordinates(block)
}

/// The block that the options ask for; where there is none, the fault says why.
pub(super) fn choose<'d, 't>(
    document: &'d Document<'t>,
    options: &CifOptions,
    report: &mut Report,
) -> Result<BlockView<'d, 't>, (Fault, Option<&'t str>)> {
    if document.blocks().next().is_none() {
        return Err((
            Fault::new(code::NO_BLOCK, "the text has no data block").hint("is it a CIF?"),
            None,
        ));
    }
    if let Some(name) = &options.block {
        return document
            .blocks()
            .find(|block| block.name().eq_ignore_ascii_case(name))
            .ok_or_else(|| {
                let known: Vec<&str> = document.blocks().take(10).map(|block| block.name()).collect();
                let message = format!("no data block of this name; the first are {}", known.join(", "));
                (Fault::new(code::NO_BLOCK, message).value(name), None)
            });
    }
    let mut found = document.blocks().filter(is_structure);
    let Some(block) = found.by_ref().nth(options.index) else {
        let count = document.blocks().filter(is_structure).count();
        if count > 0 {
            let message = format!(
                "index {} is asked for, but the text has {count} structure(s)",
                options.index
            );
            return Err((Fault::new(code::NO_BLOCK, message), None));
        }
        return Err(why_none(document));
    };
    let more = found.count();
    if options.index == 0 && more > 0 {
        report.note(
            Fault::new(
                code::SEVERAL,
                format!("the text has {} structures; the first was taken", more + 1),
            )
            .hint("choose with index or block"),
        );
    }
    Ok(block)
}

/// Why no block holds a structure, told of the block that comes nearest.
fn why_none<'t>(document: &Document<'t>) -> (Fault, Option<&'t str>) {
    let cartesian = "_atom_site_cartn_x";
    let score = |block: &BlockView<'_, 't>| {
        2 * u8::from(block.column(FRACT_TAGS[0]).is_some() || block.column(cartesian).is_some())
            + u8::from(block.column(cell::TAGS[0]).is_some())
    };
    // The first of the best.
    let mut best: Option<BlockView<'_, 't>> = None;
    for block in document.blocks() {
        if best.as_ref().is_none_or(|known| score(&block) > score(known)) {
            best = Some(block);
        }
    }
    let Some(block) = best else {
        return (Fault::new(code::NO_BLOCK, "the text has no data block"), None);
    };
    let name = Some(block.name());
    let fault = if block.column(FRACT_TAGS[0]).is_none() && block.column(cartesian).is_some() {
        let column = block.column(cartesian);
        Fault::new(code::CARTESIAN, "the atoms have Cartesian coordinates only")
            .at(column.map_or(0, |column| column.at()))
            .tag(column.map_or(cartesian, |column| column.tag()))
            .hint("fractional coordinates (_atom_site_fract_x, …) are needed")
    } else if cell::is_given(&block) {
        match block.column(FRACT_TAGS[0]) {
            Some(column) => Fault::new(code::NO_ATOMS, "no atom has numeric coordinates")
                .at(column.at())
                .tag(column.tag()),
            None => Fault::new(code::NO_ATOMS, "there are no atom sites with coordinates").tag(FRACT_TAGS[0]),
        }
    } else if block.column(cell::TAGS[0]).is_some() || block.column(FRACT_TAGS[0]).is_some() {
        match cell::read(&block, &CifOptions::default(), &mut Report::new(false)) {
            Err(fault) => fault,
            Ok(_) => Fault::new(code::NO_CELL, "there is no complete cell").tag(cell::TAGS[0]),
        }
    } else {
        let fault = Fault::new(code::NO_ATOMS, "there is neither a cell nor atoms: no structure").tag(cell::TAGS[0]);
        let pointed = ["_cell.length_a", "_atom_site.fract_x", "_atom_site.cartn_x"];
        match block.first_of(&pointed) {
            Some(column) => fault
                .at(column.at())
                .hint("names with points (mmCIF, DDLm) are not read; write _cell_length_a and so on"),
            None => fault,
        }
    };
    (fault, name)
}

/// One expanded row of the file: where its atoms start in the arrays.
struct Placed {
    start: usize,
    count: usize,
}

/// U of an image, in the same convention: `U'_ij a*_i a*_j = W (U a* a*) W^T`.
fn rotated(tensor: [f64; 6], rotation: &[[i8; 3]; 3], cell: &Cell) -> [f64; 6] {
    const PLACES: [(usize, usize); 6] = [(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)];
    if *rotation == Operation::IDENTITY.rotation {
        return tensor;
    }
    let length: [f64; 3] = std::array::from_fn(|i| cell.reciprocal_metric[i][i].sqrt());
    let mut beta = [[0.0; 3]; 3];
    for (&(i, j), value) in PLACES.iter().zip(tensor) {
        beta[i][j] = value * length[i] * length[j];
        beta[j][i] = beta[i][j];
    }
    PLACES.map(|(i, j)| {
        let mut sum = 0.0;
        for k in 0..3 {
            for l in 0..3 {
                sum += f64::from(rotation[i][k]) * beta[k][l] * f64::from(rotation[j][l]);
            }
        }
        sum / (length[i] * length[j])
    })
}

/// The equivalent isotropic U: a third of the trace in Cartesian axes.
fn equivalent(tensor: [f64; 6], cell: &Cell) -> f64 {
    const PLACES: [(usize, usize, f64); 6] = [
        (0, 0, 1.0),
        (1, 1, 1.0),
        (2, 2, 1.0),
        (1, 2, 2.0),
        (0, 2, 2.0),
        (0, 1, 2.0),
    ];
    let v = &cell.vectors;
    let direct = |i: usize, j: usize| v[i][0] * v[j][0] + v[i][1] * v[j][1] + v[i][2] * v[j][2];
    let length: [f64; 3] = std::array::from_fn(|i| cell.reciprocal_metric[i][i].sqrt());
    PLACES
        .iter()
        .zip(tensor)
        .map(|(&(i, j, twice), u)| twice * u * length[i] * length[j] * direct(i, j))
        .sum::<f64>()
        / 3.0
}

/// Build the crystal of a block.
pub(super) fn build(block: &BlockView<'_, '_>, options: &CifOptions, report: &mut Report) -> Result<CifCrystal, Fault> {
    let cell = cell::read(block, options, report)?;
    let (symmetry, operations) = declared::read(block, &cell, report)?;
    let rows = atoms::read(block, options, report)?;
    let mut out = CifCrystal {
        block: block.name().to_owned(),
        lattice: cell.vectors,
        numbers: Vec::new(),
        frac: Vec::new(),
        occupancies: Vec::new(),
        site: None,
        charges: None,
        isotopes: None,
        labels: Vec::new(),
        u_iso: None,
        u_aniso: None,
        symmetry,
        warnings: Vec::new(),
    };
    let placed = place(&rows, &operations, &cell, options, report, &mut out)?;
    share_sites(&rows, &placed, &cell, options, report, &mut out)?;
    super::checks::contents(block, &cell, &out, report);
    Ok(out)
}

/// Expand every row and fill the arrays that follow from the row alone.
fn place(
    rows: &[Row<'_>],
    operations: &Operations,
    cell: &Cell,
    options: &CifOptions,
    report: &mut Report,
    out: &mut CifCrystal,
) -> Result<Vec<Placed>, Fault> {
    let charged = rows.iter().any(|row| row.charge.is_some());
    let labelled = rows.iter().any(|row| row.isotope != 0);
    let mut charges = Vec::new();
    let mut isotopes = Vec::new();
    let anisotropic = rows.iter().any(|row| row.u_aniso.is_some());
    let (mut u_iso, mut u_aniso) = (Vec::new(), Vec::new());
    let mut placed = Vec::with_capacity(rows.len());
    for row in rows {
        let found = images(row.frac, operations, cell, options.merge_tol);
        let count = found.positions.len();
        if out.frac.len() + count > options.max_sites {
            return Err(Fault::new(
                code::LIMIT,
                format!("the cell holds more than {} atoms", options.max_sites),
            )
            .at(row.at)
            .hint("the limit is the option max_sites"));
        }
        let fault = |code, message: String| Fault::new(code, message).at(row.at).tag(FRACT_TAGS[0]).value(row.label);
        let nearest = found.positions[1..]
            .iter()
            .filter_map(|&other| cell.within(found.positions[0], other, SPLIT))
            .fold(f64::INFINITY, f64::min);
        if nearest.is_finite() {
            report.note(fault(
                code::CLOSE,
                format!(
                    "images of {} are {:.3} angstrom apart: merged below {}, doubted below {SPLIT}",
                    row.label,
                    nearest.sqrt(),
                    options.merge_tol
                ),
            ));
        }
        if let Some(declared) = row.multiplicity
            && (declared - count as f64).abs() > 0.5
        {
            report.note(fault(
                code::MULTIPLICITY,
                format!(
                    "{} has {count} image(s) in the cell, the file declares {declared}",
                    row.label
                ),
            ));
        }
        placed.push(Placed {
            start: out.frac.len(),
            count,
        });
        out.frac.extend_from_slice(&found.positions);
        out.numbers.extend(std::iter::repeat_n(row.number, count));
        out.occupancies.extend(std::iter::repeat_n(row.occupancy, count));
        out.labels.extend(std::iter::repeat_n(row.label.to_owned(), count));
        if charged {
            charges.extend(std::iter::repeat_n(row.charge.unwrap_or(f64::NAN), count));
        }
        if labelled {
            isotopes.extend(std::iter::repeat_n(row.isotope, count));
        }
        let equivalent = row.u_iso.or_else(|| row.u_aniso.map(|tensor| equivalent(tensor, cell)));
        u_iso.extend(std::iter::repeat_n(equivalent.unwrap_or(f64::NAN), count));
        if anisotropic {
            u_aniso.extend(found.operations.iter().map(|&index| {
                row.u_aniso.map_or([f64::NAN; 6], |tensor| {
                    rotated(tensor, &operations.as_slice()[index].rotation, cell)
                })
            }));
        }
    }
    out.u_iso = u_iso.iter().any(|u| !u.is_nan()).then_some(u_iso);
    out.u_aniso = anisotropic.then_some(u_aniso);
    out.charges = charged.then_some(charges);
    out.isotopes = labelled.then_some(isotopes);
    Ok(placed)
}

/// Find rows at one point (mixed sites) and full rows that are too close.
fn share_sites(
    rows: &[Row<'_>],
    placed: &[Placed],
    cell: &Cell,
    options: &CifOptions,
    report: &mut Report,
    out: &mut CifCrystal,
) -> Result<(), Fault> {
    if rows.len() == 1 {
        return Ok(());
    }
    let search = Neighborhood::new(cell, &out.frac, CLOSE.max(options.merge_tol));
    let row_of = |atom: u32| placed.partition_point(|place| place.start <= atom as usize) - 1;
    let mut found = Vec::new();
    let mut shared = vec![false; rows.len()];
    for (index, (row, place)) in rows.iter().zip(placed).enumerate() {
        search.near(out.frac[place.start], CLOSE.max(options.merge_tol), &mut found);
        for &(atom, square) in &found {
            let other = row_of(atom);
            if other >= index {
                continue;
            }
            if square <= options.merge_tol * options.merge_tol {
                shared[index] = true;
            }
            if row.occupancy >= FULL && rows[other].occupancy >= FULL && square < CLOSE * CLOSE {
                report.repair(
                    Fault::new(
                        code::CLOSE,
                        format!(
                            "{} and {} are both full and {:.3} angstrom apart",
                            rows[other].label,
                            row.label,
                            square.sqrt()
                        ),
                    )
                    .at(row.at)
                    .tag(FRACT_TAGS[0])
                    .value(row.label),
                )?;
            }
        }
    }
    if !shared.contains(&true) {
        return Ok(());
    }
    let mut site: Vec<i32> = Vec::with_capacity(out.frac.len());
    let mut next = 0;
    for (index, place) in placed.iter().enumerate() {
        for atom in place.start..place.start + place.count {
            let mut partner = None;
            if shared[index] {
                search.near(out.frac[atom], options.merge_tol, &mut found);
                partner = found
                    .iter()
                    .map(|entry| entry.0 as usize)
                    .find(|&other| other < place.start);
            }
            site.push(partner.map_or(next, |other| site[other]));
            next += i32::from(partner.is_none());
        }
    }
    out.site = Some(site);
    Ok(())
}
