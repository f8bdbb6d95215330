//! Batch on the device: model input and targets of every view.

use std::path::Path;

use burn::tensor::{Int, Tensor};
use isogloss_kernels::split_seed;
use isogloss_methods::{IGNORE_INDEX, PredictionUnits, RowTargets, TextView, WordLinks};
use isogloss_model::{Model, ModelInput};
use isogloss_text::{Targets, TokenBatch};

use super::batch::StepBatch;
use super::context::StepContext;
use super::word_alignment::align_words;
use crate::Error;
use crate::ground::tensors::{integers, model_input, row_targets};

/// Batch on the device, in every view that the objectives read.
pub(super) struct DeviceBatch {
    /// Random seed of dropout, noise and sampled labels in its passes.
    pub(super) seed: u64,
    /// The language of its examples, by its index among the sources.
    pub(super) language: usize,
    pub(super) texts: Vec<DeviceText>,
    pub(super) links: WordLinks,
}

/// One view of a batch: model input and targets.
pub(super) struct DeviceText {
    pub(super) text: TextView,
    pub(super) input: ModelInput,
    /// Its token IDs on the host, row after row.
    pub(super) input_ids: Vec<i32>,
    pub(super) targets: Option<RowTargets>,
    pub(super) units: PredictionUnits,
    /// Whether a row of the logits has a target.
    pub(super) has_target: Vec<bool>,
    /// The masked tokens, as indices into all rows concatenated.
    pub(super) masked: Option<Tensor<1, Int>>,
    /// The cached teacher embedding of each sentence, if there is a cache.
    pub(super) teacher_embeddings: Option<Tensor<2>>,
}

impl DeviceBatch {
    /// Moves a batch to the device; `path` names its data in error messages.
    pub(super) fn new(
        context: &StepContext,
        model: &Model,
        batch: StepBatch,
        path: &Path,
    ) -> Result<Self, Error> {
        let texts = batch.texts.into_iter();
        let texts = texts.map(|text| DeviceText::new(context, model, text, path));
        let mut texts: Vec<_> = texts.collect::<Result<_, Error>>()?;
        if let Some(activations) = batch.cached_activations {
            let original = texts.iter_mut().find(|text| text.text == TextView::Original);
            original.into_iter().for_each(|text| text.input.tokens = activations.clone());
        }
        let seed = split_seed(context.seed, batch.number);
        let mut this = Self { seed, language: batch.language, texts, links: batch.links };
        if let (Some(aligner), false) = (&context.word_aligner, batch.to_align.is_empty()) {
            let sides =
                [TextView::PairLeft, TextView::PairRight].map(|side| &this.text(side).input);
            let words = this.links.clone();
            this.links = align_words(aligner, model, sides, words, &batch.to_align)?;
        }
        Ok(this)
    }

    /// Sample size (fairseq): the sentences of a text and the masked tokens of all texts.
    pub(super) fn sample_size(&self, text: TextView) -> usize {
        let [n_sentences, _] = self.text(text).input.attention_mask.dims();
        let masked = self.texts.iter().filter_map(|text| text.masked.as_ref());
        n_sentences + masked.map(|positions| positions.dims()[0]).sum::<usize>()
    }

    /// The index of a text.
    pub(super) fn text_idx(&self, text: TextView) -> usize {
        let idx = self.texts.iter().position(|other| other.text == text);
        idx.expect("batches hold every text that a view names")
    }

    pub(super) fn text(&self, text: TextView) -> &DeviceText {
        &self.texts[self.text_idx(text)]
    }
}

impl DeviceText {
    fn new(
        context: &StepContext,
        model: &Model,
        (text, batch, units): (TextView, TokenBatch, PredictionUnits),
        path: &Path,
    ) -> Result<Self, Error> {
        let device = context.device.clone().autodiff();
        let cache = context.models.teacher_cache.as_ref();
        let cache = cache.filter(|_| text == TextView::PairLeft);
        let embeddings = cache.map(|cache| cache.embeddings(&batch, &context.device));
        let teacher_embeddings = embeddings.transpose()?;
        let input = model_input(&batch, model.encoder.config(), path, &device)?;
        let (masked, targets) = match text.is_masked() {
            true => {
                let (positions, labels) = batch.labeled_tokens();
                (Some(positions), Targets::Classes(labels))
            }
            false => (None, batch.targets),
        };
        let masked = masked.filter(|positions| !positions.is_empty());
        let masked = masked.map(|positions| integers(positions, &device));
        let has_target = targets.rows().iter().map(|row| *row != IGNORE_INDEX).collect();
        let targets = row_targets(&targets, context.aux_weight, &device);
        let input_ids = batch.input_ids;
        Ok(Self { text, input, input_ids, targets, units, has_target, masked, teacher_embeddings })
    }

    /// The input with token embeddings that were looked up before, if there are any.
    pub(super) fn input_with(&self, embedded: Option<&Tensor<3>>) -> ModelInput {
        match embedded {
            Some(embedded) => self.input.with_embeddings(embedded.clone()),
            None => self.input.clone(),
        }
    }
}
