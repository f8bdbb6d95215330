//! Sentence retrieval: finds the translation of each sentence among held-out pairs, by the cosine
//! similarity of sentence embeddings.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::tensor::Device;
use isogloss_methods::{DataNeed, MethodInfo, method_options};
use isogloss_model::{Model, find_sentence_modules};
use isogloss_text::SentencePair;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::data_hash::hash_of_pairs;
use super::data_report::DataReport;
use super::scores::{LanguageResult, Scores};
use super::traits::{HeldOut, HeldOutTable, Supervision, Task, UnlabeledTask};
use crate::Error;
use crate::embedding::retrieval::{PairTexts, Scoring};
use crate::embedding::text_encoder::TextEncoder;
use crate::embedding::tokenized_text::TokenizedText;
use crate::error::EmbeddingError;

/// The `[task.retrieval]` table: sentence retrieval, without labels or head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Retrieval {
    /// The layer whose hidden states are compared, counted from the embeddings' output, 0; the last
    /// by default. It is saved with the model, whose sentence embeddings are of this layer then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<usize>,
}

impl Retrieval {
    /// Method registry entry.
    pub(super) const INFO: MethodInfo = MethodInfo {
        key: "retrieval",
        title: "Sentence retrieval",
        paper: "Artetxe & Schwenk 2019, arXiv:1812.10464",
        formula: "the share of held-out sentences whose nearest by cosine on the other side translates them, both ways",
        needs: &[DataNeed::Pairs],
        file: file!(),
        required: &[],
        example: || method_options(Self::default()),
    };
}

impl Task for Retrieval {
    fn name(&self) -> &'static str {
        "retrieval"
    }

    fn metric(&self) -> &'static str {
        "accuracy"
    }

    fn supervision(&self) -> Supervision<'_> {
        Supervision::HeldOutText(self)
    }
}

impl UnlabeledTask for Retrieval {
    fn held_out(&self) -> HeldOutTable {
        HeldOutTable::Pairs
    }

    fn sentence_layer(&self) -> Option<usize> {
        self.layer
    }

    fn evaluate(
        &self,
        model: &Model,
        held_out: &HeldOut<'_>,
        batch_size: usize,
        device: &Device,
    ) -> Result<BTreeMap<String, LanguageResult>, Error> {
        let Some((tokenizer, max_length)) = held_out.pair_tokenizer else {
            return Ok(BTreeMap::new());
        };
        let mut encoder =
            TextEncoder::new(model.encoder.valid(), tokenizer.clone(), device.clone());
        if let Some(modules) = find_sentence_modules(held_out.model_folder)? {
            encoder = encoder.with_modules(modules)?;
        }
        let encoder = encoder.with_max_length(max_length).with_batch_size(batch_size);
        let pairs = held_out.pairs.iter();
        let score = pairs.map(|(language, pairs)| {
            Ok((language.to_string(), score_pairs(&encoder, pairs, self.layer)?))
        });
        score.collect()
    }
}

/// Retrieval accuracy of pairs in both directions, by the cosine similarity of sentence embeddings:
/// of the model folder's sentence-transformers modules, else mean-pooled.
fn score_pairs(
    encoder: &TextEncoder,
    pairs: &[SentencePair],
    layer: Option<usize>,
) -> Result<LanguageResult, Error> {
    let layer = layer.unwrap_or(encoder.n_layers() - 1);
    encoder.check_layer(layer)?;
    let texts = pairs.iter().map(|pair| (pair.left.as_str(), pair.right.as_str()));
    let texts: PairTexts<'_> = texts.collect();
    let mut counts = DataReport::default();
    let sides = [encoder.tokenize(texts.left())?, encoder.tokenize(texts.right())?];
    let mut vectors = |tokenized: &[TokenizedText]| {
        counts.add(&DataReport::from_texts(tokenized));
        let layers = encoder.encode(tokenized, &[], &[layer])?;
        let sentences = layers.into_iter().next().map(|layer| layer.sentences.normalized());
        Ok::<_, Error>(sentences.ok_or(EmbeddingError::NoSentences)?)
    };
    let (left, right) = (vectors(&sides[0])?, vectors(&sides[1])?);
    let texts = texts.with_tokens([&sides[0], &sides[1]]);
    let found = texts.accuracy(&left, &right, Scoring::Cosine, encoder.device());
    let (forward, backward) = (found.forward, found.backward);
    let scores = [("accuracy", found.mean()), ("forward", forward), ("backward", backward)];
    let scores = Scores::new(scores);
    let DataReport { n_truncated: truncated, n_without_tokens: without_tokens, .. } = counts;
    Ok(LanguageResult {
        n: pairs.len(),
        left_out: 0,
        truncated,
        without_tokens,
        centred: false,
        data_hash: Some(hash_of_pairs(pairs)),
        scores,
    })
}
