//! How good the model is while it trains and when it is done, and what is kept of it.

use isogloss_kernels::split_seed;
use isogloss_methods::AdamW;
use isogloss_model::{HeadChoice, Model, load, save};
use serde::Serialize;
use serde_json::{Value, json};

use super::folders::copy_tokenizer;
use super::{Event, Trainer, streams};
use crate::checkpoint::{self, Best};
use crate::fisher::Measures;
use crate::run_folder::{remove_folder, replace_folder};
use crate::{Error, Evaluator, Results, Selection};

impl Trainer<'_> {
    fn measures_at(&self, step: u64) -> bool {
        let is_last = step == self.learning_rate.total_steps;
        let measure = self.plan.recipe().measure.as_ref();
        measure.is_some_and(|measure| is_last || step.is_multiple_of(measure.every))
    }

    /// Logs the Fisher information and the sharpness on the dev set, if the recipe asks for them.
    fn measure(&mut self, watch: &mut dyn FnMut(Event<'_>)) -> Result<(), Error> {
        let Some(measure) = &self.plan.recipe().measure else { return Ok(()) };
        let step = self.progress.step;
        let options = measure.options(split_seed(self.plan.recipe().seed, streams::MEASURE));
        let model = self.finished_model();
        let measures =
            Measures::take(&model, &self.data.corpus.dev, &self.options.device, &options)?;
        watch(Event::Measures { step, measures: &measures });
        let mut line = json!({ "kind": "measure", "step": step, "epoch": self.epoch() });
        extend(&mut line, &measures);
        self.log.write(&line)
    }

    /// Scores the dev set and keeps the model if it is the best so far.
    fn select(&mut self, watch: &mut dyn FnMut(Event<'_>)) -> Result<(), Error> {
        let model = self.finished_model();
        let (result, _) = self.evaluator(&model).score(&self.data.corpus.dev)?;
        let (step, score) = (self.progress.step, result.scores.main());
        let is_best = self.progress.best.is_none_or(|best| score > best.score);
        watch(Event::Dev { step, scores: &result.scores, is_best });
        let mut line = json!({
            "kind": "dev", "step": step, "epoch": self.epoch(), "language": self.plan.source(),
        });
        extend(&mut line, &result.scores);
        self.log.write(&line)?;
        if is_best {
            self.progress.best = Some(Best { step, score });
            replace_folder(&self.run.best(), |folder| {
                save(folder, &model, Some(&self.head), &self.config_json)?;
                copy_tokenizer(&self.options.model_folder, folder)
            })?;
        }
        Ok(())
    }

    fn write_checkpoint(&mut self, watch: &mut dyn FnMut(Event<'_>)) -> Result<(), Error> {
        self.progress.log_len = self.log.sync()?;
        checkpoint::write(
            self.run,
            &self.progress,
            self.model(),
            &self.head,
            &self.config_json,
            &self.optimizer,
        )?;
        watch(Event::Checkpoint { step: self.progress.step });
        Ok(())
    }

    /// Scores the chosen model in every language and writes the results.
    fn finish(mut self, watch: &mut dyn FnMut(Event<'_>)) -> Result<Results, Error> {
        let best = self.progress.best.expect("the last step was followed by a selection");
        // Training's tensors make room before the chosen model comes in.
        self.model = None;
        self.optimizer = AdamW::new(self.plan.recipe().optimizer.adamw.clone());
        let chosen = load(&self.run.best(), &HeadChoice::Saved, &self.options.device)?.model;
        let selection = Selection { rule: self.rule.clone(), step: best.step, score: best.score };
        let labels = &self.data.corpus.labels;
        let results = self.evaluator(&chosen).score_all(
            &self.data.corpus.tests,
            self.plan.source(),
            selection,
            &mut |set, result, predicted| {
                watch(Event::Language { language: set.language.as_str(), scores: &result.scores });
                let names = |ids: &Vec<usize>| -> Vec<String> {
                    let name = |id: &usize| labels.name(*id as u32).unwrap_or_default();
                    ids.iter().map(|id| name(id).to_owned()).collect()
                };
                self.run.write_predictions(set.language.as_str(), predicted.iter().map(names))
            },
        )?;
        self.run.write_json("results.json", &results)?;
        remove_folder(&self.run.checkpoints())?;
        Ok(results)
    }

    fn evaluator<'b>(&'b self, model: &'b Model) -> Evaluator<'b> {
        Evaluator {
            model,
            task: &self.plan.recipe().task,
            labels: &self.data.corpus.labels,
            batch_size: self.plan.recipe().training.evaluation_batch_size,
            device: &self.options.device,
        }
    }
}

/// Adds the fields of `more` to a JSON object.
fn extend(line: &mut Value, more: &impl Serialize) {
    let more = serde_json::to_value(more).expect("these types are printable");
    if let (Some(line), Value::Object(more)) = (line.as_object_mut(), more) {
        line.extend(more);
    }
}

