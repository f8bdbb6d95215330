//! Training step in memory, without data or files, to measure its speed.

use std::collections::BTreeMap;
use std::time::Instant;

use burn::tensor::Device;
use isogloss_kernels::{count_launches, cross_entropy, split_seed};
use isogloss_methods::{AdamW, AdamWConfig, TokenLeaves};
use isogloss_model::presets::multilingual_e5_small;
use isogloss_model::{
    EncoderConfig, ForwardOptions, HeadSpec, Model, Pooling, RandomParams, named_parameters,
};
use serde::Serialize;

use crate::ground::tensors::integers;

/// Steps before the measurement, in which kernels are compiled and tuned.
const N_FIRST_STEPS: usize = 3;

/// Time that is measured, in seconds, and the numbers of steps that it may be.
const MEASURED_SECS: f64 = 2.0;
const N_STEPS: [usize; 2] = [2, 50];

/// Speed of a training step, with the optimizer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepSpeed {
    /// Number of layers of the encoder.
    pub n_layers: usize,
    /// Hidden size of the encoder.
    pub hidden_size: usize,
    /// Number of parameters, with those of the embeddings.
    pub n_parameters: usize,
    /// Texts of a batch.
    pub batch_size: usize,
    /// Tokens of a text.
    pub seq_len: usize,
    /// Seconds of the first steps, in which kernels are compiled and tuned.
    pub first_steps_secs: f64,
    /// Number of steps that were measured.
    pub n_steps: usize,
    /// Seconds of a step.
    pub secs: f64,
    /// Tokens in a second.
    pub tokens_per_sec: f64,
    /// Floating-point operations in a second: 6 for each token and each weight of the encoder's
    /// matrices (Kaplan et al. 2020, arXiv:2001.08361, §2.1), in the time of a step.
    pub flops: f64,
    /// Kernel launches of a step, by the name of the kernel.
    pub launches: BTreeMap<String, f64>,
}

impl StepSpeed {
    /// Kernel launches of a step.
    pub fn n_launches(&self) -> f64 {
        self.launches.values().sum()
    }
}

/// Size of the encoder and of its batches.
pub(super) struct StepSize {
    vocab_size: usize,
    n_layers: usize,
    hidden_size: usize,
    batch_size: usize,
    seq_len: usize,
}

impl StepSize {
    const fn new(vocab_size: usize, encoder: [usize; 2], batch: [usize; 2]) -> Self {
        let ([n_layers, hidden_size], [batch_size, seq_len]) = (encoder, batch);
        Self { vocab_size, n_layers, hidden_size, batch_size, seq_len }
    }
}

/// Sizes, the largest first: multilingual-e5-small with fewer tokens and a batch of 32 texts, and
/// smaller ones; the last is for software devices.
const SIZES: [StepSize; 4] = [
    StepSize::new(32_000, [12, 384], [32, 128]),
    StepSize::new(32_000, [3, 384], [16, 64]),
    StepSize::new(8_000, [3, 128], [8, 32]),
    StepSize::new(1_000, [2, 64], [4, 32]),
];

impl StepSize {
    /// The largest size of which a step takes a second or less at some operations in a second.
    pub(super) fn for_rate(flops: f64) -> Self {
        let [larger @ .., smallest] = SIZES;
        larger.into_iter().find(|size| size.flops() <= flops).unwrap_or(smallest)
    }

    /// Weights of the matrices of all layers: four projections of attention, and two of a
    /// feed-forward block that is four times as wide.
    fn n_weights(&self) -> usize {
        self.n_layers * 12 * self.hidden_size * self.hidden_size
    }

    /// Floating-point operations of a step: two for each weight and token in the forward pass, and
    /// twice as many in the backward pass.
    fn flops(&self) -> f64 {
        6.0 * (self.n_weights() * self.batch_size * self.seq_len) as f64
    }

    fn config(&self) -> EncoderConfig {
        EncoderConfig {
            num_hidden_layers: self.n_layers,
            hidden_size: self.hidden_size,
            num_attention_heads: self.hidden_size / 32,
            intermediate_size: 4 * self.hidden_size,
            ..multilingual_e5_small(self.vocab_size)
        }
    }
}

/// A model with random weights, and its optimizer.
pub(super) struct TrainingStep {
    size: StepSize,
    config: EncoderConfig,
    device: Device,
    model: Option<Model>,
    optimizer: AdamW,
    n_done: u64,
}

impl TrainingStep {
    pub(super) fn new(size: StepSize, device: &Device) -> Self {
        let device = device.clone().autodiff();
        let config = size.config();
        let head = HeadSpec::sequence(vec!["no".into(), "yes".into()], Pooling::Mean);
        let model = Model::init(&config, Some(&head), &mut RandomParams::new(1), &device);
        let optimizer = AdamW::new(AdamWConfig::default());
        Self { size, config, device, model: Some(model), optimizer, n_done: 0 }
    }

    /// Takes the first steps, then measures some.
    pub(super) fn measure(&mut self) -> Result<StepSpeed, String> {
        let began = Instant::now();
        let mut last = 0.0;
        for _ in 0..N_FIRST_STEPS {
            last = self.steps(1)?;
        }
        let first_steps_secs = began.elapsed().as_secs_f64();
        let n_steps = ((MEASURED_SECS / last) as usize).clamp(N_STEPS[0], N_STEPS[1]);
        let (secs, launches) = count_launches(|| self.steps(n_steps));
        let secs = secs? / n_steps as f64;
        let per_step = |(kernel, n): (String, usize)| (kernel, n as f64 / n_steps as f64);
        let StepSize { n_layers, hidden_size, batch_size, seq_len, .. } = self.size;
        let model = self.model.as_ref().ok_or("the step left no model")?;
        let parameters = named_parameters(model);
        Ok(StepSpeed {
            n_layers,
            hidden_size,
            n_parameters: parameters
                .iter()
                .map(|param| param.shape.iter().product::<usize>())
                .sum(),
            batch_size,
            seq_len,
            first_steps_secs,
            n_steps,
            secs,
            tokens_per_sec: (batch_size * seq_len) as f64 / secs,
            flops: self.size.flops() / secs,
            launches: launches.into_iter().map(per_step).collect(),
        })
    }

    /// Takes some steps, and returns their seconds.
    fn steps(&mut self, n: usize) -> Result<f64, String> {
        let began = Instant::now();
        for _ in 0..n {
            self.step()?;
        }
        self.device.sync().map_err(|error| error.to_string())?;
        Ok(began.elapsed().as_secs_f64())
    }

    /// Cross-entropy of random texts, backward pass, clipping and AdamW; the texts are uploaded at
    /// every step, as in training.
    fn step(&mut self) -> Result<(), String> {
        let StepSize { batch_size, seq_len, .. } = self.size;
        let (n, seed) = (batch_size * seq_len, self.n_done);
        let n_special = 4;
        let token = |i: usize| {
            let drawn = split_seed(seed, i as u64) % (self.config.vocab_size as u64 - n_special);
            (drawn + n_special) as i32
        };
        let tokens: Vec<i32> = (0..n).map(token).collect();
        let input = self
            .config
            .input(&tokens, &vec![1; n], &vec![0; n], seq_len, &self.device)
            .map_err(|error| error.to_string())?;
        let targets = integers((0..batch_size).map(|i| i as i32 % 2).collect(), &self.device);
        let model = self.model.take().ok_or("an earlier step left no model")?;
        let leaves = TokenLeaves::for_input(&model.encoder, &input, &tokens)
            .ok_or("the token embeddings are frozen")?;
        let input = input.with_embeddings(leaves.embeddings()[0].clone());
        let output = model.forward(&input, &ForwardOptions::training(seed));
        let loss = cross_entropy(output.logits, targets, 0.0);
        let gradients = TokenLeaves::gradients(Some(&leaves), loss.backward(), &[&model]);
        let (model, _) = self.optimizer.step(model, gradients, 1e-4);
        self.model = Some(model);
        self.n_done += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `12 · 12 · 384²` weights of multilingual-e5-small, and 4096 tokens.
    #[test]
    fn the_work_of_a_step_is_six_operations_a_weight_and_token() {
        assert_eq!(SIZES[0].flops(), 6.0 * 21_233_664.0 * 4_096.0);
    }

    #[test]
    fn a_faster_device_takes_a_larger_step() {
        let layers_and_width = |flops: f64| {
            let size = StepSize::for_rate(flops);
            (size.n_layers, size.hidden_size)
        };
        assert_eq!(layers_and_width(1e13), (12, 384));
        assert_eq!(layers_and_width(1e11), (3, 384));
        assert_eq!(layers_and_width(1e9), (3, 128));
        assert_eq!(layers_and_width(1e8), (2, 64));
    }
}
