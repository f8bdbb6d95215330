//! The `[model]` table: the pretrained encoder, its pooling and its maximum length.

use isogloss_model::{HeadChoice, HeadSpec, Pooling};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RecipeFaults;

/// The `[model]` table: the pretrained encoder, its head, pooling and maximum length.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ModelRecipe {
    /// A model folder in Hugging Face format, or the name of a repository on the hub,
    /// `owner/name[@revision]`.
    pub source: String,
    /// How the saved head of a fine-tuned model is reused for the new head.
    #[serde(skip_serializing_if = "HeadReuse::is_default")]
    pub head: HeadReuse,
    /// Pooling: how hidden states become a sentence embedding; not used for tagging.
    pub pooling: Pooling,
    /// Maximum sequence length: tokens after which a text is truncated, special tokens included.
    /// Without it, 128, or the tokenizer's `model_max_length` if that is less.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<usize>,
    /// Dropout rate in training, of all dropout layers; the rates of the model's configuration by
    /// default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropout: Option<f64>,
    /// Vocabulary trimming before training: removes the tokens that no text of this recipe needs.
    /// Training is the same with a smaller embedding matrix, except for the weight decay of rows
    /// that no text reads and for what is sampled from the whole vocabulary, as in masked language
    /// modelling.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub trim: bool,
    /// Allows training texts with unknown tokens where the vocabulary was trimmed to a fixed number
    /// of pieces; without it, such texts are an error.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub allow_unknown: bool,
}

impl Default for ModelRecipe {
    fn default() -> Self {
        Self {
            source: String::new(),
            head: HeadReuse::ByName,
            pooling: Pooling::Mean,
            max_length: None,
            dropout: None,
            trim: false,
            allow_unknown: false,
        }
    }
}

/// Head reuse: what the saved head of a fine-tuned model gives to the new head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HeadReuse {
    /// Copies the layers that all labels share, and the rows of labels with the same names, in any
    /// order; other rows are initialized at random. A head of another kind gives no rows.
    #[default]
    ByName,
    /// Nothing: the whole head is initialized at random.
    New,
    /// The whole head: it must be of the same kind, and have the labels of the data in any order.
    AsIs,
}

impl HeadReuse {
    /// The head choice for loading a model; new parameters are initialized from `seed`.
    pub(crate) fn choice(self, spec: &HeadSpec, seed: u64) -> HeadChoice {
        let spec = spec.clone();
        match self {
            Self::ByName => HeadChoice::ByName { spec, seed },
            Self::New => HeadChoice::New { spec, seed },
            Self::AsIs => HeadChoice::AsIs { spec },
        }
    }

    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl ModelRecipe {
    /// Maximum sequence length where neither recipe nor tokenizer gives one.
    pub(crate) const MAX_LENGTH: usize = 128;

    pub(super) fn check(&self, faults: &mut RecipeFaults<'_>) {
        if self.source.is_empty() {
            faults.add("model.source", "name a folder or a repository on the hub");
        }
        if let Some(max_length) = self.max_length {
            faults.at_least("model.max_length", max_length as u64, 3);
        }
        if let Some(rate) = self.dropout {
            faults.below_one("model.dropout", rate);
        }
    }
}
