//! Data loaders: the batches of labeled examples, sentence pairs and monolingual text of a run.

mod labeled;
mod language_epochs;
pub(crate) mod largest_tensors;
mod monolingual;
mod pairs;
mod prediction_units;
mod switched_words;
mod texts;
mod unlabeled;

use burn::tensor::Device;
use isogloss_methods::{GuidedDropoutConfig, GuidedDropoutScores};
use isogloss_model::{ModelFolder, find_sentence_modules, read_config, tokenizer_folder};
use isogloss_text::{Masker, SentencePair, Tokenizer};

pub(crate) use labeled::LabeledLoader;
pub(crate) use language_epochs::LanguageEpochsProgress;
use largest_tensors::RunTensors;
use monolingual::BlockLoader;
use pairs::PairLoader;
use texts::TextLoader;
pub(crate) use unlabeled::{BatchLanguages, UnlabeledLoaders};

use crate::data::pairs::{PairLinks, PairSet};
use crate::embedding::text_encoder::TextEncoder;
use crate::ground::batch_limit::stores_scores;
use crate::ground::device::{DeviceInfo, check_embedding_matrix};
use crate::ground::max_length::recipe_max_length;
use crate::ground::vocabulary::check_vocabulary;
use crate::step::ForwardPlan;
use crate::task::DataReport;
use crate::tools::trim::has_lost_pieces;
use crate::tools::word_aligner::EncoderAligner;
use crate::{
    AlignerRecipe, AligningModel, Error, ModelRecipe, MonolingualRecipe, PairsRecipe, Plan,
};

/// Pairs that an encoder aligns at a time, whose hidden states are in memory together.
const ALIGNED_AT_ONCE: usize = 1 << 10;

/// Data loaders of a plan: labeled examples and unlabeled text.
pub(crate) struct Loaders {
    /// None for a task without labels.
    pub(crate) labeled: Option<LabeledLoader>,
    pub(crate) unlabeled: UnlabeledLoaders,
}

impl Loaders {
    /// Counts of what was truncated, lost and left out of labeled data, pairs and the task's text without
    /// labels. Blocks of monolingual text lose nothing.
    pub(crate) fn report(&self) -> Result<DataReport, Error> {
        let corpus = self.labeled.as_ref().map(|data| data.corpus.report());
        let mut report = corpus.unwrap_or_default();
        if let Some(pairs) = &self.unlabeled.pairs {
            report.add(&pairs.counts()?);
            report.n_unlinked += pairs.sets.iter().map(|set| set.n_unlinked).sum::<usize>();
        }
        report.extend(self.unlabeled.texts.as_ref().map(|texts| &texts.report));
        Ok(report)
    }

    /// Reads all data of a plan; vocabulary size and device buffers are checked first.
    pub(crate) fn read(
        plan: &Plan,
        forward_plan: &ForwardPlan,
        model_folder: &ModelFolder,
        device: &Device,
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
        let scores_masked = |of: &GuidedDropoutConfig| of.scores == GuidedDropoutScores::MaskedLm;
        let masks = forward_plan.needs_lm_head()
            || contrast.is_some_and(|texts| texts.masked)
            || recipe.guided_dropout.as_ref().is_some_and(scores_masked);
        let masker = masks.then(|| Masker::new(recipe.masking, &tokenizer)).transpose()?;
        let pairs = recipe.pairs.as_ref().map(|pairs| {
            let modules = find_sentence_modules(model_folder)?;
            let of_folder = modules.and_then(|modules| modules.max_seq_length);
            let default = of_folder.unwrap_or(PairsRecipe::MAX_LENGTH);
            let max_length = length(pairs.max_length, default);
            let linked = forward_plan.needs_word_links();
            let sets = read_pairs(pairs, linked, max_length, model_folder, device)?;
            let loader = PairLoader::new(sets, pairs, &tokenizer, max_length, pad, seed);
            Ok::<_, Error>(loader.with_texts(masker.clone(), contrast))
        });
        let pairs = pairs.transpose()?;
        let blocks = recipe.monolingual.as_ref().zip(masker.clone()).map(|(texts, masker)| {
            let max_length = length(texts.max_length, MonolingualRecipe::MAX_LENGTH);
            BlockLoader::read(texts, masker, &tokenizer, max_length, pad, seed)
        });
        let texts = recipe.unlabeled.as_ref().filter(|_| recipe.task.is_labeled());
        let texts = texts.map(|table| {
            TextLoader::read(recipe, table, forward_plan, &tokenizer, max_length, pad)
        });
        let (blocks, texts) = (blocks.transpose()?, texts.transpose()?);
        let unlabeled = UnlabeledLoaders { pairs, blocks, texts };
        let tensors = RunTensors {
            plan,
            forward_plan,
            config: &config,
            labeled: labeled.as_ref(),
            unlabeled: &unlabeled,
            stores_scores: [false, true]
                .map(|is_training| stores_scores(device, &config, is_training)),
        };
        tensors.check(device_info)?;
        Ok(Self { labeled, unlabeled })
    }
}

/// Reads the pairs of a recipe, whose words the model that training starts from aligns if the recipe
/// says so.
fn read_pairs(
    recipe: &PairsRecipe,
    linked: bool,
    max_length: usize,
    model_folder: &ModelFolder,
    device: &Device,
) -> Result<Vec<PairSet>, Error> {
    let table = match &recipe.aligner {
        Some(AlignerRecipe::Encoder(table)) if linked => table,
        _ if linked => return PairSet::read_all(recipe, PairLinks::Aligner),
        _ => return PairSet::read_all(recipe, PairLinks::None),
    };
    if table.model == AligningModel::Trained {
        return PairSet::read_all(recipe, PairLinks::None);
    }
    let encoder = TextEncoder::load(model_folder.clone(), device)?.with_max_length(max_length);
    let encoder = encoder.up_to_layer(table.layer)?;
    let aligner = EncoderAligner::from_recipe(table);
    let align = |pairs: &[SentencePair]| {
        let mut alignments = Vec::with_capacity(pairs.len());
        for some in pairs.chunks(ALIGNED_AT_ONCE) {
            let texts = some.iter().map(|pair| (pair.left.as_str(), pair.right.as_str()));
            alignments.extend(aligner.align(&encoder, &texts.collect::<Vec<_>>())?.0);
        }
        Ok(alignments)
    };
    PairSet::read_all(recipe, PairLinks::Encoder(&align))
}
