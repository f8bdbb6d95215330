//! Requirements of an objective on the trainer: forward passes, projection heads, word alignments,
//! cached teacher embeddings.

use crate::sentence_embedding::SentenceEmbedding;
use crate::view::{Role, TextView, View};

/// Requirements of an objective on the trainer: forward passes, projection heads, word alignments.
///
/// The trainer merges the needs of all objectives once, before the first step, so that a view that
/// several objectives request is one forward pass.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Needs {
    /// Forward passes that the loss reads.
    pub views: Vec<View>,
    /// Spectral normalization of the head: whether the classifier's weight is divided by its
    /// spectral norm.
    pub normalized_head: bool,
    /// Attention maps that the loss reads, of passes over sentence pairs: the model's role and the
    /// layer, counted from 1, the first block.
    pub attention_maps: Vec<(Role, usize)>,
    /// Sentence embedding of pairs that the loss compares, if it does.
    pub sentence_embedding: Option<SentenceEmbedding>,
    /// Teacher's sentence embedding of each left sentence, if the loss reads nothing else of the
    /// teacher over pairs: the trainer then computes it once and caches it.
    pub teacher_embedding: Option<SentenceEmbedding>,
    /// Whether word alignments of the step's sentence pairs are needed.
    pub word_links: bool,
    /// Whether it is needed which words of a tagged text have other tokens in a view.
    pub switched_words: bool,
    /// Whether the tokens of each word of a tagged text are needed, for subword pooling.
    pub subwords: bool,
    /// Projection head that is trained beside the encoder: its layer widths, from input to output.
    pub projection_head: Option<Vec<Width>>,
    /// Augmentation of the sentence pairs of a contrastive loss, if any.
    pub contrast_texts: Option<ContrastTexts>,
    /// Sample text (fairseq): the text whose sentences are counted together with the masked tokens
    /// of the batch, if the losses over both are divided by that sample size. Masked language
    /// modeling beside the objective then is too.
    pub sample_text: Option<TextView>,
    /// Negative queue: number of keys of earlier pairs that the objective's state keeps as
    /// negatives, if it does. It must be less than the number of pairs, or a pair would be its own
    /// negative.
    pub negative_queue: Option<usize>,
    /// Whether the loss reads statistics of earlier steps that the objective's state keeps, see
    /// [`MethodState::statistics`](crate::MethodState::statistics).
    pub statistics: bool,
}

/// Layer width of a projection head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// The hidden size of the model.
    Hidden,
    /// A fixed width.
    Fixed(usize),
}

/// Augmentation of the sentence pairs of a contrastive loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContrastTexts {
    /// Mixup: every two pairs of the batch are concatenated, the sentences of each side in any
    /// order; of an odd number, the last pair is left out.
    pub mixup: bool,
    /// Whether tokens are masked.
    pub masked: bool,
}

impl Needs {
    /// Creates requirements of forward passes only.
    pub fn views(views: impl Into<Vec<View>>) -> Self {
        Self { views: views.into(), ..Self::default() }
    }

    /// Layer widths of the projection head for a model of this hidden size, if there is one.
    pub fn projection_widths(&self, hidden_size: usize) -> Option<Vec<usize>> {
        let widths = self.projection_head.as_ref()?.iter().map(|width| match width {
            Width::Hidden => hidden_size,
            Width::Fixed(width) => *width,
        });
        Some(widths.collect())
    }

    /// Text views that are read, each once.
    pub fn texts(&self) -> Vec<TextView> {
        let mut texts: Vec<_> = self.views.iter().map(|view| view.text).collect();
        texts.sort();
        texts.dedup();
        texts
    }

    /// Whether it reads only unlabeled text, and none of the task's examples.
    pub fn is_unlabeled(&self) -> bool {
        !self.views.iter().any(|view| view.text.is_of_task())
    }
}
