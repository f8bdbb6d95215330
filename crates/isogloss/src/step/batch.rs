//! Batch on the host: the same examples and pairs in every view that the objectives read.

use isogloss_methods::{PredictionUnits, TextView, WordLinks};
use isogloss_model::Tokens;
use isogloss_text::{Alignment, SentencePair, TokenBatch};

/// Batch on the host, in every view that the objectives read.
pub(crate) struct StepBatch {
    /// The number of the batch in the run.
    pub(crate) number: u64,
    /// Each view, its tokens, and which rows of its logits are predictions.
    pub(crate) texts: Vec<(TextView, TokenBatch, PredictionUnits)>,
    /// The language of its examples, by its index among the sources.
    pub(crate) language: usize,
    /// The words of its pairs, and their links if they were aligned before training.
    pub(crate) links: WordLinks,
    /// The pairs whose words the model is to align.
    pub(crate) to_align: Vec<SentencePair>,
    /// Cached activations of frozen layers that replace the tokens of the original text, if there
    /// are any.
    pub(crate) cached_activations: Option<Tokens>,
}

impl StepBatch {
    /// A batch without any text.
    pub(crate) fn empty(number: u64) -> Self {
        let (texts, links) = (Vec::new(), WordLinks::default());
        let (to_align, cached_activations) = (Vec::new(), None);
        Self { number, texts, language: 0, links, to_align, cached_activations }
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

/// Adds the word alignments of the pairs of a batch to its words, which are counted through the
/// batch.
pub(crate) fn batch_links<'a>(
    mut words: WordLinks,
    alignments: impl Iterator<Item = &'a Alignment>,
) -> WordLinks {
    let (mut n_left, mut n_right) = (0, 0);
    let sentences = words.left_words.iter().zip(&words.right_words);
    for ((left, right), alignment) in sentences.zip(alignments) {
        let links = alignment.links().iter();
        words.links.extend(links.map(|(l, r)| (n_left + l, n_right + r)));
        n_left += left.len();
        n_right += right.len();
    }
    words
}
