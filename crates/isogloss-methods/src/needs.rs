//! What an objective asks of the trainer: passes, projection heads, word links, cached teachers.

use crate::sentence_embedding::SentenceEmbedding;
use crate::view::{Role, TextView, View};

/// What an objective asks of the trainer, as one plain value.
///
/// The trainer unites the needs of all objectives once, before the first step, so that a view that
/// several of them name is one pass.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Needs {
    /// The passes that the loss is computed from.
    pub views: Vec<View>,
    /// Whether the classifier's weight is divided by its spectral norm.
    pub normalized_head: bool,
    /// The layers whose attention maps are read in a model over pairs, counted from 1, the first block.
    pub attention_maps: Vec<(Role, usize)>,
    /// The embedding of each left sentence, where the loss reads nothing else of the teacher over pairs:
    /// the trainer then computes it once and caches it.
    pub teacher_embedding: Option<SentenceEmbedding>,
    /// Whether the words of the step's pairs are linked.
    pub word_links: bool,
    /// The widths of a projection head that is trained beside the encoder, from its input to its output.
    pub projection_head: Option<Vec<Width>>,
    /// How the pairs that are contrasted are made, if not as they are.
    pub contrast_texts: Option<ContrastTexts>,
    /// How many keys of earlier pairs the objective's state keeps as negatives, if it does: fewer than there
    /// are pairs, or a pair would be its own negative.
    pub negative_queue: Option<usize>,
}

/// One width of a projection head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// That of the model's hidden states.
    Hidden,
    /// Another.
    Fixed(usize),
}

/// How pairs are changed before they are contrasted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContrastTexts {
    /// A pair and the next one of the batch become one, the sentences of each side in any order.
    pub mixup: bool,
    /// Tokens are masked.
    pub masked: bool,
}

impl Needs {
    /// Some passes, and nothing else.
    pub fn views(views: impl Into<Vec<View>>) -> Self {
        Self { views: views.into(), ..Self::default() }
    }

    /// The widths of the projection head for a model of this width, if there is one.
    pub fn projection_widths(&self, hidden_size: usize) -> Option<Vec<usize>> {
        let widths = self.projection_head.as_ref()?.iter().map(|width| match width {
            Width::Hidden => hidden_size,
            Width::Fixed(width) => *width,
        });
        Some(widths.collect())
    }

    /// The texts that are read, each once.
    pub fn texts(&self) -> Vec<TextView> {
        let mut texts: Vec<_> = self.views.iter().map(|view| view.text).collect();
        texts.sort();
        texts.dedup();
        texts
    }

    /// Whether nothing is read but text without labels.
    pub fn is_unlabeled(&self) -> bool {
        !self.views.iter().any(|view| view.text.is_of_task())
    }
}
