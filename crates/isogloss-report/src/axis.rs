//! Chart axes: ranges of round numbers, linear or logarithmic.

/// Approximate number of intervals between the ticks of a linear axis.
const N_STEPS: f64 = 4.0;
/// Maximum number of ticks of a logarithmic axis.
const MAX_LOG_TICKS: usize = 6;

/// Axis scale: how values are laid out along an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    /// Linear, over the range of the values.
    Linear,
    /// Linear, from zero.
    FromZero,
    /// Logarithmic; values that are not positive are not drawn.
    Log,
}

impl Scale {
    /// Whether a value can be drawn on an axis of this scale.
    pub(super) fn holds(self, value: f64) -> bool {
        self != Self::Log || value >= f64::MIN_POSITIVE
    }
}

/// Chart axis: a range of values with ticks at round numbers.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    scale: Scale,
    ticks: Vec<(f64, String)>,
}

impl Axis {
    /// The smallest range of round numbers around the values; `None` if none of them can be drawn.
    pub(super) fn around(scale: Scale, values: impl Iterator<Item = f64>) -> Option<Self> {
        let values: Vec<f64> = values.filter(|value| scale.holds(*value)).collect();
        let high = values.iter().copied().reduce(f64::max)?;
        let low = values.into_iter().reduce(f64::min)?;
        Some(match scale {
            Scale::Linear => Self::linear(low, high),
            Scale::FromZero => Self::linear(0.0, high),
            Scale::Log => Self::log(low, high),
        })
    }

    /// Axis of optimizer steps from 0 to the last step, which need not be round.
    pub(super) fn steps(last: f64) -> Self {
        let last = last.max(1.0);
        let mut axis = Self::linear(0.0, last);
        axis.ticks.retain(|(tick, _)| *tick <= last);
        Self { high: last, ..axis }
    }

    fn linear(low: f64, high: f64) -> Self {
        // If all values are equal, the range still needs a width.
        let span = match high - low {
            span if span > 0.0 => span,
            _ if high != 0.0 => high.abs(),
            _ => 1.0,
        };
        let rough = span / N_STEPS;
        let power = 10f64.powf(rough.log10().floor());
        let round =
            [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().find(|factor| factor * power >= rough * 0.999);
        let step = power * round.unwrap_or(10.0);
        let low = (low / step + 1e-9).floor() * step;
        let high = (high / step - 1e-9).ceil() * step;
        let high = if high > low { high } else { low + step };
        let n_steps = ((high - low) / step + 1e-9).floor() as usize;
        let ticks = (0..=n_steps).map(|at| low + at as f64 * step);
        let ticks = ticks.map(|tick| (tick, linear_label(tick, step, high))).collect();
        Self { low, high, scale: Scale::Linear, ticks }
    }

    fn log(low: f64, high: f64) -> Self {
        // A single value still needs a range around it.
        let (low, high) = if high > low { (low, high) } else { (low / 1.25, high * 1.25) };
        // Within a factor of two the ticks 1, 2, 5 are too far apart. A step is at most half of
        // `low` there, so that the range stays above zero.
        if high / low <= 2.0 {
            return Self { scale: Scale::Log, ..Self::linear(low, high) };
        }
        let exponents = low.log10().floor() as i32..=high.log10().ceil() as i32;
        let round: Vec<f64> = exponents
            .clone()
            .flat_map(|exponent| [1.0, 2.0, 5.0].map(|factor| power_of_ten(factor, exponent)))
            .collect();
        let is_near = |a: f64, b: f64| (a / b - 1.0).abs() < 1e-9;
        let below = round.iter().rfind(|tick| **tick <= low || is_near(**tick, low));
        let above = round.iter().find(|tick| **tick >= high || is_near(**tick, high));
        let (low, high) = (below.copied().unwrap_or(low), above.copied().unwrap_or(high));
        let inside = |ticks: Vec<f64>| -> Vec<f64> {
            ticks.into_iter().filter(|tick| (low..=high).contains(tick)).collect()
        };
        let mut ticks = inside(round);
        let mut stride = 1;
        while ticks.len() > MAX_LOG_TICKS {
            let decades = exponents.clone().filter(|exponent| exponent % stride == 0);
            ticks = inside(decades.map(|exponent| power_of_ten(1.0, exponent)).collect());
            stride += 1;
        }
        let ticks = ticks.into_iter().map(|tick| (tick, log_label(tick))).collect();
        Self { low, high, scale: Scale::Log, ticks }
    }

    /// Whether a value can be drawn on this axis.
    pub(super) fn holds(&self, value: f64) -> bool {
        self.scale.holds(value)
    }

    /// Relative position of a value: 0 at the low end, 1 at the high end.
    pub(super) fn position(&self, value: f64) -> f64 {
        match self.scale {
            Scale::Log => (value / self.low).ln() / (self.high / self.low).ln(),
            Scale::Linear | Scale::FromZero => (value - self.low) / (self.high - self.low),
        }
    }

    /// Relative positions of the ticks, with their labels.
    pub(super) fn ticks(&self) -> impl Iterator<Item = (f64, &str)> {
        self.ticks.iter().map(|(tick, label)| (self.position(*tick), label.as_str()))
    }
}

/// `factor · 10^exponent`, equal to the decimal literal.
fn power_of_ten(factor: f64, exponent: i32) -> f64 {
    // A division rounds once, where a product with an inexact power rounds twice.
    match exponent {
        0.. => factor * 10f64.powi(exponent),
        _ => factor / 10f64.powi(-exponent),
    }
}

/// Tick label of a linear axis, with as many digits as the ticks need to differ.
fn linear_label(value: f64, step: f64, high: f64) -> String {
    if value.abs() < step * 1e-6 {
        return "0".to_owned();
    }
    if high.abs() < 1e-2 {
        return scientific(&format!("{value:.1e}"));
    }
    if step >= 1000.0 {
        return format!("{}k", value / 1000.0);
    }
    let rounded = |digits: usize| 10f64.powi(digits as i32) * step;
    let digits = (0..6).find(|&n| (rounded(n) - rounded(n).round()).abs() < 1e-6).unwrap_or(6);
    format!("{value:.digits$}").replace('-', "−")
}

/// Tick label of a logarithmic axis, for a value of one digit such as 0.05, 2000 or 1e6.
fn log_label(value: f64) -> String {
    match value {
        1e-3..1e3 => format!("{value}"),
        1e3..1e6 => format!("{}k", value / 1000.0),
        _ => scientific(&format!("{value:e}")),
    }
}

fn scientific(text: &str) -> String {
    text.replace(".0e", "e").replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: Scale, values: &[f64]) -> Vec<String> {
        let axis = Axis::around(scale, values.iter().copied()).unwrap();
        axis.ticks().map(|(_, label)| label.to_owned()).collect()
    }

    #[test]
    fn axes_have_round_numbers_around_the_values() {
        let zero = Scale::FromZero;
        assert_eq!(labels(zero, &[1.0]), ["0", "0.25", "0.50", "0.75", "1.00"]);
        assert_eq!(
            labels(Scale::Linear, &[0.31, 1.09]),
            ["0.2", "0.4", "0.6", "0.8", "1.0", "1.2"]
        );
        assert_eq!(labels(zero, &[2e-5]), ["0", "5e−6", "1e−5", "1.5e−5", "2e−5"]);
        assert_eq!(labels(zero, &[12_000.0]), ["0", "5k", "10k", "15k"]);
        assert_eq!(labels(Scale::Linear, &[3.0]).len(), 2, "a flat line gets a range");
        assert_eq!(labels(Scale::Linear, &[0.0044]), ["4e−3", "6e−3"], "of its own size");
        assert_eq!(labels(zero, &[0.0]).len(), 2);
    }

    #[test]
    fn logarithmic_axes_have_one_two_five_or_powers_of_ten() {
        let log = Scale::Log;
        assert_eq!(labels(log, &[0.3, 4.0]), ["0.2", "0.5", "1", "2", "5"]);
        assert_eq!(labels(log, &[0.004, 700.0]), ["0.01", "0.1", "1", "10", "100", "1k"]);
        assert_eq!(labels(log, &[3e-9, 2e7]), ["1e−6", "0.001", "1", "1k", "1e6"]);
        assert_eq!(labels(log, &[105.0, 150.0]), ["100", "120", "140", "160"]);
        assert_eq!(labels(log, &[0.0, -1.0, 20.0, 50.0]), ["20", "50"], "zero has no position");
        assert!(labels(log, &[7e-4]).len() > 1, "a single value gets a range");
        assert!(Axis::around(log, [0.0].into_iter()).is_none());
    }

    #[test]
    fn decades_are_equally_far_apart() {
        let axis = Axis::around(Scale::Log, [0.1, 1000.0].into_iter()).unwrap();
        for (value, position) in [(0.1, 0.0), (1.0, 0.25), (10.0, 0.5), (1000.0, 1.0)] {
            assert!((axis.position(value) - position).abs() < 1e-12);
        }
    }

    #[test]
    fn the_last_step_ends_its_axis() {
        let axis = Axis::steps(62.0);
        assert_eq!(axis.position(62.0), 1.0);
        assert_eq!(axis.ticks().map(|tick| tick.1).collect::<Vec<_>>(), ["0", "20", "40", "60"]);
    }
}
