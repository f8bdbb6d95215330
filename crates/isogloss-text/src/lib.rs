//! Text preprocessing for cross-lingual fine-tuning: dataset readers, tokenizers, label sets,
//! batches, data augmentation, word alignment and treebanks.
//!
//! [`read_file`] reads a data file into [`Example`]s.
//! [`featurize_classification`] and [`featurize_tagging`] convert examples to [`Features`] with a
//! [`Tokenizer`] and a [`LabelSet`], and [`TokenBatch::collate`] pads features to a batch, in a
//! [`BatchOrder`].
//! A [`Viewer`] augments examples by subword regularization, code-switching or translation.
//! For masked language modelling (MLM), [`pack_sentences`] packs running text into blocks,
//! [`join_translations`] concatenates parallel sentences for translation language modelling (TLM),
//! and a [`Masker`] masks tokens of both.
//! For dependency parsing, [`read_treebank`] reads a CoNLL-U file into a [`Treebank`],
//! [`featurize_parsing`] converts its sentences to features, [`maximum_spanning_tree`] decodes arc
//! scores into a tree, and [`score_parses`] evaluates trees.
//! For word alignment, a dictionary, a statistical model or the similarity of word embeddings gives
//! [`Alignment`]s of parallel text.
//! All results are plain arrays in host memory, without tensors or devices.
//! Character offsets count Unicode scalar values, as Python does.
//!
//! ```
//! use isogloss_text::{
//!     FeatureOptions, Format, LabelSet, ReadOptions, Targets, TokenBatch, Tokenizer, featurize_classification, read_examples,
//! };
//!
//! let data = r#"{"text": "Licht an", "label": "on"}
//! {"text": "aus", "label": "off"}"#;
//! let examples = read_examples(data.as_bytes(), "de.jsonl".as_ref(), &ReadOptions::new(Format::Jsonl))?;
//! let labels = LabelSet::classes(&examples);
//!
//! let json = r#"{"version": "1.0", "added_tokens": [], "pre_tokenizer": {"type": "Whitespace"}, "model":
//!     {"type": "WordLevel", "vocab": {"[PAD]": 0, "Licht": 1, "an": 2, "aus": 3}, "unk_token": "[PAD]"}}"#;
//! let tokenizer = Tokenizer::from_bytes(json.as_bytes(), "tokenizer.json".as_ref())?;
//!
//! let featurized = featurize_classification(&tokenizer, &examples, Some(&labels), &FeatureOptions::new(128))?;
//! let features: Vec<_> = featurized.features.iter().collect();
//! let batch = TokenBatch::collate(&features, vec![0, 1], 0)?;
//! assert_eq!(batch.input_ids, [1, 2, 3, 0]);
//! assert_eq!(batch.targets, Targets::Classes(vec![1, 0]));
//! # Ok::<(), isogloss_text::TextError>(())
//! ```

#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test fails by panicking"))]

mod align;
mod batch;
mod bio;
mod encoded;
mod error;
mod example;
mod fault;
mod features;
mod labels;
mod language;
mod masking;
mod nearest;
mod order;
mod packing;
mod pattern;
mod reader;
mod source;
mod subword;
mod tag_scheme;
mod target;
mod tokenizer;
mod treebank;
mod view;
mod word_dropout;

pub use align::{
    Alignment, AlignmentScores, Bitext, Dictionary, DictionaryAligner, DictionaryRule, EmIteration,
    Extraction, FastAlign, FastAlignConfig, GoldAlignment, Link, LinkUnit, Symmetrization,
    WordForm, align_bidirectional, read_alignments, read_gold_alignments,
};
pub use batch::{Targets, TokenBatch};
pub(crate) use bio::is_tagged;
pub use bio::{Bio, bio_labels, whitespace_words};
pub use encoded::{Encoded, TruncationSide};
pub use error::{LineProblem, TextError};
pub use example::{Content, Example, SentencePair, Slot};
pub use features::{
    FeatureOptions, Features, Featurized, LostWord, ParseLabels, SpanMisfits, TagUnits,
    TruncationReport, Unseen, featurize_classification, featurize_parsing, featurize_tagging,
};
pub use labels::LabelSet;
pub use language::{Language, TagFault};
pub use masking::{Masker, MaskingConfig};
pub use nearest::nearest;
pub use order::{BatchOrder, sequential_by_length};
pub use packing::{join_translations, pack_sentences};
pub use pattern::LanguagePattern;
pub use reader::{
    Annotation, Columns, Format, Quoting, ReadOptions, Texts, is_json_object, lowercase,
    read_examples, read_file, read_pair_file, read_pairs, read_sentence_file, read_sentences,
    read_string_fields, read_treebank, read_treebank_file, select_split,
};
pub use source::Origin;
pub use subword::SubwordSamplingConfig;
pub use tag_scheme::TagScheme;
pub use target::{IGNORE_INDEX, Target, WordTargets};
pub use tokenizer::{
    KeptPieces, PieceCounts, SegmentationComparison, Tokenizer, TokenizerInput, trim_tokenizer,
};
pub use treebank::{
    EmptyNode, MatchCounts, MultiwordToken, ParseScores, Sentence, Subtypes, TokenId, TreeError,
    Treebank, Word, check_tree, maximum_spanning_tree, score_parses,
};
pub use view::{
    CaseRule, CodeSwitchConfig, TranslationConfig, ViewKind, ViewTask, Viewed, Viewer, ViewsConfig,
};
pub use word_dropout::drop_words;

/// The example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
