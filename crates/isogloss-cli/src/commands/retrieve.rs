//! `isogloss retrieve`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Context;
use isogloss::TextEncoder;
use isogloss::retrieval::{PairTexts, mine};
use isogloss::search::Vectors;
use isogloss::text::{SentencePair, read_pair_file};
use serde_json::json;

use super::{End, text_encoder};
use crate::args::RetrieveArgs;

pub(crate) fn run(args: &RetrieveArgs) -> anyhow::Result<End> {
    let encoder = text_encoder(&args.model, &args.encoding)?;
    let last = encoder.n_layers() - 1;
    let layer = args.layer.unwrap_or(last);
    let encoder = encoder.up_to_layer(layer)?;
    let mut out: Box<dyn Write> = match &args.out {
        None => Box::new(BufWriter::new(std::io::stdout())),
        Some(path) => Box::new(BufWriter::new(
            File::create(path).with_context(|| path.display().to_string())?,
        )),
    };
    if !args.model.json && args.mine.is_none() {
        println!("layer {layer} of {last}, accuracy in percent\n");
        println!("{:<28}{:>8}{:>11}{:>11}{:>11}", "pairs", "n", "forward", "backward", "mean");
    }
    for path in &args.pairs {
        let pairs = read_pair_file(path)?;
        let texts = drawn(args, &pairs);
        match args.mine {
            None => score(args, &encoder, layer, path, &texts)?,
            Some(threshold) => write_mined(&encoder, layer, path, &texts, threshold, &mut out)?,
        }
    }
    out.flush()?;
    Ok(End::Done)
}

fn drawn<'a>(args: &RetrieveArgs, pairs: &'a [SentencePair]) -> PairTexts<'a> {
    let limit = (args.limit > 0).then_some(args.limit);
    let order = isogloss::drawn(pairs.len(), limit, args.encoding.seed);
    order.iter().map(|at| (pairs[*at].left.as_str(), pairs[*at].right.as_str())).collect()
}

/// Normalized vectors of texts, and how many of them were cut.
fn vectors(
    encoder: &TextEncoder,
    layer: usize,
    texts: &[&str],
) -> anyhow::Result<(Vectors, usize)> {
    let texts = encoder.tokenize(texts)?;
    let n_truncated = texts.iter().filter(|text| text.is_truncated()).count();
    let encoded = encoder.encode(&texts, &[], &[layer])?.pop();
    let sentences = encoded.context("one layer was asked for")?.sentences;
    Ok((sentences.normalized(), n_truncated))
}

fn score(
    args: &RetrieveArgs,
    encoder: &TextEncoder,
    layer: usize,
    path: &Path,
    texts: &PairTexts<'_>,
) -> anyhow::Result<()> {
    let (left, n_left_truncated) = vectors(encoder, layer, texts.left())?;
    let (right, n_right_truncated) = vectors(encoder, layer, texts.right())?;
    let accuracy = texts.accuracy(&left, &right, args.scoring, encoder.device());
    let (n, n_repeated) = (texts.left().len(), texts.n_repeated());
    let n_truncated = n_left_truncated + n_right_truncated;
    if args.model.json {
        let line = json!({
            "pairs": path, "layer": layer, "scoring": args.scoring, "n": n, "accuracy": accuracy,
            "n_repeated": n_repeated, "n_truncated": n_truncated,
        });
        println!("{line}");
        return Ok(());
    }
    let [forward, backward, mean] =
        [accuracy.forward, accuracy.backward, accuracy.mean()].map(|share| 100.0 * share);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    println!("{name:<28}{n:>8}{forward:>11.2}{backward:>11.2}{mean:>11.2}");
    if n_repeated != [0, 0] {
        let [left, right] = n_repeated;
        eprintln!("{name}: repeated texts {left} and {right}; one equal to the translation counts");
    }
    if n_truncated > 0 {
        eprintln!("{name}: the ends of {n_truncated} texts were cut off");
    }
    Ok(())
}

fn write_mined(
    encoder: &TextEncoder,
    layer: usize,
    path: &Path,
    texts: &PairTexts<'_>,
    threshold: f32,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let sides = texts.unpaired();
    let (left, _) = vectors(encoder, layer, &sides[0])?;
    let (right, _) = vectors(encoder, layer, &sides[1])?;
    let mined = mine(&left, &right, threshold, encoder.device());
    for pair in &mined {
        let (left, right) = (sides[0][pair.left], sides[1][pair.right]);
        writeln!(out, "{:.4}\t{left}\t{right}", pair.margin)?;
    }
    let scores = texts.score_mined(&mined);
    let [precision, recall, f1] =
        [scores.precision, scores.recall, scores.f1].map(|score| 100.0 * score);
    eprintln!(
        "{}: {} pairs from {} and {} texts; precision {precision:.2}, recall {recall:.2}, F1 {f1:.2}",
        path.display(),
        mined.len(),
        sides[0].len(),
        sides[1].len()
    );
    Ok(())
}
