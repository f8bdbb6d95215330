//! Decoding of model outputs into predictions: the best label of a text, the tags of its units.

use isogloss_model::{HeadSpec, ProblemType};
use isogloss_text::{Encoded, TagUnits, whitespace_words};

use super::{EncodedTexts, LabelProbability, LabelScore, Prediction, Predictor, TokenPrediction};
use crate::ground::outputs::argmax;
use crate::task::TargetKind;

impl Predictor {
    /// The tagged units of a text, words or tokens: character span, and index of the token with the
    /// tag.
    pub(super) fn units(&self, encoded: &Encoded, text: &str) -> Vec<((usize, usize), usize)> {
        if self.task().target() == TargetKind::Tag(TagUnits::Word) {
            let words = whitespace_words(text);
            let first = encoded.first_subwords(words.len());
            return words
                .into_iter()
                .zip(first)
                .filter_map(|(span, at)| Some((span, at?)))
                .collect();
        }
        let spans = self.tokenizer.spans(encoded, text).into_iter().zip(0..);
        spans.filter(|(_, at)| !encoded.special[*at]).collect()
    }

    /// Decodes predictions from the outputs that [`read`](Self::read) gives.
    pub fn decode(&self, encoded: &EncodedTexts<'_>, outputs: &[f32]) -> Vec<Prediction> {
        let rows = outputs.chunks(self.head.labels().len());
        if let HeadSpec::Sequence { problem, .. } = self.head {
            return rows.map(|row| self.decode_row(problem, row)).collect();
        }
        let best: Vec<_> = rows.map(|row| self.best(row)).collect();
        let tokens = encoded.encoded.iter().zip(encoded.texts).zip(best.chunks(encoded.seq_len));
        tokens
            .map(|((encoded, (text, _)), best)| {
                let token = |((start, end), at): ((usize, usize), usize)| {
                    let (tag, probability) = best[at].clone();
                    TokenPrediction { start, end, tag, probability }
                };
                Prediction::Tokens(self.units(encoded, text).into_iter().map(token).collect())
            })
            .collect()
    }

    /// Decodes the prediction for one text from its row of outputs.
    fn decode_row(&self, problem: ProblemType, row: &[f32]) -> Prediction {
        let outputs = self.head.labels().iter().cloned().zip(row.iter().map(|x| f64::from(*x)));
        match problem {
            ProblemType::SingleLabel => {
                let (label, probability) = self.best(row);
                Prediction::Class { label, probability }
            }
            ProblemType::MultiLabel => {
                let of_label = |(label, probability)| LabelProbability { label, probability };
                Prediction::Labels { labels: outputs.map(of_label).collect() }
            }
            ProblemType::Regression => {
                let of_label = |(label, score)| LabelScore { label, score };
                Prediction::Scores { scores: outputs.map(of_label).collect() }
            }
        }
    }

    fn best(&self, row: &[f32]) -> (String, f64) {
        let best = argmax(row);
        (self.head.labels()[best].clone(), f64::from(row[best]))
    }
}
