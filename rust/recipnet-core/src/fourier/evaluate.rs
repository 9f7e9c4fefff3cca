//! Values and gradients of the functions at points.
//!
//! Everything comes from the real functions: a centric one is a sum of cosines over one member of each pair +-h, an
//! acentric pair is the real and the imaginary part of one complex sum. The complex functions are unit phases of these:
//! `e = exp(-2 pi i alpha) r` where centric, and `e_{-O} = exp(2 pi i phase_O(-h')) conj(e_O)` for the partner of O, h' being
//! its representative (our derivation; both follow from `phase` being defined from the representative).

use super::basis::FourierBasis;
use crate::error::{ArgumentError, LimitError, Result};
use crate::math::{Real, Vec3, cis_turns, wrap};
use crate::parallel;

/// Points whose values are computed together, one in each lane of a register or several.
const LANES: usize = 8;
/// Points that one task takes.
const POINTS_PER_TASK: usize = 64;
/// Largest number of values that one call hands out.
const MAX_VALUES: u64 = 1 << 32;

/// Which functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The complex orthonormal functions `e_k`.
    Complex,
    /// Real orthonormal functions: `exp(2 pi i alpha) e_k` where centric; sqrt 2 times the real part and the imaginary part
    /// of `e_k` for a pair of acentric orbits, at k and at its partner, k being the smaller.
    Real,
}

impl std::str::FromStr for Kind {
    type Err = ArgumentError;

    fn from_str(text: &str) -> std::result::Result<Self, ArgumentError> {
        match text {
            "complex" => Ok(Self::Complex),
            "real" => Ok(Self::Real),
            _ => Err(ArgumentError {
                name: "kind",
                value: format!("{text:?}"),
                message: "must be \"complex\" or \"real\"".into(),
            }),
        }
    }
}

impl Kind {
    /// Numbers that one value consists of.
    #[must_use]
    pub fn width(self) -> usize {
        match self {
            Self::Complex => 2,
            Self::Real => 1,
        }
    }
}

/// What one call computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Values,
    Gradient,
}

impl What {
    /// Numbers of one function at one point: its value, or its three derivatives.
    fn width(self) -> usize {
        match self {
            Self::Values => 1,
            Self::Gradient => 3,
        }
    }
}

/// One plane wave of a sum: rows of the three tables of powers, and the factor of the wave.
#[derive(Debug, Clone, Copy)]
struct Term {
    rows: [u32; 3],
    hkl: [f64; 3],
    cos: f64,
    sin: f64,
}

/// One sum: the terms up to `end`, for function `first`, and `second` where it is a pair.
#[derive(Debug, Clone, Copy)]
struct Sum {
    end: usize,
    first: usize,
    second: Option<usize>,
    /// Unit factors that make the complex functions: of `first` where centric, of `second` in a pair.
    unit: (f64, f64),
}

/// The sums of a basis, in the order of their first functions.
#[derive(Debug, Default)]
pub(super) struct Plan {
    terms: Vec<Term>,
    sums: Vec<Sum>,
    reach: [usize; 3],
}

impl Plan {
    pub fn new(basis: &FourierBasis) -> Self {
        let turns = 1.0 / f64::from(basis.denominator());
        let mut plan = Self::default();
        for h in basis.hkl() {
            for (reach, &index) in plan.reach.iter_mut().zip(h) {
                *reach = (*reach).max(index.unsigned_abs() as usize);
            }
        }
        for k in 0..basis.num_functions() {
            let partner = basis.partner()[k] as usize;
            if partner < k {
                continue;
            }
            let centric = basis.centric()[k];
            let alpha = 0.5 * turns * f64::from(basis.alpha()[k]);
            let scale = 1.0 / (basis.size(k) as f64).sqrt();
            for entry in basis.entries(k) {
                let h = basis.hkl()[basis.column()[entry] as usize];
                let weight = match (centric, h.cmp(&[0; 3])) {
                    (true, std::cmp::Ordering::Less) => continue,
                    (true, std::cmp::Ordering::Greater) => 2.0 * scale,
                    (true, std::cmp::Ordering::Equal) => scale,
                    (false, _) => std::f64::consts::SQRT_2 * scale,
                };
                let (cos, sin) = cis_turns(turns * f64::from(basis.phase()[entry]) + alpha);
                plan.terms.push(Term {
                    rows: [0, 1, 2].map(|axis| (h[axis] + plan.reach[axis] as i32) as u32),
                    hkl: h.map(f64::from),
                    cos: weight * cos,
                    sin: weight * sin,
                });
            }
            let unit = if centric {
                cis_turns(-alpha)
            } else {
                let origin = basis.representative(partner).map(|x| -x);
                let entry = basis
                    .entries(k)
                    .find(|&entry| basis.hkl()[basis.column()[entry] as usize] == origin);
                cis_turns(turns * entry.map_or(0.0, |entry| f64::from(basis.phase()[entry])))
            };
            plan.sums.push(Sum {
                end: plan.terms.len(),
                first: k,
                second: (!centric).then_some(partner),
                unit,
            });
        }
        plan
    }

    /// Real sums of one block of points: LANES numbers for each function, or three times LANES for gradients.
    fn block<T: Lane>(&self, what: What, tables: &Tables<T>, out: &mut [[T; LANES]]) {
        match what {
            What::Values => self.values(tables, out),
            What::Gradient => self.gradients(tables, out),
        }
    }

    fn values<T: Lane>(&self, tables: &Tables<T>, out: &mut [[T; LANES]]) {
        let mut start = 0;
        for sum in &self.sums {
            let mut re = [T::ZERO; LANES];
            let mut im = [T::ZERO; LANES];
            for term in &self.terms[start..sum.end] {
                let (c, s) = (T::from_f64(term.cos), T::from_f64(term.sin));
                let wave = tables.wave(term.rows);
                for lane in 0..LANES {
                    re[lane] = re[lane] + (c * wave.re[lane] - s * wave.im[lane]);
                    im[lane] = im[lane] + (s * wave.re[lane] + c * wave.im[lane]);
                }
            }
            start = sum.end;
            out[sum.first] = re;
            if let Some(second) = sum.second {
                out[second] = im;
            }
        }
    }

    fn gradients<T: Lane>(&self, tables: &Tables<T>, out: &mut [[T; LANES]]) {
        let mut start = 0;
        for sum in &self.sums {
            let mut re = [[T::ZERO; LANES]; 3];
            let mut im = [[T::ZERO; LANES]; 3];
            for term in &self.terms[start..sum.end] {
                let (c, s) = (T::from_f64(term.cos), T::from_f64(term.sin));
                let wave = tables.wave(term.rows);
                // d/dx of exp(2 pi i h x) is 2 pi i h times itself: real and imaginary parts change places.
                for axis in 0..3 {
                    let turn = T::from_f64(std::f64::consts::TAU * term.hkl[axis]);
                    for lane in 0..LANES {
                        re[axis][lane] = re[axis][lane] - turn * (s * wave.re[lane] + c * wave.im[lane]);
                        im[axis][lane] = im[axis][lane] + turn * (c * wave.re[lane] - s * wave.im[lane]);
                    }
                }
            }
            start = sum.end;
            out[3 * sum.first..3 * sum.first + 3].copy_from_slice(&re);
            if let Some(second) = sum.second {
                out[3 * second..3 * second + 3].copy_from_slice(&im);
            }
        }
    }

    /// Write the values of one point, lane `lane` of a block, as the kind asks.
    fn emit<T: Lane>(&self, kind: Kind, what: What, lane: usize, block: &[[T; LANES]], out: &mut [T]) {
        let parts = what.width();
        if kind == Kind::Real {
            for (value, row) in out.iter_mut().zip(block) {
                *value = row[lane];
            }
            return;
        }
        let half = T::from_f64(std::f64::consts::FRAC_1_SQRT_2);
        for sum in &self.sums {
            let (c, s) = (T::from_f64(sum.unit.0), T::from_f64(sum.unit.1));
            for part in 0..parts {
                let at = |k: usize| k * parts + part;
                let a = block[at(sum.first)][lane];
                if let Some(second) = sum.second {
                    let (a, b) = (a * half, block[at(second)][lane] * half);
                    out[2 * at(sum.first)] = a;
                    out[2 * at(sum.first) + 1] = b;
                    out[2 * at(second)] = c * a + s * b;
                    out[2 * at(second) + 1] = s * a - c * b;
                } else {
                    out[2 * at(sum.first)] = c * a;
                    out[2 * at(sum.first) + 1] = s * a;
                }
            }
        }
    }
}

/// A float that sums are made of.
pub trait Lane:
    Real + std::ops::Add<Output = Self> + std::ops::Sub<Output = Self> + std::ops::Mul<Output = Self>
{
    /// Zero.
    const ZERO: Self;
}

impl Lane for f64 {
    const ZERO: Self = 0.0;
}

impl Lane for f32 {
    const ZERO: Self = 0.0;
}

/// Complex numbers, one for each point of a block.
#[derive(Debug, Clone, Copy)]
struct Wave<T> {
    re: [T; LANES],
    im: [T; LANES],
}

/// `exp(2 pi i n x)` for each axis and each n up to the reach, for the points of a block.
struct Tables<T> {
    axes: [Vec<Wave<T>>; 3],
}

impl<T: Lane> Tables<T> {
    fn new(reach: [usize; 3]) -> Self {
        let empty = Wave {
            re: [T::ZERO; LANES],
            im: [T::ZERO; LANES],
        };
        Self {
            axes: reach.map(|reach| vec![empty; 2 * reach + 1]),
        }
    }

    /// Fill the lanes with the points, the last one repeated. Powers are made in double precision by halving the
    /// exponent, so that errors grow with n times the rounding of x alone.
    fn fill(&mut self, points: &[Vec3], powers: &mut Vec<(f64, f64)>) {
        for (axis, table) in self.axes.iter_mut().enumerate() {
            let reach = table.len() / 2;
            for lane in 0..LANES {
                let x = points[lane.min(points.len() - 1)][axis];
                powers.clear();
                powers.push((1.0, 0.0));
                if reach > 0 {
                    powers.push(cis_turns(wrap(x)));
                }
                for n in 2..=reach {
                    let (a, b) = (powers[n / 2], powers[n - n / 2]);
                    powers.push((a.0 * b.0 - a.1 * b.1, a.0 * b.1 + a.1 * b.0));
                }
                for (n, &(cos, sin)) in powers.iter().enumerate() {
                    let (cos, sin) = (T::from_f64(cos), T::from_f64(sin));
                    table[reach + n].re[lane] = cos;
                    table[reach + n].im[lane] = sin;
                    table[reach - n].re[lane] = cos;
                    table[reach - n].im[lane] = T::ZERO - sin;
                }
            }
        }
    }

    #[inline]
    fn wave(&self, rows: [u32; 3]) -> Wave<T> {
        let [x, y, z] = [0, 1, 2].map(|axis| &self.axes[axis][rows[axis] as usize]);
        let mut out = *z;
        for lane in 0..LANES {
            let re = x.re[lane] * y.re[lane] - x.im[lane] * y.im[lane];
            let im = x.re[lane] * y.im[lane] + x.im[lane] * y.re[lane];
            out.re[lane] = re * z.re[lane] - im * z.im[lane];
            out.im[lane] = re * z.im[lane] + im * z.re[lane];
        }
        out
    }
}

impl FourierBasis {
    /// Values at P points: (P, K) numbers, or (P, K, 2) for the complex kind.
    ///
    /// # Errors
    /// A coordinate that is not finite, or more than 2^32 numbers.
    pub fn evaluate<T: Lane>(&self, points: &[Vec3], kind: Kind, threads: Option<usize>) -> Result<Vec<T>> {
        self.at_points(points, kind, What::Values, threads)
    }

    /// Derivatives with respect to the fractional coordinates: (P, K, 3) numbers, or (P, K, 3, 2) for the complex kind.
    ///
    /// # Errors
    /// A coordinate that is not finite, or more than 2^32 numbers.
    pub fn gradient<T: Lane>(&self, points: &[Vec3], kind: Kind, threads: Option<usize>) -> Result<Vec<T>> {
        self.at_points(points, kind, What::Gradient, threads)
    }

    /// `conj(e_k(x_p)) e_k(y_p)`: (P, K, 2) numbers. They do not depend on the setting or the origin.
    ///
    /// # Errors
    /// Different numbers of points, a coordinate that is not finite, or more than 2^32 numbers.
    pub fn pair_products<T: Lane>(&self, x: &[Vec3], y: &[Vec3], threads: Option<usize>) -> Result<Vec<T>> {
        if x.len() != y.len() {
            return Err(ArgumentError {
                name: "y",
                value: format!("{} points", y.len()),
                message: format!("x has {} points: pairs need as many of each", x.len()),
            }
            .into());
        }
        let mut out = self.evaluate::<T>(x, Kind::Complex, threads)?;
        let other = self.evaluate::<T>(y, Kind::Complex, threads)?;
        for (a, b) in out.as_chunks_mut::<2>().0.iter_mut().zip(other.as_chunks::<2>().0) {
            *a = [a[0] * b[0] + a[1] * b[1], a[0] * b[1] - a[1] * b[0]];
        }
        Ok(out)
    }

    /// The values of [`Self::evaluate`], written to a slice of their number.
    pub(super) fn evaluate_into<T: Lane>(
        &self,
        points: &[Vec3],
        kind: Kind,
        threads: Option<usize>,
        out: &mut [T],
    ) -> Result<()> {
        self.fill(points, (kind, What::Values), threads, out)
    }

    fn at_points<T: Lane>(&self, points: &[Vec3], kind: Kind, what: What, threads: Option<usize>) -> Result<Vec<T>> {
        if let Some(row) = points.iter().position(|x| !x.iter().all(|x| x.is_finite())) {
            return Err(ArgumentError {
                name: "frac",
                value: format!("{:?}", points[row]),
                message: format!("row {row} is not finite"),
            }
            .into());
        }
        let stride = self.num_functions() * what.width() * kind.width();
        let needed = points.len() as f64 * stride as f64;
        if needed > MAX_VALUES as f64 {
            return Err(LimitError {
                message: format!(
                    "{} points times {} functions are {needed:.2e} numbers, at most {MAX_VALUES} are handed out: \
                     evaluate fewer points at a time",
                    points.len(),
                    self.num_functions()
                ),
                name: "points",
                limit: MAX_VALUES,
                needed,
                crystal: None,
            }
            .into());
        }
        let mut out = vec![T::ZERO; points.len() * stride];
        self.fill(points, (kind, what), threads, &mut out)?;
        Ok(out)
    }

    fn fill<T: Lane>(
        &self,
        points: &[Vec3],
        (kind, what): (Kind, What),
        threads: Option<usize>,
        out: &mut [T],
    ) -> Result<()> {
        let plan = self.plan();
        let width = self.num_functions() * what.width();
        let stride = width * kind.width();
        let nanos = points.len() as f64 * plan.terms.len() as f64 * what.width() as f64;
        let workers = parallel::workers(threads, nanos)?;
        let tasks: Vec<(&[Vec3], &mut [T])> = points
            .chunks(POINTS_PER_TASK)
            .zip(out.chunks_mut((POINTS_PER_TASK * stride).max(1)))
            .collect();
        parallel::for_each(tasks, workers, |(points, out)| {
            let mut tables = Tables::new(plan.reach);
            let mut powers = Vec::new();
            let mut block = vec![[T::ZERO; LANES]; width];
            for (points, out) in points.chunks(LANES).zip(out.chunks_mut(LANES * stride)) {
                tables.fill(points, &mut powers);
                plan.block(what, &tables, &mut block);
                for (lane, out) in out.chunks_mut(stride).enumerate() {
                    plan.emit(kind, what, lane, &block, out);
                }
            }
        })
    }
}
