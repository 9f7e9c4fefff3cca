//! Operations prepared for expanding crystals: as floating-point maps, with products and what they ask of the cell.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::cell::Cell;
use crate::math::{Mat3, dot};
use crate::symmetry::{Operation, Operations};

/// Longest list whose products are tabulated: the order of the largest space groups in a centred cell.
pub(super) const MAX_TABLE: usize = 192;
/// Making the products costs as much as some expansions without them.
const TABLE_AFTER: u32 = 3;
/// Largest relative change of the metric under operations that count as exact.
const RIGID: f64 = 1e-4;
/// The same from which operations do not fit the cell at all.
const LOOSE: f64 = 0.02;

/// One operation in floating point.
#[derive(Debug, Clone, Copy)]
pub(super) struct Map {
    rows: Mat3,
    shift: [f64; 3],
}

impl Map {
    /// One coordinate of the image of `x`, not wrapped.
    #[inline]
    pub fn apply(&self, x: [f64; 3], axis: usize) -> f64 {
        let [a, b, c] = self.rows[axis];
        // Zero entries add exact zeros: the same sum as over the others.
        a * x[0] + b * x[1] + c * x[2] + self.shift[axis]
    }
}

/// A list of operations, ready to be applied.
#[derive(Debug)]
pub(super) struct Group {
    operations: Operations,
    maps: Vec<Map>,
    closed: bool,
    /// Rotations that generate all others, up to sign.
    generators: Vec<[[i8; 3]; 3]>,
    uses: AtomicU32,
    products: OnceLock<Option<Box<[u16]>>>,
}

fn negated(rotation: [[i8; 3]; 3]) -> [[i8; 3]; 3] {
    rotation.map(|row| row.map(i8::wrapping_neg))
}

fn multiplied(a: &[[i8; 3]; 3], b: &[[i8; 3]; 3]) -> [[i8; 3]; 3] {
    std::array::from_fn(|i| {
        std::array::from_fn(|j| {
            (0..3)
                .map(|k| i32::from(a[i][k]) * i32::from(b[k][j]))
                .sum::<i32>()
                .clamp(-127, 127) as i8
        })
    })
}

/// A few of the rotations, of which all others are products up to sign. The list is a group.
fn generators(operations: &[Operation]) -> Vec<[[i8; 3]; 3]> {
    // A rotation and its negative act alike on the metric: the first entry that is not zero is made positive.
    let canonical = |rotation: [[i8; 3]; 3]| {
        let first = rotation.iter().flatten().find(|&&entry| entry != 0);
        if first.is_some_and(|&entry| entry < 0) {
            negated(rotation)
        } else {
            rotation
        }
    };
    let mut reached = vec![Operation::IDENTITY.rotation];
    let mut chosen = Vec::new();
    for operation in operations {
        let rotation = canonical(operation.rotation);
        if reached.contains(&rotation) {
            continue;
        }
        chosen.push(rotation);
        // Close under the chosen ones; a point group has at most 24 rotations up to sign.
        let mut next = 0;
        while next < reached.len() && reached.len() <= 48 {
            for generator in &chosen {
                let product = canonical(multiplied(&reached[next], generator));
                if !reached.contains(&product) {
                    reached.push(product);
                }
            }
            next += 1;
        }
    }
    chosen
}

/// Largest relative change of the metric under a rotation.
fn strain(rotation: &[[i8; 3]; 3], metric: &Mat3) -> f64 {
    let w = rotation.map(|row| row.map(f64::from));
    let mut worst = 0.0f64;
    for i in 0..3 {
        for j in i..3 {
            let mut moved = 0.0;
            for k in 0..3 {
                for l in 0..3 {
                    moved += w[k][i] * metric[k][l] * w[l][j];
                }
            }
            worst = worst.max((moved - metric[i][j]).abs() / (metric[i][i] * metric[j][j]).sqrt());
        }
    }
    worst
}

fn metric(cell: &Cell) -> Mat3 {
    let rows = &cell.vectors;
    std::array::from_fn(|i| std::array::from_fn(|j| dot(rows[i], rows[j])))
}

/// Whether every rotation keeps the lengths and angles of the cell, within 2 %.
pub(super) fn fits(operations: &Operations, cell: &Cell) -> bool {
    let metric = metric(cell);
    operations
        .as_slice()
        .iter()
        .all(|operation| strain(&operation.rotation, &metric) <= LOOSE)
}

impl Group {
    /// Prepare a list.
    pub fn new(operations: Operations) -> Self {
        let is_group = operations.is_group();
        let denominator = f64::from(operations.denominator());
        let maps = operations
            .as_slice()
            .iter()
            .map(|operation| Map {
                rows: operation.rotation.map(|row| row.map(f64::from)),
                shift: operation
                    .translation
                    .map(|numerator| f64::from(numerator) / denominator),
            })
            .collect();
        Self {
            maps,
            closed: is_group,
            generators: if is_group {
                generators(operations.as_slice())
            } else {
                Vec::new()
            },
            uses: AtomicU32::new(0),
            products: OnceLock::new(),
            operations,
        }
    }

    /// The operations.
    pub fn operations(&self) -> &Operations {
        &self.operations
    }

    /// The operations in floating point, in the same order.
    pub fn maps(&self) -> &[Map] {
        &self.maps
    }

    /// Whether the list is a group and keeps the lengths and angles of the cell, but for rounding.
    pub fn is_rigid(&self, cell: &Cell) -> bool {
        if self.maps.len() == 1 {
            return self.closed;
        }
        let metric = metric(cell);
        self.closed
            && self
                .generators
                .iter()
                .all(|rotation| strain(rotation, &metric) <= RIGID)
    }

    /// Place of `a b` at `a n + b`, for lists that come again; None for long ones and for what is no group.
    pub fn products(&self) -> Option<&[u16]> {
        if !self.closed || self.maps.len() > MAX_TABLE || self.uses.fetch_add(1, Ordering::Relaxed) < TABLE_AFTER {
            return None;
        }
        self.products
            .get_or_init(|| {
                let list = self.operations.as_slice();
                let places: HashMap<Operation, u16> = list.iter().copied().zip(0u16..).collect();
                let denominator = self.operations.denominator();
                let mut products = Vec::with_capacity(list.len() * list.len());
                for a in list {
                    for b in list {
                        products.push(*places.get(&a.compose(b, denominator)?)?);
                    }
                }
                Some(products.into_boxed_slice())
            })
            .as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cif::options::CifOptions;
    use crate::symmetry::settings;

    #[test]
    fn generators_judge_a_cell_as_all_operations_do() {
        let cells = [
            [4.0, 4.0, 4.0, 90.0, 90.0, 90.0],
            [4.0, 4.0, 6.0, 90.0, 90.0, 90.0],
            [4.0, 5.0, 6.0, 90.0, 90.0, 90.0],
            [4.0, 5.0, 6.0, 90.0, 100.0, 90.0],
            [4.0, 4.0, 6.0, 90.0, 90.0, 120.0],
            [4.0, 4.0, 4.0, 75.0, 75.0, 75.0],
            [4.0, 5.0, 6.0, 75.0, 80.0, 85.0],
        ]
        .map(|parameters| Cell::from_parameters(parameters, &CifOptions::default()).unwrap());
        for setting in settings() {
            let group = Group::new(setting.operations().clone());
            assert!(group.generators.len() <= 4, "{}", setting.hall_symbol);
            for cell in &cells {
                assert_eq!(
                    group.is_rigid(cell),
                    fits(group.operations(), cell),
                    "{}",
                    setting.hall_symbol
                );
            }
        }
    }

    #[test]
    fn products_are_those_of_the_operations() {
        let group = Group::new(settings()[222].operations().clone());
        assert!((0..TABLE_AFTER).all(|_| group.products().is_none()));
        let products = group.products().unwrap();
        let list = group.operations().as_slice();
        for (i, a) in list.iter().enumerate() {
            for (j, b) in list.iter().enumerate() {
                let product = list[usize::from(products[i * list.len() + j])];
                assert_eq!(Some(product), a.compose(b, group.operations().denominator()));
            }
        }
    }
}
