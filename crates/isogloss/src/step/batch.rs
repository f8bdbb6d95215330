//! Batch on the host: the same examples and pairs in every view that the objectives read.

use isogloss_methods::{PredictionUnits, TextView, WordLinks};
use isogloss_model::Tokens;
use isogloss_text::TokenBatch;

/// Batch on the host, in every view that the objectives read.
pub(crate) struct StepBatch {
    /// The number of the batch in the run.
    pub(crate) number: u64,
    /// Each view, its tokens, and which rows of its logits are predictions.
    pub(crate) texts: Vec<(TextView, TokenBatch, PredictionUnits)>,
    /// The language of its examples, by its index among the sources.
    pub(crate) language: usize,
    /// The word alignment of its pairs.
    pub(crate) links: WordLinks,
    /// Cached activations of frozen layers that replace the tokens of the original text, if there
    /// are any.
    pub(crate) cached_activations: Option<Tokens>,
}

impl StepBatch {
    /// A batch without any text.
    pub(crate) fn empty(number: u64) -> Self {
        let (texts, links) = (Vec::new(), WordLinks::default());
        Self { number, texts, language: 0, links, cached_activations: None }
    }

    /// Adds the step's pairs.
    pub(crate) fn add_pairs(&mut self, texts: Vec<(TextView, TokenBatch)>, links: WordLinks) {
        let texts = texts.into_iter();
        self.texts.extend(texts.map(|(text, batch)| (text, batch, PredictionUnits::Texts)));
        self.links = links;
    }

    /// Adds the step's blocks of text in one language.
    pub(crate) fn add_blocks(&mut self, blocks: TokenBatch) {
        self.texts.push((TextView::Monolingual, blocks, PredictionUnits::Texts));
    }

    /// The tokens of the original text.
    pub(crate) fn original(&self) -> Option<&TokenBatch> {
        let mut texts = self.texts.iter();
        texts.find(|(text, ..)| *text == TextView::Original).map(|(_, batch, _)| batch)
    }

    /// Number of tokens, without padding, of the original text and of unlabeled text.
    pub(crate) fn n_tokens(&self) -> usize {
        let texts = self.texts.iter();
        let is_view = |text: TextView| match text {
            TextView::Original | TextView::Unlabeled => false,
            text => text.is_of_task() || text.is_unlabeled(),
        };
        let read = texts.filter(|(text, ..)| !is_view(*text));
        let masks = read.flat_map(|(_, batch, _)| &batch.attention_mask);
        masks.filter(|real| **real != 0).count()
    }
}
