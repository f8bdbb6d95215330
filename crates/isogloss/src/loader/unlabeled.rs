//! Data loaders of unlabeled text: sentence pairs and monolingual blocks.

use isogloss_methods::TextView;

use super::language_epochs::{LanguageEpochs, LanguageEpochsProgress};
use super::monolingual::BlockLoader;
use super::pairs::PairLoader;
use crate::Error;
use crate::step::StepBatch;

/// Data loaders of unlabeled text: sentence pairs and monolingual blocks.
pub(crate) struct UnlabeledLoaders {
    pub(crate) pairs: Option<PairLoader>,
    pub(crate) blocks: Option<BlockLoader>,
}

/// The language index of each batch of a step, by loader: pairs, then blocks.
pub(crate) type BatchLanguages = [Vec<usize>; 2];

impl UnlabeledLoaders {
    /// Adds the sentence pairs and the monolingual blocks that objectives read to each batch of a
    /// step.
    pub(crate) fn add_to(
        &mut self,
        batches: &mut [StepBatch],
        texts: &[TextView],
    ) -> Result<BatchLanguages, Error> {
        let reads_blocks = texts.contains(&TextView::Monolingual);
        let reads_pairs = texts.iter().any(|t| !t.is_of_task() && *t != TextView::Monolingual);
        let mut languages = BatchLanguages::default();
        for batch in batches {
            if let (Some(pairs), true) = (&mut self.pairs, reads_pairs) {
                let pairs = pairs.sample(batch.number, texts)?;
                languages[0].push(pairs.language);
                batch.add_pairs(pairs.texts, pairs.links);
            }
            if let (Some(blocks), true) = (&mut self.blocks, reads_blocks) {
                let (language, blocks) = blocks.sample(batch.number)?;
                languages[1].push(language);
                batch.add_blocks(blocks);
            }
        }
        Ok(languages)
    }

    /// Records the losses of the batches of a step, by loader; batches without a loss are skipped.
    pub(crate) fn record(&mut self, languages: BatchLanguages, losses: &[Option<[f64; 2]>]) {
        for (loader, (epochs, languages)) in self.epochs().into_iter().zip(languages).enumerate() {
            let Some(epochs) = epochs else { continue };
            for (language, losses) in languages.into_iter().zip(losses) {
                losses.iter().for_each(|losses| epochs.record(language, losses[loader]));
            }
        }
    }

    fn epochs(&mut self) -> [Option<&mut LanguageEpochs>; 2] {
        let pairs = self.pairs.as_mut().map(|pairs| &mut pairs.epochs);
        [pairs, self.blocks.as_mut().map(|blocks| &mut blocks.epochs)]
    }

    /// Whether the languages of later batches depend on the losses of earlier ones.
    pub(crate) fn follow_losses(&self) -> bool {
        let pairs = self.pairs.as_ref().map(|pairs| &pairs.epochs);
        let blocks = self.blocks.as_ref().map(|blocks| &blocks.epochs);
        pairs.into_iter().chain(blocks).any(LanguageEpochs::follow_losses)
    }

    /// Checkpoint state of each loader.
    pub(crate) fn progress(&mut self) -> [Option<LanguageEpochsProgress>; 2] {
        self.epochs().map(|epochs| epochs.map(|epochs| epochs.progress()))
    }

    /// Restores the loaders from a checkpoint; `false` if that is of other languages.
    #[must_use]
    pub(crate) fn restore(&mut self, progress: [Option<LanguageEpochsProgress>; 2]) -> bool {
        let loaders = self.epochs().into_iter().zip(progress);
        loaders.fold(true, |fits, (epochs, progress)| match (epochs, progress) {
            (Some(epochs), Some(progress)) => epochs.restore(progress) && fits,
            _ => fits,
        })
    }

    /// Number of batches in which the loader with the most data completes an epoch.
    pub(crate) fn batches_per_epoch(&mut self) -> u64 {
        let epochs = self.epochs().into_iter().flatten();
        epochs.map(|epochs| epochs.batches_per_epoch()).max().unwrap_or(0)
    }
}
