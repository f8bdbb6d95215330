//! A finished model and labeled files for it, as `evaluate` and `fisher` take them.

use anyhow::{Context, anyhow, bail};
use isogloss::device::{OpenDevice, open};
use isogloss::text::{Columns, FeatureOptions, Format, LabelSet, Language, ReadOptions, Unseen};
use isogloss::{DataReport, LabeledSet, LabeledTask, Predictor, Target};

use super::{exchange_language_adapter, model_folder};
use crate::args::{LabeledArgs, ModelArgs};

pub(crate) struct Labeled {
    pub(crate) device: OpenDevice,
    pub(crate) predictor: Predictor,
    pub(crate) task: Box<dyn LabeledTask>,
    pub(crate) labels: LabelSet,
    pub(crate) sets: Vec<LabeledSet>,
}

impl Labeled {
    pub(crate) fn read(model: &ModelArgs, args: &LabeledArgs) -> anyhow::Result<Self> {
        let device = open(model.device.device)?;
        let folder = model_folder(&model.model, &model.hub)?;
        let mut predictor = Predictor::load(&folder, &device.device)?;
        exchange_language_adapter(&mut predictor, &args.language)?;
        let labels = predictor.labels()?;
        let task = predictor.task();
        if args.unseen == Unseen::Keep && task.target() != Target::Tree {
            bail!("--unseen keep is for parsers; use error or skip");
        }
        let mut this = Self { device, predictor, task, labels, sets: Vec::new() };
        this.sets = this.sets_of(args, args.split.as_deref())?;
        Ok(this)
    }

    /// What was cut, lost and left out of all files.
    pub(crate) fn report(&self) -> DataReport {
        self.sets.iter().map(|set| &set.report).collect()
    }

    /// The same files, of another split.
    pub(crate) fn sets_of(
        &self,
        args: &LabeledArgs,
        split: Option<&str>,
    ) -> anyhow::Result<Vec<LabeledSet>> {
        let (predictor, task, labels) = (&self.predictor, &*self.task, &self.labels);
        let max_tokens = predictor.loaded().model.encoder.config().max_tokens();
        let max_length = args.max_length.min(max_tokens);
        let features = FeatureOptions::new(max_length).with_unseen(args.unseen);
        let mut sets = Vec::new();
        for path in &args.files {
            let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
            let language: Language = stem.unwrap_or_default().parse().with_context(|| {
                format!("{}: expected a file named after its language", path.display())
            })?;
            let format = args.format.or_else(|| Format::from_path(path)).ok_or_else(|| {
                anyhow!("{}: the extension does not tell the format; use --format", path.display())
            })?;
            let columns = Columns {
                word: args.word_column,
                tag: args.tag_column.clone(),
                ..Columns::default()
            };
            let mut options = ReadOptions::new(format)
                .with_columns(columns)
                .with_quoting(args.quoting)
                .with_tag_scheme(args.tag_scheme);
            options.split = split.map(str::to_owned);
            let tokenizer = predictor.tokenizer();
            sets.push(LabeledSet::read(
                path, &options, task, language, tokenizer, labels, &features,
            )?);
        }
        Ok(sets)
    }
}
