//! Largest tensors of a run: one that does not fit into a buffer of the device is refused before
//! the first step, by its name and size, with what makes it smaller.
//!
//! Most grow with a batch at its longest texts. Not among them are AdamW's moments, each as large as
//! its parameter; the teacher cache and the frozen-layer cache, which are on the host and read batch
//! by batch; and the scores of retrieval, which are computed tile by tile.

use burn::tensor::Device;
use isogloss_methods::{Role, TextView};
use isogloss_model::{EncoderConfig, HeadSpec};
use isogloss_text::Target;

use super::labeled::LabeledLoader;
use super::pairs::PairLoader;
use super::unlabeled::UnlabeledLoaders;
use crate::ground::batch_limit::{DeviceTensor, stores_scores};
use crate::ground::device::{DeviceError, DeviceInfo};
use crate::step::ForwardPlan;
use crate::{Error, LabeledSet, Plan};

/// What makes a batch smaller.
mod remedy {
    pub(super) const TRAINING: &str = "lower training.batch_size or model.max_length";
    pub(super) const EVALUATION: &str =
        "lower training.evaluation_batch_size or the maximum length of its texts";
    pub(super) const PAIRS: &str = "lower pairs.batch_size or pairs.max_length";
    pub(super) const BLOCKS: &str = "lower monolingual.batch_size or monolingual.max_length";
    pub(super) const TEXTS: &str = "lower unlabeled.batch_size or model.max_length";
    pub(super) const MASKED: &str = "lower masking.rate, the batch size or the maximum length of \
        the masked texts, trim the vocabulary to the languages you need";
}

/// Logits of the masked tokens of a batch of `[n, seq_len]` tokens; their gradient is as large.
fn masked_logits(config: &EncoderConfig, [n, seq_len]: [usize; 2], rate: f64) -> DeviceTensor {
    let n_masked = n.saturating_mul((rate * seq_len as f64).ceil() as usize);
    let name = "masked-language-model logit matrix";
    DeviceTensor::new(name, [n_masked, config.vocab_size], remedy::MASKED)
}

/// Checks that the activations and scores of an evaluation of `n` texts at a time fit into the
/// device's buffers.
///
/// # Errors
/// [`DeviceError::TooLarge`] if they do not.
pub(crate) fn check_evaluation(
    device: &Device,
    info: &DeviceInfo,
    config: &EncoderConfig,
    set: &LabeledSet,
    batch_size: usize,
) -> Result<(), DeviceError> {
    if info.max_buffer_bytes.is_none() {
        return Ok(());
    }
    let (stores_scores, size) = (stores_scores(device, config, false), set_size(set, batch_size));
    let tensors = DeviceTensor::for_pass(config, stores_scores, size, remedy::EVALUATION);
    tensors.iter().try_for_each(|tensor| tensor.check(info))
}

/// Tensors of a run, from its plan and data.
pub(super) struct RunTensors<'a> {
    pub(super) plan: &'a Plan,
    pub(super) forward_plan: &'a ForwardPlan,
    pub(super) config: &'a EncoderConfig,
    pub(super) labeled: Option<&'a LabeledLoader>,
    pub(super) unlabeled: &'a UnlabeledLoaders,
    /// Whether attention stores its scores, in inference and in training.
    pub(super) stores_scores: [bool; 2],
}

impl RunTensors<'_> {
    /// Fails for the first tensor that does not fit into a buffer of the device.
    pub(super) fn check(&self, info: &DeviceInfo) -> Result<(), Error> {
        if info.max_buffer_bytes.is_none() {
            return Ok(());
        }
        let check = |pair_length| -> Result<(), DeviceError> {
            let mut tensors = self.labeled_tensors();
            tensors.extend(self.block_tensors());
            tensors.extend(self.text_tensors());
            tensors.extend(self.pair_tensors(pair_length));
            tensors.extend(self.token_embeddings(pair_length));
            tensors.iter().try_for_each(|tensor| tensor.check(info))
        };
        let Some(pairs) = &self.unlabeled.pairs else { return Ok(check(0)?) };
        if check(pairs.max_length).is_err() {
            // Pairs are tokenized batch by batch. Only now it matters how long they are.
            check(pairs.counts()?.longest.min(pairs.max_length))?;
        }
        Ok(())
    }

    /// Tensors of an encoder's pass in training.
    fn trained(&self, batch: [usize; 2], remedy: &'static str) -> Vec<DeviceTensor> {
        DeviceTensor::for_pass(self.config, self.stores_scores[1], batch, remedy)
    }

    /// Tensors of an encoder's pass in evaluation.
    fn evaluated(&self, batch: [usize; 2]) -> Vec<DeviceTensor> {
        DeviceTensor::for_pass(self.config, self.stores_scores[0], batch, remedy::EVALUATION)
    }

    /// Tensors over labeled examples, in training and evaluation.
    fn labeled_tensors(&self) -> Vec<DeviceTensor> {
        let Some(data) = self.labeled else { return Vec::new() };
        let (recipe, corpus) = (self.plan.recipe(), &data.corpus);
        let mut tensors = Vec::new();
        for group in self.forward_plan.groups().iter().filter(|group| group[0].text.is_of_task()) {
            let [n, seq_len] = self.text_size(group[0].text, 0);
            let batch = [n.saturating_mul(group.len()), seq_len];
            tensors.extend(self.trained(batch, remedy::TRAINING));
        }
        let head = recipe
            .task
            .labeled()
            .map(|task| task.head(&corpus.labels, &corpus.tags, recipe.model.pooling));
        let training = [&corpus.train].into_iter().chain(&corpus.supports);
        let (batch_size, evaluated) =
            (recipe.training.batch_size, recipe.training.evaluation_batch_size);
        let training = training.map(|set| (set, batch_size, remedy::TRAINING));
        let evaluation = corpus.devs.iter().chain(&corpus.target_devs).chain(&corpus.tests);
        let evaluation = evaluation.map(|set| (set, evaluated, remedy::EVALUATION));
        for (set, batch_size, remedy) in training.chain(evaluation) {
            let [n, seq_len] = set_size(set, batch_size);
            tensors.extend(match remedy {
                remedy::EVALUATION => self.evaluated([n, seq_len]),
                _ => self.trained([n, seq_len], remedy),
            });
            if let Some(HeadSpec::Parser(parser)) = &head {
                let n_words = set.features.iter().map(|features| match &features.target {
                    Target::Words(words) => words.n_words,
                    _ => 0,
                });
                let n_words = n_words.max().unwrap_or(0);
                let width = parser.config.label_width;
                let shape = [n.saturating_mul(n_words), parser.relations.len(), width];
                tensors.push(DeviceTensor::new("relation score tensor", shape, remedy));
                tensors.push(DeviceTensor::new(
                    "arc score tensor",
                    [n, n_words, n_words + 1],
                    remedy,
                ));
            }
        }
        if let Some(HeadSpec::Parser(parser)) = &head {
            let (width, n_relations) = (parser.config.label_width, parser.relations.len());
            let remedy = "lower task.parsing.label_width";
            tensors.push(DeviceTensor::new(
                "relation weight tensor",
                [width, n_relations, width],
                remedy,
            ));
        }
        tensors
    }

    /// Tensors over monolingual blocks, in training and evaluation.
    fn block_tensors(&self) -> Vec<DeviceTensor> {
        let Some(blocks) = &self.unlabeled.blocks else { return Vec::new() };
        let mut batches = Vec::new();
        if self.forward_plan.texts().contains(&TextView::Monolingual) {
            batches.push((self.text_size(TextView::Monolingual, 0), remedy::BLOCKS));
        }
        let evaluated = self.plan.recipe().training.evaluation_batch_size;
        let held_out = blocks.held_out.iter();
        batches
            .extend(held_out.map(|(_, blocks)| {
                ([blocks.n.min(evaluated), blocks.seq_len], remedy::EVALUATION)
            }));
        let rate = self.plan.recipe().masking.rate;
        let tensors = batches.into_iter().flat_map(|(batch, remedy)| {
            let mut tensors = match remedy {
                remedy::EVALUATION => self.evaluated(batch),
                _ => self.trained(batch, remedy),
            };
            tensors.push(masked_logits(self.config, batch, rate));
            tensors
        });
        tensors.collect()
    }

    /// Tensors over texts of the task without labels.
    fn text_tensors(&self) -> Vec<DeviceTensor> {
        let groups = self.forward_plan.groups().iter();
        let unlabeled = groups.filter(|group| group[0].text.is_unlabeled());
        let tensors = unlabeled.flat_map(|group| {
            let [n, seq_len] = self.text_size(group[0].text, 0);
            let batch = [n.saturating_mul(group.len()), seq_len];
            self.trained(batch, remedy::TEXTS)
        });
        tensors.collect()
    }

    /// Tensors over sentence pairs, of which a sentence has at most `length` tokens.
    fn pair_tensors(&self, length: usize) -> Vec<DeviceTensor> {
        let Some(pairs) = &self.unlabeled.pairs else { return Vec::new() };
        let (recipe, config) = (self.plan.recipe(), self.config);
        let mut tensors = Vec::new();
        for planned in self.forward_plan.objectives() {
            for text in planned.needs.texts().into_iter().filter(|text| text.is_of_pairs()) {
                let [n, seq_len] = self.text_size(text, length);
                let chunk = planned.objective.grad_cache().map_or(n, |of| of.chunk_size().min(n));
                tensors.extend(self.trained([chunk, seq_len], remedy::PAIRS));
                if text.is_masked() {
                    let rate = recipe.masking.rate;
                    tensors.push(masked_logits(config, [n, seq_len], rate));
                }
                if !planned.needs.attention_maps.is_empty() {
                    let shape = [n, config.num_attention_heads, seq_len, seq_len];
                    tensors.push(DeviceTensor::new("attention map tensor", shape, remedy::PAIRS));
                }
            }
            let n = self.n_pairs();
            if planned.objective.grad_cache().is_some() {
                let remedy = "lower pairs.batch_size";
                tensors.push(DeviceTensor::new("sentence similarity matrix", [n, n], remedy));
            }
            if let Some(n_keys) = planned.needs.negative_queue {
                let remedy = "lower queue_size of that objective";
                let name = "negative queue";
                tensors.push(DeviceTensor::new(name, [n_keys, config.hidden_size], remedy));
                let name = "negative queue similarity matrix";
                tensors.push(DeviceTensor::new(name, [n, n_keys.saturating_add(1)], remedy));
            }
            if planned.needs.word_links {
                tensors.extend(word_similarities(pairs, n));
            }
        }
        let held_out = pairs.sets.iter().map(|set| set.held_out.len()).max().unwrap_or(0);
        if !recipe.task.is_labeled() && held_out > 0 {
            let batch = [held_out.min(recipe.training.evaluation_batch_size), length];
            tensors.extend(self.evaluated(batch));
        }
        tensors
    }

    /// Token embeddings of all texts of a step, where one lookup is for all of them.
    fn token_embeddings(&self, pair_length: usize) -> Option<DeviceTensor> {
        let views = self.forward_plan.groups().iter().flatten();
        let mut texts: Vec<_> =
            views.filter(|view| view.role == Role::Student).map(|view| view.text).collect();
        texts.sort();
        texts.dedup();
        let sizes = texts.iter().map(|text| self.text_size(*text, pair_length));
        let n_tokens =
            sizes.fold(0usize, |sum, [n, seq]| sum.saturating_add(n.saturating_mul(seq)));
        let shape = [n_tokens, self.config.hidden_size];
        let tensor = DeviceTensor::new("token embedding tensor", shape, "lower the batch sizes");
        self.forward_plan.shares_embeddings().then_some(tensor)
    }

    /// Size of a batch of a text in training, `[n, seq_len]`, at most.
    fn text_size(&self, text: TextView, pair_length: usize) -> [usize; 2] {
        if let (Some(data), true) = (self.labeled, text.is_of_task()) {
            let [n, longest] = set_size(&data.corpus.train, self.plan.recipe().training.batch_size);
            return [n, if text == TextView::Original { longest } else { data.max_length }];
        }
        if let (Some(blocks), TextView::Monolingual) = (&self.unlabeled.blocks, text) {
            let batch_size = self.plan.recipe().monolingual.as_ref().map_or(0, |of| of.batch_size);
            return [blocks.n_blocks().min(batch_size), blocks.longest()];
        }
        if let (Some(texts), true) = (&self.unlabeled.texts, text.is_unlabeled()) {
            let batch_size = self.plan.recipe().unlabeled.as_ref().map_or(0, |of| of.batch_size);
            return [texts.n_texts().min(batch_size), texts.max_length];
        }
        let Some(pairs) = self.unlabeled.pairs.as_ref().filter(|_| text.is_of_pairs()) else {
            return [0, 0];
        };
        let mixes = self.forward_plan.contrast_texts().is_some_and(|texts| texts.mixup);
        let is_joined = match text {
            TextView::PairJoined => true,
            TextView::ContrastLeft | TextView::ContrastRight => mixes,
            _ => false,
        };
        let length = if is_joined { (2 * pair_length).min(pairs.max_length) } else { pair_length };
        let is_mixed = is_joined && text != TextView::PairJoined;
        let n = if is_mixed { self.n_pairs().div_ceil(2) } else { self.n_pairs() };
        [n, length]
    }

    /// Number of pairs of a batch.
    fn n_pairs(&self) -> usize {
        let pairs = self.unlabeled.pairs.iter();
        let largest = pairs.flat_map(|pairs| &pairs.sets).map(|set| set.train.len()).max();
        let batch_size = self.plan.recipe().pairs.as_ref().map_or(0, |of| of.batch_size);
        largest.unwrap_or(0).min(batch_size)
    }
}

/// Size of a batch of a set at its longest texts, `[n, seq_len]`.
fn set_size(set: &LabeledSet, batch_size: usize) -> [usize; 2] {
    let longest = set.lengths().into_iter().max().unwrap_or(0);
    [set.features.len().min(batch_size), longest]
}

/// Similarities of linked words with all words of a batch of `n` pairs. A batch has pairs of similar
/// length, so that the longest pairs can be in one.
fn word_similarities(pairs: &PairLoader, n: usize) -> Vec<DeviceTensor> {
    let most = |mut counts: Vec<usize>| -> usize {
        counts.sort_unstable_by(|a, b| b.cmp(a));
        counts.into_iter().take(n).sum()
    };
    let tensors = pairs.sets.iter().map(|set| {
        let n_words = |text: &str| text.split_whitespace().count().min(pairs.max_length);
        let words = set.train.iter().map(|of| n_words(&of.pair.left) + n_words(&of.pair.right));
        let links = set.train.iter().map(|of| of.links.links().len());
        let shape = [2 * most(links.collect()), most(words.collect())];
        DeviceTensor::new("word similarity matrix", shape, "lower pairs.batch_size")
    });
    tensors.collect()
}

#[cfg(test)]
mod tests {
    use isogloss_model::presets;

    use super::*;

    fn device(max_buffer_bytes: u64) -> DeviceInfo {
        DeviceInfo {
            name: "vulkan:0".to_owned(),
            adapter: Some("Iris Xe".to_owned()),
            driver: None,
            api: "vulkan".to_owned(),
            max_buffer_bytes: Some(max_buffer_bytes),
            is_software: false,
            threads: None,
            kernel_language: None,
            matrix_units: Vec::new(),
        }
    }

    #[test]
    fn a_tensor_that_does_not_fit_is_named_with_what_makes_it_smaller() {
        let config =
            EncoderConfig { hidden_size: 768, intermediate_size: 3072, ..presets::tiny(250_002) };
        let tensor =
            DeviceTensor::for_pass(&config, false, [64, 512], remedy::EVALUATION).remove(0);
        // 64 · 512 · 3072 numbers of four bytes.
        assert_eq!(tensor.check(&device(402_653_184)), Ok(()));
        let error = tensor.check(&device(128 << 20)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "feed-forward activation tensor of 64 × 512 × 3072 needs 403 MB, but the largest buffer of \
             \"Iris Xe\" is 134 MB; lower training.evaluation_batch_size or the maximum length of \
             its texts, or use --device flex"
        );
    }

    #[test]
    fn logits_are_of_the_most_tokens_that_a_batch_can_mask() {
        // Of 30 tokens, 15 % are four or five: the masker rounds up or down by chance.
        let tensor = masked_logits(&presets::tiny(1000), [8, 30], 0.15);
        assert_eq!(tensor.shape, [40, 1000]);
        assert_eq!(tensor.check(&device(160_000)), Ok(()));
        let error = tensor.check(&device(159_999)).unwrap_err().to_string();
        assert!(error.starts_with("masked-language-model logit matrix of 40 × 1000 "), "{error}");
        assert!(error.contains("lower masking.rate"), "{error}");
    }

    #[test]
    fn sizes_beyond_all_numbers_do_not_fit() {
        let tensor = DeviceTensor::new("a queue", [usize::MAX, 768], "lower it");
        assert!(tensor.check(&device(u64::MAX - 1)).is_err());
    }
}
