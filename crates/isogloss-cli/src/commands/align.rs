//! `isogloss align`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, bail};
use isogloss::device::open;
use isogloss::text::{
    Alignment, AlignmentScores, Bitext, DiagonalAlignerConfig, Dictionary, DictionaryAligner,
    SentencePair, align_both_ways, read_gold_alignments, read_pair_file,
};
use isogloss::{EncoderAligner, TextEncoder};

use super::{End, model_folder};
use crate::args::AlignArgs;

/// Passes through the model after which links are written.
const PASSES_AT_ONCE: usize = 32;

pub(crate) fn run(args: &AlignArgs) -> anyhow::Result<End> {
    let pairs = read_pair_file(&args.pairs)?;
    let mut out = Out::open(args.out.as_deref())?;
    let alignments = match (&args.model, &args.dictionary) {
        (Some(model), _) => by_encoder(args, model, &pairs, &mut out)?,
        (None, Some(dictionary)) => out.all(by_dictionary(args, dictionary, &pairs)?)?,
        (None, None) => out.all(by_model(args, pairs.clone())?)?,
    };
    out.finish()?;
    let n_links: usize = alignments.iter().map(Alignment::len).sum();
    eprintln!("{} pairs, {n_links} links", pairs.len());
    if let Some(path) = &args.gold {
        let scores = scores(path, &pairs, &alignments)?;
        let [error_rate, precision, recall] =
            [scores.error_rate, scores.precision, scores.recall].map(|score| 100.0 * score);
        eprintln!(
            "alignment error rate {error_rate:.2}, precision {precision:.2}, recall {recall:.2}"
        );
    }
    Ok(End::Done)
}

fn by_dictionary(
    args: &AlignArgs,
    path: &Path,
    pairs: &[SentencePair],
) -> anyhow::Result<Vec<Alignment>> {
    let forward = Dictionary::read(path)?;
    let backward = match &args.reverse_dictionary {
        Some(path) => Dictionary::read(path)?,
        None => forward.inverted(),
    };
    let aligner = DictionaryAligner::new(forward, backward).with_form(args.words);
    Ok(pairs.iter().map(|pair| aligner.align(&pair.left, &pair.right)).collect())
}

fn by_model(args: &AlignArgs, mut pairs: Vec<SentencePair>) -> anyhow::Result<Vec<Alignment>> {
    let config =
        DiagonalAlignerConfig { iterations: args.iterations, ..DiagonalAlignerConfig::default() };
    if let Some((field, problem)) = config.faults().into_iter().next() {
        bail!("--{field}: {problem}");
    }
    let n_asked = pairs.len();
    for path in &args.learn_from {
        pairs.extend(read_pair_file(path)?);
    }
    let texts = pairs.iter().map(|pair| (pair.left.as_str(), pair.right.as_str()));
    let bitext = Bitext::from_pairs(texts, args.words);
    let mut alignments = align_both_ways(&config, &bitext, args.symmetrization);
    alignments.truncate(n_asked);
    Ok(alignments)
}

fn by_encoder(
    args: &AlignArgs,
    model: &str,
    pairs: &[SentencePair],
    out: &mut Out,
) -> anyhow::Result<Vec<Alignment>> {
    let device = open(args.device.device)?;
    let encoder = TextEncoder::load(&model_folder(model, &args.hub)?, &device.device)?;
    let encoder = encoder.up_to_layer(args.layer)?.with_batch_size(args.batch_size);
    let aligner =
        EncoderAligner { layer: args.layer, extraction: args.extraction, unit: args.unit };
    let (began, mut alignments, mut n_truncated) = (Instant::now(), Vec::new(), 0);
    for pairs in pairs.chunks(args.batch_size * PASSES_AT_ONCE) {
        let texts: Vec<_> =
            pairs.iter().map(|pair| (pair.left.as_str(), pair.right.as_str())).collect();
        let (found, cut) = aligner.align(&encoder, &texts)?;
        out.write(&found)?;
        alignments.extend(found);
        n_truncated += cut;
    }
    let seconds = began.elapsed().as_secs_f64();
    eprintln!("{:.0} pairs a second", pairs.len() as f64 / seconds);
    if n_truncated > 0 {
        eprintln!("{n_truncated} texts are longer than the model takes: their ends have no links");
    }
    Ok(alignments)
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
    Ok(AlignmentScores::new(alignments.iter().zip(&gold)))
}

/// Where links are written.
struct Out {
    to: Box<dyn Write>,
    name: String,
}

impl Out {
    fn open(path: Option<&Path>) -> anyhow::Result<Self> {
        let name = path.map_or("standard output".to_owned(), |path| path.display().to_string());
        let to: Box<dyn Write> = match path {
            None => Box::new(BufWriter::new(std::io::stdout())),
            Some(path) => {
                Box::new(BufWriter::new(File::create(path).with_context(|| name.clone())?))
            }
        };
        Ok(Self { to, name })
    }

    fn write(&mut self, alignments: &[Alignment]) -> anyhow::Result<()> {
        let lines = alignments.iter().try_for_each(|alignment| writeln!(self.to, "{alignment}"));
        lines.and_then(|()| self.to.flush()).with_context(|| self.name.clone())
    }

    /// Writes what was found at once.
    fn all(&mut self, alignments: Vec<Alignment>) -> anyhow::Result<Vec<Alignment>> {
        self.write(&alignments)?;
        Ok(alignments)
    }

    fn finish(mut self) -> anyhow::Result<()> {
        self.to.flush().with_context(|| self.name)
    }
}
