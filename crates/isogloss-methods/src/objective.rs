//! Objectives: losses over the views of a training step, one file each.
//!
//! A file holds all of its objective: configuration, validation, formula, loss and closed-form
//! tests. The trait is [`Objective`](crate::Objective).

mod attention_distillation;
mod class_balance;
mod consistency;
mod cross_entropy;
mod distilled_sides;
mod embedding_distillation;
mod entropy_minimization;
mod fisher_penalty;
mod info_nce;
mod mean_teacher;
mod mmlm;
mod model_consistency;
mod pseudo_labels;
mod r3f;
mod r_drop;
mod realign;
mod state_distillation;
mod tlm;
mod uda;
mod unlabeled_view;
mod xlco;

pub use attention_distillation::{AttentionDistillationConfig, attention_distillation};
pub use class_balance::ClassBalanceConfig;
pub use consistency::{ConsistencyConfig, ConsistencyView, ConsistencyWords};
pub use cross_entropy::CrossEntropyConfig;
pub use distilled_sides::DistilledSides;
pub use embedding_distillation::{EmbeddingDistillationConfig, embedding_distillation};
pub use entropy_minimization::EntropyMinimizationConfig;
pub use fisher_penalty::{FisherPenaltyConfig, TraceEstimator, head_trace};
pub use info_nce::{InfoNceConfig, info_nce};
pub use mean_teacher::{MeanTeacherConfig, MeanTeacherCost};
pub use mmlm::MmlmConfig;
pub use model_consistency::{ModelConsistencyConfig, TeacherTargets};
pub use pseudo_labels::{PseudoLabelConfidence, PseudoLabelsConfig};
pub use r_drop::RDropConfig;
pub use r3f::{NoisedDropout, R3fConfig, R4fConfig};
pub use realign::{
    AlignmentStrength, ContrastiveRealignConfig, L2RealignConfig, RealignConfig, RealignLoss,
    Regularized, realign_contrastive, realign_l2, token_drift, word_drift,
};
pub use state_distillation::{StateDistillationConfig, state_distillation};
pub use tlm::TlmConfig;
pub use uda::UdaConfig;
pub use unlabeled_view::UnlabeledView;
pub use xlco::negative_queue::NegativeQueue;
pub use xlco::{XlcoConfig, XlcoWeighting, xlco};

use crate::loss::Objective;
use crate::method::method_enum;

method_enum! {
    /// Objective of a recipe, a loss and its options: `method.<key> = { … }`.
    ObjectiveConfig, init -> dyn Objective, table OBJECTIVES;
    CrossEntropy(CrossEntropyConfig),
    Consistency(ConsistencyConfig),
    R3f(R3fConfig),
    R4f(R4fConfig),
    RDrop(RDropConfig),
    ModelConsistency(ModelConsistencyConfig),
    MeanTeacher(MeanTeacherConfig),
    FisherPenalty(FisherPenaltyConfig),
    InfoNce(InfoNceConfig),
    Xlco(XlcoConfig),
    EmbeddingDistillation(EmbeddingDistillationConfig),
    StateDistillation(StateDistillationConfig),
    AttentionDistillation(AttentionDistillationConfig),
    Realign(RealignConfig),
    Mmlm(MmlmConfig),
    Tlm(TlmConfig),
    Uda(UdaConfig),
    PseudoLabels(PseudoLabelsConfig),
    EntropyMinimization(EntropyMinimizationConfig),
    ClassBalance(ClassBalanceConfig),
}
