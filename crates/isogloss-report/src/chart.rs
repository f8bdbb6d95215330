//! Charts as inline SVG: line charts over steps, and scatter plots.
//!
//! The plot stretches with the page while text and strokes keep their size: the SVG holds only
//! lines, drawn with `non-scaling-stroke`, and the tick labels are HTML placed by percentages.

use std::fmt::Write;

use crate::axis::{Axis, Scale};
use crate::color::N_COLORS;
use crate::html::Text;

/// Width and height of the SVG's view box.
pub(super) const EXTENT: f64 = 1000.0;
/// Maximum number of points drawn for each line; more cannot be told apart on a screen.
const MAX_POINTS: usize = 300;
/// Number of dash patterns in the style sheet; with more lines they repeat.
const N_DASHES: usize = 4;

/// Mark of a series: how its points are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// A line.
    Line,
    /// A line in one of several dash patterns; the first is solid.
    Dashed(usize),
    /// A thin pale line behind the others.
    Faint,
    /// Points joined by a thin line.
    Points,
    /// Points with a ring around them.
    Ring,
    /// Small pale points behind the others.
    Specks,
    /// Large points with an outline.
    Discs,
}

/// Chart series: one line, or points under one label.
pub(super) struct Series {
    pub(super) label: String,
    pub(super) color: usize,
    pub(super) mark: Mark,
    pub(super) points: Vec<(f64, f64)>,
}

/// Chart of several series over one x axis.
pub(super) struct Chart {
    pub(super) title: String,
    /// Text alternative of the chart (`aria-label`).
    pub(super) description: String,
    pub(super) series: Vec<Series>,
    /// Legend of the marks, if the title and the colors do not explain them.
    pub(super) key: Vec<(Mark, String)>,
    pub(super) x: Axis,
    /// Title of the x axis; empty for steps.
    pub(super) x_title: String,
    pub(super) y: Scale,
    /// Caption below the chart; may be empty.
    pub(super) note: String,
}

impl Chart {
    /// Renders the chart as a `<figure>`; empty if there is nothing to draw.
    pub(super) fn render(&self) -> String {
        let values = self.series.iter().flat_map(|series| series.points.iter().map(|p| p.1));
        let Some(y) = Axis::around(self.y, values) else { return String::new() };

        let mut svg = String::new();
        for (tick, _) in y.ticks() {
            let at = EXTENT * (1.0 - tick);
            write_path(&mut svg, "grid", &format!("M0 {at:.1}H{EXTENT}"));
        }
        for series in &self.series {
            let points = series.points.iter().filter(|point| self.y.holds(point.1));
            let place = |(x, value): &(f64, f64)| {
                (EXTENT * self.x.position(*x), EXTENT * (1.0 - y.position(*value)))
            };
            let points: Vec<(f64, f64)> = points.map(place).collect();
            let label = Text(&series.label);
            let color = series.color % N_COLORS;
            svg += &format!("<g class=\"c{color}\"><title>{label}</title>");
            draw(&mut svg, series.mark, &points);
            svg += "</g>";
        }
        let frame = Frame {
            title: Text(&self.title).to_string(),
            description: &self.description,
            key: self.key.iter().map(|(mark, label)| key_item(*mark, label)).collect(),
            y: y.ticks().map(|(place, label)| (1.0 - place, label.to_owned())).collect(),
            x: self.x.ticks().map(|(place, label)| (place, label.to_owned())).collect(),
            x_title: &self.x_title,
            note: &self.note,
        };
        frame.render("chart", &svg)
    }
}

/// Figure frame around a plot: title, legend, axis labels and caption.
pub(super) struct Frame<'a> {
    /// Title, as HTML.
    pub(super) title: String,
    /// Text alternative of the plot (`aria-label`).
    pub(super) description: &'a str,
    /// Legend of the marks, as HTML list items; may be empty.
    pub(super) key: String,
    /// Tick labels of the y axis: relative position from the top, and text.
    pub(super) y: Vec<(f64, String)>,
    /// Tick labels of the x axis: relative position from the left, and text.
    pub(super) x: Vec<(f64, String)>,
    /// Title of the x axis; may be empty.
    pub(super) x_title: &'a str,
    /// Caption below the plot; may be empty.
    pub(super) note: &'a str,
}

impl Frame<'_> {
    /// Renders the plot as a `<figure>` of a class; `svg` is drawn on [`EXTENT`] × [`EXTENT`].
    pub(super) fn render(&self, class: &str, svg: &str) -> String {
        let unless_empty = |text: &str, html: String| match text.is_empty() {
            true => String::new(),
            false => html,
        };
        format!(
            "<figure class=\"{class}\"><figcaption>{}</figcaption>{}<div class=\"plot\">\
             <div class=\"y\" aria-hidden=\"true\">{}</div>\
             <svg role=\"img\" aria-label=\"{}\" viewBox=\"0 0 {EXTENT} {EXTENT}\" \
             preserveAspectRatio=\"none\">{svg}</svg>\
             <div class=\"x\" aria-hidden=\"true\">{}</div>{}</div>{}</figure>\n",
            self.title,
            unless_empty(&self.key, format!("<ul class=\"key\">{}</ul>", self.key)),
            labels("top", &self.y),
            Text(self.description),
            labels("left", &self.x),
            unless_empty(
                self.x_title,
                format!("<div class=\"x-title\">{}</div>", Text(self.x_title))
            ),
            unless_empty(self.note, format!("<p class=\"note\">{}</p>", Text(self.note))),
        )
    }
}

/// Labels at relative positions from one side, as HTML.
pub(super) fn labels(side: &str, labels: &[(f64, String)]) -> String {
    let label = |(place, label): &(f64, String)| {
        format!("<span style=\"{side}:{:.2}%\">{}</span>", 100.0 * place, Text(label))
    };
    labels.iter().map(label).collect()
}

/// Legend item: a sample of a mark, and its label.
fn key_item(mark: Mark, label: &str) -> String {
    let mut svg = String::new();
    let middle = EXTENT / 2.0;
    let class = match mark {
        Mark::Line | Mark::Dashed(_) | Mark::Faint => {
            draw(&mut svg, mark, &[(0.0, middle), (EXTENT, middle)]);
            "dash"
        }
        Mark::Points | Mark::Ring | Mark::Specks | Mark::Discs => {
            draw(&mut svg, mark, &[(middle, middle)]);
            "dot"
        }
    };
    format!(
        "<li><svg class=\"{class}\" aria-hidden=\"true\" viewBox=\"0 0 {EXTENT} {EXTENT}\" \
         preserveAspectRatio=\"none\">{svg}</svg>{}</li>",
        Text(label)
    )
}

fn write_path(svg: &mut String, class: &str, data: &str) {
    *svg += &format!("<path class=\"{class}\" d=\"{data}\"/>");
}

/// Draws a mark at points in view-box coordinates.
pub(super) fn draw(svg: &mut String, mark: Mark, points: &[(f64, f64)]) {
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
        Mark::Dashed(dash) => write_path(svg, &format!("line dash{}", dash % N_DASHES), &line),
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
        Mark::Specks => write_path(svg, "specks", &dots),
        Mark::Discs => {
            write_path(svg, "rim", &dots);
            write_path(svg, "disc", &dots);
        }
    }
}

/// Downsamples a long series: `fold` reduces the values of each chunk to one.
pub(super) fn thinned(
    points: &[(f64, f64)],
    fold: impl Fn(&[(f64, f64)]) -> f64,
) -> Vec<(f64, f64)> {
    let stretch = points.len().div_ceil(MAX_POINTS).max(1);
    points.chunks(stretch).map(|chunk| (chunk[chunk.len() - 1].0, fold(chunk))).collect()
}

/// Mean of a chunk.
pub(super) fn mean(points: &[(f64, f64)]) -> f64 {
    points.iter().map(|point| point.1).sum::<f64>() / points.len() as f64
}

/// Maximum of a chunk, so that no spike is lost.
pub(super) fn peak(points: &[(f64, f64)]) -> f64 {
    points.iter().map(|point| point.1).fold(f64::NEG_INFINITY, f64::max)
}

/// Exponential moving average with bias correction for its starting value.
///
/// The half-life is one fortieth of the run.
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
