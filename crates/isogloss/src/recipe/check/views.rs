//! Validation of views: the data augmentation that objectives read must be configured, and its words
//! must be comparable.

use isogloss_methods::{Objective, ObjectiveConfig, Role, TextView};
use isogloss_text::Language;

use crate::recipe::{Languages, Recipe, RecipeFaults, unlabeled_view_faults, unlabeled_views};
use crate::task::TargetKind;

/// The recipe must define the views that an objective reads, and name its teacher.
pub(super) fn provided(recipe: &Recipe, method: &dyn Objective, refuse: &mut dyn FnMut(String)) {
    let needs = method.needs();
    let mut missing: Vec<_> =
        needs.texts().into_iter().flat_map(|text| missing_views(recipe, text)).collect();
    missing.dedup();
    for table in missing {
        refuse(format!("the view {table} needs a table [views.{table}]"));
    }
    let has_teacher = recipe.teacher.is_some() || recipe.student.is_some();
    if needs.views.iter().any(|view| view.role == Role::Teacher) && !has_teacher {
        refuse("a teacher needs a table [teacher] with its source".into());
    }
    let has_tags = matches!(recipe.task.target(), Some(TargetKind::Tag(_)));
    if needs.switched_words && !has_tags {
        refuse("words = \"unswitched\" is for tagging, whose words have a prediction each".into());
    }
    if needs.subwords && !has_tags {
        refuse("subword_pooling is for tagging, whose words have several subwords".into());
    }
    let is_translated = |text: &TextView| text.is_translated();
    let (translations, texts): (Vec<_>, Vec<_>) =
        needs.texts().into_iter().partition(is_translated);
    let several = texts.len() + translations.len() > 1;
    let is_mixed = !texts.is_empty() || translations.contains(&TextView::SecondTranslated);
    if has_tags && !translations.is_empty() && several && is_mixed {
        let problem = "a translation has words of its own, which tagging cannot compare with those \
                       of the text or of another translation; use of = \"translated\" with a view \
                       of the translation";
        refuse(problem.into());
    }
}

/// Views of texts without labels need files for the language of each text.
pub(super) fn unlabeled(recipe: &Recipe, faults: &mut RecipeFaults<'_>) {
    let Some(table) = &recipe.unlabeled else { return };
    let read = recipe.objective.iter().flat_map(|of| of.method.init().needs().texts());
    let views = unlabeled_views(&recipe.views, &read.collect::<Vec<_>>());
    let languages: &[Language] = match &table.languages {
        Languages::Listed(languages) => languages,
        Languages::All => &[],
    };
    for (field, problem) in unlabeled_view_faults(&views, languages, &recipe.data.sources) {
        faults.add(&format!("views.{field}"), &problem);
    }
}

/// The tables of `[views]` that a text is made by and the recipe lacks.
fn missing_views(recipe: &Recipe, text: TextView) -> Vec<&'static str> {
    let views = &recipe.views;
    let sampled = ("subword_sampled", views.subword_sampled.is_none());
    let switched = ("code_switched", views.code_switched.is_none());
    let translated = ("translated", views.translated.is_none());
    let tables: &[(&str, bool)] = match text {
        TextView::SubwordSampled
        | TextView::SecondSubwordSampled
        | TextView::UnlabeledSubwordSampled => &[sampled],
        TextView::CodeSwitched | TextView::SecondCodeSwitched | TextView::UnlabeledCodeSwitched => {
            &[switched]
        }
        TextView::Translated | TextView::SecondTranslated | TextView::UnlabeledTranslated => {
            &[translated]
        }
        TextView::TranslatedSubwordSampled => &[translated, sampled],
        _ => &[],
    };
    tables.iter().filter(|(_, is_missing)| *is_missing).map(|(table, _)| *table).collect()
}

/// Tags are those of the text: a translation has none to be trained on.
pub(super) fn translated_tags(
    recipe: &Recipe,
    method: &ObjectiveConfig,
    refuse: &mut dyn FnMut(String),
) {
    if let ObjectiveConfig::CrossEntropy(config) = method
        && config.text.is_translated()
        && matches!(recipe.task.target(), Some(TargetKind::Tag(_)))
    {
        let problem = "translations have no tags; model_consistency and consistency with of = \
                       \"translated\" train on them without";
        refuse(problem.into());
    }
}
