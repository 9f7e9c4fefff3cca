//! The crystals of many texts as flat arrays.

use std::sync::Arc;

use super::crystal::CifCrystal;
use super::declared::DeclaredSymmetry;
use super::strings::Strings;
use crate::error::{ReadError, Warning};

/// Bytes of a label, and of the name of a block, as they are for the most part.
const LABEL: usize = 4;
const NAME: usize = 12;

/// What many texts hold: the crystals among them as flat arrays, and an error for every other.
///
/// Rows of crystal b are `offsets[b]..offsets[b + 1]`. The arrays do not depend on the number of threads.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CifBatch {
    /// Place of each crystal among the sources.
    pub source_index: Vec<i64>,
    /// Names of the data blocks.
    pub blocks: Strings,
    /// Rows a, b, c of each crystal in angstrom.
    pub lattices: Vec<[[f64; 3]; 3]>,
    /// Where each crystal starts, and the end of the last; empty for no crystals.
    pub offsets: Vec<i64>,
    /// Atomic numbers, 0 = X.
    pub numbers: Vec<u8>,
    /// Fractional coordinates in [0, 1).
    pub frac: Vec<[f64; 3]>,
    /// Occupancies.
    pub occupancies: Vec<f64>,
    /// Labels of the files.
    pub labels: Strings,
    /// Equal for rows at one point of one crystal; None where no two rows share a point.
    pub site: Option<Vec<i32>>,
    /// Charges, NaN where unknown.
    pub charges: Option<Vec<f64>>,
    /// Mass numbers, 0 = natural.
    pub isotopes: Option<Vec<u16>>,
    /// Isotropic displacement U, NaN where unknown.
    pub u_iso: Option<Vec<f64>>,
    /// Anisotropic displacement U, NaN where unknown.
    pub u_aniso: Option<Vec<[f64; 6]>>,
    /// Disorder assembly and group of the crystals that have them.
    pub disorder: Vec<(usize, [Strings; 2])>,
    /// What each crystal declares about its symmetry. Files with the same words often share one value.
    pub symmetry: Vec<Arc<DeclaredSymmetry>>,
    /// Warnings of the crystals that have any.
    pub warnings: Vec<(usize, Vec<Warning>)>,
    /// The sources that gave no crystal, by their places.
    pub failures: Vec<(usize, Box<ReadError>)>,
}

/// Add the values of one more part to a column that exists once any part has it.
fn extend<T: Copy>(
    column: &mut Option<Vec<T>>,
    part: Option<&[T]>,
    before: usize,
    count: usize,
    absent: impl Fn(usize) -> T,
    absent_before: impl Fn(usize) -> T,
) {
    match (column.as_mut(), part) {
        (None, None) => {}
        (Some(all), Some(part)) => all.extend_from_slice(part),
        (Some(all), None) => all.extend((0..count).map(absent)),
        (None, Some(part)) => {
            let mut all: Vec<T> = (0..before).map(absent_before).collect();
            all.extend_from_slice(part);
            *column = Some(all);
        }
    }
}

impl CifBatch {
    /// Number of crystals.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lattices.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lattices.is_empty()
    }

    /// Take memory for so many crystals and rows.
    pub(super) fn reserve(&mut self, crystals: usize, rows: usize) {
        self.source_index.reserve(crystals);
        self.lattices.reserve(crystals);
        self.offsets.reserve(crystals + 1);
        self.symmetry.reserve(crystals);
        self.numbers.reserve(rows);
        self.frac.reserve(rows);
        self.occupancies.reserve(rows);
        self.labels.reserve(rows, LABEL * rows);
        self.blocks.reserve(crystals, NAME * crystals);
    }

    /// Rows of a crystal.
    ///
    /// # Panics
    /// If the crystal does not exist.
    #[must_use]
    pub fn atoms(&self, crystal: usize) -> std::ops::Range<usize> {
        self.offsets[crystal] as usize..self.offsets[crystal + 1] as usize
    }

    /// Site numbers of rows that share no point: 0, 1, 2, ... in each crystal.
    fn own_site(&self, row: usize) -> i32 {
        let crystal = self.offsets.partition_point(|&start| start <= row as i64) - 1;
        (row as i64 - self.offsets[crystal]) as i32
    }

    /// Add one crystal; its warnings are taken out of it.
    pub(super) fn push(&mut self, source: usize, crystal: &mut CifCrystal) {
        let (before, count) = (self.numbers.len(), crystal.numbers.len());
        extend(
            &mut self.charges,
            crystal.charges.as_deref(),
            before,
            count,
            |_| f64::NAN,
            |_| f64::NAN,
        );
        extend(
            &mut self.u_iso,
            crystal.u_iso.as_deref(),
            before,
            count,
            |_| f64::NAN,
            |_| f64::NAN,
        );
        let nothing = |_| [f64::NAN; 6];
        extend(
            &mut self.u_aniso,
            crystal.u_aniso.as_deref(),
            before,
            count,
            nothing,
            nothing,
        );
        extend(
            &mut self.isotopes,
            crystal.isotopes.as_deref(),
            before,
            count,
            |_| 0,
            |_| 0,
        );
        let mut site = self.site.take();
        extend(
            &mut site,
            crystal.site.as_deref(),
            before,
            count,
            |row| row as i32,
            |row| self.own_site(row),
        );
        self.site = site;
        let place = self.len();
        self.source_index.push(source as i64);
        self.blocks.push(&crystal.block);
        self.lattices.push(crystal.lattice);
        if self.offsets.is_empty() {
            self.offsets.push(0);
        }
        self.numbers.extend_from_slice(&crystal.numbers);
        self.frac.extend_from_slice(&crystal.frac);
        self.occupancies.extend_from_slice(&crystal.occupancies);
        self.labels.append(&crystal.labels);
        self.offsets.push(self.numbers.len() as i64);
        self.symmetry.push(Arc::clone(&crystal.symmetry));
        if !crystal.warnings.is_empty() {
            self.warnings.push((place, std::mem::take(&mut crystal.warnings)));
        }
        if let Some(disorder) = crystal.disorder.take() {
            self.disorder.push((place, disorder));
        }
    }

    /// Add the crystals and failures of another batch behind its own.
    pub(super) fn append(&mut self, mut other: Self) {
        if self.is_empty() && self.failures.is_empty() {
            *self = other;
            return;
        }
        let (before, count, crystals) = (self.numbers.len(), other.numbers.len(), self.len());
        extend(
            &mut self.charges,
            other.charges.as_deref(),
            before,
            count,
            |_| f64::NAN,
            |_| f64::NAN,
        );
        extend(
            &mut self.u_iso,
            other.u_iso.as_deref(),
            before,
            count,
            |_| f64::NAN,
            |_| f64::NAN,
        );
        let nothing = |_| [f64::NAN; 6];
        extend(
            &mut self.u_aniso,
            other.u_aniso.as_deref(),
            before,
            count,
            nothing,
            nothing,
        );
        extend(
            &mut self.isotopes,
            other.isotopes.as_deref(),
            before,
            count,
            |_| 0,
            |_| 0,
        );
        let mut site = self.site.take();
        extend(
            &mut site,
            other.site.as_deref(),
            before,
            count,
            |row| other.own_site(row),
            |row| self.own_site(row),
        );
        self.site = site;
        let start = before as i64;
        self.offsets.extend(
            other
                .offsets
                .iter()
                .skip(usize::from(!self.offsets.is_empty()))
                .map(|end| end + start),
        );
        self.source_index.append(&mut other.source_index);
        self.blocks.append(&other.blocks);
        self.lattices.append(&mut other.lattices);
        self.numbers.append(&mut other.numbers);
        self.frac.append(&mut other.frac);
        self.occupancies.append(&mut other.occupancies);
        self.labels.append(&other.labels);
        self.symmetry.append(&mut other.symmetry);
        let moved = |(place, what)| (place + crystals, what);
        self.disorder.extend(other.disorder.into_iter().map(moved));
        self.warnings
            .extend(other.warnings.into_iter().map(|(place, what)| (place + crystals, what)));
        self.failures.append(&mut other.failures);
    }
}
