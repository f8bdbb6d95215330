//! Rules between the tables of a recipe; what a table must satisfy by itself stands with the table.

mod parsing;

use std::sync::Arc;

use isogloss_methods::{Objective, ObjectiveConfig, Role, TextView};

use super::{AdapterRecipe, Faults, Languages, Recipe, Task};

/// Adds the faults that tables have together.
pub(super) fn check(recipe: &Recipe, faults: &mut Faults<'_>) {
    if recipe.task.is_labeled() {
        recipe.data.check_path(faults);
    } else {
        without_labels(recipe, faults);
    }
    several_sources(recipe, faults);
    subnetworks(recipe, faults);
    adapters(recipe, faults);
    gradients_of_a_step(recipe, faults);
    for (index, objective) in recipe.objective.iter().enumerate() {
        let method = objective.method.init();
        let mut refuse =
            |problem: String| faults.add_message(&format!("objective.{index}.method"), problem);
        inputs(recipe, &*method, &mut refuse);
        twice_trained(recipe, &objective.method, &mut refuse);
        let earlier = recipe.objective[..index].iter().map(|earlier| earlier.method.init());
        let earlier: Vec<_> = earlier.collect();
        held_by_one(&*method, earlier.iter().map(AsRef::as_ref), &mut refuse);
    }
    parsing::check(recipe, faults);
}

/// Adds what keeps an objective from joining those of a plan.
pub(super) fn added_objective(
    recipe: &Recipe,
    method: &dyn Objective,
    others: &[(f64, Arc<dyn Objective>)],
    faults: &mut Faults<'_>,
) {
    let mut refuse = |problem: String| faults.add_message("objective", problem);
    inputs(recipe, method, &mut refuse);
    held_by_one(method, others.iter().map(|(_, other)| &**other), &mut refuse);
}

/// What an objective reads must be described by the recipe.
fn inputs(recipe: &Recipe, method: &dyn Objective, refuse: &mut dyn FnMut(String)) {
    if !recipe.task.is_labeled() && !method.needs().is_unlabeled() {
        refuse(format!("{} needs a task with labels", method.name()));
    }
    views(recipe, method, refuse);
    texts_without_labels(recipe, method, refuse);
}

/// A task without labels has sentences in place of examples.
fn without_labels(recipe: &Recipe, faults: &mut Faults<'_>) {
    let task = recipe.task.name();
    let (table, held_out) = match recipe.task {
        Task::LanguageModeling {} => {
            ("monolingual", recipe.monolingual.as_ref().map(|texts| texts.held_out))
        }
        _ => ("pairs", recipe.pairs.as_ref().map(|pairs| pairs.held_out)),
    };
    if !recipe.data.path.is_empty() {
        let problem = format!("{task} has no labeled examples; its sentences are [{table}]");
        faults.add("data.path", problem);
    }
    match held_out {
        None => faults.add_message("task", format!("task.{task}: needs a table [{table}]")),
        Some(n) => faults.at_least(&format!("{table}.held_out"), n as u64, 1),
    }
    if let (Task::LanguageModeling {}, Some(_), Some(texts)) =
        (&recipe.task, &recipe.adapter, &recipe.monolingual)
        && !matches!(&texts.languages, Languages::These(languages) if languages.len() == 1)
    {
        faults.add("monolingual.languages", "a language adapter is of one language");
    }
    let needs_labels = [
        ("measure", recipe.measure.is_some()),
        ("few_shot", recipe.few_shot.is_some()),
        ("guided_dropout", recipe.guided_dropout.is_some()),
        ("update.fisher_penalty", recipe.update.fisher_penalty.is_some()),
        ("schedule.fun", recipe.schedule.fun.is_some()),
    ];
    for (entry, _) in needs_labels.iter().filter(|(_, is_there)| *is_there) {
        faults.add(entry, "needs a task with labels");
    }
}

/// What is for one language of training does not go with several.
fn several_sources(recipe: &Recipe, faults: &mut Faults<'_>) {
    if recipe.data.sources.len() < 2 {
        return;
    }
    let of_one_language = [
        ("views.code_switched", recipe.views.code_switched.is_some()),
        ("views.translated", recipe.views.translated.is_some()),
        ("language_adapter", recipe.language_adapter.is_some()),
    ];
    for (entry, _) in of_one_language.iter().filter(|(_, is_there)| *is_there) {
        faults.add(entry, "is for one language of training, not for several");
    }
}

/// Subnetworks are chosen by the language of an example.
fn subnetworks(recipe: &Recipe, faults: &mut Faults<'_>) {
    if recipe.subnetworks.is_some() && !recipe.task.is_labeled() {
        faults.add("subnetworks", "are for the examples of a task with labels");
    }
}

/// A language adapter lies under the adapter of a task.
fn adapters(recipe: &Recipe, faults: &mut Faults<'_>) {
    if recipe.language_adapter.is_none() {
        return;
    }
    if recipe.adapter.is_none() || !recipe.task.is_labeled() {
        faults.add("language_adapter", "lies under the adapter of a task with labels, [adapter]");
    }
    if let Some(AdapterRecipe::SeqBnInv(_)) = recipe.adapter {
        let message = "adapter.seq_bn_inv: an invertible adapter acts only under all others";
        faults.add_message("adapter", message);
    }
}

/// An update must get as many batches as it asks for, and of several languages if it compares them.
fn gradients_of_a_step(recipe: &Recipe, faults: &mut Faults<'_>) {
    let (accumulate, n_task) = (recipe.training.accumulate, recipe.update.batches_of_task() as u64);
    if accumulate > 0 && !accumulate.is_multiple_of(n_task) {
        let problem =
            format!("a step is made of tasks of {n_task} batches each, found {accumulate}");
        faults.add("training.accumulate", problem);
    }
    if recipe.update.pcgrad.is_some() && (accumulate < 2 || recipe.data.sources.len() < 2) {
        let problem = "is about the languages of one step: name others in data.sources, and set \
                       training.accumulate to 2 or more";
        faults.add("update.pcgrad", problem);
    }
}

/// The views that an objective reads must be described, and a teacher named.
fn views(recipe: &Recipe, method: &dyn Objective, refuse: &mut dyn FnMut(String)) {
    for view in method.needs().views {
        let missing = match view.text {
            TextView::SubwordSampled if recipe.views.subword_sampled.is_none() => "subword_sampled",
            TextView::CodeSwitched if recipe.views.code_switched.is_none() => "code_switched",
            TextView::Translated if recipe.views.translated.is_none() => "translated",
            _ => "",
        };
        if !missing.is_empty() {
            refuse(format!("the view {missing} needs a table [views.{missing}]"));
        }
        if view.text == TextView::Translated && matches!(recipe.task, Task::Tagging { .. }) {
            refuse("translations have no tags; tagging cannot use the view translated".into());
        }
        let has_teacher = recipe.teacher.is_some() || recipe.student.is_some();
        if view.role == Role::Teacher && !has_teacher {
            refuse("a teacher needs a table [teacher] with its source".into());
        }
    }
}

/// R-Drop is a whole loss: beside it, the first pass would be trained twice.
fn twice_trained(recipe: &Recipe, method: &ObjectiveConfig, refuse: &mut dyn FnMut(String)) {
    let has_r_drop = recipe.objective.iter().any(|o| matches!(o.method, ObjectiveConfig::RDrop(_)));
    if let ObjectiveConfig::CrossEntropy(config) = method
        && has_r_drop
        && config.text == TextView::Original
    {
        let problem = "r_drop has the cross-entropy of both passes already; leave this out, or use \
                       consistency with view = \"second_pass\"";
        refuse(problem.into());
    }
}

/// Text without labels must be named, and the words of pairs linked, where an objective reads them.
fn texts_without_labels(recipe: &Recipe, method: &dyn Objective, refuse: &mut dyn FnMut(String)) {
    for view in method.needs().views {
        let table = match view.text {
            TextView::Monolingual if recipe.monolingual.is_none() => "monolingual",
            TextView::Monolingual => continue,
            text if !text.is_of_task() && recipe.pairs.is_none() => "pairs",
            _ => continue,
        };
        refuse(format!("{} needs a table [{table}]", method.name()));
    }
    let Some(pairs) = &recipe.pairs else { return };
    if method.needs().word_links && pairs.aligner.is_none() {
        refuse(format!("{} needs pairs.aligner to link words", method.name()));
    }
}

/// There is one negative queue, and one projection head of a name.
fn held_by_one<'a>(
    method: &dyn Objective,
    mut others: impl Iterator<Item = &'a dyn Objective> + Clone,
    refuse: &mut dyn FnMut(String),
) {
    if method.memory().is_some() && others.clone().any(|other| other.memory().is_some()) {
        refuse("only one objective can keep a queue of earlier pairs".into());
    }
    let has_projection = |other: &dyn Objective| other.needs().projection_head.is_some();
    if has_projection(method)
        && others.any(|other| has_projection(other) && other.name() == method.name())
    {
        refuse(format!("only one {} can have a projection", method.name()));
    }
}

#[cfg(test)]
mod tests {
    use super::super::Plan;

    const GOOD: &str = r#"
[model]
source = "models/tiny"
[data]
path = "data/{language}.jsonl"
sources = ["en"]
"#;

    fn faults(text: &str) -> Vec<String> {
        match Plan::from_toml(text, "r.toml".as_ref()) {
            Ok(_) => Vec::new(),
            Err(error) => error.faults.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn a_plan_prints_as_a_recipe_that_gives_the_same_plan() {
        let plan = Plan::from_toml(GOOD, "good.toml".as_ref()).unwrap();
        assert_eq!(plan.name(), "good");
        let again = Plan::from_toml(&plan.to_toml(), "good.toml".as_ref()).unwrap();
        assert_eq!(again, plan);
    }

    #[test]
    fn all_faults_come_at_once_with_their_places() {
        let text = r#"
seed = "many"
[model]
source = "models/tiny"
max_length = 1
[data]
path = "data.jsonl"
langauges = ["de"]
[[objective]]
method.cross_entropy = {}
[[objective]]
weight = -2.0
method.cross_entropi = {}
[optimizer]
learning_rate = 0.0
[trainning]
epochs = 3
"#;
        let found = faults(text);
        for expected in [
            "2:8: invalid type",
            "5:1: model.max_length: expected at least 3, found 1",
            "6:2: data.sources: name the language",
            "7:1: data.path: expected {language}",
            "8:1: unknown field `langauges`",
            "13:8: unknown variant `cross_entropi`",
            "15:1: optimizer.learning_rate",
            "16:2: unknown field `trainning`",
        ] {
            assert!(
                found.iter().any(|fault| fault.starts_with(expected)),
                "no fault {expected:?} in {found:#?}"
            );
        }
    }

    #[test]
    fn broken_syntax_is_placed_too() {
        let found = faults("[model\nsource = 1 2\n");
        assert!(found.iter().any(|fault| fault.starts_with("1:")), "{found:?}");
        // What an unreadable file lacks is not known.
        assert!(found.iter().all(|fault| !fault.contains("model.source")), "{found:?}");
    }
    #[test]
    fn an_old_name_of_a_key_is_answered_with_its_new_one() {
        for (old, expected) in [
            (
                "before = \"x.toml\"\n",
                "1:1: unknown field `before`: it is called `pretrain_recipe` now",
            ),
            (
                "[data]\nmore_sources = [\"de\"]\n",
                "2:1: unknown field `more_sources`: it is called `sources`",
            ),
            (
                "data.source = \"en\"\n",
                "1:6: unknown field `source`: it is called `sources`, a list, now",
            ),
            (
                "[training]\n zero_shot = 3\n",
                "2:2: unknown field `zero_shot`: it is called `zero_shot_eval_examples` now",
            ),
            (
                "[training]\nfrozen = { drops = true }\n",
                "2:12: unknown field `drops`: it is called `dropout` now",
            ),
            (
                "[update.project_conflicts]\n",
                "1:9: unknown field `project_conflicts`: it is called `pcgrad` now",
            ),
        ] {
            let found = faults(old);
            assert!(found.iter().any(|fault| fault.starts_with(expected)), "{old}: {found:#?}");
        }
    }
}
