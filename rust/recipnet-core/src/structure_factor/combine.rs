//! From the sums of phases of each kind of atom to structure factors: weights by shell, mates, dispersion.

use std::array::from_fn;
use std::hint::black_box;
use std::ops::Range;

use super::grid::Grid;
use super::rows::{Place, Rows};
use super::scatterers::{Displacement, Grouped, Kind, Scatterers};
use super::separable::{self, Complex};
use super::shells::{Shells, Smear};
use crate::error::Result;
use crate::machine::{Kernel, Machine, dispatch};
use crate::scratch::Buffer;

/// Kinds of atoms whose sums are held at a time.
pub(super) const KINDS: usize = 64;
/// Kinds whose parts are added to a reflection at a time.
const TOGETHER: usize = 4;

/// Reflections of a turn of the loop over them, which a compiler does not unroll by itself.
const STEP: usize = 2;

/// Which reflections lie in a slab.
pub(super) enum Members<'a> {
    /// All there are, in the only slab.
    All,
    Some(&'a [u32]),
}

/// What a sum is multiplied with where the mate is stored.
const SIGNS: [Complex; 2] = [[1.0, 1.0], [1.0, -1.0]];

/// One crystal, as its tasks see it.
pub(super) struct Job<'a> {
    pub atoms: &'a Scatterers<'a>,
    pub grouped: &'a Grouped,
    pub rows: &'a Rows,
    pub shells: &'a Shells,
    pub hkl: &'a [[i32; 3]],
}

impl Job<'_> {
    /// All structure factors by a grid for each kind.
    pub fn by_grid(&self, grid: &Grid, workers: usize, out: &mut [Complex]) -> Result<()> {
        let size = self.hkl.len();
        let mut sums = Vec::new();
        for (number, (kinds, ranges)) in self.kinds(TOGETHER).enumerate() {
            sums.resize(size * kinds.len(), [0.0; 2]);
            for (range, sums) in ranges.iter().zip(sums.chunks_mut(size)) {
                let atoms = (
                    &self.grouped.frac[range.clone()],
                    &self.grouped.amplitudes[range.clone()],
                );
                grid.sums(atoms, self.hkl, workers, sums)?;
            }
            self.add_all((kinds, number == 0), 0, &sums, &Members::All, out);
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
    fn add_all(
        &self,
        (kinds, fresh): (&[Kind], bool),
        first: u32,
        sums: &[Complex],
        members: &Members,
        out: &mut [Complex],
    ) {
        match kinds.len() {
            1 => self.add::<1>((kinds, fresh), first, sums, members, out),
            2 => self.add::<2>((kinds, fresh), first, sums, members, out),
            3 => self.add::<3>((kinds, fresh), first, sums, members, out),
            _ => self.add::<TOGETHER>((kinds, fresh), first, sums, members, out),
        }
    }

    /// Structure factors of the reflections of some lines.
    pub fn slab(
        &self,
        slab: Range<usize>,
        members: &Members,
        scratch: &mut separable::Scratch,
        sums: &mut Buffer<Complex>,
        out: &mut [Complex],
    ) {
        let rows = &self.rows.lines[slab];
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
            return;
        };
        let size = (last.end() - first.base) as usize;
        let mut fresh = true;
        for (kinds, ranges) in self.kinds(KINDS) {
            let sums = sums.set_len(size * kinds.len());
            let atoms = (self.grouped.frac.as_slice(), self.grouped.amplitudes.as_slice());
            separable::sums(rows, self.rows.axis, atoms, ranges, scratch, sums);
            for (kinds, sums) in kinds.chunks(TOGETHER).zip(sums.chunks(TOGETHER * size)) {
                self.add_all((kinds, fresh), first.base, sums, members, out);
                fresh = false;
            }
        }
    }

    /// Add the part of K kinds to each reflection; `fresh`: nothing is there yet.
    fn add<const K: usize>(
        &self,
        (kinds, fresh): (&[Kind], bool),
        first: u32,
        sums: &[Complex],
        members: &Members,
        out: &mut [Complex],
    ) {
        // Where an atom is not displaced, its weights are those of its species.
        let mut smeared: [Option<Vec<f64>>; K] = [const { None }; K];
        let mut turned: [Option<Vec<f64>>; K] = [const { None }; K];
        let shells = self.shells.square.len();
        for (k, kind) in kinds.iter().enumerate() {
            if kind.displacement != Displacement::None {
                let mut smear = Vec::new();
                dispatch(Smear {
                    displacement: kind.displacement,
                    square: &self.shells.square,
                    hkl: self.hkl,
                    out: &mut smear,
                });
                smeared[k] = Some(smear);
            }
            let [_, imaginary] = self.atoms.species[kind.species as usize].dispersion;
            if imaginary != 0.0 {
                turned[k] = Some(match &smeared[k] {
                    None => vec![imaginary; shells],
                    Some(smear) => smear.iter().map(|t| imaginary * t).collect(),
                });
            }
            if let Some(smear) = &mut smeared[k] {
                for (to, f) in smear.iter_mut().zip(self.shells.of_species(kind.species)) {
                    *to *= f;
                }
            }
        }
        let mut weights: [&[f64]; K] = [&[]; K];
        for ((to, kind), own) in weights.iter_mut().zip(kinds).zip(&smeared) {
            *to = own.as_deref().unwrap_or_else(|| self.shells.of_species(kind.species));
        }
        let all = Combine {
            places: &self.rows.places,
            has_mates: self.rows.has_mates,
            shells: &self.shells.of,
            first: first as usize,
            sums,
            weights,
            members,
            turn: false,
            fresh,
            out,
        };
        dispatch(Combine {
            out: &mut *all.out,
            ..all
        });
        if turned.iter().any(Option::is_some) {
            let none = vec![0.0; shells];
            let weights = turned.each_ref().map(|own| own.as_deref().unwrap_or(&none));
            dispatch(Combine {
                weights,
                turn: true,
                fresh: false,
                ..all
            });
        }
    }
}

/// Adds `weights` times the sums of K kinds, or i times that.
struct Combine<'a, const K: usize> {
    places: &'a [Place],
    has_mates: bool,
    shells: &'a [u32],
    first: usize,
    sums: &'a [Complex],
    weights: [&'a [f64]; K],
    members: &'a Members<'a>,
    turn: bool,
    fresh: bool,
    out: &'a mut [Complex],
}

impl<const K: usize> Kernel for Combine<'_, K> {
    #[inline(always)]
    fn run<M: Machine>(self) {
        if self.has_mates {
            // Not known to the compiler, which would else take pairs apart to save a product with 1.
            let signs = black_box(SIGNS);
            self.put::<M>(|place, [re, im]| {
                let [one, sign] = signs[usize::from(place.is_mate())];
                [re * one, im * sign]
            });
        } else {
            self.put::<M>(|_, sum| sum);
        }
    }
}

impl<const K: usize> Combine<'_, K> {
    #[inline(always)]
    fn put<M: Machine>(self, mate: impl Fn(Place, Complex) -> Complex) {
        match (self.turn, self.fresh) {
            (true, _) => self.all::<M>(mate, |sum, to| *to = [to[0] - sum[1], to[1] + sum[0]]),
            (false, true) => self.all::<M>(mate, |sum, to| *to = sum),
            (false, false) => self.all::<M>(mate, |sum, to| *to = [to[0] + sum[0], to[1] + sum[1]]),
        }
    }

    #[inline(always)]
    fn all<M: Machine>(self, mate: impl Fn(Place, Complex) -> Complex, put: impl Fn(Complex, &mut Complex)) {
        let (size, shells) = (self.sums.len() / K, self.weights[0].len());
        // Of one length, as the compiler sees: what is looked up is checked once.
        let sums: [&[Complex]; K] = from_fn(|k| &self.sums[k * size..][..size]);
        let weights: [&[f64]; K] = from_fn(|k| &self.weights[k][..shells]);
        match self.members {
            Members::All => {
                let (places, last) = self.places.as_chunks::<STEP>();
                let (shells, last_shell) = self.shells.as_chunks::<STEP>();
                let (out, last_out) = self.out.as_chunks_mut::<STEP>();
                for ((places, shells), out) in places.iter().zip(shells).zip(out) {
                    for i in 0..STEP {
                        let sum = product::<M, K>(&weights, &sums, places[i].slot(), shells[i]);
                        put(mate(places[i], sum), &mut out[i]);
                    }
                }
                for ((&place, &shell), to) in last.iter().zip(last_shell).zip(last_out) {
                    put(mate(place, product::<M, K>(&weights, &sums, place.slot(), shell)), to);
                }
            }
            Members::Some(list) => {
                for (&i, to) in list.iter().zip(self.out) {
                    let (place, shell) = (self.places[i as usize], self.shells[i as usize]);
                    let slot = place.slot() - self.first;
                    put(mate(place, product::<M, K>(&weights, &sums, slot, shell)), to);
                }
            }
        }
    }
}

/// The sum of K kinds at one reflection.
#[inline(always)]
fn product<M: Machine, const K: usize>(
    weights: &[&[f64]; K],
    sums: &[&[Complex]; K],
    slot: usize,
    shell: u32,
) -> Complex {
    // Pairs, so that both parts are one vector.
    let mut sum = [0.0; 2];
    for k in 0..K {
        let (weight, own) = (weights[k][shell as usize], &sums[k][slot]);
        for part in 0..2 {
            sum[part] = M::madd(weight, own[part], sum[part]);
        }
    }
    sum
}
