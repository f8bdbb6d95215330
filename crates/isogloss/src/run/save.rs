//! Saving of checkpoints and models.

use std::path::Path;

use isogloss_methods::MethodState;

use super::checkpoint::{self, Saver};
use super::event::Event;
use super::guided_dropout::GUIDED_DROPOUT;
use super::method_states::SUBNETWORKS;
use super::trainer::Trainer;
use super::unfreezing;
use crate::Error;
use crate::ground::sentence_modules::{
    copy_sentence_modules, write_max_seq_length, write_sentence_layer,
};
use crate::task::HeldOutTable;

impl Trainer<'_> {
    /// Saves a checkpoint, from which the run can be resumed.
    pub(super) fn write_checkpoint(
        &mut self,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Error> {
        self.progress.log_len = self.log.sync()?;
        self.progress.language_epochs = self.unlabeled.progress();
        self.progress.unfreeze_steps = unfreezing::unfreeze_steps(&self.schedules);
        let update = self.update.state().map(|state| state.save());
        let update = update.map(|saved| (self.update.name(), saved));
        let subnetworks = self.subnetworks.iter().map(|state| (SUBNETWORKS, state.save()));
        let guided_dropout = self.context.guided_dropout.iter();
        let guided_dropout = guided_dropout.map(|state| (GUIDED_DROPOUT, state.save()));
        let objectives = self.context.states.iter().map(|(name, state)| (name, state.save()));
        checkpoint::write(
            self.run,
            &self.progress,
            self.model(),
            &self.saver(),
            &self.optimizer,
            subnetworks.chain(guided_dropout).chain(objectives).chain(update),
        )?;
        watch(Event::Checkpoint { step: self.progress.step });
        Ok(())
    }

    /// Saves how sentence embeddings are made: the sentence-transformers modules of the model
    /// folder, and for a task that is scored on pairs the layer and the maximum length that they
    /// are scored with.
    pub(super) fn save_sentence_modules(&self, folder: &Path) -> Result<(), Error> {
        copy_sentence_modules(&self.options.model_folder, folder)?;
        let task = self.plan.recipe().task.unlabeled();
        let is_scored = task.is_some_and(|task| task.held_out() == HeldOutTable::Pairs);
        match self.unlabeled.pairs.as_ref().filter(|_| is_scored) {
            Some(pairs) => {
                let config = self.model().encoder.config();
                write_max_seq_length(folder, pairs.max_length, config.hidden_size)?;
                let layer = task.and_then(|task| task.sentence_layer());
                let is_inner = |layer: &usize| *layer != config.num_hidden_layers;
                write_sentence_layer(folder, layer.filter(is_inner))
            }
            None => Ok(()),
        }
    }

    /// The saver of the model: its head, configuration, base and evaluation options.
    pub(super) fn saver(&self) -> Saver<'_> {
        let (head, config_json) = (self.head.as_ref(), &self.config_json);
        let scoring = self.data.filter(|_| head.is_some()).map(|data| data.max_length);
        let scoring = scoring.map(|length| self.plan.recipe().scoring(length));
        let language_adapters = &self.context.language_adapters;
        Saver { head, config_json, base: self.base.as_ref(), language_adapters, scoring }
    }
}
