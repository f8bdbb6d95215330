//! Predictions: labels with probabilities or scores for texts, tags for tokens.

use serde::Serialize;

/// The prediction for one text.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Prediction {
    /// Single-label classification of the text.
    Class {
        /// The most probable label.
        label: String,
        /// Its probability.
        probability: f64,
    },
    /// Multi-label classification of the text.
    Labels {
        /// All labels, in the order of the logits.
        labels: Vec<LabelProbability>,
    },
    /// Regression, or a model with one output: scores of the text.
    Scores {
        /// All outputs, in the order of the logits.
        scores: Vec<LabelScore>,
    },
    /// Token classification (tagging): a tag for each token or, as the task says, for each
    /// whitespace-separated word, which gets the tag of its first token. Words without a token are
    /// left out.
    Tokens(Vec<TokenPrediction>),
}

/// The probability that a text has a label.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LabelProbability {
    /// The label.
    pub label: String,
    /// The sigmoid of its logit.
    pub probability: f64,
}

/// The score of one output of a regression.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LabelScore {
    /// The output's name.
    pub label: String,
    /// Its logit.
    pub score: f64,
}

/// The prediction for one token or word.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TokenPrediction {
    /// Start offset in the text, in characters.
    pub start: usize,
    /// End offset, exclusive.
    pub end: usize,
    /// The most probable tag.
    pub tag: String,
    /// Its probability.
    pub probability: f64,
}
