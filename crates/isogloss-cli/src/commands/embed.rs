//! `isogloss embed`: sentence embeddings of texts, as `encode` of sentence-transformers.

mod row_file;

use std::fs::File;
use std::io::{BufRead, BufReader};

use anyhow::{Context, bail};
use isogloss::{DataReport, TextEncoder};
use serde_json::json;

use super::output::Output;
use super::{End, text_encoder, up_to_layer};
use crate::args::EmbedArgs;
use crate::input_lines::InputLines;
use crate::wording::print_counts;
use row_file::RowFile;

/// Batches that are read at a time, so that texts of similar length are encoded together.
const BATCHES_AT_ONCE: usize = 16;

pub(crate) fn run(args: &EmbedArgs) -> anyhow::Result<End> {
    if args.model.json && args.out.is_none() {
        bail!("--json and the embeddings are for the standard output both: give --out");
    }
    let mut lines = lines(args)?;
    // Fails if the texts are the file to write.
    Output::new(args.out.as_deref(), &args.texts)?;
    let mut rows = RowFile::new(args.out.as_deref())?;
    let encoder = text_encoder(&args.model, &args.options())?;
    let (encoder, layer) = up_to_layer(encoder, args.layer)?;
    let prompt = prompt(args, &encoder)?;
    if !prompt.is_empty() {
        eprintln!("prompt    {prompt:?} before every text");
    }
    let encoder = encoder.with_prompt(&prompt)?;
    let width = encoder.sentence_width(layer);
    let mut counts = DataReport::default();
    let fault = loop {
        let (texts, fault) = lines.batch(args.batch_size * BATCHES_AT_ONCE);
        if texts.is_empty() {
            break fault;
        }
        let borrowed: Vec<&str> = texts.iter().map(String::as_str).collect();
        let tokenized = encoder.tokenize(&borrowed)?;
        counts.add(&DataReport::from_texts(&tokenized));
        let encoded = encoder.encode(&tokenized, &[], &[layer])?.pop();
        let vectors = encoded.context("one layer was asked for")?.sentences;
        let vectors = if args.normalize { vectors.normalized() } else { vectors };
        rows.write(&texts, &vectors)?;
        if fault.is_some() {
            break fault;
        }
    };
    rows.finish(width)?;
    if counts.n == 0 {
        eprintln!("no text");
    }
    if args.model.json {
        let pooling = encoder.pooling().name();
        println!(
            "{}",
            json!({
                "path": args.out, "n": counts.n, "width": width, "layer": layer,
                "pooling": pooling, "prompt": prompt, "max_length": encoder.max_length(),
                "data": counts,
            })
        );
    } else {
        if let Some(path) = &args.out {
            println!("wrote     {} rows of {width} numbers to {}", counts.n, path.display());
        }
        print_counts(&counts, false);
    }
    fault.map_or(Ok(End::Done), Err)
}

/// The lines of the texts.
fn lines(args: &EmbedArgs) -> anyhow::Result<InputLines<Box<dyn BufRead>>> {
    let Some(path) = &args.texts else {
        return Ok(InputLines::new(Box::new(std::io::stdin().lock())));
    };
    let name = path.display().to_string();
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    if ["jsonl", "ndjson", "json", "tsv", "csv", "conll", "conllu", "gz"].contains(&extension) {
        bail!("{name}: expected texts alone, one a line, and not a file of {extension}");
    }
    let file = File::open(path).with_context(|| name.clone())?;
    Ok(InputLines::named(name, Box::new(BufReader::new(file))))
}

/// The prompt before every text: of the flags, else the folder's default.
fn prompt(args: &EmbedArgs, encoder: &TextEncoder) -> anyhow::Result<String> {
    if let Some(prompt) = &args.prompt {
        return Ok(prompt.clone());
    }
    let modules = encoder.sentence_modules();
    let Some(name) = &args.prompt_name else {
        let default = modules.and_then(|modules| modules.default_prompt.clone());
        return Ok(default.unwrap_or_default());
    };
    let prompts = modules.map(|modules| &modules.prompts);
    let found = prompts.and_then(|prompts| prompts.get(name));
    found.cloned().with_context(|| {
        let names = prompts.into_iter().flatten().map(|(name, _)| name.as_str());
        match names.collect::<Vec<_>>().join(", ") {
            none if none.is_empty() => format!("--prompt-name {name}: the model has no prompts"),
            names => format!("--prompt-name {name}: the model's prompts are {names}"),
        }
    })
}
