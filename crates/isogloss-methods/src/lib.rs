//! Training methods for cross-lingual transfer on independent axes: objectives, schedules, updates
//! and language sampling.
//!
//! An [`Objective`] is a loss over the [`View`]s (forward passes) of a training step. A
//! [`Schedule`] decides which parameters are trainable at a step (freezing, gradual unfreezing). An
//! [`Update`] combines the gradients of a step's batches (MAML, PCGrad, SAM). Objectives add up,
//! schedules intersect, updates nest. [`AdamW`] applies the result. This crate runs no forward
//! pass: the trainer runs one for each view that the objectives request in their [`Needs`].
//!
//! [`objectives`], [`schedules`], [`updates`], [`samplings`] and [`regularizers`] are the registry:
//! each method's key in a recipe (the TOML configuration of a run), its paper, formula, data and
//! options.
//!
//! ```
//! use isogloss_methods::{ObjectiveConfig, RDropConfig, objectives};
//!
//! let objective = ObjectiveConfig::RDrop(RDropConfig::default()).init();
//! // Two passes over the same text with different dropout masks, shared by all objectives.
//! assert_eq!(objective.needs().views.len(), 2);
//! let row = objectives().iter().find(|row| row.key == objective.name()).unwrap();
//! assert!(row.paper.contains("arXiv:2106.14448"));
//! ```

#![forbid(unsafe_code)]

mod adamw;
mod divergence;
mod error;
mod fisher;
mod grad_cache;
mod gradients;
mod guided_dropout;
mod importance;
mod learning_rate;
mod loss;
mod method;
mod momentum_encoder;
mod momentum_schedule;
mod needs;
mod normalize;
mod objective;
mod parameters;
mod ramp_up;
mod registry;
mod sampling;
mod schedule;
mod sentence_embedding;
mod sparse_gradient;
mod state;
mod step;
mod subnetwork;
mod token_leaves;
mod update;
mod view;
mod word_embedding;

pub use adamw::{AdamW, AdamWConfig, GradientNorm};
pub use divergence::{Divergence, GradientFlow, Reduction, divergence};
pub use error::{AlignmentError, ObjectiveError};
pub use fisher::{block_of, part_of, sample_labels, sum_by_group};
pub use grad_cache::{embedding_gradients, surrogate_loss};
pub use gradients::Gradients;
pub use guided_dropout::{GuidedDropoutConfig, GuidedDropoutScores, GuidedDropoutState};
pub use importance::Importance;
pub use isogloss_kernels::{IGNORE_INDEX, cross_entropy};
pub use isogloss_model::faults::{self, Faults};
pub use learning_rate::{LearningRateConfig, LearningRateSchedule, Rates};
pub use loss::{GradCache, Objective};
pub use method::{DataNeed, MethodInfo, options as method_options};
pub use momentum_encoder::momentum_update;
pub use momentum_schedule::MomentumSchedule;
pub use needs::{ContrastTexts, Needs, Width};
pub use objective::{
    AlignmentStrength, AttentionDistillationConfig, ClassBalanceConfig, ConsistencyConfig,
    ConsistencyView, ConsistencyWords, ContrastiveRealignConfig, CrossEntropyConfig,
    DistilledSides, EmbeddingDistillationConfig, EntropyMinimizationConfig, FisherPenaltyConfig,
    InfoNceConfig, L2RealignConfig, MeanTeacherConfig, MeanTeacherCost, MmlmConfig,
    ModelConsistencyConfig, NegativeQueue, NoisedDropout, ObjectiveConfig, PseudoLabelConfidence,
    PseudoLabelsConfig, R3fConfig, R4fConfig, RDropConfig, RealignConfig, RealignLoss, Regularized,
    StateDistillationConfig, TeacherTargets, TlmConfig, TraceEstimator, UdaConfig, UnlabeledView,
    XlcoConfig, XlcoWeighting, attention_distillation, embedding_distillation, head_trace,
    info_nce, realign_contrastive, realign_l2, state_distillation, token_drift, word_drift, xlco,
};
pub use parameters::{TOKEN_EMBEDDINGS, random_direction, shifted, with_random_signs};
pub use ramp_up::RampUp;
pub use registry::{objectives, regularizers, samplings, schedules, updates};
pub use sampling::{
    GradientSamplingConfig, LanguageRecord, LanguageSampler, LanguageSampling, SamplerStateError,
    SamplingRule, SizeSamplingConfig, UcbSamplingConfig, UniformSamplingConfig,
};
pub use schedule::{
    FixedLayersConfig, FreezeConfig, Fun, FunConfig, FunEstimator, GradualUnfreezeConfig,
    LpftConfig, Moment, Schedule, ScheduleConfig, UnfreezeOrder, UnfreezeScope, UnfreezeTiming,
    Unfreezing, apply_schedules, unfreeze_all_trainable,
};
pub use sentence_embedding::{SentenceEmbedding, hidden_state, sentence_embeddings};
pub use sparse_gradient::{LookupIndex, SparseGradient};
pub use state::{MethodState, SavedState, StateError, StateReader, StepResults};
pub use step::{PairInput, PredictionUnits, RowTargets, Sentences, StepInput, ViewOutput};
pub use subnetwork::{
    DynamicStart, DynamicSubnetwork, DynamicSubnetworkConfig, ScoredSubnetwork, SourceSubnetworks,
    Subnetwork,
};
pub use token_leaves::{TokenIds, TokenLeaves};
pub use update::{
    AsamConfig, FirstOrderMamlConfig, FisherStepConfig, GradientSource, PcGradConfig, Plain,
    ReptileConfig, SamConfig, TramConfig, TrustRegion, Update, UpdateConfig, sgd_step,
};
pub use view::{EmbeddingNoise, NoiseShape, Role, TextView, View};
pub use word_embedding::{WordLinks, WordVector, WordVectors};

/// Doctest of the example in the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
