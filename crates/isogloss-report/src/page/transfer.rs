//! Flatness of minima against zero-shot transfer: a table by recipe, and scatter plots of all runs.

use super::tables;
use crate::axis::{Axis, Scale};
use crate::chart::{Chart, Mark, Series};
use crate::correlation::{MIN_PAIRS, spearman};
use crate::flatness::{Flatness, flatness_measures};
use crate::group::{Comparison, Recipe, run_label};
use crate::html::{Text, capitalized, count, metric_name, number, percent};
use crate::language;
use crate::record::{Results, RunRecord};

/// The table and, for two runs or more, a scatter plot for each measure; empty if nothing was
/// measured.
///
/// `key` is the legend of the colors.
pub(super) fn render(comparison: &Comparison<'_>, key: &str) -> String {
    let quantities = flatness_measures(comparison.runs().map(|(_, run, _)| run));
    if quantities.is_empty() {
        return String::new();
    }
    let scatters: Vec<Scatter> =
        quantities.iter().map(|quantity| Scatter::new(comparison, quantity)).collect();
    let charts: String = scatters.iter().map(|scatter| scatter.render(comparison)).collect();
    let table = tables::measures(comparison, &quantities);
    if charts.is_empty() {
        return table;
    }
    let remark = match scatters.iter().any(|scatter| scatter.rho.is_some()) {
        true => {
            " A correlation over few runs says little: unrelated quantities give 0 ± 1/√(n − 1), \
             and seeds of one recipe are alike, so that n runs count for less than n."
        }
        false => "",
    };
    format!(
        "{table}<p class=\"aside\">A column of points for each run: its {} in every target language, in \
         percent.{remark}</p>\n{key}<div class=\"charts wide scatters\">{charts}</div>\n",
        Text(metric_name(comparison.metric)),
    )
}

/// Scatter plot of a flatness measure, over the finished runs that measured it.
struct Scatter<'a> {
    quantity: &'a Flatness<'a>,
    /// The measure at the end of training, with its run.
    runs: Vec<(f64, Run<'a>)>,
    /// Spearman's correlation with the mean target score, and the number of runs in it.
    rho: Option<f64>,
    n_pairs: usize,
}

type Run<'a> = (&'a Recipe<'a>, &'a RunRecord, &'a Results);

impl<'a> Scatter<'a> {
    fn new(comparison: &Comparison<'a>, quantity: &'a Flatness<'a>) -> Self {
        let runs = comparison.runs().filter_map(|run| Some((quantity.at_end(run.1)?, run)));
        let runs: Vec<_> = runs.filter(|(value, _)| quantity.scale().holds(*value)).collect();
        let pairs = runs.iter().filter_map(|(value, run)| Some((*value, run.2.mean_target?)));
        let pairs: Vec<(f64, f64)> = pairs.collect();
        Self { quantity, runs, rho: spearman(&pairs), n_pairs: pairs.len() }
    }

    /// Renders the scatter plot as a `<figure>`; empty for a single run, which has no comparison.
    fn render(&self, comparison: &Comparison<'_>) -> String {
        if self.runs.len() < 2 {
            return String::new();
        }
        let name = self.quantity.name();
        let Some(x) = Axis::around(self.quantity.scale(), self.runs.iter().map(|run| run.0)) else {
            return String::new();
        };
        let metric = metric_name(comparison.metric);
        Chart {
            title: format!("Target {metric} against {}", self.quantity.short_name()),
            description: format!(
                "Target {metric} against {name}, {}. {}. {}",
                count(self.runs.len(), "run"),
                self.runs.iter().filter_map(mean_label).collect::<Vec<_>>().join("; "),
                self.note()
            ),
            series: self.series(comparison.metric),
            key: vec![
                (Mark::Specks, "one language".to_owned()),
                (Mark::Discs, "mean over targets".to_owned()),
            ],
            x,
            x_title: format!("{} ({})", capitalized(&name), self.quantity.unit()),
            y: Scale::Linear,
            note: self.note(),
        }
        .render()
    }

    /// One series for each point, so that each has its own tooltip.
    fn series(&self, metric: &str) -> Vec<Series> {
        let series = |label: String, color: usize, mark: Mark, x: f64, score: f64| Series {
            label,
            color,
            mark,
            points: vec![(x, 100.0 * score)],
        };
        let specks = self.runs.iter().flat_map(|(x, (recipe, run, results))| {
            let targets = results.languages.iter().filter(|(tag, _)| !results.is_source(tag));
            targets.filter_map(move |(tag, result)| {
                let score = result.score(metric)?;
                let (name, run) = (language::name(tag).unwrap_or(tag), run_label(recipe, run));
                let label = format!("{run}: {name}, {}", percent(score));
                Some(series(label, recipe.color, Mark::Specks, *x, score))
            })
        });
        let discs = self.runs.iter().filter_map(|at| {
            let (x, (recipe, _, results)) = at;
            Some(series(mean_label(at)?, recipe.color, Mark::Discs, *x, results.mean_target?))
        });
        specks.chain(discs).collect()
    }

    fn note(&self) -> String {
        let n = self.n_pairs;
        let with = format!("between {} and target mean", self.quantity.short_name());
        match self.rho {
            Some(rho) => format!(
                "Spearman’s ρ {with}: {}, n = {n} runs (unrelated: 0 ± {:.2}).",
                format!("{rho:.2}").replace('-', "−"),
                1.0 / ((n - 1) as f64).sqrt()
            ),
            None if n < MIN_PAIRS => {
                format!("{}: too few for a rank correlation.", capitalized(&count(n, "run")))
            }
            None => format!("No rank correlation {with}: one of them is the same in all runs."),
        }
    }
}

/// Label of a run's mean target score.
fn mean_label((value, (recipe, run, results)): &(f64, Run<'_>)) -> Option<String> {
    let mean = percent(results.mean_target?);
    Some(format!("{}: mean over targets {mean}, at {}", run_label(recipe, run), number(*value)))
}
