//! Similarity of languages: the most similar source language of each target language, by sentence
//! embeddings.

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use isogloss_model::{ForwardOptions, HeadChoice, load, mean_pool};
use isogloss_text::{Language, sequential_by_length};

use super::event::RunOptions;
use crate::{Corpus, Error, LabeledSet, Plan};

/// The index of the source language that is most similar to each target language: its mean sentence
/// embedding has the highest cosine with the target's; the first on ties.
pub(super) fn most_similar(
    plan: &Plan,
    options: &RunOptions<'_>,
    corpus: &Corpus,
) -> Result<BTreeMap<Language, usize>, Error> {
    let encoder = load(&options.model_folder, &HeadChoice::Without, &options.device)?.model.encoder;
    /// Maximum number of texts per language.
    const N_TEXTS: usize = 256;
    let batch_size = plan.recipe().training.evaluation_batch_size;
    let mean = |set: &LabeledSet| {
        let set = set.sample_evenly(N_TEXTS);
        let mut sum = Tensor::<1>::zeros([encoder.config().hidden_size], &options.device);
        for indices in sequential_by_length(&set.lengths(), batch_size) {
            let (_, input) = set.batch(&indices, encoder.config(), &options.device)?;
            let states = encoder.forward(&input, &ForwardOptions::evaluation()).last_hidden_state();
            let vectors = mean_pool(states, input.attention_mask);
            sum = sum + vectors.sum_dim(0).flatten(0, 1);
        }
        let norm = sum.clone().square().sum().sqrt();
        Ok::<_, Error>(sum / norm)
    };
    let of_sources = corpus.devs.iter().map(mean).collect::<Result<Vec<_>, _>>()?;
    let unseen = corpus.tests.iter().filter(|set| !plan.sources().contains(&set.language));
    let nearest = |set: &LabeledSet| {
        let own = mean(set)?;
        let cosines = of_sources.iter().map(|other| (own.clone() * other.clone()).sum());
        let cosines: Vec<f32> = cosines.map(|cosine| cosine.into_scalar::<f32>()).collect();
        let best = (0..cosines.len()).rev().max_by(|a, b| cosines[*a].total_cmp(&cosines[*b]));
        Ok((set.language.clone(), best.unwrap_or_default()))
    };
    unseen.map(nearest).collect()
}
