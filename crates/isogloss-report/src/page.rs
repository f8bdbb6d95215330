//! The HTML page as a whole: its sections, in order.

use std::collections::BTreeSet;

use crate::color::swatch;
use crate::group::{self, Comparison, Recipe, run_label};
use crate::html::{Text, capitalized, count, metric_name};
use crate::language;
use crate::record::RunRecord;
use curves::Curves;

mod alignment;
mod bars;
mod curves;
mod heat;
mod matrix;
mod tables;
#[cfg(test)]
mod tests;
mod timeline;
mod transfer;

const STYLE: &str = include_str!("page/style.css");

/// Renders runs as one self-contained HTML page.
///
/// Runs in sibling folders `seed-<n>` count as one recipe.
/// Unfinished runs add learning curves but no scores, and a note says so.
/// The output is deterministic: the same runs give the same bytes.
pub fn render(runs: &[RunRecord]) -> String {
    let recipes = group::recipes(runs);
    let comparisons = group::comparisons(&recipes);
    let names: Vec<&str> = recipes.iter().map(|recipe| recipe.label.as_str()).collect();
    let mut body = header(runs, &recipes, &comparisons);
    if runs.is_empty() {
        body += "<p>No runs were found.</p>\n";
    } else {
        for comparison in &comparisons {
            body += &results(comparison, comparisons.len() > 1, &recipes);
        }
        body += &training(&recipes);
        body += &unless_empty(timeline::render(&recipes), |content| {
            section("timeline", "Layers that learn", &content)
        });
        body += &unless_empty(heat::render(&recipes), |content| {
            section("layers", "Fisher information by layer", &content)
        });
        body += &unless_empty(alignment::maps(&recipes), |content| {
            section("alignment", "Alignment of languages by layer", &content)
        });
        body += &unless_empty(matrix::conflicts(&recipes), |content| {
            section("conflicts", "Gradients of languages", &content)
        });
        body += &unless_empty(matrix::overlaps(&recipes), |content| {
            section("subnetworks", "Heads that languages use", &content)
        });
        body += &section("environment", "Environment", &tables::environment(&recipes));
        body +=
            &section("recipes", "Recipes", &recipes.iter().map(recipe_text).collect::<String>());
    }
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style></head>\n\
         <body><main>\n{body}</main></body></html>\n",
        Text(&format!("isogloss report: {}", names.join(", "))),
    )
}

/// Applies `then` to a text that is not empty; an empty text stays empty.
fn unless_empty<T: AsRef<str>>(text: T, then: impl Fn(T) -> String) -> String {
    if text.as_ref().is_empty() { String::new() } else { then(text) }
}

fn section(id: &str, title: &str, content: &str) -> String {
    format!("<section id=\"{id}\"><h2>{}</h2>\n{content}</section>\n", Text(title))
}

fn header(runs: &[RunRecord], recipes: &[Recipe<'_>], comparisons: &[Comparison<'_>]) -> String {
    let title = title(comparisons);
    let mut facts: Vec<String> = models(runs).into_iter().map(str::to_owned).collect();
    for comparison in comparisons {
        let fact = format!("{}, {}", comparison.task, metric_name(comparison.metric));
        if !facts.contains(&fact) {
            facts.push(fact);
        }
    }
    facts.push(count(recipes.len(), "recipe"));
    facts.push(count(recipes.iter().map(|recipe| recipe.runs.len()).sum(), "run"));
    let facts: Vec<String> =
        facts.iter().map(|fact| format!("<span>{}</span>", Text(fact))).collect();
    let notes: String =
        recipes.iter().flat_map(notes).map(|note| format!("<li>{}</li>\n", Text(&note))).collect();
    let notes = match notes.is_empty() {
        true => String::new(),
        false => format!("<ul class=\"notes\" aria-label=\"Notes\">{notes}</ul>\n"),
    };
    format!(
        "<header><p class=\"eyebrow\">isogloss report</p><h1>{}</h1>\
         <p class=\"facts\">{}</p></header>\n{notes}",
        Text(&title),
        facts.join(" ")
    )
}

/// Page title: zero-shot transfer for tasks that learn from labels, else the name of the task.
fn title(comparisons: &[Comparison<'_>]) -> String {
    let (mut sources, mut subjects) = (BTreeSet::new(), BTreeSet::new());
    for comparison in comparisons {
        match comparison.task {
            "retrieval" => _ = subjects.insert("sentence retrieval"),
            "language_modeling" => _ = subjects.insert("masked language modelling"),
            _ => sources.extend(comparison.entries.iter().flat_map(|entry| entry.sources.clone())),
        }
    }
    let transfer = match sources.first() {
        Some(tag) if sources.len() == 1 => {
            Some(format!("Zero-shot transfer from {}", language::name(tag).unwrap_or(tag)))
        }
        Some(_) => Some("Zero-shot transfer".to_owned()),
        None => None,
    };
    let subjects = subjects.into_iter().map(str::to_owned);
    let title = transfer.into_iter().chain(subjects).collect::<Vec<_>>().join(" and ");
    if title.is_empty() { "Training runs".to_owned() } else { capitalized(&title) }
}

fn models(runs: &[RunRecord]) -> BTreeSet<&str> {
    let values = runs.iter().flat_map(|run| &run.environment);
    values.filter(|(name, _)| name == "model").map(|(_, value)| value.as_str()).collect()
}

/// Warnings about a recipe's runs, such as a truncated log or an unfinished run.
fn notes(recipe: &Recipe<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    let recipes = "has another recipe than";
    let data = "was scored in other languages or on other test data than";
    let unlike = recipe.unlike_seeds().into_iter().map(|runs| (runs, recipes));
    let unlike = unlike.chain(recipe.unlike_test_data().into_iter().map(|runs| (runs, data)));
    for (runs, difference) in unlike {
        let [run, first] = runs.map(|run| run.dir().file_name().unwrap_or_default());
        notes.push(format!(
            "{}: {} {difference} {}; both are in the mean over seeds.",
            recipe.label,
            run.display(),
            first.display()
        ));
    }
    for [copy, run] in &recipe.copies {
        let [copy, of] = [copy.dir(), run.dir()].map(|dir| dir.file_name().unwrap_or_default());
        notes.push(format!(
            "{}: {} has the seed of {} in its recipe; it is left out, as a seed counts once.",
            recipe.label,
            copy.display(),
            of.display()
        ));
    }
    for run in &recipe.runs {
        let label = run_label(recipe, run);
        if run.truncated {
            notes.push(format!(
                "{label}: metrics.jsonl ends in the middle of a line, as when a run is killed; \
                 that line is left out."
            ));
        }
        if run.results.is_none() {
            notes.push(format!(
                "{label}: not finished, there is no results.json; only its curves are shown."
            ));
        }
    }
    notes
}

fn results(comparison: &Comparison<'_>, is_one_of_many: bool, recipes: &[Recipe<'_>]) -> String {
    let of_what = format!("{}, {}", comparison.task, metric_name(comparison.metric));
    let id = format!("-{}-{}", comparison.task, comparison.metric);
    let (id, suffix) = match (is_one_of_many, comparison.number) {
        (false, _) => (String::new(), String::new()),
        (true, 0) => (id, format!(": {of_what}")),
        (true, number) => (format!("{id}-{number}"), format!(": {of_what}, data {number}")),
    };
    let id = Text(&id).to_string().replace(char::is_whitespace, "-");
    let rules: BTreeSet<&str> = comparison
        .entries
        .iter()
        .flat_map(|entry| &entry.runs)
        .filter_map(|(_, results)| Some(results.selection.as_ref()?.rule.as_str()))
        .collect();
    let rules: String = rules
        .iter()
        .map(|rule| format!("<p class=\"aside\">Checkpoint chosen by: {}.</p>\n", Text(rule)))
        .collect();
    let metric = capitalized(metric_name(comparison.metric));
    let whiskers = match comparison.has_seeds() {
        true => "Whiskers: ± one sample standard deviation over seeds. ",
        false => "",
    };
    let what = format!(
        "<p class=\"aside\">{} in percent on each language’s evaluation set, best first. \
         {whiskers}Dashed: each recipe’s target mean.</p>\n",
        Text(&metric)
    );
    let shown: Vec<&Recipe<'_>> = comparison.entries.iter().map(|entry| entry.recipe).collect();
    let key = if recipes.len() > 1 { key(&shown) } else { String::new() };
    [
        section(
            &format!("results{id}"),
            &format!("Results{suffix}"),
            &format!("{}{rules}{}", tables::headline(comparison), apart(comparison)),
        ),
        section(
            &format!("languages{id}"),
            &format!("By language{suffix}"),
            &format!("{what}{key}{}", bars::render(comparison)),
        ),
        unless_empty(transfer::render(comparison, &key), |content| {
            let title = format!("Flatness and transfer{suffix}");
            section(&format!("transfer{id}"), &title, &content)
        }),
        unless_empty(alignment::scatters(comparison, &key), |content| {
            let title = format!("Alignment and transfer{suffix}");
            section(&format!("alignment-transfer{id}"), &title, &content)
        }),
        section(
            &format!("table{id}"),
            &format!("All scores{suffix}"),
            &tables::languages(comparison),
        ),
    ]
    .concat()
}

/// Explains why recipes of the same task stand in several comparisons.
fn apart(comparison: &Comparison<'_>) -> &'static str {
    match comparison.number {
        0 => "",
        _ => {
            "<p class=\"aside\">Recipes with other test data stand apart: their scores cannot be \
             compared with these.</p>\n"
        }
    }
}

fn training(recipes: &[Recipe<'_>]) -> String {
    let curves = Curves::new(recipes);
    let shown: Vec<&Recipe<'_>> = recipes.iter().collect();
    let key = if recipes.len() > 1 { key(&shown) } else { String::new() };
    let (measures, objectives) = (curves.measures(), curves.objectives());
    let content = format!(
        "<p class=\"aside\">By optimizer step, one line for each run. Training loss is a moving \
         average with a half-life of a fortieth of the run; points are evaluations on \
         development data, the ring marks the checkpoint that was kept. Gradient norm and speed \
         show the highest value of each stretch.{}{}</p>\n{key}\
         <div class=\"charts\">{}{}{measures}</div>\n{}\
         <div class=\"charts small\">{}</div>\n",
        unless_empty(&measures, |_| " Measures are taken on development data of the source."
            .into()),
        unless_empty(&objectives, |_| " Objectives are shown before their weights.".into()),
        curves.loss(),
        curves.scores(),
        unless_empty(objectives, |charts| format!("<div class=\"charts wide\">{charts}</div>\n")),
        curves.conditions()
    );
    section("training", "Training", &content)
}

fn key(recipes: &[&Recipe<'_>]) -> String {
    let items: String = recipes
        .iter()
        .map(|recipe| format!("<li>{}{}</li>", swatch(recipe.color), Text(&recipe.label)))
        .collect();
    format!("<ul class=\"key\" aria-label=\"Colors\">{items}</ul>\n")
}

/// Recipe listing: the TOML of the first seed, and the lines in which the other seeds differ from
/// it.
fn recipe_text(recipe: &Recipe<'_>) -> String {
    let first = recipe.runs[0];
    let known: BTreeSet<&str> = first.recipe.lines().collect();
    let differences: String = recipe.runs[1..]
        .iter()
        .filter(|run| run.recipe != first.recipe)
        .map(|run| {
            let own = run.recipe.lines().filter(|line| !known.contains(line));
            let own: Vec<String> = own.map(|line| format!("<code>{}</code>", Text(line))).collect();
            let own = if own.is_empty() { "lines left out".to_owned() } else { own.join(", ") };
            format!("<li>{}: {own}</li>", Text(&run_label(recipe, run)))
        })
        .collect();
    let differences = match differences.is_empty() {
        true => String::new(),
        false => format!(
            "<p class=\"aside\">Other seeds differ in:</p><ul class=\"aside\">{differences}</ul>\n"
        ),
    };
    format!(
        "<details><summary>{}{}</summary><pre><code>{}</code></pre>\n{differences}</details>\n",
        swatch(recipe.color),
        Text(&run_label(recipe, first)),
        Text(&first.recipe)
    )
}
