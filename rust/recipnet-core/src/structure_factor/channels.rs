//! Sums with C channels: products of a block of phases with packed channels, tile by tile in registers.
//!
//! A tile is [`SIDE`] reflections, or as many atoms, by `NR` channels. Rows past the end are computed and not stored,
//! channels past the end are zero, so that every element is summed in the same order wherever it lies.

use std::f64::consts::TAU;

use super::phases::{BLOCK, CHUNK, LANES, Phases, blocks};
use super::ragged::{Piece, Ragged};
use crate::ahead::fetch;
use crate::machine::{Kernel, Machine};
use crate::scalar::Scalar;

/// Reflections, or atoms, of a tile.
const SIDE: usize = 4;

type Tile<T, const NR: usize> = [[T; NR]; SIDE];

/// Phases of a tile's reflections at one atom: cosines, then sines.
type Coefficients<T> = [[T; SIDE]; 2];

/// The phases of a block in the order that the tiles read them: those of a tile lie together, atom after atom.
struct Tiles<T> {
    values: Vec<Coefficients<T>>,
    atoms: usize,
}

impl<T: Scalar> Tiles<T> {
    fn new() -> Self {
        Self {
            values: Vec::new(),
            atoms: 0,
        }
    }

    #[inline(always)]
    fn pack(&mut self, phases: &Phases<T>, rows: usize) {
        let width = phases.width;
        self.atoms = width;
        self.values.resize(BLOCK / SIDE * width, [[T::ZERO; SIDE]; 2]);
        let tiles = self.values.chunks_exact_mut(width).zip((0..rows).step_by(SIDE));
        for (tile, r) in tiles {
            for j in (0..width).step_by(SIDE) {
                for (part, values) in [&phases.cos, &phases.sin].into_iter().enumerate() {
                    let mut square = [[T::ZERO; SIDE]; SIDE];
                    for (i, line) in square.iter_mut().enumerate() {
                        let begin = (r + i) * width + j;
                        line.copy_from_slice(&values[begin..begin + SIDE]);
                    }
                    for (to, line) in tile[j..j + SIDE].iter_mut().zip(T::transpose(square)) {
                        to[part] = line;
                    }
                }
            }
        }
    }

    /// The tile that begins with row `r`.
    #[inline(always)]
    fn at(&self, r: usize) -> &[Coefficients<T>] {
        &self.values[r / SIDE * self.atoms..(r / SIDE + 1) * self.atoms]
    }
}

/// `sum += factor * values`.
#[inline(always)]
fn accumulate<T: Scalar, M: Machine, const NR: usize>(factor: T, values: &[T; NR], sum: &mut [T; NR]) {
    for n in 0..NR {
        sum[n] = M::madd(factor, values[n], sum[n]);
    }
}

/// The same for the rows of a tile; written out, since sums that are reached by a loop would not stay in registers.
#[inline(always)]
fn accumulate_rows<T: Scalar, M: Machine, const NR: usize>(
    factors: &[T; SIDE],
    values: &[T; NR],
    [a, b, c, d]: &mut Tile<T, NR>,
) {
    accumulate::<T, M, NR>(factors[0], values, a);
    accumulate::<T, M, NR>(factors[1], values, b);
    accumulate::<T, M, NR>(factors[2], values, c);
    accumulate::<T, M, NR>(factors[3], values, d);
}

/// `cos @ values` and `sin @ values` of one tile.
#[inline(always)]
fn two_products<T: Scalar, M: Machine, const NR: usize>(
    phases: &[Coefficients<T>],
    values: &[[T; NR]],
) -> (Tile<T, NR>, Tile<T, NR>) {
    let (mut re, mut im) = ([[T::ZERO; NR]; SIDE], [[T::ZERO; NR]; SIDE]);
    for ([cos, sin], value) in phases.iter().zip(values) {
        accumulate_rows::<T, M, NR>(cos, value, &mut re);
        accumulate_rows::<T, M, NR>(sin, value, &mut im);
    }
    (re, im)
}

/// `sum_r cos[r, j] re[r] + sin[r, j] im[r]` of one tile, for [`SIDE`] atoms from `j`.
#[inline(always)]
fn back_product<T: Scalar, M: Machine, const NR: usize>(
    phases: &Phases<T>,
    j: usize,
    re: &[[T; NR]],
    im: &[[T; NR]],
) -> Tile<T, NR> {
    let (mut even, mut odd) = ([[T::ZERO; NR]; SIDE], [[T::ZERO; NR]; SIDE]);
    let phase = phases
        .cos
        .chunks_exact(phases.width)
        .zip(phases.sin.chunks_exact(phases.width));
    for ((re, im), (cos, sin)) in re.iter().zip(im).zip(phase) {
        let (mut x, mut y) = ([T::ZERO; SIDE], [T::ZERO; SIDE]);
        x.copy_from_slice(&cos[j..j + SIDE]);
        y.copy_from_slice(&sin[j..j + SIDE]);
        accumulate_rows::<T, M, NR>(&x, re, &mut even);
        accumulate_rows::<T, M, NR>(&y, im, &mut odd);
    }
    for r in 0..SIDE {
        for n in 0..NR {
            even[r][n] += odd[r][n];
        }
    }
    even
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

/// Real and imaginary parts of at most `NR` complex numbers, zeros behind.
#[inline(always)]
fn parts<T: Scalar, const NR: usize>(row: &[[T; 2]], re: &mut [T; NR], im: &mut [T; NR]) {
    if let Some(row) = row.first_chunk::<NR>() {
        for n in 0..NR {
            (re[n], im[n]) = (row[n][0], row[n][1]);
        }
    } else {
        (*re, *im) = ([T::ZERO; NR], [T::ZERO; NR]);
        for (n, pair) in row.iter().enumerate() {
            (re[n], im[n]) = (pair[0], pair[1]);
        }
    }
}

/// Add the first numbers of a tile's row to as many.
#[inline(always)]
fn add<T: Scalar, const NR: usize>(to: &mut [T], values: &[T; NR]) {
    if let Some(to) = to.first_chunk_mut::<NR>() {
        let mut sum = *to;
        for n in 0..NR {
            sum[n] += values[n];
        }
        *to = sum;
    } else {
        for (to, &value) in to.iter_mut().zip(values) {
            *to += value;
        }
    }
}

/// Real and imaginary parts as complex numbers, as many as `to` takes.
#[inline(always)]
fn interleave<T: Scalar, const NR: usize>(re: &[T; NR], im: &[T; NR], to: &mut [[T; 2]]) {
    if let Some(to) = to.first_chunk_mut::<NR>() {
        for n in 0..NR {
            to[n] = [re[n], im[n]];
        }
    } else {
        for (to, (&re, &im)) in to.iter_mut().zip(re.iter().zip(im)) {
            *to = [re, im];
        }
    }
}

/// Real and imaginary parts of a block of reflections, in one tile of channels.
struct Plane<T, const NR: usize> {
    re: [[T; NR]; BLOCK],
    im: [[T; NR]; BLOCK],
}

impl<T: Scalar, const NR: usize> Plane<T, NR> {
    fn new() -> Self {
        Self {
            re: [[T::ZERO; NR]; BLOCK],
            im: [[T::ZERO; NR]; BLOCK],
        }
    }

    /// Visit the atoms with their adjoint sums of the first `rows` reflections.
    #[inline(always)]
    fn back<M: Machine>(&self, phases: &Phases<T>, rows: usize, atoms: usize, mut visit: impl FnMut(usize, &[T; NR])) {
        for j in (0..atoms).step_by(SIDE) {
            let sums = back_product::<T, M, NR>(phases, j, &self.re[..rows], &self.im[..rows]);
            for (i, sum) in sums.iter().take(atoms - j).enumerate() {
                visit(j + i, sum);
            }
        }
    }
}

/// Run `tiles` of a kernel with the number of channels that suits the registers: two of them, or one.
macro_rules! run_tiles {
    ($kernel:ident, $machine:ident, $scalar:ident) => {
        match ($machine::WIDE, size_of::<$scalar>() == 4) {
            (true, true) => $kernel.tiles::<$machine, 32>(),
            (true, false) => $kernel.tiles::<$machine, 16>(),
            (false, true) => $kernel.tiles::<$machine, 8>(),
            (false, false) => $kernel.tiles::<$machine, 4>(),
        }
    };
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
        if atoms.is_empty() {
            out.fill([T::ZERO; 2]);
        }
        let (mut packed, mut coefficients) = (Vec::new(), Tiles::new());
        let visit = |phases: &Phases<T>, (atom, count): (usize, usize), (first, rows): (usize, usize)| {
            if first == 0 {
                let begin = (atoms.start + atom) * channels;
                pack::<T, NR>(&self.q[begin..begin + count * channels], channels, &mut packed);
            }
            coefficients.pack(phases, rows);
            for r in (0..rows).step_by(SIDE) {
                let begin = (first + r) * channels;
                let out = &mut out[begin..begin + SIDE.min(rows - r) * channels];
                for (k, values) in packed.chunks_exact(count).enumerate() {
                    let (re, im) = two_products::<T, M, NR>(coefficients.at(r), values);
                    for (row, (re, im)) in out.chunks_exact_mut(channels).zip(re.iter().zip(&im)) {
                        let row = &mut row[k * NR..channels.min((k + 1) * NR)];
                        if atom == 0 {
                            interleave(re, im, row);
                        } else {
                            for (to, (&re, &im)) in row.iter_mut().zip(re.iter().zip(im)) {
                                *to = [to[0] + re, to[1] + im];
                            }
                        }
                    }
                }
            }
        };
        let hkl = &self.batch.hkl[self.piece.rows.clone()];
        blocks::<T>(&self.batch.frac[atoms.clone()], hkl, visit);
    }
}

impl<T: Scalar> Kernel for ChannelForward<'_, T> {
    #[inline(always)]
    fn run<M: Machine>(self) {
        run_tiles!(self, M, T);
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
        out.fill(T::ZERO);
        let t = &self.t[reflections.start * channels..reflections.end * channels];
        let mut plane = Plane::<T, NR>::new();
        let visit = |phases: &Phases<T>, (atom, count): (usize, usize), (first, rows): (usize, usize)| {
            for c in (0..channels).step_by(NR) {
                let end = channels.min(c + NR);
                for r in 0..rows {
                    let begin = (first + r) * channels;
                    parts(&t[begin + c..begin + end], &mut plane.re[r], &mut plane.im[r]);
                    // Rows lie too far apart to be foreseen: those of the next block.
                    let next = t.as_ptr().wrapping_add(begin + c + BLOCK * channels);
                    fetch([(next.cast(), size_of::<[T; 2]>() * NR)]);
                }
                plane.back::<M>(phases, rows, count, |j, sum| {
                    let begin = (atom + j) * channels;
                    add(&mut out[begin + c..begin + end], sum);
                });
            }
        };
        let hkl = &self.batch.hkl[reflections.clone()];
        blocks::<T>(&self.batch.frac[self.piece.rows.clone()], hkl, visit);
    }
}

impl<T: Scalar> Kernel for ChannelAdjoint<'_, T> {
    #[inline(always)]
    fn run<M: Machine>(self) {
        run_tiles!(self, M, T);
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
        out.fill([T::ZERO; 3]);
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
                for r in (0..rows).step_by(SIDE) {
                    let lines = [0, 1, 2, 3].map(|i| {
                        let begin = (reflections.start + first + (r + i).min(rows - 1)) * channels;
                        &self.t[begin..begin + channels]
                    });
                    let (mut re, mut im) = ([[T::ZERO; LANES]; SIDE], [[T::ZERO; LANES]; SIDE]);
                    for (c, value) in values.iter().enumerate() {
                        for i in 0..SIDE {
                            let [x, y] = lines[i][c];
                            for n in 0..LANES {
                                re[i][n] = M::madd(x, value[n], re[i][n]);
                                im[i][n] = M::madd(y, value[n], im[i][n]);
                            }
                        }
                    }
                    for i in 0..SIDE.min(rows - r) {
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
    phases: &[Coefficients<T>],
    values: &[[T; NR]],
) -> (Tile<T, NR>, Tile<T, NR>) {
    let (first, others) = values.split_at(CHUNK.min(values.len()));
    let (mut re, mut im) = two_products::<T, M, NR>(phases, first);
    for (phases, values) in phases.chunks(CHUNK).skip(1).zip(others.chunks(CHUNK)) {
        let part = two_products::<T, M, NR>(phases, values);
        for i in 0..SIDE {
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
        match &mut self.work {
            Fused::Convolve { out, .. } => out.iter_mut().for_each(|row| row.fill(T::ZERO)),
            Fused::Correlate { out, .. } if atoms.is_empty() => out.iter_mut().for_each(|row| row.fill(T::ZERO)),
            Fused::Correlate { .. } => {}
        }
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
        let mut coefficients = Tiles::new();
        let mut plane = Plane::<T, NR>::new();
        for first in (0..hkl.len()).step_by(BLOCK) {
            let rows = BLOCK.min(hkl.len() - first);
            phases.set_block(first..first + rows);
            coefficients.pack(&phases, rows);
            match &mut self.work {
                Fused::Convolve { weight, out } => {
                    for (k, q) in q.chunks_exact(atoms.len()).enumerate() {
                        let held = k * NR..columns.min((k + 1) * NR);
                        for r in (0..rows).step_by(SIDE) {
                            let (re, im) = crystal_products::<T, M, NR>(coefficients.at(r), q);
                            for i in 0..SIDE.min(rows - r) {
                                let begin = (reflections.start + first + r + i) * channels + self.first;
                                let factor: [T; NR] = padded(&weight[begin + held.start..begin + held.end]);
                                for n in 0..NR {
                                    plane.re[r + i][n] = factor[n] * re[i][n];
                                    plane.im[r + i][n] = factor[n] * im[i][n];
                                }
                            }
                        }
                        plane.back::<M>(&phases, rows, atoms.len(), |j, sum| add(&mut out[j][held.clone()], sum));
                    }
                }
                Fused::Correlate { out, .. } => {
                    for r in (0..rows).step_by(SIDE) {
                        let both = q.chunks_exact(atoms.len()).zip(p.chunks_exact(atoms.len()));
                        for (k, (q, p)) in both.enumerate() {
                            let one = crystal_products::<T, M, NR>(coefficients.at(r), q);
                            let two = crystal_products::<T, M, NR>(coefficients.at(r), p);
                            for i in 0..SIDE.min(rows - r) {
                                let to = &mut out[first + r + i][k * NR..columns.min((k + 1) * NR)];
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

/// At most `NR` numbers, zeros behind.
#[inline(always)]
fn padded<T: Scalar, const NR: usize>(values: &[T]) -> [T; NR] {
    values.first_chunk().copied().unwrap_or_else(|| {
        let mut all = [T::ZERO; NR];
        all[..values.len()].copy_from_slice(values);
        all
    })
}

impl<T: Scalar> Kernel for FusedSums<'_, T> {
    #[inline(always)]
    fn run<M: Machine>(self) {
        run_tiles!(self, M, T);
    }
}
