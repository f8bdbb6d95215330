//! The examples of a plan: the source language's three splits, and every language's test split.

pub(crate) mod pairs;
mod task;
mod tensors;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use isogloss_kernels::split_seed;
use isogloss_model::{EncoderConfig, ModelInput};
use isogloss_text::{
    Example, FeatureOptions, Features, Featurized, Format, LabelSet, Language, ReadOptions,
    Sentence, TokenBatch, Tokenizer, Treebank, Unseen,
};
use serde::Serialize;

use self::task::{Learned, featurize, sentences};
pub(crate) use self::tensors::{model_input, row_targets};
use crate::Error;
use crate::recipe::{Languages, Plan, Recipe, Task};

/// The stream of random numbers that support examples are drawn from, after those of training.
const SUPPORT: u64 = 12;

/// Examples of one language, ready for the model.
#[derive(Debug)]
pub struct LabeledSet {
    /// The language.
    pub language: Language,
    /// The file they came from.
    pub path: PathBuf,
    /// The examples that were kept.
    pub features: Vec<Features>,
    /// The sentences that they were made of, for a parser; none for other tasks.
    pub treebank: Option<Treebank>,
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
    /// Words with a tag or head that no token stands for, cut off or unknown to the tokenizer.
    pub n_words_lost: usize,
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
    /// Their parts of speech, where these are learned beside relations.
    pub tags: LabelSet,
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
    /// A few examples of each of those that are not trained on, if the recipe has a `[few_shot]` table.
    pub supports: Vec<LabeledSet>,
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
        let tags = plan.recipe().task.upos(&train_examples);
        // An unseen label is an error here, so that every example is kept.
        let train = (path, train_examples.clone());
        let learned = (&labels, Some(&tags).filter(|tags| !tags.is_empty()));
        let train = reader.features(plan.source(), train, learned, Unseen::Error)?;
        let unseen = plan.recipe().data.unseen_labels;
        // Parts of speech are scored by their names.
        let scored = (&labels, None);
        let dev = |source: &Language| {
            let examples = files.examples(source, &splits.dev)?;
            reader.features(source, examples, scored, unseen)
        };
        let devs = plan.sources().iter().map(dev).collect::<Result<_, _>>()?;

        let (mut tests, mut supports, mut skipped) = (Vec::new(), Vec::new(), Vec::new());
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
                tests.push(reader.features(&language, examples, scored, unseen)?);
                if let (Some(few_shot), false) =
                    (&plan.recipe().few_shot, plan.sources().contains(&language))
                {
                    let examples = files.examples(&language, &splits.train)?;
                    let all = reader.features(&language, examples, learned, unseen)?;
                    supports.push(
                        all.drawn(few_shot.n_support, split_seed(plan.recipe().seed, SUPPORT))?,
                    );
                }
            }
        }
        Ok(Self { labels, tags, train, train_examples, parts, devs, tests, supports, skipped })
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
        let examples = task.read(path, options)?;
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
        let featurized = featurize(task, tokenizer, examples, (labels, None), features)?;
        Self::new(language, path.to_owned(), examples, featurized)
    }

    fn new(
        language: Language,
        path: PathBuf,
        examples: &[Example],
        featurized: Featurized,
    ) -> Result<Self, Error> {
        let report = DataReport {
            n: featurized.features.len(),
            n_truncated: featurized.truncation.n_truncated,
            longest: featurized.truncation.longest,
            n_words_lost: featurized.truncation.n_words_lost,
            left_out: featurized.skipped,
        };
        if report.n == 0 {
            let problem = "no example is left: the source language has none of its labels".into();
            return Err(Error::Damaged { path, problem });
        }
        let kept = featurized.kept.iter().map(|index| &examples[*index]);
        let kept: Vec<Sentence> =
            kept.flat_map(|example| sentences(std::slice::from_ref(example))).cloned().collect();
        let treebank =
            (!kept.is_empty()).then(|| Treebank { path: path.as_path().into(), sentences: kept });
        Ok(Self { language, path, features: featurized.features, treebank, report })
    }

    /// Tokens of each example.
    pub fn lengths(&self) -> Vec<usize> {
        self.features.iter().map(|features| features.input.len()).collect()
    }

    /// At most `n` of its examples, evenly spaced.
    pub(crate) fn some(&self, n: usize) -> Self {
        let n_all = self.features.len();
        let n = n.min(n_all);
        self.these(&(0..n).map(|i| i * n_all / n).collect::<Vec<_>>())
    }

    /// So many examples, drawn from a seed.
    fn drawn(&self, n: usize, seed: u64) -> Result<Self, Error> {
        let n_all = self.features.len();
        if n_all < n {
            let language = &self.language;
            let problem = format!(
                "{n_all} examples to learn from in {language}: few_shot.n_support asks for {n}"
            );
            return Err(Error::Damaged { path: self.path.clone(), problem });
        }
        let mut order: Vec<usize> = (0..n_all).collect();
        order.sort_by_key(|example| split_seed(seed, *example as u64));
        Ok(self.these(&order[..n]))
    }

    /// The examples at these places.
    pub(crate) fn these(&self, places: &[usize]) -> Self {
        let features = places.iter().map(|place| self.features[*place].clone()).collect();
        let treebank = self.treebank.as_ref().map(|treebank| {
            let sentences = places.iter().map(|place| treebank.sentences[*place].clone());
            Treebank { path: treebank.path.clone(), sentences: sentences.collect() }
        });
        let report = DataReport { n: places.len(), ..self.report.clone() };
        let (language, path) = (self.language.clone(), self.path.clone());
        Self { language, path, features, treebank, report }
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
        let input = model_input(&batch, config, &self.path, device)?;
        Ok((batch, input))
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

/// Every example that a plan trains on, chooses by, is scored on or may draw as one of a few.
pub(crate) fn examples_of(plan: &Plan) -> Result<Vec<Example>, Error> {
    let files = Files { recipe: plan.recipe() };
    let splits = &plan.recipe().data.splits;
    let mut all = train_examples_of(plan)?;
    for source in plan.sources() {
        all.extend(files.examples(source, &splits.dev)?.1);
    }
    for language in files.languages(plan.sources())? {
        all.extend(files.examples(&language, &splits.test)?.1);
        if plan.recipe().few_shot.is_some() && !plan.sources().contains(&language) {
            all.extend(files.examples(&language, &splits.train)?.1);
        }
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
        self.recipe.data.path.with_split(split).path(language)
    }

    fn options(&self, path: &Path, split: &str) -> ReadOptions {
        let data = &self.recipe.data;
        let format = data.format.or_else(|| Format::from_path(path)).unwrap_or(Format::Jsonl);
        let options =
            ReadOptions::new(format).with_columns(data.columns.clone()).with_header(data.header);
        if data.path.has_split() { options } else { options.with_split(split) }
    }

    fn examples(&self, language: &Language, split: &str) -> Result<(PathBuf, Vec<Example>), Error> {
        let path = self.path(language, split);
        let examples = self.recipe.task.read(&path, &self.options(&path, split))?;
        Ok((path, examples))
    }

    /// How many of the source's labels the language has in all its splits together.
    fn shared_labels(&self, language: &Language, labels: &LabelSet) -> Result<usize, Error> {
        let splits = &self.recipe.data.splits;
        let path = self.path(language, &splits.test);
        let mut options = self.options(&path, &splits.test);
        options.split = None;
        let found = self.recipe.task.labels(&self.recipe.task.read(&path, &options)?);
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
                data.path.with_split(&data.splits.test).languages_with_file()
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
        learned: Learned<'_>,
        unseen: Unseen,
    ) -> Result<LabeledSet, Error> {
        let options = FeatureOptions::new(self.max_length).with_unseen(unseen);
        let featurized =
            featurize(&self.files.recipe.task, self.tokenizer, &examples, learned, &options)?;
        LabeledSet::new(language.clone(), path, &examples, featurized)
    }
}
