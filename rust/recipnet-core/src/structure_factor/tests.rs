//! Every sum against its definition in float64, with a sine and a cosine for each term.

use std::f64::consts::TAU;

use super::channels::ChannelForward;
use super::weighted::Forward;
use super::*;
use crate::machine::{Baseline, Fused, Kernel, Machine, Wide};

/// Crystals without atoms, without reflections, with one of each, and around the edges of chunks and blocks.
const ATOMS: [usize; 10] = [3, 0, 1, 70, 5, 17, 64, 1, 8, 9];
const REFLECTIONS: [usize; 10] = [40, 5, 1, 67, 0, 7, 33, 32, 2, 31];

struct Random(u64);

impl Random {
    /// Uniform in [-1, 1).
    fn next(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    fn values<T: Scalar>(&mut self, count: usize) -> Vec<T> {
        (0..count).map(|_| T::from_f64(self.next())).collect()
    }

    fn pairs<T: Scalar>(&mut self, count: usize) -> Vec<[T; 2]> {
        (0..count).map(|_| [(); 2].map(|()| T::from_f64(self.next()))).collect()
    }
}

struct Case<T> {
    frac: Vec<[T; 3]>,
    hkl: Vec<[i32; 3]>,
    atom_offsets: Vec<i64>,
    hkl_offsets: Vec<i64>,
}

fn offsets(counts: &[usize]) -> Vec<i64> {
    let mut all = vec![0];
    for &count in counts {
        all.push(all[all.len() - 1] + count as i64);
    }
    all
}

impl<T: Scalar> Case<T> {
    fn new(atoms: &[usize], reflections: &[usize], h_max: f64) -> Self {
        let mut random = Random(7);
        let frac = (0..atoms.iter().sum())
            .map(|_| [(); 3].map(|()| T::from_f64(1.7 * random.next())))
            .collect();
        let hkl = (0..reflections.iter().sum())
            .map(|_| [(); 3].map(|()| (h_max * random.next()).round() as i32))
            .collect();
        Self {
            frac,
            hkl,
            atom_offsets: offsets(atoms),
            hkl_offsets: offsets(reflections),
        }
    }

    /// The same with the reflections of each crystal in scan order, but for one pair that is exchanged: runs.
    fn scanned(mut self) -> Self {
        let offsets = self.hkl_offsets.clone();
        for rows in offsets.windows(2) {
            let own = &mut self.hkl[rows[0] as usize..rows[1] as usize];
            for (place, h) in own.iter_mut().enumerate() {
                let place = place as i32;
                *h = [place / 105 - 3, place / 21 % 5 - 2, place % 21 - 10];
            }
            if let [.., a, _, b] = own {
                std::mem::swap(a, b);
            }
        }
        self
    }

    fn view(&self) -> Ragged<'_, T> {
        Ragged::new(&self.frac, &self.hkl, &self.atom_offsets, &self.hkl_offsets).unwrap()
    }

    /// Atom, reflection, place of the term, cos and sin, for every term of the batch.
    fn terms(&self) -> Vec<(usize, usize, usize, f64, f64)> {
        let mut all = Vec::new();
        for part in self.view().parts() {
            for j in part.atoms.clone() {
                for h in part.reflections.clone() {
                    let x = self.frac[j].map(Into::<f64>::into);
                    // Reduced axis by axis, which is exact for the indices used here.
                    let turns: f64 = (0..3)
                        .map(|axis| f64::from(self.hkl[h][axis]) * (x[axis] - x[axis].round_ties_even()))
                        .map(|t| t - t.round_ties_even())
                        .sum();
                    let place =
                        part.first_term + (j - part.atoms.start) * part.reflections.len() + h - part.reflections.start;
                    all.push((j, h, place, (TAU * turns).cos(), (TAU * turns).sin()));
                }
            }
        }
        all
    }
}

/// A number that no test expects.
const UNSET: f64 = 1e30;

/// What a sum writes; what it does not write stays unset.
fn written<V: Copy>(size: usize, unset: V, sum: impl FnOnce(&mut [V]) -> Result<()>) -> Vec<V> {
    let mut out = vec![unset; size];
    sum(&mut out).unwrap();
    out
}

fn complex<T: Scalar>(size: usize, sum: impl FnOnce(&mut [[T; 2]]) -> Result<()>) -> Vec<[T; 2]> {
    written(size, [T::from_f64(UNSET); 2], sum)
}

fn real<T: Scalar>(size: usize, sum: impl FnOnce(&mut [T]) -> Result<()>) -> Vec<T> {
    written(size, T::from_f64(UNSET), sum)
}

fn vectors<T: Scalar>(size: usize, sum: impl FnOnce(&mut [[T; 3]]) -> Result<()>) -> Vec<[T; 3]> {
    written(size, [T::from_f64(UNSET); 3], sum)
}

/// Largest |found - expected| / scale, where a scale of 0 asks for equality.
fn error<T: Scalar>(found: &[T], expected: &[f64], scale: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let mut worst = 0.0f64;
    for ((&f, &e), &s) in found.iter().zip(expected).zip(scale) {
        let difference = (f.into() - e).abs();
        assert!(difference == 0.0 || s > 0.0);
        worst = worst.max(if s > 0.0 { difference / s } else { 0.0 });
    }
    worst
}

fn wide<T: Scalar>(values: &[T]) -> Vec<f64> {
    values.iter().map(|&v| v.into()).collect()
}

/// The kernel of cubic convolution, or a derivative (Keys, equation 15).
fn keys(distance: f64, order: usize) -> f64 {
    let mut cubic = match distance.abs() {
        ..1.0 => vec![1.0, 0.0, -2.5, 1.5],
        1.0..2.0 => vec![2.0, -4.0, 2.5, -0.5],
        _ => vec![],
    };
    for _ in 0..order {
        cubic = cubic
            .iter()
            .enumerate()
            .skip(1)
            .map(|(power, c)| power as f64 * c)
            .collect();
    }
    let value = cubic.iter().rev().fold(0.0, |sum, c| sum * distance.abs() + c);
    if order.is_multiple_of(2) {
        value
    } else {
        value * distance.signum()
    }
}

/// All sums of a case with one number for each term.
fn check_weighted<T: Scalar>(case: &Case<T>, limit: f64) {
    let (view, terms) = (case.view(), case.terms());
    let (atoms, reflections) = (view.num_atoms(), view.num_reflections());
    assert_eq!(view.num_terms(), terms.len());
    let mut random = Random(11);
    let (rows, columns) = (3, 7);
    let kinds: Vec<i64> = (0..atoms).map(|j| (j * 7 % rows) as i64).collect();
    let mut places: Vec<T> = random.values(reflections);
    for (row, place) in places.iter_mut().enumerate() {
        *place = match row {
            0 => T::ZERO,
            1 => T::from_f64(4.0),
            _ => *place * T::from_f64(1.999) + T::from_f64(2.0),
        };
    }
    let by_atom: Vec<T> = random.values(atoms);
    let by_term: Vec<T> = random.values(terms.len());
    let table: Vec<T> = random.values(rows * columns);
    let g: Vec<[T; 2]> = random.pairs(reflections);
    let mut choices = vec![Weights::Atom(&by_atom), Weights::Term(&by_term)];
    for order in 0..5 {
        choices.push(Weights::Table {
            values: &table,
            lookup: Lookup {
                kinds: &kinds,
                places: &places,
                rows,
                columns,
                order,
            },
        });
    }
    for weights in choices {
        // Values that a term's weight is made of, by how much of each.
        let slots = |j: usize, h: usize, term: usize| match weights {
            Weights::Atom(_) => vec![(j, 1.0)],
            Weights::Term(_) => vec![(term, 1.0)],
            Weights::Table { lookup, .. } => (0..columns)
                .map(|column| {
                    // The second derivative jumps where a cell ends.
                    let place: f64 = places[h].into();
                    let distance = place.clamp(1e-13, 4.0 - 1e-13) - (column as f64 - 1.0);
                    (
                        kinds[j] as usize * columns + column,
                        keys(distance, lookup.order as usize),
                    )
                })
                .collect(),
        };
        let (Weights::Atom(values) | Weights::Term(values) | Weights::Table { values, .. }) = weights;
        let mut f = vec![0.0; 2 * reflections];
        let mut f_scale = vec![0.0; 2 * reflections];
        let mut back = vec![0.0; values.len()];
        let mut back_scale = vec![f64::MIN_POSITIVE; values.len()];
        let mut slope = vec![0.0; 3 * atoms];
        let mut slope_scale = vec![0.0; 3 * atoms];
        for &(j, h, term, cos, sin) in &terms {
            let [re, im] = g[h].map(Into::<f64>::into);
            for (slot, part) in slots(j, h, term) {
                let w = part * values[slot].into();
                f[2 * h] += w * cos;
                f[2 * h + 1] += w * sin;
                f_scale[2 * h] += w.abs();
                f_scale[2 * h + 1] += w.abs();
                back[slot] += part * (re * cos + im * sin);
                back_scale[slot] += part.abs() * re.hypot(im);
                for axis in 0..3 {
                    let h_axis = TAU * f64::from(case.hkl[h][axis]);
                    slope[3 * j + axis] += h_axis * w * (im * cos - re * sin);
                    slope_scale[3 * j + axis] += (h_axis * w).abs() * re.hypot(im) + f64::MIN_POSITIVE;
                }
            }
        }
        let one = complex(reflections, |out| forward(&view, &weights, Some(1), out));
        assert!(error(one.as_flattened(), &f, &f_scale) < limit);
        assert_eq!(one, complex(reflections, |out| forward(&view, &weights, None, out)));
        let back_of = |threads| {
            real(values.len(), |out| match &weights {
                Weights::Atom(_) => adjoint(&view, &g, Keep::Atom, threads, out),
                Weights::Term(_) => adjoint(&view, &g, Keep::Term, threads, out),
                Weights::Table { lookup, .. } => table_adjoint(&view, &g, lookup, threads, out),
            })
        };
        let found = back_of(Some(1));
        assert!(error(&found, &back, &back_scale) < limit);
        assert_eq!(found, back_of(None));
        let found = vectors(atoms, |out| position_gradient(&view, &weights, &g, None, out));
        assert!(error(found.as_flattened(), &slope, &slope_scale) < limit);
    }
}

fn check_channels_of<T: Scalar>(case: &Case<T>, channels: usize, limit: f64) {
    let (view, terms) = (case.view(), case.terms());
    let (atoms, reflections) = (view.num_atoms(), view.num_reflections());
    let mut random = Random(13);
    let q: Vec<T> = random.values(atoms * channels);
    let p: Vec<T> = random.values(atoms * channels);
    let weight: Vec<T> = random.values(reflections * channels);
    let t: Vec<[T; 2]> = random.pairs(reflections * channels);
    let sums = |q: &[T]| {
        let mut s = vec![[0.0; 2]; reflections * channels];
        let mut scale = vec![0.0; reflections * channels];
        for &(j, h, _, cos, sin) in &terms {
            for c in 0..channels {
                let value = q[j * channels + c].into();
                s[h * channels + c][0] += value * cos;
                s[h * channels + c][1] += value * sin;
                scale[h * channels + c] += value.abs();
            }
        }
        (s, scale)
    };
    let ((s, s_scale), (s_p, p_scale)) = (sums(&q), sums(&p));
    let mut y = vec![0.0; atoms * channels];
    let mut y_scale = y.clone();
    let mut z = y.clone();
    let mut z_scale = y.clone();
    let mut slope = vec![0.0; 3 * atoms];
    let mut slope_scale = slope.clone();
    for &(j, h, _, cos, sin) in &terms {
        for c in 0..channels {
            let (at, row) = (j * channels + c, h * channels + c);
            let [re, im] = t[row].map(Into::<f64>::into);
            y[at] += re * cos + im * sin;
            y_scale[at] += re.hypot(im);
            let w = weight[row].into();
            z[at] += w * (s[row][0] * cos + s[row][1] * sin);
            z_scale[at] += w.abs() * s_scale[row];
            for axis in 0..3 {
                let h_axis = TAU * f64::from(case.hkl[h][axis]);
                slope[3 * j + axis] += h_axis * q[at].into() * (im * cos - re * sin);
                slope_scale[3 * j + axis] += (h_axis * q[at].into()).abs() * re.hypot(im) + f64::MIN_POSITIVE;
            }
        }
    }
    let twice = |scale: &[f64]| scale.iter().flat_map(|&v| [v, v]).collect::<Vec<_>>();
    let rows = reflections * channels;
    let found = complex(rows, |out| channels_forward(&view, &q, channels, None, out));
    assert!(error(found.as_flattened(), s.as_flattened(), &twice(&s_scale)) < limit);
    let one = complex(rows, |out| channels_forward(&view, &q, channels, Some(1), out));
    assert_eq!(found, one);
    let found = real(atoms * channels, |out| channels_adjoint(&view, &t, channels, None, out));
    assert!(error(&found, &y, &y_scale) < limit);
    let found = vectors(atoms, |out| {
        channels_position_gradient(&view, &q, &t, channels, None, out)
    });
    assert!(error(found.as_flattened(), &slope, &slope_scale) < limit);
    let found = real(atoms * channels, |out| {
        channels_convolve(&view, &q, &weight, channels, None, out)
    });
    assert!(error(&found, &z, &z_scale) < limit);
    let found = real(rows, |out| channels_correlate(&view, &q, &p, channels, None, out));
    let expected: Vec<f64> = s.iter().zip(&s_p).map(|(a, b)| a[0] * b[0] + a[1] * b[1]).collect();
    let scale: Vec<f64> = s_scale.iter().zip(&p_scale).map(|(a, b)| a * b).collect();
    assert!(error(&found, &expected, &scale) < limit);
}

#[test]
fn weighted_sums_equal_their_definition() {
    check_weighted(&Case::<f64>::new(&ATOMS, &REFLECTIONS, 64.0), 1e-12);
    check_weighted(&Case::<f32>::new(&ATOMS, &REFLECTIONS, 64.0), 1e-5);
    check_weighted(&Case::<f64>::new(&ATOMS, &REFLECTIONS, 64.0).scanned(), 1e-12);
    check_weighted(&Case::<f32>::new(&ATOMS, &REFLECTIONS, 64.0).scanned(), 1e-5);
    check_weighted(&Case::<f64>::new(&ATOMS, &REFLECTIONS, 4095.0), 1e-11);
    check_weighted(&Case::<f32>::new(&ATOMS, &REFLECTIONS, 4095.0), 1e-5);
}

#[test]
fn channel_sums_equal_their_definition() {
    for channels in [1, 2, 7, 8, 16, 19, 35, 64] {
        check_channels_of(&Case::<f64>::new(&ATOMS, &REFLECTIONS, 64.0), channels, 1e-12);
        check_channels_of(&Case::<f32>::new(&ATOMS, &REFLECTIONS, 64.0), channels, 1e-5);
    }
}

#[test]
fn tasks_of_a_large_crystal_change_nothing() {
    let large = Case::<f64>::new(&[300], &[1100], 20.0);
    check_weighted(&large, 1e-12);
    check_weighted(&Case::<f64>::new(&[300], &[1100], 20.0).scanned(), 1e-12);
    check_channels_of(&large, 70, 1e-12);
    // The same atoms with the reflections in two crystals: other pieces, the same bytes.
    let halves = Case {
        frac: [large.frac.clone(), large.frac.clone()].concat(),
        hkl: large.hkl.clone(),
        atom_offsets: vec![0, 300, 600],
        hkl_offsets: vec![0, 501, 1100],
    };
    let q: Vec<f64> = Random(3).values(300);
    let twice = [q.clone(), q.clone()].concat();
    assert_eq!(
        complex(1100, |out| forward(&large.view(), &Weights::Atom(&q), None, out)),
        complex(1100, |out| forward(&halves.view(), &Weights::Atom(&twice), None, out))
    );
}

#[test]
fn known_phases_are_exact() {
    // Quarters of a turn: 1, i, -1, -i, without rounding.
    let frac = [[0.25, 0.0, 0.0]];
    let hkl: Vec<[i32; 3]> = (0..9).map(|h| [h - 4, 0, 0]).collect();
    let view = Ragged::new(&frac, &hkl, &[0, 1], &[0, 9]).unwrap();
    let f = complex(9, |out| forward(&view, &Weights::Atom(&[1.0f64]), None, out));
    for (h, value) in hkl.iter().zip(f) {
        let expected = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]][h[0].rem_euclid(4) as usize];
        assert_eq!(value, expected, "h = {}", h[0]);
    }
}

fn on_machine<T: Scalar, M: Machine>(case: &Case<T>, limit: f64) {
    let (view, channels) = (case.view(), 5);
    let mut random = Random(17);
    let q: Vec<T> = random.values(view.num_atoms() * channels);
    let w = &q[..view.num_atoms()];
    let mut f = vec![[T::ZERO; 2]; view.num_reflections()];
    let mut s = vec![[T::ZERO; 2]; view.num_reflections() * channels];
    for part in view.parts() {
        let rows = part.reflections.clone();
        let piece = Piece {
            rows: rows.clone(),
            part,
        };
        Forward {
            batch: view,
            weights: Weights::Atom(w),
            piece: piece.clone(),
            out: &mut f[rows.clone()],
        }
        .run::<M>();
        ChannelForward {
            batch: view,
            q: &q,
            channels,
            piece,
            out: &mut s[rows.start * channels..rows.end * channels],
        }
        .run::<M>();
    }
    let best = complex(f.len(), |out| forward(&view, &Weights::Atom(w), None, out));
    let scale = vec![70.0; 2 * best.len()];
    assert!(error(f.as_flattened(), &wide(best.as_flattened()), &scale) < limit);
    let best = complex(s.len(), |out| channels_forward(&view, &q, channels, None, out));
    let scale = vec![70.0; 2 * best.len()];
    assert!(error(s.as_flattened(), &wide(best.as_flattened()), &scale) < limit);
}

#[test]
fn every_instruction_set_agrees() {
    let double = Case::<f64>::new(&ATOMS, &REFLECTIONS, 64.0);
    on_machine::<_, Baseline>(&double, 1e-14);
    on_machine::<_, Fused>(&double, 1e-14);
    on_machine::<_, Wide>(&double, 1e-14);
    let single = Case::<f32>::new(&ATOMS, &REFLECTIONS, 64.0);
    on_machine::<_, Baseline>(&single, 1e-6);
    on_machine::<_, Fused>(&single, 1e-6);
    on_machine::<_, Wide>(&single, 1e-6);
}

#[test]
fn bad_input_is_refused_by_name() {
    let frac = [[0.0f32; 3], [0.1, f32::NAN, 0.0]];
    let name = |frac: &[[f32; 3]], hkl: &[[i32; 3]], atoms: &[i64], reflections: &[i64]| match Ragged::new(
        frac,
        hkl,
        atoms,
        reflections,
    )
    .unwrap_err()
    {
        Error::Argument(error) => error.name,
        other => panic!("{other}"),
    };
    assert_eq!(name(&frac, &[], &[0, 2], &[0, 0]), "frac");
    assert_eq!(name(&frac[..1], &[[1, 2, 4096]], &[0, 1], &[0, 1]), "hkl");
    assert_eq!(name(&frac[..1], &[[1, 2, i32::MIN]], &[0, 1], &[0, 1]), "hkl");
    assert_eq!(name(&frac[..1], &[], &[0, 2], &[0, 0]), "atom_offsets");
    assert_eq!(name(&frac[..1], &[], &[], &[]), "atom_offsets");
    assert_eq!(name(&frac[..1], &[], &[0, 1], &[0, 0, 0]), "hkl_offsets");
    assert_eq!(name(&frac[..1], &[[1, 0, 0]], &[0, 1, 1], &[0, 2, 1]), "hkl_offsets");
    let view = Ragged::new(&frac[..1], &[[1, 0, 0]], &[0, 1], &[0, 1]).unwrap();
    let mut out = [[0.0; 2]];
    assert!(forward(&view, &Weights::Atom(&[]), None, &mut out).is_err());
    assert!(forward(&view, &Weights::Term(&[1.0, 2.0]), None, &mut out).is_err());
    assert!(forward(&view, &Weights::Atom(&[1.0]), None, &mut []).is_err());
    let good = Lookup {
        kinds: &[1],
        places: &[1e30],
        rows: 2,
        columns: 4,
        order: 0,
    };
    let table = |lookup| {
        let values = &[1.0; 8];
        let there = forward(&view, &Weights::Table { values, lookup }, None, &mut [[0.0; 2]]);
        let back = table_adjoint(&view, &[[1.0, 0.0]], &lookup, None, &mut [0.0; 8]);
        assert_eq!(there.is_ok(), back.is_ok());
        there.is_ok()
    };
    assert!(table(good));
    for kinds in [&[2][..], &[-1], &[]] {
        assert!(!table(Lookup { kinds, ..good }));
    }
    assert!(!table(Lookup { places: &[], ..good }) && !table(Lookup { rows: 3, ..good }));
    for columns in [usize::MAX, 5, 3] {
        assert!(!table(Lookup { columns, ..good }));
    }
    assert!(
        table(Lookup {
            places: &[f32::NAN],
            ..good
        }) && table(Lookup {
            places: &[-1.0],
            ..good
        })
    );
    assert!(channels_forward(&view, &[], 0, None, &mut []).is_err());
    assert!(channels_forward(&view, &[1.0, 1.0], 2, None, &mut out).is_err());
    assert!(channels_adjoint(&view, &[[1.0, 0.0]], 2, None, &mut [0.0; 2]).is_err());
    assert!(forward(&view, &Weights::Atom(&[1.0]), Some(0), &mut out).is_err());
}
