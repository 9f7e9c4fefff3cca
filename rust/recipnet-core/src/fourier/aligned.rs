//! One row for each mode of a list that all groups share: "the invariant function through frequency k".

use std::collections::HashMap;

use super::basis::FourierBasis;
use crate::error::{ArgumentError, Result, SymmetryError};

/// The K x K routing matrix in CSR form: entry `exp(2 pi i phase / denominator) / size`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlignedRouting {
    /// Entries of row k are `row_offsets[k]..row_offsets[k + 1]`; none where mode k is absent.
    pub row_offsets: Vec<i64>,
    /// Place in the list of modes of each entry.
    pub column: Vec<i64>,
    /// Numerators of the phases in turns; 0 where the column is the row.
    pub phase: Vec<i16>,
    /// Members of the orbit of each mode, absent or not.
    pub size: Vec<i32>,
    /// Denominator of the phases.
    pub denominator: i16,
}

impl FourierBasis {
    /// Routing matrix of a list of modes under the basis's group: row k is the function through mode k, with mode k as its
    /// reference, scaled by the size of its orbit; a zero row where mode k is absent.
    ///
    /// # Errors
    /// A mode that is listed twice, or whose image under an operation is not in the list.
    pub fn aligned(&self, modes: &[[i32; 3]]) -> Result<AlignedRouting> {
        let mut place = HashMap::with_capacity(modes.len());
        for (k, &h) in modes.iter().enumerate() {
            if let Some(before) = place.insert(h, k) {
                return Err(ArgumentError {
                    name: "modes",
                    value: format!("{h:?}"),
                    message: format!("rows {before} and {k} are the same mode"),
                }
                .into());
            }
            // Images of larger indices could leave 32 bits.
            if h.iter().any(|index| index.unsigned_abs() > 1_000_000) {
                return Err(ArgumentError {
                    name: "modes",
                    value: format!("{h:?}"),
                    message: format!("row {k}: indices up to 1000000 are accepted"),
                }
                .into());
            }
        }
        let denominator = self.group.denominator();
        let mut routing = AlignedRouting {
            row_offsets: vec![0],
            column: Vec::new(),
            phase: Vec::new(),
            size: Vec::with_capacity(modes.len()),
            denominator: self.denominator(),
        };
        let mut row: Vec<(i64, i32)> = Vec::new();
        for (k, &h) in modes.iter().enumerate() {
            row.clear();
            let mut absent = self.group.is_centring_absent(h);
            for element in self.group.representatives() {
                let image = element.image(h);
                let Some(&target) = place.get(&image) else {
                    return Err(SymmetryError {
                        message: format!(
                            "the list of modes is not closed under the group: {h:?} (row {k}) goes to {image:?}, which \
                             is not in the list; take a ball, as rn.fourier_basis(group, radius=...) does (a box \
                             max|h| <= N is closed only where all rotations are signed permutations, never in \
                             hexagonal axes)"
                        ),
                        value: format!("{image:?}"),
                    }
                    .into());
                };
                let phase = element.phase(h, denominator);
                match row.iter().find(|&&(column, _)| column == target as i64) {
                    None => row.push((target as i64, phase)),
                    Some(&(_, known)) => absent |= known != phase,
                }
            }
            routing.size.push(row.len() as i32);
            if !absent {
                row.sort_unstable();
                routing.column.extend(row.iter().map(|entry| entry.0));
                routing.phase.extend(row.iter().map(|entry| entry.1 as i16));
            }
            routing.row_offsets.push(routing.column.len() as i64);
        }
        Ok(routing)
    }
}
