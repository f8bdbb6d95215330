//! Line charts as inline SVG.
//!
//! The plot stretches with the page while text and strokes keep their size: the SVG holds only
//! lines, drawn with `non-scaling-stroke`, and the tick labels are HTML placed by percentages.

use std::fmt::Write;

use super::html::Text;
use super::page::N_COLORS;

/// Width and height of the plot's own coordinate system.
const EXTENT: f64 = 1000.0;
/// Points drawn for each line; more cannot be told apart on a screen.
const MAX_POINTS: usize = 300;

/// How a series is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// A line.
    Line,
    /// A thin pale line behind the others.
    Faint,
    /// Points joined by a thin line.
    Points,
    /// Points with a ring around them.
    Ring,
}

/// One line of a chart.
pub(super) struct Series {
    pub(super) label: String,
    pub(super) color: usize,
    pub(super) mark: Mark,
    pub(super) points: Vec<(f64, f64)>,
}

/// A chart with steps along the bottom.
pub(super) struct Chart {
    pub(super) title: String,
    /// What the chart shows, for those who cannot see it.
    pub(super) description: String,
    pub(super) series: Vec<Series>,
    /// Right end of the x axis.
    pub(super) last_step: f64,
    /// Whether the y axis starts at zero.
    pub(super) from_zero: bool,
}

impl Chart {
    /// The chart as a `<figure>`; empty when there is nothing to draw.
    pub(super) fn render(&self) -> String {
        let values = || self.series.iter().flat_map(|series| series.points.iter().map(|p| p.1));
        let low = if self.from_zero { 0.0 } else { values().fold(f64::INFINITY, f64::min) };
        let high = values().fold(f64::NEG_INFINITY, f64::max);
        if values().next().is_none() {
            return String::new();
        }
        let y = Axis::enclosing(low, high, 4);
        let last_step = self.last_step.max(1.0);
        let x = Axis { high: last_step, ..Axis::enclosing(0.0, last_step, 4) };

        let mut svg = String::new();
        for tick in y.ticks() {
            let at = EXTENT * (1.0 - y.place(tick));
            write_path(&mut svg, "grid", &format!("M0 {at:.1}H{EXTENT}"));
        }
        for series in &self.series {
            let place = |(step, value): &(f64, f64)| {
                (EXTENT * x.place(*step), EXTENT * (1.0 - y.place(*value)))
            };
            let points: Vec<(f64, f64)> = series.points.iter().map(place).collect();
            let label = Text(&series.label);
            let color = series.color % N_COLORS;
            svg += &format!("<g class=\"c{color}\"><title>{label}</title>");
            draw(&mut svg, series.mark, &points);
            svg += "</g>";
        }
        let labels = |axis: &Axis, side: &str| -> String {
            let label = |tick: f64| {
                let place = axis.place(tick);
                let place = 100.0 * if side == "left" { place } else { 1.0 - place };
                format!("<span style=\"{side}:{place:.2}%\">{}</span>", axis.label(tick))
            };
            axis.ticks().into_iter().map(label).collect()
        };
        format!(
            "<figure class=\"chart\"><figcaption>{}</figcaption><div class=\"plot\">\
             <div class=\"y\" aria-hidden=\"true\">{}</div>\
             <svg role=\"img\" aria-label=\"{}\" viewBox=\"0 0 {EXTENT} {EXTENT}\" \
             preserveAspectRatio=\"none\">{svg}</svg>\
             <div class=\"x\" aria-hidden=\"true\">{}</div></div></figure>\n",
            Text(&self.title),
            labels(&y, "top"),
            Text(&self.description),
            labels(&x, "left"),
        )
    }
}

fn write_path(svg: &mut String, class: &str, data: &str) {
    *svg += &format!("<path class=\"{class}\" d=\"{data}\"/>");
}

fn draw(svg: &mut String, mark: Mark, points: &[(f64, f64)]) {
    let mut line = String::new();
    // A path of length zero with round ends is a circle that does not stretch with the plot.
    let mut dots = String::new();
    for (at, (x, y)) in points.iter().enumerate() {
        let command = if at == 0 { 'M' } else { 'L' };
        write!(line, "{command}{x:.1} {y:.1}").expect("writing to a string cannot fail");
        write!(dots, "M{x:.1} {y:.1}h0").expect("writing to a string cannot fail");
    }
    match mark {
        Mark::Line => write_path(svg, "line", &line),
        Mark::Faint => write_path(svg, "faint", &line),
        Mark::Points => {
            write_path(svg, "thin", &line);
            write_path(svg, "dots", &dots);
        }
        Mark::Ring => {
            write_path(svg, "ring", &dots);
            write_path(svg, "hole", &dots);
            write_path(svg, "core", &dots);
        }
    }
}

/// A range with round numbers on it.
#[derive(Debug, Clone, Copy)]
struct Axis {
    low: f64,
    high: f64,
    step: f64,
}

impl Axis {
    /// The smallest range of round numbers around `low..=high`, with about `n_steps` steps.
    fn enclosing(low: f64, high: f64, n_steps: usize) -> Self {
        // A flat line still needs a range with some height.
        let span = if high > low { high - low } else { high.abs().max(1.0) };
        let rough = span / n_steps as f64;
        let power = 10f64.powf(rough.log10().floor());
        let round =
            [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().find(|factor| factor * power >= rough * 0.999);
        let step = power * round.unwrap_or(10.0);
        let low = (low / step + 1e-9).floor() * step;
        let high = (high / step - 1e-9).ceil() * step;
        Self { low, high: if high > low { high } else { low + step }, step }
    }

    /// Where a value lies, from 0 at the low end to 1 at the high end.
    fn place(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    fn ticks(&self) -> Vec<f64> {
        let n_steps = ((self.high - self.low) / self.step + 1e-9).floor() as usize;
        (0..=n_steps).map(|at| self.low + at as f64 * self.step).collect()
    }

    /// A tick's value with as many digits as the ticks need to differ.
    fn label(&self, value: f64) -> String {
        if value.abs() < self.step * 1e-6 {
            return "0".to_owned();
        }
        if self.high.abs() < 1e-2 {
            let text = format!("{value:.1e}");
            return text.replace(".0e", "e").replace("e-", "e−");
        }
        if self.step >= 1000.0 {
            return format!("{}k", value / 1000.0);
        }
        let rounded = |digits: usize| 10f64.powi(digits as i32) * self.step;
        let digits = (0..6).find(|&n| (rounded(n) - rounded(n).round()).abs() < 1e-6).unwrap_or(6);
        format!("{value:.digits$}").replace('-', "−")
    }
}

/// Makes a long series short enough to draw: `fold` joins the values of each stretch into one.
pub(super) fn thinned(
    points: &[(f64, f64)],
    fold: impl Fn(&[(f64, f64)]) -> f64,
) -> Vec<(f64, f64)> {
    let stretch = points.len().div_ceil(MAX_POINTS).max(1);
    points.chunks(stretch).map(|chunk| (chunk[chunk.len() - 1].0, fold(chunk))).collect()
}

/// Mean of a stretch.
pub(super) fn mean(points: &[(f64, f64)]) -> f64 {
    points.iter().map(|point| point.1).sum::<f64>() / points.len() as f64
}

/// Largest value of a stretch, so that no spike is lost.
pub(super) fn peak(points: &[(f64, f64)]) -> f64 {
    points.iter().map(|point| point.1).fold(f64::NEG_INFINITY, f64::max)
}

/// Exponential moving average without the pull of its starting value.
///
/// The average forgets half of what it knew every fortieth of the run.
pub(super) fn smoothed(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let keep = 0.5f64.powf(40.0 / points.len().max(40) as f64);
    let (mut sum, mut weight) = (0.0, 0.0);
    let average = points.iter().map(|&(step, value)| {
        sum = keep * sum + (1.0 - keep) * value;
        weight = keep * weight + (1.0 - keep);
        (step, sum / weight)
    });
    average.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: Axis) -> Vec<String> {
        axis.ticks().into_iter().map(|tick| axis.label(tick)).collect()
    }

    #[test]
    fn axes_have_round_numbers_around_the_values() {
        assert_eq!(labels(Axis::enclosing(0.0, 1.0, 4)), ["0", "0.25", "0.50", "0.75", "1.00"]);
        assert_eq!(
            labels(Axis::enclosing(0.31, 1.09, 4)),
            ["0.2", "0.4", "0.6", "0.8", "1.0", "1.2"]
        );
        assert_eq!(labels(Axis::enclosing(0.0, 2e-5, 4)), ["0", "5e−6", "1e−5", "1.5e−5", "2e−5"]);
        assert_eq!(labels(Axis::enclosing(0.0, 12_000.0, 4)), ["0", "5k", "10k", "15k"]);
        assert_eq!(labels(Axis::enclosing(3.0, 3.0, 4)).len(), 2, "a flat line gets a range");
    }

    #[test]
    fn smoothing_keeps_constants_and_starts_at_the_first_value() {
        let points: Vec<_> = (0..500).map(|step| (f64::from(step), 2.0)).collect();
        assert!(smoothed(&points).iter().all(|point| (point.1 - 2.0).abs() < 1e-12));
        assert_eq!(smoothed(&[(0.0, 5.0), (1.0, 0.0)])[0], (0.0, 5.0));
    }

    #[test]
    fn thinning_keeps_peaks_and_the_last_step() {
        let mut points: Vec<_> = (0..1000).map(|step| (f64::from(step), 1.0)).collect();
        points[517].1 = 9.0;
        let thin = thinned(&points, peak);
        assert!(thin.len() <= MAX_POINTS);
        assert_eq!(thin.last().unwrap().0, 999.0);
        assert_eq!(peak(&thin), 9.0);
    }
}
