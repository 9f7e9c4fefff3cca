//! Sums with C channels: products of a block of phases with packed channels, tile by tile in registers.
//!
//! A tile is [`ROWS`] rows by `NR` channels. Rows past the end repeat the last one and are not stored, channels past the
//! end are zero, so that every element is summed in the same order wherever it lies.

use std::f64::consts::TAU;

use super::phases::{BLOCK, CHUNK, LANES, Phases};
use super::ragged::{Piece, Ragged};
use super::weighted::blocks;
use crate::machine::{Kernel, Machine};
use crate::scalar::Scalar;

/// Rows of a tile.
const ROWS: usize = 4;
/// Channels of a tile where vectors have 64 bytes, and elsewhere.
const WIDE: usize = 16;
const NARROW: usize = 8;

type Tile<T, const NR: usize> = [[T; NR]; ROWS];

/// `a @ values` and `b @ values` of one tile: `a`, `b` are rows of coefficients, `values` as many rows as they are long.
#[inline(always)]
fn two_products<T: Scalar, M: Machine, const NR: usize>(
    a: [&[T]; ROWS],
    b: [&[T]; ROWS],
    values: &[[T; NR]],
) -> (Tile<T, NR>, Tile<T, NR>) {
    let (mut re, mut im) = ([[T::ZERO; NR]; ROWS], [[T::ZERO; NR]; ROWS]);
    let (a, b) = (a.map(|row| &row[..values.len()]), b.map(|row| &row[..values.len()]));
    for (j, value) in values.iter().enumerate() {
        for r in 0..ROWS {
            let (x, y) = (a[r][j], b[r][j]);
            for n in 0..NR {
                re[r][n] = M::madd(x, value[n], re[r][n]);
                im[r][n] = M::madd(y, value[n], im[r][n]);
            }
        }
    }
    (re, im)
}

/// `sum_r cos[r, j] re[r] + sin[r, j] im[r]` of one tile, for [`ROWS`] atoms from `j`.
#[inline(always)]
fn back_product<T: Scalar, M: Machine, const NR: usize>(
    phases: &Phases<T>,
    j: usize,
    re: &[[T; NR]],
    im: &[[T; NR]],
) -> Tile<T, NR> {
    let mut sum = [[T::ZERO; NR]; ROWS];
    let phase = phases
        .cos
        .chunks_exact(phases.width)
        .zip(phases.sin.chunks_exact(phases.width));
    for ((re, im), (cos, sin)) in re.iter().zip(im).zip(phase) {
        let (cos, sin) = (&cos[j..j + ROWS], &sin[j..j + ROWS]);
        for r in 0..ROWS {
            for n in 0..NR {
                sum[r][n] = M::madd(cos[r], re[n], sum[r][n]);
            }
            for n in 0..NR {
                sum[r][n] = M::madd(sin[r], im[n], sum[r][n]);
            }
        }
    }
    sum
}

/// Rows `(count, channels)` as tiles of `NR` channels: tile `k`, row `j` at `k * count + j`.
#[inline(always)]
fn pack<T: Scalar, const NR: usize>(rows: &[T], channels: usize, packed: &mut Vec<[T; NR]>) {
    let count = rows.len() / channels;
    packed.clear();
    packed.resize(count * channels.div_ceil(NR), [T::ZERO; NR]);
    for (j, row) in rows.chunks_exact(channels).enumerate() {
        for (k, part) in row.chunks(NR).enumerate() {
            packed[k * count + j][..part.len()].copy_from_slice(part);
        }
    }
}

/// The phases of the rows of a tile of reflections, from `r` of `count`; the last is repeated past the end.
#[inline(always)]
fn tile_rows<T>(values: &[T], width: usize, r: usize, count: usize) -> [&[T]; ROWS] {
    [0, 1, 2, 3].map(|i| {
        let row = (r + i).min(count - 1);
        &values[row * width..(row + 1) * width]
    })
}

/// `S[h, c] = sum_j q[j, c] exp(+2 pi i h.x_j)` for the reflections of a piece.
pub(super) struct ChannelForward<'a, T> {
    pub batch: Ragged<'a, T>,
    pub q: &'a [T],
    pub channels: usize,
    pub piece: Piece,
    pub out: &'a mut [[T; 2]],
}

impl<T: Scalar> ChannelForward<'_, T> {
    #[inline(always)]
    fn tiles<M: Machine, const NR: usize>(self) {
        let (atoms, channels, out) = (&self.piece.part.atoms, self.channels, self.out);
        let mut packed: Vec<[T; NR]> = Vec::new();
        let visit = |phases: &Phases<T>, (atom, count): (usize, usize), (first, rows): (usize, usize)| {
            if first == 0 {
                let begin = atoms.start + atom;
                pack(
                    &self.q[begin * channels..(begin + count) * channels],
                    channels,
                    &mut packed,
                );
            }
            for r in (0..rows).step_by(ROWS) {
                let cos = tile_rows(&phases.cos, phases.width, r, rows);
                let sin = tile_rows(&phases.sin, phases.width, r, rows);
                for (k, values) in packed.chunks_exact(count).enumerate() {
                    let (re, im) = two_products::<T, M, NR>(cos, sin, values);
                    let stored = ROWS.min(rows - r);
                    for (i, (re, im)) in re.iter().zip(&im).take(stored).enumerate() {
                        let begin = (first + r + i) * channels + k * NR;
                        let end = (begin + NR).min((first + r + i + 1) * channels);
                        let to = out[begin..end].iter_mut().zip(re.iter().zip(im));
                        if atom == 0 {
                            to.for_each(|(to, (&re, &im))| *to = [re, im]);
                        } else {
                            to.for_each(|(to, (&re, &im))| *to = [to[0] + re, to[1] + im]);
                        }
                    }
                }
            }
        };
        blocks::<T>(
            &self.batch.frac[atoms.clone()],
            &self.batch.hkl[self.piece.rows.clone()],
            visit,
        );
    }
}

impl<T: Scalar> Kernel for ChannelForward<'_, T> {
    #[inline(always)]
    fn run<M: Machine>(self) {
        if M::WIDE {
            self.tiles::<M, WIDE>();
        } else {
            self.tiles::<M, NARROW>();
        }
    }
}

/// `y[j, c] = sum_h Re[conj(exp(+2 pi i h.x_j)) t[h, c]]` for the atoms of a piece.
pub(super) struct ChannelAdjoint<'a, T> {
    pub batch: Ragged<'a, T>,
    pub t: &'a [[T; 2]],
    pub channels: usize,
    pub piece: Piece,
    pub out: &'a mut [T],
}

impl<T: Scalar> ChannelAdjoint<'_, T> {
    #[inline(always)]
    fn tiles<M: Machine, const NR: usize>(self) {
        let (reflections, channels, out) = (&self.piece.part.reflections, self.channels, self.out);
        let t = &self.t[reflections.start * channels..reflections.end * channels];
        let (mut re, mut im) = ([[T::ZERO; NR]; BLOCK], [[T::ZERO; NR]; BLOCK]);
        let visit = |phases: &Phases<T>, (atom, count): (usize, usize), (first, rows): (usize, usize)| {
            for c in (0..channels).step_by(NR) {
                let columns = NR.min(channels - c);
                for r in 0..rows {
                    let begin = (first + r) * channels + c;
                    for (n, value) in t[begin..begin + columns].iter().enumerate() {
                        (re[r][n], im[r][n]) = (value[0], value[1]);
                    }
                }
                for j in (0..count).step_by(ROWS) {
                    let sum = back_product::<T, M, NR>(phases, j, &re[..rows], &im[..rows]);
                    for (i, sum) in sum.iter().take(ROWS.min(count - j)).enumerate() {
                        let begin = (atom + j + i) * channels + c;
                        for (to, &value) in out[begin..begin + columns].iter_mut().zip(sum) {
                            *to += value;
                        }
                    }
                }
            }
        };
        let hkl = &self.batch.hkl[reflections.clone()];
        blocks::<T>(&self.batch.frac[self.piece.rows.clone()], hkl, visit);
    }
}

impl<T: Scalar> Kernel for ChannelAdjoint<'_, T> {
    #[inline(always)]
    fn run<M: Machine>(self) {
        if M::WIDE {
            self.tiles::<M, WIDE>();
        } else {
            self.tiles::<M, NARROW>();
        }
    }
}

/// `g_j = 2 pi sum_h h sum_c q[j, c] (t_im cos - t_re sin)` for the atoms of a piece.
pub(super) struct ChannelPositionGradient<'a, T> {
    pub batch: Ragged<'a, T>,
    pub q: &'a [T],
    pub t: &'a [[T; 2]],
    pub channels: usize,
    pub piece: Piece,
    pub out: &'a mut [[T; 3]],
}

impl<T: Scalar> Kernel for ChannelPositionGradient<'_, T> {
    #[inline(always)]
    fn run<M: Machine>(self) {
        let (atoms, channels, out) = (&self.piece.rows, self.channels, self.out);
        let reflections = &self.piece.part.reflections;
        let hkl = &self.batch.hkl[reflections.clone()];
        // Channels of eight atoms side by side: group g, channel c at g * channels + c.
        let mut across: Vec<[T; LANES]> = Vec::new();
        let visit = |phases: &Phases<T>, (atom, count): (usize, usize), (first, rows): (usize, usize)| {
            let width = phases.width;
            if first == 0 {
                across.clear();
                across.resize(width / LANES * channels, [T::ZERO; LANES]);
                for j in 0..count {
                    let begin = (atoms.start + atom + j) * channels;
                    let group = &mut across[j / LANES * channels..(j / LANES + 1) * channels];
                    for (to, &value) in group.iter_mut().zip(&self.q[begin..begin + channels]) {
                        to[j % LANES] = value;
                    }
                }
            }
            for (group, values) in across.chunks_exact(channels).enumerate() {
                let mut sums = [[T::ZERO; LANES]; 3];
                for r in (0..rows).step_by(ROWS) {
                    let lines = [0, 1, 2, 3].map(|i| {
                        let begin = (reflections.start + first + (r + i).min(rows - 1)) * channels;
                        &self.t[begin..begin + channels]
                    });
                    let (mut re, mut im) = ([[T::ZERO; LANES]; ROWS], [[T::ZERO; LANES]; ROWS]);
                    for (c, value) in values.iter().enumerate() {
                        for i in 0..ROWS {
                            let [x, y] = lines[i][c];
                            for n in 0..LANES {
                                re[i][n] = M::madd(x, value[n], re[i][n]);
                                im[i][n] = M::madd(y, value[n], im[i][n]);
                            }
                        }
                    }
                    for i in 0..ROWS.min(rows - r) {
                        let begin = (r + i) * width + group * LANES;
                        let (cos, sin) = (&phases.cos[begin..begin + LANES], &phases.sin[begin..begin + LANES]);
                        let h = hkl[first + r + i].map(|index| T::from_f64(f64::from(index)));
                        for n in 0..LANES {
                            let slope = M::madd(im[i][n], cos[n], -(re[i][n] * sin[n]));
                            for axis in 0..3 {
                                sums[axis][n] = M::madd(h[axis], slope, sums[axis][n]);
                            }
                        }
                    }
                }
                let begin = atom + group * LANES;
                for (n, to) in out[begin..(begin + LANES).min(atom + count)].iter_mut().enumerate() {
                    for axis in 0..3 {
                        to[axis] += sums[axis][n] * T::from_f64(TAU);
                    }
                }
            }
        };
        blocks::<T>(&self.batch.frac[atoms.clone()], hkl, visit);
    }
}

/// What is made of the two sums of a block while they are in the cache.
pub(super) enum Fused<'a, T> {
    /// `y = adjoint(weight * forward(q))` (N, C): `weight` (H, C).
    Convolve { weight: &'a [T], out: Vec<&'a mut [T]> },
    /// `Re[conj(forward(q)) forward(p)]` (H, C): `p` (N, C).
    Correlate { p: &'a [T], out: Vec<&'a mut [T]> },
}

/// A sum that is used where it is made, for some channels of one crystal; `out` holds a slice for each row.
pub(super) struct FusedSums<'a, T> {
    pub batch: Ragged<'a, T>,
    pub q: &'a [T],
    pub channels: usize,
    pub piece: Piece,
    /// First channel of the task.
    pub first: usize,
    pub work: Fused<'a, T>,
}

/// `two_products` over all atoms of a crystal, [`CHUNK`] at a time to bound the rounding.
#[inline(always)]
fn crystal_products<T: Scalar, M: Machine, const NR: usize>(
    phases: &Phases<T>,
    r: usize,
    rows: usize,
    values: &[[T; NR]],
) -> (Tile<T, NR>, Tile<T, NR>) {
    let (mut re, mut im) = ([[T::ZERO; NR]; ROWS], [[T::ZERO; NR]; ROWS]);
    let cos = tile_rows(&phases.cos, phases.width, r, rows);
    let sin = tile_rows(&phases.sin, phases.width, r, rows);
    for (chunk, values) in values.chunks(CHUNK).enumerate() {
        let begin = chunk * CHUNK;
        let part = two_products::<T, M, NR>(cos.map(|row| &row[begin..]), sin.map(|row| &row[begin..]), values);
        for i in 0..ROWS {
            for n in 0..NR {
                re[i][n] += part.0[i][n];
                im[i][n] += part.1[i][n];
            }
        }
    }
    (re, im)
}

impl<T: Scalar> FusedSums<'_, T> {
    #[inline(always)]
    fn tiles<M: Machine, const NR: usize>(mut self) {
        let part = &self.piece.part;
        let (atoms, reflections, channels) = (&part.atoms, &part.reflections, self.channels);
        let columns = match &self.work {
            Fused::Convolve { out, .. } | Fused::Correlate { out, .. } => out.first().map_or(0, |row| row.len()),
        };
        let gather = |values: &[T]| {
            let mut taken = Vec::with_capacity(atoms.len() * columns);
            for row in values[atoms.start * channels..atoms.end * channels].chunks_exact(channels) {
                taken.extend_from_slice(&row[self.first..self.first + columns]);
            }
            let mut packed: Vec<[T; NR]> = Vec::new();
            pack(&taken, columns, &mut packed);
            packed
        };
        if columns == 0 || atoms.is_empty() {
            return;
        }
        let q = gather(self.q);
        let p = match &self.work {
            Fused::Correlate { p, .. } => gather(p),
            Fused::Convolve { .. } => Vec::new(),
        };
        let hkl = &self.batch.hkl[reflections.clone()];
        let mut phases = Phases::new(hkl);
        phases.set_atoms(&self.batch.frac[atoms.clone()]);
        let (mut re, mut im) = ([[T::ZERO; NR]; BLOCK + ROWS], [[T::ZERO; NR]; BLOCK + ROWS]);
        for first in (0..hkl.len()).step_by(BLOCK) {
            let rows = BLOCK.min(hkl.len() - first);
            phases.set_block(first..first + rows);
            for k in 0..columns.div_ceil(NR) {
                let tile = k * atoms.len()..(k + 1) * atoms.len();
                let held = NR.min(columns - k * NR);
                match &mut self.work {
                    Fused::Convolve { weight, out } => {
                        for r in (0..rows).step_by(ROWS) {
                            let sums = crystal_products::<T, M, NR>(&phases, r, rows, &q[tile.clone()]);
                            for i in 0..ROWS.min(rows - r) {
                                let begin = (reflections.start + first + r + i) * channels + self.first + k * NR;
                                let mut factor = [T::ZERO; NR];
                                factor[..held].copy_from_slice(&weight[begin..begin + held]);
                                for n in 0..NR {
                                    re[r + i][n] = factor[n] * sums.0[i][n];
                                    im[r + i][n] = factor[n] * sums.1[i][n];
                                }
                            }
                        }
                        for j in (0..atoms.len()).step_by(ROWS) {
                            let sum = back_product::<T, M, NR>(&phases, j, &re[..rows], &im[..rows]);
                            for (sum, to) in sum.iter().zip(&mut out[j..]) {
                                for (to, &value) in to[k * NR..k * NR + held].iter_mut().zip(sum) {
                                    *to += value;
                                }
                            }
                        }
                    }
                    Fused::Correlate { out, .. } => {
                        for r in (0..rows).step_by(ROWS) {
                            let one = crystal_products::<T, M, NR>(&phases, r, rows, &q[tile.clone()]);
                            let two = crystal_products::<T, M, NR>(&phases, r, rows, &p[tile.clone()]);
                            for i in 0..ROWS.min(rows - r) {
                                let to = &mut out[first + r + i][k * NR..k * NR + held];
                                for (n, to) in to.iter_mut().enumerate() {
                                    *to = M::madd(one.0[i][n], two.0[i][n], one.1[i][n] * two.1[i][n]);
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

impl<T: Scalar> Kernel for FusedSums<'_, T> {
    #[inline(always)]
    fn run<M: Machine>(self) {
        if M::WIDE {
            self.tiles::<M, WIDE>();
        } else {
            self.tiles::<M, NARROW>();
        }
    }
}
