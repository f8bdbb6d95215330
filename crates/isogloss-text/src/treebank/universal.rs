//! What the relations of all languages share.

use serde::{Deserialize, Serialize};

/// What happens to the subtypes of relations, the part from the colon on in `acl:relcl`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subtypes {
    /// They stay.
    Keep,
    /// They are cut off, which leaves the relations that all languages share.
    Cut,
}

impl Subtypes {
    /// The relation with or without its subtype.
    ///
    /// ```
    /// use isogloss_text::Subtypes;
    ///
    /// assert_eq!(Subtypes::Cut.of("acl:relcl"), "acl");
    /// assert_eq!(Subtypes::Keep.of("acl:relcl"), "acl:relcl");
    /// ```
    pub fn of(self, deprel: &str) -> &str {
        match self {
            Self::Keep => deprel,
            Self::Cut => deprel.split_once(':').map_or(deprel, |(relation, _)| relation),
        }
    }
}
