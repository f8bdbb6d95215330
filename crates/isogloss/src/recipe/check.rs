//! Cross-table validation of a recipe; the rules of a single table stand with the table.

mod views;

use std::sync::Arc;

use isogloss_methods::{
    GuidedDropoutScores, LanguageSampling, Objective, ObjectiveConfig, Role, TextView,
};
use isogloss_text::{Format, Unseen};

use super::{LanguageExchange, Languages, ModelSelection, Recipe, RecipeFaults};
use crate::task::{HeldOutTable, Supervision, TargetKind, UnlabeledTask};

/// Validates the tables of a recipe against each other.
pub(super) fn check(recipe: &Recipe, faults: &mut RecipeFaults<'_>) {
    match recipe.task.supervision() {
        Supervision::Labels(task) => {
            recipe.data.check_path(faults);
            if task.target() == TargetKind::Tree {
                treebank(recipe, faults);
            }
        }
        Supervision::HeldOutText(task) => without_labels(recipe, task, faults),
    }
    if recipe.data.unseen_labels == Unseen::Keep && recipe.task.target() != Some(TargetKind::Tree) {
        faults.add("data.unseen_labels", "\"keep\" is for parsing; use \"error\" or \"skip\"");
    }
    centring(recipe, faults);
    unlabeled(recipe, faults);
    several_sources(recipe, faults);
    subnetworks(recipe, faults);
    adapters(recipe, faults);
    embeddings(recipe, faults);
    guided_dropout(recipe, faults);
    check_gradient_accumulation(recipe, faults);
    ramp_ups(recipe, faults);
    for (index, objective) in recipe.objective.iter().enumerate() {
        let method = objective.method.init();
        if !objective.freeze.is_empty() && !method.needs().is_unlabeled() && is_dynamic(recipe) {
            let problem = "the importance of heads in [subnetworks.dynamic] is that of one backward \
                           pass over the task; freeze in losses of pairs alone";
            faults.add(&format!("objective.{index}.freeze"), problem);
        }
        let mut refuse =
            |problem: String| faults.add_message(&format!("objective.{index}.method"), problem);
        inputs(recipe, &*method, &mut refuse);
        let refused = recipe.task.labeled().and_then(|task| task.refuses(&objective.method));
        if let Some(problem) = refused {
            refuse(format!("{} {problem}", method.name()));
        }
        check_duplicate_cross_entropy(recipe, &objective.method, &mut refuse);
        views::translated_tags(recipe, &objective.method, &mut refuse);
        let others = recipe.objective.iter().enumerate().filter(|(other, _)| *other != index);
        let others: Vec<_> = others.map(|(_, other)| other.method.init()).collect();
        check_unique_states(&*method, others.iter().map(AsRef::as_ref), &mut refuse);
    }
}

/// One loss must be there from the first step on; a loss that joins later has no past to go by.
fn ramp_ups(recipe: &Recipe, faults: &mut RecipeFaults<'_>) {
    let begins_late = |begin: Option<f64>| begin.is_some_and(|begin| begin > 0.0);
    let mut begins = recipe.objective.iter().map(|o| o.ramp_up.map(|ramp_up| ramp_up.begin));
    if !recipe.objective.is_empty() && begins.all(begins_late) {
        let problem = "no objective is trained in the first steps; one must begin at 0";
        faults.add("objective.0.ramp_up", problem);
    }
    let samplings = [
        recipe.pairs.as_ref().map(|table| &table.sampling),
        recipe.monolingual.as_ref().map(|table| &table.sampling),
        recipe.unlabeled.as_ref().map(|table| &table.sampling),
    ];
    let follows_losses = samplings.into_iter().flatten().any(LanguageSampling::follows_losses);
    for (index, objective) in recipe.objective.iter().enumerate() {
        let needs = objective.method.init().needs();
        if !begins_late(objective.ramp_up.map(|ramp_up| ramp_up.begin)) {
            continue;
        }
        let mut refuse = |problem| faults.add(&format!("objective.{index}.ramp_up.begin"), problem);
        if needs.negative_queue.is_some() {
            refuse("the negative queue would begin with keys of an old model; use 0");
        }
        if follows_losses && needs.is_unlabeled() {
            refuse(
                "languages are drawn by losses that are not there yet; use 0, or another sampling",
            );
        }
    }
}

/// Whether the subnetworks follow the importance of their units.
fn is_dynamic(recipe: &Recipe) -> bool {
    recipe.subnetworks.as_ref().is_some_and(|table| table.dynamic.is_some())
}

/// Validates a custom objective against the recipe and the other objectives.
pub(super) fn added_objective(
    recipe: &Recipe,
    method: &dyn Objective,
    others: &[(f64, Arc<dyn Objective>)],
    faults: &mut RecipeFaults<'_>,
) {
    let mut refuse = |problem: String| faults.add_message("objective", problem);
    inputs(recipe, method, &mut refuse);
    check_unique_states(method, others.iter().map(|(_, other)| &**other), &mut refuse);
}

/// The recipe must provide the inputs of an objective: labels, views and texts.
fn inputs(recipe: &Recipe, method: &dyn Objective, refuse: &mut dyn FnMut(String)) {
    let reads_labels = !method.needs().is_unlabeled();
    let reads_head = method.needs().views.iter().any(|view| view.text.is_unlabeled());
    if !recipe.task.is_labeled() && (reads_labels || reads_head) {
        refuse(format!("{} needs a task with labels", method.name()));
    }
    views::provided(recipe, method, refuse);
    check_unlabeled_text(recipe, method, refuse);
}

/// An unsupervised task needs held-out text, and excludes options that need labels.
fn without_labels(recipe: &Recipe, task: &dyn UnlabeledTask, faults: &mut RecipeFaults<'_>) {
    let (name, table) = (task.name(), task.held_out().name());
    let held_out = match task.held_out() {
        HeldOutTable::Pairs => recipe.pairs.as_ref().map(|pairs| pairs.held_out),
        HeldOutTable::Monolingual => recipe.monolingual.as_ref().map(|texts| texts.held_out),
    };
    if !recipe.data.path.is_empty() {
        let problem = format!("{name} has no labeled examples; its sentences are [{table}]");
        faults.add("data.path", problem);
    }
    match held_out {
        None => faults.add_message("task", format!("task.{name}: needs a table [{table}]")),
        Some(n) => faults.at_least(&format!("{table}.held_out"), n as u64, 1),
    }
    if let (HeldOutTable::Monolingual, Some(_), Some(texts)) =
        (task.held_out(), &recipe.adapter, &recipe.monolingual)
        && !matches!(&texts.languages, Languages::Listed(languages) if languages.len() == 1)
    {
        faults.add("monolingual.languages", "a language adapter is of one language");
    }
    let needs_labels = [
        ("training.selection", recipe.training.selection == ModelSelection::AllLanguages),
        ("measure", recipe.measure.is_some()),
        ("few_shot", recipe.few_shot.is_some()),
        ("centring", recipe.centring.is_some()),
        ("guided_dropout", recipe.guided_dropout.is_some()),
        ("update.fisher_penalty", recipe.update.fisher_penalty.is_some()),
        ("update.tram", recipe.update.tram.is_some()),
        ("schedule.fun", recipe.schedule.fun.is_some()),
    ];
    for (entry, _) in needs_labels.iter().filter(|(_, is_there)| *is_there) {
        faults.add(entry, "needs a task with labels");
    }
}

/// A dependency parser reads CoNLL-U treebanks, and excludes options for one label a row.
fn treebank(recipe: &Recipe, faults: &mut RecipeFaults<'_>) {
    let data = &recipe.data;
    let format = data.format.or_else(|| Format::from_path(data.path.as_ref()));
    if format.is_some_and(|format| format != Format::Conllu) {
        faults.add("data.path", "a parser reads CoNLL-U, .conllu");
    }
    if !data.path.has_split() {
        let problem = "expected {split} where the name of the split stands; CoNLL-U does not say which \
                       split a sentence is of";
        faults.add("data.path", problem);
    }
    let of_one_label = [
        ("measure", recipe.measure.is_some()),
        ("guided_dropout", recipe.guided_dropout.is_some()),
        ("update.fisher_penalty", recipe.update.fisher_penalty.is_some()),
        ("update.tram", recipe.update.tram.is_some()),
        ("schedule.fun", recipe.schedule.fun.is_some()),
    ];
    for (entry, _) in of_one_label.iter().filter(|(_, is_there)| *is_there) {
        let problem = "needs a task with one label a row; a parser says several things of a word";
        faults.add(entry, problem);
    }
}

/// Language centring is of the classifier of the finished model alone.
fn centring(recipe: &Recipe, faults: &mut RecipeFaults<'_>) {
    if recipe.centring.is_none() {
        return;
    }
    if recipe.task.target() == Some(TargetKind::Tree) {
        faults.add(
            "centring",
            "a parser has no features to center; it is for classifiers and taggers",
        );
    }
    if recipe.few_shot.is_some() {
        faults.add(
            "centring",
            "[few_shot] learns from features that are not moved; leave one of them out",
        );
    }
}

/// Unlabeled text is of a task with labels, and runs through the model that the source language has.
fn unlabeled(recipe: &Recipe, faults: &mut RecipeFaults<'_>) {
    if recipe.unlabeled.is_none() {
        return;
    }
    match recipe.task.target() {
        None => faults.add("unlabeled", "needs a task with labels"),
        Some(TargetKind::Tree) => {
            let problem = "a parser learns from trees alone; it is for classifiers and taggers";
            faults.add("unlabeled", problem);
        }
        Some(TargetKind::Class | TargetKind::Tag(_)) => {}
    }
    views::unlabeled(recipe, faults);
    let adapter = recipe.language_adapter.as_ref();
    if recipe.data.sources.len() < 2
        && adapter.is_some_and(|table| table.evaluation != LanguageExchange::Source)
    {
        let problem = "its languages are read with the language adapter of the source; set \
                       language_adapter.evaluation to \"source\", or leave one of them out";
        faults.add("unlabeled", problem);
    }
    if recipe.subnetworks.is_some() {
        let problem = "its texts run through the whole model, and languages of [subnetworks] are \
                       scored through their subnetworks; leave one of them out";
        faults.add("unlabeled", problem);
    }
}

/// Options for a single source language are refused with several.
fn several_sources(recipe: &Recipe, faults: &mut RecipeFaults<'_>) {
    if recipe.data.sources.len() < 2 {
        return;
    }
    for (field, problem) in recipe.views.source_faults(&recipe.data.sources) {
        faults.add(&format!("views.{field}"), &problem);
    }
    let Some(adapter) = &recipe.language_adapter else { return };
    if adapter.evaluation != LanguageExchange::Target {
        let problem = "texts of several sources go through the adapter of their own language, and so \
                       do those of other languages; use \"target\"";
        faults.add("language_adapter.evaluation", problem);
    }
    let mixed = [
        ("pairs", recipe.pairs.is_some()),
        ("monolingual", recipe.monolingual.is_some()),
        ("unlabeled", recipe.unlabeled.is_some()),
    ];
    for (table, _) in mixed.iter().filter(|(_, is_there)| *is_there) {
        let problem = "its texts come with a batch of any of the sources, and would go through the \
                       language adapter of that one; leave it or [language_adapter] out";
        faults.add(table, problem);
    }
    if recipe.teacher.is_some() {
        let problem = "it would read all languages through the language adapter of the first source; \
                       leave it or [language_adapter] out";
        faults.add("teacher", problem);
    }
}

/// Subnetworks need a task with labels: they are chosen by the language of an example.
fn subnetworks(recipe: &Recipe, faults: &mut RecipeFaults<'_>) {
    if recipe.subnetworks.is_some() && !recipe.task.is_labeled() {
        faults.add("subnetworks", "are for the examples of a task with labels");
    }
}

/// Guided dropout scored on masked language modelling needs text to mask.
fn guided_dropout(recipe: &Recipe, faults: &mut RecipeFaults<'_>) {
    let scores = recipe.guided_dropout.as_ref().map(|config| config.scores);
    if scores == Some(GuidedDropoutScores::MaskedLm) && recipe.monolingual.is_none() {
        faults.add("guided_dropout.scores", "\"masked_lm\" needs a table [monolingual]");
    }
}

/// Schedules unfreeze embeddings only where the pretrained weights are trained.
fn embeddings(recipe: &Recipe, faults: &mut RecipeFaults<'_>) {
    let trains_adapter = recipe.adapter.is_some() || recipe.language_adapter.is_some();
    if let (Some(key), true) = (recipe.schedule.unfreezes_embeddings(), trains_adapter) {
        let problem = "adapters are trained in place of the pretrained weights, embeddings too";
        faults.add(&format!("schedule.{key}.embeddings"), problem);
    }
}

/// A language adapter needs a task with labels, and an adapter above it that is not invertible.
fn adapters(recipe: &Recipe, faults: &mut RecipeFaults<'_>) {
    if recipe.language_adapter.is_none() {
        return;
    }
    if !recipe.task.is_labeled() {
        faults.add("language_adapter", "lies under the adapter of a task with labels");
    }
    if recipe.adapter.as_ref().is_some_and(|adapter| adapter.config().is_invertible()) {
        let message = "adapter.seq_bn_inv: an invertible adapter acts only under all others";
        faults.add_message("adapter", message);
    }
}

/// Gradient accumulation must suit the update rule: whole tasks for meta-learning, several
/// languages for PCGrad.
fn check_gradient_accumulation(recipe: &Recipe, faults: &mut RecipeFaults<'_>) {
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

/// R-Drop includes the cross-entropy: another one would train the first pass twice.
fn check_duplicate_cross_entropy(
    recipe: &Recipe,
    method: &ObjectiveConfig,
    refuse: &mut dyn FnMut(String),
) {
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

/// The recipe must name the unlabeled text, and the word aligner of pairs, that an objective reads.
fn check_unlabeled_text(recipe: &Recipe, method: &dyn Objective, refuse: &mut dyn FnMut(String)) {
    for view in method.needs().views {
        let table = match view.text {
            TextView::Monolingual if recipe.monolingual.is_none() => "monolingual",
            text if text.is_unlabeled() && recipe.unlabeled.is_none() => "unlabeled",
            text if text.is_of_pairs() && recipe.pairs.is_none() => "pairs",
            _ => continue,
        };
        refuse(format!("{} needs a table [{table}]", method.name()));
    }
    let Some(pairs) = &recipe.pairs else { return };
    if method.needs().word_links && pairs.aligner.is_none() {
        refuse(format!("{} needs pairs.aligner to link words", method.name()));
    }
}

/// At most one momentum encoder, one negative queue, and one projection head for each name.
fn check_unique_states<'a>(
    method: &dyn Objective,
    mut others: impl Iterator<Item = &'a dyn Objective> + Clone,
    refuse: &mut dyn FnMut(String),
) {
    let has_queue = |other: &dyn Objective| other.needs().negative_queue.is_some();
    let has_average =
        |other: &dyn Objective| other.needs().views.iter().any(|view| view.role == Role::Momentum);
    if has_queue(method) && others.clone().any(has_queue) {
        refuse("only one objective can keep a queue of earlier pairs".into());
    } else if has_average(method) && others.clone().any(has_average) {
        refuse(
            "only one objective can keep a momentum encoder, a moving average of the model".into(),
        );
    }
    if method.needs().statistics
        && others.clone().any(|other| other.needs().statistics && other.name() == method.name())
    {
        refuse(format!("only one {} can have thresholds by class", method.name()));
    }
    let has_projection = |other: &dyn Objective| other.needs().projection_head.is_some();
    if has_projection(method)
        && others.any(|other| has_projection(other) && other.name() == method.name())
    {
        refuse(format!("only one {} can have a projection", method.name()));
    }
}

#[cfg(test)]
mod tests;
