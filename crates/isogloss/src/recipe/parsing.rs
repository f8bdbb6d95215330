//! The `[task.parsing]` table: the biaffine parser.

use isogloss_model::{ParserConfig, ParserSpec};
use isogloss_text::{LabelSet, Subtypes};
use serde::{Deserialize, Serialize};

use super::Faults;

/// The `[task.parsing]` table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ParsingRecipe {
    /// See [`ParserConfig::arc_width`].
    pub arc_width: usize,
    /// See [`ParserConfig::label_width`].
    pub label_width: usize,
    /// See [`ParserConfig::dropout`].
    pub dropout: f64,
    /// See [`ParserConfig::layer_dropout`].
    pub layer_dropout: f64,
    /// The share of the words of training that the model sees as mask tokens; UDify has 0.2.
    pub word_dropout: f64,
    /// Whether relations are learned with their subtypes, `acl:relcl`, or without, `acl`; scores compare
    /// them without in either case.
    pub subtypes: Subtypes,
    /// Whether universal parts of speech are learned beside trees.
    pub tags: bool,
    /// The weight of their loss beside that of arcs and that of relations, 1 each.
    pub tag_weight: f64,
}

impl Default for ParsingRecipe {
    fn default() -> Self {
        let ParserConfig { arc_width, label_width, dropout, layer_dropout } =
            ParserConfig::default();
        Self {
            arc_width,
            label_width,
            dropout,
            layer_dropout,
            word_dropout: 0.0,
            subtypes: Subtypes::Cut,
            tags: true,
            tag_weight: 1.0,
        }
    }
}

impl ParsingRecipe {
    /// What a saved parser was trained for, as far as it tells.
    pub fn of(spec: &ParserSpec) -> Self {
        let ParserConfig { arc_width, label_width, dropout, layer_dropout } = spec.config;
        let has_subtypes = spec.relations.iter().any(|relation| relation.contains(':'));
        Self {
            arc_width,
            label_width,
            dropout,
            layer_dropout,
            subtypes: if has_subtypes { Subtypes::Keep } else { Subtypes::Cut },
            tags: !spec.tags.is_empty(),
            ..Self::default()
        }
    }

    /// The parser to build.
    pub(crate) fn spec(&self, relations: &LabelSet, tags: &LabelSet) -> ParserSpec {
        let Self { arc_width, label_width, dropout, layer_dropout, .. } = *self;
        let config = ParserConfig { arc_width, label_width, dropout, layer_dropout };
        let (relations, tags) = (relations.names().to_vec(), tags.names().to_vec());
        ParserSpec { config, relations, tags }
    }

    pub(super) fn check(&self, faults: &mut Faults<'_>) {
        let none = LabelSet::default();
        faults.add_fields("task.parsing", self.spec(&none, &none).config.faults());
        faults.below_one("task.parsing.word_dropout", self.word_dropout);
        faults.not_negative("task.parsing.tag_weight", self.tag_weight);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_parser_tells_what_it_was_trained_for() {
        let names = |names: &[&str]| LabelSet::new(names.iter().copied()).unwrap();
        let recipe = ParsingRecipe { subtypes: Subtypes::Keep, tags: false, ..Default::default() };
        let spec = recipe.spec(&names(&["acl", "acl:relcl"]), &LabelSet::default());
        assert_eq!(ParsingRecipe::of(&spec), recipe);
        let recipe = ParsingRecipe { arc_width: 8, ..Default::default() };
        let spec = recipe.spec(&names(&["acl"]), &names(&["NOUN"]));
        assert_eq!(ParsingRecipe::of(&spec), recipe);
    }
}
