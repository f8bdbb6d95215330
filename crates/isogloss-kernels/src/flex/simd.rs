//! SIMD math: `exp` and the normal distribution in a form that the compiler can vectorize, and
//! reductions over a fixed number of lanes.

/// Runs `kernel` with the widest SIMD instructions that this processor has.
#[inline(always)]
pub(crate) fn vectorized<R>(kernel: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(kernel)
}

const LANES: usize = 16;

/// Exponential function `eˣ`, accurate to one or two units in the last place; zero below -87.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    /// 1.5 · 2²³: adding it rounds to an integer, which is then in the low bits.
    const ROUND: f32 = 12_582_912.0;
    /// ln 2 in two parts; the first has trailing zeros, so that its products are exact.
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let clamped = x.clamp(-87.0, 88.0);
    let rounded = clamped * std::f32::consts::LOG2_E + ROUND;
    let n = rounded - ROUND;
    let r = clamped - n * LN_2_HIGH - n * LN_2_LOW;
    // Taylor's series; |r| <= ln 2 / 2 leaves 1.2e-8 after the seventh power.
    let p = 1.0 / 5040.0;
    let p = p * r + 1.0 / 720.0;
    let p = p * r + 1.0 / 120.0;
    let p = p * r + 1.0 / 24.0;
    let p = p * r + 1.0 / 6.0;
    let p = p * r + 0.5;
    let p = p * r * r + r + 1.0;
    let power = f32::from_bits((rounded.to_bits() << 23).wrapping_add(p.to_bits()));
    if x < -87.0 { 0.0 } else { power }
}

/// Cumulative distribution function and density of the standard normal distribution,
/// `(Φ(x), φ(x))`.
///
/// `erfc(z) = e^(-z²) t P(t)` with `t = 1 / (1 + 0.42 z)`; the coefficients are a minimax fit over
/// `z` in `[0, 6.5]` with a relative error of 4e-8.
#[inline(always)]
pub(crate) fn normal(x: f32) -> (f32, f32) {
    const P: [f32; 8] = [
        0.236_731_27,
        0.240_897_16,
        0.187_104_83,
        0.292_421_24,
        -0.173_067_33,
        0.484_960_22,
        -0.345_051_6,
        0.076_004_23,
    ];
    const FRAC_1_SQRT_2_PI: f32 = 0.398_942_3;
    let z = (x.abs() * std::f32::consts::FRAC_1_SQRT_2).min(6.5);
    let t = 1.0 / (1.0 + 0.42 * z);
    let p = P[7];
    let p = p * t + P[6];
    let p = p * t + P[5];
    let p = p * t + P[4];
    let p = p * t + P[3];
    let p = p * t + P[2];
    let p = p * t + P[1];
    let p = p * t + P[0];
    let gaussian = exp(-0.5 * x * x);
    let tail = 0.5 * gaussian * p * t;
    let cdf = if x < 0.0 { tail } else { 1.0 - tail };
    (cdf, gaussian * FRAC_1_SQRT_2_PI)
}

/// Reduction of `values` in [`LANES`] parallel lanes, which are then reduced to one result.
#[inline(always)]
fn reduce(values: &[f32], start: f32, fold: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [start; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane = fold(*lane, *value);
        }
    }
    for (lane, value) in lanes.iter_mut().zip(rest) {
        *lane = fold(*lane, *value);
    }
    lanes.into_iter().fold(start, &fold)
}

#[inline(always)]
pub(crate) fn sum(values: &[f32]) -> f32 {
    reduce(values, 0.0, |a, b| a + b)
}

#[inline(always)]
pub(crate) fn max(values: &[f32]) -> f32 {
    reduce(values, f32::NEG_INFINITY, |a, b| if b > a { b } else { a })
}

/// `Σ f(a, b)` over two slices of equal length.
#[inline(always)]
pub(crate) fn sum_pairs(a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [0.0; LANES];
    let ((a_chunks, a_rest), (b_chunks, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        for i in 0..LANES {
            lanes[i] += f(a[i], b[i]);
        }
    }
    for (i, (a, b)) in a_rest.iter().zip(b_rest).enumerate() {
        lanes[i] += f(*a, *b);
    }
    lanes.into_iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_accurate_over_its_range() {
        for i in -8700..8800 {
            let x = i as f32 / 100.0;
            let expected = f64::from(x).exp();
            let error = (f64::from(exp(x)) - expected).abs() / expected;
            assert!(error < 2.5e-7, "exp({x}): relative error {error:e}");
        }
        assert_eq!(exp(-1e9), 0.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
    }

    #[test]
    fn normal_matches_tabulated_values() {
        // Φ at 0, 1, -2 and -5: Abramowitz & Stegun 1964, table 26.1 and 26.2.
        for (x, expected) in [
            (0.0, 0.5),
            (1.0, 0.841_344_746_068_543),
            (-2.0, 0.022_750_131_948_179),
            (-5.0, 2.866_515_718_791_9e-7),
        ] {
            let error = (f64::from(normal(x).0) - expected).abs() / expected;
            assert!(error < 1e-6, "Φ({x}): relative error {error:e}");
        }
        assert_eq!(normal(20.0).0, 1.0);
        assert_eq!(normal(-20.0).0, 0.0);
    }
}
