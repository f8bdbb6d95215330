//! Learning curves: losses, development scores, flatness measures, learning rate, gradient norm,
//! throughput.

use std::collections::BTreeSet;

use crate::axis::{Axis, Scale};
use crate::chart::{Chart, Mark, Series, mean, peak, smoothed, thinned};
use crate::flatness::flatness_measures;
use crate::group::{Recipe, run_label};
use crate::html::{capitalized, count, metric_name, number, percent};
use crate::language;
use crate::record::{DevPoint, MEAN, RunRecord, TrainPoint};

/// Maximum number of runs for which the loss is also drawn without smoothing.
const MAX_RAW_RUNS: usize = 2;

/// Maximum ratio of the largest to the smallest value for objectives to share a linear axis.
const MAX_LINEAR_RATIO: f64 = 20.0;

/// Learning curves of all runs, drawn over each other.
pub(super) struct Curves<'a> {
    recipes: &'a [Recipe<'a>],
    last_step: f64,
}

impl<'a> Curves<'a> {
    pub(super) fn new(recipes: &'a [Recipe<'a>]) -> Self {
        let runs = recipes.iter().flat_map(|recipe| &recipe.runs);
        let steps = runs.flat_map(|run| {
            let train = run.train.iter().map(|point| point.step);
            let dev = run.dev.iter().map(|point| point.step);
            train.chain(dev).chain(run.measures.iter().map(|point| point.step))
        });
        Self { recipes, last_step: steps.max().unwrap_or(0) as f64 }
    }

    /// Training loss as a line; development loss in the source language as points.
    pub(super) fn loss(&self) -> String {
        let mut series = Vec::new();
        let raw = self.runs().count() <= MAX_RAW_RUNS;
        for (recipe, run) in self.runs() {
            let points = train_points(run, |point| point.loss);
            if raw {
                let points = thinned(&points, mean);
                series.push(self.series(
                    recipe,
                    run,
                    "training loss as logged",
                    Mark::Faint,
                    points,
                ));
            }
            let points = thinned(&smoothed(&points), mean);
            series.push(self.series(recipe, run, "training loss", Mark::Line, points));
        }
        for (recipe, run) in self.runs() {
            let Some(language) = dev_language(run) else { continue };
            let what = format!("development loss, {language}");
            let points = dev_points(run, language, |point| point.loss);
            series.push(self.series(recipe, run, &what, Mark::Points, points));
        }
        self.chart("Loss", series, Scale::Linear).render()
    }

    /// Development scores: one chart for each language, with the selected checkpoints ringed.
    pub(super) fn scores(&self) -> String {
        let languages: BTreeSet<&str> = self
            .runs()
            .flat_map(|(_, run)| &run.dev)
            .map(|point| point.language.as_str())
            .collect();
        let charts = languages.into_iter().map(|tag| {
            let mut series = Vec::new();
            let mut rings = Vec::new();
            let mut shown = "score";
            for (recipe, run) in self.runs() {
                let Some(metric) = dev_metric(run) else { continue };
                shown = metric_name(metric);
                let points = dev_points(run, tag, |point| Some(100.0 * point.score(metric)?));
                let chosen = run.results.as_ref().and_then(|results| results.selection.as_ref());
                let at = chosen.filter(|_| dev_language(run) == Some(tag)).map(|it| it.step as f64);
                let ring = points.iter().filter(|point| Some(point.0) == at).copied().collect();
                rings.push(self.series(recipe, run, "chosen checkpoint", Mark::Ring, ring));
                series.push(self.series(recipe, run, shown, Mark::Points, points));
            }
            series.extend(rings.into_iter().filter(|ring| !ring.points.is_empty()));
            let name = language::name(tag).unwrap_or(tag);
            self.chart(&format!("Development {shown}, {name}"), series, Scale::Linear).render()
        });
        charts.collect()
    }

    /// Flatness measures: one chart for each.
    pub(super) fn measures(&self) -> String {
        let charts =
            flatness_measures(self.runs().map(|(_, run)| run)).into_iter().map(|quantity| {
                let name = quantity.name();
                let series = self.runs().map(|(recipe, run)| {
                    let points = run.measures.iter();
                    let points = points
                        .filter_map(|point| Some((point.step as f64, quantity.at_step(point)?)));
                    self.series(recipe, run, &name, Mark::Points, points.collect())
                });
                self.chart(&capitalized(&name), series.collect(), quantity.scale()).render()
            });
        charts.collect()
    }

    /// Losses by objective: one chart for each recipe with several objectives.
    pub(super) fn objectives(&self) -> String {
        self.recipes.iter().map(|recipe| self.objectives_of(recipe)).collect()
    }

    fn objectives_of(&self, recipe: &Recipe<'_>) -> String {
        let mut names: Vec<&str> = Vec::new();
        let logged = recipe.runs.iter().flat_map(|run| &run.train);
        for name in logged.flat_map(|point| point.losses.keys()) {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        let mut series = Vec::new();
        for (dash, name) in names.iter().enumerate() {
            for run in &recipe.runs {
                let points = train_points(run, |point| point.losses.get(*name)?.as_f64());
                let points = thinned(&smoothed(&points), mean);
                series.push(self.series(recipe, run, name, Mark::Dashed(dash), points));
            }
        }
        let scale = objective_scale(&series);
        let key =
            names.iter().enumerate().map(|(dash, name)| (Mark::Dashed(dash), (*name).to_owned()));
        let title = format!("Loss by objective, {}", recipe.label);
        Chart { key: key.collect(), ..self.chart(&title, series, scale) }.render()
    }

    /// Learning rate, gradient norm and throughput.
    pub(super) fn conditions(&self) -> String {
        let small = |title: &str, value: fn(&TrainPoint) -> Option<f64>| {
            let series = self.runs().map(|(recipe, run)| {
                let points = thinned(&train_points(run, value), peak);
                self.series(recipe, run, title, Mark::Line, points)
            });
            self.chart(title, series.collect(), Scale::FromZero).render()
        };
        [
            small("Learning rate", |point| point.lr),
            small("Gradient norm", |point| point.grad_norm),
            small("Tokens per second", |point| point.tokens_per_sec),
        ]
        .concat()
    }

    fn runs(&self) -> impl Iterator<Item = (&'a Recipe<'a>, &'a RunRecord)> {
        self.recipes.iter().flat_map(|recipe| recipe.runs.iter().map(move |run| (recipe, *run)))
    }

    fn series(
        &self,
        recipe: &Recipe<'_>,
        run: &RunRecord,
        what: &str,
        mark: Mark,
        points: Vec<(f64, f64)>,
    ) -> Series {
        let mut label = format!("{}: {what}", run_label(recipe, run));
        if let (Mark::Ring, Some((step, value))) = (mark, points.first()) {
            label += &format!(", step {step}, {}", percent(value / 100.0));
        }
        Series { label, color: recipe.color, mark, points }
    }

    fn chart(&self, title: &str, series: Vec<Series>, y: Scale) -> Chart {
        let ends = series.iter().filter_map(|series| {
            let ((_, first), (_, last)) = (series.points.first()?, series.points.last()?);
            let ends = matches!(series.mark, Mark::Line | Mark::Dashed(_) | Mark::Points);
            ends.then(|| format!("{} from {} to {}", series.label, number(*first), number(*last)))
        });
        let ends: Vec<String> = ends.collect();
        let description =
            format!("{title} by step, {}. {}.", count(self.runs().count(), "run"), ends.join("; "));
        Chart {
            title: title.to_owned(),
            description,
            series,
            key: Vec::new(),
            x: Axis::steps(self.last_step),
            x_title: String::new(),
            y,
            note: String::new(),
        }
    }
}

fn train_points(run: &RunRecord, value: impl Fn(&TrainPoint) -> Option<f64>) -> Vec<(f64, f64)> {
    let point = |point: &TrainPoint| Some((point.step as f64, value(point)?));
    run.train.iter().filter_map(point).collect()
}

fn dev_points(
    run: &RunRecord,
    language: &str,
    value: impl Fn(&DevPoint) -> Option<f64>,
) -> Vec<(f64, f64)> {
    let points = run.dev.iter().filter(|point| point.language == language);
    points.filter_map(|point| Some((point.step as f64, value(point)?))).collect()
}

/// Axis scale of objectives: logarithmic if the smallest would be a flat line on a linear axis.
fn objective_scale(series: &[Series]) -> Scale {
    let values = || series.iter().flat_map(|series| series.points.iter().map(|point| point.1));
    let positive = || values().filter(|value| *value > 0.0);
    let low = positive().fold(f64::INFINITY, f64::min);
    let high = positive().fold(f64::NEG_INFINITY, f64::max);
    if values().any(|value| value < 0.0) {
        Scale::Linear
    } else if high > MAX_LINEAR_RATIO * low {
        Scale::Log
    } else {
        Scale::FromZero
    }
}

/// Main development language of a run: the mean of several, or the source if it is evaluated.
pub(super) fn dev_language(run: &RunRecord) -> Option<&str> {
    let source = run.results.as_ref().and_then(|results| results.sources().first().copied());
    let languages = || run.dev.iter().map(|point| point.language.as_str());
    let named = |name: &str| languages().find(|language| *language == name);
    named(MEAN).or_else(|| named(source?)).or_else(|| languages().next())
}

/// Development metric to draw: the run's main metric if it is logged.
fn dev_metric(run: &RunRecord) -> Option<&str> {
    let main = run.results.as_ref().map(|results| results.metric.as_str());
    let known = main.into_iter().chain(["accuracy", "span_f1", "macro_f1", "las"]);
    known.into_iter().find(|metric| run.dev.iter().any(|point| point.score(metric).is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objectives_far_apart_get_a_logarithmic_axis() {
        let scale = |values: &[f64]| {
            let points = values.iter().map(|value| (1.0, *value)).collect();
            objective_scale(&[Series { label: String::new(), color: 0, mark: Mark::Line, points }])
        };
        assert_eq!(scale(&[0.9, 0.05]), Scale::FromZero);
        assert_eq!(scale(&[0.9, 0.01]), Scale::Log);
        assert_eq!(scale(&[0.9, -0.01]), Scale::Linear);
        assert_eq!(scale(&[0.9, 0.3, 0.0]), Scale::FromZero, "zeros are where they belong");
    }
}
