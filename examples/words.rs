//! Word alignment by two aligners, and the strong alignment of each layer of the encoder.
//!
//! ```text
//! cargo run --release --example words
//! ```
//!
//! The statistical aligner learns from 400 names of things alone; the encoder links words whose
//! hidden states are each other's nearest, without training. Strong alignment is the share of words
//! whose nearest neighbor, among the words of both languages, is their translation; it is measured
//! layer by layer, on the links that both aligners agree on.

#![allow(clippy::print_stdout, reason = "an example prints what it finds")]

use std::path::Path;

use clap::Parser as _;
use isogloss::alignment::{AlignmentOptions, measure_alignment};
use isogloss::text::{
    Alignment, Bitext, Extraction, FastAlignConfig, SentencePair, Symmetrization, WordForm,
    align_bidirectional, read_pair_file,
};
use isogloss::{EncoderAligner, TextEncoder};
use isogloss_examples::{Args, MODEL, NAMES, begin};

const LANGUAGES: [&str; 6] = ["de", "es", "fr", "hi", "nl", "ru"];

/// Indices of the names that are shown.
const SHOWN: [usize; 3] = [0, 1, 40];

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let device = begin(&args)?;
    let encoder = TextEncoder::load(Path::new(MODEL), &device.device)?;
    let layer = encoder.n_layers() - 2;
    let by_vectors =
        EncoderAligner { layer, extraction: Extraction::MutualArgmax, ..EncoderAligner::default() };

    let mut rows = Vec::new();
    for language in LANGUAGES {
        let pairs = read_pair_file(format!("{NAMES}/en-{language}.tsv").as_ref(), None)?;
        let texts: Vec<_> = pairs.iter().map(|p| (p.left.as_str(), p.right.as_str())).collect();
        let bitext = Bitext::from_pairs(texts.iter().copied(), WordForm::Lowercase);
        let config = FastAlignConfig::default();
        let learned = align_bidirectional(&config, &bitext, Symmetrization::Intersection);
        let (similar, _) = by_vectors.align(&encoder, &texts)?;

        println!("\n{language}");
        for at in SHOWN {
            println!("  learned  {}", in_words(&pairs[at], &learned[at]));
            println!("  encoder  {}", in_words(&pairs[at], &similar[at]));
        }
        let agreed = |at: usize| learned[at].intersection(&similar[at]);
        let options = AlignmentOptions::default();
        rows.push((language, measure_alignment(&encoder, &pairs, Some(&agreed), &options)?));
    }

    print!("\n{:<28}", "strong alignment by layer");
    (0..encoder.n_layers()).for_each(|layer| print!("{layer:>8}"));
    for (language, measured) in rows {
        print!("\n{:<28}", format!("{language} ({} pairs of words)", measured.n_words));
        for of_layer in measured.layers {
            let strong = of_layer.words.map_or(f64::NAN, |words| words.strong.mean());
            print!("{:>8.1}", 100.0 * strong);
        }
    }
    println!();
    Ok(())
}

/// Linked word pairs, as text.
fn in_words(pair: &SentencePair, links: &Alignment) -> String {
    let sides = [&pair.left, &pair.right].map(|text| text.split_whitespace().collect::<Vec<_>>());
    let linked = links.links().iter().map(|(i, j)| format!("{} – {}", sides[0][*i], sides[1][*j]));
    linked.collect::<Vec<_>>().join(", ")
}
