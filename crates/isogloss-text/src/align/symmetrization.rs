//! Symmetrization of word alignments: combines the alignments of two directions into one (Koehn et
//! al. 2003).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Alignment;
use crate::align::Link;

/// Symmetrization heuristic (grow-diag-final and others) that combines the alignments of two
/// directions, roughly ordered from the fewest links to the most.
///
/// Each direction links a word to at most one word of the other text; the combination can be
/// many-to-many.
/// `GrowDiagFinalAnd` is the usual choice.
///
/// # Source
/// Koehn, Och and Marcu 2003, Statistical Phrase-Based Translation, §4.2, and Koehn et al. 2005,
/// Edinburgh System Description for the 2005 IWSLT Speech Translation Evaluation.
/// The order in which links are added, on which the result can depend, is that of the `atools`
/// program beside fast_align, which loops over the candidates; Moses loops over the links found so
/// far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Symmetrization {
    /// Intersection: the links that both directions contain.
    Intersection,
    /// grow-diag: the intersection, and then repeatedly links of one direction that are one of the
    /// eight neighbors of a link and of which at least one word is unlinked.
    GrowDiag,
    /// grow-diag-final-and: as `GrowDiag`, and then links of either direction whose two words are
    /// both unlinked.
    #[default]
    GrowDiagFinalAnd,
    /// grow-diag-final: as `GrowDiag`, and then links of either direction of which at least one
    /// word is unlinked.
    GrowDiagFinal,
    /// Union: the links that at least one direction contains.
    Union,
}

impl Symmetrization {
    /// Symmetrizes two alignments of the same texts; links of `forward` are considered before those
    /// of `backward`.
    ///
    /// Pass the alignment of the right-to-left direction [reversed](Alignment::reversed), so that
    /// both have left words first.
    ///
    /// ```
    /// use isogloss_text::{Alignment, Symmetrization};
    ///
    /// let forward = Alignment::from_iter([(0, 0), (1, 1), (2, 2)]);
    /// let backward = Alignment::from_iter([(0, 0), (1, 1), (1, 2)]);
    /// assert_eq!(Symmetrization::GrowDiag.join(&forward, &backward).to_string(), "0-0 1-1 1-2 2-2");
    /// ```
    pub fn join(self, forward: &Alignment, backward: &Alignment) -> Alignment {
        match self {
            Self::Intersection => forward.intersection(backward),
            Self::Union => forward.union(backward),
            Self::GrowDiag => Grown::new(forward, backward).links.into_iter().collect(),
            Self::GrowDiagFinal | Self::GrowDiagFinalAnd => {
                let mut grown = Grown::new(forward, backward);
                for link in forward.links().iter().chain(backward.links()) {
                    let (left_free, right_free) = grown.free(*link);
                    let free = match self {
                        Self::GrowDiagFinal => left_free || right_free,
                        _ => left_free && right_free,
                    };
                    if free {
                        grown.links.push(*link);
                    }
                }
                grown.links.into_iter().collect()
            }
        }
    }
}

/// State of the grow-diag heuristic: the links so far; sentences are short, so a list is searched
/// faster than a set.
struct Grown {
    links: Vec<Link>,
}

impl Grown {
    fn new(forward: &Alignment, backward: &Alignment) -> Self {
        let common = forward.intersection(backward);
        let mut candidates = forward.union(backward).difference(&common).links().to_vec();
        let mut grown = Self { links: common.links().to_vec() };
        loop {
            let n_before = candidates.len();
            candidates.retain(|&link| {
                let (left_free, right_free) = grown.free(link);
                let added = (left_free || right_free) && grown.touches(link);
                if added {
                    grown.links.push(link);
                }
                !added
            });
            if candidates.len() == n_before {
                return grown;
            }
        }
    }

    /// Whether the left word, and whether the right word, is still unlinked.
    fn free(&self, link: Link) -> (bool, bool) {
        let left_free = self.links.iter().all(|other| other.0 != link.0);
        let right_free = self.links.iter().all(|other| other.1 != link.1);
        (left_free, right_free)
    }

    fn touches(&self, link: Link) -> bool {
        self.links
            .iter()
            .any(|other| other.0.abs_diff(link.0) <= 1 && other.1.abs_diff(link.1) <= 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Symmetrization::{self, *};
    use crate::align::tests::{alignment, alignments};

    #[track_caller]
    fn joins(how: Symmetrization, forward: &str, backward: &str, expected: &str) {
        assert_eq!(how.join(&alignment(forward), &alignment(backward)), alignment(expected));
    }

    /// 0-0 is common; 1-1 touches it; 1-2 touches 1-1 and its right word is unlinked; 3-4 touches
    /// nothing and both its words are unlinked; the left word of 3-2 is unlinked only until 3-4 is
    /// added.
    const FORWARD: &str = "0-0 1-1 3-4";
    const BACKWARD: &str = "0-0 1-2 3-2";

    #[test]
    fn growing_adds_neighbours_of_free_words() {
        joins(Intersection, FORWARD, BACKWARD, "0-0");
        joins(GrowDiag, FORWARD, BACKWARD, "0-0 1-1 1-2");
        joins(Union, FORWARD, BACKWARD, "0-0 1-1 1-2 3-2 3-4");
    }

    #[test]
    fn the_last_step_adds_links_of_free_words() {
        joins(GrowDiagFinalAnd, FORWARD, BACKWARD, "0-0 1-1 1-2 3-4");
        joins(GrowDiagFinal, FORWARD, BACKWARD, "0-0 1-1 1-2 3-4");
        // 2-1 touches nothing, and only its left word is unlinked.
        joins(GrowDiag, "0-1 2-1", "0-1", "0-1");
        joins(GrowDiagFinalAnd, "0-1 2-1", "0-1", "0-1");
        joins(GrowDiagFinal, "0-1 2-1", "0-1", "0-1 2-1");
    }

    #[test]
    fn a_neighbour_of_two_linked_words_is_not_added() {
        joins(GrowDiag, "0-0 1-1 0-1", "0-0 1-1", "0-0 1-1");
        joins(GrowDiagFinal, "0-0 1-1 0-1", "0-0 1-1", "0-0 1-1");
    }

    #[test]
    fn the_forward_direction_goes_first_at_the_end() {
        joins(GrowDiagFinalAnd, "5-0", "5-5 0-0", "5-0");
        joins(GrowDiagFinalAnd, "5-5 0-0", "5-0", "0-0 5-5");
    }

    proptest! {
        #[test]
        fn each_way_has_the_links_of_the_way_before_it(forward in alignments(), backward in alignments()) {
            let ways = [Intersection, GrowDiag, GrowDiagFinalAnd, Union];
            let joined = ways.map(|way| way.join(&forward, &backward));
            for (fewer, more) in joined.iter().zip(&joined[1..]) {
                prop_assert!(fewer.difference(more).is_empty());
            }
            let all = GrowDiagFinal.join(&forward, &backward);
            prop_assert!(joined[1].difference(&all).is_empty());
            prop_assert!(all.difference(&joined[3]).is_empty());
        }

        #[test]
        fn one_alignment_twice_stays_as_it_is(links in alignments()) {
            for way in [Intersection, GrowDiag, GrowDiagFinalAnd, GrowDiagFinal, Union] {
                prop_assert_eq!(way.join(&links, &links), links.clone());
            }
        }
    }
}
