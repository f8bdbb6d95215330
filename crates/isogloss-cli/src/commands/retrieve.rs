//! `isogloss retrieve`: sentence retrieval, and mining of parallel sentences.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use isogloss::retrieval::{PairTexts, mine};
use isogloss::search::Vectors;
use isogloss::text::{SentencePair, read_pair_file, read_sentence_file};
use isogloss::{DataReport, TextEncoder, TokenizedText};
use serde_json::json;

use super::output::Output;
use super::{End, encoder_without_prompt, up_to_layer};
use crate::args::RetrieveArgs;
use crate::wording::print_counts;

pub(crate) fn run(args: &RetrieveArgs) -> anyhow::Result<End> {
    if args.model.json && args.mine.is_some() && args.out.is_none() {
        bail!("--json and --mine write to the standard output both: give --out");
    }
    let inputs = args.pairs.iter().chain(&args.left).chain(&args.right);
    let mut out = Output::new(args.out.as_deref(), inputs)?;
    let files = args.pairs.iter().map(|path| Ok((path, read_pair_file(path, args.quoting)?)));
    let files: Vec<_> = files.collect::<anyhow::Result<_>>()?;
    let more = [sentences(args.left.as_ref())?, sentences(args.right.as_ref())?];
    let encoder = encoder_without_prompt(&args.model, &args.encoding.options())?;
    let last = encoder.n_layers() - 1;
    let (encoder, layer) = up_to_layer(encoder, args.layer)?;
    if !args.model.json && args.mine.is_none() {
        let pooling = encoder.pooling().name();
        println!("layer {layer} of {last}, {pooling} pooling, accuracy in percent\n");
        println!("{:<28}{:>8}{:>11}{:>11}{:>11}", "pairs", "n", "forward", "backward", "mean");
    }
    let mut report = DataReport::default();
    for (path, pairs) in &files {
        let texts = sample_pairs(args, pairs).among(more.each_ref().map(|side| texts_of(side)));
        let counts = match args.mine {
            None => score(args, &encoder, layer, path, &texts)?,
            Some(threshold) => {
                write_mined(args, &encoder, layer, path, &texts, threshold, &mut out)?
            }
        };
        report.add(&counts);
    }
    print_counts(&report, args.model.json);
    Ok(End::Done)
}

fn sentences(path: Option<&PathBuf>) -> anyhow::Result<Vec<String>> {
    Ok(path.map(|path| read_sentence_file(path)).transpose()?.unwrap_or_default())
}

fn texts_of(sentences: &[String]) -> Vec<&str> {
    sentences.iter().map(String::as_str).collect()
}

fn sample_pairs<'a>(args: &RetrieveArgs, pairs: &'a [SentencePair]) -> PairTexts<'a> {
    let limit = (args.limit > 0).then_some(args.limit);
    let order = isogloss::sample_indices(pairs.len(), limit, args.encoding.seed);
    order.iter().map(|at| (pairs[*at].left.as_str(), pairs[*at].right.as_str())).collect()
}

/// Normalized sentence embeddings of texts, and the counts of truncated texts and of those without a
/// token.
fn vectors(
    encoder: &TextEncoder,
    layer: usize,
    texts: &[TokenizedText],
) -> anyhow::Result<(Vectors, DataReport)> {
    let counts = DataReport::from_texts(texts);
    let encoded = encoder.encode(texts, &[], &[layer])?.pop();
    let sentences = encoded.context("one layer was asked for")?.sentences;
    Ok((sentences.normalized(), counts))
}

/// Evaluates retrieval on pairs; returns the counts of texts, as mining does.
fn score(
    args: &RetrieveArgs,
    encoder: &TextEncoder,
    layer: usize,
    path: &Path,
    texts: &PairTexts<'_>,
) -> anyhow::Result<DataReport> {
    let tokenized = [encoder.tokenize(texts.left())?, encoder.tokenize(texts.right())?];
    let [(left, of_left), (right, of_right)] =
        [vectors(encoder, layer, &tokenized[0])?, vectors(encoder, layer, &tokenized[1])?];
    let texts = texts.clone().with_tokens([&tokenized[0], &tokenized[1]]);
    let accuracy = texts.accuracy(&left, &right, args.scoring, encoder.device());
    let (n, n_repeated) = (texts.left().len(), texts.n_repeated());
    let counts: DataReport = [&of_left, &of_right].into_iter().collect();
    if args.model.json {
        let line = json!({
            "pairs": path, "layer": layer, "pooling": encoder.pooling().name(),
            "scoring": args.scoring, "n": n, "accuracy": accuracy,
            "n_repeated": n_repeated, "n_truncated": counts.n_truncated,
            "n_without_tokens": counts.n_without_tokens,
        });
        println!("{line}");
        return Ok(counts);
    }
    let [forward, backward, mean] =
        [accuracy.forward, accuracy.backward, accuracy.mean()].map(|share| 100.0 * share);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    println!("{name:<28}{n:>8}{forward:>11.2}{backward:>11.2}{mean:>11.2}");
    if n_repeated != [0, 0] {
        let [left, right] = n_repeated;
        eprintln!("{name}: repeated texts {left} and {right}; one equal to the translation counts");
    }
    Ok(counts)
}

fn write_mined(
    args: &RetrieveArgs,
    encoder: &TextEncoder,
    layer: usize,
    path: &Path,
    texts: &PairTexts<'_>,
    threshold: f32,
    out: &mut Output,
) -> anyhow::Result<DataReport> {
    let sides = texts.unpaired();
    let (left, of_left) = vectors(encoder, layer, &encoder.tokenize(&sides[0])?)?;
    let (right, of_right) = vectors(encoder, layer, &encoder.tokenize(&sides[1])?)?;
    let mined = mine(&left, &right, threshold, encoder.device());
    out.write(|to| {
        mined.iter().try_for_each(|pair| {
            let (left, right) = (sides[0][pair.left], sides[1][pair.right]);
            writeln!(to, "{:.4}\t{left}\t{right}", pair.margin)
        })
    })?;
    let scores = texts.score_mined(&mined);
    let [n_left, n_right] = sides.each_ref().map(Vec::len);
    let counts: DataReport = [&of_left, &of_right].into_iter().collect();
    if args.model.json {
        let line = json!({
            "pairs": path, "layer": layer, "n_left": n_left, "n_right": n_right,
            "n_mined": mined.len(), "scores": scores, "n_truncated": counts.n_truncated,
            "n_without_tokens": counts.n_without_tokens,
        });
        println!("{line}");
        return Ok(counts);
    }
    let [precision, recall, f1] =
        [scores.precision, scores.recall, scores.f1].map(|score| 100.0 * score);
    eprintln!(
        "{}: {} pairs from {n_left} and {n_right} texts; precision {precision:.2}, recall {recall:.2}, F1 {f1:.2}",
        path.display(),
        mined.len(),
    );
    Ok(counts)
}
