//! Lattice vectors that a facet of the Wigner-Seitz cell belongs to.
//!
//! Voronoi (1908): v is strictly relevant exactly if v and -v are the only shortest vectors of their coset of the lattice
//! modulo twice the lattice. Of the eight cosets one is twice the lattice itself; the shortest vectors of the other seven
//! bound the cell, and those that tie touch it in an edge or a corner only.

use super::{Lattice, reduce};
use crate::error::{Result, check_tolerance};
use crate::math::{Int3, Mat3, Real, Vec3, cross, dot, int_row_times, norm, row_times, sub};
use crate::order::{Sorter, TIE_GAP};
use crate::parallel;

/// Strictly relevant vectors of a batch of lattices, those of one lattice contiguous, shortest first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct VoronoiVectors<T> {
    /// Whole coefficients in the given cell.
    pub index: Vec<[i32; 3]>,
    /// `index @ lattice`, angstrom.
    pub vector: Vec<[T; 3]>,
    /// Length of `vector`, angstrom.
    pub length: Vec<T>,
    /// Area of the facet that halves `vector`, square angstrom.
    pub area: Vec<T>,
    /// Vectors of lattice b are `offsets[b]..offsets[b + 1]`.
    pub offsets: Vec<i64>,
}

/// Lattices that one thread takes at a time, and what one costs in nanoseconds.
const STRETCH: usize = 64;
const NANOS: f64 = 3000.0;

/// Strictly relevant vectors: 6 to 14, closed under inversion, independent of the basis.
///
/// Vectors of a coset whose lengths differ by at most `tol` angstrom tie, so that a lattice that is cubic to within `tol`
/// has the 6 (primitive), 14 (body-centred) or 12 (face-centred) vectors of a cubic one. Sorted by length; runs of lengths
/// with gaps up to 1e-9 are one tie, sorted inside by index.
///
/// # Errors
/// `ArgumentError` for a tolerance outside 0 to 1000.
pub fn voronoi_vectors<T: Real>(lattices: &[Lattice], tol: f64, threads: Option<usize>) -> Result<VoronoiVectors<T>> {
    check_tolerance("tol", tol)?;
    let workers = parallel::workers(threads, NANOS * lattices.len() as f64)?;
    let parts = parallel::try_map(lattices.len().div_ceil(STRETCH), workers, |at| {
        let mut part = VoronoiVectors::<T>::default();
        let mut cell = WignerSeitz::default();
        for lattice in &lattices[at * STRETCH..lattices.len().min((at + 1) * STRETCH)] {
            cell.append(lattice.rows(), tol, &mut part);
        }
        Ok(part)
    })?;
    let mut all = VoronoiVectors::default();
    all.offsets.push(0);
    for part in parts {
        let start = all.index.len() as i64;
        all.index.extend(part.index);
        all.vector.extend(part.vector);
        all.length.extend(part.length);
        all.area.extend(part.area);
        all.offsets.extend(part.offsets.iter().map(|end| start + end));
    }
    Ok(all)
}

#[derive(Debug, Clone, Copy)]
struct Candidate {
    index: Int3,
    vector: Vec3,
    length: f64,
}

/// Scratch of one lattice after the other.
#[derive(Debug, Default)]
struct WignerSeitz {
    /// One of each pair +-v.
    candidates: [Vec<Candidate>; 8],
    planes: Vec<Vec3>,
    corners: Vec<Vec3>,
    clipped: Vec<Vec3>,
    sorter: Sorter,
}

impl WignerSeitz {
    fn append<T: Real>(&mut self, given: &Mat3, tol: f64, out: &mut VoronoiVectors<T>) {
        let transform = reduce(given).transform;
        self.candidates.iter_mut().for_each(Vec::clear);
        // In a Minkowski-reduced basis no shortest vector of a coset has larger coefficients.
        for a in 0..=2i64 {
            for b in if a == 0 { 0 } else { -2 }..=2i64 {
                for c in if a == 0 && b == 0 { 1 } else { -2 }..=2i64 {
                    let coset = (a & 1 | (b & 1) << 1 | (c & 1) << 2) as usize;
                    if coset != 0 {
                        let index = int_row_times([a, b, c], &transform);
                        let vector = row_times(index.map(|x| x as f64), given);
                        let length = norm(vector);
                        self.candidates[coset].push(Candidate { index, vector, length });
                    }
                }
            }
        }
        self.planes.clear();
        for coset in &mut self.candidates[1..] {
            let shortest = coset.iter().map(|v| v.length).fold(f64::INFINITY, f64::min);
            coset.retain(|v| v.length <= shortest + tol + TIE_GAP);
            self.planes.extend(coset.iter().map(|v| v.vector));
        }
        let mut found = Vec::with_capacity(14);
        for coset in 1..8 {
            if let [v] = self.candidates[coset][..] {
                let area = self.facet_area(v.vector);
                found.push((v, area));
                let mirrored = Candidate {
                    index: v.index.map(|x| -x),
                    vector: v.vector.map(|x| 0.0 - x),
                    length: v.length,
                };
                found.push((mirrored, area));
            }
        }
        let key = |p: usize| found[p].0.index;
        let order = self
            .sorter
            .sort(found.len(), |p| found[p].0.length, |p, q| key(p).cmp(&key(q)));
        for &p in order {
            let (v, area) = &found[p as usize];
            out.index.push(v.index.map(|x| x as i32));
            out.vector.push(v.vector.map(|x| T::from_f64(x + 0.0)));
            out.length.push(T::from_f64(v.length));
            out.area.push(T::from_f64(*area));
        }
        out.offsets.push(out.index.len() as i64);
    }

    /// Area of what the planes halfway to all other vectors leave of the plane halfway to v.
    fn facet_area(&mut self, v: Vec3) -> f64 {
        let normal = v.map(|x| x / norm(v));
        // Any vector across v spans the plane; the axis along which v is shortest is never parallel to it.
        let axis = (0..3).min_by(|&a, &b| v[a].abs().total_cmp(&v[b].abs())).unwrap_or(0);
        let mut unit = [0.0; 3];
        unit[axis] = 1.0;
        let across = cross(normal, unit);
        let first = across.map(|x| x / norm(across));
        let second = cross(normal, first);
        // No corner of the cell is farther away than the longest of all vectors that bound it.
        let far = 2.0 * self.planes.iter().map(|u| norm(*u)).fold(0.0, f64::max);
        let corner = |s: f64, t: f64| [0, 1, 2].map(|c| 0.5 * v[c] + far * (s * first[c] + t * second[c]));
        self.corners.clear();
        self.corners.extend([
            corner(-1.0, -1.0),
            corner(1.0, -1.0),
            corner(1.0, 1.0),
            corner(-1.0, 1.0),
        ]);
        for plane in &self.planes {
            for sign in [1.0, -1.0] {
                let u = plane.map(|x| sign * x);
                if u != v {
                    clip(&self.corners, u, &mut self.clipped);
                    std::mem::swap(&mut self.corners, &mut self.clipped);
                }
            }
        }
        let Some(&origin) = self.corners.first() else {
            return 0.0;
        };
        let twice: f64 = self
            .corners
            .windows(2)
            .map(|pair| dot(cross(sub(pair[0], origin), sub(pair[1], origin)), normal))
            .sum();
        0.5 * twice.abs()
    }
}

/// The part of a convex polygon that is nearer to the origin than to u.
fn clip(corners: &[Vec3], u: Vec3, out: &mut Vec<Vec3>) {
    let half = 0.5 * dot(u, u);
    let beyond = |x: Vec3| dot(x, u) - half;
    out.clear();
    for (at, &here) in corners.iter().enumerate() {
        let before = corners[(at + corners.len() - 1) % corners.len()];
        let (h, b) = (beyond(here), beyond(before));
        if (h > 0.0) != (b > 0.0) {
            let t = b / (b - h);
            out.push([0, 1, 2].map(|c| before[c] + t * (here[c] - before[c])));
        }
        if h <= 0.0 {
            out.push(here);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::det;
    use proptest::prelude::*;

    fn of(rows: Mat3, tol: f64) -> VoronoiVectors<f64> {
        voronoi_vectors(&[Lattice::new(rows).unwrap()], tol, None).unwrap()
    }

    #[test]
    fn every_bravais_type_has_its_facets() {
        let cell = |a, b, c, alpha, beta, gamma| *Lattice::from_parameters(a, b, c, alpha, beta, gamma).unwrap().rows();
        let fcc = [[0.0, 2.0, 2.0], [2.0, 0.0, 2.0], [2.0, 2.0, 0.0]];
        let bcc = [[-1.5, 1.5, 1.5], [1.5, -1.5, 1.5], [1.5, 1.5, -1.5]];
        let cases = [
            (cell(4.0, 4.0, 4.0, 90.0, 90.0, 90.0), 6),
            (cell(4.0, 4.0, 6.0, 90.0, 90.0, 90.0), 6),
            (cell(4.0, 5.0, 6.0, 90.0, 90.0, 90.0), 6),
            (cell(4.0, 4.0, 6.0, 90.0, 90.0, 120.0), 8),
            (cell(4.0, 5.0, 6.0, 90.0, 103.0, 90.0), 8),
            (fcc, 12),
            (bcc, 14),
            (cell(4.0, 5.0, 6.0, 80.0, 85.0, 75.0), 14),
        ];
        for (rows, count) in cases {
            assert_eq!(of(rows, 1e-3).index.len(), count, "{rows:?}");
            // Storage noise of a database does not add facets, and counts without tolerance do not fall.
            let noisy = rows.map(|row| row.map(|x| x * (1.0 + 1e-6 * (x * 7.0).sin())));
            assert_eq!(of(noisy, 1e-3).index.len(), count, "{rows:?}");
            assert!(of(noisy, 0.0).index.len() >= count);
        }
    }

    #[test]
    fn facets_of_known_cells() {
        let cubic = of([[2.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 2.0]], 1e-3);
        assert_eq!(cubic.index[0], [-1, 0, 0]);
        assert!(cubic.area.iter().all(|a| (a - 4.0).abs() < 1e-12));
        // Truncated octahedron of edge a sqrt(2)/4: six squares and eight hexagons.
        let bcc = of([[-1.0, 1.0, 1.0], [1.0, -1.0, 1.0], [1.0, 1.0, -1.0]], 1e-3);
        let edge = 2.0 * 0.5f64.sqrt() / 2.0;
        let (hexagon, square) = (1.5 * 3.0f64.sqrt() * edge * edge, edge * edge);
        for at in 0..14 {
            let expected = if at < 8 { hexagon } else { square };
            assert!((bcc.area[at] - expected).abs() < 1e-12, "{:?}", bcc.area);
        }
        assert!(voronoi_vectors::<f64>(&[], -1.0, None).is_err());
        assert_eq!(voronoi_vectors::<f32>(&[], 0.0, None).unwrap().offsets, [0]);
    }

    /// Brute force: v is relevant exactly if v/2 is nearer to 0 and v than to any other lattice point.
    fn twin(rows: &Mat3) -> Vec<Int3> {
        let mut out = Vec::new();
        let points: Vec<Int3> = (-4..=4)
            .flat_map(|a| (-4..=4).flat_map(move |b| (-4..=4).map(move |c| [a, b, c])))
            .collect();
        for &v in points
            .iter()
            .filter(|v| v.iter().all(|x| x.abs() <= 2) && **v != [0; 3])
        {
            let middle = row_times(v.map(|x| 0.5 * x as f64), rows);
            let near = dot(middle, middle);
            let alone = points.iter().filter(|&&p| p != [0; 3] && p != v).all(|p| {
                let d = sub(row_times(p.map(|x| x as f64), rows), middle);
                dot(d, d) > near * (1.0 + 1e-7)
            });
            if alone {
                out.push(v);
            }
        }
        out.sort_unstable();
        out
    }

    proptest! {
        #[test]
        fn independent_of_the_basis_and_equal_to_brute_force(
            base in prop::array::uniform3(prop::array::uniform3(-4.0..4.0f64)),
            shear in prop::array::uniform3(-9i64..9),
        ) {
            prop_assume!(det(&base).abs() > 2.0);
            let rows = reduce(&base).rows;
            let plain = of(rows, 0.0);
            let mut index: Vec<Int3> = plain.index.iter().map(|v| v.map(i64::from)).collect();
            index.sort_unstable();
            prop_assert_eq!(index, twin(&rows));
            // The pyramids over the facets fill the cell.
            let filled: f64 = plain.area.iter().zip(&plain.length).map(|(a, l)| a * l / 6.0).sum();
            prop_assert!((filled / det(&rows).abs() - 1.0).abs() < 1e-9);
            let m = [[1, shear[0], shear[1]], [0, 1, shear[2]], [0, 0, 1]];
            let sheared = m.map(|row: Int3| row_times(row.map(|x| x as f64), &rows));
            prop_assume!(Lattice::new(sheared).is_ok());
            let other = of(sheared, 0.0);
            prop_assert_eq!(other.index.len(), plain.index.len());
            for v in &plain.vector {
                let near = other.vector.iter().map(|u| norm(sub(*u, *v))).fold(f64::INFINITY, f64::min);
                prop_assert!(near < 1e-9);
            }
        }
    }
}
