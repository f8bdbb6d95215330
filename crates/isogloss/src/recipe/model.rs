//! The `[model]` table: the pretrained encoder, its pooling and its maximum length.

use isogloss_model::{HeadChoice, HeadSpec, Pooling};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RecipeFaults;

/// The `[model]` table: the pretrained model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ModelRecipe {
    /// A Hugging Face folder, or the name of a repository on the hub, `owner/name[@revision]`.
    pub source: String,
    /// What a head that the model was saved with gives to the one that is trained.
    #[serde(skip_serializing_if = "HeadReuse::is_default")]
    pub head: HeadReuse,
    /// How a sentence becomes a vector; not used for tagging.
    pub pooling: Pooling,
    /// Tokens after which a text is cut, specials included.
    pub max_length: usize,
    /// All rates of dropout while it is trained; the model's own by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropout: Option<f64>,
    /// Begins by leaving out of the vocabulary what no text of this recipe needs: the same training with
    /// a smaller table, but for the decay of rows that no text reads and for what is drawn from the
    /// whole vocabulary, as masked language modelling does.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub trim: bool,
    /// Trains a model whose vocabulary was cut to a number of pieces on texts that need others too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub allow_unknown: bool,
}

impl Default for ModelRecipe {
    fn default() -> Self {
        Self {
            source: String::new(),
            head: HeadReuse::ByName,
            pooling: Pooling::Mean,
            max_length: 128,
            dropout: None,
            trim: false,
            allow_unknown: false,
        }
    }
}

/// What a saved head gives to the one that is trained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HeadReuse {
    /// What is about all labels, and the rows of its labels by their names, wherever they stand; other rows
    /// are drawn. A head of another kind gives no rows.
    #[default]
    ByName,
    /// Nothing: all of the head is drawn.
    New,
    /// All of it: it must be of the same kind, and have the labels of the data in any order.
    AsIs,
}

impl HeadReuse {
    /// The head of a model that is loaded, whose other parameters are drawn from `seed`.
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
    pub(super) fn check(&self, faults: &mut RecipeFaults<'_>) {
        if self.source.is_empty() {
            faults.add("model.source", "name a folder or a repository on the hub");
        }
        faults.at_least("model.max_length", self.max_length as u64, 3);
        if let Some(rate) = self.dropout {
            faults.below_one("model.dropout", rate);
        }
    }
}
