//! The basis against its definition: brute sums over operations, and the numbers of the literature.

use super::*;
use crate::lattice::Lattice;
use crate::math::Vec3;
use crate::symmetry::{Operations, settings};
use proptest::prelude::*;

fn of(hall: usize, radius: f64) -> FourierBasis {
    FourierBasis::new(settings()[hall - 1].operations(), Truncation::Radius(radius), MAX_MODES).unwrap()
}

fn moved(operations: &Operations, g: usize, x: Vec3) -> Vec3 {
    let one = &operations.as_slice()[g];
    std::array::from_fn(|i| {
        f64::from(one.translation[i]) / f64::from(operations.denominator())
            + (0..3).map(|j| f64::from(one.rotation[i][j]) * x[j]).sum::<f64>()
    })
}

#[test]
fn the_table_of_named_groups() {
    for (hall, r3, r5) in [
        (1, [123, 123, 0, 123, 1, 122], [515, 515, 0, 515, 1, 514]),
        (2, [123, 62, 0, 62, 62, 0], [515, 258, 0, 258, 258, 0]),
        (81, [123, 40, 16, 32, 32, 0], [515, 152, 44, 130, 130, 0]),
        (369, [123, 21, 14, 16, 12, 4], [515, 73, 20, 66, 38, 28]),
        (458, [85, 15, 58, 6, 6, 0], [419, 55, 272, 20, 20, 0]),
        (459, [123, 18, 0, 18, 18, 0], [515, 60, 0, 60, 60, 0]),
        (488, [85, 12, 16, 9, 9, 0], [419, 38, 54, 31, 31, 0]),
        (523, [123, 10, 96, 4, 4, 0], [515, 27, 378, 10, 10, 0]),
        (525, [123, 10, 102, 3, 3, 0], [515, 27, 408, 8, 8, 0]),
        (526, [123, 10, 102, 3, 3, 0], [515, 27, 408, 8, 8, 0]),
        (530, [123, 10, 86, 3, 3, 0], [515, 27, 352, 8, 8, 0]),
    ] {
        for (radius, expected) in [(3.0, r3), (5.0, r5)] {
            let c = *of(hall, radius).counts();
            let found = [
                c.n_hkl,
                c.n_orbits_all,
                c.n_absent_hkl,
                c.n_basis,
                c.n_centric_orbits,
                c.n_acentric_orbits,
            ];
            assert_eq!(found, expected, "Hall number {hall}, R = {radius}");
        }
    }
}

#[test]
fn orbits_worked_by_hand() {
    let row = |basis: &FourierBasis, h: [i32; 3]| {
        let k = (0..basis.num_functions()).find(|&k| basis.representative(k) == h)?;
        let members: Vec<_> = basis
            .entries(k)
            .map(|e| (basis.hkl()[basis.column()[e] as usize], basis.phase()[e]))
            .collect();
        Some((k, members))
    };
    let p21c = of(81, 3.0);
    let (k, members) = row(&p21c, [1, 1, 2]).unwrap();
    assert_eq!(
        members,
        [([1, 1, 2], 0), ([1, -1, 2], 12), ([-1, 1, -2], 12), ([-1, -1, -2], 0)]
    );
    assert!(p21c.centric()[k] && p21c.alpha()[k] == 0);
    assert!(row(&p21c, [0, 1, 0]).is_none() && row(&p21c, [1, 0, 1]).is_none());
    assert_eq!(row(&p21c, [1, 0, 2]).unwrap().1.len(), 2);
    let phases = |basis: &FourierBasis, h| {
        let (k, members) = row(basis, h).unwrap();
        (basis.alpha()[k], members.iter().map(|m| m.1).collect::<Vec<_>>())
    };
    assert_eq!(phases(&of(525, 3.0), [1, 1, 1]), (6, vec![0, 18, 18, 0, 18, 0, 0, 18]));
    assert_eq!(
        phases(&of(526, 3.0), [1, 1, 1]),
        (0, vec![0, 12, 12, 12, 12, 12, 12, 0])
    );
    let p41212 = of(369, 5.0);
    assert_eq!(phases(&p41212, [2, 1, -3]), (0, vec![0, 6, 0, 18, 6, 12, 18, 12]));
    let (k, _) = row(&p41212, [2, 1, -3]).unwrap();
    assert!(!p41212.centric()[k] && p41212.partner()[k] != k as i64);
    assert!(row(&p41212, [0, 0, 4]).is_some() && row(&p41212, [0, 0, 2]).is_none());
    assert_eq!(phases(&p41212, [1, 0, 1]).0, 6);
}

#[test]
fn physical_balls_of_named_groups() {
    let cell = |a, b, c, alpha, beta, gamma| Lattice::from_parameters(a, b, c, alpha, beta, gamma).unwrap();
    let triclinic = cell(5.0, 6.0, 7.0, 80.0, 95.0, 105.0);
    for (hall, lattice, g_max, expected) in [
        (1, triclinic, 0.62, [195, 195, 0, 195, 1, 194]),
        (2, triclinic, 0.62, [195, 98, 0, 98, 98, 0]),
        (
            81,
            cell(5.0, 6.0, 7.0, 90.0, 100.0, 90.0),
            0.62,
            [199, 62, 24, 50, 50, 0],
        ),
        (
            369,
            cell(5.0, 5.0, 7.0, 90.0, 90.0, 90.0),
            0.83,
            [403, 58, 16, 52, 34, 18],
        ),
        (
            458,
            cell(4.0, 4.0, 14.0, 90.0, 90.0, 120.0),
            0.83,
            [473, 69, 310, 24, 24, 0],
        ),
        (
            459,
            cell(5.20683, 5.20683, 5.20683, 45.1771, 45.1771, 45.1771),
            0.83,
            [163, 24, 0, 24, 24, 0],
        ),
        (
            488,
            cell(3.5, 3.5, 6.0, 90.0, 90.0, 120.0),
            1.13,
            [373, 35, 42, 29, 29, 0],
        ),
        (
            523,
            cell(8.0, 8.0, 8.0, 90.0, 90.0, 90.0),
            0.83,
            [1237, 52, 906, 19, 19, 0],
        ),
        (
            525,
            cell(8.0, 8.0, 8.0, 90.0, 90.0, 90.0),
            0.83,
            [1237, 52, 942, 16, 16, 0],
        ),
        (
            526,
            cell(8.0, 8.0, 8.0, 90.0, 90.0, 90.0),
            0.83,
            [1237, 52, 942, 16, 16, 0],
        ),
        (
            530,
            cell(10.0, 10.0, 10.0, 90.0, 90.0, 90.0),
            0.73,
            [1647, 66, 1104, 19, 19, 0],
        ),
    ] {
        let truncation = Truncation::Spacing {
            lattice,
            d_min: 1.0 / g_max,
        };
        let basis = FourierBasis::new(settings()[hall - 1].operations(), truncation, MAX_MODES).unwrap();
        let c = basis.counts();
        let found = [
            c.n_hkl,
            c.n_orbits_all,
            c.n_absent_hkl,
            c.n_basis,
            c.n_centric_orbits,
            c.n_acentric_orbits,
        ];
        assert_eq!(found, expected, "Hall number {hall}");
        assert!(basis.shell_gap() > 1e-4 && basis.shell_gap() < 0.1);
        assert!(basis.norm().windows(2).all(|pair| pair[0] < pair[1] + 1e-12));
        assert!(*basis.norm().last().unwrap() <= g_max);
    }
}

#[test]
fn a_shell_on_the_boundary_is_whole_and_told() {
    let lattice = Lattice::from_parameters(4.2, 4.2, 4.2, 90.0, 90.0, 90.0).unwrap();
    let truncation = Truncation::Spacing { lattice, d_min: 1.4 };
    let basis = FourierBasis::new(settings()[523 - 1].operations(), truncation, MAX_MODES).unwrap();
    assert_eq!(basis.counts().n_hkl, 123);
    assert!(basis.shell_gap() < 1e-12);
}

/// `e_k` from its definition, one sine and cosine for each plane wave.
fn by_definition(basis: &FourierBasis, k: usize, x: Vec3) -> [f64; 2] {
    let mut sum = [0.0; 2];
    for entry in basis.entries(k) {
        let h = basis.hkl()[basis.column()[entry] as usize];
        let turns = f64::from(basis.phase()[entry]) / f64::from(basis.denominator())
            + (0..3).map(|i| f64::from(h[i]) * x[i]).sum::<f64>();
        let angle = std::f64::consts::TAU * turns;
        sum[0] += angle.cos();
        sum[1] += angle.sin();
    }
    sum.map(|part| part / (basis.size(k) as f64).sqrt())
}

const POINTS: [Vec3; 9] = [
    [0.137, 0.293, 0.719],
    [-0.8, 2.31, 0.05],
    [0.0, 0.5, 0.25],
    [0.91, 0.11, 0.47],
    [0.333, 0.667, 0.1],
    [-3.7, -0.2, 9.9],
    [0.5, 0.5, 0.5],
    [0.125, 0.125, 0.125],
    [0.77, 0.0, 0.3],
];

#[test]
fn values_follow_the_definition_in_all_settings() {
    for hall in 1..=530 {
        let basis = of(hall, 3.0);
        let n = basis.num_functions();
        let complex = basis.evaluate::<f64>(&POINTS, Kind::Complex, Some(1)).unwrap();
        let real = basis.evaluate::<f64>(&POINTS, Kind::Real, Some(1)).unwrap();
        let single = basis.evaluate::<f32>(&POINTS, Kind::Real, Some(1)).unwrap();
        for (p, &x) in POINTS.iter().enumerate() {
            for k in 0..n {
                let expected = by_definition(&basis, k, x);
                let found = &complex[2 * (p * n + k)..][..2];
                assert!((found[0] - expected[0]).abs() < 1e-12, "{hall} {k} {x:?}");
                assert!((found[1] - expected[1]).abs() < 1e-12, "{hall} {k} {x:?}");
                let angle = std::f64::consts::PI * f64::from(basis.alpha()[k]) / f64::from(basis.denominator());
                let r = match basis.partner()[k] as usize {
                    _ if basis.centric()[k] => {
                        let imaginary = expected[0] * angle.sin() + expected[1] * angle.cos();
                        assert!(imaginary.abs() < 1e-12, "{hall} {k} is not real");
                        expected[0] * angle.cos() - expected[1] * angle.sin()
                    }
                    partner if partner > k => std::f64::consts::SQRT_2 * expected[0],
                    partner => std::f64::consts::SQRT_2 * by_definition(&basis, partner, x)[1],
                };
                assert!((real[p * n + k] - r).abs() < 1e-12, "{hall} {k} {x:?}");
                assert!((f64::from(single[p * n + k]) - r).abs() < 2e-5, "{hall} {k} {x:?}");
            }
        }
    }
}

#[test]
fn functions_do_not_change_under_their_operations() {
    let mut worst = 0.0f64;
    for hall in 1..=530 {
        let basis = of(hall, 3.0);
        let operations = basis.operations();
        let x = POINTS[0];
        let mut points = vec![x];
        points.extend((0..operations.len()).map(|g| moved(operations, g, x)));
        let values = basis.evaluate::<f64>(&points, Kind::Complex, Some(1)).unwrap();
        let n = 2 * basis.num_functions();
        for image in values.chunks(n) {
            for (a, b) in image.iter().zip(&values[..n]) {
                worst = worst.max((a - b).abs());
            }
        }
    }
    assert!(worst < 1e-12, "{worst:e}");
}

#[test]
fn gradients_follow_differences() {
    let step = 1e-5;
    for hall in [1, 2, 81, 369, 458, 488, 523, 525, 530] {
        let basis = of(hall, 4.0);
        for kind in [Kind::Complex, Kind::Real] {
            let gradient = basis.gradient::<f64>(&POINTS, kind, Some(1)).unwrap();
            let width = kind.width();
            let n = basis.num_functions();
            for axis in 0..3 {
                let at = |sign: f64| {
                    let points = POINTS.map(|mut x| {
                        x[axis] += sign * step;
                        x
                    });
                    basis.evaluate::<f64>(&points, kind, Some(1)).unwrap()
                };
                let (up, down) = (at(1.0), at(-1.0));
                for i in 0..POINTS.len() * n {
                    for part in 0..width {
                        let slope = (up[i * width + part] - down[i * width + part]) / (2.0 * step);
                        let found = gradient[(i * 3 + axis) * width + part];
                        assert!((found - slope).abs() < 1e-4, "{hall} {kind:?}: {found} {slope}");
                    }
                }
            }
        }
    }
}

#[test]
fn real_functions_are_orthonormal() {
    for hall in [1, 2, 81, 369, 458, 459, 488, 525, 530] {
        let basis = of(hall, 2.0);
        let reach = basis.hkl().iter().flatten().map(|x| x.unsigned_abs()).max().unwrap();
        let side = 2 * reach + 2;
        let grid: Vec<Vec3> = (0..side.pow(3))
            .map(|i| [i % side, i / side % side, i / side / side].map(|n| f64::from(n) / f64::from(side)))
            .collect();
        let n = basis.num_functions();
        let values = basis.evaluate::<f64>(&grid, Kind::Real, Some(1)).unwrap();
        for a in 0..n {
            for b in 0..n {
                let sum: f64 = values.chunks(n).map(|row| row[a] * row[b]).sum();
                let mean = sum / grid.len() as f64;
                assert!(
                    (mean - f64::from(u8::from(a == b))).abs() < 1e-12,
                    "{hall} {a} {b}: {mean}"
                );
            }
        }
    }
}

#[test]
fn the_projector_is_the_sum_of_the_functions() {
    for hall in [2, 81, 143, 369, 525] {
        let basis = of(hall, 2.0);
        let operations = basis.operations();
        let all = of(1, 2.0);
        if all.num_functions() != basis.counts().n_hkl as usize {
            continue; // Another ball than that of these axes.
        }
        let n = all.hkl().len();
        // P[h', h] = 1/n sum over {g: h W = h'} of exp(2 pi i h w)
        let mut projector = vec![[0.0; 2]; n * n];
        for (column, h) in all.hkl().iter().enumerate() {
            for one in operations.as_slice() {
                let image: [i32; 3] =
                    std::array::from_fn(|c| (0..3).map(|r| h[r] * i32::from(one.rotation[r][c])).sum());
                let row = all.hkl().iter().position(|other| *other == image).unwrap();
                let turns: i32 = (0..3).map(|c| h[c] * i32::from(one.translation[c])).sum();
                let angle = std::f64::consts::TAU * f64::from(turns) / f64::from(operations.denominator());
                projector[row * n + column][0] += angle.cos() / operations.len() as f64;
                projector[row * n + column][1] += angle.sin() / operations.len() as f64;
            }
        }
        for k in 0..basis.num_functions() {
            let entries: Vec<_> = basis
                .entries(k)
                .map(|e| {
                    let h = basis.hkl()[basis.column()[e] as usize];
                    let place = all.hkl().iter().position(|other| *other == h).unwrap();
                    (place, f64::from(basis.phase()[e]) / f64::from(basis.denominator()))
                })
                .collect();
            for &(row, a) in &entries {
                for &(column, b) in &entries {
                    let angle = std::f64::consts::TAU * (a - b);
                    projector[row * n + column][0] -= angle.cos() / entries.len() as f64;
                    projector[row * n + column][1] -= angle.sin() / entries.len() as f64;
                }
            }
        }
        assert!(
            projector.iter().flatten().all(|x| x.abs() < 1e-12),
            "Hall number {hall}"
        );
    }
}

#[test]
fn pair_products_are_products() {
    let basis = of(369, 3.0);
    let n = basis.num_functions();
    let y: Vec<Vec3> = POINTS.iter().rev().copied().collect();
    let found = basis.pair_products::<f64>(&POINTS, &y, None).unwrap();
    for p in 0..POINTS.len() {
        for k in 0..n {
            let (a, b) = (by_definition(&basis, k, POINTS[p]), by_definition(&basis, k, y[p]));
            let [re, im] = [found[2 * (p * n + k)], found[2 * (p * n + k) + 1]];
            assert!((re - (a[0] * b[0] + a[1] * b[1])).abs() < 1e-12);
            assert!((im - (a[0] * b[1] - a[1] * b[0])).abs() < 1e-12);
        }
    }
    assert!(basis.pair_products::<f64>(&POINTS, &y[1..], None).is_err());
}

#[test]
fn aligned_rows_are_unit_multiples_of_the_functions() {
    for hall in [2, 81, 369, 458, 525] {
        let basis = of(hall, 3.0);
        // Every index of the ball, absent ones too.
        let p1 = Operations::identity();
        let modes: Vec<[i32; 3]> = if hall == 458 {
            let three = settings()[457].operations();
            let rotations: Vec<_> = three
                .as_slice()
                .iter()
                .map(|one| crate::symmetry::Operation {
                    translation: [0; 3],
                    ..*one
                })
                .collect();
            let point = Operations::new(rotations, 24).unwrap().tidied().0;
            FourierBasis::new(&point, Truncation::Radius(3.0), MAX_MODES)
                .unwrap()
                .hkl()
                .to_vec()
        } else {
            FourierBasis::new(&p1, Truncation::Radius(3.0), MAX_MODES)
                .unwrap()
                .hkl()
                .to_vec()
        };
        assert_eq!(modes.len() as u64, basis.counts().n_hkl);
        let routing = basis.aligned(&modes).unwrap();
        let values = basis.evaluate::<f64>(&POINTS[..1], Kind::Complex, None).unwrap();
        for (k, mode) in modes.iter().enumerate() {
            let entries = routing.row_offsets[k] as usize..routing.row_offsets[k + 1] as usize;
            let owner = (0..basis.num_functions()).find(|&f| {
                basis
                    .entries(f)
                    .any(|e| basis.hkl()[basis.column()[e] as usize] == *mode)
            });
            let Some(owner) = owner else {
                assert!(entries.is_empty(), "{mode:?} is absent");
                continue;
            };
            assert_eq!(entries.len(), basis.size(owner));
            let mut sum = [0.0; 2];
            for e in entries.clone() {
                let h = modes[routing.column[e] as usize];
                if h == *mode {
                    assert_eq!(routing.phase[e], 0);
                }
                let turns = f64::from(routing.phase[e]) / f64::from(routing.denominator)
                    + (0..3).map(|i| f64::from(h[i]) * POINTS[0][i]).sum::<f64>();
                sum[0] += (std::f64::consts::TAU * turns).cos() / entries.len() as f64;
                sum[1] += (std::f64::consts::TAU * turns).sin() / entries.len() as f64;
            }
            let size = (basis.size(owner) as f64).sqrt();
            let modulus = values[2 * owner].hypot(values[2 * owner + 1]) / size;
            assert!((sum[0].hypot(sum[1]) - modulus).abs() < 1e-12, "{hall} {mode:?}");
        }
    }
}

#[test]
fn a_box_in_hexagonal_axes_is_refused() {
    let range = -4..=4;
    let modes: Vec<[i32; 3]> = range
        .clone()
        .flat_map(|h| range.clone().flat_map(move |k| (-4..=4).map(move |l| [h, k, l])))
        .collect();
    let error = of(488, 3.0).aligned(&modes).unwrap_err().to_string();
    assert!(error.contains("not closed") && error.contains("hexagonal"), "{error}");
    assert!(of(523, 3.0).aligned(&modes).is_ok());
    let error = of(2, 3.0)
        .aligned(&[[1, 0, 0], [-1, 0, 0], [1, 0, 0]])
        .unwrap_err()
        .to_string();
    assert!(error.contains("rows 0 and 2"), "{error}");
}

#[test]
fn bad_input_is_refused() {
    let lattice = Lattice::from_parameters(4.0, 5.0, 6.0, 90.0, 90.0, 90.0).unwrap();
    let cubic = settings()[523 - 1].operations();
    let spacing = Truncation::Spacing { lattice, d_min: 1.0 };
    let error = FourierBasis::new(cubic, spacing, MAX_MODES).unwrap_err().to_string();
    assert!(error.contains("does not fit"), "{error}");
    let part = Operations::from_xyz(&["x,y,z", "-y,x,z"]).unwrap();
    assert!(FourierBasis::new(&part, Truncation::Radius(2.0), MAX_MODES).is_err());
    for radius in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(
            FourierBasis::new(cubic, Truncation::Radius(radius), MAX_MODES).is_err(),
            "{radius}"
        );
    }
    for radius in [200.0, 1e6, 1e200] {
        let error = FourierBasis::new(cubic, Truncation::Radius(radius), MAX_MODES)
            .unwrap_err()
            .to_string();
        assert!(error.contains("max_modes") || error.contains("metric"), "{error}");
    }
    let flat = Lattice::new([[0.1, 0.0, 0.0], [0.0, 8e3, 0.0], [0.0, 4e3, 8e3]]).unwrap();
    let truncation = Truncation::Spacing {
        lattice: flat,
        d_min: 0.5,
    };
    assert!(FourierBasis::new(&Operations::identity(), truncation, MAX_MODES).is_err());
    assert!(
        of(2, 2.0)
            .evaluate::<f64>(&[[0.0, f64::NAN, 0.0]], Kind::Real, None)
            .is_err()
    );
    assert!(of(2, 2.0).evaluate::<f64>(&[], Kind::Real, None).unwrap().is_empty());
}

#[test]
fn threads_do_not_change_values() {
    let basis = of(369, 8.0);
    let points: Vec<Vec3> = (0..1000).map(|i| [0.1, 0.2, 0.3].map(|x| x * f64::from(i))).collect();
    let one = basis.evaluate::<f64>(&points, Kind::Complex, Some(1)).unwrap();
    assert_eq!(one, basis.evaluate::<f64>(&points, Kind::Complex, Some(2)).unwrap());
    // A point has the same bits wherever it stands among others.
    let alone = basis.evaluate::<f64>(&points[517..518], Kind::Complex, None).unwrap();
    assert_eq!(
        alone,
        one[517 * 2 * basis.num_functions()..][..2 * basis.num_functions()]
    );
}

proptest! {
    #[test]
    fn a_sheared_cell_has_the_same_functions(shear in prop::array::uniform3(-3i32..=3), hall in 1usize..=530) {
        // New axes (a' b' c') = (a b c) P with P unimodular: h' = h P, and the ball of the metric is the same ball.
        let operations = settings()[hall - 1].operations();
        let group = super::group::Group::new(operations).unwrap();
        let form = group.integer_form().map(|row| row.map(|entry| entry as f64 / operations.len() as f64));
        prop_assume!(crate::math::frame_of_metric(&form).is_some());
        // A direct lattice whose reciprocal metric is the integer form: invert the frame.
        let frame = crate::math::frame_of_metric(&form).unwrap();
        let reciprocal = Lattice::new(frame).unwrap();
        let direct = *reciprocal.reciprocal();
        let lattice = Lattice::new(direct.map(|row| row.map(|x| 4.0 * x)));
        prop_assume!(lattice.is_ok());
        let lattice = lattice.unwrap();
        let p = [[1, shear[0], shear[1]], [0, 1, shear[2]], [0, 0, 1]];
        let rows: [[f64; 3]; 3] = std::array::from_fn(|i| {
            // Columns of P are the new axes.
            crate::math::row_times([0, 1, 2].map(|r| f64::from(p[r][i])), lattice.rows())
        });
        let inverse = crate::math::unimodular_inverse(&p.map(|row| row.map(i64::from)));
        let turned: Vec<_> = operations.as_slice().iter().map(|one| {
            let w = one.rotation.map(|row| row.map(i64::from));
            let product = |a: &[[i64; 3]; 3], b: &[[i64; 3]; 3]| -> [[i64; 3]; 3] {
                std::array::from_fn(|i| std::array::from_fn(|j| (0..3).map(|k| a[i][k] * b[k][j]).sum()))
            };
            let w = product(&product(&inverse, &w), &p.map(|row| row.map(i64::from)));
            let t: [i64; 3] = std::array::from_fn(|i| (0..3).map(|k| inverse[i][k] * i64::from(one.translation[k])).sum());
            crate::symmetry::Operation {
                rotation: w.map(|row| row.map(|x| x as i8)),
                translation: t.map(|x| x.rem_euclid(24) as i16),
            }
        }).collect();
        let turned = Operations::new(turned, 24).unwrap();
        let d_min = 1.3;
        let here = FourierBasis::new(operations, Truncation::Spacing { lattice, d_min }, MAX_MODES).unwrap();
        let there = Truncation::Spacing { lattice: Lattice::new(rows).unwrap(), d_min };
        let there = FourierBasis::new(&turned, there, MAX_MODES).unwrap();
        if here.shell_gap() > 1e-6 {
            prop_assert_eq!(here.counts(), there.counts());
        }
    }
}
