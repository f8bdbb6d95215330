//! What a recipe must satisfy beyond its form.

mod parsing;

use isogloss_methods::{GuidedDropoutConfig, LanguageSampling, ObjectiveConfig, Role, TextView};
use isogloss_text::Format;

use super::parse::Places;
use super::{FrozenRecipe, Languages, Plan, Recipe, Task};
use crate::{AdapterRecipe, AlignerRecipe, RecipeFault};

/// Makes a plan, or returns all faults in the order of the file.
pub(super) fn plan(
    name: String,
    recipe: Recipe,
    mut faults: Vec<RecipeFault>,
    places: &Places,
) -> Result<Plan, Vec<RecipeFault>> {
    let mut fault = |entry: &str, problem: String| faults.push(places.fault(entry, problem));

    if recipe.model.source.is_empty() {
        fault("model.source", "model.source: name a folder or a repository on the hub".into());
    }
    at_least(&mut fault, "model.max_length", recipe.model.max_length as u64, 3);
    if let Some(rate) = recipe.model.dropout.filter(|rate| !(0.0..1.0).contains(rate)) {
        fault("model.dropout", format!("model.dropout: expected [0, 1), found {rate}"));
    }

    let data = &recipe.data;
    if !recipe.task.is_labeled() {
        unlabeled(&mut fault, &recipe);
    } else if data.path.is_empty() {
        fault("data.path", "data.path: name the files, such as data/{language}.jsonl".into());
    } else if !data.path.contains("{language}") {
        fault("data.path", "data.path: expected {language} where the language tag stands".into());
    } else if data.format.is_none() && Format::from_path(data.path.as_ref()).is_none() {
        fault("data.path", "data.format: the path's extension does not tell the format".into());
    }
    if data.source.is_none() {
        fault("data.source", "data.source: name the language to train on".into());
    }

    more_sources(&mut fault, &recipe);
    subnetworks(&mut fault, &recipe);

    if recipe.objective.is_empty() {
        fault("objective", "objective: name at least one".into());
    }
    for (index, objective) in recipe.objective.iter().enumerate() {
        let entry = format!("objective.{index}");
        if !objective.weight.is_finite() || objective.weight < 0.0 {
            let problem = format!("weight: expected zero or more, found {}", objective.weight);
            fault(&format!("{entry}.weight"), problem);
        }
        for (field, problem) in objective.method.faults() {
            fault(&format!("{entry}.method"), format!("{field}: {problem}"));
        }
    }

    adapters(&mut fault, &recipe);
    methods(&mut fault, &recipe);
    pairs(&mut fault, &recipe);
    parsing::check(&mut fault, &recipe);

    let optimizer = &recipe.optimizer;
    positive(&mut fault, "optimizer.learning_rate", optimizer.learning_rate);
    if let Some(rate) = optimizer.head_learning_rate {
        positive(&mut fault, "optimizer.head_learning_rate", rate);
    }
    within(&mut fault, "optimizer.warmup_ratio", optimizer.warmup_ratio);
    for (index, beta) in optimizer.adamw.betas.iter().enumerate() {
        within(&mut fault, &format!("optimizer.adamw.betas.{index}"), *beta);
    }
    positive(&mut fault, "optimizer.adamw.epsilon", optimizer.adamw.epsilon);
    if let Some(max) = optimizer.adamw.max_grad_norm {
        positive(&mut fault, "optimizer.adamw.max_grad_norm", max);
    }
    let decay = optimizer.adamw.weight_decay;
    if !decay.is_finite() || decay < 0.0 {
        let problem = format!("weight_decay: expected zero or more, found {decay}");
        fault("optimizer.adamw.weight_decay", problem);
    }

    let training = &recipe.training;
    at_least(&mut fault, "training.epochs", training.epochs, 1);
    at_least(&mut fault, "training.batch_size", training.batch_size as u64, 1);
    at_least(&mut fault, "training.accumulate", training.accumulate, 1);
    let of_task = recipe.update.batches_of_task() as u64;
    if training.accumulate > 0 && !training.accumulate.is_multiple_of(of_task) {
        let problem = format!(
            "training.accumulate: a step is made of tasks of {of_task} batches each, found {}",
            training.accumulate
        );
        fault("training.accumulate", problem);
    }
    at_least(&mut fault, "training.log_every", training.log_every, 1);
    at_least(&mut fault, "training.checkpoint_every", training.checkpoint_every, 1);
    let evaluation = training.evaluation_batch_size as u64;
    at_least(&mut fault, "training.evaluation_batch_size", evaluation, 1);
    for (field, room) in training.frozen.iter().flat_map(FrozenRecipe::room) {
        if !(room >= 0.0 && room.is_finite()) {
            let entry = format!("training.frozen.{field}");
            let problem = format!("{entry}: expected a size of at least 0, found {room}");
            fault(&entry, problem);
        }
    }
    if let Some(n) = training.zero_shot {
        at_least(&mut fault, "training.zero_shot", n as u64, 1);
    }
    if let Some(max_steps) = training.max_steps {
        at_least(&mut fault, "training.max_steps", max_steps, 1);
    }

    let sources: Vec<_> = data.source.iter().chain(&data.more_sources).cloned().collect();
    match data.source {
        Some(_) if faults.is_empty() => Ok(Plan { name, recipe, sources, before: None }),
        _ => {
            faults.sort_by_key(|fault| (fault.line, fault.column));
            faults.dedup();
            Err(faults)
        }
    }
}

/// What several languages of training must satisfy together.
fn more_sources(fault: &mut impl FnMut(&str, String), recipe: &Recipe) {
    let data = &recipe.data;
    for (index, language) in data.more_sources.iter().enumerate() {
        let mut earlier = data.source.iter().chain(&data.more_sources[..index]);
        if earlier.any(|other| other == language) {
            let problem = format!("data.more_sources: \"{language}\" is a source already");
            fault("data.more_sources", problem);
        }
    }
    for (field, problem) in data.sampling.iter().flat_map(LanguageSampling::faults) {
        fault("data.sampling", format!("data.sampling.{field}: {problem}"));
    }
    if let Some(LanguageSampling::Ucb(_)) = data.sampling {
        let problem = "data.sampling: batches with labels are made ahead of their losses; draw by size \
                       or evenly";
        fault("data.sampling", problem.into());
    }
    if data.more_sources.is_empty() {
        if data.sampling.is_some() {
            let problem = "data.sampling: there is one language to draw; name data.more_sources";
            fault("data.sampling", problem.into());
        }
        return;
    }
    let of_one_language = [
        ("views.code_switched", recipe.views.code_switched.is_some()),
        ("views.translated", recipe.views.translated.is_some()),
        ("language_adapter", recipe.language_adapter.is_some()),
    ];
    for (entry, is_there) in of_one_language {
        if is_there {
            fault(entry, format!("{entry}: is for one language of training, not for several"));
        }
    }
}

/// What subnetworks must satisfy.
fn subnetworks(fault: &mut impl FnMut(&str, String), recipe: &Recipe) {
    let Some(subnetworks) = &recipe.subnetworks else { return };
    if !subnetworks.path.contains("{language}") {
        let problem = "subnetworks.path: expected {language} where the language tag stands";
        fault("subnetworks.path", problem.into());
    }
    if let Some((field, problem)) = subnetworks.dynamic.and_then(|dynamic| dynamic.faults()) {
        let entry = format!("subnetworks.dynamic.{field}");
        fault(&entry, format!("{entry}: {problem}"));
    }
    if !recipe.task.is_labeled() {
        fault("subnetworks", "subnetworks: are for the examples of a task with labels".into());
    }
}

/// What adapters must satisfy together.
fn adapters(fault: &mut impl FnMut(&str, String), recipe: &Recipe) {
    for (field, problem) in recipe.schedule.faults() {
        fault(&format!("schedule.{field}"), format!("schedule.{field}: {problem}"));
    }
    if let Some(language) = &recipe.language_adapter {
        if recipe.adapter.is_none() || !recipe.task.is_labeled() {
            let problem =
                "language_adapter: lies under the adapter of a task with labels, [adapter]";
            fault("language_adapter", problem.into());
        }
        if let Some(AdapterRecipe::SeqBnInv(_)) = recipe.adapter {
            let problem = "adapter.seq_bn_inv: an invertible adapter acts only under all others";
            fault("adapter", problem.into());
        }
        if !language.path.contains("{language}") {
            let problem =
                "language_adapter.path: expected {language} where the language tag stands";
            fault("language_adapter.path", problem.into());
        }
    }
}

/// What objectives, views and updates must satisfy together.
fn methods(fault: &mut impl FnMut(&str, String), recipe: &Recipe) {
    for (field, problem) in recipe.views.faults() {
        fault(&format!("views.{field}"), format!("views.{field}: {problem}"));
    }
    for (field, problem) in recipe.update.faults() {
        fault(&format!("update.{field}"), format!("update.{field}: {problem}"));
    }
    for (field, problem) in recipe.guided_dropout.iter().flat_map(GuidedDropoutConfig::faults) {
        let entry = format!("guided_dropout.{field}");
        fault(&entry, format!("{entry}: {problem}"));
    }
    if let Some(measure) = &recipe.measure {
        at_least(fault, "measure.every", measure.every, 1);
        at_least(fault, "measure.n_examples", measure.n_examples as u64, 1);
        at_least(fault, "measure.batch_size", measure.batch_size as u64, 1);
        if !measure.radius.is_finite() || measure.radius < 0.0 {
            let problem = format!("expected zero or more, found {}", measure.radius);
            fault("measure.radius", format!("measure.radius: {problem}"));
        }
    }

    if let Some(few_shot) = &recipe.few_shot {
        at_least(fault, "few_shot.n_support", few_shot.n_support as u64, 1);
        at_least(fault, "few_shot.steps", few_shot.steps as u64, 1);
        positive(fault, "few_shot.learning_rate", few_shot.learning_rate);
        if let Some(rate) = few_shot.head_learning_rate {
            positive(fault, "few_shot.head_learning_rate", rate);
        }
    }
    if recipe.update.pcgrad.is_some()
        && (recipe.training.accumulate < 2 || recipe.data.more_sources.is_empty())
    {
        let problem = "update.pcgrad: is about the languages of one step: name others in \
                       data.more_sources, and set training.accumulate to 2 or more";
        fault("update.pcgrad", problem.into());
    }

    let views = &recipe.views;
    for (index, objective) in recipe.objective.iter().enumerate() {
        let entry = format!("objective.{index}.method");
        let mut lacking = |problem: String| fault(&entry, problem);
        for view in objective.method.init().views() {
            let missing = match view.text {
                TextView::SubwordSampled if views.subword_sampled.is_none() => "subword_sampled",
                TextView::CodeSwitched if views.code_switched.is_none() => "code_switched",
                TextView::Translated if views.translated.is_none() => "translated",
                _ => "",
            };
            if !missing.is_empty() {
                lacking(format!("the view {missing} needs a table [views.{missing}]"));
            }
            if view.text == TextView::Translated && matches!(recipe.task, Task::Tagging { .. }) {
                lacking("translations have no tags; tagging cannot use the view translated".into());
            }
            let has_teacher = recipe.teacher.is_some() || recipe.student.is_some();
            if view.role == Role::Teacher && !has_teacher {
                lacking("a teacher needs a table [teacher] with its source".into());
            }
        }
    }
    // R-Drop is a whole loss: beside it, the first pass would be trained twice.
    let has_r_drop = recipe.objective.iter().any(|o| matches!(o.method, ObjectiveConfig::RDrop(_)));
    for (index, objective) in recipe.objective.iter().enumerate() {
        if let ObjectiveConfig::CrossEntropy(config) = &objective.method
            && has_r_drop
            && config.text == TextView::Original
        {
            let problem = "r_drop has the cross-entropy of both passes already; leave this out, or \
                           use consistency with view = \"second_pass\"";
            fault(&format!("objective.{index}.method"), problem.to_owned());
        }
    }
}

/// What a task without labels must satisfy.
fn unlabeled(fault: &mut impl FnMut(&str, String), recipe: &Recipe) {
    let task = recipe.task.name();
    let (table, held_out) = match recipe.task {
        Task::LanguageModeling {} => {
            ("monolingual", recipe.monolingual.as_ref().map(|texts| texts.held_out))
        }
        _ => ("pairs", recipe.pairs.as_ref().map(|pairs| pairs.held_out)),
    };
    if !recipe.data.path.is_empty() {
        let problem = format!("{task} has no labeled examples; its sentences are [{table}]");
        fault("data.path", format!("data.path: {problem}"));
    }
    match held_out {
        None => fault("task", format!("task.{task}: needs a table [{table}]")),
        Some(n) => at_least(fault, &format!("{table}.held_out"), n as u64, 1),
    }
    if let (Task::LanguageModeling {}, Some(_), Some(texts)) =
        (&recipe.task, &recipe.adapter, &recipe.monolingual)
        && !matches!(&texts.languages, Languages::These(languages) if languages.len() == 1)
    {
        let problem = "monolingual.languages: a language adapter is of one language";
        fault("monolingual.languages", problem.into());
    }
    for (index, objective) in recipe.objective.iter().enumerate() {
        let method = objective.method.init();
        if method.views().iter().any(|view| view.text.is_of_task()) {
            let problem = format!("{} needs a task with labels", method.name());
            fault(&format!("objective.{index}.method"), problem);
        }
    }
    let needs_labels = [
        ("measure", recipe.measure.is_some()),
        ("few_shot", recipe.few_shot.is_some()),
        ("guided_dropout", recipe.guided_dropout.is_some()),
        ("update.fisher_penalty", recipe.update.fisher_penalty.is_some()),
        ("schedule.fun", recipe.schedule.fun.is_some()),
    ];
    for (entry, _) in needs_labels.iter().filter(|(_, is_there)| *is_there) {
        fault(entry, format!("{entry}: needs a task with labels"));
    }
}

/// What pairs and the objectives that read them must satisfy together.
fn pairs(fault: &mut impl FnMut(&str, String), recipe: &Recipe) {
    for (index, objective) in recipe.objective.iter().enumerate() {
        let method = objective.method.init();
        let mut lacking = |table: &str| {
            let problem = format!("{} needs a table [{table}]", method.name());
            fault(&format!("objective.{index}.method"), problem);
        };
        for view in method.views() {
            match view.text {
                TextView::Monolingual if recipe.monolingual.is_none() => lacking("monolingual"),
                TextView::Monolingual => {}
                text if !text.is_of_task() && recipe.pairs.is_none() => lacking("pairs"),
                _ => {}
            }
        }
    }
    for (field, problem) in recipe.masking.faults() {
        fault(&format!("masking.{field}"), format!("masking.{field}: {problem}"));
    }
    if let Some(texts) = &recipe.monolingual {
        at_least(fault, "monolingual.batch_size", texts.batch_size as u64, 1);
        at_least(fault, "monolingual.max_length", texts.max_length as u64, 3);
        if !texts.path.contains("{language}") {
            let problem = "monolingual.path: expected {language} where the language tag stands";
            fault("monolingual.path", problem.into());
        }
        for (field, problem) in texts.sampling.faults() {
            fault("monolingual.sampling", format!("monolingual.sampling.{field}: {problem}"));
        }
    }
    let Some(pairs) = &recipe.pairs else { return };
    at_least(fault, "pairs.batch_size", pairs.batch_size as u64, 1);
    at_least(fault, "pairs.max_length", pairs.max_length as u64, 3);
    let aligner = pairs.aligner.iter().flat_map(AlignerRecipe::paths);
    let aligner = aligner.map(|(field, path)| (format!("pairs.aligner.{field}"), path));
    for (entry, path) in std::iter::once(("pairs.path".to_owned(), &*pairs.path)).chain(aligner) {
        if !path.contains("{language}") {
            let problem = format!("{entry}: expected {{language}} where the language tag stands");
            fault(&entry, problem);
        }
    }
    for (field, problem) in pairs.sampling.faults() {
        fault("pairs.sampling", format!("pairs.sampling.{field}: {problem}"));
    }
    let mut remembering = 0;
    let mut projecting = Vec::new();
    for (index, objective) in recipe.objective.iter().enumerate() {
        let method = objective.method.init();
        let mut lacking = |problem: String| fault(&format!("objective.{index}.method"), problem);
        if method.needs_links() && pairs.aligner.is_none() {
            lacking(format!("{} needs pairs.aligner to link words", method.name()));
        }
        remembering += usize::from(method.memory().is_some());
        if remembering > 1 && method.memory().is_some() {
            lacking("only one objective can keep a queue of earlier pairs".into());
        }
        if method.projection_widths(1).is_some() {
            if projecting.contains(&method.name()) {
                lacking(format!("only one {} can have a projection", method.name()));
            }
            projecting.push(method.name());
        }
    }
}

fn at_least(fault: &mut impl FnMut(&str, String), entry: &str, value: u64, least: u64) {
    if value < least {
        fault(entry, format!("{entry}: expected at least {least}, found {value}"));
    }
}

fn positive(fault: &mut impl FnMut(&str, String), entry: &str, value: f64) {
    if !value.is_finite() || value <= 0.0 {
        fault(entry, format!("{entry}: expected a positive number, found {value}"));
    }
}

fn within(fault: &mut impl FnMut(&str, String), entry: &str, value: f64) {
    if !(0.0..1.0).contains(&value) {
        fault(entry, format!("{entry}: expected a number in [0, 1), found {value}"));
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
source = "en"
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
            "6:2: data.source: name the language",
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
}
