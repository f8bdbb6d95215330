//! `isogloss align`.

use std::fs::File;
use std::io::{BufWriter, Write};

use anyhow::{Context, bail};
use isogloss::text::{
    Alignment, Bitext, DiagonalAlignerConfig, Dictionary, DictionaryAligner, SentencePair,
    align_both_ways, read_pair_file,
};

use super::End;
use crate::args::AlignArgs;

pub(crate) fn run(args: &AlignArgs) -> anyhow::Result<End> {
    let pairs = read_pair_file(&args.pairs)?;
    let alignments = match &args.dictionary {
        Some(_) => by_dictionary(args, &pairs)?,
        None => by_model(args, &pairs)?,
    };
    match &args.out {
        None => write(&mut std::io::stdout().lock(), &alignments)?,
        Some(path) => {
            let named = || path.display().to_string();
            let mut file = BufWriter::new(File::create(path).with_context(named)?);
            write(&mut file, &alignments).and_then(|()| file.flush()).with_context(named)?;
        }
    }
    let n_links: usize = alignments.iter().map(Alignment::len).sum();
    eprintln!("{} pairs, {n_links} links", pairs.len());
    Ok(End::Done)
}

fn by_dictionary(args: &AlignArgs, pairs: &[SentencePair]) -> anyhow::Result<Vec<Alignment>> {
    let Some(path) = &args.dictionary else { return Ok(Vec::new()) };
    let forward = Dictionary::read(path)?;
    let backward = match &args.reverse_dictionary {
        Some(path) => Dictionary::read(path)?,
        None => forward.inverted(),
    };
    let aligner = DictionaryAligner::new(forward, backward).with_form(args.words);
    Ok(pairs.iter().map(|pair| aligner.align(&pair.left, &pair.right)).collect())
}

fn by_model(args: &AlignArgs, pairs: &[SentencePair]) -> anyhow::Result<Vec<Alignment>> {
    let config =
        DiagonalAlignerConfig { iterations: args.iterations, ..DiagonalAlignerConfig::default() };
    if let Some((field, problem)) = config.faults().into_iter().next() {
        bail!("--{field}: {problem}");
    }
    let texts = pairs.iter().map(|pair| (pair.left.as_str(), pair.right.as_str()));
    let bitext = Bitext::from_pairs(texts, args.words);
    Ok(align_both_ways(&config, &bitext, args.symmetrization))
}

fn write(out: &mut impl Write, alignments: &[Alignment]) -> std::io::Result<()> {
    alignments.iter().try_for_each(|alignment| writeln!(out, "{alignment}"))
}
