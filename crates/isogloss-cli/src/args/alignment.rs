//! CLI arguments of the commands about parallel text: word alignment, retrieval, cross-lingual
//! alignment.

use std::path::PathBuf;
use std::str::FromStr;

use clap::ValueHint;
use isogloss::LinkUnit;
use isogloss::alignment::WordPooling;
use isogloss::model::SentencePooling;
use isogloss::retrieval::Scoring;
use isogloss::text::{
    DictionaryRule, Extraction, Language, LanguagePattern, Quoting, Symmetrization, WordForm,
};

use super::model::{DeviceArgs, HubArgs, ModelArgs};
use super::value::{parse_batch_size, parse_max_length, parse_quoting};

#[derive(Debug, clap::Args)]
pub(crate) struct AlignArgs {
    /// A file of two tab-separated columns: a text and its translation
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) pairs: PathBuf,
    /// Quoting of the pairs: minimal, as pandas writes them, or none, where quotes are text
    /// [default: as the whole file tells]
    #[arg(long, value_parser = parse_quoting)]
    pub(crate) quoting: Option<Quoting>,
    /// Align by this bilingual dictionary, a word and one translation a line, instead of learning
    /// from the pairs
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) dictionary: Option<PathBuf>,
    /// The dictionary of the other direction [default: the same one, inverted]
    #[arg(long, value_name = "FILE", requires = "dictionary", value_hint = ValueHint::FilePath)]
    pub(crate) reverse_dictionary: Option<PathBuf>,
    /// Word that a translation must lead back to by the reverse dictionary: mutual, the word itself,
    /// or authors_code, exactly one of any, as in the code of Gaschi et al. 2023
    #[arg(long, default_value = "mutual", requires = "reverse_dictionary", value_parser = parse_rule)]
    pub(crate) dictionary_rule: DictionaryRule,
    /// Learn from these pairs too; only the alignments of the first file are written
    #[arg(long, value_name = "FILE", conflicts_with = "dictionary", value_hint = ValueHint::FilePath)]
    pub(crate) learn_from: Vec<PathBuf>,
    /// Align by the hidden states of this model: a folder, or owner/name[@revision] on the hub
    #[arg(long, value_name = "MODEL", conflicts_with_all = ["dictionary", "learn_from"])]
    pub(crate) model: Option<String>,
    /// The layer whose hidden states are compared, counted from the embeddings, 0
    #[arg(long, value_name = "N", default_value_t = 8, requires = "model")]
    pub(crate) layer: usize,
    /// How links are extracted from the similarity matrix: softmax, entmax, mutual_argmax, itermax
    /// or max_weight_matching
    #[arg(long, default_value = "softmax", requires = "model", value_parser = parse_extraction)]
    pub(crate) extraction: Extraction,
    /// Unit that is compared: subword, where a link of any subword links its word, or word, the
    /// mean of its subwords
    #[arg(long, default_value = "subword", requires = "model", value_parser = parse_link_unit)]
    pub(crate) unit: LinkUnit,
    /// Batch size, in texts
    #[arg(long, default_value_t = 64, requires = "model", value_parser = parse_batch_size)]
    pub(crate) batch_size: usize,
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
    #[command(flatten)]
    pub(crate) hub: HubArgs,
    /// Evaluate against these gold alignments, a line a pair: 0-0 is a sure link, 0?1 a possible
    /// one
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) gold: Option<PathBuf>,
    /// Form in which words are compared: verbatim, lowercase, or bare, lowercase without
    /// punctuation at the ends
    #[arg(long, default_value = "bare", value_parser = parse_words)]
    pub(crate) words: WordForm,
    /// Symmetrization of the two directions: intersection, grow_diag, grow_diag_final_and,
    /// grow_diag_final or union
    #[arg(long, default_value = "grow_diag_final_and", value_parser = parse_symmetrization,
        conflicts_with_all = ["dictionary", "model"])]
    pub(crate) symmetrization: Symmetrization,
    /// Number of iterations over the pairs to learn from them
    #[arg(long, value_name = "N", default_value_t = 5, conflicts_with_all = ["dictionary", "model"])]
    pub(crate) iterations: usize,
    /// The file to write, a line a pair in the Pharaoh format [default: the standard output]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) out: Option<PathBuf>,
    /// Write a JSON object a pair, and print counts and scores as one at the end
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RetrieveArgs {
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// Files of two tab-separated columns: a text and its translation
    #[arg(long, required = true, num_args = 1.., value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) pairs: Vec<PathBuf>,
    /// Quoting of the pairs: minimal, as pandas writes them, or none, where quotes are text
    /// [default: as the whole file tells]
    #[arg(long, value_parser = parse_quoting)]
    pub(crate) quoting: Option<Quoting>,
    /// The layer that sentence embeddings are pooled from, counted from the embeddings, 0 [default:
    /// the one saved with the model, else the last]
    #[arg(long, value_name = "N")]
    pub(crate) layer: Option<usize>,
    /// Similarity score of the nearest neighbor search: cosine or margin
    #[arg(long, default_value = "cosine", value_parser = parse_scoring)]
    pub(crate) scoring: Scoring,
    /// Number of pairs of each file, sampled by the seed; 0 for all
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) limit: usize,
    /// Mine pairs: write those that are mutual nearest neighbors by margin, with at least this
    /// margin
    #[arg(long, value_name = "MARGIN", conflicts_with = "scoring", value_parser = parse_margin)]
    pub(crate) mine: Option<f32>,
    /// Distractors for mining, as in BUCC: more texts in the language of the first column, one a
    /// line, that translate none of the second
    #[arg(long, value_name = "FILE", requires = "mine", value_hint = ValueHint::FilePath)]
    pub(crate) left: Option<PathBuf>,
    /// Distractors in the language of the second column
    #[arg(long, value_name = "FILE", requires = "mine", value_hint = ValueHint::FilePath)]
    pub(crate) right: Option<PathBuf>,
    /// The file to write mined pairs to: margin, text and translation [default: the standard
    /// output]
    #[arg(long, value_name = "FILE", requires = "mine", value_hint = ValueHint::FilePath)]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) encoding: EncodingArgs,
}

/// Encoding options of a command, over those of the model's folder.
pub(crate) struct EncodingOptions {
    pub(crate) max_length: Option<usize>,
    /// Maximum number of tokens of a text where neither the flag nor modules of the folder say one.
    pub(crate) default_max_length: usize,
    pub(crate) pooling: Option<SentencePooling>,
    pub(crate) batch_size: usize,
}

/// Sampling and encoding of texts.
#[derive(Debug, clap::Args)]
pub(crate) struct EncodingArgs {
    /// Maximum number of tokens of a text, truncated beyond [default: as a folder of
    /// sentence-transformers says, else 128 or the tokenizer's model_max_length if that is less]
    #[arg(long, value_name = "N")]
    pub(crate) max_length: Option<usize>,
    /// Pooling of hidden states into a sentence embedding: cls, max, mean, mean_sqrt_len_tokens,
    /// weightedmean or lasttoken [default: as a folder of sentence-transformers says, else mean]
    #[arg(long, value_name = "NAME", value_parser = parse_pooling)]
    pub(crate) pooling: Option<SentencePooling>,
    /// Batch size, in texts
    #[arg(long, default_value_t = 64, value_parser = parse_batch_size)]
    pub(crate) batch_size: usize,
    /// Seed that samples the pairs
    #[arg(long, default_value_t = 42)]
    pub(crate) seed: u64,
}

/// Maximum number of tokens of a sentence of parallel text, where the model's folder allows it.
const MAX_LENGTH: usize = 128;

impl EncodingArgs {
    pub(crate) fn options(&self) -> EncodingOptions {
        EncodingOptions {
            max_length: self.max_length,
            default_max_length: MAX_LENGTH,
            pooling: self.pooling,
            batch_size: self.batch_size,
        }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct EmbedArgs {
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// A file of texts, one a line; an empty line is a text, so that rows stay beside lines
    /// [default: the standard input]
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) texts: Option<PathBuf>,
    /// The file to write, of float32 rows: .npy, .safetensors (tensor "embeddings") or .jsonl
    /// [default: JSON lines on the standard output]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) out: Option<PathBuf>,
    /// The layer that sentence embeddings are pooled from, counted from the embeddings, 0 [default:
    /// the one saved with the model, else the last]
    #[arg(long, value_name = "N")]
    pub(crate) layer: Option<usize>,
    /// Pooling of hidden states into a sentence embedding: cls, max, mean, mean_sqrt_len_tokens,
    /// weightedmean or lasttoken [default: as a folder of sentence-transformers says, else mean]
    #[arg(long, value_name = "NAME", value_parser = parse_pooling)]
    pub(crate) pooling: Option<SentencePooling>,
    /// Prompt before every text, such as "query: "; "" for none [default: the default prompt of a
    /// folder of sentence-transformers]
    #[arg(long, value_name = "TEXT", conflicts_with = "prompt_name")]
    pub(crate) prompt: Option<String>,
    /// Name of the prompt, among those of a folder of sentence-transformers
    #[arg(long, value_name = "NAME")]
    pub(crate) prompt_name: Option<String>,
    /// Scale each embedding to length 1
    #[arg(long)]
    pub(crate) normalize: bool,
    /// Maximum number of tokens of a text, truncated beyond [default: as a folder of
    /// sentence-transformers says, else what model and tokenizer allow]
    #[arg(long, value_name = "N", value_parser = parse_max_length)]
    pub(crate) max_length: Option<usize>,
    /// Batch size, in texts
    #[arg(long, default_value_t = 32, value_parser = parse_batch_size)]
    pub(crate) batch_size: usize,
}

impl EmbedArgs {
    pub(crate) fn options(&self) -> EncodingOptions {
        EncodingOptions {
            max_length: self.max_length,
            default_max_length: usize::MAX,
            pooling: self.pooling,
            batch_size: self.batch_size,
        }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct AlignmentArgs {
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// Path of the parallel pairs of each language, such as corpora/en-{language}.tsv
    #[arg(long, value_name = "PATH")]
    pub(crate) pairs: LanguagePattern,
    /// Quoting of the pairs: minimal, as pandas writes them, or none, where quotes are text
    /// [default: as the whole file tells]
    #[arg(long, value_parser = parse_quoting)]
    pub(crate) quoting: Option<Quoting>,
    /// Path of the bilingual dictionary of each language, by which the words of the pairs are
    /// aligned
    #[arg(long, value_name = "PATH", conflicts_with = "links")]
    pub(crate) dictionaries: Option<LanguagePattern>,
    /// Path of the word alignments of each language, in the Pharaoh format [default: learned from
    /// the pairs]
    #[arg(long, value_name = "PATH")]
    pub(crate) links: Option<LanguagePattern>,
    /// The languages, comma-separated [default: those that have pairs]
    #[arg(long, value_name = "TAGS", value_delimiter = ',')]
    pub(crate) languages: Vec<Language>,
    /// The source language, on the left side of all pairs
    #[arg(long, value_name = "TAG", default_value = "en")]
    pub(crate) source: Language,
    /// The layers, comma-separated and counted from the embeddings, 0; or all
    #[arg(long, default_value = "all")]
    pub(crate) layers: Layers,
    /// Number of sentence pairs of each language, sampled by the seed; 0 for all
    #[arg(long, value_name = "N", default_value_t = 500)]
    pub(crate) limit: usize,
    /// Number of word pairs of each language; 0 measures no words
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(crate) word_pairs: usize,
    /// Pooling of subwords into the embedding of a word: first, the first subword, or mean, all of
    /// them
    #[arg(long, default_value = "first", value_parser = parse_word_vector)]
    pub(crate) word_vector: WordPooling,
    /// Form in which words are compared: verbatim, lowercase, or bare, lowercase without
    /// punctuation at the ends
    #[arg(long, default_value = "bare", value_parser = parse_words)]
    pub(crate) words: WordForm,
    /// Take each distinct word of either language only once
    #[arg(long)]
    pub(crate) distinct_words: bool,
    /// Similarity score of the nearest neighbor search: cosine or margin
    #[arg(long, default_value = "cosine", value_parser = parse_scoring)]
    pub(crate) scoring: Scoring,
    /// The results.json of a run: correlate the alignment with its scores over the languages
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) scores: Option<PathBuf>,
    /// The JSON file to write; as alignment.json in a run's folder, `isogloss report` shows it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) encoding: EncodingArgs,
}

/// Layers to measure; an empty list stands for all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Layers(pub(crate) Vec<usize>);

impl FromStr for Layers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(Self::default());
        }
        let layers: Result<Vec<usize>, _> =
            text.split(',').map(|layer| layer.trim().parse()).collect();
        let mut layers =
            layers.map_err(|_| "expected all, or numbers such as 0,6,12".to_owned())?;
        layers.sort_unstable();
        layers.dedup();
        Ok(Self(layers))
    }
}

fn parse_pooling(text: &str) -> Result<SentencePooling, String> {
    SentencePooling::from_name(text)
        .ok_or_else(|| format!("expected one of {}", SentencePooling::names().join(", ")))
}

fn parse_scoring(text: &str) -> Result<Scoring, String> {
    serde_json::from_value(text.into()).map_err(|_| "expected cosine or margin".to_owned())
}

fn parse_margin(text: &str) -> Result<f32, String> {
    let margin = text.parse().ok().filter(|margin: &f32| margin.is_finite());
    margin.ok_or_else(|| "expected a number, such as 1.06".to_owned())
}

fn parse_word_vector(text: &str) -> Result<WordPooling, String> {
    serde_json::from_value(text.into()).map_err(|_| "expected first or mean".to_owned())
}

fn parse_link_unit(text: &str) -> Result<LinkUnit, String> {
    serde_json::from_value(text.into()).map_err(|_| "expected subword or word".to_owned())
}

fn parse_extraction(text: &str) -> Result<Extraction, String> {
    match text {
        "softmax" => Ok(Extraction::softmax()),
        "mutual_argmax" => Ok(Extraction::MutualArgmax),
        "itermax" => Ok(Extraction::itermax()),
        "entmax" => Ok(Extraction::entmax()),
        "max_weight_matching" => Ok(Extraction::MaxWeightMatching),
        _ => {
            let expected = "softmax, entmax, mutual_argmax, itermax or max_weight_matching";
            Err(format!("expected {expected}"))
        }
    }
}

fn parse_rule(text: &str) -> Result<DictionaryRule, String> {
    serde_json::from_value(text.into()).map_err(|_| "expected mutual or authors_code".to_owned())
}

fn parse_words(text: &str) -> Result<WordForm, String> {
    serde_json::from_value(text.into())
        .map_err(|_| "expected verbatim, lowercase or bare".to_owned())
}

fn parse_symmetrization(text: &str) -> Result<Symmetrization, String> {
    serde_json::from_value(text.into()).map_err(|_| {
        "expected intersection, grow_diag, grow_diag_final_and, grow_diag_final or union".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::Layers;

    #[test]
    fn layers_are_all_or_listed_in_any_order() {
        assert_eq!("all".parse(), Ok(Layers(vec![])));
        assert_eq!("12,0, 6,0".parse(), Ok(Layers(vec![0, 6, 12])));
        for wrong in ["", "1,", "-1", "last"] {
            assert!(wrong.parse::<Layers>().is_err(), "{wrong:?}");
        }
    }
}
