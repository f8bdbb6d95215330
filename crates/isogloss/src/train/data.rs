//! Everything that a plan trains on.

use isogloss_model::{base_folder, read_config};
use isogloss_text::{Masker, Tokenizer};

use super::RunOptions;
use super::batches::TrainingData;
use super::language_epochs::{LanguageEpochs, LanguageEpochsProgress};
use super::monolingual::BlockStream;
use super::pairs::PairStream;
use super::passes::Passes;
use crate::data::pairs::PairSet;
use crate::ground::device::check_buffer;
use crate::ground::vocabulary::check_vocabulary;
use crate::tools::trim::has_lost_pieces;
use crate::{Error, Plan};

/// Everything that a plan trains on.
pub(super) struct Data {
    pub(super) labeled: Option<TrainingData>,
    pub(super) pairs: Option<PairStream>,
    pub(super) blocks: Option<BlockStream>,
}

impl Data {
    /// Reads it, after what can be told sooner has been checked.
    pub(super) fn read(
        plan: &Plan,
        options: &RunOptions<'_>,
        passes: &Passes,
    ) -> Result<Self, Error> {
        let tokenizer_folder = &base_folder(&options.model_folder)?;
        let tokenizer_path = tokenizer_folder.join("tokenizer.json");
        let tokenizer = Tokenizer::from_file(&tokenizer_path)?;
        let (config, _) = read_config(&options.model_folder)?;
        let n_positions = config.max_tokens();
        check_vocabulary(&tokenizer, &tokenizer_path, &config)?;
        let (n_rows, width) = (config.vocab_size, config.hidden_size);
        let table = format!("embedding table of {n_rows} × {width}");
        let n_bytes = (n_rows as u64).saturating_mul(width as u64 * size_of::<f32>() as u64);
        check_buffer(&options.device_info, &table, n_bytes)?;
        let recipe = plan.recipe();
        let max_length = recipe.model.max_length.min(n_positions);
        let (needs, pad, seed) = (&passes.needs, config.pad_token_id, recipe.seed);
        let labeled = recipe.task.is_labeled().then(|| {
            let data = TrainingData::read(plan, &tokenizer, needs, max_length, pad)?;
            if !recipe.model.allow_unknown && has_lost_pieces(tokenizer_folder)? {
                data.corpus.check_known(&tokenizer)?;
            }
            Ok::<_, Error>(data)
        });
        let labeled = labeled.transpose()?;
        let contrast = passes.contrast_texts();
        let masks = passes.needs_lm_head() || contrast.is_some_and(|texts| texts.masked);
        let masker = masks.then(|| Masker::new(recipe.masking, &tokenizer)).transpose()?;
        let linked = needs.iter().any(|needs| needs.word_links);
        let pairs = recipe.pairs.as_ref().map(|pairs| {
            let sets = PairSet::read_all(pairs, linked)?;
            let stream = PairStream::new(sets, pairs, &tokenizer, n_positions, pad, seed);
            Ok::<_, Error>(stream.with_texts(masker.clone(), contrast))
        });
        let blocks = recipe.monolingual.as_ref().zip(masker.clone()).map(|(texts, masker)| {
            BlockStream::read(texts, masker, &tokenizer, n_positions, pad, seed)
        });
        Ok(Self { labeled, pairs: pairs.transpose()?, blocks: blocks.transpose()? })
    }
}

/// Text without labels, batch by batch.
#[derive(Default)]
pub(super) struct Streams {
    pub(super) pairs: Option<PairStream>,
    pub(super) blocks: Option<BlockStream>,
}

impl Streams {
    pub(super) fn rounds(&mut self) -> [Option<&mut LanguageEpochs>; 2] {
        let pairs = self.pairs.as_mut().map(|pairs| &mut pairs.rounds);
        [pairs, self.blocks.as_mut().map(|blocks| &mut blocks.rounds)]
    }

    pub(super) fn progress(&mut self) -> [Option<LanguageEpochsProgress>; 2] {
        self.rounds().map(|rounds| rounds.map(|rounds| rounds.progress()))
    }

    /// Goes on where a run with the same languages was; `false` if they are others.
    pub(super) fn restore(&mut self, progress: [Option<LanguageEpochsProgress>; 2]) -> bool {
        let streams = self.rounds().into_iter().zip(progress);
        streams.fold(true, |fits, (rounds, progress)| match (rounds, progress) {
            (Some(rounds), Some(progress)) => rounds.restore(progress) && fits,
            _ => fits,
        })
    }

    /// Batches that show everything once.
    pub(super) fn batches_per_epoch(&mut self) -> u64 {
        let rounds = self.rounds().into_iter().flatten();
        rounds.map(|rounds| rounds.batches_per_epoch()).max().unwrap_or(0)
    }
}
