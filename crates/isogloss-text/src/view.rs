//! Data augmentation (views of examples): subword regularization, code-switching and translation.
//!
//! Consistency regularization trains a model to give the same prediction for an example and for a
//! view of it (Zheng et al. 2021, xTune, arXiv:2106.08226).
//! A view depends only on the example and a seed, not on the machine: sums and samples use only
//! operations that are defined by IEEE 754 or plain Rust code.

mod code_switch;
mod config;
mod lexicon;
mod rewritten;
mod translation;

use std::fmt;
use std::ops::Range;

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

pub use code_switch::{CaseRule, CodeSwitchConfig};
pub use config::ViewsConfig;
pub use translation::TranslationConfig;

use crate::features::{FeaturizedExample, classification, tagging};
use crate::subword::{SamplerState, SubwordSampler};
use crate::tokenizer::Encoder;
use crate::{
    Content, Example, Features, LabelSet, Language, Origin, TagUnits, TextError, Tokenizer,
    TruncationSide, whitespace_words,
};
use code_switch::CodeSwitcher;
use rewritten::RewrittenExample;
use translation::Translator;

/// Kinds of data augmentation (views) of an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ViewKind {
    /// The original text, not augmented.
    Original,
    /// Subword regularization: sampled segmentations of some of the words, see
    /// [`SubwordSamplingConfig`](crate::SubwordSamplingConfig).
    SubwordSampled,
    /// Code-switching: some of the words are replaced by translations, see [`CodeSwitchConfig`].
    CodeSwitched,
    /// Translation of the text, or of both texts of a pair, into another language, see
    /// [`TranslationConfig`].
    Translated,
    /// Subword regularization of the translation that [`ViewKind::Translated`] is with the same
    /// seed.
    TranslatedSubwordSampled,
}

impl fmt::Display for ViewKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Original => "original",
            Self::SubwordSampled => "subword_sampled",
            Self::CodeSwitched => "code_switched",
            Self::Translated => "translated",
            Self::TranslatedSubwordSampled => "translated_subword_sampled",
        })
    }
}

/// The task that a view is featurized for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ViewTask {
    /// Text classification, see [`featurize_classification`](crate::featurize_classification).
    Classification,
    /// Token classification, see [`featurize_tagging`](crate::featurize_tagging).
    Tagging(TagUnits),
}

/// Augmented example: the features of one view, with the token positions of the original words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Viewed {
    /// The tokens and the target of this view.
    pub features: Features,
    /// Subwords of each word of the original text, or of a translation's own words, as a token
    /// range; `None` for a word without a token or truncated.
    ///
    /// Words are those of the file, or the whitespace-separated words of the first text.
    pub subwords: Vec<Option<Range<usize>>>,
}

impl Viewed {
    /// First subword of each word, as a token index.
    pub fn first_subwords(&self) -> Vec<Option<usize>> {
        let tokens = self.subwords.iter();
        tokens.map(|tokens| tokens.as_ref().map(|tokens| tokens.start)).collect()
    }

    /// Subwords of each word that has all of them: `None` also for the word at the cut of a
    /// truncated text, the rest of which may be missing.
    pub fn whole_words(&self) -> Vec<Option<Range<usize>>> {
        let mut words = self.subwords.clone();
        let input = &self.features.input;
        let mut kept = words.iter_mut().filter(|tokens| tokens.is_some());
        let at_cut = match input.truncation_side {
            _ if input.n_truncated == 0 => None,
            TruncationSide::Left => kept.next(),
            TruncationSide::Right => kept.next_back(),
        };
        at_cut.into_iter().for_each(|tokens| *tokens = None);
        words
    }
}

/// Data augmentation of xTune (Zheng et al. 2021): makes views of examples by subword
/// regularization, code-switching and translation.
///
/// ```
/// use isogloss_text::{
///     Format, LabelSet, ReadOptions, SubwordSamplingConfig, ViewKind, Tokenizer, ViewTask, Viewer, ViewsConfig, read_examples,
/// };
///
/// let json = r#"{"version": "1.0", "added_tokens": [],
///     "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true},
///     "model": {"type": "Unigram", "unk_id": 0, "vocab": [
///         ["<unk>", 0.0], ["▁", -3.0], ["▁an", -2.0], ["a", -4.0], ["n", -4.0], ["▁a", -3.0]]}}"#;
/// let tokenizer = Tokenizer::from_bytes(json.as_bytes(), "tokenizer.json".as_ref())?;
/// let sampling = SubwordSamplingConfig { rate: 1.0, alpha: 0.1, n_best: None };
/// let config = ViewsConfig { subword_sampled: Some(sampling), ..ViewsConfig::default() };
/// let viewer = Viewer::new(&config, &tokenizer, &"de".parse()?)?;
///
/// let data = r#"{"text": "an an", "label": "on"}"#;
/// let examples = read_examples(data.as_bytes(), "de.jsonl".as_ref(), &ReadOptions::new(Format::Jsonl))?;
/// let labels = LabelSet::classes(&examples);
/// let seen = |view| viewer.view(view, &examples[0], ViewTask::Classification, &labels, 16, 3);
///
/// let original = seen(ViewKind::Original)?;
/// assert_eq!(original.features.input.ids, [2, 2]);
/// assert_eq!(original.first_subwords(), [Some(0), Some(1)]);
///
/// let sampled = seen(ViewKind::SubwordSampled)?;
/// assert_eq!(sampled.features.input.ids, [1, 3, 4, 2]);
/// assert_eq!(sampled.subwords, [Some(1..3), Some(3..4)]);
/// assert_eq!(sampled.features.target, original.features.target);
/// # Ok::<(), isogloss_text::TextError>(())
/// ```
#[derive(Debug)]
pub struct Viewer {
    tokenizer: Tokenizer,
    subword_sampler: Option<SubwordSampler>,
    code_switcher: Option<CodeSwitcher>,
    translator: Option<Translator>,
}

impl Viewer {
    /// Loads the dictionaries and translations of `config`; `source` is the language of the
    /// examples.
    ///
    /// # Errors
    /// [`TextError::InvalidViews`] for the first of [`ViewsConfig::faults`], for `source` among the
    /// languages to sample from, and for a tokenizer that does not support the subword sampling of
    /// `config`.
    /// [`TextError::MissingLanguage`] for a language without a file, and the errors of
    /// [`read_pairs`](crate::read_pairs) for a file that is not one of dictionary entries or
    /// translations.
    pub fn new(
        config: &ViewsConfig,
        tokenizer: &Tokenizer,
        source: &Language,
    ) -> Result<Self, TextError> {
        if let Some((field, reason)) = config.faults().into_iter().next() {
            return Err(TextError::InvalidViews { field, reason });
        }
        let others = |field, languages: &[Language]| match languages.contains(source) {
            true => {
                let reason = format!("\"{source}\" is the language of the examples");
                Err(TextError::InvalidViews { field, reason })
            }
            false => Ok(()),
        };
        if let Some(config) = &config.code_switched {
            others("code_switched.languages", &config.languages)?;
        }
        if let Some(config) = &config.translated {
            others("translated.languages", &config.languages)?;
        }
        let (model, unk_id) = (tokenizer.model(), tokenizer.unk_id());
        let sampler = |config| SubwordSampler::new(config, model, unk_id);
        Ok(Self {
            tokenizer: tokenizer.clone(),
            subword_sampler: config.subword_sampled.as_ref().map(sampler).transpose()?,
            code_switcher: config.code_switched.as_ref().map(CodeSwitcher::new).transpose()?,
            translator: config.translated.as_ref().map(Translator::new).transpose()?,
        })
    }

    /// Augments and featurizes an example, with the target of the requested view.
    ///
    /// The same seed gives the same result on every machine; [`ViewKind::Original`] does not depend
    /// on the seed.
    /// The features are those of [`featurize_classification`](crate::featurize_classification) or
    /// [`featurize_tagging`](crate::featurize_tagging) for the example in this view; a translation
    /// has no tags, and no target for tagging.
    ///
    /// # Errors
    /// The errors of featurization, and [`TextError::MissingView`] for a view without a table in
    /// the configuration.
    pub fn view(
        &self,
        view: ViewKind,
        example: &Example,
        task: ViewTask,
        labels: &LabelSet,
        max_length: usize,
        seed: u64,
    ) -> Result<Viewed, TextError> {
        self.make(view, example, task, Some(labels), max_length, seed)
    }

    /// Augments and featurizes a running text without labels, as [`view`](Self::view) does with an
    /// example; it has no target.
    ///
    /// # Errors
    /// As [`view`](Self::view), without those about labels.
    pub fn view_unlabeled(
        &self,
        view: ViewKind,
        text: &str,
        task: ViewTask,
        max_length: usize,
        seed: u64,
    ) -> Result<Viewed, TextError> {
        let example = unlabeled(text);
        self.make(view, &example, task, None, max_length, seed)
    }

    fn make(
        &self,
        view: ViewKind,
        example: &Example,
        task: ViewTask,
        labels: Option<&LabelSet>,
        max_length: usize,
        seed: u64,
    ) -> Result<Viewed, TextError> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let missing = |view| move || TextError::MissingView { view };
        let is_translated =
            matches!(view, ViewKind::Translated | ViewKind::TranslatedSubwordSampled);
        let rewritten = match view {
            ViewKind::Original | ViewKind::SubwordSampled => RewrittenExample::unchanged(example),
            ViewKind::CodeSwitched => {
                let switcher = self.code_switcher.as_ref().ok_or_else(missing(view))?;
                switcher.switch(example, &mut rng)
            }
            ViewKind::Translated | ViewKind::TranslatedSubwordSampled => {
                let translator = self.translator.as_ref();
                let translator = translator.ok_or_else(missing(ViewKind::Translated))?;
                translator.translate(example, &mut rng)
            }
        };
        let featurize = |encoder| match task {
            ViewTask::Classification => {
                classification(encoder, &rewritten.example, labels, max_length)
            }
            ViewTask::Tagging(units) => {
                let labels = labels.filter(|_| !is_translated);
                tagging(encoder, &rewritten.example, labels, units, max_length)
            }
        };
        let featured = match view {
            ViewKind::SubwordSampled | ViewKind::TranslatedSubwordSampled => {
                let sampler = self.subword_sampler.as_ref();
                let sampler = sampler.ok_or_else(missing(ViewKind::SubwordSampled))?;
                let state = SamplerState::new(rng);
                let sample = |word: &str| sampler.sample(word, &state);
                featurize(Encoder::resegmented(&self.tokenizer, &sample))?
            }
            ViewKind::Original | ViewKind::CodeSwitched | ViewKind::Translated => {
                featurize(Encoder::new(&self.tokenizer))?
            }
        };
        let subwords = self.subwords(&rewritten, &featured, task);
        Ok(Viewed { features: featured.features, subwords })
    }

    /// The number of examples that have a translation, with both texts of a pair, into one of the
    /// languages; 0 without translations.
    pub fn n_translated(&self, examples: &[Example]) -> usize {
        self.translator.as_ref().map_or(0, |translator| translator.n_translated(examples))
    }

    /// Whether a running text without labels has a translation into one of the languages.
    pub fn has_translation(&self, text: &str) -> bool {
        self.n_translated(&[unlabeled(text)]) > 0
    }

    /// The subwords of each word of the original text, or of a translation, as a token range.
    fn subwords(
        &self,
        rewritten: &RewrittenExample<'_>,
        featured: &FeaturizedExample,
        task: ViewTask,
    ) -> Vec<Option<Range<usize>>> {
        let input = &featured.features.input;
        match (&rewritten.example.content, task) {
            (Content::Words { words, .. }, _) => input.subwords(words.len()),
            (Content::Tree(sentence), _) => input.subwords(sentence.words().len()),
            (Content::Text { text, .. }, ViewTask::Tagging(TagUnits::Word)) => {
                let words = whitespace_words(text);
                let subwords = input.subwords(words.len());
                let of_span = |&span: &Option<(usize, usize)>| {
                    let (start, end) = span?;
                    let first = words.binary_search_by_key(&start, |&(start, _)| start).ok()?;
                    let n_words = words[first..].iter().take_while(|word| word.0 < end).count();
                    let tokens = subwords.get(first)?.as_ref()?;
                    let others = subwords[first..first + n_words].iter().flatten();
                    Some(tokens.start..others.map(|tokens| tokens.end).max()?)
                };
                rewritten.word_spans.iter().map(of_span).collect()
            }
            (Content::Text { text, .. }, _) => {
                let spans = self.tokenizer.spans(input, text);
                let tokens: Vec<(usize, (usize, usize))> = spans
                    .into_iter()
                    .enumerate()
                    .take(featured.first_text.end)
                    .skip(featured.first_text.start)
                    .filter(|(_, (start, end))| start < end)
                    .collect();
                let mut rest = tokens.as_slice();
                let of_span = |&span: &Option<(usize, usize)>| {
                    let (start, end) = span?;
                    while let [(_, token), after @ ..] = rest
                        && token.1 <= start
                    {
                        rest = after;
                    }
                    let n_tokens = rest.iter().take_while(|(_, token)| token.0 < end).count();
                    let (first, last) = (rest[..n_tokens].first()?.0, rest[..n_tokens].last()?.0);
                    Some(first..last + 1)
                };
                rewritten.word_spans.iter().map(of_span).collect()
            }
        }
    }
}

/// A running text without labels, as an example.
fn unlabeled(text: &str) -> Example {
    let (text, pair, label, slots) = (text.to_owned(), None, None, Vec::new());
    Example {
        origin: Origin { path: std::path::Path::new("").into(), line: 0 },
        content: Content::Text { text, pair, label, slots },
        split: None,
        lacks_spans: false,
    }
}

#[cfg(test)]
mod tests;
