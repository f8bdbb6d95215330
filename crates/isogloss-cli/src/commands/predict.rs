//! `isogloss predict`.

use std::io::BufRead;

use anyhow::bail;
use isogloss::device::open;
use isogloss::model::HeadSpec;
use isogloss::text::read_treebank;
use isogloss::{Prediction, Predictor};
use serde_json::json;

use super::{End, exchange_language_adapter, model_folder};
use crate::args::PredictArgs;

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
    Ok(End::Done)
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
            "{n_lost} words have no token, cut off or unknown to the tokenizer: they hang on the root"
        );
    }
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
    Ok(())
}
