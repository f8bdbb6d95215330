//! `isogloss predict`: the labels of texts by a finished model.

use std::io::BufRead;

use anyhow::bail;
use isogloss::model::HeadSpec;
use isogloss::text::{Sentence, TextError, read_treebank};
use isogloss::{CENTRING, Prediction, Predictor, saves_subnetworks};
use serde_json::json;

use super::labeled::scored_as;
use super::{
    End, exchange_language_adapter, model_folder_for, print_if_not_centered, print_if_whole,
};
use crate::args::PredictArgs;
use crate::input_lines::InputLines;
use crate::wording::print_counts;

/// Tabs of a line of CoNLL-U.
const CONLLU_TABS: usize = 9;

pub(crate) fn run(args: &PredictArgs) -> anyhow::Result<End> {
    let device = args.model.device.open()?;
    let folder = model_folder_for(&device, &args.model.model, &args.model.hub)?;
    let mut predictor = Predictor::load(&folder, &device.device)?;
    exchange_language_adapter(&mut predictor, &args.adapter)?;
    if args.centring.no_centring {
        predictor = predictor.without_centring();
    }
    let has_parts =
        predictor.scoring().language_adapter.is_some() || saves_subnetworks(&folder.path);
    match &args.language {
        Some(language) => {
            print_if_not_centered(&predictor, &folder.path, language);
            print_if_whole(&folder.path, language);
            predictor = predictor.for_language(&folder.path, language)?;
        }
        None if has_parts => eprintln!(
            "{}: languages used parts of the model in its run; --language says which are used",
            folder.path.display()
        ),
        None if predictor.centring().is_some() => eprintln!(
            "{}: vectors are centred by language; without --language they stay as they are",
            folder.path.join(CENTRING).display()
        ),
        None => {}
    }
    let predictor = scored_as(predictor, &args.scoring, None)?;
    if let HeadSpec::Parser(_) = predictor.head() {
        return parse(&predictor, args);
    }
    if args.pairs && !matches!(predictor.head(), HeadSpec::Sequence { .. }) {
        bail!("--pairs: the model labels words, of one text");
    }
    let pairs = args.pairs || predictor.scoring().reading.columns.pair.is_some();
    if !args.texts.is_empty() {
        for texts in args.texts.chunks(args.batch_size) {
            print(&predictor, texts, pairs, args.model.json)?;
        }
        print_counts(&predictor.counts(), args.model.json);
        return Ok(End::Done);
    }
    let mut lines = InputLines::new(std::io::stdin().lock());
    loop {
        let (texts, fault) = lines.batch(args.batch_size);
        print(&predictor, &texts, pairs, args.model.json)?;
        match fault {
            Some(fault) => return Err(fault),
            None if texts.len() < args.batch_size => break,
            None => {}
        }
    }
    let counts = predictor.counts();
    if counts.n == 0 {
        eprintln!("standard input: no text");
    }
    print_counts(&counts, args.model.json);
    Ok(End::Done)
}

/// Dependency parsing: reads CoNLL-U and writes it with the predicted trees, the sentences before
/// an error too.
fn parse(predictor: &Predictor, args: &PredictArgs) -> anyhow::Result<End> {
    if !args.texts.is_empty() || args.model.json {
        bail!("a parser reads CoNLL-U from the standard input, and writes CoNLL-U");
    }
    let (mut all, fault) = sentences(std::io::stdin().lock());
    let mut n_lost = 0;
    for sentences in all.chunks_mut(args.batch_size) {
        n_lost += predictor.parse(sentences)?;
        sentences.iter().for_each(|sentence| print!("{sentence}"));
    }
    if n_lost > 0 {
        eprintln!(
            "lost      {n_lost} words have no token, cut off or unknown to the tokenizer: they hang on the root"
        );
    }
    print_counts(&predictor.counts(), false);
    fault.map_or(Ok(End::Done), Err)
}

/// Reads the complete sentences of CoNLL-U up to the first error.
fn sentences(reader: impl BufRead) -> (Vec<Sentence>, Option<anyhow::Error>) {
    let mut text = String::new();
    for line in InputLines::new(reader) {
        match line {
            Ok(line) => text.extend([&line, "\n"]),
            Err(fault) => return (sentences_before(&text, usize::MAX), Some(fault)),
        }
    }
    match read_treebank(text.as_bytes(), "standard input".as_ref()) {
        Ok(treebank) => (treebank.sentences, None),
        Err(fault) => {
            let line = match &fault {
                TextError::Line { line, .. } => *line,
                _ => 0,
            };
            (sentences_before(&text, line), Some(fault.into()))
        }
    }
}

/// Sentences that end before a line, counted from 1.
fn sentences_before(text: &str, line: usize) -> Vec<Sentence> {
    let before = text.split_inclusive('\n').take(line.saturating_sub(1));
    let ends = before.scan(0, |end, line| {
        *end += line.len();
        Some((*end, line.trim().is_empty()))
    });
    let end = ends.filter(|(_, is_blank)| *is_blank).map(|(end, _)| end).last().unwrap_or(0);
    let whole = read_treebank(&text.as_bytes()[..end], "standard input".as_ref());
    whole.map(|treebank| treebank.sentences).unwrap_or_default()
}

/// Fails on a line of CoNLL-U, which a tagger would take for running text.
fn check_no_columns(texts: &[String]) -> anyhow::Result<()> {
    match texts.iter().find(|text| text.matches('\t').count() == CONLLU_TABS) {
        None => Ok(()),
        Some(line) => {
            bail!("{line:?}: ten columns, as in CoNLL-U; expected running text, a line each")
        }
    }
}

/// Prints the predictions of texts, or of pairs up to the first text that is none.
fn print(predictor: &Predictor, texts: &[String], pairs: bool, json: bool) -> anyhow::Result<()> {
    if let HeadSpec::Tokens { .. } = predictor.head() {
        check_no_columns(texts)?;
    }
    let batch: Vec<_> = texts.iter().map_while(|text| parts(text, pairs)).collect();
    for ((text, (first, second)), prediction) in
        texts.iter().zip(&batch).zip(predictor.predict(&batch)?)
    {
        if json {
            let mut line = json!({ "text": first, "prediction": prediction });
            if let Some(second) = second {
                line["pair"] = json!(second);
            }
            println!("{line}");
            continue;
        }
        match prediction {
            Prediction::Class { label, probability } => {
                println!("{label}\t{probability:.4}\t{text}")
            }
            Prediction::Labels { labels } => {
                let likely = labels.iter().filter(|label| label.probability > 0.5);
                let likely: Vec<_> =
                    likely.map(|l| format!("{} {:.4}", l.label, l.probability)).collect();
                let none = if likely.is_empty() { "-" } else { "" };
                println!("{none}{}\t{text}", likely.join(", "));
            }
            Prediction::Scores { scores } => match &scores[..] {
                [one] => println!("{:.4}\t{text}", one.score),
                all => {
                    let all = all.iter().map(|one| format!("{} {:.4}", one.label, one.score));
                    println!("{}\t{text}", all.collect::<Vec<_>>().join(", "));
                }
            },
            Prediction::Tokens(tokens) => {
                let part = |start: usize, end: usize| -> String {
                    text.chars().skip(start).take(end - start).collect()
                };
                let tagged = tokens.iter().map(|t| format!("{}/{}", part(t.start, t.end), t.tag));
                println!("{}", tagged.collect::<Vec<_>>().join(" "));
            }
        }
    }
    match texts.get(batch.len()) {
        None => Ok(()),
        Some(text) => bail!("{text:?}: expected two texts with one tab between them"),
    }
}

/// A text, or the two texts of a pair with a tab between them; `None` without a tab, or with several.
fn parts(text: &str, is_pair: bool) -> Option<(&str, Option<&str>)> {
    match is_pair {
        true => {
            let parts = text.split_once('\t').filter(|(_, second)| !second.contains('\t'));
            parts.map(|(first, second)| (first, Some(second)))
        }
        false => Some((text, None)),
    }
}
