//! Fields of a `config.json` that are not used.

use serde_json::Value;

use super::Fields;
use super::pruning::{FEED_FORWARD, HEADS};
use crate::family::{FamilySpec, LayerNormEps};

/// Fields that are read for every family; the tokenizer reads its class.
const READ: [&str; 15] = [
    "model_type",
    "architectures",
    "vocab_size",
    "max_position_embeddings",
    "pad_token_id",
    "initializer_range",
    "id2label",
    "label2id",
    "num_labels",
    "problem_type",
    "tie_word_embeddings",
    "tokenizer_class",
    "isogloss",
    HEADS,
    FEED_FORWARD,
];

/// Fields that change no output of the classes that are loaded: token ids of generation, records of
/// how a model was made, the form of outputs, and options of heads that are not loaded.
const WITHOUT_EFFECT: [&str; 35] = [
    "_name_or_path",
    "bos_token_id",
    "chunk_size_feed_forward",
    "cls_token_id",
    "directionality",
    "dtype",
    "eos_token_id",
    "finetuning_task",
    "gradient_checkpointing",
    "language",
    "mask_token_id",
    "name",
    "output_attentions",
    "output_hidden_states",
    "output_past",
    "pooler_fc_size",
    "pooler_num_attention_heads",
    "pooler_num_fc_layers",
    "pooler_size_per_head",
    "pooler_type",
    "qa_dropout",
    "return_dict",
    "sep_token_id",
    "sinusoidal_pos_embds",
    "summary_activation",
    "summary_first_dropout",
    "summary_last_dropout",
    "summary_proj_to_labels",
    "summary_type",
    "summary_use_proj",
    "torch_dtype",
    "torchscript",
    "transformers_version",
    "unk_token_id",
    "use_cache",
];

/// Beginning of the module that is saved with mean-pooled classifiers and masked language models.
const OUR_CODE: &str = "modeling_isogloss";

/// Fields that are set and not used, and may change the outputs of other programs, in order.
pub(super) fn unused_fields(spec: &FamilySpec, json: &Value) -> Vec<String> {
    let sizes = &spec.sizes;
    let mut read = vec![
        sizes.num_hidden_layers,
        sizes.hidden_size,
        sizes.intermediate_size,
        sizes.num_attention_heads,
    ];
    read.extend(spec.required.iter().map(|(field, _)| *field));
    read.extend(spec.equal_sizes.iter().map(|size| size.field));
    read.extend(spec.dropout_fields());
    read.extend(spec.type_vocab_size.map(|_| "type_vocab_size"));
    if let LayerNormEps::Field(field, _) = spec.layer_norm_eps {
        read.push(field);
    }
    let names = json.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    // Other code of a model's own may compute something else.
    let own_code = json["auto_map"].as_object().into_iter().flatten();
    let is_ours = |code: &Value| code.as_str().is_some_and(|code| code.starts_with(OUR_CODE));
    if own_code.map(|(_, code)| code).all(is_ours) {
        read.push("auto_map");
    }
    let is_known =
        |name: &str| [&READ[..], &WITHOUT_EFFECT, &read].iter().any(|names| names.contains(&name));
    let unused = names.filter(|name| !is_known(name) && Fields(json).expect_off(name).is_err());
    unused.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::EncoderConfig;

    #[test]
    fn fields_without_a_known_meaning_are_unused() {
        let mut json = json!({
            "model_type": "bert", "hidden_size": 8, "hidden_act": "gelu", "use_cache": true,
            "is_decoder": false, "classifier_dropout": null, "layer_norm_eps": 1e-12,
            "type_vocab_size": 2, "rope_theta": 1e4, "attention_window": [4], "adapters": {},
            "task_specific_params": null, "tokenizer_class": "BertTokenizer",
            "auto_map": {"AutoModelForMaskedLM": "modeling_isogloss_lm.Model"},
        });
        assert_eq!(
            EncoderConfig::unused_fields(&json).unwrap(),
            ["rope_theta", "attention_window"]
        );
        json["auto_map"] = json!({"AutoModel": "modeling_bert.JinaBertModel"});
        assert!(EncoderConfig::unused_fields(&json).unwrap().contains(&"auto_map".to_owned()));
        // DistilBERT has no segments, and its epsilon is fixed.
        let json = json!({ "model_type": "distilbert", "dim": 8, "type_vocab_size": 2,
            "layer_norm_eps": 1e-5, "hidden_size": 8 });
        let expected = ["type_vocab_size", "layer_norm_eps", "hidden_size"];
        assert_eq!(EncoderConfig::unused_fields(&json).unwrap(), expected);
    }
}
