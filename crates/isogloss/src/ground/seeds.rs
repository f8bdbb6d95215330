//! The streams of random numbers of a run, split from the recipe's seed.

/// A new head.
pub(crate) const HEAD: u64 = 0;
/// The order of labeled batches.
pub(crate) const ORDER: u64 = 1;
/// Dropout, noise and sampled labels.
pub(crate) const DROPOUT: u64 = 2;
/// Views of the task's examples.
pub(crate) const VIEWS: u64 = 3;
/// The batches that guided dropout is estimated from.
pub(crate) const GUIDED_DROPOUT: u64 = 4;
/// Measures of the Fisher information and of flatness.
pub(crate) const MEASURE: u64 = 5;
/// The order and the masks of pairs.
pub(crate) const PAIRS: u64 = 6;
/// New projection heads.
pub(crate) const PROJECTIONS: u64 = 7;
/// The order and the masks of text in one language.
pub(crate) const MONOLINGUAL: u64 = 8;
/// New adapters.
pub(crate) const ADAPTER: u64 = 9;
/// The random order of gradual unfreezing, and FUN's examples.
pub(crate) const UNFREEZING: u64 = 10;
/// A new student.
pub(crate) const STUDENT: u64 = 11;
