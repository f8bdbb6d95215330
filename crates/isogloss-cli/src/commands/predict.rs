//! `isogloss predict`.

use std::io::BufRead;

use isogloss::device::open;
use isogloss::{Prediction, Predictor};
use serde_json::json;

use super::{End, exchange_language_adapter, model_folder};
use crate::args::PredictArgs;

pub(crate) fn run(args: &PredictArgs) -> anyhow::Result<End> {
    let device = open(args.model.device.device)?;
    let folder = model_folder(&args.model.model, &args.model.hub)?;
    let mut predictor = Predictor::load(&folder, &device.device)?;
    exchange_language_adapter(&mut predictor, &args.language)?;
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
