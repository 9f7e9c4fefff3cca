//! Elementary functions without branches, for loops that a compiler turns into vector instructions.

// A loop gets the instructions of the function that it is inlined into: here that is not a hint.
#![allow(clippy::inline_always)]

use std::f64::consts::{FRAC_PI_2, LN_2, LOG2_E, TAU};

use crate::machine::Machine;

/// 1.5 * 2^52: adding it and taking it away rounds to a whole number, on any processor in two instructions.
pub const ROUND: f64 = 6_755_399_441_055_744.0;
/// `ln 2` with its last 21 bits cleared, so that small whole multiples are exact, and the rest.
const LN_2_HIGH: f64 = f64::from_bits(LN_2.to_bits() & !0x1f_ffff);
/// `ln 2 - LN_2_HIGH` beyond the digits of a float64 `ln 2` too.
const LN_2_LOW: f64 = (LN_2 - LN_2_HIGH) + 2.319_046_813_846_299_6e-17;

/// cos and sin of `2 pi t` for `|t| <= 1/2`, without branches, to about 1e-16.
#[inline(always)]
pub fn cis(turns: f64) -> (f64, f64) {
    let quarter = (turns * 4.0 + ROUND) - ROUND;
    let y = (turns - quarter * 0.25) * TAU; // |y| <= pi / 4
    let z = y * y;
    // Taylor: the first term left out is below 1e-18.
    let sine = y
        * (1.0
            + z * (-1.0 / 6.0
                + z * (1.0 / 120.0
                    + z * (-1.0 / 5_040.0
                        + z * (1.0 / 362_880.0
                            + z * (-1.0 / 39_916_800.0
                                + z * (1.0 / 6_227_020_800.0 - z * (1.0 / 1_307_674_368_000.0))))))));
    let cosine = 1.0
        + z * (-0.5
            + z * (1.0 / 24.0
                + z * (-1.0 / 720.0
                    + z * (1.0 / 40_320.0
                        + z * (-1.0 / 3_628_800.0
                            + z * (1.0 / 479_001_600.0
                                + z * (-1.0 / 87_178_291_200.0 + z * (1.0 / 20_922_789_888_000.0))))))));
    // Quarters 0, 1, -1, +-2: (c, s), (-s, c), (s, -c), (-c, -s).
    let odd = quarter.abs() == 1.0;
    let even_sign = if quarter.abs() == 2.0 { -1.0 } else { 1.0 };
    let re = if odd { -quarter * sine } else { even_sign * cosine };
    let im = if odd { quarter * cosine } else { even_sign * sine };
    (re, im)
}

/// `exp(x)` for x up to 707, to 2e-16 of its value; what is below 1e-307 comes out as about that.
#[inline(always)]
pub fn exp<M: Machine>(x: f64) -> f64 {
    let x = x.clamp(-707.0, 707.0);
    let shifted = M::madd(x, LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = M::madd(n, -LN_2_LOW, M::madd(n, -LN_2_HIGH, x)); // |r| <= ln 2 / 2
    // Taylor: the first term left out is below 5e-18.
    let mut sum = 1.0 / 6_227_020_800.0;
    for coefficient in [
        1.0 / 479_001_600.0,
        1.0 / 39_916_800.0,
        1.0 / 3_628_800.0,
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5_040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ] {
        sum = M::madd(sum, r, coefficient);
    }
    // The low bits of `shifted` are n; moved to the exponent they double n times.
    sum * f64::from_bits((shifted.to_bits() << 52).wrapping_add(1023 << 52))
}

/// `1/sqrt(x)` for normal x, to 3e-16 of its value, and infinity for 0: a root and a division take four times as long.
#[inline(always)]
pub fn inverse_root<M: Machine>(x: f64) -> f64 {
    // Half of the exponent's bits, negative: to 4 % (J. F. Blinn, IEEE Comput. Graph. Appl. 17 (1997) no. 4, p. 80).
    let mut y = f64::from_bits(0x5fe6_eb50_c7b5_37a9_u64.wrapping_sub(x.to_bits() >> 1));
    for _ in 0..3 {
        // With e = 1 - x y^2: (1 - e)^(-1/2) = 1 + e/2 + 3 e^2/8 + ..., so that e becomes about e^3.
        let e = M::madd(-(x * y), y, 1.0);
        y = M::madd(y * e, M::madd(0.375, e, 0.5), y);
    }
    if x > 0.0 { y } else { f64::INFINITY }
}

/// `asin(x)` for 0 <= x <= 1, to 4e-16.
#[inline(always)]
pub fn asin<M: Machine>(x: f64) -> f64 {
    // Above 1/2 by asin(x) = pi/2 - 2 asin(sqrt((1 - x) / 2)), which is below 1/2 again.
    let is_large = x > 0.5;
    let square = if is_large { 0.5 - 0.5 * x } else { x * x };
    let y = if is_large { square.sqrt() } else { x };
    // (asin(y) / y - 1) / y^2 by Chebyshev interpolation in y^2 up to 1/4; its error adds less than 3e-17 (our fit).
    let mut sum = 0.028_169_218_060_881_414;
    for coefficient in [
        -0.010_749_050_339_697_808,
        0.016_035_514_349_148_82,
        0.007_802_949_477_353_317_5,
        0.011_875_494_382_636_922,
        0.013_929_652_902_326_633,
        0.017_355_259_955_786_323,
        0.022_372_047_631_744_51,
        0.030_381_947_367_098_48,
        0.044_642_857_103_423_646,
        0.075_000_000_000_207_64,
        0.166_666_666_666_666_5,
    ] {
        sum = M::madd(sum, square, coefficient);
    }
    let small = M::madd(y * square, sum, y);
    if is_large { FRAC_PI_2 - 2.0 * small } else { small }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::{Baseline, Fused};

    #[test]
    fn exp_is_good_to_the_last_bits() {
        for i in -70_000..=200 {
            let x = f64::from(i) * 0.010_1;
            let exact = x.exp();
            for value in [exp::<Baseline>(x), exp::<Fused>(x)] {
                assert!(
                    (value - exact).abs() <= 5e-16 * exact || x < -700.0,
                    "{x} {value} {exact}"
                );
            }
        }
        assert_eq!(exp::<Fused>(0.0), 1.0);
        assert!(exp::<Fused>(-1e300) < 1e-300 && exp::<Fused>(f64::NEG_INFINITY) < 1e-300);
    }

    #[test]
    fn inverse_root_is_good_to_the_last_bits() {
        for i in -30_000..30_000 {
            let x = (f64::from(i) * 0.0023).exp2() * (1.0 + 1e-3 * f64::from(i % 11));
            let exact = 1.0 / x.sqrt();
            for value in [inverse_root::<Baseline>(x), inverse_root::<Fused>(x)] {
                assert!((value - exact).abs() <= 4.5e-16 * exact, "{x} {value} {exact}");
            }
        }
        assert_eq!(inverse_root::<Fused>(0.0), f64::INFINITY);
        assert_eq!(inverse_root::<Fused>(4.0), 0.5);
    }

    #[test]
    fn asin_is_good_to_the_last_bits() {
        for i in 0..=100_000 {
            let x = f64::from(i) * 1e-5;
            for value in [asin::<Baseline>(x), asin::<Fused>(x)] {
                assert!((value - x.asin()).abs() <= 4e-16, "{x} {value}");
            }
            let tiny = x * x * 1e-7;
            assert!((asin::<Fused>(tiny) - tiny.asin()).abs() <= 3e-16 * tiny);
        }
        assert_eq!(asin::<Fused>(1.0), FRAC_PI_2);
    }

    #[test]
    fn cis_is_good_to_the_last_bits() {
        for i in -4096..=4096 {
            let turns = f64::from(i) / 8192.0 + f64::from(i % 7) * 1e-9;
            let (re, im) = cis(turns.clamp(-0.5, 0.5));
            let (sin, cos) = (TAU * turns.clamp(-0.5, 0.5)).sin_cos();
            assert!((re - cos).abs() < 6e-16 && (im - sin).abs() < 6e-16, "{turns}");
        }
    }
}
