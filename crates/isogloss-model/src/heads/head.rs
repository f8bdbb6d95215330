//! Task head of a model: a classifier of sentences or tokens, or a dependency parser.

use burn::module::Module;
use burn::tensor::Device;

use super::classifier::Classifier;
use super::parser::{Parser, ParserSpec};
use super::pooling::Pooling;
use crate::{EncoderConfig, ParamSource};

/// The problem type of a classifier of sentences (`problem_type` of `transformers`): how its logits
/// are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ProblemType {
    /// One label of several: softmax.
    #[default]
    SingleLabel,
    /// Any number of labels: a sigmoid each.
    MultiLabel,
    /// Numbers: each logit is a score as it is.
    Regression,
}

impl ProblemType {
    const NAMES: [(Self, &str); 3] = [
        (Self::SingleLabel, "single_label_classification"),
        (Self::MultiLabel, "multi_label_classification"),
        (Self::Regression, "regression"),
    ];

    /// What `config.json` calls it.
    pub fn name(self) -> &'static str {
        let mut names = Self::NAMES.into_iter();
        names.find(|(this, _)| *this == self).map_or("", |(_, name)| name)
    }

    /// The type that `config.json` calls so.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(_, known)| *known == name).map(|(this, _)| this)
    }

    /// All names.
    pub(crate) fn names() -> [&'static str; 3] {
        Self::NAMES.map(|(_, name)| name)
    }
}

/// The task head to build, and the names of its labels.
#[derive(Clone, Debug, PartialEq)]
pub enum HeadSpec {
    /// Labels of a sentence.
    Sequence {
        /// Names of the labels, in the order of the logits.
        labels: Vec<String>,
        /// How the sentence becomes a vector.
        pooling: Pooling,
        /// How the logits are read.
        problem: ProblemType,
    },
    /// One label a token.
    Tokens {
        /// Names of the labels, in the order of the logits.
        labels: Vec<String>,
    },
    /// A head and a relation a word.
    Parser(ParserSpec),
}

impl HeadSpec {
    /// A head for sentences that have one label each.
    pub fn sequence(labels: Vec<String>, pooling: Pooling) -> Self {
        Self::Sequence { labels, pooling, problem: ProblemType::SingleLabel }
    }

    /// A head for tokens.
    pub fn tokens(labels: Vec<String>) -> Self {
        Self::Tokens { labels }
    }

    /// Names of the labels, in the order of the logits; a parser's are its relations.
    pub fn labels(&self) -> &[String] {
        match self {
            Self::Sequence { labels, .. } | Self::Tokens { labels } => labels,
            Self::Parser(spec) => &spec.relations,
        }
    }

    /// What kind of head it is, in words: heads of one kind read the same features.
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

    /// The lists of names that it has rows for: its labels, then a parser's parts of speech.
    pub(crate) fn label_lists(&self) -> Vec<&[String]> {
        match self {
            Self::Sequence { labels, .. } | Self::Tokens { labels } => vec![labels],
            Self::Parser(spec) => vec![&spec.relations, &spec.tags],
        }
    }

    /// Which of these lists the rows of the parameter at `path` are named by; none of a parameter that is
    /// about all labels.
    pub(crate) fn label_list(&self, path: &str) -> Option<usize> {
        let (module, _) = path.rsplit_once('.')?;
        match module {
            "head.classifier" | "head.label_bilinear" | "head.label_linear" => Some(0),
            "head.tagger" => Some(1),
            _ => None,
        }
    }

    /// How its logits are read.
    pub fn problem(&self) -> ProblemType {
        match self {
            Self::Sequence { problem, .. } => *problem,
            Self::Tokens { .. } | Self::Parser(_) => ProblemType::SingleLabel,
        }
    }

    /// Whether the family's dense layer comes before the classifier.
    pub(crate) fn has_dense(&self) -> bool {
        matches!(self, Self::Sequence { pooling: Pooling::FirstToken, .. })
    }
}

/// A task head.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "a model has one head")]
pub enum Head {
    /// For sentences and tokens.
    Classifier(Classifier),
    /// For words.
    Parser(Parser),
}

impl Head {
    /// Builds the head of `spec` with the parameters of `source`.
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

    /// The same head with another rate of dropout; a parser keeps its own.
    pub(crate) fn with_dropout(self, rate: f64) -> Self {
        match self {
            Self::Classifier(head) => Self::Classifier(head.with_dropout(rate)),
            Self::Parser(_) => self,
        }
    }
}
