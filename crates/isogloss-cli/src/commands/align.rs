//! `isogloss align`: word alignment of parallel texts.

use std::fs::File;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use isogloss::text::{
    Alignment, AlignmentScores, Bitext, Dictionary, DictionaryAligner, FastAlignConfig,
    SentencePair, align_bidirectional, read_gold_alignments, read_pair_file,
};
use isogloss::{DataReport, EncoderAligner, TextEncoder};
use serde_json::{Value, json};

use super::output::Output;
use super::{End, model_folder_for};
use crate::args::AlignArgs;
use crate::wording::print_data_report;

/// Number of forward passes after which alignments are written.
const PASSES_AT_ONCE: usize = 32;
/// Number of pairs after which alignments by a dictionary are written.
const LOOKED_UP_AT_ONCE: usize = 16_384;

pub(crate) fn run(args: &AlignArgs) -> anyhow::Result<End> {
    let pairs = read_pair_file(&args.pairs, args.quoting)?;
    let inputs = [Some(&args.pairs), args.dictionary.as_ref(), args.reverse_dictionary.as_ref()];
    let inputs = inputs.into_iter().flatten().chain(&args.learn_from).chain(&args.gold);
    let mut out = Output::new(args.out.as_deref(), inputs)?;
    let mut alignments = Vec::with_capacity(pairs.len());
    let mut write = |found: Vec<Alignment>| {
        let of_pairs = pairs[alignments.len()..].iter().zip(&found);
        out.write(|to| {
            of_pairs.into_iter().try_for_each(|(pair, links)| match args.json {
                true => writeln!(to, "{}", pair_json(pair, links)),
                false => writeln!(to, "{links}"),
            })
        })?;
        alignments.extend(found);
        Ok(())
    };
    let mut report = DataReport { n: pairs.len(), ..DataReport::default() };
    let per_second = match (&args.model, &args.dictionary) {
        (Some(model), _) => by_encoder(args, model, &pairs, &mut write, &mut report)?,
        (None, Some(dictionary)) => by_dictionary(args, dictionary, &pairs, &mut write)?,
        (None, None) => by_model(args, &pairs, &mut write)?,
    };
    let n_links: usize = alignments.iter().map(Alignment::len).sum();
    let scores = args.gold.as_ref().map(|path| scores(path, &pairs, &alignments)).transpose()?;
    if args.json {
        let scores = scores.map(|scores| {
            json!({ "error_rate": scores.error_rate, "precision": scores.precision,
                "recall": scores.recall })
        });
        println!("{}", json!({ "n_links": n_links, "scores": scores, "data": report }));
        return Ok(End::Done);
    }
    eprintln!("{} pairs, {n_links} links, {per_second:.0} pairs a second", pairs.len());
    if let Some(scores) = scores {
        let [error_rate, precision, recall] =
            [scores.error_rate, scores.precision, scores.recall].map(|score| 100.0 * score);
        eprintln!(
            "alignment error rate {error_rate:.2}, precision {precision:.2}, recall {recall:.2}"
        );
    }
    print_data_report(&report);
    Ok(End::Done)
}

/// Links of a pair as JSON: its texts, and the positions of linked words, from 0.
fn pair_json(pair: &SentencePair, links: &Alignment) -> Value {
    let links: Vec<_> = links.links().iter().map(|link| [link.0, link.1]).collect();
    json!({ "left": pair.left, "right": pair.right, "links": links })
}

/// Callback that receives the alignments of the next pairs.
type WriteLinks<'a> = &'a mut dyn FnMut(Vec<Alignment>) -> anyhow::Result<()>;

/// Word alignment by a dictionary; returns the pairs aligned per second, as the other aligners do.
fn by_dictionary(
    args: &AlignArgs,
    path: &Path,
    pairs: &[SentencePair],
    write: WriteLinks<'_>,
) -> anyhow::Result<f64> {
    let forward = Dictionary::read(path)?;
    let backward = match &args.reverse_dictionary {
        Some(path) => Dictionary::read(path)?,
        None => forward.inverted(),
    };
    let aligner = DictionaryAligner::new(forward, backward);
    let aligner = aligner.with_form(args.words).with_rule(args.dictionary_rule);
    let began = Instant::now();
    pairs.chunks(LOOKED_UP_AT_ONCE).try_for_each(|pairs| write(aligner.align_all(pairs)))?;
    Ok(pairs.len() as f64 / began.elapsed().as_secs_f64())
}

fn by_model(
    args: &AlignArgs,
    pairs: &[SentencePair],
    write: WriteLinks<'_>,
) -> anyhow::Result<f64> {
    let config = FastAlignConfig { iterations: args.iterations, ..FastAlignConfig::default() };
    if let Some((field, problem)) = config.faults().into_iter().next() {
        bail!("--{field}: {problem}");
    }
    let more = args.learn_from.iter().map(|path| read_pair_file(path, args.quoting));
    let more: Vec<Vec<SentencePair>> = more.collect::<Result<_, _>>()?;
    let texts = pairs.iter().chain(more.iter().flatten());
    let texts = texts.map(|pair| (pair.left.as_str(), pair.right.as_str()));
    let began = Instant::now();
    let bitext = Bitext::from_pairs(texts, args.words);
    let mut alignments = align_bidirectional(&config, &bitext, args.symmetrization);
    let per_second = alignments.len() as f64 / began.elapsed().as_secs_f64();
    alignments.truncate(pairs.len());
    write(alignments)?;
    Ok(per_second)
}

fn by_encoder(
    args: &AlignArgs,
    model: &str,
    pairs: &[SentencePair],
    write: WriteLinks<'_>,
    report: &mut DataReport,
) -> anyhow::Result<f64> {
    let device = args.device.open()?;
    let folder = model_folder_for(&device, model, &args.hub)?;
    let encoder = TextEncoder::load(&folder, &device.device)?;
    let encoder = encoder.up_to_layer(args.layer)?.with_batch_size(args.batch_size);
    let aligner =
        EncoderAligner { layer: args.layer, extraction: args.extraction, unit: args.unit };
    let began = Instant::now();
    for pairs in pairs.chunks(args.batch_size * PASSES_AT_ONCE) {
        let texts: Vec<_> =
            pairs.iter().map(|pair| (pair.left.as_str(), pair.right.as_str())).collect();
        let (found, counts) = aligner.align(&encoder, &texts)?;
        write(found)?;
        report.add(&DataReport { n: 0, ..counts });
    }
    Ok(pairs.len() as f64 / began.elapsed().as_secs_f64())
}

fn scores(
    path: &Path,
    pairs: &[SentencePair],
    alignments: &[Alignment],
) -> anyhow::Result<AlignmentScores> {
    let n_words = |text: &str| text.split_whitespace().count();
    let n_words: Vec<_> =
        pairs.iter().map(|pair| (n_words(&pair.left), n_words(&pair.right))).collect();
    let file = File::open(path).with_context(|| path.display().to_string())?;
    let gold = read_gold_alignments(file, path, &n_words)?;
    ensure!(
        gold.iter().any(|of| !of.possible().is_empty()),
        "{}: no link in any line",
        path.display()
    );
    Ok(AlignmentScores::new(alignments.iter().zip(&gold)))
}
