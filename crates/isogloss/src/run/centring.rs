//! Language centring of a run's selected model, from the texts of its recipe.

use std::path::PathBuf;

use isogloss_model::ModelFolder;
use isogloss_text::Language;

use super::trainer::Trainer;
use crate::ground::plain_text::read_plain_texts;
use crate::loader::LabeledLoader;
use crate::task::{Centring, DataReport};
use crate::tools::predict::{CentringOptions, estimate_centring};
use crate::{Error, Plan};

/// The files of texts of the recipe's centring, each of which is read, so that a run does not end
/// with an error about them; none without a table.
pub(super) fn files(
    plan: &Plan,
    data: Option<&LabeledLoader>,
) -> Result<Vec<(Language, PathBuf)>, Error> {
    let (Some(recipe), Some(data)) = (&plan.recipe().centring, data) else { return Ok(Vec::new()) };
    let scored = data.corpus.tests.iter().map(|set| &set.language);
    // A language that is not scored may have no language adapter.
    let others = plan.recipe().language_adapter.is_none();
    let files = recipe.files(plan.sources(), scored, others)?;
    for (_, path) in &files {
        read_plain_texts(path, Some(1))?;
    }
    Ok(files)
}

impl Trainer<'_> {
    /// Estimates the centring of the selected model, and stores it with the model; `None` without a
    /// table `[centring]`. Also returns the counts of its texts.
    pub(super) fn estimate_centring(&self) -> Result<Option<(Centring, DataReport)>, Error> {
        let Some(recipe) = &self.plan.recipe().centring else { return Ok(None) };
        let files = files(self.plan, self.data)?;
        let batch_size = self.plan.recipe().training.evaluation_batch_size;
        let options = CentringOptions { by: recipe.by, limit: recipe.limit, batch_size };
        let (folder, sources) = (ModelFolder::from(self.run.best()), self.plan.sources());
        estimate_centring(&folder, &files, sources, options, &self.options.device).map(Some)
    }
}
