//! Sums of phases by a fast Fourier transform of atoms that are spread over a grid: for cells with many atoms.
//!
//! Each atom is spread over `w` points along each axis with the kernel `exp(beta (sqrt(1 - z^2) - 1))`, the grid is
//! transformed, and the transform is divided by that of the kernel (A. H. Barnett, J. Magland and L. af Klinteberg,
//! SIAM J. Sci. Comput. 41 (2019) C479, sections 2 and 3). The real grid needs half of a complex transform, and of
//! that only the indices that are asked for are carried on.

use std::f64::consts::{FRAC_PI_2, PI};

use realfft::RealFftPlanner;
use realfft::num_complex::Complex;
use rustfft::FftPlanner;

use super::rows::LANES;
use crate::elementary::exp;
use crate::error::Result;
use crate::machine::{Kernel, Machine, dispatch};
use crate::math::Vec3;
use crate::parallel;
use crate::scratch::{Lent, holds};

/// Grid points for each index along an axis, at least.
const OVERSAMPLING: f64 = 2.0;
/// Most points that an atom is spread over along an axis, and padding at the end of a row.
const WIDEST: usize = 16;
/// Points of a grid, so that it has at most half a gigabyte.
const LARGEST: usize = 1 << 26;
/// Planes of the grid that a task spreads atoms over.
const PLANES: usize = 16;
/// Intervals of the integral over the kernel.
const INTERVALS: usize = 96;

/// A grid for the indices up to `reach` and a kernel of `width` points.
#[derive(Debug, Clone, Copy)]
pub struct Grid {
    reach: [usize; 3],
    size: [usize; 3],
    width: usize,
    beta: [f64; 3],
}

/// Values of the kernel at the points of an atom, along each axis.
type Weights = [[f64; WIDEST]; 3];

/// What is made for one kind of atoms, and written again for the next.
#[derive(Default)]
struct Memory {
    places: Vec<[usize; 3]>,
    kernels: Vec<Weights>,
    grid: Vec<f64>,
    planes: Vec<Complex<f64>>,
    transformed: Vec<Complex<f64>>,
}

holds!(Memory: places, kernels, grid, planes, transformed);

/// Smallest even product of 2, 3 and 5 that is not below `least`.
fn smooth(least: usize) -> usize {
    // A power of two is among them.
    (least..=2 * least)
        .find(|&n| {
            let mut rest: usize = n;
            for prime in [2, 3, 5] {
                while rest.is_multiple_of(prime) {
                    rest /= prime;
                }
            }
            n.is_multiple_of(2) && rest == 1
        })
        .unwrap_or(least)
}

impl Grid {
    /// For these indices and this error; None if the grid would be too large.
    pub fn new(reach: [usize; 3], error: f64) -> Option<Self> {
        // A digit for each point, and one more.
        let width = ((-error.log10()).ceil() as usize + 2).clamp(4, WIDEST);
        let size = reach.map(|reach| {
            let least = (OVERSAMPLING * (2 * reach + 1) as f64).ceil() as usize;
            smooth(least.max(2 * width))
        });
        let beta = [0, 1, 2].map(|a| {
            let sampling = size[a] as f64 / (2 * reach[a] + 1) as f64;
            0.97 * PI * (1.0 - 0.5 / sampling) * width as f64
        });
        let points = size.iter().fold(1usize, |product, &n| product.saturating_mul(n));
        (points <= LARGEST).then_some(Self {
            reach,
            size,
            width,
            beta,
        })
    }

    /// Nanoseconds for one kind of `atoms`.
    pub fn nanos(&self, atoms: usize) -> f64 {
        let points = self.size.iter().product::<usize>() as f64;
        8.0 * points + atoms as f64 * (100.0 + 0.6 * (self.width * self.width * WIDEST) as f64)
    }

    /// Sums over some atoms for each reflection.
    pub fn sums(
        &self,
        (frac, amplitudes): (&[Vec3], &[f64]),
        hkl: &[[i32; 3]],
        workers: usize,
        out: &mut [[f64; 2]],
    ) -> Result<()> {
        let mut memory = Lent::<Memory>::default();
        let Memory {
            places,
            kernels,
            grid,
            planes,
            transformed,
        } = &mut *memory;
        self.spread((frac, amplitudes), (places, kernels, grid), workers)?;
        self.transform(grid, (planes, transformed), workers)?;
        let correction = [0, 1, 2].map(|axis| self.correction(axis));
        let [r0, r1, _] = self.reach;
        let (columns, rows) = (2 * r0 + 1, 2 * r1 + 1);
        for (to, h) in out.iter_mut().zip(hkl) {
            let sign = if h[2] < 0 { -1 } else { 1 };
            let [i, j, k] = h.map(|index| sign * index);
            let at = (k as usize * rows + (j + r1 as i32) as usize) * columns + (i + r0 as i32) as usize;
            let scale = (0..3)
                .map(|axis| correction[axis][h[axis].unsigned_abs() as usize])
                .product::<f64>();
            let value = transformed[at];
            // The transform has the other sign, and so has the mate of h.
            *to = [value.re * scale, -f64::from(sign) * value.im * scale];
        }
        Ok(())
    }

    /// One over the transform of the kernel: `w` times the integral of `exp(beta (sqrt(1 - z^2) - 1)) cos(pi w h z / n)`
    /// over z from 0 to 1, with `z = sin u`.
    fn correction(&self, axis: usize) -> Vec<f64> {
        let step = FRAC_PI_2 / INTERVALS as f64;
        let nodes: Vec<(f64, f64)> = (0..INTERVALS)
            .map(|i| {
                let (sin, cos) = (step * i as f64).sin_cos();
                let end = if i == 0 { 0.5 } else { 1.0 };
                (sin, end * step * cos * (self.beta[axis] * (cos - 1.0)).exp())
            })
            .collect();
        let w = self.width as f64;
        (0..=self.reach[axis])
            .map(|h| {
                let turn = PI * w * h as f64 / self.size[axis] as f64;
                let integral: f64 = nodes.iter().map(|&(z, weight)| weight * (turn * z).cos()).sum();
                1.0 / (w * integral)
            })
            .collect()
    }

    /// Atoms on the grid; rows along the last axis are padded.
    fn spread(
        &self,
        (frac, amplitudes): (&[Vec3], &[f64]),
        (places, kernels, grid): (&mut Vec<[usize; 3]>, &mut Vec<Weights>, &mut Vec<f64>),
        workers: usize,
    ) -> Result<()> {
        let [n0, n1, n2] = self.size;
        let stride = n2 + WIDEST;
        places.resize(frac.len(), [0; 3]);
        kernels.resize(frac.len(), [[0.0; WIDEST]; 3]);
        let chunks: Vec<_> = frac
            .chunks(1024)
            .zip(amplitudes.chunks(1024))
            .zip(places.chunks_mut(1024).zip(kernels.chunks_mut(1024)))
            .collect();
        parallel::for_each(chunks, workers, |((frac, amplitudes), (places, kernels))| {
            dispatch(Kernels {
                grid: self,
                frac,
                amplitudes,
                places,
                weights: kernels,
            });
        })?;
        grid.resize(n0 * n1 * stride, 0.0);
        grid.fill(0.0);
        let slabs: Vec<_> = grid.chunks_mut(PLANES * n1 * stride).enumerate().collect();
        // Atoms by their first plane; each slab takes those that reach into it, in the same order.
        let mut order: Vec<u32> = (0..frac.len() as u32).collect();
        order.sort_by_key(|&j| places[j as usize]);
        parallel::for_each(slabs, workers, |(slab, values)| {
            dispatch(Spread {
                grid: self,
                first: slab * PLANES,
                order: &order,
                places,
                kernels,
                values,
            });
        })
    }

    /// The transform with `exp(-2 pi i)` at `[h2][h1][h0]` for h2 from 0 and the others from -reach.
    fn transform(
        &self,
        grid: &mut [f64],
        (planes, out): (&mut Vec<Complex<f64>>, &mut Vec<Complex<f64>>),
        workers: usize,
    ) -> Result<()> {
        let [n0, n1, n2] = self.size;
        let [r0, r1, r2] = self.reach;
        let stride = n2 + WIDEST;
        let along_2 = RealFftPlanner::<f64>::new().plan_fft_forward(n2);
        let mut planner = FftPlanner::<f64>::new();
        let (along_1, along_0) = (planner.plan_fft_forward(n1), planner.plan_fft_forward(n0));
        let zero = Complex::new(0.0, 0.0);
        let kept = |reach: usize, n: usize| (0..=2 * reach).map(move |i| (i + n - reach) % n);
        let (rows, columns) = (2 * r1 + 1, r2 + 1);
        // Plane by plane: [h2][h1] of each.
        planes.resize(n0 * columns * rows, zero);
        let tasks: Vec<_> = grid
            .chunks_mut(n1 * stride)
            .zip(planes.chunks_mut(columns * rows))
            .collect();
        parallel::for_each(tasks, workers, |(plane, out)| {
            let mut scratch = along_2.make_scratch_vec();
            let mut line = along_2.make_output_vec();
            let mut turned = vec![zero; columns * n1];
            for (j, row) in plane.chunks_mut(stride).enumerate() {
                let (row, tail) = row.split_at_mut(n2);
                for (to, value) in row.iter_mut().zip(tail) {
                    *to += *value;
                }
                // Lengths are those of the plan.
                let _ = along_2.process_with_scratch(row, &mut line, &mut scratch);
                for (k, value) in line[..columns].iter().enumerate() {
                    turned[k * n1 + j] = *value;
                }
            }
            along_1.process(&mut turned);
            for (line, out) in turned.chunks(n1).zip(out.chunks_mut(rows)) {
                for (to, from) in out.iter_mut().zip(kept(r1, n1)) {
                    *to = line[from];
                }
            }
        })?;
        let lines = columns * rows;
        out.resize(lines * (2 * r0 + 1), zero);
        let tasks: Vec<_> = out.chunks_mut(rows * (2 * r0 + 1)).enumerate().collect();
        parallel::for_each(tasks, workers, |(k, out)| {
            let mut turned = vec![zero; rows * n0];
            for (i, plane) in planes.chunks(lines).enumerate() {
                for (j, value) in plane[k * rows..(k + 1) * rows].iter().enumerate() {
                    turned[j * n0 + i] = *value;
                }
            }
            along_0.process(&mut turned);
            for (line, out) in turned.chunks(n0).zip(out.chunks_mut(2 * r0 + 1)) {
                for (to, from) in out.iter_mut().zip(kept(r0, n0)) {
                    *to = line[from];
                }
            }
        })
    }
}

/// First point and kernel of each atom along each axis; the amplitude is in the first axis.
struct Kernels<'a> {
    grid: &'a Grid,
    frac: &'a [Vec3],
    amplitudes: &'a [f64],
    places: &'a mut [[usize; 3]],
    weights: &'a mut [Weights],
}

impl Kernel for Kernels<'_> {
    #[inline(always)]
    fn run<M: Machine>(self) {
        let w = self.grid.width as f64;
        let atoms = self.frac.iter().zip(self.amplitudes);
        for ((x, &amplitude), (place, kernel)) in atoms.zip(self.places.iter_mut().zip(self.weights)) {
            for axis in 0..3 {
                let n = self.grid.size[axis] as f64;
                let at = (x[axis] - x[axis].floor()) * n;
                // Points first, first + 1, ... lie within w/2 of the atom.
                let first = (at - 0.5 * w).ceil();
                let index = if first < 0.0 { first + n } else { first };
                place[axis] = (index as usize).min(self.grid.size[axis] - 1);
                let (offset, beta) = (first - at, self.grid.beta[axis]);
                let scale = if axis == 0 { amplitude } else { 1.0 };
                for i in 0..WIDEST {
                    let z = (offset + i as f64) * (2.0 / w);
                    let inside = 1.0 - z * z;
                    let value = exp::<M>(beta * (inside.max(0.0).sqrt() - 1.0));
                    kernel[axis][i] = if inside >= 0.0 { scale * value } else { 0.0 };
                }
            }
        }
    }
}

/// Adds the atoms that reach into some planes.
struct Spread<'a> {
    grid: &'a Grid,
    first: usize,
    /// Atoms by their places.
    order: &'a [u32],
    places: &'a [[usize; 3]],
    kernels: &'a [[[f64; WIDEST]; 3]],
    values: &'a mut [f64],
}

impl Spread<'_> {
    #[inline(always)]
    fn points<M: Machine, const W: usize>(self) {
        let [n0, n1, n2] = self.grid.size;
        let (stride, width) = (n2 + WIDEST, self.grid.width);
        let planes = self.values.len() / (n1 * stride);
        for &j in self.order {
            let place = self.places[j as usize];
            // How far the first plane is past the atom's first point.
            let ahead = (self.first + n0 - place[0]) % n0;
            if ahead >= width && (place[0] + n0 - self.first) % n0 >= planes {
                continue;
            }
            let kernel = &self.kernels[j as usize];
            let mut along = [0.0; W];
            along.copy_from_slice(&kernel[2][..W]);
            for i in 0..width {
                let plane = (place[0] + i) % n0;
                if plane < self.first || plane >= self.first + planes {
                    continue;
                }
                for k in 0..width {
                    let row = place[1] + k;
                    let row = if row >= n1 { row - n1 } else { row };
                    let begin = ((plane - self.first) * n1 + row) * stride + place[2];
                    let weight = kernel[0][i] * kernel[1][k];
                    if let Some(to) = self.values[begin..].first_chunk_mut::<W>() {
                        for m in 0..W {
                            to[m] = M::madd(weight, along[m], to[m]);
                        }
                    }
                }
            }
        }
    }
}

impl Kernel for Spread<'_> {
    #[inline(always)]
    fn run<M: Machine>(self) {
        if self.grid.width <= LANES {
            self.points::<M, LANES>();
        } else {
            self.points::<M, WIDEST>();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_keep_the_error_that_was_asked_for() {
        let mut state = 1u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 11) as f64 / (1u64 << 53) as f64
        };
        let frac: Vec<Vec3> = (0..40)
            .map(|j| {
                [
                    4.0 * random() - 2.0,
                    random(),
                    if j == 0 { 0.999_999 } else { random() },
                ]
            })
            .collect();
        let amplitudes: Vec<f64> = (0..40).map(|_| random() - 0.3).collect();
        let total: f64 = amplitudes.iter().map(|w| w.abs()).sum();
        let hkl = [
            [0, 0, 0],
            [5, -3, 2],
            [-5, 12, 7],
            [5, 12, -7],
            [-5, -12, -7],
            [1, 0, 0],
            [0, 0, -1],
            [0, 12, 0],
            [-5, 3, -2],
        ];
        for error in [1e-5, 1e-7, 1e-12] {
            let grid = Grid::new([5, 12, 7], error).unwrap();
            let mut out = vec![[0.0; 2]; hkl.len()];
            grid.sums((&frac, &amplitudes), &hkl, 1, &mut out).unwrap();
            for (i, h) in hkl.iter().enumerate() {
                let (mut re, mut im) = (0.0, 0.0);
                for (x, w) in frac.iter().zip(&amplitudes) {
                    let turns: f64 = (0..3).map(|a| f64::from(h[a]) * x[a]).sum();
                    let (sin, cos) = (2.0 * PI * (turns - turns.round())).sin_cos();
                    re += w * cos;
                    im += w * sin;
                }
                let off = (out[i][0] - re).hypot(out[i][1] - im) / total;
                assert!(off < error, "{h:?} {error} {off}");
            }
        }
        assert!(Grid::new([4000, 4000, 4000], 1e-6).is_none());
    }

    /// One atom: errors of many cannot be larger, and are smaller where they differ in sign.
    #[test]
    fn one_atom_has_the_error_that_was_asked_for_wherever_it_is() {
        let reach = [9, 20, 14];
        let hkl: Vec<[i32; 3]> = (0..200)
            .map(|i| [9 - i % 19, i * 7 % 41 - 20, i * 11 % 29 - 14])
            .chain([
                [9, 20, 14],
                [-9, 20, 14],
                [9, -20, -14],
                [0, 20, 0],
                [9, 0, 0],
                [0, 0, 14],
            ])
            .collect();
        for digits in 5..=13 {
            let error = 0.1f64.powi(digits);
            let grid = Grid::new(reach, error).unwrap();
            let mut worst = 0.0f64;
            for place in 0..60 {
                let x = [0.313_7, 0.171_3, 0.477_1].map(|step| f64::from(place) * step);
                let mut out = vec![[0.0; 2]; hkl.len()];
                grid.sums((&[x], &[1.0]), &hkl, 1, &mut out).unwrap();
                for (found, h) in out.iter().zip(&hkl) {
                    let turns: f64 = (0..3).map(|a| f64::from(h[a]) * x[a]).sum();
                    let (sin, cos) = (2.0 * PI * (turns - turns.round())).sin_cos();
                    worst = worst.max((found[0] - cos).hypot(found[1] - sin));
                }
            }
            // Rounding of the kernel and of the transform.
            assert!(worst < 1.2 * error + 1e-12, "{error}: {worst}");
        }
    }
}
