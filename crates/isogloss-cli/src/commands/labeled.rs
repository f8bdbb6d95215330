//! Labeled files and the finished model that is evaluated on them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};
use isogloss::device::OpenDevice;
use isogloss::text::{Example, Format, LabelSet, ReadOptions, Unseen};
use isogloss::{
    CENTRING, DataReport, LabeledSet, LabeledTask, Predictor, SavedReading, ScoredSplit, Tagging,
    TargetKind, TaskConfig,
};

use super::{exchange_language_adapter, model_folder_for};
use crate::args::{LabeledArgs, LanguageFile, ModelArgs, ScoringArgs, WithoutCentring};

pub(crate) struct Labeled {
    pub(crate) device: OpenDevice,
    /// The model's folder.
    pub(crate) folder: PathBuf,
    pub(crate) predictor: Predictor,
    pub(crate) labels: LabelSet,
    pub(crate) sets: Vec<LabeledSet>,
    /// The split of each set that has a column of splits, if it was not named by a flag.
    pub(crate) splits: BTreeMap<String, ScoredSplit>,
}

/// Which splits of a file are read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Splits<'a> {
    /// The test split, as in the model's run.
    Test,
    /// The one of this name.
    Named(&'a str),
    /// All.
    All,
}

impl<'a> Splits<'a> {
    /// As the flags say.
    pub(crate) fn from_args(args: &'a LabeledArgs) -> Self {
        match &args.split {
            Some(name) => Self::Named(name),
            None if args.all_splits => Self::All,
            None => Self::Test,
        }
    }
}

impl Labeled {
    pub(crate) fn read(model: &ModelArgs, args: &LabeledArgs) -> anyhow::Result<Self> {
        let names = &args.label_names;
        if let Some((_, twice)) = names.iter().enumerate().find(|(n, it)| names[..*n].contains(it))
        {
            bail!("--label-names: {twice:?} is the name of two classes");
        }
        let device = model.device.open()?;
        let folder = model_folder_for(&device, &model.model, &model.hub)?;
        let mut predictor = Predictor::load(&folder, &device.device)?;
        exchange_language_adapter(&mut predictor, &args.language)?;
        let predictor = scored_as(predictor, &args.scoring, args.unseen)?;
        if args.tag_scheme.is_some()
            && let TaskConfig::PosTagging(_) = predictor.scoring().task
        {
            bail!(
                "--tag-scheme is for taggers of spans; the labels of this model are no BIO tags, so \
                 that each word is scored by its own, as parts of speech are"
            );
        }
        let labels = predictor.labels()?;
        let (folder, sets, splits) = (folder.path, Vec::new(), BTreeMap::new());
        let mut this = Self { device, folder, predictor, labels, sets, splits };
        (this.sets, this.splits) = this.sets_of(args, Splits::from_args(args))?;
        if !model.json {
            this.print_splits(args);
        }
        Ok(this)
    }

    /// Leaves the language centring of the model out, if the flag says so.
    pub(crate) fn centered_as(mut self, args: &WithoutCentring) -> Self {
        if args.no_centring {
            self.predictor = self.predictor.without_centring();
        }
        self
    }

    /// Prints that the language centring of the model is not used.
    pub(crate) fn print_not_centered(&self) {
        if self.predictor.centring().is_some() {
            eprintln!("{}: not used here", self.folder.join(CENTRING).display());
        }
    }

    pub(crate) fn task(&self) -> &dyn LabeledTask {
        self.predictor.task()
    }

    /// Data report over all files: counts of what was truncated, lost and left out.
    pub(crate) fn report(&self) -> DataReport {
        self.sets.iter().map(|set| &set.report).collect()
    }

    /// How files are read: as the flags say, else as it was saved with the model.
    fn reading(&self, args: &LabeledArgs) -> SavedReading {
        let mut reading = self.predictor.scoring().reading.clone();
        reading.quoting = args.quoting.unwrap_or(reading.quoting);
        reading.tag_scheme = args.tag_scheme.unwrap_or(reading.tag_scheme);
        reading.columns.word = args.word_column.unwrap_or(reading.columns.word);
        reading.columns.tag = args.tag_column.clone().or(reading.columns.tag);
        let column = |flag: &Option<String>, saved| flag.clone().unwrap_or(saved);
        reading.columns.text = column(&args.text_column, reading.columns.text);
        reading.columns.label = column(&args.label_column, reading.columns.label);
        reading.columns.slots = column(&args.spans_column, reading.columns.slots);
        let pair = args.pair_column.clone().or(reading.columns.pair);
        reading.columns.pair = pair.filter(|name| !name.is_empty());
        reading.header &= !args.no_header;
        reading.columns.split = column(&args.split_column, reading.columns.split);
        if !args.label_names.is_empty() {
            reading.label_names.clone_from(&args.label_names);
        }
        reading
    }

    /// Prints which split of each file is read, and what is not.
    fn print_splits(&self, args: &LabeledArgs) {
        if Splits::from_args(args) != Splits::Test {
            return;
        }
        let reading = &self.predictor.scoring().reading;
        for set in &self.sets {
            let (path, split) = (set.path.display(), self.splits.get(set.language.as_str()));
            if let Some(column) = reading.missing_split_column(split) {
                eprintln!("{path}: no column {column:?} of splits; all rows are taken");
            }
            let Some(ScoredSplit { name, n_others }) = split else { continue };
            if *n_others > 0 {
                eprintln!(
                    "{path}: the split {name:?}; {n_others} examples of others are left aside, \
                     which --split or --all-splits takes"
                );
            } else if *name != reading.test_split {
                eprintln!("{path}: all is of the split {name:?}");
            }
        }
    }

    /// Prints that a file gives classes as numbers, if their names are those of the model alone.
    fn print_numbered(
        &self,
        args: &LabeledArgs,
        path: &Path,
        options: ReadOptions,
        examples: &[Example],
    ) {
        let is_published = self.predictor.loaded().scoring.is_none();
        if !is_published || !args.label_names.is_empty() {
            return;
        }
        let as_written = self.task().read(path, &options.with_label_names(None::<String>));
        if as_written.map_or(true, |as_written| as_written != examples) {
            eprintln!(
                "{}: classes are numbers; their names are those of the model, in its order, unless \
                 --label-names gives others",
                path.display()
            );
        }
    }

    /// Reads other splits of the same files; with the split of each file that a column tells, unless
    /// it is named.
    pub(crate) fn sets_of(
        &self,
        args: &LabeledArgs,
        splits: Splits<'_>,
    ) -> anyhow::Result<(Vec<LabeledSet>, BTreeMap<String, ScoredSplit>)> {
        let (mut sets, mut found) = (Vec::<LabeledSet>::new(), BTreeMap::new());
        for file in &args.files {
            let LanguageFile { language, path } = file.named()?;
            if let Some(other) = sets.iter().find(|set| set.language == language) {
                let (one, other) = (path.display(), other.path.display());
                bail!("{one}: {other} is of {language} too, and each language has one score");
            }
            let format = args.format.or_else(|| Format::from_path(&path)).ok_or_else(|| {
                let (path, known) = (path.display(), Format::EXTENSIONS);
                anyhow!(
                    "{path}: the extension does not tell the format, as {known} do; use --format"
                )
            })?;
            let mut options = self.reading(args).options(format);
            if let Splits::Named(split) = splits {
                options.split = Some(split.to_owned());
            }
            let mut examples = self.task().read(&path, &options)?;
            self.print_numbered(args, &path, options, &examples);
            if splits == Splits::Test {
                let reading = self.reading(args);
                let (selected, split) =
                    reading.select_test_split(&path, examples).map_err(|error| {
                        anyhow!("{error}: --split names one, --all-splits takes all")
                    })?;
                if let (Some(column), None) = (&args.split_column, &split) {
                    bail!("{}: no column {column:?}", path.display());
                }
                examples = selected;
                found.extend(split.map(|split| (language.to_string(), split)));
            }
            let unseen = self.predictor.scoring().unseen_labels;
            sets.push(self.predictor.labeled_set(&path, &examples, language, unseen)?);
        }
        Ok((sets, found))
    }
}

/// Applies the scoring options of the flags, in place of those saved with the model.
pub(crate) fn scored_as(
    predictor: Predictor,
    args: &ScoringArgs,
    unseen: Option<Unseen>,
) -> anyhow::Result<Predictor> {
    let mut scoring = predictor.scoring().clone();
    if let Some(units) = args.units {
        scoring.task = match (scoring.task, units) {
            (TaskConfig::Tagging(_), units) => TaskConfig::Tagging(Tagging { units }),
            (task, units) if task.target() == Some(TargetKind::Tag(units)) => task,
            (other, _) => bail!("--units is for taggers of spans; the task is {}", other.name()),
        };
    }
    scoring.max_length = args.max_length.unwrap_or(scoring.max_length);
    scoring.unseen_labels = unseen.unwrap_or(scoring.unseen_labels);
    if scoring.unseen_labels == Unseen::Keep && scoring.task.target() != Some(TargetKind::Tree) {
        bail!("--unseen keep is for parsers; use error or skip");
    }
    Ok(predictor.with_scoring(scoring)?)
}
