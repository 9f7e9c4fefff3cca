//! From an asymmetric unit to the cell: images, special positions, neighbours that are too close.

use super::cell::Cell;
use crate::math::wrap;
use crate::symmetry::Operations;

/// The images of one row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Images {
    /// Positions in [0, 1), in the order of the operations that first give them.
    pub positions: Vec<[f64; 3]>,
    /// The operation that first gave each.
    pub operations: Vec<usize>,
    /// Number of operations that keep the position.
    pub stabilizer: usize,
}

/// An affine map with exact coefficients: rows `(m x) / order + n / (denominator order)`.
struct Affine {
    matrix: [[i64; 3]; 3],
    shift: [i64; 3],
    order: i64,
}

fn gcd(a: i64, b: i64) -> i64 {
    let (mut a, mut b) = (a.abs(), b.abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

impl Affine {
    const IDENTITY: Self = Self {
        matrix: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        shift: [0; 3],
        order: 1,
    };

    /// `W self + w`.
    fn moved(&self, rotation: &[[i8; 3]; 3], translation: [i16; 3]) -> Self {
        let mut out = Self {
            matrix: [[0; 3]; 3],
            shift: [0; 3],
            order: self.order,
        };
        for i in 0..3 {
            out.shift[i] = i64::from(translation[i]) * self.order;
            for k in 0..3 {
                let factor = i64::from(rotation[i][k]);
                out.shift[i] += factor * self.shift[k];
                for j in 0..3 {
                    out.matrix[i][j] += factor * self.matrix[k][j];
                }
            }
        }
        out
    }

    /// Value at `x`, wrapped. A coordinate that does not depend on `x` is one exact quotient, so 1/3 is 1/3.
    fn at(&self, x: [f64; 3], denominator: i64) -> [f64; 3] {
        std::array::from_fn(|i| {
            let row = self.matrix[i];
            let whole = denominator * self.order;
            let constant = self.shift[i].rem_euclid(whole) as f64 / whole as f64;
            let common = gcd(gcd(row[0], row[1]), gcd(row[2], self.order));
            if row == [0; 3] {
                return constant;
            }
            let sum: f64 = (0..3)
                .filter(|&j| row[j] != 0)
                .map(|j| (row[j] / common) as f64 * x[j])
                .sum();
            wrap(sum / (self.order / common) as f64 + constant)
        })
    }
}

/// The operations that bring `x` back to itself within `tol`, as the average of their maps.
fn average(x: [f64; 3], operations: &Operations, cell: &Cell, tol: f64) -> Affine {
    let denominator = i64::from(operations.denominator());
    let mut sum = Affine {
        matrix: [[0; 3]; 3],
        shift: [0; 3],
        order: 0,
    };
    for operation in operations.as_slice() {
        let mut difference = [0.0; 3];
        let mut cells = [0i64; 3];
        let mut far = false;
        for i in 0..3 {
            let row = operation.rotation[i];
            let moved: f64 = (0..3).filter(|&j| row[j] != 0).map(|j| f64::from(row[j]) * x[j]).sum();
            let delta = moved + f64::from(operation.translation[i]) / denominator as f64 - x[i];
            let nearest = delta.round();
            difference[i] = delta - nearest;
            cells[i] = nearest as i64;
            if difference[i].abs() * cell.spacings[i] > tol {
                far = true;
                break;
            }
        }
        if far || cell.square(difference) > tol * tol {
            continue;
        }
        sum.order += 1;
        for i in 0..3 {
            sum.shift[i] += i64::from(operation.translation[i]) - cells[i] * denominator;
            for j in 0..3 {
                sum.matrix[i][j] += i64::from(operation.rotation[i][j]);
            }
        }
    }
    if sum.order == 0 { Affine::IDENTITY } else { sum }
}

/// All images of a position: wrapped, merged within `tol`, special positions averaged over their stabilizer.
pub(super) fn images(x: [f64; 3], operations: &Operations, cell: &Cell, tol: f64) -> Images {
    let x = x.map(wrap);
    if operations.len() == 1 {
        return Images {
            positions: vec![x],
            operations: vec![0],
            stabilizer: 1,
        };
    }
    let denominator = i64::from(operations.denominator());
    let mut map = average(x, operations, cell, tol);
    // The average may lie within reach of operations that the rounded position missed: then they belong to it too.
    for _ in 0..4 {
        if map.order == 1 {
            break;
        }
        let mean = map.at(x, denominator);
        let near = std::array::from_fn(|i| mean[i] + (x[i] - mean[i]).round());
        let wider = average(near, operations, cell, tol);
        if wider.order <= map.order {
            break;
        }
        map = wider;
    }
    let expected = (operations.len() as i64 / map.order.max(1)).max(1) as usize;
    let mut positions: Vec<[f64; 3]> = Vec::with_capacity(expected);
    let mut first = Vec::with_capacity(expected);
    for (index, operation) in operations.as_slice().iter().enumerate() {
        let position = map.moved(&operation.rotation, operation.translation).at(x, denominator);
        if positions
            .iter()
            .all(|&known| cell.within(known, position, tol).is_none())
        {
            positions.push(position);
            first.push(index);
        }
    }
    Images {
        positions,
        operations: first,
        stabilizer: map.order as usize,
    }
}

/// Finds sites near a point: brute force for small cells, bins for large ones.
pub(super) struct Neighborhood<'s> {
    cell: &'s Cell,
    sites: &'s [[f64; 3]],
    bins: [u64; 3],
    /// Bin and site, sorted; empty for small cells.
    sorted: Vec<(u64, u32)>,
}

/// Up to this many sites all are looked at.
const SMALL: usize = 128;

impl<'s> Neighborhood<'s> {
    /// Prepare for searches within `reach` (angstrom) or less; positions lie in [0, 1).
    pub fn new(cell: &'s Cell, sites: &'s [[f64; 3]], reach: f64) -> Self {
        let bins = cell
            .spacings
            .map(|spacing| (spacing / reach).floor().clamp(1.0, 65_536.0) as u64);
        let mut out = Self {
            cell,
            sites,
            bins,
            sorted: Vec::new(),
        };
        if sites.len() > SMALL {
            out.sorted = sites
                .iter()
                .zip(0u32..)
                .map(|(&site, index)| (out.key(out.place(site)), index))
                .collect();
            out.sorted.sort_unstable();
        }
        out
    }

    fn place(&self, x: [f64; 3]) -> [u64; 3] {
        std::array::from_fn(|i| ((x[i] * self.bins[i] as f64) as u64).min(self.bins[i] - 1))
    }

    fn key(&self, place: [u64; 3]) -> u64 {
        (place[0] * self.bins[1] + place[1]) * self.bins[2] + place[2]
    }

    /// Sites within `limit` of `x` with their squared distances, by rising index.
    pub fn near(&self, x: [f64; 3], limit: f64, found: &mut Vec<(u32, f64)>) {
        found.clear();
        let mut test = |index: u32| {
            if let Some(square) = self.cell.within(self.sites[index as usize], x, limit) {
                found.push((index, square));
            }
        };
        if self.sorted.is_empty() {
            (0..self.sites.len() as u32).for_each(&mut test);
            return;
        }
        let place = self.place(x);
        let steps = |axis: usize| -> Vec<u64> {
            let (bins, here) = (self.bins[axis], place[axis]);
            if bins < 3 {
                (0..bins).collect()
            } else {
                vec![(here + bins - 1) % bins, here, (here + 1) % bins]
            }
        };
        let (steps_a, steps_b, steps_c) = (steps(0), steps(1), steps(2));
        for &a in &steps_a {
            for &b in &steps_b {
                for &c in &steps_c {
                    let key = self.key([a, b, c]);
                    let start = self.sorted.partition_point(|entry| entry.0 < key);
                    self.sorted[start..]
                        .iter()
                        .take_while(|entry| entry.0 == key)
                        .for_each(|entry| test(entry.1));
                }
            }
        }
        found.sort_unstable_by_key(|entry| entry.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cif::options::CifOptions;

    fn cell(parameters: [f64; 6]) -> Cell {
        Cell::from_parameters(parameters, &CifOptions::default()).unwrap()
    }

    fn group(texts: &[&str]) -> Operations {
        Operations::from_xyz(texts).unwrap()
    }

    #[test]
    fn rounded_thirds_become_thirds() {
        let cell = cell([8.0, 8.0, 6.0, 90.0, 90.0, 120.0]);
        let threefold = group(&["x,y,z", "-y,x-y,z", "-x+y,-x,z"]);
        for x in [[0.333, 0.667, 0.1], [0.3333, 0.6667, 0.1], [-0.667, 1.667, 0.1]] {
            let found = images(x, &threefold, &cell, 0.03);
            assert_eq!(
                (found.positions, found.stabilizer),
                (vec![[1.0 / 3.0, 2.0 / 3.0, 0.1]], 3)
            );
        }
        let apart = images([0.33, 0.67, 0.1], &threefold, &cell, 0.03);
        assert_eq!((apart.positions.len(), apart.stabilizer), (3, 1));
    }

    #[test]
    fn a_general_position_keeps_its_digits() {
        let cell = cell([5.0, 6.0, 7.0, 90.0, 95.0, 90.0]);
        let group = group(&["x,y,z", "-x,y+1/2,-z+1/2", "-x,-y,-z", "x,-y+1/2,z+1/2"]);
        let found = images([0.1, 0.2, 0.3], &group, &cell, 0.03);
        assert_eq!(found.positions.len(), 4);
        assert_eq!(found.positions[0], [0.1, 0.2, 0.3]);
        assert_eq!(found.operations, [0, 1, 2, 3]);
    }

    #[test]
    fn a_position_on_the_border_of_the_cell() {
        let cell = cell([5.0, 5.0, 5.0, 90.0, 90.0, 90.0]);
        let inversion = group(&["x,y,z", "-x,-y,-z"]);
        for x in [[0.999, 0.0, 0.001], [1.0, -0.0, 2.0], [-0.001, 0.999, 0.0]] {
            assert_eq!(images(x, &inversion, &cell, 0.03).positions, [[0.0; 3]]);
        }
        let on_half = images([0.499, 0.501, 0.5], &inversion, &cell, 0.03);
        assert_eq!(on_half.positions, [[0.5; 3]]);
    }

    #[test]
    fn mirror_positions_stay_exactly_on_the_mirror() {
        let cell = cell([4.0, 4.0, 4.0, 90.0, 90.0, 90.0]);
        let found = images([0.1, 0.1003, 0.7], &group(&["x,y,z", "y,x,z"]), &cell, 0.03);
        assert_eq!(found.positions.len(), 1);
        assert_eq!(found.positions[0][0].to_bits(), found.positions[0][1].to_bits());
        assert_eq!(found.positions[0][2], 0.7);
    }

    #[test]
    fn bins_find_what_brute_force_finds() {
        let cell = cell([9.0, 11.0, 7.0, 80.0, 100.0, 115.0]);
        let mut state = 1u64;
        let mut random = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 53) as f64
        };
        let sites: Vec<[f64; 3]> = (0..3000).map(|_| [random(), random(), random()]).collect();
        let search = Neighborhood::new(&cell, &sites, 0.5);
        assert!(!search.sorted.is_empty());
        let (mut found, mut pairs) = (Vec::new(), 0);
        for &x in sites.iter().step_by(7) {
            search.near(x, 0.5, &mut found);
            let brute: Vec<u32> = (0..sites.len() as u32)
                .filter(|&index| cell.within(sites[index as usize], x, 0.5).is_some())
                .collect();
            assert_eq!(found.iter().map(|entry| entry.0).collect::<Vec<_>>(), brute);
            pairs += brute.len();
        }
        assert!(pairs > 500);
    }
}
