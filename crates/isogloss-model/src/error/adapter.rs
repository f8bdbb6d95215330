//! Errors of adapters in a model.

use super::nearest::hint;

/// An adapter that a model does not have, or cannot have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdapterError {
    /// No adapter of this name.
    #[error("no adapter \"{name}\"{}", hint(nearest.as_deref()))]
    Unknown {
        /// The name looked for.
        name: String,
        /// The most similar name that is there.
        nearest: Option<String>,
    },
    /// A name that cannot be part of a parameter's path.
    #[error("adapter name \"{name}\": expected at least one character, and no dot")]
    Name {
        /// The name.
        name: String,
    },
    /// A field of a configuration that no adapter can have.
    #[error("field \"{field}\": {problem}")]
    Config {
        /// Its name.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// Two kinds of adapters at projections in one model.
    #[error(
        "adapter \"{name}\" is of the kind {kind}: it cannot stand beside \"{beside}\", {beside_kind}"
    )]
    OtherKind {
        /// Its name.
        name: String,
        /// Its kind.
        kind: &'static str,
        /// An adapter that is there.
        beside: String,
        /// The kind of that.
        beside_kind: &'static str,
    },
    /// A parallel adapter above or below another.
    #[error("adapter \"{name}\" is parallel: it cannot be stacked with others")]
    ParallelInStack {
        /// Its name.
        name: String,
    },
}
