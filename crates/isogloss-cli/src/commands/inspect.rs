//! `isogloss inspect`: architecture, parameters, tokenizer and labels of a model.

use std::collections::BTreeMap;

use isogloss::Centring;
use isogloss::model::{
    AdapterLibrary, EncoderConfig, HeadChoice, HeadSpec, base_model, find_sentence_modules, load,
    named_parameters, tokenizer_folder,
};
use isogloss::text::Tokenizer;
use serde_json::json;

use super::{End, cross_encoder, model_folder, unused};
use crate::args::InspectArgs;
use crate::wording::{centring_in_words, centring_json};

pub(crate) fn run(args: &InspectArgs) -> anyhow::Result<End> {
    let folder = model_folder(&args.model, &args.hub)?;
    let device = isogloss::device::open(isogloss::device::DeviceChoice::default())?;
    let base = base_model(&folder)?.map(|base| base.folder.path);
    let loaded = load(&folder, &HeadChoice::SavedIfRead, &device.device)?;
    let EncoderConfig {
        family,
        vocab_size,
        hidden_size,
        num_hidden_layers,
        num_attention_heads,
        intermediate_size,
        ..
    } = *loaded.model.encoder.config();
    let pruned = &loaded.model.encoder.config().pruned;
    let max_tokens = loaded.model.encoder.config().max_tokens();
    let params = named_parameters(&loaded.model);
    let count = |start: &str| -> usize {
        let of_part = params.iter().filter(|param| param.path.starts_with(start));
        of_part.map(|param| param.shape.iter().product::<usize>()).sum()
    };
    let (embeddings, layers, head) =
        (count("encoder.embeddings"), count("encoder.layers"), count("head"));
    let tokenizer = Tokenizer::from_file(&tokenizer_folder(&folder)?.join("tokenizer.json"));
    let labels = loaded.head.as_ref().map(|head| head.labels().to_vec()).unwrap_or_default();
    let centring = match &loaded.head {
        Some(head) => Centring::read(&folder.path, head, hidden_size)?,
        None => None,
    };
    let unused_files = unused::files(&folder.path)?;
    let mut unused_settings = unused::fields(&loaded.config_json)?;
    unused_settings.extend(unused::settings(&tokenizer_folder(&folder)?));
    match find_sentence_modules(&folder) {
        Ok(modules) => unused_settings.extend(modules.into_iter().flat_map(|of| of.unused)),
        Err(error) => unused_settings.push(error.to_string()),
    }
    unused_settings.extend(cross_encoder::unused(&folder.path));
    if args.json {
        let mut peft = BTreeMap::<_, BTreeMap<_, _>>::new();
        for (name, config) in loaded.model.encoder.adapters(AdapterLibrary::Peft) {
            peft.entry(config.kind()).or_default().insert(name, config);
        }
        let value = json!({
            "folder": folder.path, "base": base, "family": format!("{family:?}"), "vocab_size": vocab_size,
            "hidden_size": hidden_size, "num_hidden_layers": num_hidden_layers,
            "num_attention_heads": num_attention_heads, "intermediate_size": intermediate_size,
            "max_tokens": max_tokens, "n_pruned_heads": pruned.n_heads(),
            "n_pruned_feed_forward": pruned.n_feed_forward(),
            "parameters": { "embeddings": embeddings, "layers": layers, "head": head },
            "tokenizer": tokenizer.as_ref().ok().map(|t| json!({ "kind": t.kind(), "n_tokens": t.vocab_size() })),
            "labels": labels, "adapters": loaded.model.encoder.active_adapters(),
            "peft": peft, "centring": centring.as_ref().map(centring_json), "unused": loaded.report.unused,
            "unread_head": loaded.report.unread_head,
            "unused_files": unused_files, "unused_settings": unused_settings,
        });
        println!("{}", serde_json::to_string_pretty(&value)?);
        return Ok(End::Done);
    }
    println!("folder       {}", folder.path.display());
    if let Some(base) = &base {
        println!("base         {}", base.display());
    }
    println!(
        "encoder      {family:?}: {num_hidden_layers} layers × {hidden_size}, \
         {num_attention_heads} heads, feed-forward {intermediate_size}, up to {max_tokens} tokens"
    );
    if !pruned.is_empty() {
        println!(
            "pruned       {} of {} heads, {} of {num_hidden_layers} feed-forward blocks",
            pruned.n_heads(),
            num_hidden_layers * num_attention_heads,
            pruned.n_feed_forward()
        );
    }
    println!(
        "parameters   {} (embeddings {embeddings}, layers {layers}, head {head})",
        embeddings + layers + head
    );
    match tokenizer {
        Ok(tokenizer) => println!(
            "tokenizer    {}, {} tokens; the embedding has {vocab_size} rows",
            tokenizer.kind(),
            tokenizer.vocab_size()
        ),
        Err(error) => println!(
            "tokenizer    none that can be read: {error}; the embedding has {vocab_size} rows"
        ),
    }
    match &loaded.head {
        Some(_) => println!("labels       {} ({})", labels.len(), labels.join(", ")),
        None => println!("labels       none: a bare encoder"),
    }
    if let Some(HeadSpec::Parser(spec)) = &loaded.head {
        println!("tags         {} ({})", spec.tags.len(), spec.tags.join(", "));
    }
    let encoder = &loaded.model.encoder;
    if !encoder.active_adapters().is_empty() {
        println!("adapters     {}, the lowest first", encoder.active_adapters().join(", "));
    }
    for (name, config) in encoder.adapters(AdapterLibrary::Peft) {
        println!("{:<12} {name}, {}", config.kind(), config.size());
    }
    if let Some(centring) = &centring {
        println!("centring     {}", centring_in_words(centring));
    }
    if !loaded.report.unused.is_empty() {
        println!("unused       {}", loaded.report.unused.join(", "));
    }
    if let Some(reason) = &loaded.report.unread_head {
        println!("unread head  {reason}");
    }
    for unused in unused_files.iter().chain(&unused_settings) {
        println!("unused       {unused}");
    }
    Ok(End::Done)
}
