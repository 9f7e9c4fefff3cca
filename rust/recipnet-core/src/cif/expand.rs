//! From an asymmetric unit to the cell: images of a row, special positions exact.

use super::cell::{Cell, nearest, wrap};
use super::group::Group;
use crate::math::gcd;

/// The images of one row.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Images {
    /// Positions in [0, 1), in the order of the operations that first give them.
    pub positions: Vec<[f64; 3]>,
    /// The operation that first gave each.
    pub operations: Vec<u32>,
    /// The operations that keep the position.
    stabilizer: Vec<u32>,
}

impl Images {
    /// Number of operations that keep the position.
    pub fn order(&self) -> usize {
        self.stabilizer.len()
    }

    fn push(&mut self, position: [f64; 3], operation: usize) {
        self.positions.push(position);
        self.operations.push(operation as u32);
    }
}

/// An affine map with exact coefficients: rows `(m x) / order + n / (denominator order)`.
struct Affine {
    matrix: [[i32; 3]; 3],
    shift: [i64; 3],
    order: i32,
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
            out.shift[i] = i64::from(translation[i]) * i64::from(self.order);
            for k in 0..3 {
                let factor = i32::from(rotation[i][k]);
                // Two of three entries are zero in most rotations.
                if factor == 0 {
                    continue;
                }
                out.shift[i] += i64::from(factor) * self.shift[k];
                for j in 0..3 {
                    out.matrix[i][j] += factor * self.matrix[k][j];
                }
            }
        }
        out
    }

    /// Value at `x`, wrapped. A coordinate that does not depend on `x` is one exact quotient, so 1/3 is 1/3.
    #[inline]
    fn at(&self, x: [f64; 3], denominator: i64) -> [f64; 3] {
        let whole = denominator * i64::from(self.order);
        std::array::from_fn(|i| {
            let row = self.matrix[i];
            let shift = self.shift[i];
            let constant = if shift == 0 {
                0.0
            } else {
                shift.rem_euclid(whole) as f64 / whole as f64
            };
            if row == [0; 3] {
                return constant;
            }
            // A free coordinate has the factor 1 or -1, one on a diagonal a half, one on a threefold axis thirds.
            let sum = |divisor: i32| -> f64 { (0..3).map(|j| f64::from(row[j] / divisor) * x[j]).sum() };
            let order = self.order;
            if row.iter().all(|&entry| entry == 0 || entry.abs() == order) {
                return wrap(sum(order) + constant);
            }
            let common = gcd(gcd(row[0], row[1]), gcd(row[2], order));
            wrap(sum(common) / f64::from(order / common) + constant)
        })
    }
}

/// The operations that bring `x` back to itself within `tol`, and the average of their maps.
fn average(x: [f64; 3], group: &Group, cell: &Cell, tol: f64, stabilizer: &mut Vec<u32>) -> Affine {
    let operations = group.operations().as_slice();
    let denominator = i64::from(group.operations().denominator());
    let mut sum = Affine {
        matrix: [[0; 3]; 3],
        shift: [0; 3],
        order: 0,
    };
    stabilizer.clear();
    let reach = cell.spacings.map(|spacing| tol / spacing);
    'operations: for (index, map) in group.maps().iter().enumerate() {
        let mut difference = [0.0; 3];
        for i in 0..3 {
            let delta = map.apply(x, i) - x[i];
            difference[i] = delta - nearest(delta);
            if difference[i].abs() > reach[i] {
                continue 'operations;
            }
        }
        // The identity keeps every place.
        if difference != [0.0; 3] && cell.square(difference) > tol * tol {
            continue;
        }
        stabilizer.push(index as u32);
        sum.order += 1;
        let operation = &operations[index];
        for i in 0..3 {
            let cells = nearest(map.apply(x, i) - x[i]) as i64;
            sum.shift[i] += i64::from(operation.translation[i]) - cells * denominator;
            for j in 0..3 {
                sum.matrix[i][j] += i32::from(operation.rotation[i][j]);
            }
        }
    }
    if sum.order == 0 { Affine::IDENTITY } else { sum }
}

/// All images of a position: wrapped, merged within `tol`, special positions averaged over their stabilizer.
///
/// `rigid` says that the operations are a group and keep the cell's lengths and angles: then images meet exactly where
/// the stabilizer makes them meet, and need not be compared with one another.
pub(super) fn images(x: [f64; 3], group: &Group, rigid: bool, cell: &Cell, tol: f64, out: &mut Images) {
    out.positions.clear();
    out.operations.clear();
    let x = x.map(wrap);
    let operations = group.operations().as_slice();
    if operations.len() == 1 {
        out.stabilizer.clear();
        out.stabilizer.push(0);
        out.push(x, 0);
        return;
    }
    let denominator = i64::from(group.operations().denominator());
    let mut stabilizer = std::mem::take(&mut out.stabilizer);
    let mut map = average(x, group, cell, tol, &mut stabilizer);
    // The average may lie within reach of operations that the rounded position missed: then they belong to it too.
    if map.order > 1 {
        let mut wider_stabilizer = Vec::with_capacity(stabilizer.len());
        for _ in 0..4 {
            let mean = map.at(x, denominator);
            let near = std::array::from_fn(|i| mean[i] + (x[i] - mean[i]).round());
            let wider = average(near, group, cell, tol, &mut wider_stabilizer);
            if wider.order <= map.order {
                break;
            }
            map = wider;
            std::mem::swap(&mut stabilizer, &mut wider_stabilizer);
        }
    }
    let image = |index: usize| {
        let operation = &operations[index];
        map.moved(&operation.rotation, operation.translation).at(x, denominator)
    };
    out.stabilizer = stabilizer;
    if rigid && out.order() == 1 {
        for (index, map) in group.maps().iter().enumerate() {
            out.push(std::array::from_fn(|i| wrap(map.apply(x, i))), index);
        }
        return;
    }
    if rigid
        && let Some(products) = group.products()
        && out.by_cosets(operations.len(), products, image)
    {
        return;
    }
    out.positions.clear();
    out.operations.clear();
    for index in 0..operations.len() {
        let position = image(index);
        if out
            .positions
            .iter()
            .all(|&known| cell.within(known, position, tol).is_none())
        {
            out.push(position, index);
        }
    }
}

impl Images {
    /// One image for each coset of the stabilizer; false where it turns out to be no subgroup.
    fn by_cosets(&mut self, count: usize, products: &[u16], image: impl Fn(usize) -> [f64; 3]) -> bool {
        let mut done = [false; super::group::MAX_TABLE];
        for index in 0..count {
            if done[index] {
                continue;
            }
            for &member in &self.stabilizer {
                let product = usize::from(products[index * count + member as usize]);
                if done[product] {
                    return false;
                }
                done[product] = true;
            }
            self.positions.push(image(index));
            self.operations.push(index as u32);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cif::options::CifOptions;
    use crate::symmetry::{Operations, settings};

    fn cell(parameters: [f64; 6]) -> Cell {
        Cell::from_parameters(parameters, &CifOptions::default()).unwrap()
    }

    fn group(texts: &[&str]) -> Group {
        Group::new(Operations::from_xyz(texts).unwrap())
    }

    fn images(x: [f64; 3], group: &Group, cell: &Cell, tol: f64) -> Images {
        let mut out = Images::default();
        super::images(x, group, group.is_rigid(cell), cell, tol, &mut out);
        out
    }

    #[test]
    fn rounded_thirds_become_thirds() {
        let cell = cell([8.0, 8.0, 6.0, 90.0, 90.0, 120.0]);
        let threefold = group(&["x,y,z", "-y,x-y,z", "-x+y,-x,z"]);
        for x in [[0.333, 0.667, 0.1], [0.3333, 0.6667, 0.1], [-0.667, 1.667, 0.1]] {
            let found = images(x, &threefold, &cell, 0.03);
            assert_eq!(
                (found.positions.clone(), found.order()),
                (vec![[1.0 / 3.0, 2.0 / 3.0, 0.1]], 3)
            );
        }
        let apart = images([0.33, 0.67, 0.1], &threefold, &cell, 0.03);
        assert_eq!((apart.positions.len(), apart.order()), (3, 1));
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

    /// Cosets against comparing every image with every other, on special and general positions of many groups.
    #[test]
    fn cosets_give_what_distances_give() {
        let cell = cell([7.0, 7.0, 7.0, 90.0, 90.0, 90.0]);
        let mut special = 0;
        for setting in settings().iter().step_by(3) {
            let group = Group::new(setting.operations().clone());
            if !group.is_rigid(&cell) {
                continue;
            }
            for x in [
                [0.0, 0.0, 0.0],
                [0.25, 0.25, 0.25],
                [0.125, 0.125, 0.125],
                [0.3, 0.3, 0.3],
                [0.21, 0.0, 0.5],
                [0.501, 0.25, 0.749],
                [0.11, 0.23, 0.37],
            ] {
                let (mut fast, mut slow) = (Images::default(), Images::default());
                for _ in 0..8 {
                    super::images(x, &group, true, &cell, 0.03, &mut fast);
                }
                super::images(x, &group, false, &cell, 0.03, &mut slow);
                assert_eq!(fast.operations, slow.operations, "{} {x:?}", setting.hall_symbol);
                assert_eq!(fast.positions, slow.positions, "{} {x:?}", setting.hall_symbol);
                special += usize::from(fast.order() > 1);
            }
        }
        assert!(special > 100);
    }
}
