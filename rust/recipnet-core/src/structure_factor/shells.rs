//! What depends on the length of a reflection and the kind of an atom: form factors by shell, displacements.

use super::rows::LANES;
use super::scatterers::{Displacement, Grouped, Scatterers};
use crate::ahead::fetch;
use crate::elementary::exp;
use crate::form_factor::Steps;
use crate::keep::{keep, room};
use crate::machine::{Kernel, Machine, dispatch};
use crate::math::{Mat3, triangular};
use crate::scratch::{Buffer, holds};

/// Reflections that are looked at one after the other, while the next ones, perhaps of the next crystal, come from memory.
const BLOCK: usize = 256;
/// Values of s^2 that differ by less than this relative to the one before are one shell: rounding, not physics.
const SAME_SHELL: f64 = 1e-14;

/// Shells of one crystal and the factors of its species there.
#[derive(Default)]
pub(super) struct Shells {
    /// s^2 of each shell.
    pub square: Buffer<f64>,
    /// The largest of them.
    pub largest: f64,
    /// Shell of each reflection.
    pub of: Buffer<u32>,
    /// `f(s) + f'` of each species that occurs, shell by shell.
    values: Buffer<f64>,
    /// Scratch: how shells fall into the cells of form factors.
    steps: Steps,
    /// Where a species' values begin; by species of the batch.
    begin: Vec<u32>,
}

holds!(Shells: square, of, values, steps, begin);

impl Shells {
    /// Runs of equal s^2; with `each`, a shell for each reflection.
    pub fn set(&mut self, hkl: &[[i32; 3]], reciprocal: &Mat3, each: bool) {
        dispatch(Squares {
            hkl,
            frame: triangular(reciprocal),
            each,
            shells: self,
        });
    }

    pub fn evaluate(&mut self, atoms: &Scatterers, grouped: &Grouped) {
        let (size, stride) = (self.square.len(), self.stride());
        self.values.set_len(stride * grouped.kinds.len());
        self.begin.resize(atoms.species.len(), 0);
        self.steps.set(&self.square);
        let (mut last, mut number) = (u32::MAX, 0);
        // Kinds are sorted by species.
        for kind in &grouped.kinds {
            if kind.species == last {
                continue;
            }
            last = kind.species;
            self.begin[last as usize] = number;
            let start = number as usize * stride;
            number += 1;
            let out = &mut self.values[start..start + size];
            let species = &atoms.species[last as usize];
            species.factor.evaluate_by(&self.steps, &self.square, out);
            let [real, _] = species.dispersion;
            if real != 0.0 {
                for value in out {
                    *value += real;
                }
            }
        }
    }

    /// From the values of one species to those of the next one, in whole vectors.
    fn stride(&self) -> usize {
        self.square.len().next_multiple_of(LANES)
    }

    pub fn of_species(&self, species: u32) -> &[f64] {
        let start = self.begin[species as usize] as usize * self.stride();
        &self.values[start..start + self.square.len()]
    }
}

/// s^2 of a block of reflections, from a line of the cache on; before it that of the last one before.
#[repr(align(64))]
struct Block([f64; LANES + BLOCK]);

/// s^2 of reflections from a triangular frame of the reciprocal lattice, and its runs.
struct Squares<'a> {
    hkl: &'a [[i32; 3]],
    frame: Mat3,
    each: bool,
    shells: &'a mut Shells,
}

impl Kernel for Squares<'_> {
    #[inline(always)]
    fn run<M: Machine>(self) {
        // Halves, for s is half of 1/d.
        let [[a, b, c], [_, d, e], [_, _, f]] = self.frame.map(|row| row.map(|x| 0.5 * x));
        let count = self.hkl.len();
        // The number before the first is nobody's neighbour.
        let Block(all) = &mut Block([-1.0; LANES + BLOCK]);
        let of = self.shells.of.set_len(count);
        let square = self.shells.square.set_len(room(count));
        let mut number = 0;
        for (hkl, of) in self.hkl.chunks(BLOCK).zip(of.chunks_mut(BLOCK)) {
            // What comes next is fetched while this block is worked on.
            fetch([(hkl.as_ptr().wrapping_add(BLOCK).cast(), size_of_val(hkl))]);
            for (h, to) in hkl.iter().zip(&mut all[LANES..]) {
                let [x, y, z] = h.map(f64::from);
                let along_y = M::madd(y, d, x * b);
                let along_z = M::madd(z, f, M::madd(y, e, x * c));
                *to = M::madd(along_z, along_z, M::madd(along_y, along_y, (x * a) * (x * a)));
            }
            // 1 where a shell begins, then its number.
            for ((to, s), before) in of.iter_mut().zip(&all[LANES..]).zip(&all[LANES - 1..]) {
                *to = u32::from(self.each | ((s - before).abs() > SAME_SHELL * s));
            }
            number = keep(&all[LANES..LANES + of.len()], of, square, number);
            all[LANES - 1] = all[LANES - 1 + of.len()];
        }
        let square = self.shells.square.set_len(number as usize);
        let mut largest = [0.0f64; LANES];
        let (blocks, rest) = square.as_chunks::<LANES>();
        for block in blocks {
            for (most, s) in largest.iter_mut().zip(block) {
                *most = if s > most { *s } else { *most };
            }
        }
        self.shells.largest = largest.iter().chain(rest).fold(0.0, |most, s| most.max(*s));
    }
}

/// `exp(-x s^2)`, or of a quadratic form in h, into `out`.
pub(super) struct Smear<'a> {
    pub displacement: Displacement,
    pub square: &'a [f64],
    pub hkl: &'a [[i32; 3]],
    pub out: &'a mut Vec<f64>,
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
