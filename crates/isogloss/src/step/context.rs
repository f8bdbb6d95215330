//! Training step context: the forward plan, reference models, method states and masks that all
//! steps share.

use std::borrow::Cow;

use burn::tensor::Device;
use isogloss_kernels::split_seed;
use isogloss_methods::{GuidedDropoutState, Role, Subnetwork, View};
use isogloss_model::{ForwardOptions, Model, Projection, SubnetworkMask};

use super::forward_plan::ForwardPlan;
use super::objective_states::ObjectiveStates;
use super::teacher_cache::TeacherCache;
use crate::EncoderAligner;

/// Training step context: what all steps of a run share, except the trained model.
pub(crate) struct StepContext {
    pub(crate) plan: ForwardPlan,
    /// The device, without autodiff.
    pub(crate) device: Device,
    /// Random seed of dropout, noise and sampled labels.
    pub(super) seed: u64,
    /// Loss weight of the auxiliary logits, see `LabeledTask::aux_weight`.
    pub(crate) aux_weight: f64,
    pub(crate) models: ReferenceModels,
    pub(crate) states: ObjectiveStates,
    pub(crate) masks: SubnetworkMasks,
    /// The name of each source's language adapter, which the model has all of and of which the first
    /// is in its active stack; empty if batches of all sources go through the model as it is.
    pub(crate) language_adapters: Vec<String>,
    /// Word aligner by the hidden states of the trained model, if it aligns the pairs of each batch.
    pub(crate) word_aligner: Option<EncoderAligner>,
    /// Dropout rates of guided dropout, by unit.
    pub(crate) guided_dropout: Option<GuidedDropoutState>,
    /// Whether the gradient of the token embeddings is sparse, see [`TokenLeaves`](isogloss_methods::TokenLeaves).
    pub(super) sparse_embeddings: bool,
    /// Frozen layers without dropout, see [`ForwardOptions::no_dropout_below`].
    pub(crate) no_dropout_below: Option<usize>,
}

/// Reference models, which are not trained: the teacher and the initial model, without autodiff.
#[derive(Default)]
pub(crate) struct ReferenceModels {
    pub(crate) teacher: Option<Model>,
    /// Cached teacher embeddings of the left sentences of all pairs, if objectives read nothing
    /// else of the teacher.
    pub(crate) teacher_cache: Option<TeacherCache>,
    /// The initial model, for objectives that stay close to it.
    pub(crate) initial: Option<Model>,
}

/// Subnetwork masks of the source languages.
#[derive(Default)]
pub(crate) struct SubnetworkMasks {
    /// By source; empty if the whole model is used.
    masks: Vec<SubnetworkMask>,
    /// Whether importance, the gradient of the masks, is computed.
    measures_importance: bool,
}

impl StepContext {
    pub(crate) fn new(
        plan: ForwardPlan,
        device: Device,
        seed: u64,
        aux_weight: f64,
        models: ReferenceModels,
    ) -> Self {
        let states = ObjectiveStates::new(&plan);
        // The language-model head is tied to the token embeddings: its gradient is dense.
        let sparse_embeddings = !plan.needs_lm_head();
        Self {
            plan,
            device,
            seed,
            aux_weight,
            models,
            states,
            masks: SubnetworkMasks::default(),
            language_adapters: Vec::new(),
            word_aligner: None,
            guided_dropout: None,
            sparse_embeddings,
            no_dropout_below: None,
        }
    }

    /// Whether a batch goes through the language adapter of its own source.
    pub(crate) fn exchanges_adapters(&self) -> bool {
        !self.language_adapters.is_empty()
    }

    /// MAD-X adapter exchange in training: a model that is trained, or a moving average of it, with
    /// the language adapter of a source in its active stack.
    pub(crate) fn for_source<'m>(&self, model: &'m Model, source: usize) -> Cow<'m, Model> {
        let [first, ..] = self.language_adapters.as_slice() else { return Cow::Borrowed(model) };
        let adapter = &self.language_adapters[source];
        if adapter == first {
            return Cow::Borrowed(model);
        }
        let mut model = model.clone();
        let exchanged = model.encoder.swap_active_adapter(first, Some(adapter));
        exchanged.expect("the adapters of all sources were added to the model");
        Cow::Owned(model)
    }

    /// Forward options of a view of a batch.
    pub(super) fn forward_options(&self, batch_seed: u64, view: &View) -> ForwardOptions {
        let seed = match (view.text as u64, view.pass) {
            (0, 0) => batch_seed,
            (text, pass) => split_seed(batch_seed, 256 * text + u64::from(pass) + 1),
        };
        ForwardOptions {
            dropout_seed: Some(seed),
            unit_dropout: self.guided_dropout.as_ref().map(|state| state.rates().clone()),
            no_dropout_below: self.no_dropout_below,
            normalized_head: self.plan.normalizes_head(),
            ..ForwardOptions::default()
        }
    }

    /// As [`forward_options`](Self::forward_options), with a subnetwork mask; unlabeled texts use
    /// the whole model.
    pub(super) fn masked_forward_options(
        &self,
        mask: Option<&SubnetworkMask>,
        batch_seed: u64,
        view: &View,
    ) -> ForwardOptions {
        let mask = mask.filter(|_| view.text.is_of_task());
        ForwardOptions { subnetwork: mask.cloned(), ..self.forward_options(batch_seed, view) }
    }

    /// Forward options of a reference model. The momentum encoder has the subnetwork mask and the
    /// normalized head of the trained model.
    pub(super) fn reference_options(
        &self,
        role: Role,
        mask: Option<&SubnetworkMask>,
    ) -> ForwardOptions {
        if role != Role::Momentum {
            return ForwardOptions::evaluation();
        }
        let subnetwork = mask.cloned().map(|mask| SubnetworkMask {
            heads: mask.heads.without_autodiff(),
            feed_forward: mask.feed_forward.without_autodiff(),
        });
        let normalized_head = self.plan.normalizes_head();
        ForwardOptions { subnetwork, normalized_head, ..ForwardOptions::evaluation() }
    }

    /// The reference model of a role.
    pub(super) fn reference_model(&self, role: Role) -> &Model {
        let model = match role {
            Role::Student => None,
            Role::Teacher => self.models.teacher.as_ref(),
            Role::Initial => self.models.initial.as_ref(),
            Role::Momentum => self.states.momentum_encoder(),
        };
        model.expect("the trainer provides every model that a view names")
    }

    /// Projection heads of the models of a step: the name of the objective, the role of the model,
    /// and the network.
    pub(super) fn projections(&self, model: &Model) -> Vec<(&'static str, Role, Projection)> {
        let heads = self.plan.projection_heads(model.encoder.config().hidden_size);
        let momentum_encoder = self.states.momentum_encoder();
        let models = [(Role::Student, Some(model)), (Role::Momentum, momentum_encoder)];
        let of_model = |(role, model): (Role, Option<&Model>)| {
            let projections = model.into_iter().flat_map(|model| model.projections.clone());
            heads.iter().zip(projections).map(move |((name, _), p)| (*name, role, p)).collect()
        };
        models.into_iter().flat_map::<Vec<_>, _>(of_model).collect()
    }
}

impl SubnetworkMasks {
    /// The masks of subnetworks by source; `measured` turns the importance of their units on.
    pub(crate) fn new<'a>(
        subnetworks: impl Iterator<Item = &'a Subnetwork>,
        measured: bool,
        device: &Device,
    ) -> Self {
        let device = device.clone().autodiff();
        let masks = subnetworks.map(|subnetwork| subnetwork.mask(&device)).collect();
        Self { masks, measures_importance: measured }
    }

    /// Whether there are no subnetworks: all sources use the whole model.
    pub(crate) fn is_empty(&self) -> bool {
        self.masks.is_empty()
    }

    pub(super) fn measures_importance(&self) -> bool {
        self.measures_importance
    }

    /// The subnetwork mask of a source, for one autodiff graph.
    pub(super) fn mask(&self, source: usize) -> Option<SubnetworkMask> {
        let mask = self.masks.get(source)?.clone();
        Some(match self.measures_importance {
            true => SubnetworkMask {
                heads: mask.heads.require_grad(),
                feed_forward: mask.feed_forward.require_grad(),
            },
            false => mask,
        })
    }
}
