//! Language subnetworks: the attention heads and feed-forward blocks of an encoder that are kept
//! for a language.
//!
//! Choenni, Garrette & Shutova 2023, arXiv:2211.00106, with the pruning of Michel et al. 2019,
//! arXiv:1905.10650, and Prasanna et al. 2020, arXiv:2005.00561. The first has no published code:
//! choices that it leaves open are ours, and documented as such.

mod dynamic;
mod sources;

use burn::tensor::{Device, Tensor, TensorData};
use isogloss_kernels::split_seed;
use isogloss_model::{Pruning, SubnetworkMask};
use serde::{Deserialize, Serialize};

pub use dynamic::{DynamicStart, DynamicSubnetwork, DynamicSubnetworkConfig};
pub use sources::SourceSubnetworks;

use crate::importance::Importance;

/// Characters for kept and pruned units in a file.
const KEPT: char = '#';
const PRUNED: char = '.';

/// Subnetwork (structured pruning mask): which attention heads and feed-forward blocks are kept.
///
/// In a file, a string for each layer: `#` for a kept head, `.` for a pruned one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "File", into = "File")]
pub struct Subnetwork {
    heads: Vec<Vec<bool>>,
    feed_forward: Vec<bool>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// A string for each layer, from the lowest, with a character for each head.
    heads: Vec<String>,
    /// A character for each layer.
    feed_forward: String,
    /// The importance of each unit, if it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    importance: Option<Importance>,
}

/// Subnetwork as a file has it: with the importance of all units, kept and pruned, if it was
/// measured in the model that the subnetwork was found in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "File", into = "File")]
pub struct ScoredSubnetwork {
    /// The subnetwork.
    pub subnetwork: Subnetwork,
    /// The importance of each unit.
    pub importance: Option<Importance>,
}

impl Subnetwork {
    /// The whole encoder, without pruning.
    pub fn whole(n_layers: usize, n_heads: usize) -> Self {
        Self { heads: vec![vec![true; n_heads]; n_layers], feed_forward: vec![true; n_layers] }
    }

    /// Number of layers and of heads in a layer, `[layers, heads]`.
    pub fn sizes(&self) -> [usize; 2] {
        [self.heads.len(), self.heads.first().map_or(0, Vec::len)]
    }

    /// Which heads are kept, by layer.
    pub fn heads(&self) -> &[Vec<bool>] {
        &self.heads
    }

    /// Which feed-forward blocks are kept, by layer.
    pub fn feed_forward(&self) -> &[bool] {
        &self.feed_forward
    }

    /// The number of heads that are kept.
    pub fn n_heads(&self) -> usize {
        self.heads.iter().flatten().filter(|kept| **kept).count()
    }

    /// The number of feed-forward blocks that are kept.
    pub fn n_feed_forward(&self) -> usize {
        self.feed_forward.iter().filter(|kept| **kept).count()
    }

    /// Pruning to this subnetwork: the heads and feed-forward blocks that are not kept.
    pub fn pruning(&self) -> Pruning {
        let heads = self.heads.iter().enumerate().flat_map(|(layer, heads)| {
            let gone = heads.iter().enumerate().filter(|(_, kept)| !**kept);
            gone.map(move |(head, _)| (layer, head))
        });
        let blocks = self.feed_forward.iter().enumerate().filter(|(_, kept)| !**kept);
        Pruning::new(heads, blocks.map(|(layer, _)| layer))
    }

    /// Mask of zeros and ones that multiplies the outputs of heads and feed-forward blocks.
    pub fn mask(&self, device: &Device) -> SubnetworkMask {
        let number = |kept: &bool| f32::from(u8::from(*kept));
        let heads: Vec<f32> = self.heads.iter().flatten().map(number).collect();
        let feed_forward: Vec<f32> = self.feed_forward.iter().map(number).collect();
        let [n_layers, n_heads] = self.sizes();
        SubnetworkMask {
            heads: Tensor::from_data(TensorData::new(heads, [n_layers, n_heads]), device),
            feed_forward: Tensor::from_data(TensorData::new(feed_forward, [n_layers]), device),
        }
    }

    /// Prunes the `n` kept heads of the lowest importance; of equal ones, the last goes first.
    #[must_use]
    pub fn without_heads(mut self, importance: &Importance, n: usize) -> Self {
        let mut kept = Vec::new();
        for (layer, heads) in self.heads.iter().enumerate() {
            let heads = heads.iter().enumerate().filter(|(_, kept)| **kept);
            kept.extend(heads.map(|(head, _)| (importance.heads[layer][head], layer, head)));
        }
        kept.sort_by(|a, b| a.0.total_cmp(&b.0).then((b.1, b.2).cmp(&(a.1, a.2))));
        for (_, layer, head) in kept.into_iter().take(n) {
            self.heads[layer][head] = false;
        }
        self
    }

    /// Prunes the kept feed-forward block of the lowest importance; of equal ones, the last.
    #[must_use]
    pub fn without_feed_forward(mut self, importance: &Importance) -> Self {
        let kept = self.feed_forward.iter().enumerate().filter(|(_, kept)| **kept);
        let kept = kept.map(|(layer, _)| (importance.feed_forward[layer], layer));
        if let Some((_, layer)) = kept.min_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1))) {
            self.feed_forward[layer] = false;
        }
        self
    }

    /// Random baseline: as many heads and blocks as here, sampled from all.
    #[must_use]
    pub fn random(&self, seed: u64) -> Self {
        let [n_layers, n_heads] = self.sizes();
        let drawn = |n_all: usize, n: usize, seed: u64| {
            let mut order: Vec<usize> = (0..n_all).collect();
            order.sort_by_key(|unit| split_seed(seed, *unit as u64));
            let mut kept = vec![false; n_all];
            order.into_iter().take(n).for_each(|unit| kept[unit] = true);
            kept
        };
        let heads = drawn(n_layers * n_heads, self.n_heads(), split_seed(seed, 0));
        Self {
            heads: heads.chunks(n_heads.max(1)).map(<[bool]>::to_vec).collect(),
            feed_forward: drawn(n_layers, self.n_feed_forward(), split_seed(seed, 1)),
        }
    }

    /// Union of two subnetworks: the units that either keeps.
    ///
    /// # Panics
    /// If the two are of encoders of different sizes.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        assert_eq!(self.sizes(), other.sizes(), "subnetworks of one encoder");
        let either = |a: &[bool], b: &[bool]| a.iter().zip(b).map(|(a, b)| *a || *b).collect();
        let heads = self.heads.iter().zip(&other.heads);
        Self {
            heads: heads.map(|(a, b)| either(a, b)).collect(),
            feed_forward: either(&self.feed_forward, &other.feed_forward),
        }
    }

    /// Majority of subnetworks, such as those of several seeds: the units that more than half of them
    /// keep.
    ///
    /// # Panics
    /// If there are none, or they are of encoders of different sizes.
    #[must_use]
    pub fn majority(all: &[Self]) -> Self {
        let [n_layers, n_heads] = all[0].sizes();
        assert!(all.iter().all(|of| of.sizes() == [n_layers, n_heads]), "of one encoder");
        let most = |is_kept: &dyn Fn(&Self) -> bool| {
            2 * all.iter().filter(|of| is_kept(of)).count() > all.len()
        };
        let heads = (0..n_layers)
            .map(|layer| (0..n_heads).map(|head| most(&|of| of.heads[layer][head])).collect());
        let feed_forward = (0..n_layers).map(|layer| most(&|of| of.feed_forward[layer]));
        Self { heads: heads.collect(), feed_forward: feed_forward.collect() }
    }
}

impl From<Subnetwork> for File {
    fn from(of: Subnetwork) -> Self {
        let line = |kept: &Vec<bool>| {
            kept.iter().map(|kept| if *kept { KEPT } else { PRUNED }).collect::<String>()
        };
        let heads = of.heads.iter().map(line).collect();
        Self { heads, feed_forward: line(&of.feed_forward), importance: None }
    }
}

impl From<ScoredSubnetwork> for File {
    fn from(of: ScoredSubnetwork) -> Self {
        Self { importance: of.importance, ..of.subnetwork.into() }
    }
}

impl TryFrom<File> for ScoredSubnetwork {
    type Error = String;

    fn try_from(mut file: File) -> Result<Self, String> {
        let importance = file.importance.take();
        let subnetwork = Subnetwork::try_from(file)?;
        if let Some(importance) = &importance {
            let [n_layers, n_heads] = subnetwork.sizes();
            if importance.sizes() != (vec![n_heads; n_layers], n_layers) {
                return Err("importance: expected a number for each head and block".to_owned());
            }
            let mut all = importance.heads.iter().flatten().chain(&importance.feed_forward);
            if let Some(wrong) = all.find(|x| !x.is_finite() || **x < 0.0) {
                return Err(format!("importance: expected 0 or more, found {wrong}"));
            }
        }
        Ok(Self { subnetwork, importance })
    }
}

impl TryFrom<File> for Subnetwork {
    type Error = String;

    fn try_from(file: File) -> Result<Self, String> {
        let line = |line: &String| -> Result<Vec<bool>, String> {
            let mark = |c| match c {
                KEPT => Ok(true),
                PRUNED => Ok(false),
                other => Err(format!("expected {KEPT:?} or {PRUNED:?}, found {other:?}")),
            };
            line.chars().map(mark).collect()
        };
        let heads: Vec<Vec<bool>> = file.heads.iter().map(line).collect::<Result<_, _>>()?;
        let feed_forward = line(&file.feed_forward)?;
        let n_heads = heads.first().map_or(0, Vec::len);
        if n_heads == 0 || heads.iter().any(|layer| layer.len() != n_heads) {
            return Err("heads: expected lines of as many marks, at least one".into());
        }
        if feed_forward.len() != heads.len() {
            let (found, expected) = (feed_forward.len(), heads.len());
            return Err(format!(
                "feed_forward: expected {expected} marks, one a layer, found {found}"
            ));
        }
        Ok(Self { heads, feed_forward })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(heads: [&str; 2], feed_forward: &str) -> Subnetwork {
        let json = serde_json::json!({ "heads": heads, "feed_forward": feed_forward });
        serde_json::from_value(json).unwrap()
    }

    fn importance(heads: [[f64; 3]; 2]) -> Importance {
        Importance { heads: heads.map(Vec::from).into(), feed_forward: vec![1.0, 1.0] }
    }

    #[test]
    fn the_least_important_heads_go_first_and_the_last_of_equal_ones() {
        let importance = importance([[0.5, 0.1, 0.5], [0.1, 0.5, 0.1]]);
        let whole = Subnetwork::whole(2, 3);
        let heads = |n| File::from(whole.clone().without_heads(&importance, n)).heads;
        assert_eq!(heads(1), ["###", "##."]);
        assert_eq!(heads(2), ["###", ".#."]);
        assert_eq!(heads(3), ["#.#", ".#."]);
        assert_eq!(heads(4), ["#.#", "..."]);
        assert_eq!(heads(9), ["...", "..."]);
        let blocks = whole.clone().without_feed_forward(&importance);
        assert_eq!(File::from(blocks).feed_forward, "#.");
        // Pruned heads are not pruned again.
        let twice = whole.without_heads(&importance, 2).without_heads(&importance, 1);
        assert_eq!(File::from(twice).heads, ["#.#", ".#."]);
    }

    #[test]
    fn chance_keeps_as_many() {
        let some = read(["#..", "##."], "#.");
        let drawn: Vec<_> = (0..20).map(|seed| some.random(seed)).collect();
        assert!(drawn.iter().all(|of| (of.n_heads(), of.n_feed_forward()) == (3, 1)));
        assert!(drawn.iter().any(|of| *of != drawn[0]) && drawn[0] == some.random(0));
    }

    #[test]
    fn what_is_not_kept_is_pruned() {
        let pruning = read(["#..", "###"], "#.").pruning();
        assert_eq!(pruning, Pruning::new([(0, 1), (0, 2)], [1]));
        assert!(Subnetwork::whole(2, 3).pruning().is_empty());
    }

    #[test]
    fn a_union_has_what_either_keeps() {
        let (a, b) = (read(["##.", "..."], "##"), read([".##", "..."], "#."));
        assert_eq!(a.union(&b), read(["###", "..."], "##"));
    }

    #[test]
    fn a_majority_has_what_more_than_half_keep() {
        let all =
            [read(["##.", "..."], "##"), read([".##", "#.."], "#."), read(["##.", "..#"], "..")];
        assert_eq!(Subnetwork::majority(&all), read(["##.", "..."], "#."));
        // Half of them is not enough.
        assert_eq!(Subnetwork::majority(&all[..2]), read([".#.", "..."], "#."));
    }

    #[test]
    fn importances_are_read_with_their_subnetwork_and_checked() {
        let scored = ScoredSubnetwork {
            subnetwork: read(["#..", "##."], "#."),
            importance: Some(importance([[0.5, 0.1, 0.0], [0.1, 2.5, 0.1]])),
        };
        let json = serde_json::to_value(&scored).unwrap();
        assert_eq!(serde_json::from_value::<ScoredSubnetwork>(json.clone()).unwrap(), scored);
        assert_eq!(serde_json::from_value::<Subnetwork>(json).unwrap(), scored.subnetwork);
        let error = |importance| {
            let scored = ScoredSubnetwork { importance: Some(importance), ..scored.clone() };
            let json = serde_json::to_value(scored).unwrap();
            serde_json::from_value::<ScoredSubnetwork>(json).unwrap_err().to_string()
        };
        let of_another = Importance { heads: vec![vec![1.0; 3]; 2], feed_forward: vec![1.0; 3] };
        assert_eq!(error(of_another), "importance: expected a number for each head and block");
        let negative = importance([[0.5, -0.1, 0.0], [0.1, 2.5, 0.1]]);
        assert_eq!(error(negative), "importance: expected 0 or more, found -0.1");
    }

    #[test]
    fn files_say_what_is_wrong_with_them() {
        let error = |heads: &[&str], feed_forward: &str| {
            let json = serde_json::json!({ "heads": heads, "feed_forward": feed_forward });
            serde_json::from_value::<Subnetwork>(json).unwrap_err().to_string()
        };
        assert_eq!(error(&["#x"], "#"), "expected '#' or '.', found 'x'");
        assert_eq!(
            error(&["##", "#"], "##"),
            "heads: expected lines of as many marks, at least one"
        );
        assert_eq!(error(&["##"], "##"), "feed_forward: expected 1 marks, one a layer, found 2");
        let some = read(["#..", "##."], "#.");
        let text = serde_json::to_string(&some).unwrap();
        assert_eq!(serde_json::from_str::<Subnetwork>(&text).unwrap(), some);
    }
}
