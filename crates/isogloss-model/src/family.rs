//! Families of encoders: one architecture with other fields in `config.json`, other names of tensors
//! and another numbering of positions.
//!
//! A family is a constant in a file of its own, and a line of [`Family::ALL`] and of its table here.
//! Nothing outside this folder asks which family a model is of: it asks for a name or a rule.

mod bert;
mod distilbert;
mod electra;
mod roberta;
mod spec;

pub use spec::PositionRule;
pub(crate) use spec::{Activation, EqualSize, FamilySpec, LayerNormEps, split_block, split_leaf};

/// The architectures that share the encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// BERT: Devlin et al. 2019, arXiv:1810.04805.
    Bert,
    /// RoBERTa and XLM-R: Liu et al. 2019, arXiv:1907.11692; Conneau et al. 2020, arXiv:1911.02116.
    Roberta,
    /// DistilBERT: Sanh et al. 2019, arXiv:1910.01108.
    DistilBert,
    /// ELECTRA: Clark et al. 2020, arXiv:2003.10555.
    Electra,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Bert, Self::Roberta, Self::DistilBert, Self::Electra];

    /// What it is made of.
    pub(crate) fn spec(self) -> &'static FamilySpec {
        match self {
            Self::Bert => &bert::SPEC,
            Self::Roberta => &roberta::SPEC,
            Self::DistilBert => &distilbert::SPEC,
            Self::Electra => &electra::SPEC,
        }
    }

    /// How it numbers positions.
    pub fn position_rule(self) -> PositionRule {
        self.spec().positions
    }

    /// The family that a value of `model_type` in `config.json` names.
    pub(crate) fn from_model_type(name: &str) -> Option<Self> {
        let has = |family: &Self| family.spec().model_types.iter().any(|of| of.name == name);
        Self::ALL.into_iter().find(has)
    }

    /// All values of `model_type` in a sentence.
    pub(crate) fn all_model_types() -> String {
        let specs = Self::ALL.map(Self::spec);
        let names = specs.iter().flat_map(|spec| spec.model_types).map(|of| of.name);
        spec::alternatives(&names.collect::<Vec<_>>())
    }
}
