//! The cell: six numbers, checked before anything is built on them, and its vectors.

use super::document::BlockView;
use super::number::parse_number;
use super::options::CifOptions;
use super::report::{Fault, Report, code};
use super::tags::{self, Tag};
use crate::error::Error;
use crate::lattice::Lattice;
use crate::math::{Mat3, Vec3, dot, floor_int, row_times};

pub(super) const TAGS: [Tag; 6] = [
    tags::CELL_A,
    tags::CELL_B,
    tags::CELL_C,
    tags::CELL_ALPHA,
    tags::CELL_BETA,
    tags::CELL_GAMMA,
];

/// Vectors as rows, with what distances need.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cell {
    /// Rows a, b, c in angstrom: c along z, a in the xz plane.
    pub vectors: Mat3,
    pub volume: f64,
    /// Distances of the planes (100), (010), (001).
    pub spacings: Vec3,
    /// Metric tensor of the reciprocal lattice, without 2 pi.
    pub reciprocal_metric: Mat3,
}

impl Cell {
    /// The cell of six parameters, or what is wrong with them.
    pub fn from_parameters(parameters: [f64; 6], options: &CifOptions) -> Result<Self, String> {
        let [a, b, c, alpha, beta, gamma] = parameters;
        for (name, length) in [("a", a), ("b", b), ("c", c)] {
            if !(options.min_length..=options.max_length).contains(&length) {
                return Err(format!(
                    "the length {name} = {length} is outside [{}, {}] angstrom",
                    options.min_length, options.max_length
                ));
            }
        }
        let lattice = Lattice::from_parameters(a, b, c, alpha, beta, gamma).map_err(|error| match error {
            Error::Crystal(error) => error.message,
            other => other.to_string(),
        })?;
        let spacings = lattice.plane_spacings();
        if let Some(spacing) = spacings
            .iter()
            .find(|&&spacing| spacing < options.min_spacing * (1.0 - 1e-12))
        {
            return Err(format!(
                "lattice planes are {spacing} angstrom apart, less than {}",
                options.min_spacing
            ));
        }
        let rows = lattice.reciprocal();
        let reciprocal_metric = std::array::from_fn(|i| std::array::from_fn(|j| dot(rows[i], rows[j])));
        Ok(Self {
            vectors: *lattice.rows(),
            volume: lattice.volume(),
            spacings,
            reciprocal_metric,
        })
    }

    /// Squared length of a fractional vector, angstrom^2.
    pub fn square(&self, frac: [f64; 3]) -> f64 {
        let cart = row_times(frac, &self.vectors);
        dot(cart, cart)
    }

    /// Squared distance of two positions over the lattice, where it is at most `limit`^2.
    ///
    /// Exact where `limit` is below half of every plane spacing.
    #[inline]
    pub fn within(&self, x: [f64; 3], y: [f64; 3], limit: f64) -> Option<f64> {
        let (mut difference, mut is_far) = ([0.0; 3], false);
        for i in 0..3 {
            let delta = x[i] - y[i];
            difference[i] = delta - nearest(delta);
            // One branch for all axes: sites of one plane are many.
            is_far |= difference[i].abs() * self.spacings[i] > limit;
        }
        if is_far {
            return None;
        }
        let square = self.square(difference);
        (square <= limit * limit).then_some(square)
    }
}

/// The nearest whole number: adding 1.5 x 2^52 leaves no room for a fraction. Places are below some millions.
#[inline]
pub(super) fn nearest(x: f64) -> f64 {
    const LARGE: f64 = 6_755_399_441_055_744.0;
    (x + LARGE) - LARGE
}

/// A coordinate in [0, 1). It is below a million, which was checked when it was read.
#[inline]
pub(super) fn wrap(x: f64) -> f64 {
    let y = x - floor_int(x) as f64;
    // A tiny negative number plus one rounds to 1.
    if y >= 1.0 { 0.0 } else { y }
}

/// Whether all six parameters are there, as numbers by their looks.
pub(super) fn is_given(block: &BlockView<'_, '_>) -> bool {
    TAGS.iter().all(|&tag| {
        block.find(tag).is_some_and(|column| {
            let text = column.document.text().as_bytes();
            let looks = |first: Option<&u8>| matches!(first, Some(b'0'..=b'9' | b'+' | b'-' | b'.'));
            column.len() == 1 && (looks(text.get(column.offset(0))) || looks(column.get(0).text.as_bytes().first()))
        })
    })
}

fn parameter(block: &BlockView<'_, '_>, tag: Tag) -> Result<(f64, usize), Fault> {
    let column = block
        .find(tag)
        .ok_or_else(|| Fault::new(code::NO_CELL, "the cell is not complete").tag(tag.name()))?;
    if column.len() == 1
        && let Some(number) = column.number(0)
    {
        return Ok((number, column.offset(0)));
    }
    let value = column.get(0);
    let fault = |code, message: &str| {
        Fault::new(code, message)
            .at(value.at)
            .tag(column.tag())
            .value(value.text)
    };
    if column.len() > 1 {
        return Err(fault(code::NO_CELL, "a loop of cells: which one is meant is not said"));
    }
    if value.is_absent() {
        return Err(fault(code::NO_CELL, "the cell is not given"));
    }
    Err(fault(code::NUMBER, "a cell parameter is no number"))
}

/// Read the cell of a block.
pub(super) fn read(block: &BlockView<'_, '_>, options: &CifOptions, report: &mut Report) -> Result<Cell, Fault> {
    let mut parameters = [0.0; 6];
    let mut at = None;
    for (slot, tag) in parameters.iter_mut().zip(TAGS) {
        let (number, place) = parameter(block, tag)?;
        *slot = number;
        at = at.or(Some(place));
    }
    let cell = Cell::from_parameters(parameters, options).map_err(|message| {
        Fault::new(code::CELL, format!("no crystal has this cell: {message}"))
            .at(at.unwrap_or(0))
            .tag(TAGS[0].name())
            .value(&parameters.map(|value| value.to_string()).join(" "))
            .hint("the limits are the options min_length, max_length and min_spacing")
    })?;
    if let Some((column, value)) = block.value_of(&[tags::CELL_VOLUME])
        && let Some(declared) = parse_number(value.text).map(|number| number.value)
        && (declared - cell.volume).abs() > 0.01 * cell.volume
    {
        let message = format!(
            "the cell has {:.3} angstrom^3, the file declares {declared}",
            cell.volume
        );
        report.note(
            Fault::new(code::VOLUME, message)
                .at(value.at)
                .tag(column.tag())
                .value(value.text),
        );
    }
    Ok(cell)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(parameters: [f64; 6]) -> Result<Cell, String> {
        Cell::from_parameters(parameters, &CifOptions::default())
    }

    #[test]
    fn right_angles_are_exact() {
        let cube = cell([2.0, 3.0, 4.0, 90.0, 90.0, 90.0]).unwrap();
        assert_eq!(cube.vectors, [[2.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 4.0]]);
        assert_eq!((cube.volume, cube.spacings), (24.0, [2.0, 3.0, 4.0]));
        let hexagon = cell([3.0, 3.0, 5.0, 90.0, 90.0, 120.0]).unwrap();
        assert!((hexagon.vectors[1][0] + 1.5).abs() < 1e-15);
        assert!((hexagon.volume - 45.0 * 0.75f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn parameters_come_back() {
        let parameters = [5.1, 7.3, 9.9, 71.0, 83.5, 101.2];
        let v = cell(parameters).unwrap().vectors;
        let angle = |i: usize, j: usize| {
            (dot(v[i], v[j]) / (dot(v[i], v[i]) * dot(v[j], v[j])).sqrt())
                .acos()
                .to_degrees()
        };
        let back = [
            dot(v[0], v[0]).sqrt(),
            dot(v[1], v[1]).sqrt(),
            v[2][2],
            angle(1, 2),
            angle(0, 2),
            angle(0, 1),
        ];
        for (one, other) in back.iter().zip(parameters) {
            assert!((one - other).abs() < 1e-10, "{back:?}");
        }
    }

    #[test]
    fn impossible_cells() {
        for bad in [
            [0.0, 3.0, 3.0, 90.0, 90.0, 90.0],
            [-3.0, 3.0, 3.0, 90.0, 90.0, 90.0],
            [1e5, 3.0, 3.0, 90.0, 90.0, 90.0],
            [3.0, 3.0, 3.0, 0.0, 90.0, 90.0],
            [3.0, 3.0, 3.0, 90.0, 180.0, 90.0],
            [3.0, 3.0, 3.0, 120.0, 120.0, 120.0],
            [3.0, 3.0, 3.0, 150.0, 100.0, 120.0],
            [3.0, 3.0, 3.0, 1.0, 90.0, 90.0],
        ] {
            assert!(cell(bad).is_err(), "{bad:?}");
        }
    }
}
