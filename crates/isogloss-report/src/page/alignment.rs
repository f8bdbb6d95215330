//! Figures of cross-lingual alignment: heat maps by layer and language for each recipe, and scatter
//! plots of alignment against zero-shot transfer.

use std::collections::BTreeSet;

use super::heat::{legend, patch};
use crate::alignment::{AlignmentReport, Quantity};
use crate::axis::{Axis, Scale};
use crate::chart::{Chart, Frame, Mark, Series};
use crate::color::swatch;
use crate::correlation::{Correlation, MIN_PAIRS, RESAMPLES};
use crate::group::{Comparison, Recipe, run_label};
use crate::html::{breakable, capitalized, metric_name, percent};
use crate::language;
use crate::record::{Results, RunRecord};

/// Alignment measures that are shown; weak alignment lies between the two.
const SHOWN: [Quantity; 2] = [Quantity::Strong, Quantity::Retrieval];
/// Seed of the bootstrap resamples.
const SEED: u64 = 42;

/// Heat maps with one color scale for each measure; empty if nothing was measured.
pub(super) fn maps(recipes: &[Recipe<'_>]) -> String {
    let groups = SHOWN.into_iter().filter_map(|quantity| {
        let maps: Vec<Map<'_>> = recipes.iter().map(|recipe| Map::new(recipe, quantity)).collect();
        let values = maps.iter().flat_map(Map::values);
        let scale = Axis::around(Scale::FromZero, values.map(|share| 100.0 * share))?;
        let figures: String = maps.iter().map(|map| map.render(&scale)).collect();
        let has_seeds = recipes.iter().any(|recipe| measured(recipe).count() > 1);
        Some(format!(
            "<p class=\"aside\">{}: {}, mean of both directions{}. Layer 0 is the embeddings.</p>\n\
             {}<div class=\"charts heats\">{figures}</div>\n",
            capitalized(quantity.name()),
            meaning(quantity),
            if has_seeds { " and of seeds" } else { "" },
            legend(&scale, &format!("{}, percent", capitalized(quantity.name())), false),
        ))
    });
    groups.collect()
}

fn meaning(quantity: Quantity) -> &'static str {
    match quantity {
        Quantity::Retrieval => "sentences whose nearest of the other language translates them",
        Quantity::Weak => "words whose nearest of the other language translates them",
        Quantity::Strong => "words whose nearest of both languages translates them",
    }
}

/// The runs of a recipe whose alignment was measured.
fn measured<'a>(
    recipe: &'a Recipe<'a>,
) -> impl Iterator<Item = (&'a RunRecord, &'a AlignmentReport)> {
    recipe.runs.iter().filter_map(|run| Some((*run, run.alignment.as_ref()?)))
}

/// Heat map of one recipe's alignment.
struct Map<'a> {
    recipe: &'a Recipe<'a>,
    quantity: Quantity,
    languages: Vec<&'a str>,
    /// Rows from top to bottom, the last layer first.
    layers: Vec<usize>,
}

impl<'a> Map<'a> {
    fn new(recipe: &'a Recipe<'a>, quantity: Quantity) -> Self {
        let reports = || measured(recipe).map(|(_, report)| report);
        let languages: BTreeSet<&str> =
            reports().flat_map(|report| report.languages.keys().map(String::as_str)).collect();
        let layers: BTreeSet<usize> = reports().flat_map(AlignmentReport::layers).collect();
        Self {
            recipe,
            quantity,
            languages: languages.into_iter().collect(),
            layers: layers.into_iter().rev().collect(),
        }
    }

    /// Mean over the seeds.
    fn value(&self, language: &str, layer: usize) -> Option<f64> {
        let reports = measured(self.recipe).map(|(_, report)| report);
        let values = reports.filter_map(|report| report.value(self.quantity, language, layer));
        let (sum, n) = values.fold((0.0, 0), |(sum, n), value| (sum + value, n + 1));
        (n > 0).then(|| sum / f64::from(n))
    }

    fn values(&self) -> impl Iterator<Item = f64> {
        self.languages.iter().flat_map(|language| {
            self.layers.iter().filter_map(|layer| self.value(language, *layer))
        })
    }

    /// Renders the heat map as a `<figure>`; empty if nothing was measured.
    fn render(&self, scale: &Axis) -> String {
        if self.values().next().is_none() {
            return String::new();
        }
        let middle = |at: usize, n: usize| (at as f64 + 0.5) / n as f64;
        let (n_rows, n_columns) = (self.layers.len(), self.languages.len());
        let mut svg = String::new();
        for (row, layer) in self.layers.iter().enumerate() {
            for (column, tag) in self.languages.iter().enumerate() {
                let Some(share) = self.value(tag, *layer) else { continue };
                let name = language::name(tag).unwrap_or(tag);
                let title = format!("{name}, layer {layer}: {}", percent(share));
                svg += &patch(100.0 * share, scale, (column, n_columns), (row, n_rows), &title);
            }
        }
        let (layers, languages) = (self.layers.iter().enumerate(), self.languages.iter());
        let frame = Frame {
            title: swatch(self.recipe.color) + &breakable(&self.recipe.label),
            description: &self.description(),
            key: String::new(),
            y: layers.map(|(at, layer)| (middle(at, n_rows), format!("layer {layer}"))).collect(),
            x: languages
                .enumerate()
                .map(|(at, tag)| (middle(at, n_columns), (*tag).to_owned()))
                .collect(),
            x_title: "",
            note: "",
        };
        frame.render("chart heat", &svg)
    }

    fn description(&self) -> String {
        let of_language = |tag: &&str| {
            let values =
                self.layers.iter().filter_map(|layer| Some((*layer, self.value(tag, *layer)?)));
            let (layer, best) = values.max_by(|a, b| a.1.total_cmp(&b.1))?;
            let name = language::name(tag).unwrap_or(tag);
            Some(format!("{name} at most {} in layer {layer}", percent(best)))
        };
        let rows: Vec<String> = self.languages.iter().filter_map(of_language).collect();
        let quantity = capitalized(self.quantity.name());
        format!("{}: {} by layer and language. {}.", self.recipe.label, quantity, rows.join("; "))
    }
}

/// Scatter plots of alignment against transfer; empty if no finished run has its alignment.
///
/// `key` is the legend of the colors.
pub(super) fn scatters(comparison: &Comparison<'_>, key: &str) -> String {
    let charts: String = SHOWN
        .into_iter()
        .map(|quantity| Scatter::new(comparison, quantity).render(comparison))
        .collect();
    if charts.is_empty() {
        return String::new();
    }
    format!(
        "<p class=\"aside\">A point for each target language of each run: the alignment of the last \
         layer measured, and its {} in percent. Intervals are the middle 95 % of {RESAMPLES} resamples \
         of the languages; of few languages they are too narrow, and languages that are alike count \
         for less than their number.</p>\n{key}<div class=\"charts wide scatters\">{charts}</div>\n",
        metric_name(comparison.metric),
    )
}

/// Scatter plot of the runs with known alignment and scores.
struct Scatter<'a> {
    quantity: Quantity,
    runs: Vec<Run<'a>>,
}

struct Run<'a> {
    label: String,
    color: usize,
    /// Language, alignment and score of each point.
    points: Vec<(&'a str, f64, f64)>,
}

impl<'a> Scatter<'a> {
    fn new(comparison: &Comparison<'a>, quantity: Quantity) -> Self {
        let run = |(recipe, run, results): (&Recipe<'a>, &'a RunRecord, &'a Results)| {
            let report = run.alignment.as_ref()?;
            let layer = *report.layers().last()?;
            let targets = results.languages.iter().filter(|(tag, _)| !results.is_source(tag));
            let points = targets.filter_map(|(tag, result)| {
                let score = result.score(comparison.metric)?;
                Some((tag.as_str(), report.value(quantity, tag, layer)?, score))
            });
            let points: Vec<_> = points.collect();
            let (label, color) = (run_label(recipe, run), recipe.color);
            (!points.is_empty()).then_some(Run { label, color, points })
        };
        Self { quantity, runs: comparison.runs().filter_map(run).collect() }
    }

    /// Renders the scatter plot as a `<figure>`; empty without points.
    fn render(&self, comparison: &Comparison<'_>) -> String {
        let values =
            self.runs.iter().flat_map(|run| run.points.iter().map(|point| 100.0 * point.1));
        let Some(x) = Axis::around(Scale::Linear, values) else { return String::new() };
        let (metric, name) = (metric_name(comparison.metric), self.quantity.name());
        let title = format!("Target {metric} against {name}");
        Chart {
            description: format!("{title}. {}", self.note()),
            title,
            series: self.series(),
            key: Vec::new(),
            x,
            x_title: format!("{} (percent)", capitalized(name)),
            y: Scale::Linear,
            note: self.note(),
        }
        .render()
    }

    /// One series for each point, so that each has its own tooltip.
    fn series(&self) -> Vec<Series> {
        let points = self.runs.iter().flat_map(|run| {
            run.points.iter().map(move |(tag, alignment, score)| Series {
                label: format!(
                    "{}: {}, {} at {}",
                    run.label,
                    language::name(tag).unwrap_or(tag),
                    percent(*score),
                    percent(*alignment)
                ),
                color: run.color,
                mark: Mark::Discs,
                points: vec![(100.0 * alignment, 100.0 * score)],
            })
        });
        points.collect()
    }

    fn note(&self) -> String {
        let of_run = |run: &Run<'_>| {
            let pairs: Vec<(f64, f64)> =
                run.points.iter().map(|point| (point.1, point.2)).collect();
            let text = match Correlation::bootstrap(&pairs, RESAMPLES, SEED) {
                Some(Correlation { rho, low, high, n, .. }) => {
                    format!("{rho:.2} [{low:.2}, {high:.2}], n = {n} languages").replace('-', "−")
                }
                None if pairs.len() < MIN_PAIRS => format!("too few languages ({})", pairs.len()),
                None => "none, all values are equal".to_owned(),
            };
            format!("{}: {text}", run.label)
        };
        let runs: Vec<String> = self.runs.iter().map(of_run).collect();
        format!("Spearman’s ρ: {}.", runs.join("; "))
    }
}
