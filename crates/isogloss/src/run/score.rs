//! Evaluation of a model in a language.

use std::collections::BTreeMap;

use isogloss_model::Model;
use isogloss_text::Language;

use super::trainer::Trainer;
use crate::loader::{LabeledLoader, UnlabeledLoaders};
use crate::{Error, Evaluator, HeldOut, LanguageResult};

impl Trainer<'_> {
    /// Evaluates a model on the held-out data of a task without labels, by language.
    pub(super) fn score_unlabeled(
        &self,
        model: &Model,
    ) -> Result<BTreeMap<String, LanguageResult>, Error> {
        let Some(task) = self.plan.recipe().task.unlabeled() else { return Ok(BTreeMap::new()) };
        let UnlabeledLoaders { pairs, blocks, .. } = &self.unlabeled;
        let sets = pairs.iter().flat_map(|pairs| &pairs.sets);
        let blocks = blocks.iter().flat_map(|blocks| &blocks.held_out);
        let held_out = HeldOut {
            pairs: sets.map(|set| (&set.language, set.held_out.as_slice())).collect(),
            pair_tokenizer: pairs.as_ref().map(|of| (&of.tokenizer, of.max_length)),
            blocks: blocks.map(|(language, blocks)| (language, blocks)).collect(),
            model_folder: &self.options.model_folder,
        };
        let batch_size = self.plan.recipe().training.evaluation_batch_size;
        task.evaluate(model, &held_out, batch_size, &self.options.device)
    }

    /// MAD-X adapter exchange: the model with the language adapter of a language; `None` if it is
    /// evaluated as it was trained.
    pub(super) fn exchanged(
        &self,
        model: &Model,
        language: &Language,
    ) -> Result<Option<Model>, Error> {
        let exchange = self.plan.recipe().language_adapter.as_ref();
        let exchanged = exchange.map(|of| of.exchanged(model, self.plan.source(), language));
        Ok(exchanged.transpose()?.flatten())
    }

    /// The evaluator of a model in a language, without centring.
    pub(super) fn evaluator<'b>(
        &'b self,
        model: &'b Model,
        data: &'b LabeledLoader,
        language: &Language,
    ) -> Result<Evaluator<'b>, Error> {
        let subnetwork = self.subnetworks.as_ref().map(|of| of.for_language(language));
        Ok(Evaluator {
            model,
            task: self.plan.recipe().task.labeled().expect("a task with data has labels"),
            labels: &data.corpus.labels,
            batch_size: self.plan.recipe().training.evaluation_batch_size,
            device: &self.options.device,
            subnetwork: subnetwork.transpose()?.flatten(),
            centring: None,
        })
    }
}
