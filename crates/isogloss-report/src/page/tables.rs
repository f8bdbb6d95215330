//! Tables: headline scores by recipe, flatness measures, scores by language, environment.

use crate::color::swatch;
use crate::flatness::Flatness;
use crate::group::{Comparison, Entry, Recipe, run_label};
use crate::html::{
    Text, breakable, capitalized, count, mean_std, mean_std_number, metric_name, percent,
};
use crate::language;
use crate::summary::{LanguageScore, MeanStd};

/// Headline table: zero-shot transfer scores, one row for each recipe.
pub(super) fn headline(comparison: &Comparison<'_>) -> String {
    let entries = &comparison.entries;
    let extreme = |score: &Option<LanguageScore>| match score {
        Some(score) => {
            format!("{} <span class=\"tag\">{}</span>", percent(score.score), Text(&score.language))
        }
        None => "–".to_owned(),
    };
    let text = |head: &str, text: &dyn Fn(&Entry<'_>) -> String| Column {
        head: head.to_owned(),
        cells: entries.iter().map(|entry| format!("<td>{}</td>", text(entry))).collect(),
    };
    let caption = format!(
        "{} in percent{}. The target mean weighs every language but the source equally; the gap is \
         source minus target mean.{}{}",
        Text(&capitalized(metric_name(comparison.metric))),
        over_seeds(comparison),
        if entries.iter().any(|entry| entry.mean_few_shot.is_some()) {
            " The few-shot mean is that of models that took some steps on a few examples of each."
        } else {
            ""
        },
        if entries.len() > 1 { " The best value of a column is bold." } else { "" },
    );
    let few_shot = entries.iter().any(|entry| entry.mean_few_shot.is_some()).then(|| {
        Column::scores(entries, "", "Few-shot mean", f64::max, |entry| entry.mean_few_shot)
    });
    let target = Column::scores(entries, "big", "Target mean", f64::max, |entry| entry.mean_target);
    let others = [
        Column::scores(entries, "", &source_head(comparison), f64::max, |it| it.source_score),
        Column::scores(entries, "", "Gap", f64::min, |entry| entry.gap),
        text("Best target", &|entry| extreme(&entry.transfer.best)),
        text("Worst target", &|entry| extreme(&entry.transfer.worst)),
        text("Targets", &|entry| entry.transfer.n_targets.to_string()),
        text("Seeds", &|entry| entry.runs.len().to_string()),
    ];
    let columns: Vec<Column> = std::iter::once(target).chain(few_shot).chain(others).collect();
    by_recipe(entries, &caption, &columns)
}

/// Flatness table: measures at the end of training beside the scores, one row for each recipe.
pub(super) fn measures(comparison: &Comparison<'_>, quantities: &[Flatness<'_>]) -> String {
    let entries = &comparison.entries;
    let measured = quantities.iter().map(|quantity| Column {
        head: Text(&capitalized(&quantity.name())).to_string(),
        cells: entries
            .iter()
            .map(|entry| entry.at_end(quantity))
            .map(|summary| format!("<td>{}</td>", mean_std_number(summary.as_ref())))
            .collect(),
    });
    let scores = [
        Column::scores(entries, "", &source_head(comparison), f64::max, |it| it.source_score),
        Column::scores(entries, "", "Target mean", f64::max, |entry| entry.mean_target),
    ];
    let columns: Vec<Column> = measured.chain(scores).collect();
    let units = quantities.iter().map(|it| format!("{} in {}", it.short_name(), it.unit()));
    let mut units: Vec<String> = units.collect();
    units.dedup();
    let caption = format!(
        "The last measure of each run, {}, and {} in percent at the checkpoint that was kept{}.{}",
        units.join(", "),
        Text(metric_name(comparison.metric)),
        over_seeds(comparison),
        if entries.len() > 1 { " The best score of a column is bold." } else { "" },
    );
    by_recipe(entries, &caption, &columns)
}

/// Table column, with a cell for each recipe.
struct Column {
    /// Header cell, as HTML.
    head: String,
    /// A `<td>` for each recipe.
    cells: Vec<String>,
}

impl Column {
    /// Column of scores over seeds in percent; `better` picks the one of two that is printed in
    /// bold.
    fn scores(
        entries: &[Entry<'_>],
        class: &str,
        head: &str,
        better: fn(f64, f64) -> f64,
        value: impl Fn(&Entry<'_>) -> Option<MeanStd>,
    ) -> Self {
        let values: Vec<Option<MeanStd>> = entries.iter().map(value).collect();
        let best = values.iter().flatten().map(|summary| summary.mean).reduce(better);
        let cell = |summary: &Option<MeanStd>| {
            let mean = summary.map(|summary| summary.mean);
            let best =
                if entries.len() > 1 && mean.is_some() && mean == best { " best" } else { "" };
            format!("<td class=\"{class}{best}\">{}</td>", mean_std(summary.as_ref()))
        };
        Self { head: head.to_owned(), cells: values.iter().map(cell).collect() }
    }
}

fn by_recipe(entries: &[Entry<'_>], caption: &str, columns: &[Column]) -> String {
    let heads: String =
        columns.iter().map(|column| format!("<th scope=\"col\">{}</th>", column.head)).collect();
    let row = |(at, entry): (usize, &Entry<'_>)| {
        let cells: String = columns.iter().map(|column| column.cells[at].as_str()).collect();
        format!(
            "<tr><th scope=\"row\">{}{}</th>{cells}</tr>\n",
            swatch(entry.recipe.color),
            breakable(&entry.recipe.label)
        )
    };
    let rows: String = entries.iter().enumerate().map(row).collect();
    format!(
        "<div class=\"scroll\"><table class=\"headline\"><caption><span>{caption}</span></caption>\
         <thead><tr><th scope=\"col\">Recipe</th>{heads}</tr></thead>\n\
         <tbody>{rows}</tbody></table></div>\n"
    )
}

/// Header of a column of source scores; names the language if there is only one.
fn source_head(comparison: &Comparison<'_>) -> String {
    let entries = &comparison.entries;
    let sources = &entries[0].sources;
    match (entries.iter().all(|entry| entry.sources == *sources), sources.as_slice()) {
        (true, [source]) => format!("Source ({})", Text(source)),
        (_, [_]) => "Source".to_owned(),
        _ => "Mean source".to_owned(),
    }
}

/// Table of languages: one row for each, with every metric of every recipe.
pub(super) fn languages(comparison: &Comparison<'_>) -> String {
    let metrics = metrics(comparison);
    let entries = &comparison.entries;
    let recipe_heads: String = entries
        .iter()
        .map(|entry| {
            format!(
                "<th scope=\"colgroup\" colspan=\"{}\">{}{}</th>",
                metrics.len(),
                swatch(entry.recipe.color),
                breakable(&entry.recipe.label)
            )
        })
        .collect();
    let metric_heads: String = metrics
        .iter()
        .map(|metric| format!("<th scope=\"col\">{}</th>", Text(&capitalized(metric_name(metric)))))
        .collect();
    let row = |tag: &&str| {
        let is_source = entries.iter().any(|entry| entry.sources.contains(tag));
        let cells: String = entries
            .iter()
            .flat_map(|entry| metrics.iter().map(|metric| entry.score(tag, metric)))
            .map(|summary| format!("<td>{}</td>", mean_std(summary.as_ref())))
            .collect();
        format!(
            "<tr{}><th scope=\"row\">{} <span class=\"tag\">{}</span>{}</th>\
             <td>{}</td>{cells}</tr>\n",
            if is_source { " class=\"source\"" } else { "" },
            Text(language::name(tag).unwrap_or_default()),
            Text(tag),
            if is_source { " <em>source</em>" } else { "" },
            examples(entries, tag),
        )
    };
    let rows: String = comparison.languages.iter().map(row).collect();
    let means: String = entries
        .iter()
        .map(|entry| {
            let blanks = "<td></td>".repeat(metrics.len() - 1);
            format!("<td>{}</td>{blanks}", mean_std(entry.mean_target.as_ref()))
        })
        .collect();
    format!(
        "<div class=\"scroll\"><table><caption><span>Every language, in percent{}; \
         n counts the examples scored.</span></caption>\
         <thead><tr><th scope=\"col\" rowspan=\"2\">Language</th>\
         <th scope=\"col\" rowspan=\"2\">n</th>{recipe_heads}</tr>\
         <tr>{}</tr></thead>\n<tbody>{rows}</tbody>\n\
         <tfoot><tr><th scope=\"row\">Target mean</th><td></td>{means}</tr></tfoot></table></div>\n",
        over_seeds(comparison),
        metric_heads.repeat(entries.len()),
    )
}

/// Note on the summary over seeds; empty if there is only one seed.
fn over_seeds(comparison: &Comparison<'_>) -> &'static str {
    match comparison.has_seeds() {
        true => ", mean over seeds ± sample standard deviation",
        false => "",
    }
}

/// Metrics of the table: the main one, then the others that some language has.
fn metrics<'a>(comparison: &Comparison<'a>) -> Vec<&'a str> {
    let known = ["accuracy", "macro_f1", "span_f1", "precision", "recall", "las", "uas", "upos"];
    let present = known.into_iter().filter(|metric| {
        let in_language =
            |tag: &&str| comparison.entries.iter().any(|entry| entry.score(tag, metric).is_some());
        *metric != comparison.metric && comparison.languages.iter().any(in_language)
    });
    std::iter::once(comparison.metric).chain(present).collect()
}

/// Number of scored examples, as a range if runs differ, with those left out, truncated or without
/// a token.
fn examples(entries: &[Entry<'_>], tag: &str) -> String {
    let results = || entries.iter().flat_map(|entry| entry.language_results(tag));
    let least = results().map(|result| result.n).min().unwrap_or(0);
    let most = results().map(|result| result.n).max().unwrap_or(0);
    let n = if least == most { least.to_string() } else { format!("{least}–{most}") };
    let left_out = results().map(|result| result.left_out).max().unwrap_or(0);
    let truncated = results().map(|result| result.truncated).max().unwrap_or(0);
    let without_tokens = results().map(|result| result.without_tokens).max().unwrap_or(0);
    let notes =
        [(left_out, "left out"), (truncated, "cut short"), (without_tokens, "without a token")];
    let notes = notes.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}"));
    let mut notes: Vec<String> = notes.collect();
    let n_centred = results().filter(|result| result.centred).count();
    match n_centred {
        0 => {}
        n if n == results().count() => notes.push("centred".to_owned()),
        n => notes.push(format!("centred in {n} of {} runs", results().count())),
    }
    match notes.is_empty() {
        true => n,
        false => format!("<span class=\"std\">({})</span> {n}", notes.join(", ")),
    }
}

/// Environment table: values that all runs share, then those that differ.
pub(super) fn environment(recipes: &[Recipe<'_>]) -> String {
    let runs: Vec<_> = recipes
        .iter()
        .flat_map(|recipe| recipe.runs.iter().map(move |run| (recipe, *run)))
        .collect();
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in runs.iter().flat_map(|(_, run)| &run.environment) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let value = |at: usize, name: &str| -> Option<&str> {
        let (_, run) = runs[at];
        run.environment.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    };
    let (shared, differing): (Vec<&str>, Vec<&str>) = names
        .into_iter()
        .partition(|name| (1..runs.len()).all(|at| value(at, name) == value(0, name)));

    let rows: String = shared
        .iter()
        .map(|name| {
            format!(
                "<tr><th scope=\"row\">{}</th><td>{}</td></tr>\n",
                Text(&name.replace('_', " ")),
                Text(value(0, name).unwrap_or("–"))
            )
        })
        .collect();
    let whose = if runs.len() == 1 {
        "The run".to_owned()
    } else {
        format!("Shared by all {}", count(runs.len(), "run"))
    };
    let mut tables = format!(
        "<div class=\"scroll\"><table class=\"facts\"><caption><span>{whose}</span></caption>\
         <tbody>{rows}</tbody></table></div>\n"
    );
    if !differing.is_empty() {
        let heads: String = differing
            .iter()
            .map(|name| format!("<th scope=\"col\">{}</th>", Text(&name.replace('_', " "))))
            .collect();
        let rows: String = runs
            .iter()
            .enumerate()
            .map(|(at, (recipe, run))| {
                let cells = differing.iter().map(|name| value(at, name).unwrap_or("–"));
                let cells: String =
                    cells.map(|value| format!("<td>{}</td>", Text(value))).collect();
                let label = run_label(recipe, run);
                format!(
                    "<tr><th scope=\"row\">{}{}</th>{cells}</tr>\n",
                    swatch(recipe.color),
                    Text(&label)
                )
            })
            .collect();
        tables += &format!(
            "<div class=\"scroll\"><table class=\"facts\">\
             <caption><span>Where the runs differ</span></caption>\
             <thead><tr><th scope=\"col\">Run</th>{heads}</tr></thead>\n\
             <tbody>{rows}</tbody></table></div>\n"
        );
    }
    tables
}
