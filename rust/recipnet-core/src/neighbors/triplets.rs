//! Angles between the edges of one atom.

use std::ops::Range;

use crate::batch::check_offsets;
use crate::error::{LimitError, Result};
use crate::math::{Real, Vec3, cross, dot, norm};
use crate::parallel;

/// Ordered pairs of different edges that share their centre.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Triplets<T> {
    /// First all edges e (T) in rising order, then their partners f (T), rising for each e.
    pub index: Vec<i64>,
    /// Angle between the vectors of e and f in radians, from 0 to pi; NaN where one of them has no length.
    pub angle: Vec<T>,
    /// Triplets of crystal b are `offsets[b]..offsets[b + 1]`.
    pub offsets: Vec<i64>,
}

/// A stretch of atoms with its part of the arrays.
struct Part<'a, T> {
    atoms: Range<usize>,
    first: &'a mut [i64],
    second: &'a mut [i64],
    angle: &'a mut [T],
}

/// Pairs (e, f) of different edges with one centre, both orders, and the angle between them.
///
/// `vectors`: of all edges; those of atom i are `atom_offsets[i]..atom_offsets[i + 1]`, those of crystal b
/// `edge_offsets[b]..edge_offsets[b + 1]`. The angle is `atan2(|u x v|, u . v)`, which is accurate at 0 and pi too,
/// computed in double precision; that of (f, e) is the same number as that of (e, f).
///
/// # Errors
/// `CrystalError` for offsets that do not fit, `LimitError` past `max_triplets` before memory is taken.
pub fn triplets<T: Real>(
    vectors: &[[T; 3]],
    edge_offsets: &[i64],
    atom_offsets: &[i64],
    max_triplets: u64,
    threads: Option<usize>,
) -> Result<Triplets<T>> {
    let atoms = atom_offsets.len().saturating_sub(1);
    let crystals = edge_offsets.len().saturating_sub(1);
    check_offsets("atom_offsets", atom_offsets, atoms, vectors.len())?;
    check_offsets("offsets", edge_offsets, crystals, vectors.len())?;
    let edges = |atom: usize| atom_offsets[atom] as usize..atom_offsets[atom + 1] as usize;
    let mut starts = Vec::with_capacity(atoms + 1);
    let mut total = 0u128;
    starts.push(0usize);
    for atom in 0..atoms {
        let count = edges(atom).len() as u128;
        total += count * count.saturating_sub(1);
        starts.push(total as usize);
    }
    let limit = max_triplets.min(u64::from(u32::MAX));
    if total > u128::from(limit) {
        return Err(LimitError {
            message: format!(
                "triplets: {total} pairs of edges, more than max_triplets = {limit}; take smaller batches, a smaller \
                 cut-off, or raise max_triplets"
            ),
            name: "max_triplets",
            limit,
            needed: total as f64,
            crystal: None,
        }
        .into());
    }
    let total = total as usize;
    // Where a crystal's edges begin, some atom's do; atoms without edges in between have no triplets.
    let offsets = edge_offsets
        .iter()
        .map(|edge| starts[atom_offsets.partition_point(|start| start < edge)] as i64)
        .collect();
    let mut found = Triplets {
        index: vec![0; 2 * total],
        angle: vec![T::default(); total],
        offsets,
    };
    let workers = parallel::workers(threads, 25.0 * total as f64)?;
    let share = if workers == 1 {
        usize::MAX
    } else {
        (total / (8 * workers)).max(4000)
    };
    let mut parts = Vec::new();
    let (mut first, mut second) = found.index.split_at_mut(total);
    let mut angle = found.angle.as_mut_slice();
    let mut begin = 0;
    for atom in 0..atoms {
        let length = starts[atom + 1] - starts[begin];
        if length >= share || atom + 1 == atoms {
            let (mine, rest) = first.split_at_mut(length);
            first = rest;
            let (partners, rest) = second.split_at_mut(length);
            second = rest;
            let (angles, rest) = angle.split_at_mut(length);
            angle = rest;
            parts.push(Part {
                atoms: begin..atom + 1,
                first: mine,
                second: partners,
                angle: angles,
            });
            begin = atom + 1;
        }
    }
    parallel::for_each(parts, workers, |part| {
        let mut units: Vec<Vec3> = Vec::new();
        let mut done = 0;
        for atom in part.atoms {
            let range = edges(atom);
            let count = range.len();
            units.clear();
            units.extend(vectors[range.clone()].iter().map(|v| v.map(T::to_f64)));
            let end = done + count * count.saturating_sub(1);
            fill(
                &units,
                range.start as i64,
                &mut part.first[done..end],
                &mut part.second[done..end],
                &mut part.angle[done..end],
            );
            done = end;
        }
    })?;
    Ok(found)
}

/// All pairs of one atom; row e has every edge but e.
fn fill<T: Real>(vectors: &[Vec3], base: i64, first: &mut [i64], second: &mut [i64], angle: &mut [T]) {
    let others = vectors.len().saturating_sub(1);
    for e in 0..vectors.len() {
        for f in e + 1..vectors.len() {
            let (u, v) = (vectors[e], vectors[f]);
            let (sine, cosine) = (norm(cross(u, v)), dot(u, v));
            let open = if dot(u, u) > 0.0 && dot(v, v) > 0.0 {
                sine.atan2(cosine)
            } else {
                f64::NAN
            };
            for (row, partner, column) in [(e, f, f - 1), (f, e, e)] {
                let at = row * others + column;
                first[at] = base + row as i64;
                second[at] = base + partner as i64;
                angle[at] = T::from_f64(open);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_pairs_of_each_atom_in_order() {
        let s = 0.5f64.sqrt();
        let vectors = [
            [1.0, 0.0, 0.0],
            [0.0, 2.0, 0.0],
            [-s, s, 0.0],
            [1.0, 1.0, 1.0],
            [0.0; 3],
            [3.0, 3.0, 3.0],
        ];
        // Atoms with 3, 0, 0, 1 and 2 edges in crystals of 1, 1 and 3 atoms.
        let found = triplets(&vectors, &[0, 3, 3, 6], &[0, 3, 3, 3, 4, 6], 8, None).unwrap();
        assert_eq!(found.index[..8], [0, 0, 1, 1, 2, 2, 4, 5]);
        assert_eq!(found.index[8..], [1, 2, 0, 2, 0, 1, 5, 4]);
        assert_eq!(found.offsets, [0, 6, 6, 8]);
        let degrees: Vec<f64> = found.angle.iter().map(|a| a.to_degrees()).collect();
        for (angle, expected) in degrees.iter().zip([90.0, 135.0, 90.0, 45.0, 135.0, 45.0]) {
            assert!((angle - expected).abs() < 1e-12, "{degrees:?}");
        }
        assert!(degrees[6].is_nan() && degrees[7].is_nan());
        let error = triplets(&vectors, &[0, 3, 3, 6], &[0, 3, 3, 3, 4, 6], 7, None).unwrap_err();
        assert!(error.to_string().contains("max_triplets = 7"), "{error}");
        assert!(triplets(&vectors, &[0, 3], &[0, 6], 100, None).is_err());
        assert!(triplets(&vectors, &[0, 6], &[0, 7, 6], 100, None).is_err());
        assert_eq!(triplets::<f32>(&[], &[0], &[0], 0, None).unwrap().offsets, [0]);
        assert!(triplets::<f32>(&[], &[], &[0], 0, None).is_err());
    }

    #[test]
    fn threads_do_not_matter() {
        let vectors: Vec<[f32; 3]> = (0..6000)
            .map(|i| [0.1, 0.7, 1.3].map(|c| (f64::from(i + 1) * c).sin() as f32))
            .collect();
        let atoms: Vec<i64> = (0..=300).map(|i| i * 20).collect();
        let run = |threads| triplets(&vectors, &[0, 6000], &atoms, 1 << 30, threads).unwrap();
        assert!(run(Some(1)) == run(None));
        assert_eq!(run(None).angle.len(), 300 * 20 * 19);
    }
}
