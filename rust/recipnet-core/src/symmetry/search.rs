//! The symmetry of structures, found by moyo within a tolerance, many at once.

use std::collections::BTreeMap;

use moyo::MoyoDataset;
use moyo::base::{AngleTolerance, Cell, Lattice as Basis, Position};
use moyo::data::Setting as Table;

use super::guard;
use super::space_group::Preference;
use crate::error::{ArgumentError, CrystalError, Error, LimitError, Result, SymmetryError};
use crate::lattice::Lattice;
use crate::math::{Mat3, Vec3, norm, row_times, sub, wrap};
use crate::parallel::{try_map, workers};

/// Occupancies that differ by less than this are the same.
const OCCUPANCY_STEP: f64 = 1e-6;
/// What a search of some ten atoms takes, for the choice of threads.
const NANOS_PER_CRYSTAL: f64 = 100_000.0;

/// Rows of one crystal, of one length each.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// Its cell.
    pub lattice: &'a Lattice,
    /// Atomic numbers.
    pub numbers: &'a [u8],
    /// Occupancies.
    pub occupancies: &'a [f64],
    /// Fractional coordinates.
    pub frac_coords: &'a [Vec3],
    /// Rows with one value share a site; None where each has its own.
    pub site: Option<&'a [i32]>,
}

/// What to search for, and how closely.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SearchOptions {
    /// Largest distance, in angstrom, between an atom and the image of another.
    pub symprec: f64,
    /// Setting of the standard cell.
    pub preference: Preference,
    /// More sites of the rarest kind in one crystal are refused: the time grows with their number squared.
    pub max_sites: usize,
}

/// A cell that a search gives, with the rows of the crystal that its rows come from.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundCell {
    /// Rows a, b, c in angstrom.
    pub lattice: Mat3,
    /// Fractional coordinates in [0, 1).
    pub frac_coords: Vec<Vec3>,
    /// Row of the given crystal with the same species.
    pub source: Vec<i64>,
    /// Site numbers.
    pub site: Vec<i32>,
    /// P of `(a' b' c') = (a b c) P`, before the lattice is made to obey the symmetry exactly.
    pub matrix: Mat3,
    /// p of `x' = P^-1 (x - p)`, before the coordinates are.
    pub shift: Vec3,
}

/// The symmetry of one crystal.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundSymmetry {
    /// Number of the type, 1 to 230.
    pub number: u8,
    /// Setting of the standard cell, 1 to 530.
    pub hall_number: u16,
    /// Rotations in the given cell.
    pub rotations: Vec<[[i32; 3]; 3]>,
    /// Translations in the given cell, in [0, 1).
    pub translations: Vec<Vec3>,
    /// First row equivalent to each row.
    pub equivalent: Vec<i64>,
    /// Sites of each row's orbit in the standard cell.
    pub multiplicity: Vec<i32>,
    /// Wyckoff letter of each row.
    pub wyckoffs: String,
    /// Site symmetry of each row, oriented as in the standard cell.
    pub site_symmetry: Vec<String>,
    /// Pearson symbol; a mixed site counts once.
    pub pearson_symbol: String,
    /// Conventional cell of the setting.
    pub standard: FoundCell,
    /// Its primitive cell.
    pub primitive: FoundCell,
    /// The tolerance that was used in the end: moyo tightens or loosens one that gives no group.
    pub symprec: f64,
}

/// Search many crystals. A mixed site is one atom, of a kind of its own for each set of (number, occupancy).
///
/// # Errors
/// [`ArgumentError`] for a tolerance that is none, [`LimitError`] beyond `max_sites`, [`CrystalError`] for rows that do
/// not fit together, [`SymmetryError`] for an empty crystal or where nothing is found; the first bad crystal is named.
pub fn find_symmetry(crystals: &[Rows], options: &SearchOptions, threads: Option<usize>) -> Result<Vec<FoundSymmetry>> {
    if !(options.symprec.is_finite() && options.symprec > 0.0) {
        return Err(Error::Argument(ArgumentError {
            name: "symprec",
            value: format!("{:?}", options.symprec),
            message: "must be a finite number above 0, in angstrom".into(),
        }));
    }
    let workers = workers(threads, crystals.len() as f64 * NANOS_PER_CRYSTAL)?;
    let many = crystals.len() > 1;
    try_map(crystals.len(), workers, |place| {
        search(&crystals[place], options, many.then_some(place))
    })
}

fn search(rows: &Rows, options: &SearchOptions, place: Option<usize>) -> Result<FoundSymmetry> {
    let named = |error: Error| match place {
        Some(place) => error.in_crystal(place),
        None => error,
    };
    let refuse = |message: String| {
        named(Error::Symmetry(SymmetryError {
            message,
            value: String::new(),
        }))
    };
    let sites = Sites::new(rows, options.symprec, place)?;
    if sites.first.is_empty() {
        return Err(refuse("a crystal without atoms has no symmetry to be found".into()));
    }
    let alike = sites.alike();
    if alike.len() > options.max_sites {
        return Err(named(Error::Limit(LimitError {
            message: format!(
                "{} sites of the rarest kind, more than max_sites = {}: the time of a search grows with their \
                 number squared",
                alike.len(),
                options.max_sites
            ),
            name: "max_sites",
            limit: options.max_sites as u64,
            needed: alike.len() as f64,
            crystal: None,
        })));
    }
    if let Some(reason) = guard::too_large(rows, &alike, options.symprec) {
        return Err(refuse(reason));
    }
    let cell = Cell::new(
        Basis::from_basis(*rows.lattice.rows()),
        sites
            .first
            .iter()
            .map(|&row| Position::from(rows.frac_coords[row]))
            .collect(),
        sites.kind.clone(),
    );
    let table = match options.preference {
        Preference::Standard => Table::Standard,
        Preference::Spglib => Table::Spglib,
    };
    let found = MoyoDataset::new(&cell, options.symprec, AngleTolerance::Default, table, true)
        .map_err(|error| refuse(format!("{error} at symprec = {:?}; try another", options.symprec)))?;
    collect(&found, &sites, rows).ok_or_else(|| refuse("the search gave an inconsistent standard cell".into()))
}

/// Sites of a crystal: the rows of each, and its kind.
struct Sites {
    /// First row of each site.
    first: Vec<usize>,
    kind: Vec<i32>,
    /// Rows of each site in the order of (number, occupancy); only where some site has more than one.
    members: Option<Vec<Vec<usize>>>,
}

impl Sites {
    fn new(rows: &Rows, symprec: f64, place: Option<usize>) -> Result<Self> {
        let count = rows.numbers.len();
        let lengths = [
            rows.occupancies.len(),
            rows.frac_coords.len(),
            rows.site.map_or(count, <[i32]>::len),
        ];
        if lengths.iter().any(|&length| length != count) {
            return Err(Error::Crystal(CrystalError {
                message: format!("{count} numbers, but {lengths:?} occupancies, coordinates and sites"),
                field: "numbers",
                crystal: place,
                row: None,
                value: None,
            }));
        }
        let species = |row: usize| {
            (
                rows.numbers[row],
                (rows.occupancies[row] / OCCUPANCY_STEP).round() as i64,
            )
        };
        let mut by_site: BTreeMap<i32, Vec<usize>> = BTreeMap::new();
        if let Some(site) = rows.site {
            let mut seen = std::collections::HashSet::with_capacity(count);
            if !site.iter().all(|one| seen.insert(*one)) {
                for (row, &one) in site.iter().enumerate() {
                    by_site.entry(one).or_default().push(row);
                }
            }
        }
        let mut names: BTreeMap<Vec<(u8, i64)>, i32> = BTreeMap::new();
        let mut name = |species: Vec<(u8, i64)>| {
            let next = names.len() as i32;
            *names.entry(species).or_insert(next)
        };
        if by_site.is_empty() {
            return Ok(Self {
                first: (0..count).collect(),
                kind: (0..count).map(|row| name(vec![species(row)])).collect(),
                members: None,
            });
        }
        // In the order of their first rows, so that equivalent sites are named by the first of them.
        let mut members: Vec<Vec<usize>> = by_site.into_values().collect();
        members.sort_by_key(|rows| rows[0]);
        let first: Vec<usize> = members.iter().map(|rows| rows[0]).collect();
        for (site, &start) in members.iter_mut().zip(&first) {
            for &row in site.iter() {
                let step = sub(rows.frac_coords[row], rows.frac_coords[start]).map(|x| x - x.round());
                let off = norm(row_times(step, rows.lattice.rows()));
                if off > symprec {
                    return Err(Error::Crystal(CrystalError {
                        message: format!(
                            "rows {start} and {row} share a site but lie {off:.3} angstrom apart, more than symprec = \
                             {symprec:?}; give them sites of their own"
                        ),
                        field: "site",
                        crystal: place,
                        row: Some(row),
                        value: rows.site.map(|site| site[row].to_string()),
                    }));
                }
            }
            site.sort_by_key(|&row| (species(row), row));
        }
        let kind = members
            .iter()
            .map(|site| name(site.iter().map(|&row| species(row)).collect()))
            .collect();
        Ok(Self {
            first,
            kind,
            members: Some(members),
        })
    }

    /// First rows of the sites of the rarest kind.
    fn alike(&self) -> Vec<usize> {
        let mut counts: BTreeMap<i32, usize> = BTreeMap::new();
        for &kind in &self.kind {
            *counts.entry(kind).or_default() += 1;
        }
        let rarest = counts.into_iter().min_by_key(|&(_, count)| count).map(|(kind, _)| kind);
        let pairs = self.first.iter().zip(&self.kind);
        pairs
            .filter(|&(_, kind)| Some(*kind) == rarest)
            .map(|(&row, _)| row)
            .collect()
    }

    fn rows(&self, site: usize) -> &[usize] {
        self.members
            .as_ref()
            .map_or(&self.first[site..=site], |members| &members[site])
    }
}

/// The rows of a moyo dataset; None if its cells do not fit together.
fn collect(found: &MoyoDataset, sites: &Sites, rows: &Rows) -> Option<FoundSymmetry> {
    let count = rows.numbers.len();
    let primitive_sites = found.prim_std_cell.positions.len();
    let copies = found.std_cell.positions.len() / primitive_sites.max(1);
    // The site of the crystal that each primitive site stands for: the first that is mapped to it.
    let mut source = vec![usize::MAX; primitive_sites];
    for (site, &to) in found.mapping_std_prim.iter().enumerate().rev() {
        *source.get_mut(to)? = site;
    }
    let mut orbit_size = vec![0usize; sites.first.len()];
    for &site in &source {
        *orbit_size.get_mut(*found.orbits.get(site)?)? += copies;
    }
    let mut equivalent = vec![0i64; count];
    let mut multiplicity = vec![0i32; count];
    let mut wyckoffs = vec![' '; count];
    let mut site_symmetry = vec![String::new(); count];
    for site in 0..sites.first.len() {
        let orbit = *found.orbits.get(site)?;
        for (&row, &same) in sites.rows(site).iter().zip(sites.rows(orbit)) {
            equivalent[row] = same as i64;
            multiplicity[row] = orbit_size[orbit] as i32;
            wyckoffs[row] = *found.wyckoffs.get(site)?;
            site_symmetry[row].clone_from(found.site_symmetry_symbols.get(site)?);
        }
    }
    // moyo lists the copies of each primitive site one behind the other.
    let cell = |cell: &Cell, copies: usize, matrix: Mat3, shift: Vec3| {
        let mut made = FoundCell {
            lattice: cell.lattice.basis_as_array(),
            frac_coords: Vec::new(),
            source: Vec::new(),
            site: Vec::new(),
            matrix,
            shift,
        };
        for (place, (position, kind)) in cell.positions.iter().zip(&cell.numbers).enumerate() {
            let site = *source.get(place / copies.max(1))?;
            if sites.kind.get(site) != Some(kind) {
                return None;
            }
            for &row in sites.rows(site) {
                made.frac_coords
                    .push([wrap(position[0]), wrap(position[1]), wrap(position[2])]);
                made.source.push(row as i64);
                made.site.push(place as i32);
            }
        }
        Some(made)
    };
    Some(FoundSymmetry {
        number: u8::try_from(found.number).ok()?,
        hall_number: u16::try_from(found.hall_number).ok()?,
        rotations: found
            .operations
            .iter()
            .map(moyo::base::Operation::rotation_as_array)
            .collect(),
        translations: found
            .operations
            .iter()
            .map(|operation| operation.translation_as_array().map(wrap))
            .collect(),
        equivalent,
        multiplicity,
        wyckoffs: wyckoffs.into_iter().collect(),
        site_symmetry,
        pearson_symbol: found.pearson_symbol.clone(),
        standard: cell(
            &found.std_cell,
            copies,
            found.std_linear_as_array(),
            found.std_origin_shift_as_array(),
        )?,
        primitive: cell(
            &found.prim_std_cell,
            1,
            found.prim_std_linear_as_array(),
            found.prim_std_origin_shift_as_array(),
        )?,
        symprec: found.symprec,
    })
}

/// T of the Niggli-reduced cell `(a' b' c') = (a b c) T`, right-handed for either hand of the given one.
///
/// # Errors
/// A lattice on which the reduction does not settle.
pub fn niggli(lattice: &Lattice) -> std::result::Result<[[i32; 3]; 3], SymmetryError> {
    let basis = Basis::from_basis(*lattice.rows());
    let (_, matrix) = basis.niggli_reduce().map_err(|_| SymmetryError {
        message: format!(
            "the Niggli reduction did not settle for the lattice {:?}",
            lattice.rows()
        ),
        value: format!("{:?}", lattice.rows()),
    })?;
    Ok(std::array::from_fn(|i| std::array::from_fn(|j| matrix[(i, j)])))
}
