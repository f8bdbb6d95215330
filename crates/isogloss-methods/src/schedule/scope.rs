//! Which parameters open with a layer.
//!
//! Where a layer has adapters, those are what opens and the pretrained weights
//! stay as they are.

use isogloss_model::{ParamLocation, ParamPart};

/// Which parameters of a layer open with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum UnfreezeScope {
    /// All, the pretrained ones too. Embeddings never open.
    #[default]
    Layers,
    /// Those of the adapter of this name, of any kind. Its invertible adapter opens with the
    /// first layer.
    Adapter(String),
}

impl UnfreezeScope {
    /// The layer that a parameter opens with; none if it never does.
    fn layer_of(&self, location: &ParamLocation<'_>) -> Option<usize> {
        match (self, location.part) {
            (Self::Layers, _) => location.layer,
            (
                Self::Adapter(name),
                ParamPart::Adapter(other) | ParamPart::ProjectionAdapter { name: other, .. },
            ) if name == other => location.layer,
            (Self::Adapter(_), _) => None,
        }
    }

    /// Tells whether a parameter may change, given which layers are open.
    pub(super) fn trainable(&self, path: &str, is_open: impl Fn(usize) -> bool) -> bool {
        match ParamLocation::from_path(path) {
            Some(ParamLocation { part: ParamPart::Head, .. }) => true,
            Some(ParamLocation { part: ParamPart::LmHead, .. }) => *self == Self::Layers,
            // Above the embeddings, it opens with the first layer.
            Some(ParamLocation { part: ParamPart::InvertibleAdapter(name), .. }) => {
                *self == Self::Adapter(name.to_owned()) && is_open(0)
            }
            Some(location) => self.layer_of(&location).is_some_and(is_open),
            None => false,
        }
    }
}
