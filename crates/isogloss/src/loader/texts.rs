//! Data loader of the task's text without labels: samples the language of each batch, and makes the
//! views that objectives read.

use isogloss_kernels::split_seed;
use isogloss_methods::{PredictionUnits, TextView};
use isogloss_text::{
    Features, Language, TextError, TokenBatch, Tokenizer, ViewKind, ViewTask, Viewer,
};

use super::language_epochs::LanguageEpochs;
use super::prediction_units::tagged_words;
use crate::Error;
use crate::error::DataError;
use crate::ground::seeds;
use crate::recipe::{Recipe, UnlabeledRecipe, unlabeled_view_faults, unlabeled_views};
use crate::step::ForwardPlan;
use crate::task::{DataReport, TargetKind};

/// Texts that are tokenized at a time to be counted.
const COUNTED_AT_ONCE: usize = 1 << 12;

/// Data loader of unlabeled texts; all texts of a batch are of one language.
pub(crate) struct TextLoader {
    /// The texts of each language.
    pub(crate) languages: Vec<(Language, Vec<String>)>,
    pub(crate) epochs: LanguageEpochs,
    /// Maximum sequence length of a text, in tokens.
    pub(crate) max_length: usize,
    /// Data augmentation of each language.
    viewers: Vec<Viewer>,
    /// Counts of all texts: how many there are, are truncated and have no token.
    pub(crate) report: DataReport,
    task: ViewTask,
    /// Whether objectives pool the subwords of words.
    pools_subwords: bool,
    pad_token_id: u32,
    seed: u64,
}

/// Batch in one view, and which rows of its logits are predictions.
type ViewBatch = (TextView, TokenBatch, PredictionUnits);

impl TextLoader {
    /// Reads the texts of every language of a recipe.
    pub(crate) fn read(
        recipe: &Recipe,
        table: &UnlabeledRecipe,
        forward_plan: &ForwardPlan,
        tokenizer: &Tokenizer,
        max_length: usize,
        pad_token_id: u32,
    ) -> Result<Self, Error> {
        let languages = table.languages()?;
        let read = |language: Language| Ok((language.clone(), table.texts(&language)?));
        let languages = languages.into_iter().map(read).collect::<Result<Vec<_>, Error>>()?;
        let lengths = |(_, texts): &(_, Vec<String>)| texts.iter().map(String::len).collect();
        let lengths = languages.iter().map(lengths).collect();
        let seed = split_seed(recipe.seed, seeds::UNLABELED);
        let epochs = LanguageEpochs::new(lengths, &table.sampling, table.batch_size, seed);
        let tags: Vec<_> = languages.iter().map(|(language, _)| language.clone()).collect();
        let texts_read = forward_plan.texts();
        let views = unlabeled_views(&recipe.views, &texts_read);
        let faults = unlabeled_view_faults(&views, &tags, &recipe.data.sources);
        if let Some((field, reason)) = faults.into_iter().next() {
            return Err(TextError::InvalidViews { field, reason }.into());
        }
        let viewer = |tag| Viewer::new(&views.for_source(tag, &tags), tokenizer, tag);
        let viewers = tags.iter().map(viewer).collect::<Result<Vec<_>, _>>()?;
        if texts_read.contains(&TextView::UnlabeledTranslated) {
            let has_translation = |(viewer, (_, texts)): (&Viewer, &(_, Vec<String>))| {
                texts.iter().any(|text| viewer.has_translation(text))
            };
            if !viewers.iter().zip(&languages).any(has_translation) {
                return Err(DataError::NoTranslation { path: table.path.as_str().into() }.into());
            }
        }
        let mut report = DataReport::default();
        for some in languages.iter().flat_map(|(_, texts)| texts.chunks(COUNTED_AT_ONCE)) {
            let texts: Vec<_> = some.iter().map(|text| (text.as_str(), None)).collect();
            let encoded = tokenizer.encode_batch(&texts, max_length)?;
            report.add(&DataReport::from_encodings(&encoded));
        }
        let target = recipe.task.target();
        let task = target.map_or(ViewTask::Classification, TargetKind::view_task);
        let pools_subwords = forward_plan.pools_subwords();
        Ok(Self {
            languages,
            epochs,
            max_length,
            viewers,
            report,
            task,
            pools_subwords,
            pad_token_id,
            seed,
        })
    }

    /// Number of texts of each language.
    pub(crate) fn n_by_language(&self) -> Vec<(Language, usize)> {
        self.languages.iter().map(|(language, texts)| (language.clone(), texts.len())).collect()
    }

    /// Number of texts of the language with the most.
    pub(crate) fn n_texts(&self) -> usize {
        self.languages.iter().map(|(_, texts)| texts.len()).max().unwrap_or(0)
    }

    /// The index of the language of batch number `number`, and the batch in these views.
    pub(crate) fn sample(
        &mut self,
        number: u64,
        texts: &[TextView],
    ) -> Result<(usize, Vec<ViewBatch>), Error> {
        let (language, indices) = self.epochs.sample(number);
        let seed = split_seed(self.seed, number);
        let read = texts.iter().filter(|text| text.is_unlabeled());
        let views = read.map(|text| self.view(*text, language, &indices, seed));
        Ok((language, views.collect::<Result<_, Error>>()?))
    }

    fn view(
        &self,
        text: TextView,
        language: usize,
        indices: &[usize],
        seed: u64,
    ) -> Result<ViewBatch, Error> {
        let kind = match text {
            TextView::UnlabeledSubwordSampled => ViewKind::SubwordSampled,
            TextView::UnlabeledCodeSwitched => ViewKind::CodeSwitched,
            TextView::UnlabeledTranslated => ViewKind::Translated,
            _ => ViewKind::Original,
        };
        let of_language = &self.languages[language].1;
        let viewed = indices.iter().zip(0..).map(|(index, row)| {
            let (text, seed) = (&of_language[*index], split_seed(seed, row));
            self.viewers[language].view_unlabeled(kind, text, self.task, self.max_length, seed)
        });
        let viewed = viewed.collect::<Result<Vec<_>, _>>()?;
        let features: Vec<&Features> = viewed.iter().map(|viewed| &viewed.features).collect();
        let batch = TokenBatch::collate(&features, indices.to_vec(), self.pad_token_id)?;
        let units = match self.task {
            ViewTask::Classification => PredictionUnits::Texts,
            ViewTask::Tagging(_) => tagged_words(&batch, &viewed, self.pools_subwords),
        };
        Ok((text, batch, units))
    }
}
