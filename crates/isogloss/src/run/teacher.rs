//! Teacher model of a run (knowledge distillation), or a cache of its sentence embeddings.

use std::collections::BTreeSet;

use burn::tensor::Device;
use isogloss_methods::SentenceEmbedding;
use isogloss_model::{
    HeadChoice, HeadSpec, Model, ModelFolder, SentenceModules, base_folder, find_sentence_modules,
    load, read_config, tokenizer_folder,
};
use isogloss_text::Tokenizer;

use super::event::RunOptions;
use super::folder::RunFolder;
use crate::embedding::sentence_pipeline::SentencePipeline;
use crate::error::{RunError, io};
use crate::ground::device::check_embedding_matrix;
use crate::ground::sentence_modules::{is_last, make_embedding};
use crate::loader::UnlabeledLoaders;
use crate::step::teacher_cache::{TeacherCache, TeacherCacheOptions};
use crate::step::{ForwardPlan, ReferenceModels};
use crate::{Error, Plan};

/// Loads the teacher model of the options, if there is one; if its logits are used, its labels must
/// be those of the run.
pub(super) fn load_reference_models(
    plan: &Plan,
    run: &RunFolder,
    options: &RunOptions<'_>,
    head: Option<&HeadSpec>,
    unlabeled: &UnlabeledLoaders,
    forward_plan: &ForwardPlan,
) -> Result<ReferenceModels, Error> {
    let mut models = ReferenceModels::default();
    let Some(folder) = &options.teacher_folder else { return Ok(models) };
    if let Ok((config, _)) = read_config(folder) {
        check_embedding_matrix(&options.device_info, [config.vocab_size, config.hidden_size])?;
    }
    let head = head.filter(|_| forward_plan.needs_teacher_logits());
    let teacher = load_teacher(folder, head, &options.device)?;
    match (&unlabeled.pairs, forward_plan.only_teacher_embedding()) {
        (Some(pairs), Some(embedding)) => {
            let path = tokenizer_folder(folder)?.join("tokenizer.json");
            let modules = own_modules(folder, &embedding)?;
            let texts = pairs.distinct_left(&Tokenizer::from_file(&path)?, modules.as_ref())?;
            let batch_size = plan.recipe().training.evaluation_batch_size;
            let pipeline =
                modules.map(|of| pipeline(&of, &teacher, &options.device)).transpose()?;
            let cached = TeacherCacheOptions { embedding, pipeline, batch_size };
            let (path, device) = (run.teacher_vectors(), &options.device);
            let cache = TeacherCache::open(&path, &teacher.encoder, texts, cached, device)?;
            models.teacher_cache = Some(cache);
        }
        _ => {
            check_same_tokens(folder, &options.model_folder)?;
            for embedding in forward_plan.teacher_embeddings() {
                if let Some(modules) = own_modules(folder, &embedding)? {
                    let path = folder.path.join("modules.json");
                    return Err(RunError::TeacherModules { path, problem: shown(&modules) }.into());
                }
            }
            models.teacher = Some(teacher);
        }
    }
    Ok(models)
}

/// The modules of a sentence-transformers folder that make the teacher's sentence embeddings, if
/// they are others than the layer and pooling of an objective. They are for the last layer: an
/// objective that reads another one pools it by itself.
pub(super) fn own_modules(
    folder: &ModelFolder,
    embedding: &SentenceEmbedding,
) -> Result<Option<SentenceModules>, Error> {
    let Some(modules) = find_sentence_modules(folder)? else { return Ok(None) };
    let modules = SentenceModules { layer: None, ..modules };
    let n_layers = read_config(folder)?.0.num_hidden_layers;
    let is_other = is_last(embedding, n_layers) && !make_embedding(&modules, embedding, n_layers);
    Ok(Some(modules).filter(|_| is_other))
}

fn pipeline(
    modules: &SentenceModules,
    teacher: &Model,
    device: &Device,
) -> Result<SentencePipeline, Error> {
    let (pooling, width) =
        (modules.pooling.unwrap_or_default(), teacher.encoder.config().hidden_size);
    Ok(SentencePipeline::new(pooling, &modules.dense, width, device)?)
}

/// Modules in words, for messages.
fn shown(modules: &SentenceModules) -> String {
    let pooling = modules.pooling.unwrap_or_default().name();
    let dense = format!("{} dense layers", modules.dense.len());
    let case = if modules.do_lower_case { ", lower-cased texts" } else { "" };
    format!("{pooling} pooling, {dense}{case}")
}

/// Fails unless teacher and student have the same tokenizer file.
fn check_same_tokens(teacher: &ModelFolder, student: &ModelFolder) -> Result<(), Error> {
    let read = |folder: &ModelFolder| {
        let path = tokenizer_folder(folder)?.join("tokenizer.json");
        std::fs::read(&path).map_err(io(&path))
    };
    if read(teacher)? == read(student)? {
        return Ok(());
    }
    Err(RunError::TeacherTokenizer { path: teacher.path.join("tokenizer.json") }.into())
}

/// The head of a teacher with its labels in another order; `None` if it has other labels, or is a
/// parser.
fn reordered(head: &HeadSpec, labels: &[String]) -> Option<HeadSpec> {
    let sorted = |labels: &[String]| labels.iter().cloned().collect::<BTreeSet<_>>();
    let is_same = labels.len() == head.labels().len() && sorted(labels) == sorted(head.labels());
    let labels = labels.to_vec();
    match *head {
        _ if !is_same => None,
        HeadSpec::Sequence { pooling, problem, .. } => {
            Some(HeadSpec::Sequence { labels, pooling, problem })
        }
        HeadSpec::Tokens { .. } => Some(HeadSpec::Tokens { labels }),
        HeadSpec::Parser(_) => None,
    }
}

/// Loads a teacher model: with its head, whose labels must be those of `head` in any order, or without one if
/// only its embeddings are used.
fn load_teacher(
    folder: &ModelFolder,
    head: Option<&HeadSpec>,
    device: &Device,
) -> Result<Model, Error> {
    let Some(head) = head else {
        return Ok(load(folder, &HeadChoice::Without, device)?.model);
    };
    let loaded = load(folder, &HeadChoice::Saved, device)?;
    let labels = loaded.head.as_ref().map(HeadSpec::labels).unwrap_or_default();
    if labels == head.labels() {
        return Ok(loaded.model);
    }
    if let Some(spec) = loaded.head.as_ref().and_then(|own| reordered(own, head.labels())) {
        return Ok(load(folder, &HeadChoice::AsIs { spec }, device)?.model);
    }
    let own = folder.path.join("config.json");
    let path = if own.exists() { own } else { base_folder(folder)?.join("config.json") };
    let error = match labels.iter().find(|label| !head.labels().contains(label)) {
        _ if labels.is_empty() => RunError::TeacherWithoutHead { path },
        Some(label) => RunError::TeacherLabel { path, label: label.clone() },
        None => {
            let (found, expected) = (labels.len(), head.labels().len());
            RunError::TeacherLabels { path, found, expected }
        }
    };
    Err(error.into())
}
