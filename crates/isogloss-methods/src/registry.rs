//! Method registry: one table each for objectives, schedules, updates, language sampling and
//! regularizers.
//!
//! The tables are generated from the same rows as the configuration types of a recipe, so that no
//! method is missing. docs/methods.md and the JSON schema of recipes are generated from this
//! registry.

use crate::guided_dropout::GuidedDropoutConfig;
use crate::method::{Method, MethodInfo};
use crate::objective::OBJECTIVES;
use crate::sampling::SAMPLINGS;
use crate::schedule::SCHEDULES;
use crate::subnetwork::DynamicSubnetworkConfig;
use crate::update::UPDATES;

/// Registry of objectives, `objective.method.<key>`: losses that add up.
pub fn objectives() -> &'static [MethodInfo] {
    OBJECTIVES
}

/// Registry of schedules, `schedule.<key>`: which parameters are trainable, and when.
pub fn schedules() -> &'static [MethodInfo] {
    SCHEDULES
}

/// Registry of updates, `update.<key>`: how the gradients of a step's batches are combined.
pub fn updates() -> &'static [MethodInfo] {
    UPDATES
}

/// Registry of language sampling rules, `sampling.<key>` of `[data]`, `[pairs]`, `[monolingual]`
/// and `[unlabeled]`.
pub fn samplings() -> &'static [MethodInfo] {
    SAMPLINGS
}

/// Registry of regularizers, which change the forward pass; each has a recipe table of its own.
pub fn regularizers() -> &'static [MethodInfo] {
    &[GuidedDropoutConfig::INFO, DynamicSubnetworkConfig::INFO]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::*;
    use crate::faults::Faults;
    use crate::method::DataNeed;
    use crate::objective::ObjectiveConfig;
    use crate::sampling::LanguageSampling;
    use crate::schedule::ScheduleConfig;
    use crate::update::UpdateConfig;
    use crate::view::{Role, TextView};

    fn axes() -> [&'static [MethodInfo]; 5] {
        [objectives(), schedules(), updates(), samplings(), regularizers()]
    }

    /// Deserializes the example of a method; its only key must be that of the table.
    fn read<C: serde::de::DeserializeOwned + serde::Serialize>(info: &MethodInfo) -> C {
        let written = json!({ info.key: info.options() });
        let config: C = serde_json::from_value(written.clone()).unwrap();
        let again = serde_json::to_value(&config).unwrap();
        let keys =
            |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
        assert_eq!(keys(&again), [info.key]);
        assert_eq!(again, written);
        config
    }

    #[test]
    fn each_row_has_the_key_of_its_recipe_and_options_without_faults() {
        let no_faults: Faults = Vec::new();
        for info in objectives() {
            let config: ObjectiveConfig = read(info);
            assert_eq!(config.faults(), no_faults, "{}", info.key);
            assert_eq!(config.init().name(), info.key);
        }
        samplings().iter().for_each(|info| {
            assert_eq!(read::<LanguageSampling>(info).faults(), no_faults, "{}", info.key);
        });
        schedules().iter().for_each(|info| {
            assert_eq!(read::<ScheduleConfig>(info).faults(), [], "{}", info.key);
        });
        updates().iter().for_each(|info| {
            assert_eq!(read::<UpdateConfig>(info).faults(), [], "{}", info.key);
        });
    }

    #[test]
    fn rows_are_complete_and_name_their_file() {
        for axis in axes() {
            let mut keys = BTreeSet::new();
            for info in axis {
                assert!(keys.insert(info.key), "{} stands twice", info.key);
                assert!(!info.title.is_empty() && !info.formula.is_empty(), "{}", info.key);
                assert!(info.file.ends_with(".rs"), "{}", info.file);
                assert!(!info.formula.contains("  "), "{}", info.formula);
                for field in info.required {
                    assert!(info.options().get(field).is_some(), "{}.{field}", info.key);
                }
            }
        }
    }

    #[test]
    fn what_an_objective_needs_is_what_it_asks_the_trainer_for() {
        for info in objectives() {
            let needs = read::<ObjectiveConfig>(info).init().needs();
            let reads = |text: fn(TextView) -> bool| needs.views.iter().any(|view| text(view.text));
            let expected = [
                (DataNeed::Labels, !needs.is_unlabeled()),
                (
                    DataNeed::View,
                    reads(|text| {
                        let is_as_given = matches!(text, TextView::Original | TextView::Unlabeled);
                        (text.is_of_task() || text.is_unlabeled()) && !is_as_given
                    }),
                ),
                (DataNeed::Pairs, reads(TextView::is_of_pairs)),
                (DataNeed::UnlabeledText, reads(TextView::is_unlabeled)),
                (DataNeed::MonolingualText, reads(|text| text == TextView::Monolingual)),
                (DataNeed::WordLinks, needs.word_links),
                (DataNeed::Teacher, needs.views.iter().any(|view| view.role == Role::Teacher)),
            ];
            for (need, is_needed) in expected {
                assert_eq!(info.needs.contains(&need), is_needed, "{} {need:?}", info.key);
            }
        }
    }
}
