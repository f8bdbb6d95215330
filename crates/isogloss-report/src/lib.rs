//! HTML report over training runs: learning curves, zero-shot cross-lingual transfer with its
//! spread over seeds, cross-lingual alignment, Fisher information and sharpness.
//!
//! [`find_runs`] finds run folders, [`RunRecord::load`] reads one, [`render`] makes the page.
//! The page is self-contained: styles and figures are inline, it loads nothing from a server, and
//! it needs no script.
//! Runs that differ only in their seed are shown as one recipe, as mean ± standard deviation.
//!
//! ```
//! use isogloss_report::{RunRecord, find_runs, render};
//!
//! # let runs = tempfile::tempdir()?;
//! # let files = [("recipe.toml", ""), ("environment.json", "{}"), ("metrics.jsonl", "")];
//! # for (name, text) in files { std::fs::write(runs.path().join(name), text)?; }
//! # let runs = runs.path();
//! let folders = find_runs(&[runs.to_owned()]);
//! let records: Vec<_> = folders.iter().map(|run| RunRecord::load(run)).collect::<Result<_, _>>()?;
//! std::fs::write(runs.join("report.html"), render(&records))?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod alignment;
mod axis;
mod chart;
mod color;
pub mod correlation;
#[cfg(test)]
mod example_runs;
mod find;
mod flatness;
mod group;
mod heads;
mod html;
mod language;
mod page;
mod record;
mod score_table;
mod summary;

pub use alignment::{
    AlignmentReport, BidirectionalAccuracy, LanguageAlignment, LayerAlignment, LayerCorrelation,
    Quantity, WordAlignment,
};
pub use correlation::{Correlation, MIN_PAIRS, RESAMPLES, spearman};
pub use find::find_runs;
pub use group::{copied_seeds, unlike_seeds, unlike_test_data};
pub use heads::head_overlap;
pub use page::render;
pub use record::{ReportError, RunRecord, SUBNETWORKS};
pub use score_table::{TableFormat, score_table};
pub use summary::{LanguageScore, MeanStd, TransferSummary};

/// Doctest of the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
