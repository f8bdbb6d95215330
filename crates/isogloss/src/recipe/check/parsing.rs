//! Rules between `[task.parsing]` and the rest of a recipe.

use isogloss_methods::{ObjectiveConfig, Reduction, Role, TextView};
use isogloss_text::{Format, Unseen};

use super::super::{Faults, Recipe};

/// Adds the faults of what cannot go with a parser.
pub(super) fn check(recipe: &Recipe, faults: &mut Faults<'_>) {
    let data = &recipe.data;
    if recipe.task.parsing().is_none() {
        if data.unseen_labels == Unseen::Keep {
            let problem = "\"keep\" is for parsing; use \"error\" or \"skip\"";
            faults.add("data.unseen_labels", problem);
        }
        return;
    }
    let format = data.format.or_else(|| Format::from_path(data.path.as_ref()));
    if format.is_some_and(|format| format != Format::Conllu) {
        faults.add("data.path", "a parser reads CoNLL-U, .conllu");
    }
    if !data.path.has_split() {
        let problem = "expected {split} where the name of the split stands; CoNLL-U does not say which \
                       split a sentence is of";
        faults.add("data.path", problem);
    }
    for (index, objective) in recipe.objective.iter().enumerate() {
        if let Some(problem) = misfit(&objective.method) {
            let problem = format!("{} {problem}", objective.method.init().name());
            faults.add_message(&format!("objective.{index}.method"), problem);
        }
    }
    let of_one_label = [
        ("measure", recipe.measure.is_some()),
        ("guided_dropout", recipe.guided_dropout.is_some()),
        ("update.fisher_penalty", recipe.update.fisher_penalty.is_some()),
        ("schedule.fun", recipe.schedule.fun.is_some()),
    ];
    for (entry, _) in of_one_label.iter().filter(|(_, is_there)| *is_there) {
        let problem = "needs a task with one label a row; a parser says several things of a word";
        faults.add(entry, problem);
    }
}

/// Why an objective cannot train a parser, if it cannot.
///
/// Its rows are the heads of words, with as many columns as the batch has words: what counts columns
/// has no meaning, and what reads other texts would have to know their words.
fn misfit(method: &ObjectiveConfig) -> Option<&'static str> {
    let views = method.init().needs().views;
    let reads = |test: fn(&isogloss_methods::View) -> bool| {
        views.iter().filter(|view| view.text.is_of_task()).any(test)
    };
    match method {
        ObjectiveConfig::CrossEntropy(config) if config.label_smoothing > 0.0 => {
            Some("cannot smooth the heads of words; leave label_smoothing out")
        }
        ObjectiveConfig::R4f(_) => Some("needs a classifier; use r3f for a parser"),
        ObjectiveConfig::FisherPenalty(_) => Some("needs one label a row; a parser has several"),
        ObjectiveConfig::Consistency(config) if config.reduction == Reduction::ElementMean => {
            Some("has no mean over elements for a parser, whose rows are as wide as the batch")
        }
        ObjectiveConfig::RDrop(config) if config.reduction == Reduction::ElementMean => {
            Some("has no mean over elements for a parser, whose rows are as wide as the batch")
        }
        _ if reads(|view| view.role != Role::Student) => {
            Some("does not know a parser's teacher, which says more than one thing of a word")
        }
        _ if reads(|view| view.text != TextView::Original) => {
            Some("reads texts that have no trees; a parser compares passes over the same text")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::Plan;

    const GOOD: &str = "[model]\nsource = \"m\"\n\
        [data]\npath = \"ud/{language}-{split}.conllu\"\nsources = [\"en\"]\n";

    fn faults(text: &str) -> Vec<String> {
        match Plan::from_toml(text, "r.toml".as_ref()) {
            Ok(_) => Vec::new(),
            Err(error) => error.faults.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn a_parser_goes_with_passes_over_the_same_text() {
        let none: [String; 0] = [];
        for more in [
            "[task.parsing]\n",
            "[task.parsing]\nsubtypes = \"keep\"\ntags = false\nword_dropout = 0.2\n",
            "[task.parsing]\n[[objective]]\nmethod.r_drop = {}\n",
            "[task.parsing]\n[[objective]]\nmethod.cross_entropy = {}\n[[objective]]\n\
             method.consistency = { view = { noised = {} } }\n",
        ] {
            assert_eq!(faults(&format!("{GOOD}{more}")), none, "{more}");
        }
    }

    #[test]
    fn what_does_not_go_with_a_parser_is_refused() {
        let objective = |method: &str| format!("[task.parsing]\n[[objective]]\nmethod.{method}\n");
        for (more, expected) in [
            (objective("r4f = {}"), "8:1: r4f needs a classifier"),
            (objective("cross_entropy = { label_smoothing = 0.1 }"), "8:1: cross_entropy cannot"),
            (objective("fisher_penalty = {}"), "8:1: fisher_penalty needs one label"),
            (objective("r_drop = { reduction = \"element_mean\" }"), "8:1: r_drop has no mean"),
            (
                objective("consistency = { view = \"code_switched\" }"),
                "8:1: consistency reads texts that have no trees",
            ),
            ("[task.parsing]\narc_width = 0\n".into(), "7:1: task.parsing.arc_width: expected 1"),
            ("[task.parsing]\nword_dropout = 1.0\n".into(), "7:1: task.parsing.word_dropout"),
            ("[task.parsing]\ntag_weight = -1.0\n".into(), "7:1: task.parsing.tag_weight"),
            ("[task.parsing]\n[measure]\n".into(), "7:2: measure: needs a task with one label"),
            ("[task.parsing]\nwidth = 3\n".into(), "7:1: unknown field `width`"),
        ] {
            let found = faults(&format!("{GOOD}{more}"));
            assert!(found.iter().any(|fault| fault.starts_with(expected)), "{more}: {found:#?}");
        }
        let jsonl = format!("{}[task.parsing]\n", GOOD.replace(".conllu", ".jsonl"));
        assert_eq!(faults(&jsonl), ["4:1: data.path: a parser reads CoNLL-U, .conllu"]);
        let no_split = format!("{}[task.parsing]\n", GOOD.replace("-{split}", ""));
        assert!(faults(&no_split)[0].starts_with("4:1: data.path: expected {split}"));
        let keep =
            GOOD.replace("sources = [\"en\"]", "sources = [\"en\"]\nunseen_labels = \"keep\"");
        assert!(faults(&keep)[0].starts_with("6:1: data.unseen_labels: \"keep\" is for parsing"));
    }
}
