//! Runs grouped by recipe and summarized over seeds; recipes grouped by task and metric.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::flatness::Flatness;
use crate::record::{LanguageResult, Results, RunRecord};
use crate::summary::{MeanStd, TransferSummary};

/// Recipe: the runs of all its seeds.
pub(super) struct Recipe<'a> {
    /// Label: the recipe's name, prefixed by the parent folder if another recipe has the same name.
    pub(super) label: String,
    /// Color index of the recipe throughout the page.
    pub(super) color: usize,
    /// The runs, by ascending seed.
    pub(super) runs: Vec<&'a RunRecord>,
    /// The runs that are left out because another one has the same seed, each with that one.
    pub(super) copies: Vec<[&'a RunRecord; 2]>,
}

/// Runs whose recipe has the seed of another run in a sibling folder, each with that one, such as a
/// copy of a folder under the name of another seed; [`render`](crate::render) leaves them out.
pub fn copied_seeds(runs: &[RunRecord]) -> Vec<[&RunRecord; 2]> {
    recipes(runs).into_iter().flat_map(|recipe| recipe.copies).collect()
}

/// Runs whose recipe differs from that of the first seed in their folder in more than the seed, each with
/// that one: means and deviations over them are not over seeds alone.
pub fn unlike_seeds(runs: &[RunRecord]) -> Vec<[&RunRecord; 2]> {
    recipes(runs).iter().flat_map(Recipe::unlike_seeds).collect()
}

/// Finished runs that were scored in other languages or on other test data than the first finished seed in
/// their folder, each with that one.
pub fn unlike_test_data(runs: &[RunRecord]) -> Vec<[&RunRecord; 2]> {
    recipes(runs).iter().flat_map(Recipe::unlike_test_data).collect()
}

impl<'a> Recipe<'a> {
    /// The finished runs whose languages or test data are not those of the first, each with the first.
    pub(super) fn unlike_test_data(&self) -> Vec<[&'a RunRecord; 2]> {
        let mut finished =
            self.runs.iter().filter_map(|run| Some((*run, &run.results.as_ref()?.languages)));
        let Some((first, expected)) = finished.next() else { return Vec::new() };
        let is_unlike = |languages: &BTreeMap<String, LanguageResult>| {
            let mut both = languages.iter().zip(expected);
            languages.len() != expected.len()
                || both.any(|((tag, own), (other, of_first))| {
                    tag != other || !own.has_same_data(of_first)
                })
        };
        let unlike = finished.filter(|(_, languages)| is_unlike(languages));
        unlike.map(|(run, _)| [run, first]).collect()
    }

    /// The runs whose recipe differs from that of the first in more than the seed, each with the first.
    pub(super) fn unlike_seeds(&self) -> Vec<[&'a RunRecord; 2]> {
        let Some((first, others)) = self.runs.split_first() else { return Vec::new() };
        let lines = |run: &'a RunRecord| {
            let lines = run.recipe.lines().map(str::trim);
            lines.filter(|line| !line.starts_with("seed =")).collect::<Vec<_>>()
        };
        let unlike = others.iter().filter(|run| lines(run) != lines(first));
        unlike.map(|run| [*run, *first]).collect()
    }
}

/// The runs of a recipe that have the seed of another one, which is the first, or the one whose
/// folder is named after it.
fn copies<'a>(runs: &[&'a RunRecord]) -> Vec<[&'a RunRecord; 2]> {
    let original = |at: usize, run: &RunRecord| {
        let seed = run.recipe_seed()?;
        let mut others = runs.iter().enumerate().filter(|(n, _)| *n != at);
        let is_original = |(n, other): &(usize, &&'a RunRecord)| {
            let is_named = other.seed() == Some(seed);
            other.recipe_seed() == Some(seed) && run.seed() != Some(seed) && (is_named || *n < at)
        };
        others.find(is_original).map(|(_, other)| *other)
    };
    let runs = runs.iter().enumerate();
    runs.filter_map(|(at, run)| Some([*run, original(at, run)?])).collect()
}

/// Groups runs by recipe folder, in order of first appearance.
pub(super) fn recipes(runs: &[RunRecord]) -> Vec<Recipe<'_>> {
    let mut groups: Vec<(&Path, Vec<&RunRecord>)> = Vec::new();
    for run in runs {
        match groups.iter_mut().find(|(dir, _)| *dir == run.recipe_dir()) {
            Some((_, group)) => group.push(run),
            None => groups.push((run.recipe_dir(), vec![run])),
        }
    }
    let names: Vec<String> = groups.iter().map(|(_, runs)| runs[0].recipe_name()).collect();
    let labeled = groups.into_iter().enumerate().map(|(color, (dir, mut runs))| {
        runs.sort_by_key(|run| run.seed());
        let shared = names.iter().filter(|name| **name == names[color]).count() > 1;
        let above = dir.parent().and_then(Path::file_name).filter(|_| shared);
        let label = match above {
            Some(above) => format!("{}/{}", above.to_string_lossy(), names[color]),
            None => names[color].clone(),
        };
        let copies = copies(&runs);
        runs.retain(|run| copies.iter().all(|[copy, _]| !std::ptr::eq(*copy, *run)));
        Recipe { label, color, runs, copies }
    });
    labeled.collect()
}

/// Run label: the recipe's label and the seed.
pub(super) fn run_label(recipe: &Recipe<'_>, run: &RunRecord) -> String {
    match run.seed() {
        Some(seed) => format!("{}, seed {seed}", recipe.label),
        None => recipe.label.clone(),
    }
}

/// Comparison of finished recipes with the same task, metric and test data.
pub(super) struct Comparison<'a> {
    pub(super) task: &'a str,
    pub(super) metric: &'a str,
    /// Number among the comparisons with the same task and metric, from 1; 0 if there is one alone.
    pub(super) number: usize,
    pub(super) entries: Vec<Entry<'a>>,
    /// The languages of all recipes, the best score first.
    pub(super) languages: Vec<&'a str>,
}

impl<'a> Comparison<'a> {
    /// Whether any recipe was run with more than one seed.
    pub(super) fn has_seeds(&self) -> bool {
        self.entries.iter().any(|entry| entry.runs.len() > 1)
    }

    /// Every finished run with its recipe and its results.
    pub(super) fn runs(
        &self,
    ) -> impl Iterator<Item = (&'a Recipe<'a>, &'a RunRecord, &'a Results)> {
        self.entries.iter().flat_map(|entry| {
            entry.runs.iter().map(|(run, results)| (entry.recipe, *run, *results))
        })
    }
}

/// One recipe of a comparison, summarized over its seeds.
pub(super) struct Entry<'a> {
    pub(super) recipe: &'a Recipe<'a>,
    /// The finished runs with their results.
    pub(super) runs: Vec<(&'a RunRecord, &'a Results)>,
    pub(super) sources: Vec<&'a str>,
    pub(super) source_score: Option<MeanStd>,
    pub(super) mean_target: Option<MeanStd>,
    pub(super) mean_few_shot: Option<MeanStd>,
    pub(super) gap: Option<MeanStd>,
    /// Transfer summary, with every language's score averaged over the seeds.
    pub(super) transfer: TransferSummary,
}

impl<'a> Entry<'a> {
    fn new(recipe: &'a Recipe<'a>, runs: Vec<(&'a RunRecord, &'a Results)>) -> Self {
        let (sources, metric) = (runs[0].1.sources(), runs[0].1.metric.as_str());
        let over_seeds = |value: &dyn Fn(&Results) -> Option<f64>| {
            let values: Vec<f64> = runs.iter().filter_map(|(_, results)| value(results)).collect();
            MeanStd::from_values(&values)
        };
        let languages = runs.iter().flat_map(|(_, results)| results.languages.keys());
        let scores: BTreeMap<String, f64> = languages
            .filter_map(|language| {
                let score = over_seeds(&|results| results.languages.get(language)?.score(metric))?;
                Some((language.clone(), score.mean))
            })
            .collect();
        Self {
            recipe,
            source_score: over_seeds(&|results| {
                let score = |source: &&str| results.languages.get(*source)?.score(metric);
                let scores: Vec<f64> = sources.iter().filter_map(score).collect();
                MeanStd::from_values(&scores).map(|summary| summary.mean)
            }),
            mean_target: over_seeds(&|results| results.mean_target),
            mean_few_shot: over_seeds(&|results| results.mean_few_shot),
            gap: over_seeds(&|results| results.gap),
            transfer: TransferSummary::from_scores(&sources, &scores),
            sources,
            runs,
        }
    }

    /// Flatness measure at the end of training, summarized over the seeds.
    pub(super) fn at_end(&self, quantity: &Flatness<'_>) -> Option<MeanStd> {
        let values = self.runs.iter().filter_map(|(run, _)| quantity.at_end(run));
        MeanStd::from_values(&values.collect::<Vec<_>>())
    }

    /// Whether both recipes were evaluated on the same data: they share languages, and the test data of
    /// each are the same.
    fn is_comparable(&self, other: &Self) -> bool {
        let results = |entry: &Self| -> BTreeMap<&'a str, &'a LanguageResult> {
            let languages = entry.runs.iter().flat_map(|(_, results)| &results.languages);
            languages.map(|(tag, result)| (tag.as_str(), result)).collect()
        };
        let (own, others) = (results(self), results(other));
        let shared = own.iter().filter_map(|(tag, result)| Some((result, others.get(tag)?)));
        let mut shared = shared.peekable();
        shared.peek().is_some() && shared.all(|(own, other)| own.has_same_data(other))
    }

    /// Score in a language, summarized over the seeds.
    pub(super) fn score(&self, language: &str, metric: &str) -> Option<MeanStd> {
        let values: Vec<f64> =
            self.language_results(language).filter_map(|result| result.score(metric)).collect();
        MeanStd::from_values(&values)
    }

    /// Results in a language, of each seed that was evaluated in it.
    pub(super) fn language_results(&self, language: &str) -> impl Iterator<Item = &LanguageResult> {
        self.runs.iter().filter_map(move |(_, results)| results.languages.get(language))
    }
}

/// Groups finished recipes into comparisons, in order of first appearance.
pub(super) fn comparisons<'a>(recipes: &'a [Recipe<'a>]) -> Vec<Comparison<'a>> {
    let mut found: Vec<Comparison<'a>> = Vec::new();
    for recipe in recipes {
        let runs: Vec<(&RunRecord, &Results)> =
            recipe.runs.iter().filter_map(|run| Some((*run, run.results.as_ref()?))).collect();
        let Some((_, first)) = runs.first() else { continue };
        let (task, metric) = (first.task.as_str(), first.metric.as_str());
        let entry = Entry::new(recipe, runs);
        let is_comparable = |other: &&mut Comparison<'_>| {
            (other.task, other.metric) == (task, metric) && other.entries[0].is_comparable(&entry)
        };
        match found.iter_mut().find(is_comparable) {
            Some(comparison) => comparison.entries.push(entry),
            None => {
                let (entries, languages, number) = (vec![entry], Vec::new(), 0);
                found.push(Comparison { task, metric, number, entries, languages });
            }
        }
    }
    number_equal(&mut found);
    for comparison in &mut found {
        comparison.languages = sorted_languages(&comparison.entries, comparison.metric);
    }
    found
}

/// Numbers the comparisons with the same task and metric.
fn number_equal(comparisons: &mut [Comparison<'_>]) {
    let kinds: Vec<_> = comparisons.iter().map(|other| (other.task, other.metric)).collect();
    for (at, comparison) in comparisons.iter_mut().enumerate() {
        let is_equal = |kind: &&(&str, &str)| **kind == kinds[at];
        if kinds.iter().filter(is_equal).count() > 1 {
            comparison.number = kinds[..=at].iter().filter(is_equal).count();
        }
    }
}

fn sorted_languages<'a>(entries: &[Entry<'a>], metric: &str) -> Vec<&'a str> {
    let all: BTreeSet<&'a str> = entries
        .iter()
        .flat_map(|entry| &entry.runs)
        .flat_map(|(_, results)| results.languages.keys().map(String::as_str))
        .collect();
    let mut scored: Vec<(f64, &str)> = all
        .into_iter()
        .map(|language| {
            let means =
                entries.iter().filter_map(|entry| Some(entry.score(language, metric)?.mean));
            let mean = MeanStd::from_values(&means.collect::<Vec<_>>());
            (mean.map_or(f64::NEG_INFINITY, |mean| mean.mean), language)
        })
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    scored.into_iter().map(|(_, language)| language).collect()
}
