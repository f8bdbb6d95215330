//! Names of what the `adapters` and `peft` libraries put into a model.

use super::{Family, split_layer};

/// The name of a module of an adapter; none if `module` is of no adapter.
pub(super) fn adapter_module(family: Family, module: &str) -> Option<String> {
    if let Some(rest) = module.strip_prefix("invertible_adapters.") {
        let (name, half, dense) = split(rest)?;
        let place = if dense == "down" { 0 } else { 2 };
        return Some(format!("invertible_adapters.{name}.{}.{place}", half.to_uppercase()));
    }
    let (layer, rest) = split_layer(module)?;
    let (name, place, dense) = split(rest.strip_prefix("adapters.")?)?;
    let block = match (family, place) {
        (Family::DistilBert, "attention") => "transformer.layer.{}.attention_adapters",
        (Family::DistilBert, _) => "transformer.layer.{}.output_adapters",
        (_, "attention") => "encoder.layer.{}.attention.output",
        (_, _) => "encoder.layer.{}.output",
    };
    let block = block.replace("{}", layer);
    let dense = if dense == "down" { "adapter_down.0" } else { "adapter_up" };
    Some(format!("{block}.adapters.{name}.{dense}"))
}

fn split(path: &str) -> Option<(&str, &str, &str)> {
    let mut steps = path.split('.');
    Some((steps.next()?, steps.next()?, steps.next()?))
}

/// Names that earlier versions of the `adapters` library gave to the same tensor.
pub(super) fn earlier_names(key: &str) -> Vec<String> {
    if key.starts_with("invertible_adapters.") {
        return vec![key.replace("invertible_adapters.", "invertible_lang_adapters.")];
    }
    ["attention_text_task", "attention_text_lang", "layer_text_task", "layer_text_lang"]
        .map(|place| key.replace(".adapters.", &format!(".{place}_adapters.")))
        .to_vec()
}
