//! Data loader of labeled examples: batches in every view, prefetched on a background thread.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::Scope;

use isogloss_kernels::split_seed;
use isogloss_methods::{LanguageSampling, PredictionUnits, SizeSamplingConfig, TextView};
use isogloss_text::{Features, TokenBatch, Tokenizer, ViewTask, Viewed, Viewer, drop_words};

use super::prediction_units::{parsed_words, tagged_words};
use super::switched_words::mark_switched_words;
use crate::error::DataError;
use crate::ground::seeds;
use crate::recipe::labeled_views;
use crate::step::{ForwardPlan, StepBatch};
use crate::task::{LabeledTask, TargetKind};
use crate::{Corpus, Error, Plan};

/// Prefetching: number of optimizer steps whose batches are made ahead.
const N_AHEAD: usize = 2;

/// Data loader of the labeled examples of a run, with data augmentation.
pub(crate) struct LabeledLoader {
    pub(crate) corpus: Corpus,
    /// The texts that the objectives read.
    texts: Vec<TextView>,
    /// Data augmentation for each source language, if a text other than the original is read or
    /// tags of several views are compared; else none.
    viewers: Vec<Viewer>,
    /// Maximum sequence length of the examples, in tokens.
    pub(crate) max_length: usize,
    pad_token_id: u32,
    /// Whether objectives read which words of a view are switched.
    marks_switched: bool,
    /// Whether objectives pool the subwords of words.
    pools_subwords: bool,
    /// Word dropout: its rate, and the mask token that replaces words.
    word_dropout: Option<(f64, u32)>,
}

impl LabeledLoader {
    /// Reads the training, dev and test sets of a plan.
    pub(crate) fn read(
        plan: &Plan,
        tokenizer: &Tokenizer,
        forward_plan: &ForwardPlan,
        max_length: usize,
        pad_token_id: u32,
    ) -> Result<Self, Error> {
        let mut corpus = Corpus::read(plan, tokenizer, max_length)?;
        let mut texts = vec![TextView::Original];
        texts.extend(forward_plan.texts().into_iter().filter(|text| text.is_of_task()));
        texts.sort();
        texts.dedup();
        let compares = forward_plan.needs().any(|needs| needs.views.len() > 1);
        let tags = matches!(plan.recipe().task.target(), Some(TargetKind::Tag(_)));
        let views = labeled_views(&plan.recipe().views, &texts);
        let viewer = |source| {
            let views = views.for_source(source, plan.sources());
            Viewer::new(&views, tokenizer, source)
        };
        let is_viewed = texts.len() > 1 || compares && tags;
        let viewed = plan.sources().iter().filter(|_| is_viewed);
        let viewers = viewed.map(viewer).collect::<Result<Vec<_>, _>>()?;
        if texts.iter().any(|text| text.is_translated()) {
            let of_part = |(viewer, part): (&Viewer, &Range<usize>)| {
                viewer.n_translated(&corpus.train_examples[part.clone()])
            };
            let n_translated: usize = viewers.iter().zip(&corpus.parts).map(of_part).sum();
            if n_translated == 0 {
                return Err(DataError::NoTranslation { path: corpus.train.path }.into());
            }
            corpus.train.report.n_untranslated = corpus.train_examples.len() - n_translated;
        }
        let rate = plan.recipe().task.labeled().map_or(0.0, LabeledTask::word_dropout);
        let word_dropout =
            (rate > 0.0).then(|| Ok::<_, Error>((rate, tokenizer.mask_id()?))).transpose()?;
        Ok(Self {
            corpus,
            texts,
            viewers,
            max_length,
            pad_token_id,
            marks_switched: forward_plan.needs().any(|needs| needs.switched_words),
            pools_subwords: forward_plan.pools_subwords(),
            word_dropout,
        })
    }

    /// Prefetches batches on a background thread: those of each optimizer step from number `step`
    /// on, in order; it ends when the receiver is dropped.
    pub(crate) fn stream<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        plan: &'scope Plan,
        mut step: u64,
        steps_per_epoch: u64,
    ) -> Receiver<Result<Vec<StepBatch>, Error>> {
        let (sender, receiver) = sync_channel(N_AHEAD);
        let training = &plan.recipe().training;
        let order_seed = split_seed(plan.recipe().seed, seeds::ORDER);
        scope.spawn(move || {
            loop {
                let epoch = step / steps_per_epoch;
                let batches = self.epoch(plan, order_seed, epoch);
                let groups = batches.chunks(training.accumulate as usize);
                for group in groups.skip((step % steps_per_epoch) as usize) {
                    let numbered = group.iter().zip(step * training.accumulate..);
                    let made =
                        numbered.map(|(batch, number)| self.batch(plan, batch, epoch, number));
                    if sender.send(made.collect()).is_err() {
                        return;
                    }
                    step += 1;
                }
            }
        });
        receiver
    }

    /// Number of batches of an epoch: each example is in one, if languages are sampled in
    /// proportion to their data. With several languages, it is rounded up to whole meta-learning
    /// tasks.
    pub(crate) fn batches_per_epoch(&self, plan: &Plan) -> u64 {
        let batches = |part: &Range<usize>| part.len().div_ceil(plan.recipe().training.batch_size);
        let n: usize = self.corpus.parts.iter().map(batches).sum();
        let of_task = plan.recipe().update.batches_of_task();
        if self.corpus.parts.len() > 1 { n.next_multiple_of(of_task) as u64 } else { n as u64 }
    }

    /// Batch sampler: the example indices of each batch of an epoch.
    ///
    /// With several languages, each batch is of one sampled language; once all examples of a
    /// language have been in a batch of the epoch, they are repeated in another order.
    fn epoch(&self, plan: &Plan, seed: u64, epoch: u64) -> Vec<Vec<usize>> {
        let (training, lengths) = (&plan.recipe().training, self.corpus.train.lengths());
        let (order, size) = (training.order, training.batch_size);
        let [_, _, ..] = self.corpus.parts.as_slice() else {
            return order.epoch(&lengths, size, seed, epoch);
        };
        let sampling = plan.recipe().data.sampling.clone();
        let sampling =
            sampling.unwrap_or(LanguageSampling::BySize(SizeSamplingConfig::proportional()));
        let sizes: Vec<usize> = self.corpus.parts.iter().map(Range::len).collect();
        let sampler = sampling.init(&sizes, split_seed(split_seed(seed, u64::MAX), epoch));
        let mut left: Vec<(u64, Vec<Vec<usize>>)> = vec![(0, Vec::new()); sizes.len()];
        // All batches of a meta-learning task are of one language.
        let of_task = plan.recipe().update.batches_of_task() as u64;
        let draw = |number| {
            let language = sampler.draw(number / of_task);
            let (epoch_of_language, batches) = &mut left[language];
            let part = &self.corpus.parts[language];
            if batches.is_empty() {
                let seed = split_seed(split_seed(seed, language as u64), epoch);
                *batches = order.epoch(&lengths[part.clone()], size, seed, *epoch_of_language);
                batches.reverse();
                *epoch_of_language += 1;
            }
            let batch = batches.pop().unwrap_or_default();
            batch.into_iter().map(|idx| part.start + idx).collect()
        };
        (0..self.batches_per_epoch(plan)).map(draw).collect()
    }

    /// The first batches, at most `n`, of a separate epoch with its own seed.
    pub(crate) fn first_batches(
        &self,
        plan: &Plan,
        seed: u64,
        n: usize,
    ) -> Result<Vec<StepBatch>, Error> {
        let batches = self.epoch(plan, seed, 0);
        let numbered = batches.iter().take(n).zip(0..);
        numbered.map(|(batch, number)| self.batch(plan, batch, 0, number)).collect()
    }

    fn batch(
        &self,
        plan: &Plan,
        indices: &[usize],
        epoch: u64,
        number: u64,
    ) -> Result<StepBatch, Error> {
        let seed = split_seed(split_seed(plan.recipe().seed, seeds::VIEWS), epoch);
        let is_here = |part: &Range<usize>| indices.first().is_some_and(|idx| part.contains(idx));
        let language = self.corpus.parts.iter().position(is_here).unwrap_or_default();
        let text = |text: &TextView| {
            let Some(viewer) = self.viewers.get(language) else {
                let features = indices.iter().map(|index| self.without_words(*index, seed));
                let features: Vec<_> = features.collect();
                let features: Vec<&Features> = features.iter().map(AsRef::as_ref).collect();
                let batch = self.collate(&features, indices)?;
                let units = parsed_words(&batch);
                return Ok((*text, batch, units));
            };
            // Subwords of a translation are those of the translation that its own view draws.
            let drawn = match text {
                TextView::TranslatedSubwordSampled => TextView::Translated,
                text => *text,
            };
            let view = |index: &usize| {
                let seed = split_seed(split_seed(seed, drawn as u64), *index as u64);
                self.view(plan, viewer, *text, *index, seed)
            };
            let viewed = indices.iter().map(view).collect::<Result<Vec<_>, _>>()?;
            let features: Vec<_> = viewed.iter().map(|viewed| &viewed.features).collect();
            let batch = self.collate(&features, indices)?;
            let units = match plan.recipe().task.target() {
                None | Some(TargetKind::Class | TargetKind::Tree) => PredictionUnits::Texts,
                Some(TargetKind::Tag(_)) => tagged_words(&batch, &viewed, self.pools_subwords),
            };
            Ok((*text, batch, units))
        };
        let mut texts = self.texts.iter().map(text).collect::<Result<Vec<_>, Error>>()?;
        if self.marks_switched {
            mark_switched_words(&mut texts);
        }
        Ok(StepBatch { texts, language, ..StepBatch::empty(number) })
    }

    /// Word dropout: the features of a training example with some words masked.
    fn without_words(&self, index: usize, seed: u64) -> Cow<'_, Features> {
        let features = &self.corpus.train.features[index];
        let Some((rate, mask_id)) = self.word_dropout else { return Cow::Borrowed(features) };
        let mut features = features.clone();
        drop_words(&mut features.input, rate, mask_id, split_seed(seed, index as u64));
        Cow::Owned(features)
    }

    fn collate(&self, features: &[&Features], indices: &[usize]) -> Result<TokenBatch, Error> {
        Ok(TokenBatch::collate(features, indices.to_vec(), self.pad_token_id)?)
    }

    fn view(
        &self,
        plan: &Plan,
        viewer: &Viewer,
        text: TextView,
        index: usize,
        seed: u64,
    ) -> Result<Viewed, Error> {
        let target = plan.recipe().task.target();
        let task = target.map_or(ViewTask::Classification, TargetKind::view_task);
        let example = &self.corpus.train_examples[index];
        let (labels, max_length) = (&self.corpus.labels, self.max_length);
        Ok(viewer.view(view_kind(text), example, task, labels, max_length, seed)?)
    }
}

/// The view kind of `isogloss_text`, which does not depend on the crate of the objectives.
fn view_kind(view: TextView) -> isogloss_text::ViewKind {
    match view {
        TextView::Original => isogloss_text::ViewKind::Original,
        TextView::SubwordSampled | TextView::SecondSubwordSampled => {
            isogloss_text::ViewKind::SubwordSampled
        }
        TextView::CodeSwitched | TextView::SecondCodeSwitched => {
            isogloss_text::ViewKind::CodeSwitched
        }
        TextView::Translated | TextView::SecondTranslated => isogloss_text::ViewKind::Translated,
        TextView::TranslatedSubwordSampled => isogloss_text::ViewKind::TranslatedSubwordSampled,
        _ => unreachable!("text without labels is no view of an example"),
    }
}
