//! `isogloss trim`.

use std::path::PathBuf;

use isogloss::text::{SegmentationComparison, Texts};
use isogloss::{TrimOptions, TrimReport, trim};

use super::{End, model_folder};
use crate::args::TrimArgs;
use crate::watch::size;

pub(crate) fn run(args: &TrimArgs) -> anyhow::Result<End> {
    let folder = model_folder(&args.model, &args.hub)?;
    let corpus = |path: &PathBuf| {
        let mut texts = Texts::default();
        texts.add_file(path).map(|()| texts)
    };
    let corpora = args.corpus.iter().map(corpus).collect::<Result<Vec<_>, _>>()?;
    let mut others = Texts::default();
    args.compare.iter().try_for_each(|path| others.add_file(path))?;
    let others = (!args.compare.is_empty()).then_some(&others);
    let options = TrimOptions { keep: args.keep, storage: args.storage, n_checked: args.check };
    let report = trim(&folder, &corpora, others, options, &args.out)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        lines(&report).iter().for_each(|line| println!("{line}"));
        println!("wrote     {}", args.out.display());
    }
    Ok(End::Done)
}

/// A report in words.
pub(crate) fn lines(report: &TrimReport) -> Vec<String> {
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
        format!("texts     {}", in_words(&report.texts)),
    ];
    if let Some(unseen) = &report.unseen {
        lines.push(format!("unseen    were a tenth of them not known: {}", in_words(unseen)));
    }
    if let Some(others) = &report.others {
        lines.push(format!("others    {}", in_words(others)));
    }
    lines.push(format!("states    of {} texts, {states}", report.states.n_texts));
    lines
}

fn in_words(cuts: &SegmentationComparison) -> String {
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
