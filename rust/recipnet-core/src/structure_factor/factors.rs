//! Structure factors of crystals: form factors by species and shell, displacements, dispersion, and the sums of phases.

use std::ops::Range;

use super::grid::Grid;
use super::ragged::Ragged;
use super::rows::{LANES, Place, Rows};
use super::scatterers::{Displacement, Grouped, Kind, Scatterers};
use super::separable::{self, Sums};
use super::shells::{Shells, Smear};
use crate::error::{ArgumentError, Error, Result};
use crate::machine::{Kernel, Machine, dispatch};
use crate::parallel;

/// Sums of a slab of lines that are held at a time, in blocks.
const SLAB: usize = 1 << 12;
/// Kinds of atoms whose sums are held at a time.
const KINDS: usize = 64;
/// Kinds whose parts are added to a reflection at a time.
const TOGETHER: usize = 4;
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

/// `F(h) = sum_j a_j (f_j(s) + f'_j + i f''_j) T_j(h) exp(+2 pi i h.x_j)` for reflections `hkl` whose rows of crystal b
/// are `hkl_offsets[b]..hkl_offsets[b + 1]`; (M) complex numbers, real part first.
///
/// The sums of phases of each kind of atom are made first, line by line of reflections, half of them by the symmetry
/// of a line about its middle, Friedel mates once; or, where that takes less time, by a Fourier transform of a grid.
/// Form factors are made once for each species and shell where the reflections lie in the order of their d.
///
/// `error` bounds `max |F - F_exact| / sum_j |a_j f_j|`; what the grid saves depends on it.
///
/// # Errors
/// Arrays that do not fit; a reflection beyond the range of the form factors.
pub fn structure_factors(
    atoms: &Scatterers,
    hkl: &[[i32; 3]],
    hkl_offsets: &[i64],
    error: f64,
    threads: Option<usize>,
) -> Result<Vec<[f64; 2]>> {
    atoms.check()?;
    let batch = Ragged::new(atoms.frac, hkl, atoms.offsets, hkl_offsets)?;
    let nanos: Vec<f64> = batch
        .parts()
        .map(|part| {
            let (atoms, reflections) = (part.atoms.len() as f64, part.reflections.len() as f64);
            CRYSTAL + reflections * (TERM * atoms + FACTOR * atoms.min(8.0))
        })
        .collect();
    let workers = parallel::workers(threads, nanos.iter().sum())?;
    let mut out = vec![[0.0; 2]; hkl.len()];
    // Small crystals in stretches worth some ten microseconds, large ones alone and with threads inside.
    let mut rest = out.as_mut_slice();
    let mut stretches = Vec::new();
    let mut large = Vec::new();
    let mut b = 0;
    while b < nanos.len() {
        let begin = b;
        let mut sum = nanos[b];
        b += 1;
        let alone = workers > 1 && sum > LARGE;
        while !alone && b < nanos.len() && nanos[b] <= LARGE && (workers == 1 || sum < 50_000.0) {
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
    let reflections = |b: usize| hkl_offsets[b] as usize..hkl_offsets[b + 1] as usize;
    let failed = std::sync::Mutex::new(Vec::new());
    let work = |workspace: &mut Workspace, b: usize, workers: usize, out: &mut [[f64; 2]]| {
        if let Err(error) = workspace.crystal(atoms, b, &hkl[reflections(b)], (error, workers), out) {
            failed
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .push((b, error));
        }
    };
    parallel::for_each(stretches, workers, |(crystals, mut out)| {
        let mut workspace = Workspace::default();
        for b in crystals {
            let (own, others) = out.split_at_mut(reflections(b).len());
            out = others;
            work(&mut workspace, b, 1, own);
        }
    })?;
    for (b, own) in large {
        work(&mut Workspace::default(), b, workers, own);
    }
    let failed = failed.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    match failed.into_iter().min_by_key(|(b, _)| *b) {
        Some((_, error)) => Err(error),
        None => Ok(out),
    }
}

/// What the work on a crystal needs, kept for the next one.
#[derive(Default)]
struct Workspace {
    grouped: Grouped,
    rows: Rows,
    shells: Shells,
    scratch: separable::Scratch,
    sums: Vec<Sums>,
}

impl Workspace {
    fn crystal(
        &mut self,
        atoms: &Scatterers,
        b: usize,
        hkl: &[[i32; 3]],
        (error, workers): (f64, usize),
        out: &mut [[f64; 2]],
    ) -> Result<()> {
        self.grouped.set(atoms, b);
        let each = self
            .grouped
            .kinds
            .iter()
            .any(|kind| matches!(kind.displacement, Displacement::Anisotropic(_)));
        self.shells.set(hkl, atoms.lattices[b].reciprocal(), each);
        let largest = self.shells.square.iter().copied().fold(0.0, f64::max).sqrt();
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
        let slabs = self.rows.slabs((SLAB / kinds).max(64));
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
            let block = self.rows.places[i].block();
            bases.partition_point(|&base| base as usize <= block) - 1
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
            let (mut scratch, mut sums) = (separable::Scratch::default(), Vec::new());
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

/// Which reflections lie in a slab.
enum Members<'a> {
    All,
    Some(&'a [u32]),
}

/// One crystal, as its tasks see it.
struct Job<'a> {
    atoms: &'a Scatterers<'a>,
    grouped: &'a Grouped,
    rows: &'a Rows,
    shells: &'a Shells,
    hkl: &'a [[i32; 3]],
}

impl Job<'_> {
    /// All structure factors by a grid for each kind.
    fn by_grid(&self, grid: &Grid, workers: usize, out: &mut [[f64; 2]]) -> Result<()> {
        let size = self.hkl.len().div_ceil(LANES);
        let mut sums = Vec::new();
        for (kinds, ranges) in self.kinds(TOGETHER) {
            sums.resize(size * kinds.len(), [[0.0; LANES]; 2]);
            for (range, sums) in ranges.iter().zip(sums.chunks_mut(size)) {
                let atoms = (
                    &self.grouped.frac[range.clone()],
                    &self.grouped.amplitudes[range.clone()],
                );
                grid.sums(atoms, self.hkl, workers, sums)?;
            }
            self.add_all(kinds, 0, &sums, &Members::All, out);
        }
        Ok(())
    }

    fn kinds(&self, together: usize) -> impl Iterator<Item = (&[Kind], &[Range<usize>])> {
        self.grouped
            .kinds
            .chunks(together)
            .zip(self.grouped.ranges.chunks(together))
    }

    /// Add the part of up to [`TOGETHER`] kinds to each reflection.
    fn add_all(&self, kinds: &[Kind], first: u32, sums: &[Sums], members: &Members, out: &mut [[f64; 2]]) {
        match kinds.len() {
            1 => self.add::<1>(kinds, first, sums, members, out),
            2 => self.add::<2>(kinds, first, sums, members, out),
            3 => self.add::<3>(kinds, first, sums, members, out),
            _ => self.add::<TOGETHER>(kinds, first, sums, members, out),
        }
    }

    /// Structure factors of the reflections of some lines.
    fn slab(
        &self,
        slab: Range<usize>,
        members: &Members,
        scratch: &mut separable::Scratch,
        sums: &mut Vec<Sums>,
        out: &mut [[f64; 2]],
    ) {
        let rows = &self.rows.lines[slab];
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
            return;
        };
        let size = (last.base + 2 * last.vectors - first.base) as usize;
        for (kinds, ranges) in self.kinds(KINDS) {
            sums.resize(sums.len().max(size * kinds.len()), [[0.0; LANES]; 2]);
            let sums = &mut sums[..size * kinds.len()];
            let atoms = (self.grouped.frac.as_slice(), self.grouped.amplitudes.as_slice());
            separable::sums(rows, self.rows.axis, atoms, ranges, scratch, sums);
            for (kinds, sums) in kinds.chunks(TOGETHER).zip(sums.chunks(TOGETHER * size)) {
                self.add_all(kinds, first.base, sums, members, out);
            }
        }
    }

    /// Add the part of K kinds to each reflection.
    fn add<const K: usize>(&self, kinds: &[Kind], first: u32, sums: &[Sums], members: &Members, out: &mut [[f64; 2]]) {
        let (mut weights, mut smear) = (vec![[0.0; K]; self.shells.square.len()], Vec::new());
        let mut rotated = Vec::new();
        for (k, kind) in kinds.iter().enumerate() {
            let values = self.shells.of_species(kind.species);
            for (to, value) in weights.iter_mut().zip(values) {
                to[k] = *value;
            }
            let [_, imaginary] = self.atoms.species[kind.species as usize].dispersion;
            if imaginary != 0.0 {
                rotated.resize(weights.len(), [0.0; K]);
                for to in &mut rotated {
                    to[k] = imaginary;
                }
            }
            if kind.displacement != Displacement::None {
                dispatch(Smear {
                    displacement: kind.displacement,
                    square: &self.shells.square,
                    hkl: self.hkl,
                    out: &mut smear,
                });
                for to in [&mut weights, &mut rotated] {
                    for (to, t) in to.iter_mut().zip(&smear) {
                        to[k] *= t;
                    }
                }
            }
        }
        let all = Combine {
            places: &self.rows.places,
            shells: &self.shells.of,
            first: first as usize,
            sums,
            weights: &weights,
            rotated: &rotated,
            members,
            out,
        };
        dispatch(all);
    }
}

/// Adds `weights` times the sums of K kinds, and i times `rotated` times them if there is any.
struct Combine<'a, const K: usize> {
    places: &'a [Place],
    shells: &'a [u32],
    first: usize,
    sums: &'a [Sums],
    weights: &'a [[f64; K]],
    rotated: &'a [[f64; K]],
    members: &'a Members<'a>,
    out: &'a mut [[f64; 2]],
}

impl<const K: usize> Kernel for Combine<'_, K> {
    #[inline(always)]
    fn run<M: Machine>(self) {
        let size = self.sums.len() / K;
        let mut kinds: [&[Sums]; K] = [&[]; K];
        for (kind, sums) in kinds.iter_mut().zip(self.sums.chunks_exact(size)) {
            *kind = &sums[..size];
        }
        let one = Added {
            kinds,
            first: self.first,
            weights: self.weights,
            rotated: self.rotated,
        };
        match self.members {
            Members::All => {
                let places = self.places.iter().zip(self.shells);
                for ((&place, &shell), to) in places.zip(self.out) {
                    one.to::<M>(place, shell, to);
                }
            }
            Members::Some(list) => {
                for (&i, to) in list.iter().zip(self.out) {
                    one.to::<M>(self.places[i as usize], self.shells[i as usize], to);
                }
            }
        }
    }
}

/// What is added to one reflection.
struct Added<'a, const K: usize> {
    kinds: [&'a [Sums]; K],
    first: usize,
    weights: &'a [[f64; K]],
    rotated: &'a [[f64; K]],
}

impl<const K: usize> Added<'_, K> {
    #[inline(always)]
    fn product<M: Machine>(&self, weights: &[f64; K], place: Place) -> (f64, f64) {
        let (block, lane) = (place.block() - self.first, place.lane());
        let (mut re, mut im) = (0.0, 0.0);
        for k in 0..K {
            let sums = &self.kinds[k][block];
            re = M::madd(weights[k], sums[0][lane], re);
            im = M::madd(weights[k], sums[1][lane], im);
        }
        (re, f64::from_bits(im.to_bits() ^ place.conjugate()))
    }

    #[inline(always)]
    fn to<M: Machine>(&self, place: Place, shell: u32, to: &mut [f64; 2]) {
        let (re, im) = self.product::<M>(&self.weights[shell as usize], place);
        to[0] += re;
        to[1] += im;
        if let Some(weights) = self.rotated.get(shell as usize) {
            let (re, im) = self.product::<M>(weights, place);
            to[0] -= im;
            to[1] += re;
        }
    }
}
