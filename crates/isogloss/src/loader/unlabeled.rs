//! Data loaders of unlabeled text: sentence pairs, monolingual blocks and texts of the task.

use isogloss_methods::TextView;

use super::language_epochs::{LanguageEpochs, LanguageEpochsProgress};
use super::monolingual::BlockLoader;
use super::pairs::PairLoader;
use super::texts::TextLoader;
use crate::Error;
use crate::step::StepBatch;

/// Data loaders of unlabeled text: sentence pairs, monolingual blocks and texts of the task.
pub(crate) struct UnlabeledLoaders {
    pub(crate) pairs: Option<PairLoader>,
    pub(crate) blocks: Option<BlockLoader>,
    pub(crate) texts: Option<TextLoader>,
}

/// Number of loaders.
const N_LOADERS: usize = 3;

/// The language index of each batch of a step, by loader: pairs, blocks, then texts of the task.
pub(crate) type BatchLanguages = [Vec<usize>; N_LOADERS];

impl UnlabeledLoaders {
    /// Adds the unlabeled text that objectives read to each batch of a step.
    pub(crate) fn add_to(
        &mut self,
        batches: &mut [StepBatch],
        texts: &[TextView],
    ) -> Result<BatchLanguages, Error> {
        let reads_blocks = texts.contains(&TextView::Monolingual);
        let reads_pairs = texts.iter().any(|text| text.is_of_pairs());
        let reads_texts = texts.iter().any(|text| text.is_unlabeled());
        let mut languages = BatchLanguages::default();
        for batch in batches {
            if let (Some(pairs), true) = (&mut self.pairs, reads_pairs) {
                let pairs = pairs.sample(batch.number, texts)?;
                languages[0].push(pairs.language);
                batch.add_pairs(pairs.texts, pairs.links);
                batch.to_align = pairs.to_align;
            }
            if let (Some(blocks), true) = (&mut self.blocks, reads_blocks) {
                let (language, blocks) = blocks.sample(batch.number)?;
                languages[1].push(language);
                batch.add_blocks(blocks);
            }
            if let (Some(loader), true) = (&mut self.texts, reads_texts) {
                let (language, views) = loader.sample(batch.number, texts)?;
                languages[2].push(language);
                batch.texts.extend(views);
            }
        }
        Ok(languages)
    }

    /// Records the losses of the batches of a step, by loader; batches without a loss are skipped.
    pub(crate) fn record(
        &mut self,
        languages: BatchLanguages,
        losses: &[Option<[f64; N_LOADERS]>],
    ) {
        for (loader, (epochs, languages)) in self.epochs().into_iter().zip(languages).enumerate() {
            let Some(epochs) = epochs else { continue };
            for (language, losses) in languages.into_iter().zip(losses) {
                losses.iter().for_each(|losses| epochs.record(language, losses[loader]));
            }
        }
    }

    fn epochs(&mut self) -> [Option<&mut LanguageEpochs>; N_LOADERS] {
        let pairs = self.pairs.as_mut().map(|pairs| &mut pairs.epochs);
        let blocks = self.blocks.as_mut().map(|blocks| &mut blocks.epochs);
        [pairs, blocks, self.texts.as_mut().map(|texts| &mut texts.epochs)]
    }

    /// Whether the languages of later batches depend on the losses of earlier ones.
    pub(crate) fn follow_losses(&self) -> bool {
        let pairs = self.pairs.as_ref().map(|pairs| &pairs.epochs);
        let blocks = self.blocks.as_ref().map(|blocks| &blocks.epochs);
        let texts = self.texts.as_ref().map(|texts| &texts.epochs);
        pairs.into_iter().chain(blocks).chain(texts).any(LanguageEpochs::follow_losses)
    }

    /// Checkpoint state of each loader.
    pub(crate) fn progress(&mut self) -> Vec<Option<LanguageEpochsProgress>> {
        self.epochs().map(|epochs| epochs.map(|epochs| epochs.progress())).into()
    }

    /// Restores the loaders from a checkpoint; `false` if that is of other languages.
    #[must_use]
    pub(crate) fn restore(&mut self, progress: Vec<Option<LanguageEpochsProgress>>) -> bool {
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
