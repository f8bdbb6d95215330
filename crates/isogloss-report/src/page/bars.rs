//! Bar chart of scores by language.
//!
//! Each language is a row with its own SVG in percentages, so that the chart fits any width without
//! a change of text size.

use crate::color::N_COLORS;
use crate::group::{Comparison, Entry};
use crate::html::{Text, metric_name, percent, plain_mean_std};
use crate::language;

/// Height of one bar with its spacing, in CSS pixels, as in the style sheet.
const LANE: f64 = 15.0;
/// Height of the bar without spacing.
const BAR: f64 = 9.0;
/// Padding above the first and below the last bar of a row.
const PAD: f64 = 4.0;

/// Renders the chart, best language first.
pub(super) fn render(comparison: &Comparison<'_>) -> String {
    let rows: String =
        comparison.languages.iter().map(|language| row(comparison, language)).collect();
    let ticks: String =
        [0, 25, 50, 75, 100].map(|at| format!("<span style=\"left:{at}%\">{at}</span>")).concat();
    format!(
        "<figure class=\"bars\"><div role=\"list\" aria-label=\"{} by language, in percent\">\
         {rows}</div><div class=\"axis\" aria-hidden=\"true\"><div>{ticks}</div></div></figure>\n",
        Text(metric_name(comparison.metric))
    )
}

fn row(comparison: &Comparison<'_>, tag: &str) -> String {
    let height = 2.0 * PAD + LANE * comparison.entries.len() as f64;
    let is_source = comparison.entries.iter().any(|entry| entry.sources.contains(&tag));
    let mut svg: String = [25, 50, 75, 100]
        .map(|at| {
            format!("<line class=\"grid\" x1=\"{at}%\" x2=\"{at}%\" y1=\"0\" y2=\"{height}\"/>")
        })
        .concat();
    let mut values = String::new();
    let mut spoken = Vec::new();
    svg.extend(comparison.entries.iter().map(|entry| mean_line(entry, height)));
    for (lane, entry) in comparison.entries.iter().enumerate() {
        let Some(score) = entry.score(tag, comparison.metric) else {
            values += "<span class=\"none\">–</span>";
            continue;
        };
        let top = PAD + LANE * lane as f64 + (LANE - BAR) / 2.0;
        let color = entry.recipe.color % N_COLORS;
        svg += &format!(
            "<rect class=\"c{color}\" width=\"{:.2}%\" y=\"{top}\" height=\"{BAR}\"/>",
            100.0 * score.mean
        );
        if let Some(std) = score.std {
            svg +=
                &whisker(100.0 * (score.mean - std), 100.0 * (score.mean + std), top + BAR / 2.0);
        }
        values += &format!("<span>{}</span>", percent(score.mean));
        spoken.push(format!("{} {}", entry.recipe.label, plain_mean_std(&score)));
    }
    let name = language::name(tag).unwrap_or(tag);
    let mark = if is_source { "<em>source</em>" } else { "" };
    format!(
        "<div class=\"row\" role=\"listitem\"><div class=\"name\">{mark}{} <b>{}</b></div>\
         <svg role=\"img\" aria-label=\"{}: {}\" height=\"{height}\">{svg}</svg>\
         <div class=\"values\" aria-hidden=\"true\">{values}</div></div>\n",
        if name == tag { String::new() } else { Text(name).to_string() },
        Text(tag),
        Text(name),
        Text(&spoken.join("; "))
    )
}

/// Dashed line at the recipe's mean over the target languages.
fn mean_line(entry: &Entry<'_>, height: f64) -> String {
    entry.mean_target.map_or_else(String::new, |mean| {
        let (color, at) = (entry.recipe.color % N_COLORS, 100.0 * mean.mean);
        format!(
            "<line class=\"mean c{color}\" x1=\"{at:.2}%\" x2=\"{at:.2}%\" \
             y1=\"0\" y2=\"{height}\"/>"
        )
    })
}

fn whisker(low: f64, high: f64, middle: f64) -> String {
    let (low, high) = (low.max(0.0), high.min(100.0));
    let line = |x1: f64, x2: f64, y1: f64, y2: f64| {
        format!("<line class=\"whisker\" x1=\"{x1:.2}%\" x2=\"{x2:.2}%\" y1=\"{y1}\" y2=\"{y2}\"/>")
    };
    let cap = BAR / 3.0;
    [
        line(low, high, middle, middle),
        line(low, low, middle - cap, middle + cap),
        line(high, high, middle - cap, middle + cap),
    ]
    .concat()
}
