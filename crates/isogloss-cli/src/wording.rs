//! Text format of numbers, scores and reports, the same for all commands.

use isogloss::device::DeviceInfo;
use isogloss::methods::SentenceEmbedding;
use isogloss::model::{LabelRows, Pooling, SentenceModules};
use isogloss::text::SegmentationComparison;
use isogloss::{Centring, CentringBy, DataReport, Scores, TrimReport};
use serde_json::{Value, json};

/// Formats a number of parameters.
pub(crate) fn size(n: usize) -> String {
    match n {
        0..1_000_000 => n.to_string(),
        _ => format!("{:.1} M", n as f64 / 1e6),
    }
}

/// Formats scores by name, shares in percent.
pub(crate) fn in_words(scores: &Scores) -> String {
    let word = |(name, score): (&str, f64)| match Scores::is_share(name) {
        true => format!("{} {:.2}", Scores::title(name), 100.0 * score),
        false => format!("{} {score:.4}", Scores::title(name)),
    };
    scores.iter().map(word).collect::<Vec<_>>().join(", ")
}

/// Data report as text: what was truncated, lost and left out, a line for each count that is not 0.
pub(crate) fn data_lines(report: &DataReport) -> Vec<String> {
    report.in_words().iter().map(|count| format!("{:<10}{}", count.fate, count.text)).collect()
}

/// Prints the data report to the standard error.
pub(crate) fn print_data_report(report: &DataReport) {
    data_lines(report).iter().for_each(|line| eprintln!("{line}"));
}

/// Prints the data report of a command whose output is a line a text: to the standard error, or as
/// a last line of JSON if anything was truncated, lost or left out.
pub(crate) fn print_counts(report: &DataReport, as_json: bool) {
    match as_json {
        true if data_lines(report).is_empty() => {}
        true => println!("{}", json!({ "data": report })),
        false => print_data_report(report),
    }
}

/// Flags of commands about labeled files, by the recipe key that says the same.
const FLAGS: [(&str, &str); 17] = [
    ("data.header = false", "--no-header"),
    ("data.format = \"conll\"", "--format conll"),
    ("data.quoting = \"none\"", "--quoting none"),
    ("data.tag_scheme = \"io\"", "--tag-scheme io"),
    ("data.tag_scheme", "--tag-scheme"),
    ("data.columns.text", "--text-column"),
    ("data.columns.pair", "--pair-column"),
    ("data.columns.label", "--label-column"),
    ("data.columns.slots", "--spans-column"),
    ("data.columns.split", "--split-column"),
    ("data.columns.word = 3", "--word-column 3"),
    ("data.columns.tag = \"4\"", "--tag-column 4"),
    ("data.columns.tag = \"10\"", "--tag-column 10"),
    ("data.columns.word", "--word-column"),
    ("data.columns.tag", "--tag-column"),
    ("data.label_names", "--label-names"),
    ("data.unseen_labels", "--unseen"),
];

/// Replaces the recipe keys in a message about a labeled file by the flags of a command that has no
/// recipe.
pub(crate) fn with_flags(message: &str) -> String {
    FLAGS.iter().fold(message.to_owned(), |message, (key, flag)| message.replace(key, flag))
}

/// Sentence embeddings of an objective beside those of the modules of its model, as text.
pub(crate) fn embedding_line(
    objective: &str,
    trained: &SentenceEmbedding,
    modules: &SentenceModules,
) -> String {
    let layer = trained.layer.map_or("the last layer".to_owned(), |n| format!("layer {n}"));
    let pooling = match trained.pooling {
        Pooling::Mean => "the mean",
        Pooling::FirstToken => "the first token",
    };
    let theirs = modules_in_words(modules);
    format!(
        "embedding {objective} trains {pooling} of {layer}; modules.json of the model says \
         {theirs}, and sentences are scored by that"
    )
}

/// How the teacher's sentence embeddings are made, as text.
pub(crate) fn teacher_line(modules: &SentenceModules) -> String {
    let prompt = modules.default_prompt.as_ref();
    let prompt = prompt.map(|prompt| format!("; its prompt {prompt:?} is not put before texts"));
    let prompt = prompt.unwrap_or_default();
    format!(
        "teacher   its modules.json makes its embeddings: {}{prompt}",
        modules_in_words(modules)
    )
}

fn modules_in_words(modules: &SentenceModules) -> String {
    let pooling = modules.pooling.unwrap_or_default().name();
    let dense = match modules.dense.len() {
        0 => String::new(),
        n => format!(", {n} dense layers"),
    };
    let case = if modules.do_lower_case { ", lower-cased texts" } else { "" };
    let kept = modules.truncate_dim.map(|n| format!(", the first {n} numbers of the vector"));
    format!("{pooling} pooling{dense}{}{case}", kept.unwrap_or_default())
}

/// Trim report as lines of text.
pub(crate) fn trim_lines(report: &TrimReport) -> Vec<String> {
    let [pieces, kept] = report.n_pieces;
    let lost = match report.n_lost_pieces {
        0 => String::new(),
        n => format!("; {n} others of the texts are not"),
    };
    let [parameters, left] = report.n_parameters.map(size);
    let [bytes, bytes_left] = report.n_bytes.map(|n| n as f64 / 1e6);
    let states = match report.states.largest_difference {
        0.0 => "bit-equal".to_owned(),
        difference => format!("equal to within {difference:.2e}"),
    };
    let mut lines = vec![
        format!(
            "pieces    {kept} of {pieces} are kept, {} of them in none of the texts{lost}",
            report.n_unseen_pieces
        ),
        format!("weights   {parameters} parameters to {left}, {bytes:.1} MB to {bytes_left:.1}"),
        format!("texts     {}", segmentation_in_words(&report.texts)),
    ];
    if let Some(unseen) = &report.unseen {
        lines.push(format!(
            "unseen    were a tenth of them not known: {}",
            segmentation_in_words(unseen)
        ));
    }
    if let Some(others) = &report.others {
        lines.push(format!("others    {}", segmentation_in_words(others)));
    }
    lines.push(format!("states    of {} texts, {states}", report.states.n_texts));
    lines
}

/// Comparison of the tokenization with the trimmed and with the whole vocabulary, as text.
fn segmentation_in_words(cuts: &SegmentationComparison) -> String {
    let SegmentationComparison {
        n_texts,
        n_tokens,
        n_tokens_trimmed,
        n_unknown,
        n_unknown_trimmed,
        ..
    } = cuts;
    let unknown = match (n_unknown, n_unknown_trimmed) {
        (0, 0) => String::new(),
        (before, after) => format!(", {after} of them unknown, {before} before"),
    };
    if cuts.n_changed == 0 {
        return format!("{n_texts}, all cut as before into {n_tokens} tokens{unknown}");
    }
    let share = 100.0 * cuts.n_changed as f64 / (*n_texts).max(1) as f64;
    let growth = 100.0 * (*n_tokens_trimmed as f64 / (*n_tokens).max(1) as f64 - 1.0);
    format!(
        "{n_texts}, {share:.1} % of them cut in another way, {n_tokens_trimmed} tokens ({growth:+.1} %){unknown}"
    )
}

/// Device properties as text: hardware, driver, limits.
pub(crate) fn device_properties(device: &DeviceInfo) -> String {
    let mut facts = vec![device.adapter.clone().unwrap_or_else(|| device.api.clone())];
    facts.extend(device.driver.clone());
    if let Some(threads) = device.threads {
        facts.push(format!("{threads} threads"));
    }
    if let Some(bytes) = device.max_buffer_bytes {
        facts.push(format!("buffers up to {} MB", bytes / 1_000_000));
    }
    facts.extend(device.kernel_language.map(|language| format!("kernels in {language}")));
    if let (Some(_), Some(path)) = (device.kernel_language, device.tuning_cache()) {
        facts.push(format!("tuned products kept in {}", path.display()));
    }
    if !device.matrix_units.is_empty() {
        facts.push(format!("matrix units for {}", device.matrix_units.join(", ")));
    }
    if device.is_software {
        facts.push("software".to_owned());
    }
    facts.join(", ")
}

/// Lines about frozen layers without dropout, and the methods that work by dropout.
pub(crate) fn frozen_lines(methods: &[&str]) -> Vec<String> {
    let mut lines =
        vec!["frozen    layers have no dropout, training.frozen.dropout = false".into()];
    if !methods.is_empty() {
        lines.push(format!(
            "warning   without dropout in frozen layers, less comes of what works by it: {}",
            methods.join(", ")
        ));
    }
    lines
}

/// Label rows of a saved head as text: a line each for those kept, moved and initialized anew.
pub(crate) fn row_lines(rows: &LabelRows) -> Vec<String> {
    let fates = [
        ("kept      labels", &rows.kept),
        ("moved     labels", &rows.moved),
        ("drawn     labels", &rows.drawn),
    ];
    let fates = fates.into_iter().filter(|(_, labels)| !labels.is_empty());
    fates.map(|(fate, labels)| format!("{fate} {}", labels.join(", "))).collect()
}

/// The rows that a centring is estimated from, as JSON.
pub(crate) fn centring_json(centring: &Centring) -> Value {
    let languages = centring.languages.iter();
    let n_rows: serde_json::Map<_, _> =
        languages.map(|(language, of)| (language.to_string(), json!(of.n))).collect();
    json!({
        "by": centring.by, "sources": centring.sources, "n_source_rows": centring.source.n,
        "n_rows": n_rows,
    })
}

/// A centring in words.
pub(crate) fn centring_in_words(centring: &Centring) -> String {
    let by = match centring.by {
        CentringBy::Mean => "by the mean",
        CentringBy::MeanAndDeviation => "by mean and deviation",
    };
    let sources: Vec<_> = centring.sources.iter().map(ToString::to_string).collect();
    let languages = centring.languages.iter();
    let languages: Vec<_> = languages.map(|(tag, of)| format!("{tag} ({})", of.n)).collect();
    let (sources, n) = (sources.join(", "), centring.source.n);
    format!("{by} onto {sources} ({n} vectors): {}", languages.join(", "))
}
