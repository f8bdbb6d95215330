//! The texts of a plan, for vocabulary trimming.

use isogloss_text::Texts;

use crate::data::pairs::{PairLinks, PairSet};
use crate::data::{examples_of, languages_of, train_examples_of};
use crate::ground::plain_text::read_plain_texts;
use crate::{Error, Plan};

/// All texts of a plan and of its `pretrain_recipe`: examples in all languages, sentence pairs,
/// text without labels, and the replacements of words and texts in views.
pub(super) fn from_plan(plan: &Plan) -> Result<Texts, Error> {
    let mut texts = Texts::default();
    let mut next = Some(plan);
    while let Some(plan) = next {
        add(plan, &mut texts)?;
        next = plan.pretrain();
    }
    Ok(texts)
}

/// The training texts with subword sampling; `None` without it.
pub(super) fn sampled(plan: &Plan) -> Result<Option<Texts>, Error> {
    let recipe = plan.recipe();
    if recipe.views.subword_sampled.is_none() || !recipe.task.is_labeled() {
        return Ok(None);
    }
    let mut texts = Texts::default();
    train_examples_of(plan)?.iter().for_each(|example| texts.add_example(example));
    Ok(Some(texts))
}

fn add(plan: &Plan, texts: &mut Texts) -> Result<(), Error> {
    let recipe = plan.recipe();
    if recipe.task.is_labeled() {
        examples_of(plan)?.iter().for_each(|example| texts.add_example(example));
    }
    plan.views_by_language()?.iter().try_for_each(|views| views.add_texts(texts))?;
    for set in recipe.pairs.iter().map(|pairs| PairSet::read_all(pairs, PairLinks::None)) {
        for set in set? {
            let train = set.train.iter().map(|linked| &linked.pair);
            for pair in train.chain(&set.held_out) {
                texts.add_text(&pair.left);
                texts.add_text(&pair.right);
            }
        }
    }
    if let Some(monolingual) = &recipe.monolingual {
        for language in monolingual.languages()? {
            monolingual.sentences(&language)?.iter().for_each(|sentence| texts.add_text(sentence));
        }
    }
    if let Some(unlabeled) = &recipe.unlabeled {
        for language in unlabeled.languages()? {
            unlabeled.texts(&language)?.iter().for_each(|text| texts.add_text(text));
        }
    }
    if let Some(centring) = &recipe.centring {
        for (_, path) in centring.files(plan.sources(), languages_of(plan)?.iter(), true)? {
            read_plain_texts(&path, centring.limit)?.iter().for_each(|text| texts.add_text(text));
        }
    }
    Ok(())
}
