//! Forward plan: the forward passes that all objectives of a run need together.

use std::sync::Arc;

use isogloss_methods::{
    ContrastTexts, Needs, Objective, RampUp, Role, SentenceEmbedding, TextView, View,
};
use serde_json::{Map, Value, json};

use crate::Plan;

/// Forward plan: the forward passes that the objectives of a run need; the same in every step.
pub(crate) struct ForwardPlan {
    objectives: Vec<PlannedObjective>,
    /// Every view of the objectives, once; the views of a group run as one batch. Objectives with
    /// gradient caching run their own passes.
    groups: Vec<Vec<View>>,
}

/// Objective with its loss weight and its needs.
pub(crate) struct PlannedObjective {
    pub(crate) weight: f64,
    pub(crate) ramp_up: Option<RampUp>,
    pub(crate) objective: Arc<dyn Objective>,
    pub(crate) needs: Needs,
    /// Prefixes of the parameter paths that the loss does not change.
    pub(crate) freeze: Vec<String>,
}

impl ForwardPlan {
    /// Merges the needs of objectives, each with its weight.
    pub(crate) fn new(objectives: Vec<(f64, Arc<dyn Objective>)>) -> Self {
        let planned = objectives.into_iter().map(|(weight, objective)| {
            let needs = objective.needs();
            PlannedObjective { weight, ramp_up: None, objective, needs, freeze: Vec::new() }
        });
        let objectives: Vec<PlannedObjective> = planned.collect();
        let whole = objectives.iter().filter(|planned| planned.objective.grad_cache().is_none());
        let groups = group_views(whole.flat_map(|planned| planned.needs.views.clone()));
        Self { objectives, groups }
    }

    /// The forward plan of the objectives of a recipe, with the ramp-up of each of them and the
    /// parameters that it leaves as they are.
    pub(crate) fn from_plan(plan: &Plan) -> Self {
        let mut this = Self::new(plan.objectives());
        // Objectives that were added in code come after those of the recipe, and have neither.
        for (planned, objective) in this.objectives.iter_mut().zip(&plan.recipe().objective) {
            planned.ramp_up = objective.ramp_up;
            planned.freeze = objective.freeze.clone();
        }
        this
    }

    /// Objectives whose gradients come from one backward pass, by their indices: those that leave the
    /// same parameters as they are and, if `apart`, are all of the task or all of unlabeled text.
    pub(super) fn backward_groups(&self, apart: bool) -> Vec<Vec<usize>> {
        let is_apart = |objective: &PlannedObjective| apart && objective.needs.is_unlabeled();
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for (index, objective) in self.objectives.iter().enumerate() {
            let joins = |group: &&mut Vec<usize>| {
                let first = &self.objectives[group[0]];
                first.freeze == objective.freeze && is_apart(first) == is_apart(objective)
            };
            match groups.iter_mut().find(joins) {
                Some(group) => group.push(index),
                None => groups.push(vec![index]),
            }
        }
        groups
    }

    pub(crate) fn objectives(&self) -> &[PlannedObjective] {
        &self.objectives
    }

    /// The needs of each objective.
    pub(crate) fn needs(&self) -> impl Iterator<Item = &Needs> + Clone {
        self.objectives.iter().map(|planned| &planned.needs)
    }

    /// Groups of views; each group runs as one batch.
    pub(crate) fn groups(&self) -> &[Vec<View>] {
        &self.groups
    }

    /// Spectral normalization: whether the classifier's weight is divided by its spectral norm.
    pub(crate) fn normalizes_head(&self) -> bool {
        self.needs().any(|needs| needs.normalized_head)
    }

    /// Whether the objectives need a single pass over the original text, and no other.
    pub(crate) fn reads_original_alone(&self) -> bool {
        self.groups == [[View::ORIGINAL]]
    }

    /// Whether an objective reads a view of the model with this role.
    pub(crate) fn reads_model(&self, role: Role) -> bool {
        self.groups.iter().flatten().any(|view| view.role == role)
    }

    /// The texts that the objectives read, each once.
    pub(crate) fn texts(&self) -> Vec<TextView> {
        let mut texts: Vec<_> = self.needs().flat_map(Needs::texts).collect();
        texts.sort();
        texts.dedup();
        texts
    }

    /// Projection heads for a model of this hidden size: the name of the objective and the layer
    /// widths.
    pub(crate) fn projection_heads(&self, hidden_size: usize) -> Vec<(&'static str, Vec<usize>)> {
        let heads = self.objectives.iter().filter_map(|planned| {
            Some((planned.objective.name(), planned.needs.projection_widths(hidden_size)?))
        });
        heads.collect()
    }

    /// Contrastive augmentation of pairs (mixup, masking), if an objective asks for it.
    pub(crate) fn contrast_texts(&self) -> Option<ContrastTexts> {
        self.needs().find_map(|needs| needs.contrast_texts)
    }

    /// Whether a language-model head is needed: masked tokens are predicted.
    pub(crate) fn needs_lm_head(&self) -> bool {
        self.groups.iter().flatten().any(|view| view.text.is_masked())
    }

    /// Whether word alignments of the pairs are needed.
    pub(crate) fn needs_word_links(&self) -> bool {
        self.needs().any(|needs| needs.word_links)
    }

    /// Whether objectives pool the subwords of words.
    pub(crate) fn pools_subwords(&self) -> bool {
        self.needs().any(|needs| needs.subwords)
    }

    /// The layers whose attention maps the objectives read, in the model with this role.
    pub(super) fn attention_maps(&self, role: Role) -> Vec<usize> {
        let maps = self.needs().flat_map(|needs| &needs.attention_maps);
        maps.filter(|(of, _)| *of == role).map(|(_, layer)| *layer).collect()
    }

    /// The only sentence embedding that objectives read of the teacher; none if they read more, or
    /// nothing.
    pub(crate) fn only_teacher_embedding(&self) -> Option<SentenceEmbedding> {
        let reads_teacher =
            |needs: &&Needs| needs.views.iter().any(|view| view.role == Role::Teacher);
        let mut embeddings =
            self.needs().filter(reads_teacher).map(|needs| needs.teacher_embedding);
        let first = embeddings.next()??;
        embeddings.all(|other| other == Some(first)).then_some(first)
    }

    /// The sentence embeddings that objectives read of the teacher.
    pub(crate) fn teacher_embeddings(&self) -> impl Iterator<Item = SentenceEmbedding> {
        self.needs().filter_map(|needs| needs.teacher_embedding)
    }

    /// Whether an objective reads the teacher's logits, not only its hidden states.
    pub(crate) fn needs_teacher_logits(&self) -> bool {
        let mut views = self.groups.iter().flatten();
        let is_for_head = |text: TextView| text.is_of_task() || text.is_unlabeled();
        views.any(|view| view.role == Role::Teacher && is_for_head(view.text))
    }

    /// The text whose sentences, together with the masked tokens, are the sample size of a batch.
    pub(crate) fn sample_text(&self) -> Option<TextView> {
        self.needs().find_map(|needs| needs.sample_text)
    }

    /// Size of the largest negative queue (MoCo), in keys.
    pub(crate) fn negative_queue(&self) -> Option<usize> {
        self.needs().filter_map(|needs| needs.negative_queue).max()
    }

    /// Whether the passes of a batch share one lookup of token embeddings; a single pass without
    /// noise looks up its own.
    pub(crate) fn shares_embeddings(&self) -> bool {
        let views = || self.groups.iter().flatten();
        views().count() > 1 || views().any(|view| view.noise.is_some())
    }

    /// The names of all objectives.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.objectives.iter().map(|planned| planned.objective.name()).collect()
    }

    /// Unique names of all objectives: repeated names are numbered from 2.
    pub(crate) fn unique_names(&self) -> Vec<String> {
        let mut unique: Vec<String> = Vec::new();
        for name in self.names() {
            let numbered = (2..).map(|n| format!("{name}_{n}"));
            let mut candidates = std::iter::once(name.to_owned()).chain(numbered);
            unique.extend(candidates.find(|name| !unique.contains(name)));
        }
        unique
    }

    /// Losses of a batch on unlabeled text, summed by data loader: sentence pairs, monolingual text,
    /// then texts of the task.
    pub(crate) fn losses_by_stream(&self, losses: &[f64]) -> [f64; 3] {
        let mut sums = [0.0; 3];
        for (needs, loss) in self.needs().zip(losses) {
            if needs.is_unlabeled() {
                let reads = |is: fn(TextView) -> bool| needs.views.iter().any(|view| is(view.text));
                let loader = match () {
                    () if reads(TextView::is_unlabeled) => 2,
                    () if reads(|text| text == TextView::Monolingual) => 1,
                    () => 0,
                };
                sums[loader] += loss;
            }
        }
        sums
    }

    /// Total loss: the sum of the objectives' losses with their weights at this progress.
    pub(crate) fn total(&self, losses: &[f64], progress: f64) -> f64 {
        let weighted = self.objectives.iter().zip(losses);
        weighted.map(|(planned, loss)| planned.weight_at(progress).unwrap_or(0.0) * loss).sum()
    }

    /// The losses of the objectives that have joined the others at this progress.
    pub(crate) fn joined(&self, losses: &[f64], progress: f64) -> Vec<Option<f64>> {
        let each = self.objectives.iter().zip(losses);
        each.map(|(planned, loss)| planned.weight_at(progress).map(|_| *loss)).collect()
    }

    /// The objectives' losses by their unique names, without those that have none.
    pub(crate) fn losses_by_name(&self, losses: &[Option<f64>]) -> Value {
        let named = self.unique_names().into_iter().zip(losses);
        let found = named.filter_map(|(name, loss)| Some((name, json!((*loss)?))));
        Value::Object(found.collect::<Map<_, _>>())
    }
}

impl PlannedObjective {
    /// The weight in a step; `None` before the loss joins the others. `progress` is the share of the
    /// steps that are done.
    pub(crate) fn weight_at(&self, progress: f64) -> Option<f64> {
        let factor = self.ramp_up.map_or(1.0, |ramp_up| ramp_up.factor(progress));
        (factor > 0.0).then_some(self.weight * factor)
    }
}

/// Groups the views of the same text into batches, so that each weight is read once for all of
/// them. Views with the same dropout masks cannot share a batch.
fn group_views(views: impl Iterator<Item = View>) -> Vec<Vec<View>> {
    let is_plain = |view: &View| {
        let is_for_head = view.text.is_of_task() || view.text.is_unlabeled();
        view.role == Role::Student && view.weight_noise.is_none() && is_for_head
    };
    let mut groups: Vec<Vec<View>> = Vec::new();
    for view in views {
        if groups.iter().flatten().any(|other| *other == view) {
            continue;
        }
        let joins = |group: &Vec<View>| {
            let alike = |other: &View| other.text == view.text && other.pass != view.pass;
            is_plain(&view) && group.iter().all(|other| is_plain(other) && alike(other))
        };
        match groups.iter_mut().find(|group| joins(group)) {
            Some(group) => group.push(view),
            None => groups.push(vec![view]),
        }
    }
    // The first pass of a group seeds its dropout masks: sorting makes them independent of the
    // order of the objectives.
    groups.iter_mut().for_each(|group| group.sort_by_key(|view| view.pass));
    groups
}

#[cfg(test)]
mod tests {
    use isogloss_methods::{CrossEntropyConfig, ObjectiveConfig, R3fConfig, RDropConfig, View};

    use super::*;

    fn plan(objectives: Vec<ObjectiveConfig>) -> ForwardPlan {
        ForwardPlan::new(objectives.iter().map(|config| (1.0, config.init().into())).collect())
    }

    #[test]
    fn views_that_several_objectives_name_are_one_pass() {
        let cross_entropy = || ObjectiveConfig::CrossEntropy(CrossEntropyConfig::default());
        let r_drop = ObjectiveConfig::RDrop(RDropConfig::default());
        assert!(plan(vec![cross_entropy()]).reads_original_alone());
        let both = plan(vec![r_drop.clone(), cross_entropy()]);
        assert_eq!(both.groups(), [[View::ORIGINAL, View::second_pass()]]);
        // A noised view with its own dropout masks shares the batch; one with the same masks
        // cannot.
        let r3f = |dropout: &str| {
            let json = serde_json::json!({ "dropout": dropout });
            ObjectiveConfig::R3f(serde_json::from_value::<R3fConfig>(json).unwrap())
        };
        assert_eq!(plan(vec![r3f("independent")]).groups().len(), 1);
        assert_eq!(plan(vec![r3f("shared")]).groups().len(), 2);
    }

    #[test]
    fn losses_that_freeze_the_same_share_a_backward_pass() {
        let objective = |freeze: &[&str], method: &str| {
            let freeze = serde_json::json!(freeze);
            format!("[[objective]]\nfreeze = {freeze}\nmethod.{method}\n")
        };
        let recipe = format!(
            "[model]\nsource = \"m\"\n[data]\npath = \"{{language}}.jsonl\"\nsources = [\"en\"]\n\
             [pairs]\npath = \"{{language}}.tsv\"\n{}{}{}{}",
            objective(&[], "cross_entropy = {}"),
            objective(&["encoder.layers.0."], "info_nce = {}"),
            objective(&[], "tlm = {}"),
            objective(&["encoder.layers.0."], "embedding_distillation = {}"),
        );
        let recipe = recipe + "[teacher]\nsource = \"t\"\n";
        let plan = Plan::from_toml(&recipe, "freeze.toml".as_ref()).unwrap();
        let forward_plan = ForwardPlan::from_plan(&plan);
        assert_eq!(forward_plan.backward_groups(false), [vec![0, 2], vec![1, 3]]);
        assert_eq!(forward_plan.backward_groups(true), [vec![0], vec![1, 3], vec![2]]);
    }

    #[test]
    fn objectives_of_one_name_are_numbered() {
        let cross_entropy = || ObjectiveConfig::CrossEntropy(CrossEntropyConfig::default());
        let plan = plan(vec![cross_entropy(), cross_entropy(), cross_entropy()]);
        let names = ["cross_entropy", "cross_entropy_2", "cross_entropy_3"];
        assert_eq!(plan.unique_names(), names);
        let losses = plan.losses_by_name(&[Some(1.0), None, Some(3.0)]);
        assert_eq!(losses["cross_entropy_3"], 3.0);
    }
}
