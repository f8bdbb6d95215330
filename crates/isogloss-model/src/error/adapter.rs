//! Adapter errors.

use super::nearest::hint;

/// Adapter error: an adapter is unknown or cannot be added to the model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdapterError {
    /// Unknown adapter name.
    #[error("no adapter \"{name}\"{}", hint(nearest.as_deref()))]
    Unknown {
        /// The requested name.
        name: String,
        /// The most similar existing name.
        nearest: Option<String>,
    },
    /// Invalid adapter name, which cannot be part of a parameter path.
    #[error("adapter name \"{name}\": expected at least one character, and no dot")]
    Name {
        /// The name.
        name: String,
    },
    /// Invalid field of an adapter configuration.
    #[error("field \"{field}\": {problem}")]
    Config {
        /// The name.
        field: &'static str,
        /// The reason.
        problem: String,
    },
    /// Adapters of two kinds (LoRA and (IA)³) at projections of one model.
    #[error(
        "adapter \"{name}\" is of the kind {kind}: it cannot stand beside \"{beside}\", {beside_kind}"
    )]
    OtherKind {
        /// The name.
        name: String,
        /// Its kind, see [`AdapterConfig::kind`](crate::AdapterConfig::kind).
        kind: &'static str,
        /// An adapter that the model has.
        beside: String,
        /// The kind of that adapter.
        beside_kind: &'static str,
    },
    /// Parallel adapter in a stack with other adapters.
    #[error("adapter \"{name}\" is parallel: it cannot be stacked with others")]
    ParallelInStack {
        /// The name.
        name: String,
    },
}
