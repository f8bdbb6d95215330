//! How good the model is while it trains and when it is done, and what is kept of it.

use std::collections::BTreeMap;

use isogloss_kernels::split_seed;
use isogloss_methods::{AdamW, mark_all_that_may_train};
use isogloss_model::{HeadChoice, Model, base_folder, load, load_masked_lm};
use isogloss_text::Language;
use serde::Serialize;
use serde_json::{Value, json};

use super::batches::TrainingData;
use super::data::Streams;
use super::{Event, Trainer, streams, unfreezing};
use crate::checkpoint::{self, Best, Memory, Saver};
use crate::ground::files::replace_folder;
use crate::ground::tokenizer_files::copy_tokenizer;
use crate::tools::fisher::{Measures, gradient_cosines};
use crate::tools::subnetwork::Subnetworks;
use crate::{
    Error, Evaluator, HeldOut, LabeledSet, LanguageResult, Predictions, Results, Scores, Selection,
};

impl Trainer<'_> {
    pub(super) fn measures_at(&self, step: u64) -> bool {
        let is_last = step == self.learning_rate.total_steps;
        let measure = self.plan.recipe().measure.as_ref();
        measure.is_some_and(|measure| is_last || step.is_multiple_of(measure.every))
    }

    /// Logs the Fisher information and the sharpness on the dev set, and how well the gradients of several
    /// sources agree, if the recipe asks for measures. They are about all parameters that ever learn,
    /// whether they do yet or not.
    pub(super) fn measure(&mut self, watch: &mut dyn FnMut(Event<'_>)) -> Result<(), Error> {
        let (Some(measure), Some(data)) = (&self.plan.recipe().measure, self.data) else {
            return Ok(());
        };
        let step = self.progress.step;
        let options = measure.options(split_seed(self.plan.recipe().seed, streams::MEASURE));
        let model = mark_all_that_may_train(self.finished_model(), &self.schedules);
        let dev = &data.corpus.devs[0];
        let measures = Measures::take(&model, dev, &self.options.device, &options)?;
        watch(Event::Measures { step, measures: &measures });
        let mut line = json!({ "kind": "measure", "step": step, "epoch": self.epoch() });
        extend(&mut line, &measures);
        self.log.write(&line)?;
        let sources = self.plan.sources();
        if sources.len() > 1 {
            let subnetwork = |language| self.subnetworks.as_ref().map(|of| of.of(language));
            let sets = data.corpus.devs.iter().map(|set| {
                let subnetwork = subnetwork(&set.language).transpose()?.flatten();
                Ok((set, subnetwork))
            });
            let sets = sets.collect::<Result<Vec<_>, Error>>()?;
            let cosines = gradient_cosines(&model, &sets, &self.options.device, &options)?;
            watch(Event::Conflict { step, languages: sources, cosines: &cosines });
            self.log.write(&json!({
                "kind": "conflict", "step": step, "languages": sources, "cosines": cosines,
            }))?;
        }
        Ok(())
    }

    /// Says how well the model did before the first step, where nothing new in it has to be learned
    /// first.
    pub(super) fn score_start(&mut self, watch: &mut dyn FnMut(Event<'_>)) -> Result<(), Error> {
        if self.data.is_none() {
            self.score_dev(&self.finished_model(), watch)?;
        }
        Ok(())
    }

    /// Scores the dev set and keeps the model if it is the best so far. Without labels nothing is
    /// held back to choose by: the last model is kept.
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
                match &self.base {
                    // The tokenizer is there.
                    Some(_) => Ok(()),
                    None => copy_tokenizer(&base_folder(&self.options.model_folder)?, folder),
                }
            })?;
        }
        Ok(())
    }

    /// Scores and logs the dev set, or those of several languages or the held-out pairs of each, and
    /// their mean; returns the main score and whether it is the best so far.
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
                    let evaluator = self.evaluator(model, data, &dev.language)?;
                    Ok((dev.language.to_string(), evaluator.score(dev)?.0))
                };
                data.corpus.devs.iter().map(score).collect::<Result<_, Error>>()?
            }
            None => self.score_unlabeled(model)?,
        };
        if self.data.is_none() || languages.len() > 1 {
            let of_language = |(tag, of): (&String, &LanguageResult)| {
                (tag.clone(), Value::from(of.scores.main()))
            };
            line["languages"] = languages.iter().map(of_language).collect();
        }
        let zero_shot = self.zero_shot(model)?;
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

    /// The main score over some examples of each language that is not trained on; of none if the recipe
    /// does not want them watched.
    fn zero_shot(&self, model: &Model) -> Result<BTreeMap<String, f64>, Error> {
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

    pub(super) fn write_checkpoint(
        &mut self,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Error> {
        self.progress.log_len = self.log.sync()?;
        self.progress.rounds = self.streams.progress();
        self.progress.opens_at = unfreezing::opens_at(&self.schedules);
        self.progress.subnetwork_scores =
            self.subnetworks.as_ref().map(Subnetworks::scores).unwrap_or_default();
        let memory = match (&self.passes.momentum, &self.passes.negatives) {
            (Some(model), Some(queue)) => Some(Memory { model, queue }),
            _ => None,
        };
        checkpoint::write(
            self.run,
            &self.progress,
            self.model(),
            &self.saver(),
            &self.optimizer,
            memory,
        )?;
        watch(Event::Checkpoint { step: self.progress.step });
        Ok(())
    }

    fn saver(&self) -> Saver<'_> {
        let (head, config_json) = (self.head.as_ref(), &self.config_json);
        Saver { head, config_json, base: self.base.as_ref() }
    }

    /// Scores the chosen model in every language and writes the results.
    pub(super) fn finish(mut self, watch: &mut dyn FnMut(Event<'_>)) -> Result<Results, Error> {
        let best = self.progress.best.expect("the last step was followed by a selection");
        // Training's tensors make room before the chosen model comes in.
        self.model = None;
        self.optimizer = AdamW::new(self.plan.recipe().optimizer.adamw.clone());
        let load = if self.passes.needs_lm_head() { load_masked_lm } else { load };
        let chosen = load(&self.run.best(), &HeadChoice::Saved, &self.options.device)?.model;
        if let Some(subnetworks) = self.subnetworks.as_mut().filter(|of| of.are_dynamic()) {
            subnetworks.read_written(&self.run.best())?;
        }
        let selection = Selection { rule: self.rule.clone(), step: best.step, score: best.score };
        let results = match self.data {
            Some(data) => self.score_labeled(&chosen, data, selection, watch)?,
            None => {
                let languages = self.score_unlabeled(&chosen)?;
                for (language, result) in &languages {
                    watch(Event::Language { language, scores: &result.scores });
                }
                Results::new(&*self.plan.recipe().task, self.plan.sources(), selection, languages)
            }
        };
        self.run.write_json("results.json", &results)?;
        self.run.tidy(self.plan.recipe())?;
        Ok(results)
    }

    fn score_labeled(
        &self,
        model: &Model,
        data: &TrainingData,
        selection: Selection,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<Results, Error> {
        let (plan, labels) = (self.plan, &data.corpus.labels);
        let names = |ids: &Vec<usize>| -> Vec<String> {
            let name = |id: &usize| labels.name(*id as u32).unwrap_or_default();
            ids.iter().map(|id| name(id).to_owned()).collect()
        };
        let mut languages = BTreeMap::new();
        for set in &data.corpus.tests {
            let exchanged = self.exchanged(model, &set.language)?;
            let model = exchanged.as_ref().unwrap_or(model);
            let evaluator = self.evaluator(model, data, &set.language)?;
            let (result, predicted) = evaluator.score(set)?;
            watch(Event::Language { language: set.language.as_str(), scores: &result.scores });
            let language = set.language.as_str();
            match &predicted {
                Predictions::Labels(ids) => {
                    self.run.write_predictions(language, ids.iter().map(names))?;
                }
                Predictions::Trees(parsed) => self.run.write_treebank(language, parsed)?,
            }
            languages.insert(set.language.to_string(), result);
        }
        let mut few_shot = BTreeMap::new();
        let targets =
            data.corpus.tests.iter().filter(|set| !plan.sources().contains(&set.language));
        for (set, support) in targets.zip(&data.corpus.supports) {
            let Some(recipe) = &plan.recipe().few_shot else { break };
            let exchanged = self.exchanged(model, &set.language)?;
            let adapted = self.adapted(exchanged.as_ref().unwrap_or(model), recipe, support)?;
            let (result, _) = self.evaluator(&adapted, data, &set.language)?.score(set)?;
            watch(Event::FewShot { language: set.language.as_str(), scores: &result.scores });
            few_shot.insert(set.language.to_string(), result.scores);
        }
        let results = Results::new(&*plan.recipe().task, plan.sources(), selection, languages);
        Ok(results.with_few_shot(few_shot))
    }

    /// The scores of a task without labels, by language.
    fn score_unlabeled(&self, model: &Model) -> Result<BTreeMap<String, LanguageResult>, Error> {
        let Some(task) = self.plan.recipe().task.unlabeled() else { return Ok(BTreeMap::new()) };
        let Streams { pairs, blocks } = &self.streams;
        let sets = pairs.iter().flat_map(|pairs| &pairs.sets);
        let blocks = blocks.iter().flat_map(|blocks| &blocks.held_out);
        let held_out = HeldOut {
            pairs: sets.map(|set| (&set.language, set.held_out.as_slice())).collect(),
            pair_tokenizer: pairs.as_ref().map(|of| (&of.tokenizer, of.recipe.max_length)),
            blocks: blocks.map(|(language, blocks)| (language, blocks)).collect(),
            model_folder: &self.options.model_folder,
        };
        let batch_size = self.plan.recipe().training.evaluation_batch_size;
        task.evaluate(model, &held_out, batch_size, &self.options.device)
    }

    /// The model with the language adapter of a language, if it has another there.
    fn exchanged(&self, model: &Model, language: &Language) -> Result<Option<Model>, Error> {
        let exchange = self.plan.recipe().language_adapter.as_ref();
        let exchanged = exchange.map(|of| of.exchanged(model, self.plan.source(), language));
        Ok(exchanged.transpose()?.flatten())
    }

    /// What scores a model in a language.
    fn evaluator<'b>(
        &'b self,
        model: &'b Model,
        data: &'b TrainingData,
        language: &Language,
    ) -> Result<Evaluator<'b>, Error> {
        let subnetwork = self.subnetworks.as_ref().map(|of| of.of(language));
        Ok(Evaluator {
            model,
            task: self.plan.recipe().task.labeled().expect("a task with data has labels"),
            labels: &data.corpus.labels,
            batch_size: self.plan.recipe().training.evaluation_batch_size,
            device: &self.options.device,
            subnetwork: subnetwork.transpose()?.flatten(),
        })
    }
}

/// Adds the fields of `more` to a JSON object.
fn extend(line: &mut Value, more: &impl Serialize) {
    let more = serde_json::to_value(more).expect("these types are printable");
    if let (Some(line), Value::Object(more)) = (line.as_object_mut(), more) {
        line.extend(more);
    }
}
