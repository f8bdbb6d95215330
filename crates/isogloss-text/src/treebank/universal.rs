//! Universal Dependencies: subtypes of relations, content and function words, universal features.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Subtypes of dependency relations, such as `:relcl` in `acl:relcl`: whether they are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Subtypes {
    /// Keep the subtypes.
    Keep,
    /// Remove the subtypes, which leaves the universal relations that all languages share.
    Cut,
}

impl Subtypes {
    /// The relation with or without its subtype.
    ///
    /// ```
    /// use isogloss_text::Subtypes;
    ///
    /// assert_eq!(Subtypes::Cut.apply("acl:relcl"), "acl");
    /// assert_eq!(Subtypes::Keep.apply("acl:relcl"), "acl:relcl");
    /// ```
    pub fn apply(self, deprel: &str) -> &str {
        match self {
            Self::Keep => deprel,
            Self::Cut => deprel.split_once(':').map_or(deprel, |(relation, _)| relation),
        }
    }
}

/// Whether a word of this relation is a content word, as counted by CLAS, MLAS and BLEX; the list
/// is that of the evaluation script.
pub(crate) fn is_content(relation: &str) -> bool {
    matches!(
        relation,
        "nsubj"
            | "obj"
            | "iobj"
            | "csubj"
            | "ccomp"
            | "xcomp"
            | "obl"
            | "vocative"
            | "expl"
            | "dislocated"
            | "advcl"
            | "advmod"
            | "discourse"
            | "nmod"
            | "appos"
            | "nummod"
            | "acl"
            | "amod"
            | "conj"
            | "fixed"
            | "flat"
            | "compound"
            | "list"
            | "parataxis"
            | "orphan"
            | "goeswith"
            | "reparandum"
            | "root"
            | "dep"
    )
}

/// Whether a word of this relation is a function word, which MLAS counts with its head; from the
/// same source.
pub(crate) fn is_function(relation: &str) -> bool {
    matches!(relation, "aux" | "cop" | "mark" | "det" | "clf" | "case" | "cc")
}

/// Whether a morphological feature `Name=Value` is universal, by its name; from the same source.
pub(crate) fn is_universal(feature: &str) -> bool {
    let name = feature.split_once('=').map_or(feature, |(name, _)| name);
    matches!(
        name,
        "PronType"
            | "NumType"
            | "Poss"
            | "Reflex"
            | "Foreign"
            | "Abbr"
            | "Gender"
            | "Animacy"
            | "Number"
            | "Case"
            | "Definite"
            | "Degree"
            | "VerbForm"
            | "Mood"
            | "Tense"
            | "Aspect"
            | "Voice"
            | "Evident"
            | "Polarity"
            | "Person"
            | "Polite"
    )
}
