//! Structured pruning: the attention heads and feed-forward blocks that are removed from an
//! encoder.
//!
//! The attention of a block without heads outputs the bias of its output projection, a pruned
//! feed-forward network outputs zero; the residual sum is normalized as usual. The result equals a
//! [`SubnetworkMask`](crate::SubnetworkMask) of zeros.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::ConfigError;

/// Field `pruned_heads` of `config.json`, as in `transformers` up to version 4: a map from layer
/// indices to head indices.
pub(super) const HEADS: &str = "pruned_heads";
/// Field of `config.json` for pruned feed-forward blocks, not known to `transformers`: layer
/// indices.
pub(super) const FEED_FORWARD: &str = "pruned_feed_forward";

/// Query, key and value parameters, with one row or element per unit of the heads.
pub(crate) const HEAD_PARAMS: [&str; 6] = [
    "attention.query.weight",
    "attention.query.bias",
    "attention.key.weight",
    "attention.key.bias",
    "attention.value.weight",
    "attention.value.bias",
];
/// Weight of the attention output projection, with one column per unit of the heads.
pub(crate) const ATTENTION_OUTPUT_WEIGHT: &str = "attention.output.weight";
/// Parameters of a feed-forward block.
pub(super) const FEED_FORWARD_PARAMS: [&str; 4] = [
    "feed_forward.up.weight",
    "feed_forward.up.bias",
    "feed_forward.down.weight",
    "feed_forward.down.bias",
];

/// Structured pruning: the set of pruned attention heads and feed-forward blocks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruning {
    heads: BTreeMap<usize, BTreeSet<usize>>,
    feed_forward: BTreeSet<usize>,
}

impl Pruning {
    /// Prunes these heads, given as (layer, head), and the feed-forward blocks of these layers;
    /// indices are from zero.
    pub fn new(
        heads: impl IntoIterator<Item = (usize, usize)>,
        feed_forward: impl IntoIterator<Item = usize>,
    ) -> Self {
        let mut by_layer: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for (layer, head) in heads {
            by_layer.entry(layer).or_default().insert(head);
        }
        Self { heads: by_layer, feed_forward: feed_forward.into_iter().collect() }
    }

    /// Reads the pruning fields of a `config.json`, for a model with `n_layers` blocks of `n_heads`
    /// heads.
    pub(crate) fn from_json(
        json: &Value,
        n_layers: usize,
        n_heads: usize,
    ) -> Result<Self, ConfigError> {
        let layer = |layer: usize, field: &str| match layer < n_layers {
            true => Ok(layer),
            false => Err(ConfigError::Layer { field: field.to_owned(), layer, n_layers }),
        };
        let mut heads = Vec::new();
        match json.get(HEADS) {
            None | Some(Value::Null) => {}
            Some(Value::Object(layers)) => {
                for (name, pruned) in layers {
                    let number = name.parse().map_err(|_| {
                        ConfigError::value(HEADS, "the number of a layer", format!("{name:?}"))
                    })?;
                    let layer = layer(number, HEADS)?;
                    let pruned = numbers(pruned, HEADS)?;
                    if let Some(head) = pruned.iter().find(|head| **head >= n_heads) {
                        return Err(ConfigError::mismatch(
                            HEADS,
                            format!("head {head} of {n_heads}"),
                        ));
                    }
                    heads.extend(pruned.into_iter().map(|head| (layer, head)));
                }
            }
            Some(other) => return Err(ConfigError::value(HEADS, "lists of heads by layer", other)),
        }
        let feed_forward = match json.get(FEED_FORWARD) {
            None | Some(Value::Null) => Vec::new(),
            Some(value) => numbers(value, FEED_FORWARD)?,
        };
        let feed_forward = feed_forward.into_iter().map(|number| layer(number, FEED_FORWARD));
        Ok(Self::new(heads, feed_forward.collect::<Result<Vec<_>, _>>()?))
    }

    /// Writes the pruning fields into a `config.json`; removes a field if nothing is pruned.
    pub(crate) fn write(&self, json: &mut Map<String, Value>) {
        let heads: Map<_, _> =
            self.heads.iter().map(|(layer, heads)| (layer.to_string(), json!(heads))).collect();
        for (field, value, is_empty) in [
            (HEADS, heads.into(), self.heads.is_empty()),
            (FEED_FORWARD, json!(self.feed_forward), self.feed_forward.is_empty()),
        ] {
            if is_empty {
                json.shift_remove(field);
            } else {
                json.insert(field.to_owned(), value);
            }
        }
    }

    /// Whether nothing is pruned.
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty() && self.feed_forward.is_empty()
    }

    /// The number of pruned heads.
    pub fn n_heads(&self) -> usize {
        self.heads.values().map(BTreeSet::len).sum()
    }

    /// The number of pruned feed-forward blocks.
    pub fn n_feed_forward(&self) -> usize {
        self.feed_forward.len()
    }

    /// Whether a head is pruned.
    pub fn is_head_pruned(&self, layer: usize, head: usize) -> bool {
        self.heads.get(&layer).is_some_and(|heads| heads.contains(&head))
    }

    /// Whether the feed-forward block of a layer is pruned.
    pub fn is_feed_forward_pruned(&self, layer: usize) -> bool {
        self.feed_forward.contains(&layer)
    }

    /// Drops the entries of layers from `n_layers` on.
    pub(crate) fn truncate(&mut self, n_layers: usize) {
        self.heads.retain(|layer, _| *layer < n_layers);
        self.feed_forward.retain(|layer| *layer < n_layers);
    }
}

/// Parses a list of numbers.
fn numbers(value: &Value, field: &str) -> Result<Vec<usize>, ConfigError> {
    let number = |value: &Value| {
        let number = value.as_u64().and_then(|number| usize::try_from(number).ok());
        number.ok_or_else(|| ConfigError::value(field, "a number", value))
    };
    match value {
        Value::Array(values) => values.iter().map(number).collect(),
        other => Err(ConfigError::value(field, "a list", other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the pruning of a model of two blocks with four heads each.
    fn read(json: &Value) -> Result<Pruning, ConfigError> {
        Pruning::from_json(json, 2, 4)
    }

    #[test]
    fn fields_are_read_as_they_are_written() {
        let pruning = Pruning::new([(1, 3), (0, 2), (1, 0)], [1]);
        let mut fields = Map::new();
        pruning.write(&mut fields);
        let expected =
            json!({ "pruned_heads": { "0": [2], "1": [0, 3] }, "pruned_feed_forward": [1] });
        let written = Value::Object(fields.clone());
        assert_eq!(written, expected);
        assert_eq!(read(&written).unwrap(), pruning);
        Pruning::default().write(&mut fields);
        assert!(fields.is_empty());
        // `transformers` 4 writes the first of these for every unpruned model.
        for whole in [json!({ "pruned_heads": {} }), json!({ "pruned_heads": null }), json!({})] {
            assert!(read(&whole).unwrap().is_empty());
        }
        let mut lower = pruning;
        lower.truncate(1);
        assert_eq!(lower, Pruning::new([(0, 2)], []));
    }

    #[test]
    fn fields_that_fit_no_part_are_told() {
        for (json, expected) in [
            (
                json!({ "pruned_heads": { "2": [0] } }),
                "field \"pruned_heads\": layer 2 of a model of 2",
            ),
            (json!({ "pruned_heads": { "1": [4] } }), "field \"pruned_heads\": head 4 of 4"),
            (
                json!({ "pruned_heads": { "x": [0] } }),
                "field \"pruned_heads\": expected the number of a layer, found \"x\"",
            ),
            (
                json!({ "pruned_heads": { "0": [-1] } }),
                "field \"pruned_heads\": expected a number, found -1",
            ),
            (
                json!({ "pruned_heads": { "0": 1 } }),
                "field \"pruned_heads\": expected a list, found 1",
            ),
            (
                json!({ "pruned_heads": [1] }),
                "field \"pruned_heads\": expected lists of heads by layer, found [1]",
            ),
            (
                json!({ "pruned_feed_forward": [9] }),
                "field \"pruned_feed_forward\": layer 9 of a model of 2",
            ),
            (
                json!({ "pruned_feed_forward": true }),
                "field \"pruned_feed_forward\": expected a list, found true",
            ),
        ] {
            assert_eq!(read(&json).unwrap_err().to_string(), expected);
        }
    }
}
