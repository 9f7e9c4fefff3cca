//! Tables hold what they should, and the fast sum of Gaussians is the plain one.

use super::*;
use crate::machine::{Baseline, Fused, Wide};

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
    let mut out = vec![0.0; square.len()];
    let evaluate = Evaluate {
        factor,
        square,
        out: &mut out,
    };
    evaluate.run::<M>();
    out
}

#[test]
fn fast_sums_are_the_plain_ones_on_every_instruction_set() {
    let square: Vec<f64> = (0..37).map(|i| f64::from(i * i) * 0.028).collect();
    for &(number, charge, a, b, c) in xray_table::ROWS {
        let factor = Factor::find(Radiation::Xray, number, charge.into(), 0).unwrap();
        let plain: Vec<f64> = square
            .iter()
            .map(|s| c + (0..5).map(|g| a[g] * (-b[g] * s).exp()).sum::<f64>())
            .collect();
        let check = |found: &[f64]| {
            let size = a.iter().map(|a| a.abs()).sum::<f64>() + c.abs();
            assert!(plain.iter().zip(found).all(|(x, y)| (x - y).abs() < 1e-14 * size));
        };
        let mut out = vec![0.0; square.len()];
        factor.evaluate(&square, &mut out);
        check(&out);
        check(&on::<Baseline>(&factor, &square));
        check(&on::<Fused>(&factor, &square));
        check(&on::<Wide>(&factor, &square));
    }
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
