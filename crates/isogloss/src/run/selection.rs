//! Model selection: the validation (development) sets are scored, and the best model is kept.

use std::collections::BTreeMap;
use std::path::Path;

use isogloss_model::{Model, tokenizer_folder};
use serde_json::{Value, json};

use super::event::Event;
use super::metrics_log::extend;
use super::progress::Best;
use super::trainer::Trainer;
use crate::ground::files::replace_folder;
use crate::ground::tokenizer_files::copy_tokenizer;
use crate::{Error, LabeledSet, LanguageResult, Scores};

impl Trainer<'_> {
    /// Scores the model before the first step, for tasks without labels: it has no new head that
    /// must be trained first.
    pub(super) fn score_start(&mut self, watch: &mut dyn FnMut(Event<'_>)) -> Result<(), Error> {
        if self.data.is_none() {
            self.score_dev(&self.finished_model(), watch)?;
        }
        Ok(())
    }

    /// Model selection: scores the dev sets and saves the model if it is the best so far. Without
    /// labels there is no dev set to select by: the last model is saved.
    pub(super) fn select(&mut self, watch: &mut dyn FnMut(Event<'_>)) -> Result<(), Error> {
        let model = self.finished_model();
        let (score, is_best) = self.score_dev(&model, watch)?;
        if is_best {
            self.progress.best = Some(Best { step: self.progress.step, score });
            replace_folder(&self.run.best(), |folder| {
                self.saver().save(folder, &model)?;
                if let (Some(subnetworks), Some(data)) = (&self.subnetworks, self.data) {
                    let tested = data.corpus.tests.iter().map(|set| &set.language);
                    subnetworks.write(folder, tested)?;
                }
                self.save_sentence_modules(folder)?;
                let tokenizer = tokenizer_folder(&self.options.model_folder)?;
                let of_base = self.base.as_ref().map(|base| tokenizer_folder(&base.folder));
                match of_base.transpose()? {
                    // Found there with the base model.
                    Some(of_base) if is_same(&of_base, &tokenizer) => Ok(()),
                    _ => copy_tokenizer(&tokenizer, folder),
                }
            })?;
        }
        Ok(())
    }

    /// Validation scores: scores the dev set of each source language, or of all languages if the
    /// recipe selects by them, or the held-out data of a task without labels, and logs them with their mean; returns the mean main score and whether
    /// it is the best so far.
    fn score_dev(
        &mut self,
        model: &Model,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<(f64, bool), Error> {
        let step = self.progress.step;
        let mut line = json!({
            "kind": "dev", "step": step, "epoch": self.epoch(), "language": self.plan.source(),
        });
        let languages = match self.data {
            Some(data) => {
                let score = |dev: &LabeledSet| {
                    let exchanged = self.exchanged(model, &dev.language)?;
                    let model = exchanged.as_ref().unwrap_or(model);
                    let evaluator = self.evaluator(model, data, &dev.language)?;
                    Ok((dev.language.to_string(), evaluator.score(dev)?.0))
                };
                let devs = data.corpus.devs.iter().chain(&data.corpus.target_devs);
                devs.map(score).collect::<Result<_, Error>>()?
            }
            None => self.score_unlabeled(model)?,
        };
        if self.data.is_none() || languages.len() > 1 {
            let of_language = |(tag, of): (&String, &LanguageResult)| {
                (tag.clone(), Value::from(of.scores.main()))
            };
            line["languages"] = languages.iter().map(of_language).collect();
        }
        let zero_shot = self.zero_shot_scores(model)?;
        if !zero_shot.is_empty() {
            let mean = zero_shot.values().sum::<f64>() / zero_shot.len() as f64;
            line["zero_shot"] = json!(zero_shot);
            line["mean_target"] = json!(mean);
        }
        let scores = Scores::mean(languages.values().map(|result| &result.scores));
        let is_best = match self.data {
            Some(_) => self.progress.best.is_none_or(|best| scores.main() > best.score),
            None => step > 0,
        };
        watch(Event::Dev { step, scores: &scores, is_best });
        extend(&mut line, &scores);
        self.log.write(&line)?;
        Ok((scores.main(), is_best))
    }

    /// Zero-shot scores during training: the main score on some examples of each target language
    /// that is not trained on; empty unless the recipe sets `zero_shot_eval_examples`.
    fn zero_shot_scores(&self, model: &Model) -> Result<BTreeMap<String, f64>, Error> {
        let (Some(n), Some(data)) =
            (self.plan.recipe().training.zero_shot_eval_examples, self.data)
        else {
            return Ok(BTreeMap::new());
        };
        let sources = self.plan.sources();
        let targets = data.corpus.tests.iter().filter(|set| !sources.contains(&set.language));
        let score = |set: &LabeledSet| {
            let exchanged = self.exchanged(model, &set.language)?;
            let model = exchanged.as_ref().unwrap_or(model);
            let evaluator = self.evaluator(model, data, &set.language)?;
            let (result, _) = evaluator.score(&set.sample_evenly(n))?;
            Ok((set.language.to_string(), result.scores.main()))
        };
        targets.map(score).collect()
    }
}

/// Whether two paths are of the same folder.
fn is_same(a: &Path, b: &Path) -> bool {
    a == b || a.canonicalize().ok().is_some_and(|a| b.canonicalize().is_ok_and(|b| a == b))
}
