//! Structure factors of crystals: form factors by species and shell, displacements, dispersion, and the sums of phases.

use std::ops::Range;

use super::ragged::Ragged;
use super::rows::{LANES, Place, Rows};
use super::scatterers::{Displacement, Grouped, Kind, Scatterers};
use super::separable::{self, Sums};
use crate::elementary::exp;
use crate::error::{ArgumentError, Error, Result};
use crate::machine::{Kernel, Machine, dispatch};
use crate::math::{Mat3, triangular};
use crate::parallel;

/// Values of s^2 that differ by less than this relative to the first of their run are one shell: rounding, not physics.
const SAME_SHELL: f64 = 1e-14;
/// Sums of a slab of lines that are held at a time, in blocks.
const SLAB: usize = 1 << 12;
/// Kinds of atoms whose sums are held at a time.
const KINDS: usize = 64;
/// Kinds whose parts are added to a reflection at a time.
const TOGETHER: usize = 4;
/// Nanoseconds of a term, of a factor, of a crystal: they only decide how work is cut and whether threads are woken.
const TERM: f64 = 0.2;
const FACTOR: f64 = 3.0;
const CRYSTAL: f64 = 2_000.0;
/// Above this a crystal's lines are shared by the threads.
const LARGE: f64 = 500_000.0;

/// `F(h) = sum_j a_j (f_j(s) + f'_j + i f''_j) T_j(h) exp(+2 pi i h.x_j)` for reflections `hkl` whose rows of crystal b
/// are `hkl_offsets[b]..hkl_offsets[b + 1]`; (M) complex numbers, real part first.
///
/// The sums of phases of each kind of atom are made first, line by line of reflections, half of them by the symmetry
/// of a line about its middle, Friedel mates once; form factors once for each species and shell where the reflections
/// lie in the order of their d.
///
/// # Errors
/// Arrays that do not fit; a reflection beyond the range of the form factors.
pub fn structure_factors(
    atoms: &Scatterers,
    hkl: &[[i32; 3]],
    hkl_offsets: &[i64],
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
        if let Err(error) = workspace.crystal(atoms, b, &hkl[reflections(b)], workers, out) {
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
        workers: usize,
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

/// Which reflections lie in a slab.
enum Members<'a> {
    All,
    Some(&'a [u32]),
}

/// Shells of one crystal and the factors of its species there.
#[derive(Default)]
struct Shells {
    /// s^2 of each shell.
    square: Vec<f64>,
    /// Scratch: s^2 of each reflection.
    all: Vec<f64>,
    /// Shell of each reflection.
    of: Vec<u32>,
    /// `f(s) + f'` of each species that occurs, shell by shell.
    values: Vec<f64>,
    /// Where a species' values begin; by species of the batch.
    begin: Vec<u32>,
}

impl Shells {
    /// Runs of equal s^2; with `each`, a shell for each reflection.
    fn set(&mut self, hkl: &[[i32; 3]], reciprocal: &Mat3, each: bool) {
        self.square.clear();
        self.of.clear();
        let mut run = -1.0f64;
        dispatch(Squares {
            hkl,
            frame: triangular(reciprocal),
            out: &mut self.all,
        });
        self.of.extend(self.all.iter().map(|&square| {
            if each || (square - run).abs() > SAME_SHELL * run.abs() {
                self.square.push(square);
                run = square;
            }
            self.square.len() as u32 - 1
        }));
    }

    fn evaluate(&mut self, atoms: &Scatterers, grouped: &Grouped) {
        let size = self.square.len();
        self.values.clear();
        self.begin.resize(atoms.species.len(), 0);
        let mut last = u32::MAX;
        // Kinds are sorted by species.
        for kind in &grouped.kinds {
            if kind.species == last {
                continue;
            }
            last = kind.species;
            let start = self.values.len();
            self.begin[last as usize] = (start / size.max(1)) as u32;
            self.values.resize(start + size, 0.0);
            let species = &atoms.species[last as usize];
            species.factor.evaluate(&self.square, &mut self.values[start..]);
            let [real, _] = species.dispersion;
            if real != 0.0 {
                for value in &mut self.values[start..] {
                    *value += real;
                }
            }
        }
    }

    fn of_species(&self, species: u32) -> &[f64] {
        let size = self.square.len();
        let start = self.begin[species as usize] as usize * size;
        &self.values[start..start + size]
    }
}

/// s^2 of reflections from a triangular frame of the reciprocal lattice.
struct Squares<'a> {
    hkl: &'a [[i32; 3]],
    frame: Mat3,
    out: &'a mut Vec<f64>,
}

impl Kernel for Squares<'_> {
    #[inline(always)]
    fn run<M: Machine>(self) {
        let [[a, b, c], [_, d, e], [_, _, f]] = self.frame.map(|row| row.map(|x| 0.5 * x));
        self.out.clear();
        self.out.resize(self.hkl.len(), 0.0);
        for (h, to) in self.hkl.iter().zip(self.out.iter_mut()) {
            let (x, y, z) = (f64::from(h[0]), f64::from(h[1]), f64::from(h[2]));
            let along_y = M::madd(y, d, x * b);
            let along_z = M::madd(z, f, M::madd(y, e, x * c));
            *to = M::madd(along_z, along_z, M::madd(along_y, along_y, (x * a) * (x * a)));
        }
    }
}

/// `exp(-x s^2)`, or of a quadratic form in h, into `out`.
struct Smear<'a> {
    displacement: Displacement,
    square: &'a [f64],
    hkl: &'a [[i32; 3]],
    out: &'a mut Vec<f64>,
}

impl Kernel for Smear<'_> {
    #[inline(always)]
    fn run<M: Machine>(self) {
        self.out.clear();
        match self.displacement {
            Displacement::None => self.out.resize(self.square.len(), 1.0),
            Displacement::Isotropic(x) => self.out.extend(self.square.iter().map(|s| -x * s)),
            Displacement::Anisotropic(x) => self.out.extend(self.hkl.iter().map(|h| {
                let [h, k, l] = h.map(f64::from);
                -(x[0] * h * h + x[1] * k * k + x[2] * l * l + x[3] * k * l + x[4] * h * l + x[5] * h * k)
            })),
        }
        if self.displacement != Displacement::None {
            for value in self.out.iter_mut() {
                *value = exp::<M>(*value);
            }
        }
    }
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
        let blocks = self.grouped.kinds.chunks(KINDS).zip(self.grouped.ranges.chunks(KINDS));
        for (kinds, ranges) in blocks {
            sums.resize(sums.len().max(size * kinds.len()), [[0.0; LANES]; 2]);
            let sums = &mut sums[..size * kinds.len()];
            let atoms = (self.grouped.frac.as_slice(), self.grouped.amplitudes.as_slice());
            separable::sums(rows, self.rows.axis, atoms, ranges, scratch, sums);
            for (kinds, sums) in kinds.chunks(TOGETHER).zip(sums.chunks(TOGETHER * size)) {
                match kinds.len() {
                    1 => self.add::<1>(kinds, first.base, sums, members, out),
                    2 => self.add::<2>(kinds, first.base, sums, members, out),
                    3 => self.add::<3>(kinds, first.base, sums, members, out),
                    _ => self.add::<TOGETHER>(kinds, first.base, sums, members, out),
                }
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
        };
        match members {
            Members::All => {
                let places = all.places.iter().zip(all.shells);
                all.add(&weights, &rotated, places.map(|(&place, &shell)| (place, shell)), out);
            }
            Members::Some(list) => {
                let places = list.iter().map(|&i| (all.places[i as usize], all.shells[i as usize]));
                all.add(&weights, &rotated, places, out);
            }
        }
    }
}

/// Sums and where to find them.
struct Combine<'a> {
    places: &'a [Place],
    shells: &'a [u32],
    first: usize,
    sums: &'a [Sums],
}

impl Combine<'_> {
    /// `weights` times the sums of K kinds, and i times `rotated` times them if there is any.
    fn add<const K: usize>(
        &self,
        weights: &[[f64; K]],
        rotated: &[[f64; K]],
        places: impl Iterator<Item = (Place, u32)>,
        out: &mut [[f64; 2]],
    ) {
        let size = self.sums.len() / K;
        let mut kinds: [&[Sums]; K] = [&[]; K];
        for (kind, sums) in kinds.iter_mut().zip(self.sums.chunks_exact(size)) {
            *kind = sums;
        }
        for ((place, shell), to) in places.zip(out) {
            let (block, lane) = (place.block() - self.first, place.lane());
            let (mut re, mut im) = (0.0, 0.0);
            let w = &weights[shell as usize];
            for k in 0..K {
                let sums = &kinds[k][block];
                re += w[k] * sums[0][lane];
                im += w[k] * sums[1][lane];
            }
            let conjugate = place.conjugate();
            to[0] += re;
            to[1] += f64::from_bits(im.to_bits() ^ conjugate);
            if let Some(w) = rotated.get(shell as usize) {
                let (mut re, mut im) = (0.0, 0.0);
                for k in 0..K {
                    let sums = &kinds[k][block];
                    re += w[k] * sums[0][lane];
                    im += w[k] * sums[1][lane];
                }
                to[0] -= f64::from_bits(im.to_bits() ^ conjugate);
                to[1] += re;
            }
        }
    }
}
