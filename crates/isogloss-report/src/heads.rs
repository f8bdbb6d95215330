//! Attention heads that subnetworks keep, and the Jaccard overlap between the heads of two
//! languages.

use serde::Deserialize;

/// Jaccard index of the attention heads of two subnetworks: the number of heads that both keep over
/// the number that either keeps, in one layer, or in all if `layer` is `None`.
/// 1 if neither keeps any.
///
/// # Shapes
/// - `a`, `b`: `[layers][heads]`, true = kept
///
/// # Panics
/// If the two are of encoders of different sizes.
pub fn head_overlap(a: &[Vec<bool>], b: &[Vec<bool>], layer: Option<usize>) -> f64 {
    let layers = layer.map_or(0..a.len(), |layer| layer..layer + 1);
    let (a, b) = (a[layers.clone()].concat(), b[layers].concat());
    let both = a.iter().zip(&b).filter(|(a, b)| **a && **b).count();
    let either = a.iter().zip(&b).filter(|(a, b)| **a || **b).count();
    if either == 0 { 1.0 } else { both as f64 / either as f64 }
}

/// Head mask of a subnetwork, parsed from its file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "File")]
pub(crate) struct Heads(Vec<Vec<bool>>);

/// Subnetwork file (TOML), with the fields that the page shows.
#[derive(Deserialize)]
struct File {
    /// Head mask: a string for each layer, from the lowest, with `#` for each head that is kept.
    heads: Vec<String>,
}

impl TryFrom<File> for Heads {
    type Error = String;

    fn try_from(file: File) -> Result<Self, String> {
        let line = |line: String| line.chars().map(|mark| mark == '#').collect::<Vec<_>>();
        let heads: Vec<_> = file.heads.into_iter().map(line).collect();
        if heads.is_empty() || heads.iter().any(|layer| layer.len() != heads[0].len()) {
            return Err("heads: expected lines of as many marks, at least one".into());
        }
        Ok(Self(heads))
    }
}

impl Heads {
    /// Number of layers, and of heads in each: `[layers, heads]`.
    pub(crate) fn sizes(&self) -> [usize; 2] {
        [self.0.len(), self.0.first().map_or(0, Vec::len)]
    }

    /// The number of heads that are kept.
    fn n_kept(&self) -> usize {
        self.0.iter().flatten().filter(|kept| **kept).count()
    }

    /// The Jaccard overlap, see [`head_overlap`].
    pub(crate) fn overlap(&self, other: &Self, layer: Option<usize>) -> f64 {
        head_overlap(&self.0, &other.0, layer)
    }
}

/// Expected Jaccard index of two random head masks that keep as many heads as `a` and `b`.
pub(crate) fn expected_overlap(a: &Heads, b: &Heads) -> f64 {
    let [n_layers, n_heads] = a.sizes();
    let (n, a, b) = (n_layers * n_heads, a.n_kept(), b.n_kept());
    if a + b == 0 {
        return 1.0;
    }
    // The number of common heads has a hypergeometric distribution.
    let common = (a + b).saturating_sub(n)..=a.min(b);
    let share = |both: usize| both as f64 / (a + b - both) as f64;
    let weight = |both: usize| binomial(a, both) * binomial(n - a, b - both);
    common.map(|both| weight(both) * share(both)).sum::<f64>() / binomial(n, b)
}

/// Binomial coefficient: the number of ways to choose `k` of `n`.
fn binomial(n: usize, k: usize) -> f64 {
    (0..k).map(|i| (n - i) as f64 / (i + 1) as f64).product()
}

#[cfg(test)]
mod tests {
    use isogloss_random::split_seed;

    use super::*;

    fn read(heads: [&str; 2]) -> Heads {
        serde_json::from_value(serde_json::json!({ "heads": heads, "feed_forward": "##" })).unwrap()
    }

    #[test]
    fn overlap_is_over_what_either_keeps() {
        let (a, b) = (read(["##.", "..."]), read([".##", "..."]));
        assert_eq!((a.overlap(&b, None), a.overlap(&b, Some(1))), (1.0 / 3.0, 1.0));
        assert_eq!(a.overlap(&a, None), 1.0);
    }

    #[test]
    fn layers_have_as_many_heads() {
        let error = toml::from_str::<Heads>("heads = ['##', '#']").unwrap_err();
        assert_eq!(error.message(), "heads: expected lines of as many marks, at least one");
    }

    /// Random head mask with `n_kept` heads, drawn from a seed.
    fn random(n_layers: usize, n_heads: usize, n_kept: usize, seed: u64) -> Heads {
        let mut order: Vec<usize> = (0..n_layers * n_heads).collect();
        order.sort_by_key(|head| split_seed(seed, *head as u64));
        let kept: Vec<bool> =
            (0..order.len()).map(|head| order[..n_kept].contains(&head)).collect();
        Heads(kept.chunks(n_heads).map(<[bool]>::to_vec).collect())
    }

    #[test]
    fn chance_overlaps_by_the_share_of_what_is_kept() {
        let whole = Heads(vec![vec![true; 4]; 2]);
        assert_eq!(expected_overlap(&whole, &whole), 1.0);
        let half = read(["####", "...."]);
        let drawn = |seed| random(2, 4, 4, seed).overlap(&random(2, 4, 4, seed + 10_000), None);
        let mean = (0..5000).map(drawn).sum::<f64>() / 5000.0;
        let expected = expected_overlap(&half, &half);
        assert!((expected - mean).abs() < 0.01, "{expected} {mean}");
    }
}
