//! The methods of cross-lingual transfer, cut along independent axes so that they combine.
//!
//! An [`Objective`] is a loss over the [`View`]s of a step, a [`Schedule`] says which parameters may
//! change at a moment, an [`Update`] makes one gradient of a step's batches. Objectives add up,
//! schedules intersect, updates nest. [`AdamW`] applies the result. Nothing here runs a model: the
//! trainer does, once for each view that the objectives name.

#![forbid(unsafe_code)]

mod adamw;
mod alignment;
mod divergence;
mod fisher;
mod gradients;
mod guided_dropout;
mod learning_rate;
mod objective;
mod parameters;
mod sampling;
mod schedule;
mod subnetwork;
mod update;
mod view;

pub use adamw::{AdamW, AdamWConfig};
pub use alignment::{
    AlignmentError, AlignmentStrength, AttentionDistillationConfig, ContrastiveRealignConfig,
    DistilledSides, EmbeddingDistillationConfig, InfoNceConfig, L2RealignConfig, NegativeQueue,
    RealignConfig, RealignLoss, StateDistillationConfig, WordLinks, WordVector, WordVectors,
    XlcoConfig, XlcoWeighting, attention_distillation, embedding_distillation, hidden_state,
    info_nce, momentum_update, realign_contrastive, realign_l2, sentence_vectors,
    state_distillation, surrogate_loss, vector_gradients, xlco,
};
pub use divergence::{Divergence, GradientFlow, Reduction, divergence};
pub use fisher::{block_of, part_of, sample_labels, sum_by_group};
pub use gradients::Gradients;
pub use guided_dropout::GuidedDropoutConfig;
pub use learning_rate::{LearningRateConfig, LearningRateCurve, Rates};
pub use objective::{
    ConsistencyConfig, ConsistencyView, ContrastTexts, CrossEntropyConfig, FisherEstimator,
    FisherPenaltyConfig, GradCache, IGNORE_INDEX, Memory, MmlmConfig, ModelConsistencyConfig,
    NoisedDropout, Objective, ObjectiveConfig, ObjectiveError, PairInput, PredictionUnits,
    R3fConfig, R4fConfig, RDropConfig, RowTargets, Sentences, StepInput, TeacherTargets, TlmConfig,
    ViewOutput, cross_entropy, head_trace,
};
pub use parameters::{random_direction, shifted, with_random_signs};
pub use sampling::{
    LanguageRecord, LanguageSampler, LanguageSampling, SamplerStateError, SizeSamplingConfig,
    UcbSamplingConfig,
};
pub use schedule::{
    FixedLayersConfig, FreezeConfig, Fun, FunConfig, GradualUnfreezeConfig, LpftConfig, Moment,
    Schedule, ScheduleConfig, UnfreezeOrder, UnfreezeScope, UnfreezeTiming, Unfreezing,
    apply_schedules, mark_all_that_may_train,
};
pub use subnetwork::{DynamicSubnetwork, DynamicSubnetworkConfig, Importance, Subnetwork};
pub use update::{
    FirstOrderMamlConfig, FisherStepConfig, GradientSource, PcGradConfig, Plain, ReptileConfig,
    SamConfig, Update, UpdateConfig, descend,
};
pub use view::{EmbeddingNoise, NoiseShape, Role, TextView, View};

/// The example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
