//! Tables hold what they should, and the fast sum of Gaussians is the plain one.

use super::*;
use crate::machine::{Baseline, Fused, Kernel, Machine, Wide};

#[test]
fn tables_are_sorted_and_whole() {
    let sorted = |keys: Vec<(u8, i32)>| keys.windows(2).all(|pair| pair[0] < pair[1]);
    assert!(sorted(xray_table::ROWS.iter().map(|r| (r.0, i32::from(r.1))).collect()));
    assert!(sorted(electron_table::ROWS.iter().map(|r| (r.0, 0)).collect()));
    assert!(sorted(
        neutron_table::ROWS.iter().map(|r| (r.0, i32::from(r.1))).collect()
    ));
    for number in 1..=98 {
        assert!(Factor::find(Radiation::Xray, number, 0.0, 0).is_ok(), "{number}");
        assert!(Factor::find(Radiation::Electron, number, 0.0, 0).is_ok(), "{number}");
    }
    assert_eq!(Factor::find(Radiation::Xray, 0, 0.0, 0), Err(Missing::Atom));
    assert_eq!(Factor::find(Radiation::Xray, 99, 0.0, 0), Err(Missing::Atom));
    assert_eq!(Factor::find(Radiation::Neutron, 84, 0.0, 0), Err(Missing::Atom));
}

#[test]
fn electrons_are_counted_at_zero_angle() {
    for &(number, charge, a, _, c) in xray_table::ROWS {
        let electrons = a.iter().sum::<f64>() + c;
        let expected = f64::from(number) - f64::from(charge);
        // The fits start within a few hundredths of the number of electrons.
        assert!(
            (electrons - expected).abs() < 0.1,
            "{} {electrons}",
            ion_name(number, charge.into())
        );
    }
}

fn on<M: Machine>(factor: &Factor, square: &[f64]) -> Vec<f64> {
    let Shape::Falling(cells) = factor.0 else {
        unreachable!("a constant")
    };
    let mut out = vec![f64::NAN; square.len()];
    let mut steps = Steps::default();
    steps.set(square);
    Evaluate {
        cells,
        square,
        steps: &steps,
        out: &mut out,
    }
    .run::<M>();
    out
}

/// Every row of both tables, at s in order and not, where cells begin and end, up to the end of the table.
#[test]
fn polynomials_are_the_sums_of_gaussians_on_every_instruction_set() {
    let mut square: Vec<f64> = (0..=6000).map(|i| f64::from(i) * 0.006).collect();
    square.extend((0..1500).map(|i| f64::from(i * 919 % 1500) * 0.001));
    let edges = (0..97).map(|i| f64::from(8 + i % 8) / 1024.0 * 2f64.powi(i / 8) - 1.0 / 128.0);
    square.extend(edges.flat_map(|s| [s, s - s * 1e-15]));
    let xray = (xray_table::ROWS.iter()).map(|&(z, q, a, b, c)| (Radiation::Xray, z, q, Gaussians { a, b, c }));
    let electron = (electron_table::ROWS.iter())
        .map(|&(number, a, b)| (Radiation::Electron, number, 0, Gaussians { a, b, c: 0.0 }));
    for (radiation, number, charge, Gaussians { a, b, c }) in xray.chain(electron) {
        let factor = Factor::find(radiation, number, charge.into(), 0).unwrap();
        // What is summed is larger than its sum: of Zr4+ by far, where two terms grow.
        let terms = |s: f64| [0, 1, 2, 3, 4].map(|g| a[g] * (-b[g] * s).exp());
        let mut found = vec![f64::NAN; square.len()];
        factor.evaluate(&square, &mut found);
        for found in [
            found,
            on::<Baseline>(&factor, &square),
            on::<Fused>(&factor, &square),
            on::<Wide>(&factor, &square),
        ] {
            for (&s, found) in square.iter().zip(&found) {
                let plain = c + terms(s).iter().sum::<f64>();
                let size = c.abs() + terms(s).iter().chain(&a).map(|x| x.abs()).sum::<f64>();
                assert!(
                    (found - plain).abs() < 1e-15 * size,
                    "{} s^2 = {s}: {found} {plain}",
                    ion_name(number, charge.into())
                );
            }
        }
    }
}

#[test]
fn what_is_no_place_in_the_table_has_no_value() {
    let carbon = Factor::find(Radiation::Xray, 6, 0.0, 0).unwrap();
    let mut out = [0.0; 5];
    carbon.evaluate(&[-1.0, 41.0, f64::INFINITY, f64::NAN, 0.1], &mut out);
    assert_eq!(out.map(f64::is_nan), [true, true, true, true, false]);
}

#[test]
fn what_is_missing_is_named() {
    let text = |radiation, number: u8, charge: f64, stol: f64| {
        form_factors(radiation, &[14, number], Some(&[0.0, charge]), None, &[stol], None)
            .unwrap_err()
            .to_string()
    };
    let ion = text(Radiation::Xray, 26, 1.0, 0.1);
    assert!(
        ion.contains("Fe, Fe2+, Fe3+, not Fe1+") && ion.contains("row 1"),
        "{ion}"
    );
    assert!(text(Radiation::Xray, 100, 0.0, 0.1).contains("no Fm"));
    assert!(text(Radiation::Xray, 26, 0.0, 6.1).contains("0 to 6"));
    assert!(text(Radiation::Electron, 26, 0.0, 2.1).contains("0 to 2"));
    assert!(text(Radiation::Xray, 26, 0.0, -0.1).contains("0 or more"));
    assert!(form_factors(Radiation::Neutron, &[1], None, Some(&[2]), &[99.0], None).is_ok());
}
