//! Unfreezing scope: which parameters are unfrozen with a layer.
//!
//! With adapters, only the adapters of a layer are unfrozen, and the pretrained weights stay
//! frozen.

use isogloss_model::{ParamLocation, ParamPart};

/// Unfreezing scope: which parameters of a layer are unfrozen with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum UnfreezeScope {
    /// All parameters of the layer, the pretrained ones too. Embeddings are unfrozen by schedules that
    /// say so.
    #[default]
    Layers,
    /// The parameters of the adapter of this name, of any kind. Its invertible adapter is unfrozen
    /// with the first layer.
    Adapter(String),
}

impl UnfreezeScope {
    /// Layer that a parameter is unfrozen with; `None` if it never is.
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

    /// Whether a parameter is one of the embeddings, which a schedule can unfreeze.
    pub(super) fn is_embeddings(&self, path: &str) -> bool {
        let location = ParamLocation::from_path(path);
        *self == Self::Layers && location.is_some_and(|of| of.part == ParamPart::Embeddings)
    }

    /// Whether a parameter is trainable, given which layers are unfrozen.
    pub(super) fn trainable(&self, path: &str, is_open: impl Fn(usize) -> bool) -> bool {
        match ParamLocation::from_path(path) {
            Some(ParamLocation { part: ParamPart::Head, .. }) => true,
            Some(ParamLocation { part: ParamPart::LmHead, .. }) => *self == Self::Layers,
            // Above the embeddings, it is unfrozen with the first layer.
            Some(ParamLocation { part: ParamPart::InvertibleAdapter(name), .. }) => {
                *self == Self::Adapter(name.to_owned()) && is_open(0)
            }
            Some(location) => self.layer_of(&location).is_some_and(is_open),
            None => false,
        }
    }
}
