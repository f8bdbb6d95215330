//! `isogloss alignment`: cross-lingual alignment by layer, and its correlation with transfer.

use std::collections::BTreeMap;
use std::fs::File;

use anyhow::{Context, bail};
use isogloss::alignment::{
    AlignmentOptions, AlignmentReport, LanguageAlignment, Quantity, match_languages,
    measure_alignment, write_report,
};
use isogloss::correlation::{MIN_PAIRS, RESAMPLES};
use isogloss::text::{
    Alignment, Bitext, Dictionary, DictionaryAligner, FastAlignConfig, Language, LanguagePattern,
    SentencePair, Symmetrization, TextError, align_bidirectional, read_alignments, read_pair_file,
};
use isogloss::{DataReport, Results, TextEncoder};
use serde_json::json;

use super::{End, encoder_without_prompt};
use crate::args::AlignmentArgs;
use crate::wording::print_data_report;

pub(crate) fn run(args: &AlignmentArgs) -> anyhow::Result<End> {
    let patterns = [Some(&args.pairs), args.dictionaries.as_ref(), args.links.as_ref()];
    if let Some(path) = patterns.into_iter().flatten().find(|path| !path.has_language()) {
        bail!("{path}: expected a path with {} in it", LanguagePattern::LANGUAGE);
    }
    let languages = languages(args)?;
    // Before the model is loaded, so that a wrong path fails at once.
    let results = args.scores.as_deref().map(Results::read).transpose()?;
    let encoder = encoder_without_prompt(&args.model, &args.encoding.options())?;
    for layer in &args.layers.0 {
        encoder.check_layer(*layer)?;
    }
    let options = options(args);
    let mut report = AlignmentReport {
        model: args.model.model.clone(),
        source: args.source.to_string(),
        options,
        languages: BTreeMap::new(),
        measured_as: BTreeMap::new(),
        correlations: Vec::new(),
    };
    for language in &languages {
        let measured = measure(args, &encoder, &report.options, language)?;
        if !args.model.json {
            println!("{}", in_words(language, &measured));
        }
        report.languages.insert(language.to_string(), measured);
    }
    if let Some(results) = &results {
        let scores = results.target_scores();
        let (measured_as, unclear) = match_languages(scores.keys(), report.languages.keys());
        unclear.iter().for_each(|text| eprintln!("{text}"));
        report.measured_as = measured_as;
        report.correlate(&scores, args.encoding.seed);
        if !args.model.json {
            println!("{}", correlations(&report));
        }
    }
    let n_truncated = report.languages.values().map(|measured| measured.n_truncated).sum();
    let n = report.languages.values().map(|measured| measured.n_sentences).sum();
    let n_without_tokens = report.languages.values().map(|of| of.n_without_tokens).sum();
    let counts = DataReport { n, n_truncated, n_without_tokens, ..DataReport::default() };
    if args.model.json {
        let mut all = serde_json::to_value(&report)?;
        all["data"] = json!(counts);
        println!("{}", serde_json::to_string_pretty(&all)?);
    } else {
        print_data_report(&counts);
    }
    if let Some(path) = &args.out {
        write_report(&report, path)?;
    }
    Ok(End::Done)
}

fn options(args: &AlignmentArgs) -> AlignmentOptions {
    AlignmentOptions {
        layers: args.layers.0.clone(),
        n_sentences: (args.limit > 0).then_some(args.limit),
        n_words: args.word_pairs,
        word_vector: args.word_vector,
        form: args.words,
        distinct_words: args.distinct_words,
        scoring: args.scoring,
        seed: args.encoding.seed,
    }
}

/// Languages to measure: those of the flags, whose files must exist, or all that have pairs.
fn languages(args: &AlignmentArgs) -> anyhow::Result<Vec<Language>> {
    if args.languages.is_empty() {
        let mut found = args.pairs.all_languages()?;
        found.retain(|language| *language != args.source);
        if found.is_empty() {
            bail!("{}: no language has such a file", args.pairs);
        }
        return Ok(found);
    }
    let patterns = [Some(&args.pairs), args.dictionaries.as_ref(), args.links.as_ref()];
    for pattern in patterns.into_iter().flatten() {
        for language in &args.languages {
            let (path, language) = (pattern.find(language)?, language.clone());
            if !path.is_file() {
                let known = pattern.languages_with_file();
                return Err(TextError::MissingLanguage { path, language, known }.into());
            }
        }
    }
    Ok(args.languages.clone())
}

fn measure(
    args: &AlignmentArgs,
    encoder: &TextEncoder,
    options: &AlignmentOptions,
    language: &Language,
) -> anyhow::Result<LanguageAlignment> {
    let pairs = read_pair_file(&args.pairs.find(language)?, args.quoting)?;
    let links = if args.word_pairs > 0 { links(args, language, &pairs)? } else { None };
    Ok(measure_alignment(encoder, &pairs, links.as_deref(), options)?)
}

/// Word alignment of a pair, by the pair's index.
type Links<'a> = Box<dyn Fn(usize) -> Alignment + 'a>;

/// Word alignments of a language; `None`, with a note, if it has no file of them.
fn links<'a>(
    args: &AlignmentArgs,
    language: &Language,
    pairs: &'a [SentencePair],
) -> anyhow::Result<Option<Links<'a>>> {
    let pattern = args.dictionaries.as_ref().or(args.links.as_ref());
    let path = pattern.map(|pattern| pattern.find(language)).transpose()?;
    if let Some(path) = path.filter(|path| !path.is_file()) {
        eprintln!("{language}: no {}, so only sentences are measured", path.display());
        return Ok(None);
    }
    if let Some(pattern) = &args.dictionaries {
        let forward = Dictionary::read(&pattern.find(language)?)?;
        let backward = forward.inverted();
        let aligner = DictionaryAligner::new(forward, backward).with_form(args.words);
        return Ok(Some(Box::new(move |at| aligner.align(&pairs[at].left, &pairs[at].right))));
    }
    let alignments = match &args.links {
        Some(pattern) => {
            let path = pattern.find(language)?;
            let file = File::open(&path).with_context(|| path.display().to_string())?;
            let count = |text: &str| text.split_whitespace().count();
            let n_words: Vec<_> =
                pairs.iter().map(|pair| (count(&pair.left), count(&pair.right))).collect();
            read_alignments(file, &path, &n_words)?
        }
        None => {
            let texts = pairs.iter().map(|pair| (pair.left.as_str(), pair.right.as_str()));
            let bitext = Bitext::from_pairs(texts, args.words);
            let config = FastAlignConfig::default();
            align_bidirectional(&config, &bitext, Symmetrization::GrowDiagFinalAnd)
        }
    };
    Ok(Some(Box::new(move |at| alignments[at].clone())))
}

fn in_words(language: &Language, measured: &LanguageAlignment) -> String {
    let LanguageAlignment { n_sentences, n_words, n_searched, n_without_words, .. } = measured;
    let mut text = format!("{language}: {n_sentences} pairs of sentences");
    if *n_searched > 0 {
        text.push_str(&format!(
            ", {n_words} pairs of words from {n_searched} pairs of sentences \
             ({n_without_words} without any)"
        ));
    }
    if measured.n_words_cut_off > 0 {
        let n = measured.n_words_cut_off;
        text.push_str(&format!(", {n} pairs of words left out: one is cut off or has no token"));
    }
    if measured.n_repeated != [0, 0] {
        let [left, right] = measured.n_repeated;
        text.push_str(&format!(", repeated sentences {left} and {right}"));
    }
    text.push_str(&format!("\n{:<7}{:^18}{:^18}{:^18}", "layer", "retrieval", "weak", "strong"));
    for layer in &measured.layers {
        text.push_str(&format!("\n{:<7}", layer.layer));
        let words = layer.words.map(|words| [words.weak, words.strong]);
        for both in [layer.retrieval].into_iter().chain(words.into_iter().flatten()) {
            let (forward, backward) = (100.0 * both.forward, 100.0 * both.backward);
            text.push_str(&format!("{forward:>8.2}{backward:>8.2}  "));
        }
    }
    text.push('\n');
    text
}

fn correlations(report: &AlignmentReport) -> String {
    let n_languages = report.correlations.iter().map(|found| found.languages.len());
    let (least, most) = (n_languages.clone().min().unwrap_or(0), n_languages.max().unwrap_or(0));
    let n = if least == most { most.to_string() } else { format!("{least} to {most}") };
    let mut text = format!(
        "Spearman's ρ with the scores over {n} languages, 95 % interval of {RESAMPLES} resamples of \
         languages (percentiles);\nof few languages such an interval is too narrow, and languages \
         that are alike count for less than their number\n{:<7}",
        "layer"
    );
    if most < MIN_PAIRS {
        return format!("{n} languages have scores: too few for a rank correlation ({MIN_PAIRS})");
    }
    for quantity in Quantity::ALL {
        text.push_str(&format!("{:^24}", quantity.name()));
    }
    for layer in report.layers() {
        text.push_str(&format!("\n{layer:<7}"));
        for quantity in Quantity::ALL {
            let mut all = report.correlations.iter();
            let found = all.find(|found| (found.quantity, found.layer) == (quantity, layer));
            let cell = match found.and_then(|found| found.correlation) {
                Some(found) => format!("{:.2} [{:.2}, {:.2}]", found.rho, found.low, found.high),
                None => "–".to_owned(),
            };
            text.push_str(&format!("{cell:^24}"));
        }
    }
    text.push('\n');
    text
}
