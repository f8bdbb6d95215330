//! `isogloss evaluate`.

use anyhow::{Context, anyhow};
use isogloss::device::open;
use isogloss::model::HeadSpec;
use isogloss::text::{FeatureOptions, Format, Language, ReadOptions, TagUnits};
use isogloss::{Evaluator, LabeledSet, Predictor, Selection, Task};

use super::{End, model_folder, table};
use crate::args::EvaluateArgs;
use crate::watch::in_words;

pub(crate) fn run(args: &EvaluateArgs) -> anyhow::Result<End> {
    let device = open(args.device.device)?;
    let predictor = Predictor::load(&model_folder(&args.model, &args.hub)?, &device.device)?;
    let labels = predictor.labels()?;
    let task = match predictor.head() {
        HeadSpec::Sequence { .. } => Task::Classification {},
        HeadSpec::Tokens { .. } => Task::Tagging { units: TagUnits::Subword },
    };
    let max_tokens = predictor.loaded().model.encoder.config().max_tokens();
    let features = FeatureOptions::new(args.max_length.min(max_tokens)).with_unseen(args.unseen);
    let mut sets = Vec::new();
    for path in &args.files {
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let language: Language = stem.unwrap_or_default().parse().with_context(|| {
            format!("{}: expected a file named after its language", path.display())
        })?;
        let format = args.format.or_else(|| Format::from_path(path)).ok_or_else(|| {
            anyhow!("{}: the extension does not tell the format; use --format", path.display())
        })?;
        let mut options = ReadOptions::new(format);
        options.split = args.split.clone();
        let tokenizer = predictor.tokenizer();
        let set = LabeledSet::read(path, &options, &task, language, tokenizer, &labels, &features)?;
        sets.push(set);
    }
    let source = match (&args.source, sets.first()) {
        (Some(tag), _) => tag.parse()?,
        (None, Some(set)) if sets.len() == 1 => set.language.clone(),
        _ => "en".parse()?,
    };
    let selection = Selection { rule: "given".to_owned(), step: 0, score: 0.0 };
    let evaluator = Evaluator {
        model: &predictor.loaded().model,
        task: &task,
        labels: &labels,
        batch_size: args.batch_size,
        device: &device.device,
    };
    let results = evaluator.score_all(&sets, &source, selection, &mut |set, result, _| {
        if !args.json {
            eprintln!("{}: {}", set.language, in_words(&result.scores));
        }
        Ok(())
    })?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&results)?);
    } else {
        println!("\n{}", table(&results));
    }
    Ok(End::Done)
}
