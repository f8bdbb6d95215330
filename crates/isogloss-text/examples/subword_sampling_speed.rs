//! Benchmark of subword sampling: throughput in whitespace-separated words per second on one core.
//!
//! ```text
//! cargo run --release -p isogloss-text --example subword_sampling_speed -- tokenizer.json text.txt
//! ```

#![allow(clippy::print_stdout, reason = "an example shows what it measured")]

use std::error::Error;
use std::time::Instant;

use isogloss_text::{
    Content, Example, LabelSet, Origin, SubwordSamplingConfig, Tokenizer, ViewKind, ViewTask,
    Viewer, ViewsConfig,
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(tokenizer), Some(text)) = (arguments.next(), arguments.next()) else {
        return Err("usage: subword_sampling_speed tokenizer.json text.txt".into());
    };
    let tokenizer = Tokenizer::from_file(tokenizer.as_ref())?;
    let lines = std::fs::read_to_string(&text)?;
    let n_words = lines.split_whitespace().count();
    let example = |(idx, line): (usize, &str)| Example {
        origin: Origin { path: std::path::Path::new(&text).into(), line: idx + 1 },
        content: Content::Text {
            text: line.to_owned(),
            pair: None,
            label: Some("any".into()),
            slots: Vec::new(),
        },
        split: None,
        lacks_spans: false,
    };
    let examples: Vec<Example> = lines.lines().enumerate().map(example).collect();
    let labels = LabelSet::new(["any"])?;

    for (name, rate, n_best) in [
        ("the tokenizer's own", 0.0, None),
        ("all words, whole lattice", 1.0, None),
        ("all words, 16 best", 1.0, Some(16)),
        ("half of the words, whole lattice", 0.5, None),
    ] {
        let sampling = SubwordSamplingConfig { rate, n_best, ..SubwordSamplingConfig::default() };
        let config = ViewsConfig { subword_sampled: Some(sampling), ..ViewsConfig::default() };
        let start = Instant::now();
        let viewer = Viewer::new(&config, &tokenizer, &"en".parse()?)?;
        let build_secs = start.elapsed().as_secs_f64();
        let start = Instant::now();
        let mut n_tokens = 0;
        for (seed, example) in (0..).zip(&examples) {
            let task = ViewTask::Classification;
            let viewed =
                viewer.view(ViewKind::SubwordSampled, example, task, &labels, 512, seed)?;
            n_tokens += viewed.features.input.len();
        }
        let words_per_sec = n_words as f64 / start.elapsed().as_secs_f64();
        println!(
            "{name}: {words_per_sec:.0} words/s, {:.2} tokens a word, built in {build_secs:.2} s",
            n_tokens as f64 / n_words as f64
        );
    }
    Ok(())
}
