//! `isogloss predict`.

use std::io::BufRead;

use anyhow::bail;
use isogloss::device::open;
use isogloss::model::HeadSpec;
use isogloss::text::read_treebank;
use isogloss::{DataReport, Prediction, Predictor};
use serde_json::json;

use super::{End, exchange_language_adapter, model_folder};
use crate::args::PredictArgs;
use crate::wording::tell_data;

pub(crate) fn run(args: &PredictArgs) -> anyhow::Result<End> {
    let device = open(args.model.device.device)?;
    let folder = model_folder(&args.model.model, &args.model.hub)?;
    let mut predictor = Predictor::load(&folder, &device.device)?;
    exchange_language_adapter(&mut predictor, &args.language)?;
    if let HeadSpec::Parser(_) = predictor.head() {
        return parse(&predictor, args);
    }
    if !args.texts.is_empty() {
        for texts in args.texts.chunks(args.batch_size) {
            print(&predictor, texts, args.model.json)?;
        }
        tell_cut(&predictor, args.model.json);
        return Ok(End::Done);
    }
    let mut texts = Vec::new();
    for line in std::io::stdin().lock().lines() {
        texts.push(line?);
        if texts.len() == args.batch_size {
            print(&predictor, &texts, args.model.json)?;
            texts.clear();
        }
    }
    print(&predictor, &texts, args.model.json)?;
    tell_cut(&predictor, args.model.json);
    Ok(End::Done)
}

/// Tells how many texts were cut; as JSON, in a last line if there are any.
fn tell_cut(predictor: &Predictor, json: bool) {
    let report = DataReport { n_truncated: predictor.n_truncated(), ..DataReport::default() };
    match json {
        true if report.n_truncated > 0 => println!("{}", json!({ "data": report })),
        true => {}
        false => tell_data(&report),
    }
}

/// Reads CoNLL-U and writes it with the trees of the model.
fn parse(predictor: &Predictor, args: &PredictArgs) -> anyhow::Result<End> {
    if !args.texts.is_empty() || args.model.json {
        bail!("a parser reads CoNLL-U from the standard input, and writes CoNLL-U");
    }
    let mut treebank = read_treebank(std::io::stdin().lock(), "standard input".as_ref())?;
    let mut n_lost = 0;
    for sentences in treebank.sentences.chunks_mut(args.batch_size) {
        n_lost += predictor.parse(sentences)?;
        sentences.iter().for_each(|sentence| print!("{sentence}"));
    }
    if n_lost > 0 {
        eprintln!(
            "lost      {n_lost} words have no token, cut off or unknown to the tokenizer: they hang on the root"
        );
    }
    tell_cut(predictor, false);
    Ok(End::Done)
}

fn print(predictor: &Predictor, texts: &[String], json: bool) -> anyhow::Result<()> {
    let batch: Vec<_> = texts.iter().map(|text| (text.as_str(), None)).collect();
    for (text, prediction) in texts.iter().zip(predictor.predict(&batch)?) {
        if json {
            println!("{}", json!({ "text": text, "prediction": prediction }));
            continue;
        }
        match prediction {
            Prediction::Class { label, probability } => {
                println!("{label}\t{probability:.4}\t{text}")
            }
            Prediction::Tokens(tokens) => {
                let part = |start: usize, end: usize| -> String {
                    text.chars().skip(start).take(end - start).collect()
                };
                let tagged = tokens.iter().map(|t| format!("{}/{}", part(t.start, t.end), t.tag));
                println!("{}", tagged.collect::<Vec<_>>().join(" "));
            }
        }
    }
    Ok(())
}
