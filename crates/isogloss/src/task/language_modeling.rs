//! Masked language modelling: predicts masked tokens of held-out text; accuracy and cross-entropy.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::tensor::Device;
use isogloss_methods::{DataNeed, MethodInfo, cross_entropy, method_options};
use isogloss_model::{ForwardOptions, InputError, Model};
use isogloss_text::TokenBatch;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::scores::{LanguageResult, Scores};
use super::traits::{HeldOut, HeldOutTable, Supervision, Task, UnlabeledTask};
use crate::Error;
use crate::ground::outputs::check_finite;
use crate::ground::tensors::integers;

/// The `[task.language_modeling]` table: masked language modelling, without labels or options.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LanguageModeling {}

impl LanguageModeling {
    /// Method registry entry.
    pub(super) const INFO: MethodInfo = MethodInfo {
        key: "language_modeling",
        title: "Masked language modelling",
        paper: "Devlin et al. 2019, BERT, arXiv:1810.04805",
        formula: "argmax p(token | text with masks), scored by accuracy on held-out text",
        needs: &[DataNeed::MonolingualText],
        file: file!(),
        required: &[],
        example: || method_options(Self::default()),
    };
}

impl Task for LanguageModeling {
    fn name(&self) -> &'static str {
        "language_modeling"
    }

    fn metric(&self) -> &'static str {
        "accuracy"
    }

    fn supervision(&self) -> Supervision<'_> {
        Supervision::HeldOutText(self)
    }
}

impl UnlabeledTask for LanguageModeling {
    fn held_out(&self) -> HeldOutTable {
        HeldOutTable::Monolingual
    }

    fn evaluate(
        &self,
        model: &Model,
        held_out: &HeldOut<'_>,
        batch_size: usize,
        device: &Device,
    ) -> Result<BTreeMap<String, LanguageResult>, Error> {
        let score = held_out.blocks.iter().map(|(language, blocks)| {
            let found = score_masked_tokens(model, blocks, batch_size, device);
            let path = held_out.model_folder.path.clone();
            let found = found.map_err(|source| Error::Input { path, source })?;
            let loss = found.scores.get("loss").unwrap_or_default() as f32;
            check_finite(&[loss], |_| format!("held-out text in {language}"))?;
            Ok((language.to_string(), found))
        });
        score.collect()
    }
}

/// Masked language modelling scores: accuracy and cross-entropy, in nats, as means over the masked
/// tokens of all blocks.
fn score_masked_tokens(
    model: &Model,
    blocks: &TokenBatch,
    batch_size: usize,
    device: &Device,
) -> Result<LanguageResult, InputError> {
    let (model, seq_len) = (model.valid(), blocks.seq_len);
    let (positions, labels) = blocks.labeled_tokens();
    let masked: Vec<(i32, i32)> = positions.into_iter().zip(labels).collect();
    let (mut n_masked, mut n_guessed, mut loss) = (0, 0, 0.0);
    for first in (0..blocks.n).step_by(batch_size.max(1)) {
        let rows = first * seq_len..(first + batch_size).min(blocks.n) * seq_len;
        let here = masked.iter().filter(|(position, _)| rows.contains(&(*position as usize)));
        let (positions, labels): (Vec<i32>, Vec<i32>) =
            here.map(|(position, label)| (position - rows.start as i32, *label)).unzip();
        if positions.is_empty() {
            continue;
        }
        let (ids, mask) = (&blocks.input_ids[rows.clone()], &blocks.attention_mask[rows.clone()]);
        let types = &blocks.token_type_ids[rows];
        let input = model.encoder.config().input(ids, mask, types, seq_len, device)?;
        let encoded = model.encoder.forward(&input, &ForwardOptions::evaluation());
        let logits = model.masked_lm_logits(encoded.states_at(integers(positions, device)));
        let best = logits.clone().argmax(1).into_data().convert::<i64>().try_into_vec::<i64>();
        let best = best.expect("the numbers were just converted to this type");
        let n = labels.len();
        n_masked += n;
        n_guessed += best.iter().zip(&labels).filter(|(a, b)| **a == i64::from(**b)).count();
        let mean = cross_entropy(logits, integers(labels, device), 0.0).into_scalar::<f32>();
        loss += f64::from(mean) * n as f64;
    }
    let n = n_masked.max(1) as f64;
    let scores = Scores::new([("accuracy", n_guessed as f64 / n), ("loss", loss / n)]);
    Ok(LanguageResult {
        n: blocks.n,
        left_out: 0,
        truncated: 0,
        without_tokens: 0,
        centred: false,
        data_hash: None,
        scores,
    })
}
