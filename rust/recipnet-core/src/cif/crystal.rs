//! From a document to a crystal: choose the block, read, expand, check.

use std::sync::Arc;

use super::atoms::{self, Atoms, FRACT_TAGS, Row};
use super::cell::{self, Cell, wrap};
use super::declared::{self, DeclaredSymmetry};
use super::document::{BlockView, Column, Document, NONE};
use super::expand::{Images, images};
use super::group::Group;
use super::nearby::Neighborhood;
use super::options::CifOptions;
use super::report::{Fault, Report, code};
use super::strings::Strings;
use super::tags;
use crate::error::Warning;
use crate::symmetry::Operation;

/// Two fully occupied rows closer than this are a doubt, angstrom.
const CLOSE: f64 = 0.3;
/// More atoms at one place than any disorder asks for; beyond it looking at pairs would take too long.
const CROWD: usize = 1000;
/// Images of one row closer than this, yet not merged, are a doubt, angstrom.
const SPLIT: f64 = 0.5;
/// Occupancy from which a row counts as full.
const FULL: f64 = 0.99;

/// A crystal with everything that the file says about it. Arrays have one entry per atom of the cell.
#[derive(Debug, Clone, Default, PartialEq)]
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
    pub labels: Strings,
    /// Isotropic displacement U in angstrom^2, NaN for rows without one; None where no row has one.
    pub u_iso: Option<Vec<f64>>,
    /// U11 U22 U33 U23 U13 U12 in angstrom^2 in the file's convention, NaN for rows without them; None where no row has them.
    pub u_aniso: Option<Vec<[f64; 6]>>,
    /// Disorder assembly and group, empty where a row belongs to none; None where no row belongs to one.
    pub disorder: Option<[Strings; 2]>,
    /// What the file declares about its symmetry.
    pub symmetry: Arc<DeclaredSymmetry>,
    /// Repairs and doubts.
    pub warnings: Vec<Warning>,
}

/// What building a crystal needs for a while; kept from one crystal to the next.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    placed: Vec<Placed>,
    images: Images,
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
    if document.is_empty() {
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
    let more = if document.len() > 1 { found.count() } else { 0 };
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
    let score = |block: &BlockView<'_, 't>| {
        2 * u8::from(block.find(FRACT_TAGS[0]).is_some() || block.find(tags::CARTN_X).is_some())
            + u8::from(block.find(cell::TAGS[0]).is_some())
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
    let fault = if block.find(FRACT_TAGS[0]).is_none() && block.find(tags::CARTN_X).is_some() {
        let column = block.find(tags::CARTN_X);
        Fault::new(code::CARTESIAN, "the atoms have Cartesian coordinates only")
            .at(column.map_or(0, |column| column.at()))
            .tag(column.map_or(tags::CARTN_X.name(), |column| column.tag()))
            .hint("fractional coordinates (_atom_site_fract_x, …) are needed")
    } else if cell::is_given(&block) {
        match block.find(FRACT_TAGS[0]) {
            Some(column) => Fault::new(code::NO_ATOMS, "no atom has numeric coordinates")
                .at(column.at())
                .tag(column.tag()),
            None => Fault::new(code::NO_ATOMS, "there are no atom sites with coordinates").tag(FRACT_TAGS[0].name()),
        }
    } else if block.find(cell::TAGS[0]).is_some() || block.find(FRACT_TAGS[0]).is_some() {
        match cell::read(&block, &CifOptions::default(), &mut Report::new(false)) {
            Err(fault) => fault,
            Ok(_) => Fault::new(code::NO_CELL, "there is no complete cell").tag(cell::TAGS[0].name()),
        }
    } else {
        let fault =
            Fault::new(code::NO_ATOMS, "there is neither a cell nor atoms: no structure").tag(cell::TAGS[0].name());
        match block.first_of(&[tags::POINTED_CELL_A, tags::POINTED_X, tags::POINTED_CARTN_X]) {
            Some(column) => fault
                .at(column.at())
                .hint("names with points (mmCIF, DDLm) are not read; write _cell_length_a and so on"),
            None => fault,
        }
    };
    (fault, name)
}

/// One expanded row of the file: where its atoms are in the arrays.
#[derive(Debug, Clone, Copy)]
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

/// Build the crystal of a block in place of `out`.
pub(super) fn build(
    block: &BlockView<'_, '_>,
    options: &CifOptions,
    report: &mut Report,
    space: &mut Workspace,
    out: &mut CifCrystal,
) -> Result<(), Fault> {
    let cell = cell::read(block, options, report)?;
    let symmetry = declared::read(block, &cell, report)?;
    let atoms = atoms::read(block, options, report)?;
    out.reset();
    out.block.push_str(block.name());
    out.lattice = cell.vectors;
    out.symmetry = symmetry.declared;
    place(&atoms, &symmetry.group, &cell, options, report, space, out)?;
    share_sites(&atoms.rows, &space.placed, &cell, options, report, out)?;
    super::checks::contents(block, &cell, out, report);
    Ok(())
}

impl CifCrystal {
    /// Empty again, with the memory kept.
    fn reset(&mut self) {
        self.block.clear();
        self.numbers.clear();
        self.frac.clear();
        self.occupancies.clear();
        self.labels.clear();
        self.warnings.clear();
        self.site = None;
        self.charges = None;
        self.isotopes = None;
        self.u_iso = None;
        self.u_aniso = None;
        self.disorder = None;
    }
}

/// Expand every row and fill the arrays that follow from the row alone.
fn place(
    atoms: &Atoms<'_, '_>,
    group: &Group,
    cell: &Cell,
    options: &CifOptions,
    report: &mut Report,
    space: &mut Workspace,
    out: &mut CifCrystal,
) -> Result<(), Fault> {
    let rigid = group.is_rigid(cell);
    let found = &mut space.images;
    let size = atoms.rows.len().min(options.max_sites);
    out.numbers.reserve(size);
    out.frac.reserve(size);
    out.occupancies.reserve(size);
    space.placed.clear();
    // With the identity alone there is nothing to expand, merge or doubt, unless the file declares otherwise.
    let alone = group.operations().len() == 1;
    let differs = |declared: f64| (declared - 1.0).abs() > 0.5;
    for row in &atoms.rows {
        if alone && !differs(row.multiplicity) && !differs(row.order) {
            space.placed.push(Placed {
                start: out.frac.len(),
                count: 1,
            });
            out.frac.push(row.frac.map(wrap));
            out.numbers.push(row.number);
            out.occupancies.push(row.occupancy);
            out.labels.push(row.label);
            continue;
        }
        images(row.frac, group, rigid, cell, options.merge_tol, found);
        let count = found.positions.len();
        if out.frac.len() + count > options.max_sites {
            return Err(Fault::new(
                code::LIMIT,
                format!("the cell holds more than {} atoms", options.max_sites),
            )
            .at(row.at)
            .hint("the limit is the option max_sites"));
        }
        doubt(row, found, group, cell, options, report);
        space.placed.push(Placed {
            start: out.frac.len(),
            count,
        });
        if count == 1 {
            out.frac.push(found.positions[0]);
            out.numbers.push(row.number);
            out.occupancies.push(row.occupancy);
            out.labels.push(row.label);
            continue;
        }
        out.frac.extend_from_slice(&found.positions);
        out.numbers.extend(std::iter::repeat_n(row.number, count));
        out.occupancies.extend(std::iter::repeat_n(row.occupancy, count));
        for _ in 0..count {
            out.labels.push(row.label);
        }
        if row.tensor != NONE {
            let tensor = atoms.tensors[row.tensor as usize];
            let start = out.frac.len() - count;
            let all = out.u_aniso.get_or_insert_with(Vec::new);
            all.resize(start, [f64::NAN; 6]);
            all.extend(
                found
                    .operations
                    .iter()
                    .map(|&index| rotated(tensor, &group.operations().as_slice()[index as usize].rotation, cell)),
            );
        }
    }
    let rows = || atoms.rows.iter().zip(&space.placed);
    if rows().any(|(row, _)| row.tensor != NONE) {
        let all = out.u_aniso.get_or_insert_with(Vec::new);
        all.resize(out.frac.len(), [f64::NAN; 6]);
        for (row, place) in rows() {
            if row.tensor != NONE && place.count == 1 {
                all[place.start] = atoms.tensors[row.tensor as usize];
            }
        }
    }
    let column = |value: &dyn Fn(&Row<'_>) -> f64| -> Option<Vec<f64>> {
        rows().any(|(row, _)| !value(row).is_nan()).then(|| {
            let mut all = Vec::with_capacity(out.frac.len());
            for (row, place) in rows() {
                all.extend(std::iter::repeat_n(value(row), place.count));
            }
            all
        })
    };
    out.charges = column(&|row| row.charge);
    out.u_iso = column(&|row| {
        if row.u_iso.is_nan() && row.tensor != NONE {
            equivalent(atoms.tensors[row.tensor as usize], cell)
        } else {
            row.u_iso
        }
    });
    if rows().any(|(row, _)| row.isotope != 0) {
        let all = rows().flat_map(|(row, place)| std::iter::repeat_n(row.isotope, place.count));
        out.isotopes = Some(all.collect());
    }
    disorder(atoms, &space.placed, out);
    Ok(())
}

/// What a column says about a row, where it says anything.
fn said<'t>(column: Option<&Column<'_, 't>>, row: u32) -> Option<&'t str> {
    let value = column?.get(row as usize);
    (!value.is_absent()).then_some(value.text)
}

/// Keep disorder assemblies and groups as data: they never drop an atom.
fn disorder(atoms: &Atoms<'_, '_>, placed: &[Placed], out: &mut CifCrystal) {
    let any = atoms.disorder.iter().flatten().next().is_some()
        && atoms.rows.iter().any(|row| {
            atoms
                .disorder
                .iter()
                .any(|column| said(column.as_ref(), row.place).is_some())
        });
    if !any {
        return;
    }
    out.disorder = Some([0, 1].map(|which| {
        let mut all = Strings::default();
        for (row, place) in atoms.rows.iter().zip(placed) {
            let text = said(atoms.disorder[which].as_ref(), row.place).unwrap_or("");
            let text = atoms::shortened(text);
            for _ in 0..place.count {
                all.push(text);
            }
        }
        all
    }));
}

/// Warn of images that are close but not one atom, and of a declared multiplicity or order that differs.
fn doubt(row: &Row<'_>, found: &Images, group: &Group, cell: &Cell, options: &CifOptions, report: &mut Report) {
    let fault = |code, message: String| {
        Fault::new(code, message)
            .at(row.at)
            .tag(FRACT_TAGS[0].name())
            .value(row.label)
    };
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
    let count = found.positions.len();
    if (row.multiplicity - count as f64).abs() > 0.5 {
        report.note(fault(
            code::MULTIPLICITY,
            format!(
                "{} has {count} image(s) in the cell, the file declares {}",
                row.label, row.multiplicity
            ),
        ));
    }
    let order = group.operations().len() as f64 / count as f64;
    if (row.order - order).abs() > 0.5 {
        report.note(fault(
            code::MULTIPLICITY,
            format!(
                "{order} operation(s) keep {} in its place, the file declares {}",
                row.label, row.order
            ),
        ));
    }
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
    let mut shared: Vec<bool> = Vec::new();
    for (index, (row, place)) in rows.iter().zip(placed).enumerate() {
        search.near(
            out.frac[place.start],
            CLOSE.max(options.merge_tol),
            place.start,
            &mut found,
        );
        if found.len() > CROWD {
            return Err(Fault::new(
                code::LIMIT,
                format!("more than {CROWD} atoms lie within {CLOSE} angstrom of one place"),
            )
            .at(row.at)
            .tag(FRACT_TAGS[0].name())
            .value(row.label));
        }
        let mut told = row.occupancy < FULL;
        for &(atom, square) in &found {
            if square <= options.merge_tol * options.merge_tol {
                shared.resize(rows.len(), false);
                shared[index] = true;
            }
            let other = &rows[row_of(atom)];
            if !told && other.occupancy >= FULL && square < CLOSE * CLOSE {
                // The first of them says enough about this row.
                told = true;
                report.repair(
                    Fault::new(
                        code::CLOSE,
                        format!(
                            "{} and {} are both full and {:.3} angstrom apart",
                            other.label,
                            row.label,
                            square.sqrt()
                        ),
                    )
                    .at(row.at)
                    .tag(FRACT_TAGS[0].name())
                    .value(row.label),
                )?;
            }
        }
    }
    if shared.is_empty() {
        return Ok(());
    }
    let mut site: Vec<i32> = Vec::with_capacity(out.frac.len());
    let mut next = 0;
    for (index, place) in placed.iter().enumerate() {
        for atom in place.start..place.start + place.count {
            let mut partner = None;
            if shared[index] {
                search.near(out.frac[atom], options.merge_tol, place.start, &mut found);
                partner = found.first().map(|entry| entry.0 as usize);
            }
            site.push(partner.map_or(next, |other| site[other]));
            next += i32::from(partner.is_none());
        }
    }
    out.site = Some(site);
    Ok(())
}
