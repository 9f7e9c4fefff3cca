//! All indices of a ball in reciprocal space, in rising order, with a lookup that needs no box around them.

use crate::lattice::lines;
use crate::math::Mat3;

/// Runs of consecutive l at one (h, k): indices `from..from + count` have the positions `base..base + count`.
#[derive(Debug, Clone, Copy)]
struct Line {
    from: i32,
    count: u32,
    base: u32,
}

/// Lines of one h: k runs from `from`, and the first one is `lines[start]`.
#[derive(Debug, Clone, Copy)]
struct Slice {
    from: i32,
    start: usize,
}

/// Indices of a ball, h = 0 included.
#[derive(Debug, Clone, Default)]
pub struct Modes {
    hkl: Vec<[i32; 3]>,
    first_h: i32,
    slices: Vec<Slice>,
    lines: Vec<Line>,
}

impl Modes {
    /// Indices of the ball `|h @ frame| <= radius` that are `inside`; of each line that must be one run.
    pub fn new(frame: &Mat3, radius: f64, inside: impl Fn([i32; 3]) -> bool) -> Self {
        let mut modes = Self::default();
        lines(frame, radius, false, |h, k, mut from, mut to| {
            while from <= to && !inside([h, k, from]) {
                from += 1;
            }
            while from <= to && !inside([h, k, to]) {
                to -= 1;
            }
            if modes.slices.is_empty() {
                modes.first_h = h;
            }
            // In a sheared cell some h have no line at all.
            while modes.slices.len() as i32 <= h - modes.first_h {
                modes.slices.push(Slice {
                    from: k,
                    start: modes.lines.len(),
                });
            }
            modes.lines.push(Line {
                from,
                count: (to - from + 1).max(0) as u32,
                base: modes.hkl.len() as u32,
            });
            modes.hkl.extend((from..=to).map(|l| [h, k, l]));
        });
        modes
    }

    /// The indices in rising lexicographic order.
    pub fn hkl(&self) -> &[[i32; 3]] {
        &self.hkl
    }

    pub fn len(&self) -> usize {
        self.hkl.len()
    }

    /// Place of an index in [`Self::hkl`].
    #[inline]
    pub fn position(&self, [h, k, l]: [i32; 3]) -> Option<usize> {
        let place = usize::try_from(i64::from(h) - i64::from(self.first_h)).ok()?;
        let slice = self.slices.get(place)?;
        let end = self.slices.get(place + 1).map_or(self.lines.len(), |next| next.start);
        let line = slice.start + usize::try_from(i64::from(k) - i64::from(slice.from)).ok()?;
        let line = self.lines[..end].get(line)?;
        let step = u32::try_from(i64::from(l) - i64::from(line.from)).ok()?;
        (step < line.count).then_some((line.base + step) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lattice::Lattice;
    use crate::math::{norm, row_times, triangular};

    #[test]
    fn every_index_finds_its_place_and_no_other_has_one() {
        for (cell, radius) in [
            ([4.0, 5.0, 6.0, 80.0, 95.0, 105.0], 0.9),
            ([3.0, 3.0, 3.0, 20.0, 20.0, 20.0], 1.2),
            ([3.0, 30.0, 3.0, 90.0, 150.0, 90.0], 0.2),
            ([5.0, 11.0, 26.0, 85.0, 100.0, 24.0], 0.18),
            ([5.0, 15.8, 5.0, 90.0, 90.0, 18.4], 0.6),
        ] {
            let [a, b, c, alpha, beta, gamma] = cell;
            let lattice = Lattice::from_parameters(a, b, c, alpha, beta, gamma).unwrap();
            let inside = |h: [i32; 3]| norm(row_times(h.map(f64::from), lattice.reciprocal())) <= radius;
            // A wider ball is trimmed to the same indices.
            let modes = Modes::new(&triangular(lattice.reciprocal()), radius * 1.3, inside);
            assert!(modes.hkl().is_sorted() && modes.hkl().contains(&[0; 3]));
            let mut found = 0;
            for h in -20..=20 {
                for k in -20..=20 {
                    for l in -20..=20 {
                        let position = modes.position([h, k, l]);
                        assert_eq!(position.is_some(), inside([h, k, l]), "{h} {k} {l}");
                        if let Some(position) = position {
                            assert_eq!(modes.hkl()[position], [h, k, l]);
                            found += 1;
                        }
                    }
                }
            }
            assert_eq!(found, modes.len());
        }
    }
}
