//! Score tables for a paper: method × language, as Markdown, LaTeX or CSV.

use crate::group::{Comparison, Entry, comparisons, recipes};
use crate::html::{metric_name, percent};
use crate::record::RunRecord;
use crate::summary::MeanStd;

/// Format of a score table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableFormat {
    /// Markdown: a table for each task, metric and test data.
    Markdown,
    /// LaTeX with the package `booktabs`: a `tabular` for each task, metric and test data.
    Latex,
    /// CSV: a line for each task, metric, test data, method and language, with shares from 0 to 1.
    Csv,
}

/// Score table: the scores of finished runs by method and language, as mean ± sample standard deviation
/// over seeds; the sources first, then the other languages by tag, then the mean over the others, and that
/// after few-shot training. Runs on
/// other test data are in tables of their own. In Markdown and LaTeX scores are in percent, and the
/// best of a column is bold.
pub fn score_table(runs: &[RunRecord], format: TableFormat) -> String {
    let recipes = recipes(runs);
    let comparisons = comparisons(&recipes);
    match format {
        TableFormat::Markdown => blocks(&comparisons, markdown),
        TableFormat::Latex => blocks(&comparisons, latex),
        TableFormat::Csv => csv(&comparisons),
    }
}

fn blocks(comparisons: &[Comparison<'_>], block: fn(&Comparison<'_>) -> String) -> String {
    comparisons.iter().map(block).collect::<Vec<_>>().join("\n")
}

/// Column of scores: a language, or the mean over the target languages.
struct Column<'a> {
    /// The language; `None` for a mean.
    language: Option<&'a str>,
    /// Header of a mean.
    mean: &'static str,
    is_source: bool,
    /// Whether the scores are comparable: the best is bold.
    has_best: bool,
    /// The score of each method.
    scores: Vec<Option<MeanStd>>,
}

impl Column<'_> {
    fn head(&self) -> &str {
        self.language.unwrap_or(self.mean)
    }

    /// Cells in percent; `bold` marks the best of several.
    fn cells(&self, none: &str, plus_minus: &str, bold: fn(String) -> String) -> Vec<String> {
        let means = self.scores.iter().flatten().map(|score| score.mean);
        let best = means.reduce(f64::max).filter(|_| self.has_best && self.scores.len() > 1);
        let cell = |score: &Option<MeanStd>| {
            let Some(MeanStd { mean, std, .. }) = score else { return none.to_owned() };
            let std = std.map(|std| format!("{plus_minus}{}", percent(std)));
            let text = percent(*mean) + &std.unwrap_or_default();
            if Some(*mean) == best { bold(text) } else { text }
        };
        self.scores.iter().map(cell).collect()
    }
}

fn columns<'a>(comparison: &Comparison<'a>) -> Vec<Column<'a>> {
    let entries = &comparison.entries;
    let is_source = |language: &str| entries.iter().any(|entry| is_source_of(entry, language));
    let mut languages = comparison.languages.clone();
    languages.sort_unstable_by_key(|language| (!is_source(language), *language));
    let of_language = languages.into_iter().map(|language| Column {
        language: Some(language),
        mean: "",
        is_source: is_source(language),
        has_best: entries.iter().all(|entry| is_source_of(entry, language) == is_source(language)),
        scores: entries.iter().map(|entry| entry.score(language, comparison.metric)).collect(),
    });
    let mut columns: Vec<Column<'a>> = of_language.collect();
    let has_best = has_equal_languages(&columns) && has_equal_sources(entries);
    let mean = |mean, value: fn(&Entry<'a>) -> Option<MeanStd>| {
        let scores = entries.iter().map(value).collect();
        Column { language: None, mean, is_source: false, has_best, scores }
    };
    columns.push(mean("mean", |entry| entry.mean_target));
    if entries.iter().any(|entry| entry.mean_few_shot.is_some()) {
        columns.push(mean("few-shot mean", |entry| entry.mean_few_shot));
    }
    columns
}

fn is_source_of(entry: &Entry<'_>, language: &str) -> bool {
    entry.sources.contains(&language)
}

/// Whether all methods were trained on the same languages, so that the others are the same too.
fn has_equal_sources(entries: &[Entry<'_>]) -> bool {
    entries.windows(2).all(|pair| pair[0].sources == pair[1].sources)
}

/// Whether all methods were scored in all languages, so that their means are of the same languages.
fn has_equal_languages(columns: &[Column<'_>]) -> bool {
    columns.iter().flat_map(|column| &column.scores).all(Option::is_some)
}

fn title(comparison: &Comparison<'_>) -> String {
    let data = match comparison.number {
        0 => String::new(),
        number => format!(", data {number}"),
    };
    format!("{}, {}{data}", comparison.task, metric_name(comparison.metric))
}

/// What the numbers are, in words.
fn note(comparison: &Comparison<'_>) -> String {
    let deviation = match comparison.has_seeds() {
        true => ", mean ± standard deviation over seeds",
        false => "",
    };
    let columns = columns(comparison);
    let sources = columns.iter().filter(|column| column.is_source);
    let sources: Vec<&str> = sources.filter_map(|column| column.language).collect();
    let sources = match sources.is_empty() {
        true => String::new(),
        false if !has_equal_sources(&comparison.entries) => {
            let of =
                |entry: &Entry<'_>| format!("{}: {}", entry.recipe.label, entry.sources.join(", "));
            let of_each: Vec<String> = comparison.entries.iter().map(of).collect();
            format!("; trained on other languages ({}), mean over the others", of_each.join("; "))
        }
        false => format!("; trained on {}, mean over the other languages", sources.join(", ")),
    };
    let n_languages = columns.iter().filter(|column| column.language.is_some()).count();
    let is_even =
        has_equal_languages(&columns[..n_languages]) && has_equal_sources(&comparison.entries);
    let uneven = match is_even {
        true => "",
        false => ", each method's own",
    };
    format!("in percent{deviation}{sources}{uneven}")
}

fn method(entry: &Entry<'_>) -> String {
    match entry.runs.len() {
        1 => entry.recipe.label.clone(),
        n => format!("{} ({n} seeds)", entry.recipe.label),
    }
}

/// Rows of cells, a row for each method, from columns.
fn rows(columns: &[Vec<String>], n_methods: usize) -> Vec<Vec<&str>> {
    (0..n_methods).map(|at| columns.iter().map(|cells| cells[at].as_str()).collect()).collect()
}

fn markdown(comparison: &Comparison<'_>) -> String {
    let columns = columns(comparison);
    let heads: Vec<&str> = columns.iter().map(Column::head).collect();
    let cells =
        columns.iter().map(|column| column.cells("–", " ± ", |text| format!("**{text}**")));
    let cells: Vec<Vec<String>> = cells.collect();
    let escaped = |text: &str| text.replace('\\', "\\\\").replace('|', "\\|");
    let mut text = format!("{}, {}:\n\n", title(comparison), note(comparison));
    text += &format!("| method | {} |\n", heads.join(" | "));
    text += &format!("|---|{}\n", "---:|".repeat(heads.len()));
    for (entry, row) in comparison.entries.iter().zip(rows(&cells, comparison.entries.len())) {
        text += &format!("| {} | {} |\n", escaped(&method(entry)), row.join(" | "));
    }
    text
}

fn latex(comparison: &Comparison<'_>) -> String {
    let columns = columns(comparison);
    let heads: Vec<String> = columns.iter().map(|column| escape_latex(column.head())).collect();
    let bold = |text: String| format!("\\textbf{{{text}}}");
    let cells = columns.iter().map(|column| column.cells("--", " {\\small$\\pm$}", bold));
    let cells: Vec<Vec<String>> = cells.collect();
    let mut text = format!("% {}, {}\n", title(comparison), note(comparison));
    text += &format!("\\begin{{tabular}}{{l{}}}\n\\toprule\n", "r".repeat(heads.len()));
    text += &format!("Method & {} \\\\\n\\midrule\n", heads.join(" & "));
    for (entry, row) in comparison.entries.iter().zip(rows(&cells, comparison.entries.len())) {
        let row = row.join(" & ").replace('−', "$-$");
        text += &format!("{} & {row} \\\\\n", escape_latex(&method(entry)));
    }
    text + "\\bottomrule\n\\end{tabular}\n"
}

fn escape_latex(text: &str) -> String {
    let escape = |character: char| match character {
        '\\' => "\\textbackslash{}".to_owned(),
        '~' => "\\textasciitilde{}".to_owned(),
        '^' => "\\textasciicircum{}".to_owned(),
        '&' | '%' | '$' | '#' | '_' | '{' | '}' => format!("\\{character}"),
        other => other.to_string(),
    };
    text.chars().map(escape).collect()
}

fn csv(comparisons: &[Comparison<'_>]) -> String {
    let mut text = "task,metric,data,method,language,is_source,n_seeds,mean,std\n".to_owned();
    for comparison in comparisons {
        for column in columns(comparison) {
            for (entry, score) in comparison.entries.iter().zip(&column.scores) {
                let Some(MeanStd { n, mean, std }) = score else { continue };
                let cells = [
                    comparison.task.to_owned(),
                    comparison.metric.to_owned(),
                    comparison.number.max(1).to_string(),
                    entry.recipe.label.clone(),
                    column.head().to_owned(),
                    column.language.is_some_and(|of| is_source_of(entry, of)).to_string(),
                    n.to_string(),
                    mean.to_string(),
                    std.map_or_else(String::new, |std| std.to_string()),
                ];
                text += &(cells.map(quoted).join(",") + "\n");
            }
        }
    }
    text
}

/// A cell of CSV (RFC 4180), in quotes where it needs them.
fn quoted(cell: String) -> String {
    match cell.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example_runs::{METRICS, load, results, run};

    /// Two seeds of `plain`, and one of `r_drop`, in en and de.
    fn records(root: &std::path::Path) -> Vec<RunRecord> {
        let results = |source, target| results(source, target).replace("x<y", "de");
        let runs = [
            run(root, "plain/seed-1", METRICS, &results(0.80, 0.40)),
            run(root, "plain/seed-2", METRICS, &results(0.84, 0.50)),
            run(root, "r_drop/seed-1", METRICS, &results(0.81, 0.60)),
        ];
        runs.iter().map(|folder| load(folder)).collect()
    }

    #[test]
    fn markdown_has_a_row_for_each_method() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(
            score_table(&records(root.path()), TableFormat::Markdown),
            "classification, accuracy, in percent, mean ± standard deviation over seeds; trained on \
             en, mean over the other languages:\n\n\
             | method | en | de | mean |\n\
             |---|---:|---:|---:|\n\
             | plain (2 seeds) | **82.0 ± 2.8** | 45.0 ± 7.1 | 45.0 ± 7.1 |\n\
             | r_drop | 81.0 | **60.0** | **60.0** |\n"
        );
    }

    #[test]
    fn latex_escapes_names() {
        let root = tempfile::tempdir().unwrap();
        let table = score_table(&records(root.path()), TableFormat::Latex);
        let row = "r\\_drop & 81.0 & \\textbf{60.0} & \\textbf{60.0} \\\\\n";
        assert!(table.contains(row), "{table}");
        assert!(
            table.contains("\\begin{tabular}{lrrr}\n\\toprule\nMethod & en & de & mean \\\\\n")
        );
        assert!(table.contains("\\textbf{82.0 {\\small$\\pm$}2.8}"), "{table}");
    }

    #[test]
    fn csv_has_a_line_for_each_score() {
        let root = tempfile::tempdir().unwrap();
        let table = score_table(&records(root.path()), TableFormat::Csv);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 7);
        assert_eq!(lines[0], "task,metric,data,method,language,is_source,n_seeds,mean,std");
        let start = "classification,accuracy,1,plain,en,true,2,";
        let numbers = lines[1].strip_prefix(start).unwrap().split_once(',').unwrap();
        let (mean, std) = (numbers.0.parse::<f64>().unwrap(), numbers.1.parse::<f64>().unwrap());
        assert!((mean - 0.82).abs() < 1e-12 && (std - 0.0008f64.sqrt()).abs() < 1e-12);
        assert_eq!(lines[4], "classification,accuracy,1,r_drop,de,false,1,0.6,");
        assert_eq!(lines[6], "classification,accuracy,1,r_drop,mean,false,1,0.6,");
    }

    #[test]
    fn a_method_that_was_not_scored_in_a_language_has_no_score_there() {
        let root = tempfile::tempdir().unwrap();
        let mut runs = records(root.path());
        let other = results(0.7, 0.3).replace("x<y", "fi");
        runs.push(load(&run(root.path(), "a|b/seed-1", METRICS, &other)));
        let table = score_table(&runs, TableFormat::Markdown);
        assert!(table.contains("| method | en | de | fi | mean |"), "{table}");
        assert!(table.contains("| a\\|b | 70.0 | – | **30.0** | 30.0 |"), "{table}");
        // The means are of other languages.
        assert!(table.contains("mean over the other languages, each method's own:"), "{table}");
        assert!(table.contains("| r_drop | 81.0 | **60.0** | – | 60.0 |"), "{table}");
    }

    #[test]
    fn few_shot_means_have_a_column() {
        let root = tempfile::tempdir().unwrap();
        let mut runs = records(root.path());
        let shots = results(0.7, 0.3).replace("x<y", "de");
        let shots = shots.replace("\"n_targets\"", "\"mean_few_shot\": 0.45, \"n_targets\"");
        runs.push(load(&run(root.path(), "shots/seed-1", METRICS, &shots)));
        let table = score_table(&runs, TableFormat::Markdown);
        assert!(table.contains("| method | en | de | mean | few-shot mean |"), "{table}");
        assert!(table.contains("| shots | 70.0 | 30.0 | 30.0 | **45.0** |"), "{table}");
        assert!(table.contains("| r_drop | 81.0 | **60.0** | **60.0** | – |"), "{table}");
    }

    #[test]
    fn means_of_methods_with_other_sources_are_not_compared() {
        let root = tempfile::tempdir().unwrap();
        let mut runs = records(root.path());
        let both = results(0.7, 0.9).replace("x<y", "de").replace("[\"en\"]", "[\"en\", \"de\"]");
        runs.push(load(&run(root.path(), "both/seed-1", METRICS, &both)));
        let table = score_table(&runs, TableFormat::Markdown);
        let caption = "trained on other languages (plain: en; r_drop: en; both: en, de), mean over the \
                       others, each method's own";
        assert!(table.contains(caption), "{table}");
        assert!(table.contains("| r_drop | 60.0 | 81.0 | 60.0 |"), "{table}");
        let csv = score_table(&runs, TableFormat::Csv);
        assert!(
            csv.contains(",r_drop,de,false,1,0.6,") && csv.contains(",both,de,true,1,0.9,"),
            "{csv}"
        );
    }

    #[test]
    fn runs_on_other_data_have_a_table_of_their_own() {
        let root = tempfile::tempdir().unwrap();
        let mut runs = records(root.path());
        let other = results(0.7, 0.3).replace("x<y", "de").replace("\"n\": 10,", "\"n\": 90,");
        runs.push(load(&run(root.path(), "large/seed-1", METRICS, &other)));
        let table = score_table(&runs, TableFormat::Markdown);
        assert_eq!(table.matches("|---|").count(), 2);
        assert!(table.contains("accuracy, data 2, in percent; trained on en"), "{table}");
        let csv = score_table(&runs, TableFormat::Csv);
        assert!(csv.contains("classification,accuracy,2,large,en,true,1,0.7,\n"), "{csv}");
    }
}
