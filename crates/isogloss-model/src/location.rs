//! Parameter location: the layer and the part of the model that a parameter belongs to.

/// Layer and model part of a parameter, parsed from its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParamLocation<'a> {
    /// Index of the transformer block, from zero; `None` outside the blocks.
    pub layer: Option<usize>,
    /// Model part.
    pub part: ParamPart<'a>,
}

/// Part of a model that has parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamPart<'a> {
    /// Embeddings.
    Embeddings,
    /// Pretrained transformer block.
    Layer,
    /// Bottleneck adapter of this name after the sublayers of a block.
    Adapter(&'a str),
    /// Invertible adapter of this name, after the embeddings.
    InvertibleAdapter(&'a str),
    /// Adapter of a linear projection of a block (LoRA, (IA)³).
    ProjectionAdapter {
        /// Its kind, see [`AdapterConfig::kind`](crate::AdapterConfig::kind).
        kind: &'a str,
        /// Its name.
        name: &'a str,
    },
    /// Task head or projection head.
    Head,
    /// Masked-language-model head, which is pretrained with the encoder.
    LmHead,
}

impl<'a> ParamLocation<'a> {
    /// Parses the path of a parameter; `None` if no model has such a path.
    ///
    /// ```
    /// use isogloss_model::{ParamPart, ParamLocation};
    ///
    /// let location =
    ///     ParamLocation::from_path("encoder.layers.3.adapters.en.feed_forward.down.weight");
    /// let expected = ParamLocation { layer: Some(3), part: ParamPart::Adapter("en") };
    /// assert_eq!(location, Some(expected));
    /// ```
    pub fn from_path(path: &'a str) -> Option<Self> {
        let outside = |part| Some(Self { layer: None, part });
        if path.starts_with("lm_head.") {
            return outside(ParamPart::LmHead);
        }
        if ["head.", "projections."].iter().any(|start| path.starts_with(start)) {
            return outside(ParamPart::Head);
        }
        let path = path.strip_prefix("encoder.")?;
        if path.starts_with("embeddings.") {
            return outside(ParamPart::Embeddings);
        }
        if let Some(rest) = path.strip_prefix("invertible_adapters.") {
            return outside(ParamPart::InvertibleAdapter(first_name(rest)));
        }
        let (layer, rest) = path.strip_prefix("layers.")?.split_once('.')?;
        let steps: Vec<&str> = rest.split('.').collect();
        let part = match steps[..] {
            ["adapters", name, ..] => ParamPart::Adapter(name),
            [_, _, kind, name, _, ..] => ParamPart::ProjectionAdapter { kind, name },
            _ => ParamPart::Layer,
        };
        Some(Self { layer: Some(layer.parse().ok()?), part })
    }

    /// Whether the parameter belongs to an adapter.
    pub fn is_added(&self) -> bool {
        matches!(
            self.part,
            ParamPart::Adapter(_)
                | ParamPart::InvertibleAdapter(_)
                | ParamPart::ProjectionAdapter { .. }
        )
    }
}

fn first_name(path: &str) -> &str {
    path.split('.').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        BottleneckConfig, HeadSpec, LoraConfig, Model, Pooling, RandomParams, named_parameters,
        presets,
    };
    use burn::tensor::Device;

    #[test]
    fn every_parameter_has_a_location() {
        let spec = HeadSpec::sequence(vec!["a".into(), "b".into()], Pooling::FirstToken);
        let mut random = RandomParams::new(1);
        let config = presets::tiny(20);
        let mut model = Model::init(&config, Some(&spec), &mut random, &Device::flex());
        let adapter = BottleneckConfig::seq_bn_inv(2.0);
        model.encoder.add_adapter("en", &adapter, &mut random).unwrap();
        model.encoder.add_adapter("task", &LoraConfig::new(2), &mut random).unwrap();

        let mut counts = std::collections::BTreeMap::new();
        for param in named_parameters(&model) {
            let location =
                ParamLocation::from_path(&param.path).unwrap_or_else(|| panic!("{}", param.path));
            *counts.entry(format!("{:?} {:?}", location.layer, location.part)).or_insert(0) += 1;
        }
        let expected = [
            ("None Embeddings", 5),
            ("None Head", 4),
            ("None InvertibleAdapter(\"en\")", 8),
            ("Some(0) Adapter(\"en\")", 4),
            ("Some(0) Layer", 16),
            ("Some(0) ProjectionAdapter { kind: \"lora\", name: \"task\" }", 4),
            ("Some(1) Adapter(\"en\")", 4),
            ("Some(1) Layer", 16),
            ("Some(1) ProjectionAdapter { kind: \"lora\", name: \"task\" }", 4),
        ];
        assert_eq!(counts, expected.map(|(location, n)| (location.to_owned(), n)).into());
    }

    #[test]
    fn other_paths_have_none() {
        for path in ["", "encoder.", "encoder.layers.x.a", "layers.0.a", "encoder.layers.0"] {
            assert_eq!(ParamLocation::from_path(path), None, "{path}");
        }
    }
}
