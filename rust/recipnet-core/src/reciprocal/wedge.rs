//! The part of reciprocal space that holds one reflection of each orbit: the lexicographically largest.
//!
//! `h >= h W` in the order of hkl means `h (1 - W) u >= 0` with `u = (1, e, e^2)` for an infinitely small e: over the
//! field of numbers with such an e the part is a cone, whose facets alone must be tested. A cone is convex, so on a
//! line (h, k, *) it is one interval of l.

// What a loop calls is compiled with it, for each instruction set.
#![allow(clippy::inline_always)]

use super::absences::Special;
use super::ball::{Sector, WHOLE_SECTOR};
use super::group::{IDENTITY, Rotation};

/// `1/e`. With entries of rotations up to [`LARGEST`] the determinants below are polynomials in e whose coefficients
/// are below `54 (1 + LARGEST)^3 < 1/(6 e)`, so that their sign is that of their first coefficient.
const INVERSE_E: i128 = 1 << 16;
const LARGEST: i32 = 4;
/// Indices up to which a reflection lies in the cone with this e if it does with an infinitely small one: there
/// `15 EXACT (e + e^2) < 1`, where 15 bounds what an index adds to the coefficients of `h (1 - W) u`.
pub(super) const EXACT: f64 = 4000.0;
/// Slack of geometry, relative: far above e, far below what small integers leave between a plane and a point.
const SLACK: f64 = 0.02;

/// The columns of `1 - W`: `h (1 - W)`, the first that is not zero positive.
type Facet = [[i64; 3]; 3];

/// The cone.
#[derive(Debug, Clone)]
pub(super) struct Wedge {
    facets: Vec<Facet>,
    /// Unit normals of the facets and unit vectors along the edges, with a small e; empty where they are not known.
    normals: Vec<[f64; 3]>,
    edges: Vec<[f64; 3]>,
}

impl Wedge {
    /// Of a group given by one of each pair +-W.
    pub fn new(rotations: &[Rotation]) -> Self {
        let signed = rotations.iter().flat_map(|w| [*w, w.map(|row| row.map(|x| -x))]);
        let others: Vec<Rotation> = signed.filter(|w| *w != IDENTITY).collect();
        let facets: Vec<Facet> = others
            .iter()
            .map(|w| [0, 1, 2].map(|c| [0, 1, 2].map(|r| i64::from(IDENTITY[r][c] - w[r][c]))))
            .collect();
        let is_small = others.iter().flatten().flatten().all(|x| x.abs() <= LARGEST);
        let normals: Vec<Wide> = facets.iter().map(normal).collect();
        let cone = if is_small { Cone::new(&normals) } else { None };
        let inversion = normal(&[[2, 0, 0], [0, 2, 0], [0, 0, 2]]);
        let mut out = Self {
            facets: vec![],
            normals: vec![],
            edges: vec![],
        };
        let used = match &cone {
            Some(cone) => cone.facets.clone(),
            None => (0..facets.len()).collect(),
        };
        // That h comes before -h is seen to where the ball is enumerated.
        for place in used.into_iter().filter(|&place| normals[place] != inversion) {
            out.facets.push(facets[place]);
            if cone.is_some() {
                out.normals.push(unit(normals[place]));
            }
        }
        if let Some(cone) = cone {
            out.edges = cone.edges().map(unit).collect();
        }
        out
    }

    /// The interval of l in which (h, k, l) is the largest of its orbit, within the one that is given.
    #[inline]
    pub fn clip(&self, h: i32, k: i32, (from, to): (i32, i32)) -> Option<(i32, i32)> {
        let (h, k) = (i64::from(h), i64::from(k));
        let (mut from, mut to) = (i64::from(from), i64::from(to));
        for facet in &self.facets {
            for (c, &[x, y, z]) in facet.iter().enumerate() {
                let rest = x * h + y * k;
                if z == 0 {
                    if rest == 0 {
                        continue;
                    }
                    if rest < 0 {
                        return None;
                    }
                    break;
                }
                // Zero at l = end: there the columns that follow decide.
                let end = -rest / z;
                let is_zero = rest + z * end == 0;
                if z > 0 {
                    let is_in = if is_zero {
                        rest_holds(facet, c, [h, k, end])
                    } else {
                        -rest < 0
                    };
                    from = from.max(end + i64::from(!is_in));
                } else {
                    let is_in = if is_zero {
                        rest_holds(facet, c, [h, k, end])
                    } else {
                        rest > 0
                    };
                    to = to.min(end - i64::from(!is_in));
                }
                break;
            }
            if from > to {
                return None;
            }
        }
        Some((from as i32, to as i32))
    }

    /// Whether h lies in the cone and on none of its facets, for any e: then no rotation but the identity leaves it or
    /// reverses it. That h is not its own mate goes without saying.
    #[inline(always)]
    pub fn is_inside(&self, h: [i32; 3]) -> bool {
        let wide = h.map(i64::from);
        let is_positive = |[column, ..]: &Facet| column[0] * wide[0] + column[1] * wide[1] + column[2] * wide[2] > 0;
        h > [0; 3] && self.facets.iter().all(is_positive)
    }

    /// Bounds of k / h in the cone where h > 0, for indices below [`EXACT`].
    ///
    /// What a cone throws on the plane of h and k is the cone of what its edges throw there.
    pub fn sector(&self) -> Sector {
        let mut sector = [f64::INFINITY, f64::NEG_INFINITY];
        for &[h, k, _] in &self.edges {
            let length = h.hypot(k);
            if length == 0.0 {
                continue;
            }
            let (h, k) = (h / length, k / length);
            if h < -SLACK {
                return WHOLE_SECTOR;
            }
            // An edge on the plane h = 0 leaves that side open.
            let slope = if h > SLACK { k / h } else { f64::INFINITY.copysign(k) };
            sector = [sector[0].min(slope), sector[1].max(slope)];
        }
        if sector[0] < sector[1] {
            [sector[0] - SLACK, sector[1] + SLACK]
        } else {
            WHOLE_SECTOR
        }
    }

    /// Whether what an operation leaves may lie in the cone, whose boundary counts.
    pub fn touches(&self, special: &Special) -> bool {
        let [first, second] = special.equations.map(|equation| equation.map(|x| x as f64));
        if self.edges.is_empty() {
            return true;
        }
        if second == [0.0; 3] {
            let length = crate::math::norm(first);
            let sides = self.edges.iter().map(|edge| crate::math::dot(*edge, first) / length);
            let (low, high) = sides.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), side| {
                (low.min(side), high.max(side))
            });
            return low <= SLACK && high >= -SLACK;
        }
        let axis = crate::math::cross(first, second);
        let slack = SLACK * crate::math::norm(axis);
        let lies = |sign: f64| self.normals.iter().all(|n| sign * crate::math::dot(*n, axis) >= -slack);
        lies(1.0) || lies(-1.0)
    }
}

/// Whether the columns behind column c are not negative in their order.
#[cold]
fn rest_holds(facet: &Facet, c: usize, h: [i64; 3]) -> bool {
    facet[c + 1..]
        .iter()
        .map(|column| column[0] * h[0] + column[1] * h[1] + column[2] * h[2])
        .find(|&value| value != 0)
        .is_none_or(|value| value > 0)
}

type Wide = [i128; 3];

/// `(1 - W) u`, times `1/e^2`.
fn normal(facet: &Facet) -> Wide {
    let powers = [INVERSE_E * INVERSE_E, INVERSE_E, 1];
    [0, 1, 2].map(|r| (0..3).map(|c| i128::from(facet[c][r]) * powers[c]).sum())
}

fn cross(a: &Wide, b: &Wide) -> Wide {
    [
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    ]
}

fn dot(a: &Wide, b: &Wide) -> i128 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn unit(v: Wide) -> [f64; 3] {
    let v = v.map(|x| x as f64);
    let length = crate::math::norm(v);
    v.map(|x| x / length)
}

/// A cone by its facets, in their order around it, and the edge between each and the next one.
struct Cone {
    facets: Vec<usize>,
    between: Vec<Wide>,
}

impl Cone {
    /// What all half-spaces `x.n >= 0` have in common; None if that holds a line.
    fn new(normals: &[Wide]) -> Option<Self> {
        let first = 0;
        let second = (1..normals.len()).find(|&i| cross(&normals[first], &normals[i]) != [0; 3])?;
        let edge = cross(&normals[first], &normals[second]);
        let third = (1..normals.len()).find(|&i| dot(&edge, &normals[i]) != 0)?;
        let facets = if dot(&edge, &normals[third]) > 0 {
            vec![first, second, third]
        } else {
            vec![second, first, third]
        };
        let mut cone = Self {
            between: vec![],
            facets,
        };
        cone.set_edges(normals);
        for (place, normal) in normals.iter().enumerate() {
            cone.cut(place, normal, normals);
        }
        Some(cone)
    }

    fn set_edges(&mut self, normals: &[Wide]) {
        let count = self.facets.len();
        self.between.clear();
        self.between
            .extend((0..count).map(|i| cross(&normals[self.facets[i]], &normals[self.facets[(i + 1) % count]])));
    }

    /// Take a half-space away.
    fn cut(&mut self, place: usize, normal: &Wide, normals: &[Wide]) {
        let sides: Vec<i128> = self.between.iter().map(|edge| dot(edge, normal)).collect();
        if sides.iter().all(|&side| side >= 0) {
            return;
        }
        let count = sides.len();
        // Edges i and i + 1 lie on facet i + 1: it stays if one of the two stays inside.
        let mut facets = Vec::with_capacity(count + 1);
        for i in 0..count {
            let (before, after) = (sides[(i + count - 1) % count], sides[i]);
            if before > 0 || after > 0 {
                facets.push(self.facets[i]);
            }
            if before > 0 && after <= 0 {
                facets.push(place);
            }
        }
        self.facets = facets;
        self.set_edges(normals);
    }

    fn edges(&self) -> impl Iterator<Item = Wide> {
        self.between.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::super::group::image;
    use super::*;

    /// All products of some rotations.
    fn group(generators: &[Rotation]) -> Vec<Rotation> {
        let mut out = vec![IDENTITY];
        let mut next = 0;
        while next < out.len() {
            for w in generators {
                let product = out[next].map(|row| image(row, w));
                let negative = product.map(|row| row.map(|x| -x));
                if !out.contains(&product) && !out.contains(&negative) {
                    out.push(product);
                }
            }
            next += 1;
        }
        out
    }

    fn check(rotations: &[Rotation], size: i32) -> usize {
        let wedge = Wedge::new(rotations);
        let sector = wedge.sector();
        for h in 0..=size {
            for k in -size..=size {
                let line = (if (h, k) > (0, 0) { -size } else { 1 }, size);
                let found = wedge.clip(h, k, line);
                for l in line.0..=line.1 {
                    let is_largest = rotations.iter().all(|w| {
                        let other = image([h, k, l], w);
                        other <= [h, k, l] && other.map(|x| -x) <= [h, k, l]
                    });
                    let is_in = found.is_some_and(|(from, to)| from <= l && l <= to);
                    let slope = f64::from(k) / f64::from(h);
                    assert!(
                        !is_in || h == 0 || (sector[0]..=sector[1]).contains(&slope),
                        "{h} {k} {l}"
                    );
                    // Half of the sphere is enumerated: the rest of the line (0, k, *) with k < 0 is not asked for.
                    if (h, k) >= (0, 0) {
                        assert_eq!(is_in, is_largest, "{h} {k} {l}");
                    }
                }
            }
        }
        wedge.facets.len()
    }

    const DIAGONAL: Rotation = [[0, 1, 0], [0, 0, 1], [1, 0, 0]];
    const TWO_Z: Rotation = [[-1, 0, 0], [0, -1, 0], [0, 0, 1]];
    const TWO_X: Rotation = [[1, 0, 0], [0, -1, 0], [0, 0, -1]];
    const FOUR_Z: Rotation = [[0, -1, 0], [1, 0, 0], [0, 0, 1]];
    const SIX_Z: Rotation = [[1, -1, 0], [1, 0, 0], [0, 0, 1]];
    const TWO_HEXAGONAL: Rotation = [[0, 1, 0], [1, 0, 0], [0, 0, -1]];

    #[test]
    fn the_largest_of_each_orbit_is_in_the_cone() {
        let classes: [&[Rotation]; 11] = [
            &[],
            &[TWO_Z],
            &[TWO_X],
            &[TWO_Z, TWO_X],
            &[FOUR_Z],
            &[FOUR_Z, TWO_X],
            &[DIAGONAL],
            &[SIX_Z],
            &[SIX_Z, TWO_HEXAGONAL],
            &[DIAGONAL, TWO_Z],
            &[DIAGONAL, FOUR_Z],
        ];
        for generators in classes {
            let rotations = group(generators);
            let facets = check(&rotations, 7);
            assert!(rotations.len() <= 2 || facets <= 4, "{generators:?}");
        }
    }

    #[test]
    fn odd_axes_too() {
        // P^-1 W P with determinant 1: entries up to 2, and some beyond what is reduced.
        for p in [[[1, 1, 0], [0, 1, 0], [-1, 0, 1]], [[1, 5, 0], [0, 1, -3], [0, 0, 1]]] {
            let inverse = crate::math::unimodular_inverse(&p).map(|row| row.map(|x| x as i32));
            let p = p.map(|row| row.map(|x| x as i32));
            for generators in [vec![FOUR_Z, TWO_X], vec![DIAGONAL, FOUR_Z], vec![SIX_Z]] {
                let moved: Vec<Rotation> = generators
                    .iter()
                    .map(|w| inverse.map(|row| image(image(row, w), &p)))
                    .collect();
                check(&group(&moved), 8);
            }
        }
    }
}
