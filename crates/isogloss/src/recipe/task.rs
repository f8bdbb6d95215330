//! The `[task]` table: what is learned.

use isogloss_text::TagUnits;
use serde::{Deserialize, Serialize};

use super::{Faults, ParsingRecipe};

/// The `[task]` table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Task {
    /// One label a text, or a pair of texts.
    Classification {},
    /// One BIO tag a token.
    Tagging {
        /// What carries a tag: the first subword of a word, or every subword.
        #[serde(default = "subword")]
        units: TagUnits,
    },
    /// A tree over the words of a sentence, and their parts of speech.
    Parsing(ParsingRecipe),
    /// Sentences find their translations: no labels and no head, and the held-out pairs for tests.
    Retrieval {
        /// The layer whose states are compared, counted from the embeddings' output, 0; the last by
        /// default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        layer: Option<usize>,
    },
    /// Masked tokens are guessed in held-out text: no labels and no other head.
    LanguageModeling {},
}

fn subword() -> TagUnits {
    TagUnits::Subword
}

impl Default for Task {
    fn default() -> Self {
        Self::Classification {}
    }
}

impl Task {
    pub(super) fn check(&self, faults: &mut Faults<'_>) {
        if let Self::Parsing(recipe) = self {
            recipe.check(faults);
        }
    }

    /// Whether examples have labels to be learned.
    pub fn is_labeled(&self) -> bool {
        matches!(self, Self::Classification {} | Self::Tagging { .. } | Self::Parsing(_))
    }

    /// The options of a parser, if this is the task of one.
    pub fn parsing(&self) -> Option<&ParsingRecipe> {
        match self {
            Self::Parsing(recipe) => Some(recipe),
            _ => None,
        }
    }

    /// `classification`, `tagging`, `parsing`, `retrieval` or `language_modeling`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Classification {} => "classification",
            Self::Tagging { .. } => "tagging",
            Self::Parsing(_) => "parsing",
            Self::Retrieval { .. } => "retrieval",
            Self::LanguageModeling {} => "language_modeling",
        }
    }

    /// The score that models are chosen by.
    pub fn metric(&self) -> &'static str {
        match self {
            Self::Classification {} | Self::Retrieval { .. } | Self::LanguageModeling {} => {
                "accuracy"
            }
            Self::Tagging { .. } => "span_f1",
            Self::Parsing(_) => "las",
        }
    }
}
