//! Structure factors of crystals: form factors by species and shell, displacements, dispersion, and the sums of phases.

use super::combine::{Job, KINDS, Members};
use super::grid::Grid;
use super::obeyed::{Images, Symmetry, obeyed};
use super::orbits::Orbits;
use super::ragged::{check_ball, check_length, check_offsets_of};
use super::rows::Rows;
use super::scatterers::{Displacement, Grouped, Scatterers};
use super::separable::{self, Complex};
use super::shells::Shells;
use crate::error::{ArgumentError, Error, Result};
use crate::parallel;
use crate::reciprocal::{OperationsList, check_operations};
use crate::scratch::{Buffer, holds};

/// Sums of a slab of lines that are held at a time: by one thread as many as a cache of the second or third level has
/// room for, since taking reflections slab by slab costs more than that cache; by several, enough slabs for all.
const SLAB: [usize; 2] = [1 << 17, 1 << 15];
/// Nanoseconds of a term, of a factor, of a crystal: they only decide how work is cut and whether threads are woken.
const TERM: f64 = 0.2;
const FACTOR: f64 = 3.0;
/// Of a term in long lines, which decides between lines and a grid.
const LINE_TERM: f64 = 0.1;
const CRYSTAL: f64 = 2_000.0;
/// Fewer terms than this are not worth a grid.
const GRID_TERMS: f64 = 4e6;
/// Above this a crystal's lines are shared by the threads.
const LARGE: f64 = 500_000.0;
/// Fewer terms of a crystal take less time than it takes to look at its symmetry (measured).
pub(crate) const ORBIT_TERMS: f64 = 1e6;
/// Where fewer atoms are saved, a reflection takes less time than it takes to find its orbit (measured).
pub const ORBIT_ATOMS: i64 = 192;

/// `F(h) = sum_j a_j (f_j(s) + f'_j + i f''_j) T_j(h) exp(+2 pi i h.x_j)` for reflections `hkl` whose rows of crystal b
/// are `hkl_offsets[b]..hkl_offsets[b + 1]`; (M) complex numbers, real part first.
///
/// The sums of phases of each kind of atom are made first, line by line of reflections, half of them by the symmetry
/// of a line about its middle, Friedel mates once; or, where that takes less time, by a Fourier transform of a grid.
/// Form factors are made once for each species and shell where the reflections lie in the order of their d.
///
/// In large crystals that obey the `operations` that they declare, to rounding, reflections of an orbit are summed once,
/// over the atoms that translations and the inversion leave; declared operations that atoms do not obey change nothing.
///
/// `error` bounds `max |F - F_exact| / sum_j |a_j f_j|`; what the grid saves depends on it.
///
/// # Errors
/// Arrays that do not fit; a reflection beyond the range of the form factors. What `out` holds then is of no use.
pub fn structure_factors(
    atoms: &Scatterers,
    operations: &OperationsList,
    (hkl, hkl_offsets): (&[[i32; 3]], &[i64]),
    error: f64,
    threads: Option<usize>,
    out: &mut [[f64; 2]],
) -> Result<()> {
    factors_by(
        atoms,
        operations,
        (hkl, hkl_offsets),
        (error, (ORBIT_ATOMS as f64, ORBIT_TERMS)),
        threads,
        out,
    )
}

/// [`structure_factors`], by symmetry where it saves this many atoms and there are this many terms.
pub(super) fn factors_by(
    atoms: &Scatterers,
    operations: &OperationsList,
    (hkl, hkl_offsets): (&[[i32; 3]], &[i64]),
    (error, (least_atoms, least_terms)): (f64, (f64, f64)),
    threads: Option<usize>,
    out: &mut [[f64; 2]],
) -> Result<()> {
    atoms.check()?;
    check_operations(atoms.lattices.len(), operations)?;
    check_offsets_of("hkl_offsets", hkl_offsets, atoms.lattices.len(), hkl.len())?;
    check_length("out", out.len(), hkl.len(), "one for each reflection")?;
    let reflections = |b: usize| hkl_offsets[b] as usize..hkl_offsets[b + 1] as usize;
    let nanos: Vec<f64> = (0..atoms.lattices.len())
        .map(|b| nanos(atoms, b, reflections(b).len() as f64))
        .collect();
    let symmetry = obeyed(atoms, operations, |b, symmetry| {
        let own = (atoms.offsets[b + 1] - atoms.offsets[b]) as f64;
        let saved = symmetry.map_or(own, |found| own * (1.0 - found.share()));
        saved >= least_atoms && own * reflections(b).len() as f64 >= least_terms
    });
    let workers = parallel::workers(threads, nanos.iter().sum())?;
    // Small crystals in stretches, large ones alone and with threads inside.
    let share = parallel::share(nanos.iter().sum(), workers);
    let mut rest = out;
    let mut stretches = Vec::new();
    let mut large = Vec::new();
    let mut b = 0;
    while b < nanos.len() {
        let begin = b;
        let mut sum = nanos[b];
        b += 1;
        let alone = workers > 1 && sum > LARGE;
        while !alone && b < nanos.len() && (workers == 1 || nanos[b] <= LARGE) && sum < share {
            sum += nanos[b];
            b += 1;
        }
        let (own, others) = rest.split_at_mut((hkl_offsets[b] - hkl_offsets[begin]) as usize);
        rest = others;
        if alone {
            large.push((begin, own));
        } else {
            stretches.push((begin..b, own));
        }
    }
    let failed = std::sync::Mutex::new(Vec::new());
    let work = |workspace: &mut Workspace, b: usize, workers: usize, out: &mut [Complex]| {
        let own = reflections(b);
        let symmetry = symmetry.get(b).and_then(Option::as_deref);
        let hkl = (&hkl[own.clone()], own.start);
        if let Err(error) = workspace.crystal((atoms, b, symmetry), hkl, (error, workers), out) {
            failed
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .push((b, error));
        }
    };
    parallel::for_each_with(stretches, workers, |workspace: &mut Workspace, (crystals, mut out)| {
        for b in crystals {
            let (own, others) = out.split_at_mut(reflections(b).len());
            out = others;
            work(workspace, b, 1, own);
        }
    })?;
    for (b, own) in large {
        work(&mut Workspace::default(), b, workers, own);
    }
    let failed = failed.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    match failed.into_iter().min_by_key(|(b, _)| *b) {
        Some((_, error)) => Err(error),
        None => Ok(()),
    }
}

/// About how many nanoseconds a crystal of the batch takes.
pub(crate) fn nanos(atoms: &Scatterers, b: usize, reflections: f64) -> f64 {
    let own = (atoms.offsets[b + 1] - atoms.offsets[b]) as f64;
    CRYSTAL + reflections * (TERM * own + FACTOR * own.min(8.0))
}

/// What the work on a crystal needs, kept for the next one.
#[derive(Default)]
pub(crate) struct Workspace {
    grouped: Grouped,
    rows: Rows,
    shells: Shells,
    scratch: separable::Scratch,
    sums: Buffer<Complex>,
    images: Images,
    orbits: Orbits,
    of_orbits: Vec<Complex>,
}

holds!(Workspace: grouped, rows, shells, scratch, sums, images, orbits, of_orbits);

impl Workspace {
    /// Structure factors of crystal b, by what it obeys; `first` is the number of its first reflection, for messages.
    pub fn crystal(
        &mut self,
        (atoms, b, symmetry): (&Scatterers, usize, Option<&Symmetry>),
        (hkl, first): (&[[i32; 3]], usize),
        how: (f64, usize),
        out: &mut [Complex],
    ) -> Result<()> {
        if let Some(symmetry) = symmetry {
            self.by_orbits((atoms, b, symmetry), (hkl, first), how, out)
        } else {
            self.grouped.set(atoms, b, None);
            self.sum((atoms, b), (hkl, first), how, out)
        }
    }

    fn by_orbits(
        &mut self,
        (atoms, b, symmetry): (&Scatterers, usize, &Symmetry),
        (hkl, first): (&[[i32; 3]], usize),
        how: (f64, usize),
        out: &mut [Complex],
    ) -> Result<()> {
        let own = atoms.offsets[b] as usize..atoms.offsets[b + 1] as usize;
        // What f'' adds is no mate of its mate's.
        let kinds = &atoms.kinds[own];
        let friedel = (kinds.iter()).all(|&kind| atoms.species[kind as usize].dispersion[1] == 0.0);
        self.shells.set(hkl, atoms.lattices[b].reciprocal(), false);
        let radius = 2.0 * self.shells.largest.sqrt();
        check_ball((hkl, first), &atoms.lattices[b], radius)?;
        let mut orbits = std::mem::take(&mut self.orbits);
        let mut sums = std::mem::take(&mut self.of_orbits);
        let is_less = orbits.set(symmetry, friedel, hkl, &atoms.lattices[b], radius);
        let stands_for = if is_less {
            self.images.stands_for(atoms, b, symmetry, friedel)
        } else {
            None
        };
        self.grouped.set(atoms, b, stands_for);
        let result = if stands_for.is_some() {
            sums.resize(orbits.unique.len(), [0.0; 2]);
            let done = self.sum((atoms, b), (&orbits.unique, 0), how, &mut sums);
            orbits.expand(symmetry, friedel, &mut sums, out);
            done
        } else {
            self.sum((atoms, b), (hkl, first), how, out)
        };
        (self.orbits, self.of_orbits) = (orbits, sums);
        result
    }

    /// Structure factors of the atoms that are grouped.
    fn sum(
        &mut self,
        (atoms, b): (&Scatterers, usize),
        (hkl, first): (&[[i32; 3]], usize),
        (error, workers): (f64, usize),
        out: &mut [Complex],
    ) -> Result<()> {
        if self.grouped.kinds.is_empty() {
            out.fill([0.0; 2]);
        }
        let each = self
            .grouped
            .kinds
            .iter()
            .any(|kind| matches!(kind.displacement, Displacement::Anisotropic(_)));
        self.shells.set(hkl, atoms.lattices[b].reciprocal(), each);
        let largest = self.shells.largest.sqrt();
        check_ball((hkl, first), &atoms.lattices[b], 2.0 * largest)?;
        if largest > atoms.max_stol * (1.0 + 1e-9) {
            return Err(Error::Argument(ArgumentError {
                name: "reflections",
                value: format!("d = {} angstrom", 0.5 / largest),
                message: format!(
                    "crystal {b}: the form factors of this radiation are known down to d = {} angstrom",
                    0.5 / atoms.max_stol
                ),
            }));
        }
        self.shells.evaluate(atoms, &self.grouped);
        if let Some(grid) = self.grid(hkl, error) {
            self.rows.set_consecutive(hkl.len());
            return Job {
                atoms,
                grouped: &self.grouped,
                rows: &self.rows,
                shells: &self.shells,
                hkl,
            }
            .by_grid(&grid, workers, out);
        }
        self.rows.set(hkl, &atoms.lattices[b], largest);
        let kinds = self.grouped.kinds.len().clamp(1, KINDS);
        let slabs = self.rows.slabs((SLAB[usize::from(workers > 1)] / kinds).max(512));
        if slabs.len() <= 1 {
            let job = Job {
                atoms,
                grouped: &self.grouped,
                rows: &self.rows,
                shells: &self.shells,
                hkl,
            };
            for slab in slabs {
                job.slab(slab, &Members::All, &mut self.scratch, &mut self.sums, out);
            }
            return Ok(());
        }
        // Reflections slab by slab, each slab's in their order.
        let bases: Vec<u32> = slabs.iter().map(|slab| self.rows.lines[slab.start].base).collect();
        let slab_of = |i: usize| {
            let slot = self.rows.places[i].slot();
            bases.partition_point(|&base| base as usize <= slot) - 1
        };
        let mut ends = vec![0usize; slabs.len() + 1];
        for i in 0..hkl.len() {
            ends[slab_of(i) + 1] += 1;
        }
        for slab in 0..slabs.len() {
            ends[slab + 1] += ends[slab];
        }
        let mut cursor = ends.clone();
        let mut members = vec![0u32; hkl.len()];
        let mut rank = vec![0u32; hkl.len()];
        for i in 0..hkl.len() {
            let place = &mut cursor[slab_of(i)];
            members[*place] = i as u32;
            rank[i] = *place as u32;
            *place += 1;
        }
        let mut sorted = vec![[0.0; 2]; hkl.len()];
        let mut rest = sorted.as_mut_slice();
        let mut tasks = Vec::with_capacity(slabs.len());
        for (number, slab) in slabs.into_iter().enumerate() {
            let own = ends[number]..ends[number + 1];
            let (values, others) = rest.split_at_mut(own.len());
            rest = others;
            tasks.push((slab, own, values));
        }
        let job = Job {
            atoms,
            grouped: &self.grouped,
            rows: &self.rows,
            shells: &self.shells,
            hkl,
        };
        parallel::for_each(tasks, workers, |(slab, own, values)| {
            let (mut scratch, mut sums) = (separable::Scratch::default(), Buffer::default());
            job.slab(slab, &Members::Some(&members[own]), &mut scratch, &mut sums, values);
        })?;
        for (to, &place) in out.iter_mut().zip(&rank) {
            *to = sorted[place as usize];
        }
        Ok(())
    }
}

impl Workspace {
    /// A grid, if it takes less time than the sums over lines.
    fn grid(&self, hkl: &[[i32; 3]], error: f64) -> Option<Grid> {
        let terms = self.grouped.frac.len() as f64 * hkl.len() as f64;
        if terms < GRID_TERMS {
            return None;
        }
        let mut reach = [0; 3];
        for h in hkl {
            for axis in 0..3 {
                reach[axis] = reach[axis].max(h[axis].unsigned_abs() as usize);
            }
        }
        let grid = Grid::new(reach, error)?;
        let transforms: f64 = self.grouped.ranges.iter().map(|range| grid.nanos(range.len())).sum();
        let lookups = 10.0 * (hkl.len() * self.grouped.ranges.len()) as f64;
        (transforms + lookups < LINE_TERM * terms).then_some(grid)
    }
}
