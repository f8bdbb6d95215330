//! Data loaders: the batches of labeled examples, sentence pairs and monolingual text of a run.

mod labeled;
mod language_epochs;
pub(crate) mod largest_tensors;
mod monolingual;
mod pairs;
mod texts;
mod unlabeled;

use isogloss_model::{ModelFolder, read_config, tokenizer_folder};
use isogloss_text::{Masker, Tokenizer};

pub(crate) use labeled::LabeledLoader;
pub(crate) use language_epochs::LanguageEpochsProgress;
use largest_tensors::RunTensors;
use monolingual::BlockLoader;
use pairs::PairLoader;
use texts::TextLoader;
pub(crate) use unlabeled::{BatchLanguages, UnlabeledLoaders};

use crate::data::pairs::PairSet;
use crate::ground::device::{DeviceInfo, check_embedding_matrix};
use crate::ground::max_length::recipe_max_length;
use crate::ground::vocabulary::check_vocabulary;
use crate::step::ForwardPlan;
use crate::task::DataReport;
use crate::tools::trim::has_lost_pieces;
use crate::{Error, ModelRecipe, MonolingualRecipe, PairsRecipe, Plan};

/// Data loaders of a plan: labeled examples and unlabeled text.
pub(crate) struct Loaders {
    /// None for a task without labels.
    pub(crate) labeled: Option<LabeledLoader>,
    pub(crate) unlabeled: UnlabeledLoaders,
}

impl Loaders {
    /// Counts of what was truncated, lost and left out of all data.
    pub(crate) fn report(&self) -> DataReport {
        let corpus = self.labeled.as_ref().map(|data| data.corpus.report());
        let mut report = corpus.unwrap_or_default();
        let pairs = self.unlabeled.pairs.iter().flat_map(|pairs| &pairs.sets);
        report.n_unlinked += pairs.map(|set| set.n_unlinked).sum::<usize>();
        report
    }

    /// Reads all data of a plan; vocabulary size and device buffers are checked first.
    pub(crate) fn read(
        plan: &Plan,
        forward_plan: &ForwardPlan,
        model_folder: &ModelFolder,
        device_info: &DeviceInfo,
    ) -> Result<Self, Error> {
        let tokenizer_folder = &tokenizer_folder(model_folder)?;
        let tokenizer_path = tokenizer_folder.join("tokenizer.json");
        let tokenizer = Tokenizer::from_file(&tokenizer_path)?;
        let (config, _) = read_config(model_folder)?;
        check_vocabulary(&tokenizer, &tokenizer_path, &config)?;
        check_embedding_matrix(device_info, [config.vocab_size, config.hidden_size])?;
        let recipe = plan.recipe();
        let length = |given, default| recipe_max_length(given, default, &tokenizer, &config);
        let max_length = length(recipe.model.max_length, ModelRecipe::MAX_LENGTH);
        let (pad, seed) = (config.pad_token_id, recipe.seed);
        let labeled = recipe.task.is_labeled().then(|| {
            let data = LabeledLoader::read(plan, &tokenizer, forward_plan, max_length, pad)?;
            if !recipe.model.allow_unknown && has_lost_pieces(tokenizer_folder)? {
                data.corpus.check_known(&tokenizer)?;
            }
            Ok::<_, Error>(data)
        });
        let labeled = labeled.transpose()?;
        let contrast = forward_plan.contrast_texts();
        let masks = forward_plan.needs_lm_head() || contrast.is_some_and(|texts| texts.masked);
        let masker = masks.then(|| Masker::new(recipe.masking, &tokenizer)).transpose()?;
        let pairs = recipe.pairs.as_ref().map(|pairs| {
            let sets = PairSet::read_all(pairs, forward_plan.needs_word_links())?;
            let max_length = length(pairs.max_length, PairsRecipe::MAX_LENGTH);
            let loader = PairLoader::new(sets, pairs, &tokenizer, max_length, pad, seed);
            Ok::<_, Error>(loader.with_texts(masker.clone(), contrast))
        });
        let pairs = pairs.transpose()?;
        let blocks = recipe.monolingual.as_ref().zip(masker.clone()).map(|(texts, masker)| {
            let max_length = length(texts.max_length, MonolingualRecipe::MAX_LENGTH);
            BlockLoader::read(texts, masker, &tokenizer, max_length, pad, seed)
        });
        let texts = recipe.unlabeled.as_ref().filter(|_| recipe.task.is_labeled());
        let texts = texts.map(|table| TextLoader::read(recipe, table, &tokenizer, max_length, pad));
        let (blocks, texts) = (blocks.transpose()?, texts.transpose()?);
        let unlabeled = UnlabeledLoaders { pairs, blocks, texts };
        let tensors = RunTensors {
            plan,
            forward_plan,
            config: &config,
            labeled: labeled.as_ref(),
            unlabeled: &unlabeled,
        };
        tensors.check(device_info)?;
        Ok(Self { labeled, unlabeled })
    }
}
