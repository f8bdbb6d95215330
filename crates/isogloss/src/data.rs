//! The examples of a plan: the source language's three splits, and every language's test split.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Int, Tensor, TensorData};
use isogloss_model::{EncoderConfig, ModelInput};
use isogloss_text::{
    Example, FeatureOptions, Features, Featurized, Format, LabelSet, Language, ReadOptions,
    TextError, TokenBatch, Tokenizer, Unseen, featurize_classification, featurize_tagging,
    languages_with_file, read_file,
};
use serde::Serialize;

use crate::Error;
use crate::recipe::{Languages, Plan, Recipe, Task};

impl Task {
    /// The labels that examples have for this task: classes, or BIO tags.
    fn labels(&self, examples: &[Example]) -> LabelSet {
        match self {
            Self::Classification {} | Self::Retrieval { .. } | Self::LanguageModeling {} => {
                LabelSet::classes(examples)
            }
            Self::Tagging { .. } => LabelSet::tags(examples),
        }
    }
}

/// Examples of one language, ready for the model.
#[derive(Debug)]
pub struct LabeledSet {
    /// The language.
    pub language: Language,
    /// The file they came from.
    pub path: PathBuf,
    /// The examples that were kept.
    pub features: Vec<Features>,
    /// What was cut and left out.
    pub report: DataReport,
}

/// What happened to the examples of a file on their way to the model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DataReport {
    /// Examples kept.
    pub n: usize,
    /// Examples longer than the model takes or the recipe allows; their ends were cut off.
    pub n_truncated: usize,
    /// Tokens of the longest example before it was cut.
    pub longest: usize,
    /// Examples left out because the source language lacks their label, by label.
    pub left_out: BTreeMap<String, usize>,
}

impl DataReport {
    /// Examples left out.
    pub fn n_left_out(&self) -> usize {
        self.left_out.values().sum()
    }
}

/// Everything that a plan trains on and is scored by.
#[derive(Debug)]
pub struct Corpus {
    /// The labels of the training splits of all sources, in the order of the logits.
    pub labels: LabelSet,
    /// Trained on: the sources' examples one after another, under the name and path of the first.
    pub train: LabeledSet,
    /// What `train` was made of, one for each of its features.
    pub train_examples: Vec<Example>,
    /// The place of each source's examples in `train`.
    pub parts: Vec<Range<usize>>,
    /// Choose the model, one for each source.
    pub devs: Vec<LabeledSet>,
    /// Scored at the end: the first source first, the others in alphabetical order.
    pub tests: Vec<LabeledSet>,
    /// Languages that share too few labels with the sources, and how many they share.
    pub skipped: Vec<(Language, usize)>,
}

impl Corpus {
    /// Reads all files of a plan.
    ///
    /// # Errors
    /// If a file is missing, faulty or empty, or holds a label that the sources do not have and
    /// the recipe does not leave out.
    pub fn read(plan: &Plan, tokenizer: &Tokenizer, max_length: usize) -> Result<Self, Error> {
        let files = Files { recipe: plan.recipe() };
        let reader = Reader { files, tokenizer, max_length };
        let splits = &plan.recipe().data.splits;
        let (mut train_examples, mut parts, mut paths) = (Vec::new(), Vec::new(), Vec::new());
        for source in plan.sources() {
            let (path, examples) = files.examples(source, &splits.train)?;
            parts.push(train_examples.len()..train_examples.len() + examples.len());
            train_examples.extend(examples);
            paths.push(path);
        }
        let path = paths.swap_remove(0);
        let labels = plan.recipe().task.labels(&train_examples);
        if labels.is_empty() {
            return Err(Error::Damaged { path, problem: "no labels to learn".into() });
        }
        // An unseen label is an error here, so that every example is kept.
        let train = (path, train_examples.clone());
        let train = reader.features(plan.source(), train, &labels, Unseen::Error)?;
        let unseen = plan.recipe().data.unseen_labels;
        let dev = |source: &Language| {
            let examples = files.examples(source, &splits.dev)?;
            reader.features(source, examples, &labels, unseen)
        };
        let devs = plan.sources().iter().map(dev).collect::<Result<_, _>>()?;

        let (mut tests, mut skipped) = (Vec::new(), Vec::new());
        for language in files.languages(plan.sources())? {
            let examples = files.examples(&language, &splits.test)?;
            let n_shared = if plan.sources().contains(&language) {
                usize::MAX
            } else {
                files.shared_labels(&language, &labels)?
            };
            if n_shared < plan.recipe().data.min_shared_labels {
                skipped.push((language, n_shared));
            } else {
                tests.push(reader.features(&language, examples, &labels, unseen)?);
            }
        }
        Ok(Self { labels, train, train_examples, parts, devs, tests, skipped })
    }
}

impl Corpus {
    /// Fails if a text of training has tokens that the tokenizer does not know.
    pub(crate) fn check_known(&self, tokenizer: &Tokenizer) -> Result<(), Error> {
        let unknown = tokenizer.unknown_id();
        let is_unknown = |(features, _): &(&Features, &Example)| {
            features.input.ids.iter().any(|id| Some(*id) == unknown)
        };
        // No training example is left out, see `read`.
        let texts = self.train.features.iter().zip(&self.train_examples);
        let mut unknown = texts.filter(is_unknown);
        let Some((_, first)) = unknown.next() else { return Ok(()) };
        Err(Error::TrimmedAway {
            path: first.origin.path.to_path_buf(),
            line: first.origin.line,
            n_texts: 1 + unknown.count(),
        })
    }
}

impl LabeledSet {
    /// Reads one file that is not part of a plan, with the labels of a finished model.
    ///
    /// # Errors
    /// As [`Corpus::read`].
    pub fn read(
        path: &Path,
        options: &ReadOptions,
        task: &Task,
        language: Language,
        tokenizer: &Tokenizer,
        labels: &LabelSet,
        features: &FeatureOptions,
    ) -> Result<Self, Error> {
        let examples = read_file(path, options)?;
        Self::from_examples(path, &examples, task, language, tokenizer, labels, features)
    }

    /// Takes examples that were read from a file, with the labels of a finished model.
    ///
    /// # Errors
    /// As [`Corpus::read`].
    pub fn from_examples(
        path: &Path,
        examples: &[Example],
        task: &Task,
        language: Language,
        tokenizer: &Tokenizer,
        labels: &LabelSet,
        features: &FeatureOptions,
    ) -> Result<Self, Error> {
        let featurized = featurize(task, tokenizer, examples, Some(labels), features)?;
        Self::new(language, path.to_owned(), featurized)
    }

    fn new(language: Language, path: PathBuf, featurized: Featurized) -> Result<Self, Error> {
        let report = DataReport {
            n: featurized.features.len(),
            n_truncated: featurized.truncation.n_truncated,
            longest: featurized.truncation.longest,
            left_out: featurized.skipped,
        };
        if report.n == 0 {
            let problem = "no example is left: the source language has none of its labels".into();
            return Err(Error::Damaged { path, problem });
        }
        Ok(Self { language, path, features: featurized.features, report })
    }

    /// Tokens of each example.
    pub fn lengths(&self) -> Vec<usize> {
        self.features.iter().map(|features| features.input.len()).collect()
    }

    /// At most `n` of its examples, evenly spaced.
    pub(crate) fn some(&self, n: usize) -> Self {
        let n_all = self.features.len();
        let n = n.min(n_all);
        let features = (0..n).map(|i| self.features[i * n_all / n].clone()).collect();
        let report = DataReport { n, ..self.report.clone() };
        Self { language: self.language.clone(), path: self.path.clone(), features, report }
    }

    /// Puts some of the examples into a batch, padded to the longest of them.
    pub(crate) fn batch(
        &self,
        indices: &[usize],
        config: &EncoderConfig,
        device: &Device,
    ) -> Result<(TokenBatch, ModelInput), Error> {
        let features: Vec<_> = indices.iter().map(|index| &self.features[*index]).collect();
        let batch = TokenBatch::collate(&features, indices.to_vec(), config.pad_token_id)?;
        let (ids, types) = (&batch.input_ids, &batch.token_type_ids);
        let input = config
            .input(ids, &batch.attention_mask, types, batch.seq_len, device)
            .map_err(|source| Error::Input { path: self.path.clone(), source })?;
        Ok((batch, input))
    }
}

/// Labels on a device.
pub(crate) fn integers(values: Vec<i32>, device: &Device) -> Tensor<1, Int> {
    let shape = [values.len()];
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn featurize(
    task: &Task,
    tokenizer: &Tokenizer,
    examples: &[Example],
    labels: Option<&LabelSet>,
    options: &FeatureOptions,
) -> Result<Featurized, TextError> {
    match task {
        Task::Classification {} | Task::Retrieval { .. } | Task::LanguageModeling {} => {
            featurize_classification(tokenizer, examples, labels, options)
        }
        Task::Tagging { units } => featurize_tagging(tokenizer, examples, labels, *units, options),
    }
}

/// Fails if the tokenizer knows tokens that the model has no embedding for.
pub(crate) fn check_vocabulary(
    tokenizer: &Tokenizer,
    path: &Path,
    config: &EncoderConfig,
) -> Result<(), Error> {
    let (n_tokens, n_rows) = (tokenizer.vocab_size(), config.vocab_size);
    if n_tokens > n_rows {
        return Err(Error::Vocabulary { path: path.to_owned(), n_tokens, n_rows });
    }
    Ok(())
}

/// Every example that a plan trains on, chooses by or is scored on.
pub(crate) fn examples_of(plan: &Plan) -> Result<Vec<Example>, Error> {
    let files = Files { recipe: plan.recipe() };
    let splits = &plan.recipe().data.splits;
    let mut all = train_examples_of(plan)?;
    for source in plan.sources() {
        all.extend(files.examples(source, &splits.dev)?.1);
    }
    for language in files.languages(plan.sources())? {
        all.extend(files.examples(&language, &splits.test)?.1);
    }
    Ok(all)
}

/// Every example that a plan trains on.
pub(crate) fn train_examples_of(plan: &Plan) -> Result<Vec<Example>, Error> {
    let files = Files { recipe: plan.recipe() };
    let mut all = Vec::new();
    for source in plan.sources() {
        all.extend(files.examples(source, &plan.recipe().data.splits.train)?.1);
    }
    Ok(all)
}

/// The files that a recipe names.
#[derive(Clone, Copy)]
struct Files<'a> {
    recipe: &'a Recipe,
}

struct Reader<'a> {
    files: Files<'a>,
    tokenizer: &'a Tokenizer,
    max_length: usize,
}

impl Files<'_> {
    fn path(&self, language: &Language, split: &str) -> PathBuf {
        let path = self.recipe.data.path.replace("{language}", language.as_str());
        PathBuf::from(path.replace("{split}", split))
    }

    fn options(&self, path: &Path, split: &str) -> ReadOptions {
        let data = &self.recipe.data;
        let format = data.format.or_else(|| Format::from_path(path)).unwrap_or(Format::Jsonl);
        let options =
            ReadOptions::new(format).with_columns(data.columns.clone()).with_header(data.header);
        if data.path.contains("{split}") { options } else { options.with_split(split) }
    }

    fn examples(&self, language: &Language, split: &str) -> Result<(PathBuf, Vec<Example>), Error> {
        let path = self.path(language, split);
        let examples = read_file(&path, &self.options(&path, split))?;
        Ok((path, examples))
    }

    /// How many of the source's labels the language has in all its splits together.
    fn shared_labels(&self, language: &Language, labels: &LabelSet) -> Result<usize, Error> {
        let splits = &self.recipe.data.splits;
        let path = self.path(language, &splits.test);
        let mut options = self.options(&path, &splits.test);
        options.split = None;
        let found = self.recipe.task.labels(&read_file(&path, &options)?);
        // A tagged label counts once, not for its beginning and its inside.
        let counts = |name: &&String| *name != "O" && !name.starts_with("I-");
        let shared = found.names().iter().filter(|name| labels.id(name).is_some());
        Ok(match self.recipe.task {
            Task::Tagging { .. } => shared.filter(counts).count(),
            _ => shared.count(),
        })
    }

    /// The languages of evaluation, all sources among them, the first source first.
    fn languages(&self, sources: &[Language]) -> Result<Vec<Language>, Error> {
        let mut others: Vec<Language> = match &self.recipe.data.languages {
            Languages::These(languages) => languages.clone(),
            Languages::All => {
                let data = &self.recipe.data;
                let pattern = data.path.replace("{split}", &data.splits.test);
                languages_with_file(&pattern)
            }
        };
        others.extend_from_slice(sources);
        others.sort_unstable();
        others.dedup();
        // The sort is stable.
        others.sort_by_key(|language| Some(language) != sources.first());
        Ok(others)
    }
}

impl Reader<'_> {
    fn features(
        &self,
        language: &Language,
        (path, examples): (PathBuf, Vec<Example>),
        labels: &LabelSet,
        unseen: Unseen,
    ) -> Result<LabeledSet, Error> {
        let options = FeatureOptions::new(self.max_length).with_unseen(unseen);
        let featurized =
            featurize(&self.files.recipe.task, self.tokenizer, &examples, Some(labels), &options)?;
        LabeledSet::new(language.clone(), path, featurized)
    }
}
