//! Events of a run as JSON objects, for `--json`.

use isogloss::model::SentenceModules;
use isogloss::{Event, LabeledSet, PairSet};
use serde_json::{Value, json};

use crate::wording::centring_json;

pub(super) fn as_json(event: &Event<'_>) -> Option<Value> {
    Some(match event {
        Event::Data(corpus) => {
            let by_language = |sets: &[LabeledSet]| -> serde_json::Map<_, _> {
                sets.iter().map(|set| (set.language.to_string(), json!(set.report))).collect()
            };
            json!({
                "event": "data", "labels": corpus.labels.names(), "train": corpus.train.report,
                "dev": by_language(&corpus.devs), "test": by_language(&corpus.tests),
            })
        }
        Event::Trim(report) => json!({ "event": "trim", "report": report }),
        Event::Recipe { name } => json!({ "event": "recipe", "name": name }),
        Event::Pairs(sets) => {
            let set = |set: &PairSet| {
                let n_links: usize = set.train.iter().map(|pair| pair.links.len()).sum();
                let report = json!({
                    "train": set.train.len(), "held_out": set.held_out.len(), "links": n_links,
                    "unlinked": set.n_unlinked,
                });
                (set.language.to_string(), report)
            };
            json!({ "event": "pairs", "languages": sets.iter().map(set).collect::<serde_json::Map<_, _>>() })
        }
        Event::Unlabeled(languages) => {
            let languages = languages.iter().map(|(tag, n)| (tag.to_string(), json!(n)));
            json!({ "event": "unlabeled", "n": languages.collect::<serde_json::Map<_, _>>() })
        }
        Event::Centring(centring) => {
            json!({ "event": "centring", "centring": centring_json(centring) })
        }
        Event::LostCentring { model } => json!({ "event": "lost_centring", "model": model }),
        Event::LostSubnetworks { model } => {
            json!({ "event": "lost_subnetworks", "model": model })
        }
        Event::TeacherCentring { teacher } => {
            json!({ "event": "teacher_centring", "teacher": teacher })
        }
        Event::TeacherSubnetworks { teacher } => {
            json!({ "event": "teacher_subnetworks", "teacher": teacher })
        }
        Event::SentenceEmbedding { objective, trained, modules } => json!({
            "event": "sentence_embedding", "objective": objective, "layer": trained.layer,
            "pooling": trained.pooling, "modules": modules_json(modules),
        }),
        Event::TeacherEmbedding { modules } => json!({
            "event": "teacher_embedding", "modules": modules_json(modules),
        }),
        Event::Model { n_parameters, n_trainable, fresh, rows, unread_head, adapter } => json!({
            "event": "model", "n_parameters": n_parameters, "n_trainable": n_trainable,
            "fresh": fresh, "unread_head": unread_head, "adapter": adapter.map(|(name, _)| name),
            "rows": { "kept": rows.kept, "moved": rows.moved, "drawn": rows.drawn },
        }),
        Event::FrozenCache { in_memory, on_disk, left_out, problem } => json!({
            "event": "frozen", "in_memory": in_memory, "on_disk": on_disk, "left_out": left_out,
            "problem": problem,
        }),
        Event::FrozenDropout { methods } => {
            json!({ "event": "frozen_dropout", "methods": methods })
        }
        Event::FrozenCacheLost { problem } => json!({ "event": "frozen_lost", "problem": problem }),
        Event::Unfreeze { step, layers, embeddings } => {
            json!({ "event": "open", "step": step, "layers": layers, "embeddings": embeddings })
        }
        Event::Begin { step, total_steps, rule } => json!({
            "event": "begin", "step": step, "total_steps": total_steps, "selection": rule,
        }),
        Event::Step { step, loss, tokens_per_sec, .. } => json!({
            "event": "step", "step": step, "loss": loss, "tokens_per_sec": tokens_per_sec,
        }),
        Event::Dev { step, scores, is_best } => {
            json!({ "event": "dev", "step": step, "scores": scores, "is_best": is_best })
        }
        Event::Measures { step, measures } => {
            json!({ "event": "measure", "step": step, "measures": measures })
        }
        Event::Checkpoint { step } => json!({ "event": "checkpoint", "step": step }),
        Event::Language { language, scores } => {
            json!({ "event": "language", "language": language, "scores": scores })
        }
        Event::FewShot { language, scores } => {
            json!({ "event": "few_shot", "language": language, "scores": scores })
        }
        Event::GradientConflict { step, languages, cosines } => {
            json!({ "event": "conflict", "step": step, "languages": languages, "cosines": cosines })
        }
        _ => return None,
    })
}

fn modules_json(modules: &SentenceModules) -> Value {
    json!({
        "pooling": modules.pooling.unwrap_or_default().name(), "n_dense": modules.dense.len(),
        "do_lower_case": modules.do_lower_case,
    })
}
