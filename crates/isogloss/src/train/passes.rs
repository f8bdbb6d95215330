//! The passes through the model that a recipe's objectives ask for.

use std::sync::Arc;

use burn::tensor::Device;
use isogloss_kernels::split_seed;
use isogloss_methods::{
    ContrastTexts, Memory, Needs, NegativeQueue, Objective, Role, SentenceEmbedding, TextView, View,
};
use isogloss_model::{ForwardOptions, Model, Projection, SubnetworkMask, UnitDropout};
use serde_json::{Map, Value, json};

use super::teacher::TeacherVectors;
use crate::tools::subnetwork::Subnetworks;

/// What is the same in every step of a run.
pub(super) struct Passes {
    /// Weights and objectives.
    pub(super) objectives: Vec<(f64, Arc<dyn Objective>)>,
    /// What each of them asks for.
    pub(super) needs: Vec<Needs>,
    /// Every view that they name, once; those of a group are one batch. Contrasts in chunks make
    /// their own passes.
    pub(super) groups: Vec<Vec<View>>,
    /// Where tensors live, without autodiff.
    pub(super) device: Device,
    /// Draws dropout, noise and sampled labels.
    pub(super) seed: u64,
    /// On the device without autodiff, as all that no gradient reaches.
    pub(super) teacher: Option<Model>,
    /// What the teacher makes of the left sentences of all pairs, where that is all that is asked of it.
    pub(super) teacher_vectors: Option<TeacherVectors>,
    /// What training began with, for objectives that hold on to it.
    pub(super) initial: Option<Model>,
    /// The slow average of the trained model, for objectives that learn from it.
    pub(super) momentum: Option<Model>,
    pub(super) unit_dropout: Option<Arc<UnitDropout>>,
    /// The keys of earlier pairs.
    pub(super) negatives: Option<NegativeQueue>,
    /// See [`ForwardOptions::no_dropout_below`].
    pub(super) no_dropout_below: Option<usize>,
    /// The parts of the model that each source uses; all of it if there are none.
    pub(super) subnetworks: Vec<SubnetworkMask>,
    /// Whether it is to be known how much each part matters to a batch.
    pub(super) measures_importance: bool,
    /// The weight of parts of speech that are learned beside trees.
    pub(super) tag_weight: f64,
}

impl Passes {
    pub(super) fn new(
        objectives: Vec<(f64, Arc<dyn Objective>)>,
        device: Device,
        seed: u64,
    ) -> Self {
        let needs: Vec<Needs> = objectives.iter().map(|(_, objective)| objective.needs()).collect();
        let whole = objectives.iter().zip(&needs);
        let whole = whole.filter(|((_, objective), _)| objective.grad_cache().is_none());
        let groups = groups(whole.flat_map(|(_, needs)| needs.views.clone()));
        Self {
            objectives,
            needs,
            groups,
            device,
            seed,
            teacher: None,
            teacher_vectors: None,
            initial: None,
            momentum: None,
            unit_dropout: None,
            negatives: None,
            no_dropout_below: None,
            subnetworks: Vec::new(),
            measures_importance: false,
            tag_weight: 1.0,
        }
    }

    /// Has each source use its subnetwork.
    pub(super) fn use_subnetworks(&mut self, subnetworks: &Subnetworks) {
        let device = self.device.clone().autodiff();
        self.subnetworks = subnetworks.of_sources().map(|of| of.mask(&device)).collect();
        self.measures_importance = subnetworks.are_dynamic();
    }

    /// Whether the classifier's weight is divided by its spectral norm.
    pub(super) fn normalizes_head(&self) -> bool {
        self.needs.iter().any(|needs| needs.normalized_head)
    }

    /// Whether one pass over the text as it is, is all that the objectives ask for.
    pub(super) fn reads_original_alone(&self) -> bool {
        self.groups == [[View::ORIGINAL]]
    }

    /// Whether an objective names a view of this model.
    pub(super) fn needs(&self, role: Role) -> bool {
        self.groups.iter().flatten().any(|view| view.role == role)
    }

    /// What the objectives train beside the models of this step.
    pub(super) fn projections_of(&self, model: &Model) -> Vec<(&'static str, Role, Projection)> {
        let names = self.projections(model.encoder.config().hidden_size);
        let models = [(Role::Student, Some(model)), (Role::Momentum, self.momentum.as_ref())];
        let of_model = |(role, model): (Role, Option<&Model>)| {
            let projections = model.into_iter().flat_map(|model| model.projections.clone());
            names.iter().zip(projections).map(move |((name, _), p)| (*name, role, p)).collect()
        };
        models.into_iter().flat_map::<Vec<_>, _>(of_model).collect()
    }

    pub(super) fn frozen(&self, role: Role) -> &Model {
        let model = match role {
            Role::Student => None,
            Role::Teacher => self.teacher.as_ref(),
            Role::Initial => self.initial.as_ref(),
            Role::Momentum => self.momentum.as_ref(),
        };
        model.expect("the trainer provides every model that a view names")
    }

    /// The texts that the objectives read, each once.
    pub(super) fn texts(&self) -> Vec<TextView> {
        let views = self.needs.iter().flat_map(|needs| &needs.views);
        let mut texts: Vec<_> = views.map(|view| view.text).collect();
        texts.sort();
        texts.dedup();
        texts
    }

    /// What the objectives train beside a model of this width: whose it is, and its widths.
    pub(super) fn projections(&self, hidden_size: usize) -> Vec<(&'static str, Vec<usize>)> {
        let objectives = self.objectives.iter().zip(&self.needs);
        let widths = objectives.filter_map(|((_, objective), needs)| {
            Some((objective.name(), needs.projection_widths(hidden_size)?))
        });
        widths.collect()
    }

    /// How pairs are changed before they are contrasted.
    pub(super) fn contrast_texts(&self) -> Option<ContrastTexts> {
        self.needs.iter().find_map(|needs| needs.contrast_texts)
    }

    /// Whether an objective has tokens guessed.
    pub(super) fn needs_lm_head(&self) -> bool {
        self.groups.iter().flatten().any(|view| view.text.is_masked())
    }

    /// The layers whose attention the objectives read in a model.
    pub(super) fn attentions(&self, role: Role) -> Vec<usize> {
        let maps = self.needs.iter().flat_map(|needs| &needs.attention_maps);
        maps.filter(|(of, _)| *of == role).map(|(_, layer)| *layer).collect()
    }

    /// The only sentence embedding that objectives ask of the teacher; none if they ask for more, or for
    /// nothing.
    pub(super) fn kept_of_teacher(&self) -> Option<SentenceEmbedding> {
        let asks = |needs: &&Needs| needs.views.iter().any(|view| view.role == Role::Teacher);
        let asking = self.needs.iter().filter(asks);
        let mut asked = asking.map(|needs| needs.teacher_embedding);
        let first = asked.next()??;
        asked.all(|other| other == Some(first)).then_some(first)
    }

    /// How earlier pairs are remembered.
    pub(super) fn memory(&self) -> Option<Memory> {
        self.objectives.iter().find_map(|(_, objective)| objective.memory())
    }

    /// The names of all objectives.
    pub(super) fn names(&self) -> Vec<&'static str> {
        self.objectives.iter().map(|(_, objective)| objective.name()).collect()
    }

    /// Whether an objective reads the teacher's answers, not only its vectors.
    pub(super) fn needs_labels_of_teacher(&self) -> bool {
        let mut views = self.groups.iter().flatten();
        views.any(|view| view.role == Role::Teacher && view.text.is_of_task())
    }

    /// The sum of those of a batch's values that come from pairs, and of those from text in one
    /// language.
    pub(super) fn values_by_stream(&self, values: &[f64]) -> [f64; 2] {
        let mut sums = [0.0; 2];
        for (needs, value) in self.needs.iter().zip(values) {
            if needs.is_unlabeled() {
                let mut views = needs.views.iter();
                let is_monolingual = views.any(|view| view.text == TextView::Monolingual);
                sums[usize::from(is_monolingual)] += value;
            }
        }
        sums
    }

    /// The weighted sum of the objectives' values.
    pub(super) fn total(&self, losses: &[f64]) -> f64 {
        self.objectives.iter().zip(losses).map(|((weight, _), loss)| weight * loss).sum()
    }

    /// The objectives' values by name; of equal names the later ones are numbered from 2.
    pub(super) fn by_name(&self, losses: &[f64]) -> Value {
        let mut by_name = Map::new();
        for (name, loss) in self.names().into_iter().zip(losses) {
            let numbered = (2..).map(|n| format!("{name}_{n}"));
            let mut free = std::iter::once(name.to_owned()).chain(numbered);
            if let Some(name) = free.find(|name| !by_name.contains_key(name)) {
                by_name.insert(name, json!(loss));
            }
        }
        Value::Object(by_name)
    }

    /// Whether the passes of a batch read embeddings that were looked up for all of them; a single one
    /// reads its tokens itself.
    pub(super) fn shares_embeddings(&self) -> bool {
        let views = || self.groups.iter().flatten();
        views().count() > 1 || views().any(|view| view.noise.is_some())
    }

    /// The mask of a source's subnetwork, for one graph.
    pub(super) fn mask_of(&self, language: usize) -> Option<SubnetworkMask> {
        let mask = self.subnetworks.get(language)?.clone();
        Some(match self.measures_importance {
            true => SubnetworkMask {
                heads: mask.heads.require_grad(),
                feed_forward: mask.feed_forward.require_grad(),
            },
            false => mask,
        })
    }

    /// The pass over a batch, through the parts that a mask leaves of the model; texts that are not of the
    /// task are of no source.
    pub(super) fn pass_through(
        &self,
        mask: Option<&SubnetworkMask>,
        batch_seed: u64,
        view: &View,
    ) -> ForwardOptions {
        let mask = mask.filter(|_| view.text.is_of_task());
        ForwardOptions { subnetwork: mask.cloned(), ..self.pass(batch_seed, view) }
    }

    pub(super) fn pass(&self, batch_seed: u64, view: &View) -> ForwardOptions {
        let seed = match (view.text as u64, view.pass) {
            (0, 0) => batch_seed,
            (text, pass) => split_seed(batch_seed, 256 * text + u64::from(pass) + 1),
        };
        ForwardOptions {
            dropout_seed: Some(seed),
            unit_dropout: self.unit_dropout.clone(),
            no_dropout_below: self.no_dropout_below,
            normalized_head: self.normalizes_head(),
            ..ForwardOptions::default()
        }
    }
}

/// Puts passes over the same text together, so that each weight is read once for all of them. Two
/// that are to drop the same elements cannot be one batch.
fn groups(views: impl Iterator<Item = View>) -> Vec<Vec<View>> {
    let is_plain = |view: &View| {
        view.role == Role::Student && view.weight_noise.is_none() && view.text.is_of_task()
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
    // The group's first pass draws the masks: it is the lowest, whatever the order of the objectives.
    groups.iter_mut().for_each(|group| group.sort_by_key(|view| view.pass));
    groups
}
