//! Predictions: labels, probabilities and scores of texts, tags of tokens.

use serde::Serialize;

/// The prediction for one text.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Prediction {
    /// Of the whole text.
    Class {
        /// The most probable label.
        label: String,
        /// Its probability.
        probability: f64,
    },
    /// Of the whole text, by a model whose labels do not exclude each other.
    Labels {
        /// All labels, in the order of the logits.
        labels: Vec<LabelProbability>,
    },
    /// Of the whole text, by a model that gives numbers: regression, or one output.
    Scores {
        /// All outputs, in the order of the logits.
        scores: Vec<LabelScore>,
    },
    /// Of each token that carries a tag: each token, or each word between white space, with the tag of its first
    /// token, as the task says. Words without a token are left out.
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

/// What a text is given by one output of a regression.
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
    /// Where it begins in the text, in characters.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// The most probable tag.
    pub tag: String,
    /// Its probability.
    pub probability: f64,
}
