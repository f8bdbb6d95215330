//! Model families (BERT, RoBERTa, DistilBERT, ELECTRA): one architecture with different
//! `config.json` fields, tensor names and position numbering.
//!
//! Each family is a constant in its own file, with an entry in [`Family::ALL`] and
//! [`Family::spec`]. Code outside this folder does not match on the family; it asks the constant
//! for a name or a rule.

mod bert;
mod distilbert;
mod electra;
mod roberta;
mod spec;

pub use spec::PositionRule;
pub(crate) use spec::{Activation, EqualSize, FamilySpec, LayerNormEps, split_block, split_leaf};

/// Model family (`model_type` of `transformers`) of an encoder.
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
    /// All families.
    pub const ALL: [Self; 4] = [Self::Bert, Self::Roberta, Self::DistilBert, Self::Electra];

    /// Field names, tensor names and conventions of the family.
    pub(crate) fn spec(self) -> &'static FamilySpec {
        match self {
            Self::Bert => &bert::SPEC,
            Self::Roberta => &roberta::SPEC,
            Self::DistilBert => &distilbert::SPEC,
            Self::Electra => &electra::SPEC,
        }
    }

    /// Numbering rule of position IDs.
    pub fn position_rule(self) -> PositionRule {
        self.spec().positions
    }

    /// The family with this `model_type` in `config.json`.
    pub(crate) fn from_model_type(name: &str) -> Option<Self> {
        let has = |family: &Self| family.spec().model_types.iter().any(|of| of.name == name);
        Self::ALL.into_iter().find(has)
    }

    /// All supported values of `model_type`, joined for a message: "a, b or c".
    pub(crate) fn all_model_types() -> String {
        let specs = Self::ALL.map(Self::spec);
        let names = specs.iter().flat_map(|spec| spec.model_types).map(|of| of.name);
        spec::alternatives(&names.collect::<Vec<_>>())
    }
}
