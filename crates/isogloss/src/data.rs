//! Dataset of a plan: training and dev sets of the source languages, test sets of all languages.

pub(crate) mod pairs;

use std::ops::Range;
use std::path::{Path, PathBuf};

use isogloss_kernels::split_seed;
use isogloss_text::{
    Example, FeatureOptions, Features, Format, LabelSet, Language, ReadOptions, Tokenizer, Unseen,
};

use crate::Error;
use crate::error::DataError;
use crate::ground::sample::sample_indices;
use crate::recipe::{Languages, ModelSelection, Plan, Recipe};
use crate::task::{DataReport, LabeledSet, LabeledTask, LearnedLabels};

/// Random stream of the few-shot support sets, numbered after the streams of training.
const SUPPORT: u64 = 12;

/// Dataset of a plan: its labeled sets by split and language.
#[derive(Debug)]
pub struct Corpus {
    /// The label set of the training splits of all sources, in the order of the logits.
    pub labels: LabelSet,
    /// The part-of-speech tags of the training splits, if they are learned together with relations.
    pub tags: LabelSet,
    /// Training set: the examples of all sources, concatenated, with the language and path of the
    /// first.
    pub train: LabeledSet,
    /// The raw examples of `train`, one for each of its features.
    pub train_examples: Vec<Example>,
    /// The range of each source's examples in `train`.
    pub parts: Vec<Range<usize>>,
    /// The dev sets, for model selection; one for each source.
    pub devs: Vec<LabeledSet>,
    /// The dev sets of the languages that are not trained on, if the recipe selects a model by those
    /// of all languages.
    pub target_devs: Vec<LabeledSet>,
    /// The test sets: the first source first, the others in alphabetical order.
    pub tests: Vec<LabeledSet>,
    /// Few-shot support sets of the languages that are not trained on, if the recipe has a
    /// `[few_shot]` table.
    pub supports: Vec<LabeledSet>,
    /// Languages that were left out because they share too few labels with the sources, and how
    /// many they share.
    pub skipped: Vec<(Language, usize)>,
}

impl Corpus {
    /// Reads and tokenizes all labeled files of a plan.
    ///
    /// # Errors
    /// If a file is missing, faulty or empty, or holds a label that the sources do not have and
    /// the recipe does not leave out.
    pub fn read(plan: &Plan, tokenizer: &Tokenizer, max_length: usize) -> Result<Self, Error> {
        let files = Files::new(plan.recipe())?;
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
        let labels = files.task.labels(&train_examples);
        if labels.is_empty() {
            return Err(DataError::NoLabels { path }.into());
        }
        let labels = with_names(&plan.recipe().data.label_names, &labels)?;
        let tags = files.task.aux_labels(&train_examples);
        // An unseen label is an error here, so that every example is kept.
        let train = (path, train_examples.clone());
        let aux = Some(&tags).filter(|tags| !tags.is_empty());
        let learned = LearnedLabels { labels: &labels, aux, scored_aux: None };
        let train = reader.features(plan.source(), train, learned, Unseen::Error)?;
        let unseen = plan.recipe().data.unseen_labels;
        // Parts of speech are scored by their names, and are no targets here.
        let scored = LearnedLabels { labels: &labels, aux: None, scored_aux: aux };
        let dev = |source: &Language| {
            let examples = files.examples(source, &splits.dev)?;
            reader.features(source, examples, scored, unseen)
        };
        let devs = plan.sources().iter().map(dev).collect::<Result<_, _>>()?;

        let (mut tests, mut supports, mut skipped) = (Vec::new(), Vec::new(), Vec::new());
        let mut target_devs = Vec::new();
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
                if files.reads_dev_of(&language) {
                    target_devs.push(dev(&language)?);
                }
                if let (Some(few_shot), false) =
                    (&plan.recipe().few_shot, plan.sources().contains(&language))
                {
                    let examples = files.examples(&language, &splits.train)?;
                    let seed = split_seed(plan.recipe().seed, SUPPORT);
                    let n = few_shot.n_support;
                    supports.push(reader.sample(&language, examples, learned, unseen, n, seed)?);
                }
            }
        }
        Ok(Self {
            labels,
            tags,
            train,
            train_examples,
            parts,
            devs,
            target_devs,
            tests,
            supports,
            skipped,
        })
    }
}

impl Corpus {
    /// Counts of what was truncated, lost and left out, over training, dev, test and few-shot support
    /// sets.
    pub fn report(&self) -> DataReport {
        let sets = std::iter::once(&self.train).chain(&self.devs).chain(&self.target_devs);
        sets.chain(&self.tests).chain(&self.supports).map(|set| &set.report).collect()
    }

    /// Fails if a training text has unknown tokens.
    pub(crate) fn check_known(&self, tokenizer: &Tokenizer) -> Result<(), Error> {
        let unknown = tokenizer.unknown_id();
        let is_unknown = |(features, _): &(&Features, &Example)| {
            features.input.ids.iter().any(|id| Some(*id) == unknown)
        };
        // No training example is left out, see `read`.
        let texts = self.train.features.iter().zip(&self.train_examples);
        let mut unknown = texts.filter(is_unknown);
        let Some((_, first)) = unknown.next() else { return Ok(()) };
        Err(Error::TokensTrimmed {
            path: first.origin.path.to_path_buf(),
            line: first.origin.line,
            n_texts: 1 + unknown.count(),
        })
    }
}

/// Label set with the label names of a recipe first, in the order of their numbers in the files,
/// and then the other labels: a trained model reads the same numbers by its labels.
fn with_names(names: &[String], labels: &LabelSet) -> Result<LabelSet, Error> {
    let others = labels.names().iter().filter(|name| !names.contains(name));
    Ok(LabelSet::new(names.iter().chain(others).cloned())?)
}

/// All examples of a plan: training, dev and test sets, and those that few-shot support sets are
/// sampled from.
pub(crate) fn examples_of(plan: &Plan) -> Result<Vec<Example>, Error> {
    let files = Files::new(plan.recipe())?;
    let splits = &plan.recipe().data.splits;
    let mut all = train_examples_of(plan)?;
    for source in plan.sources() {
        all.extend(files.examples(source, &splits.dev)?.1);
    }
    for language in files.languages(plan.sources())? {
        all.extend(files.examples(&language, &splits.test)?.1);
        if files.reads_dev_of(&language) {
            all.extend(files.examples(&language, &splits.dev)?.1);
        }
        if plan.recipe().few_shot.is_some() && !plan.sources().contains(&language) {
            all.extend(files.examples(&language, &splits.train)?.1);
        }
    }
    Ok(all)
}

/// Paths of the labeled files of a plan, each once for each of its splits.
pub(crate) fn paths_of(plan: &Plan) -> Result<Vec<PathBuf>, Error> {
    let files = Files::new(plan.recipe())?;
    let splits = &plan.recipe().data.splits;
    let mut paths = Vec::new();
    for source in plan.sources() {
        paths.extend([&splits.train, &splits.dev].map(|split| files.path(source, split)));
    }
    for language in files.languages(plan.sources())? {
        paths.push(files.path(&language, &splits.test));
        if files.reads_dev_of(&language) {
            paths.push(files.path(&language, &splits.dev));
        }
        if plan.recipe().few_shot.is_some() {
            paths.push(files.path(&language, &splits.train));
        }
    }
    Ok(paths)
}

/// Evaluation languages of a plan, all sources among them.
pub(crate) fn languages_of(plan: &Plan) -> Result<Vec<Language>, Error> {
    Files::new(plan.recipe())?.languages(plan.sources())
}

/// All training examples of a plan.
pub(crate) fn train_examples_of(plan: &Plan) -> Result<Vec<Example>, Error> {
    let files = Files::new(plan.recipe())?;
    let mut all = Vec::new();
    for source in plan.sources() {
        all.extend(files.examples(source, &plan.recipe().data.splits.train)?.1);
    }
    Ok(all)
}

/// The labeled files of a recipe.
#[derive(Clone, Copy)]
struct Files<'a> {
    recipe: &'a Recipe,
    task: &'a dyn LabeledTask,
}

struct Reader<'a> {
    files: Files<'a>,
    tokenizer: &'a Tokenizer,
    max_length: usize,
}

impl<'a> Files<'a> {
    fn new(recipe: &'a Recipe) -> Result<Self, Error> {
        let unlabeled = || DataError::Unlabeled { task: recipe.task.name() };
        let task = recipe.task.labeled().ok_or_else(unlabeled)?;
        Ok(Self { recipe, task })
    }

    /// Whether the dev set of an evaluation language is read besides those of the sources.
    fn reads_dev_of(&self, language: &Language) -> bool {
        let selection = self.recipe.training.selection;
        selection == ModelSelection::AllLanguages && !self.recipe.data.sources.contains(language)
    }

    fn path(&self, language: &Language, split: &str) -> PathBuf {
        self.recipe.data.path.with_split(split).path(language)
    }

    fn options(&self, path: &Path, split: &str) -> ReadOptions {
        let data = &self.recipe.data;
        let format = data.format.or_else(|| Format::from_path(path)).unwrap_or(Format::Jsonl);
        let options = data.reading().options(format);
        if data.path.has_split() { options } else { options.with_split(split) }
    }

    fn examples(&self, language: &Language, split: &str) -> Result<(PathBuf, Vec<Example>), Error> {
        let path = self.path(language, split);
        let examples = self.task.read(&path, &self.options(&path, split))?;
        Ok((path, examples))
    }

    /// Number of source labels in the language's data: all splits, or the test split if each split
    /// is a file of its own.
    fn shared_labels(&self, language: &Language, labels: &LabelSet) -> Result<usize, Error> {
        let splits = &self.recipe.data.splits;
        let path = self.path(language, &splits.test);
        let mut options = self.options(&path, &splits.test);
        options.split = None;
        let found = self.task.labels(&self.task.read(&path, &options)?);
        Ok(self.task.n_shared_labels(labels, &found))
    }

    /// Evaluation languages, all sources among them, the first source first.
    fn languages(&self, sources: &[Language]) -> Result<Vec<Language>, Error> {
        let mut others: Vec<Language> = match &self.recipe.data.languages {
            Languages::Listed(languages) => languages.clone(),
            Languages::All => {
                let data = &self.recipe.data;
                data.path.with_split(&data.splits.test).all_languages()?
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
        learned: LearnedLabels<'_>,
        unseen: Unseen,
    ) -> Result<LabeledSet, Error> {
        let options = FeatureOptions::new(self.max_length).with_unseen(unseen);
        let featurized = self.files.task.featurize(self.tokenizer, &examples, learned, &options)?;
        LabeledSet::new(language.clone(), path, &examples, featurized)
    }

    /// Features of a random sample of `n` examples, by a seed, among those that are not left out; an
    /// error if there are fewer. All that are left out are counted.
    fn sample(
        &self,
        language: &Language,
        (path, examples): (PathBuf, Vec<Example>),
        learned: LearnedLabels<'_>,
        unseen: Unseen,
        n: usize,
        seed: u64,
    ) -> Result<LabeledSet, Error> {
        let options = FeatureOptions::new(self.max_length).with_unseen(unseen);
        let all = self.files.task.featurize(self.tokenizer, &examples, learned, &options)?;
        if all.kept.len() < n {
            let (language, found) = (language.clone(), all.kept.len());
            return Err(DataError::TooFew { path, language, expected: n, found }.into());
        }
        let indices = sample_indices(all.kept.len(), Some(n), seed);
        let chosen = indices.iter().map(|index| examples[all.kept[*index]].clone()).collect();
        let mut set = self.features(language, (path, chosen), learned, unseen)?;
        set.report.left_out = all.skipped;
        Ok(set)
    }
}
