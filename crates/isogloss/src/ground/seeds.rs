//! Random seeds of a run: the numbers of the streams that are split from the recipe's seed.

/// Initialization of a new head.
pub(crate) const HEAD: u64 = 0;
/// Shuffling of labeled batches.
pub(crate) const ORDER: u64 = 1;
/// Dropout, noise and sampled labels.
pub(crate) const DROPOUT: u64 = 2;
/// Views of the task's examples.
pub(crate) const VIEWS: u64 = 3;
/// The batches that guided dropout is estimated from.
pub(crate) const GUIDED_DROPOUT: u64 = 4;
/// Measures of the Fisher information and of flatness.
pub(crate) const MEASURE: u64 = 5;
/// Shuffling and token masking of sentence pairs.
pub(crate) const PAIRS: u64 = 6;
/// Initialization of new projection heads.
pub(crate) const PROJECTIONS: u64 = 7;
/// Shuffling and token masking of monolingual text.
pub(crate) const MONOLINGUAL: u64 = 8;
/// Initialization of new adapters.
pub(crate) const ADAPTER: u64 = 9;
/// The random layer order of gradual unfreezing, and the examples of FUN.
pub(crate) const UNFREEZING: u64 = 10;
/// Initialization of a new student.
pub(crate) const STUDENT: u64 = 11;
// 12 is the stream of few-shot support sets, in `data.rs`.
/// Shuffling and views of the task's text without labels.
pub(crate) const UNLABELED: u64 = 13;
