//! Task head of a model: a sentence classifier, a token classifier or a dependency parser.

use burn::module::Module;
use burn::tensor::Device;

use super::classifier::Classifier;
use super::parser::{Parser, ParserSpec};
use super::pooling::Pooling;
use crate::{EncoderConfig, ParamSource};

/// Problem type of a sentence classifier (`problem_type` of `transformers`): single-label,
/// multi-label or regression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ProblemType {
    /// Single-label classification: softmax over the labels.
    #[default]
    SingleLabel,
    /// Multi-label classification: one sigmoid per label.
    MultiLabel,
    /// Regression: each logit is a predicted value.
    Regression,
}

impl ProblemType {
    const NAMES: [(Self, &str); 3] = [
        (Self::SingleLabel, "single_label_classification"),
        (Self::MultiLabel, "multi_label_classification"),
        (Self::Regression, "regression"),
    ];

    /// The value of `problem_type` in `config.json`.
    pub fn name(self) -> &'static str {
        let mut names = Self::NAMES.into_iter();
        names.find(|(this, _)| *this == self).map_or("", |(_, name)| name)
    }

    /// Parses a value of `problem_type` in `config.json`.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(_, known)| *known == name).map(|(this, _)| this)
    }

    /// All values of `problem_type`.
    pub(crate) fn names() -> [&'static str; 3] {
        Self::NAMES.map(|(_, name)| name)
    }
}

/// Task head specification: the kind of head and its label names.
#[derive(Clone, Debug, PartialEq)]
pub enum HeadSpec {
    /// Sentence classifier.
    Sequence {
        /// Label names, in the order of the logits.
        labels: Vec<String>,
        /// Sentence pooling.
        pooling: Pooling,
        /// Problem type.
        problem: ProblemType,
    },
    /// Token classifier: one label per token.
    Tokens {
        /// Label names, in the order of the logits.
        labels: Vec<String>,
    },
    /// Dependency parser: a syntactic head and a relation per word.
    Parser(ParserSpec),
}

impl HeadSpec {
    /// Single-label sentence classifier.
    pub fn sequence(labels: Vec<String>, pooling: Pooling) -> Self {
        Self::Sequence { labels, pooling, problem: ProblemType::SingleLabel }
    }

    /// Token classifier.
    pub fn tokens(labels: Vec<String>) -> Self {
        Self::Tokens { labels }
    }

    /// Label names, in the order of the logits; the dependency relations for a parser.
    pub fn labels(&self) -> &[String] {
        match self {
            Self::Sequence { labels, .. } | Self::Tokens { labels } => labels,
            Self::Parser(spec) => &spec.relations,
        }
    }

    /// Kind of head, as text for messages; heads of one kind have the same input features.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Sequence { pooling: Pooling::Mean, .. } => "a classifier of the mean of tokens",
            Self::Sequence { pooling: Pooling::FirstToken, .. } => {
                "a classifier of the first token"
            }
            Self::Tokens { .. } => "a classifier of tokens",
            Self::Parser(_) => "a parser",
        }
    }

    /// Label lists of the output layers: the labels, then the part-of-speech tags of a parser.
    pub(crate) fn label_lists(&self) -> Vec<&[String]> {
        match self {
            Self::Sequence { labels, .. } | Self::Tokens { labels } => vec![labels],
            Self::Parser(spec) => vec![&spec.relations, &spec.tags],
        }
    }

    /// Index into [`label_lists`](Self::label_lists) of the labels that the rows of the parameter
    /// at `path` stand for; `None` for a parameter shared by all labels.
    pub(crate) fn label_list(&self, path: &str) -> Option<usize> {
        let (module, _) = path.rsplit_once('.')?;
        match module {
            "head.classifier" | "head.label_bilinear" | "head.label_linear" => Some(0),
            "head.tagger" => Some(1),
            _ => None,
        }
    }

    /// Problem type of the logits.
    pub fn problem(&self) -> ProblemType {
        match self {
            Self::Sequence { problem, .. } => *problem,
            Self::Tokens { .. } | Self::Parser(_) => ProblemType::SingleLabel,
        }
    }

    /// Whether the head has the dense layer of the family's pooler.
    pub(crate) fn has_dense(&self) -> bool {
        matches!(self, Self::Sequence { pooling: Pooling::FirstToken, .. })
    }
}

/// Task head: a classifier or a dependency parser.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "a model has one head")]
pub enum Head {
    /// Sentence or token classifier.
    Classifier(Classifier),
    /// Dependency parser.
    Parser(Parser),
}

impl Head {
    /// Builds the head of `spec` with parameters from `source`.
    pub(crate) fn init(
        config: &EncoderConfig,
        spec: &HeadSpec,
        source: &mut dyn ParamSource,
        device: &Device,
    ) -> Self {
        match spec {
            HeadSpec::Parser(spec) => Self::Parser(Parser::init(config, spec, source, device)),
            HeadSpec::Tokens { labels } => {
                Self::Classifier(Classifier::for_tokens(config, labels.len(), source, device))
            }
            HeadSpec::Sequence { pooling, labels, .. } => {
                let n_labels = labels.len();
                Self::Classifier(Classifier::for_sequences(
                    config, *pooling, n_labels, source, device,
                ))
            }
        }
    }

    /// Sets the dropout rate; a parser keeps its own.
    pub(crate) fn with_dropout(self, rate: f64) -> Self {
        match self {
            Self::Classifier(head) => Self::Classifier(head.with_dropout(rate)),
            Self::Parser(_) => self,
        }
    }
}
