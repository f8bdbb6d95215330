//! Final evaluation of a run: the selected model is scored in every language.

use std::collections::BTreeMap;

use isogloss_methods::AdamW;
use isogloss_model::{HeadChoice, Model, load, load_masked_lm};

use super::event::Event;
use super::trainer::Trainer;
use crate::loader::LabeledLoader;
use crate::{Centring, DataReport, Error, Evaluator, Predictions, Results, Selection};

impl Trainer<'_> {
    /// Final evaluation: scores the selected model in every language and writes `results.json`,
    /// with the counts of what was lost of the data.
    pub(super) fn finish(
        mut self,
        mut report: DataReport,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<Results, Error> {
        let best = self.progress.best.expect("the last step was followed by a selection");
        // Frees the tensors of training before the selected model is loaded.
        self.model = None;
        self.optimizer = AdamW::new(self.plan.recipe().optimizer.adamw.clone());
        let centring = self.estimate_centring()?.map(|(centring, counts)| {
            watch(Event::Centring(&centring));
            watch(Event::Counts(Some(&counts)));
            report.add(&counts);
            centring
        });
        let load = if self.context.plan.needs_lm_head() { load_masked_lm } else { load };
        let chosen = load(&self.run.best(), &HeadChoice::Saved, &self.options.device)?.model;
        if let Some(subnetworks) = self.subnetworks.as_mut().filter(|of| of.are_dynamic()) {
            subnetworks.reload_saved(&self.run.best())?;
        }
        let selection = Selection { rule: self.rule.clone(), step: best.step, score: best.score };
        let mut results = match self.data {
            Some(data) => self.score_labeled(&chosen, centring.as_ref(), data, selection, watch)?,
            None => {
                let languages = self.score_unlabeled(&chosen)?;
                for (language, result) in &languages {
                    watch(Event::Language { language, scores: &result.scores });
                }
                Results::new(&*self.plan.recipe().task, self.plan.sources(), selection, languages)
            }
        };
        results.data = Some(report);
        self.run.write_json("results.json", &results)?;
        self.run.tidy(self.plan.recipe())?;
        Ok(results)
    }

    fn score_labeled(
        &self,
        model: &Model,
        centring: Option<&Centring>,
        data: &LabeledLoader,
        selection: Selection,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<Results, Error> {
        let (plan, labels, device) = (self.plan, &data.corpus.labels, &self.options.device);
        let names = |ids: &Vec<usize>| -> Vec<String> {
            let name = |id: &usize| labels.name(*id as u32).unwrap_or_default();
            ids.iter().map(|id| name(id).to_owned()).collect()
        };
        let mut languages = BTreeMap::new();
        for set in &data.corpus.tests {
            let exchanged = self.exchanged(model, &set.language)?;
            let model = exchanged.as_ref().unwrap_or(model);
            let centring = centring.and_then(|of| of.for_language(&set.language, device));
            let evaluator = self.evaluator(model, data, &set.language)?;
            let evaluator = Evaluator { centring: centring.as_ref(), ..evaluator };
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
}
