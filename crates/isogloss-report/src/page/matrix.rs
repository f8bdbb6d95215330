//! Heat maps over pairs of training languages: gradient conflict (cosines), and overlap of their
//! subnetworks' attention heads (Jaccard).

use std::collections::BTreeMap;

use super::heat::{legend, patch};
use crate::axis::{Axis, Scale};
use crate::chart::Frame;
use crate::color::swatch;
use crate::group::Recipe;
use crate::heads::{Heads, expected_overlap};
use crate::html::{Text, breakable};
use crate::language;
use crate::record::{ConflictPoint, RunRecord};

/// Gradient conflict: cosines between gradients at the end of training, with one color scale; empty
/// if they were not measured.
pub(super) fn conflicts(recipes: &[Recipe<'_>]) -> String {
    let maps: Vec<Map<'_>> = recipes.iter().filter_map(conflict).collect();
    let Some(scale) = scale(Scale::Linear, &maps) else { return String::new() };
    let figures: String = maps.iter().map(|map| map.render(&scale)).collect();
    format!(
        "<p class=\"aside\">The cosine between the gradients of two languages on their development data, \
         at each run’s last measure, the mean of its seeds. Below zero, what helps one language hurts \
         the other.</p>\n{}<div class=\"charts heats\">{figures}</div>\n",
        legend(&scale, "Cosine", false)
    )
}

fn conflict<'a>(recipe: &'a Recipe<'a>) -> Option<Map<'a>> {
    let points: Vec<&ConflictPoint> =
        recipe.runs.iter().filter_map(|run| run.conflict.as_ref()).collect();
    let languages: Vec<&str> = points.first()?.languages.iter().map(String::as_str).collect();
    let alike = points.iter().filter(|point| point.languages == points[0].languages);
    let cosines: Vec<&Vec<Vec<f64>>> = alike.map(|point| &point.cosines).collect();
    let value = |a: usize, b: usize| {
        let all = cosines.iter().filter_map(|rows| rows.get(a)?.get(b));
        // The diagonal stays empty: a language agrees with itself.
        (a != b).then(|| all.sum::<f64>() / cosines.len() as f64)
    };
    Some(Map::new(recipe, "cosines between gradients", languages, value))
}

/// Jaccard overlap of the languages' attention heads, over all layers and layer by layer, and its
/// stability between seeds; empty if no run has subnetworks.
pub(super) fn overlaps(recipes: &[Recipe<'_>]) -> String {
    let maps: Vec<(Map<'_>, Vec<Map<'_>>, String)> = recipes.iter().filter_map(overlap).collect();
    let all = maps.iter().flat_map(|(map, by_layer, _)| std::iter::once(map).chain(by_layer));
    let Some(scale) = scale(Scale::FromZero, all) else { return String::new() };
    let figures = maps.iter().map(|(map, by_layer, stability)| {
        let by_layer: String = by_layer.iter().map(|map| map.render(&scale)).collect();
        format!(
            "<div class=\"charts heats\">{}{by_layer}</div>\n<p class=\"aside\">{}</p>\n",
            map.render(&scale),
            Text(stability)
        )
    });
    format!(
        "<p class=\"aside\">Heads that two languages both use, of those that either uses (Jaccard), of all \
         layers and layer by layer, the mean of the seeds. Languages that share most stand beside each \
         other.</p>\n{}{}",
        legend(&scale, "Overlap", false),
        figures.collect::<String>()
    )
}

/// Subnetworks of a run, by source language.
type BySource<'a> = BTreeMap<&'a str, &'a Heads>;

/// Subnetworks of the source languages, for each run that has them all.
fn subnetworks<'a>(recipe: &Recipe<'a>) -> Vec<BySource<'a>> {
    let of_run = |run: &&'a RunRecord| -> Option<BySource<'a>> {
        let sources = run.results.as_ref()?.sources().into_iter();
        let all = sources.map(|source| Some((source, run.subnetworks.get(source)?)));
        all.collect::<Option<BySource<'a>>>().filter(|all| all.len() > 1)
    };
    let mut found: Vec<BySource<'a>> = recipe.runs.iter().filter_map(of_run).collect();
    let kind = |of: &BySource<'_>| {
        (of.keys().map(|language| (*language).to_owned()).collect::<Vec<_>>(), sizes(of))
    };
    if let Some(first) = found.first().map(kind) {
        found.retain(|of| kind(of) == first);
    }
    found
}

fn sizes(of: &BySource<'_>) -> Option<[usize; 2]> {
    of.values().next().map(|of| of.sizes())
}

fn overlap<'a>(recipe: &'a Recipe<'a>) -> Option<(Map<'a>, Vec<Map<'a>>, String)> {
    let runs = subnetworks(recipe);
    let [n_layers, _] = sizes(runs.first()?)?;
    let mean = |a: &str, b: &str, layer: Option<usize>| {
        let all = runs.iter().map(|run| run[a].overlap(run[b], layer));
        all.sum::<f64>() / runs.len() as f64
    };
    let languages: Vec<&str> = runs[0].keys().copied().collect();
    let order = clustered(languages.len(), |a, b| mean(languages[a], languages[b], None));
    let languages: Vec<&str> = order.into_iter().map(|at| languages[at]).collect();
    let map = |layer: Option<usize>| {
        let what = match layer {
            Some(layer) => format!("layer {}", layer + 1),
            None => "all layers".to_owned(),
        };
        Map::new(recipe, &what, languages.clone(), |a, b| {
            Some(mean(languages[a], languages[b], layer))
        })
    };
    let by_layer = (0..n_layers).map(|layer| map(Some(layer))).collect();
    Some((map(None), by_layer, stability(&runs, &languages)))
}

/// Stability of the heads, in words: the overlap of one language between seeds, beside that of
/// different languages within a seed and the one expected by chance.
fn stability(runs: &[BySource<'_>], languages: &[&str]) -> String {
    let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
    let (mut between_seeds, mut chance) = (Vec::new(), Vec::new());
    for (at, a) in runs.iter().enumerate() {
        for b in &runs[at + 1..] {
            for language in languages {
                between_seeds.push(a[language].overlap(b[language], None));
                chance.push(expected_overlap(a[language], b[language]));
            }
        }
    }
    let of_languages = runs.iter().flat_map(|run| {
        languages.iter().enumerate().flat_map(move |(at, a)| {
            languages[at + 1..].iter().map(move |b| run[a].overlap(run[b], None))
        })
    });
    let of_languages = mean(of_languages.collect());
    if between_seeds.is_empty() {
        return format!("Between languages {of_languages:.2}; one seed says nothing of others.");
    }
    format!(
        "A language’s heads overlap with its own of another seed by {:.2}, those of two languages of one \
         seed by {of_languages:.2}, as many heads drawn by chance by {:.2}.",
        mean(between_seeds),
        mean(chance)
    )
}

/// Hierarchical clustering with average linkage: an order in which similar items stand beside each
/// other. The clusters of the highest mean similarity are joined first.
fn clustered(n: usize, similarity: impl Fn(usize, usize) -> f64) -> Vec<usize> {
    let mut clusters: Vec<Vec<usize>> = (0..n).map(|at| vec![at]).collect();
    let between = |a: &[usize], b: &[usize]| {
        let pairs = a.iter().flat_map(|a| b.iter().map(|b| similarity(*a, *b)));
        pairs.sum::<f64>() / (a.len() * b.len()) as f64
    };
    while clusters.len() > 1 {
        let pairs = (0..clusters.len()).flat_map(|a| (0..a).map(move |b| (b, a)));
        // The first of equals.
        let best = pairs.rev().max_by(|x, y| {
            let of = |pair: &(usize, usize)| between(&clusters[pair.0], &clusters[pair.1]);
            of(x).total_cmp(&of(y))
        });
        let Some((into, from)) = best else { break };
        let joined = clusters.remove(from);
        clusters[into].extend(joined);
    }
    clusters.pop().unwrap_or_default()
}

/// Heat map with a value for each pair of languages.
struct Map<'a> {
    recipe: &'a Recipe<'a>,
    what: String,
    languages: Vec<&'a str>,
    rows: Vec<Vec<Option<f64>>>,
}

/// Color scale over all values of the heat maps.
fn scale<'a>(kind: Scale, maps: impl IntoIterator<Item = &'a Map<'a>>) -> Option<Axis> {
    Axis::around(
        kind,
        maps.into_iter().flat_map(|map| map.rows.iter().flatten().flatten().copied()),
    )
}

impl<'a> Map<'a> {
    fn new(
        recipe: &'a Recipe<'a>,
        what: &str,
        languages: Vec<&'a str>,
        value: impl Fn(usize, usize) -> Option<f64>,
    ) -> Self {
        let n = languages.len();
        let rows = (0..n).map(|a| (0..n).map(|b| value(a, b)).collect()).collect();
        Self { recipe, what: what.to_owned(), languages, rows }
    }

    fn render(&self, scale: &Axis) -> String {
        let n = self.languages.len();
        let middle = |at: usize| (at as f64 + 0.5) / n as f64;
        let name = |at: usize| language::name(self.languages[at]).unwrap_or(self.languages[at]);
        let mut svg = String::new();
        for (a, row) in self.rows.iter().enumerate() {
            for (b, value) in row.iter().enumerate() {
                let Some(value) = value else { continue };
                let title = format!("{} and {}: {value:.2}", name(a), name(b)).replace('-', "−");
                svg += &patch(*value, scale, (b, n), (a, n), &title);
            }
        }
        let frame = Frame {
            title: format!(
                "{}{}, {}",
                swatch(self.recipe.color),
                breakable(&self.recipe.label),
                Text(&self.what)
            ),
            description: &self.description(),
            key: String::new(),
            y: (0..n).map(|at| (middle(at), name(at).to_owned())).collect(),
            x: (0..n).map(|at| (middle(at), self.languages[at].to_owned())).collect(),
            x_title: "",
            note: "",
        };
        frame.render("chart heat", &svg)
    }

    fn description(&self) -> String {
        let pairs = self.rows.iter().enumerate().flat_map(|(a, row)| {
            row.iter().enumerate().skip(a + 1).filter_map(move |(b, value)| Some((a, b, (*value)?)))
        });
        let pairs: Vec<String> = pairs
            .map(|(a, b, value)| {
                format!("{} and {} {value:.2}", self.languages[a], self.languages[b])
            })
            .collect();
        format!("{}, {}: {}.", self.recipe.label, self.what, pairs.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_similar_stands_together() {
        let similar = [(0, 3), (1, 2)];
        let order =
            clustered(4, |a, b| f64::from(u8::from(similar.contains(&(a.min(b), a.max(b))))));
        assert_eq!(order, [0, 3, 1, 2]);
        assert!(clustered(0, |_, _| 0.0).is_empty());
        assert_eq!(clustered(3, |_, _| 1.0), [0, 1, 2]);
    }
}
