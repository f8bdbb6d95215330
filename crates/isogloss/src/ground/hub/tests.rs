//! Tests against a mock Hub server in this process.

use std::path::Path;

use super::test_server::{COMMIT, Server};
use super::*;

const REPO: &str = "owner/tiny";

fn hub(text: &str) -> ModelSource {
    text.parse().unwrap()
}

fn options(server: &Server, cache: &tempfile::TempDir) -> HubOptions {
    HubOptions {
        cache_dir: Some(cache.path().to_owned()),
        token: Some("hf_secret".to_owned()),
        endpoint: Some(server.url.clone()),
        offline: false,
    }
}

fn cache() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn gaps_are_filled_from_the_environment() {
    let home = cache();
    std::fs::write(home.path().join("token"), "hf_stored\n").unwrap();
    let home_path = home.path().as_os_str().to_owned();
    let variable = |name: &str| match name {
        "HF_HOME" => Some(home_path.clone()),
        "HF_ENDPOINT" => Some("http://mirror/".into()),
        "HF_HUB_OFFLINE" => Some("1".into()),
        _ => None,
    };
    let access = Access::new(&HubOptions::default(), &variable).unwrap();
    assert_eq!(access.cache_dir, home.path().join("hub"));
    assert_eq!(access.token.as_deref(), Some("hf_stored"));
    assert_eq!(access.endpoint, "http://mirror");
    assert!(access.offline);

    let variable = |name: &str| match name {
        "HF_HUB_CACHE" => Some("/c".into()),
        "HF_TOKEN" => Some("hf_variable".into()),
        "HF_HUB_OFFLINE" => Some("0".into()),
        _ => None,
    };
    let access = Access::new(&HubOptions::default(), &variable).unwrap();
    assert_eq!(access.cache_dir, Path::new("/c"));
    assert_eq!(access.token.as_deref(), Some("hf_variable"));
    assert_eq!(access.endpoint, "https://huggingface.co");
    assert!(!access.offline);
}

#[test]
fn a_missing_folder_is_named() {
    let error = hub("./no/such").resolve(&HubOptions::default()).unwrap_err();
    assert_eq!(error.to_string(), "./no/such: no such folder");
}

#[test]
fn fetched_once_then_served_from_the_cache() {
    let server = Server::with_files(&[
        ("config.json", "{}"),
        ("tokenizer.json", "tokens"),
        ("tokenizer_config.json", "more"),
        ("model.safetensors", "weights"),
        ("pytorch_model.bin", "not wanted"),
    ]);
    let cache = cache();
    let mut options = options(&server, &cache);
    let seen = std::cell::RefCell::new(Vec::new());
    let note = |file: &str, done: u64, total: u64| {
        seen.borrow_mut().push((file.to_owned(), done, total));
    };
    let folder = hub(REPO).resolve_with_progress(&options, &note).unwrap();
    assert_eq!(
        names(&folder),
        ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
    );
    assert_eq!(std::fs::read_to_string(folder.join("model.safetensors")).unwrap(), "weights");
    assert!(seen.borrow().contains(&("model.safetensors".to_owned(), 7, 7)));
    let requests = server.requests();
    assert!(requests.iter().all(|request| request.token.as_deref() == Some("Bearer hf_secret")));

    assert_eq!(hub(REPO).resolve(&options).unwrap(), folder);
    assert_eq!(server.requests().len(), requests.len() + 1, "only the commit is asked again");
    let pinned = format!("{REPO}@{COMMIT}");
    assert_eq!(hub(&pinned).resolve(&options).unwrap(), folder);
    assert_eq!(server.requests().len(), requests.len() + 1, "a commit needs no request");

    drop(server);
    assert_eq!(hub(REPO).resolve(&options).unwrap(), folder, "unreachable but cached");
    options.offline = true;
    assert_eq!(hub(REPO).resolve(&options).unwrap(), folder);
    assert_eq!(hub(&pinned).resolve(&options).unwrap(), folder);
}

/// The earlier layout of sentence-transformers, with the encoder in a folder of its own.
#[test]
fn an_encoder_in_a_module_folder_is_fetched() {
    let modules = r#"[{"idx": 0, "name": "0", "path": "0_Transformer",
                       "type": "sentence_transformers.models.Transformer"},
                      {"idx": 1, "name": "1", "path": "1_Pooling",
                       "type": "sentence_transformers.models.Pooling"}]"#;
    let files = [
        ("modules.json", modules),
        ("0_Transformer/config.json", "{}"),
        ("0_Transformer/tokenizer.json", "tokens"),
        ("0_Transformer/tokenizer_config.json", "more"),
        ("0_Transformer/special_tokens_map.json", "special"),
        ("0_Transformer/sentence_distilbert_config.json", "length"),
        ("0_Transformer/pytorch_model.bin", "weights"),
        ("0_Transformer/vocab.txt", "not wanted"),
        ("1_Pooling/config.json", "mean"),
    ];
    let mut server = Server::with_files(&files);
    let cache = cache();
    let mut options = options(&server, &cache);
    let folder = hub(REPO).resolve(&options).unwrap();
    let wanted = [
        "config.json",
        "pytorch_model.bin",
        "sentence_distilbert_config.json",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ];
    assert_eq!(names(&folder), ["0_Transformer", "1_Pooling", "modules.json"]);
    assert_eq!(names(&folder.join("0_Transformer")), wanted);
    // Files below the root are linked for another commit too.
    server.set(|state| state.commit = "f".repeat(40));
    let next = hub(REPO).resolve(&options).unwrap();
    assert_ne!(next, folder);
    let weights = std::fs::read_to_string(next.join("0_Transformer/pytorch_model.bin"));
    assert_eq!(weights.unwrap(), "weights");
    // The cache is known to be whole, or to lack a file.
    options.offline = true;
    assert_eq!(hub(REPO).resolve(&options).unwrap(), next);
    std::fs::remove_file(next.join("0_Transformer/tokenizer.json")).unwrap();
    let error = hub(REPO).resolve(&options).unwrap_err().to_string();
    assert!(error.contains("0_Transformer/tokenizer.json"), "{error}");
}

#[test]
fn an_unchanged_blob_is_linked_for_a_new_commit() {
    let mut server = Server::tiny();
    let cache = cache();
    hub(REPO).resolve(&options(&server, &cache)).unwrap();
    let next = "f".repeat(40);
    server.set(|state| state.commit = next.clone());
    let before = server.requests().len();
    let folder = hub(REPO).resolve(&options(&server, &cache)).unwrap();
    assert!(folder.ends_with(&next));
    assert_eq!(std::fs::read_to_string(folder.join("model.safetensors")).unwrap(), "weights");
    let again = &server.requests()[before..];
    assert!(again.iter().all(|request| request.range.as_deref() != Some("bytes=0-")));
}

#[test]
fn a_revision_is_asked_for_by_name_and_kept_under_it() {
    let server = Server::tiny();
    let cache = cache();
    let mut options = options(&server, &cache);
    hub("owner/tiny@v2").resolve(&options).unwrap();
    assert_eq!(server.requests()[0].path, "/api/models/owner/tiny/revision/v2");
    options.offline = true;
    hub("owner/tiny@v2").resolve(&options).unwrap();
    let error = hub(REPO).resolve(&options).unwrap_err().to_string();
    assert!(error.contains("owner/tiny@main: offline"), "{error}");
    assert!(error.contains("config.json, tokenizer.json, model.safetensors"), "{error}");
    assert!(error.contains(cache.path().to_str().unwrap()), "{error}");
}

#[test]
fn shards_are_fetched_by_their_index() {
    let index = r#"{"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}"#;
    let server = Server::with_files(&[
        ("config.json", "{}"),
        ("tokenizer.json", "tokens"),
        ("model.safetensors.index.json", index),
        ("model-1.safetensors", "one"),
        ("model-2.safetensors", "two"),
    ]);
    let cache = cache();
    let mut options = options(&server, &cache);
    let folder = hub(REPO).resolve(&options).unwrap();
    assert!(folder.join("model-2.safetensors").is_file());
    std::fs::remove_file(folder.join("model-1.safetensors")).unwrap();
    options.offline = true;
    let error = hub(REPO).resolve(&options).unwrap_err().to_string();
    assert!(error.contains("lacks model-1.safetensors;"), "{error}");
}

#[test]
fn an_index_cannot_name_files_outside_its_folder() {
    let index = r#"{"weight_map": {"a": "../../../escape"}}"#;
    let server = Server::with_files(&[
        ("config.json", "{}"),
        ("tokenizer.json", "tokens"),
        ("pytorch_model.bin.index.json", index),
    ]);
    let error = hub(REPO).resolve(&options(&server, &cache())).unwrap_err().to_string();
    assert!(error.contains("pytorch_model.bin.index.json: expected plain file"), "{error}");
    assert!(error.contains("../../../escape"), "{error}");
}

#[test]
fn refusal_says_how_to_get_access() {
    let mut server = Server::tiny();
    let cache = cache();
    server.set(|state| state.gated = Some(403));
    let error = hub(REPO).resolve(&options(&server, &cache)).unwrap_err().to_string();
    assert!(error.contains("refuses access to owner/tiny (status 403)"), "{error}");
    assert!(error.contains("accept its conditions at http://127.0.0.1"), "{error}");
    assert!(error.contains("HF_TOKEN") && !error.contains("hf_secret"), "{error}");
}

#[test]
fn absent_repositories_revisions_and_files_are_told_apart() {
    let mut server = Server::tiny();
    let cache = cache();
    let options = options(&server, &cache);
    let error = |text: &str| hub(text).resolve(&options).unwrap_err().to_string();
    let url = &server.url.clone();
    assert_eq!(
        error("owner/gone@v9"),
        format!("owner/gone: no such folder here and no such repository at {url}")
    );
    assert_eq!(
        error("owner/tiny@gone"),
        format!("owner/tiny: no branch, tag or commit \"gone\" at {url}")
    );
    server.set(|state| state.files.retain(|(name, _)| name != "tokenizer.json"));
    assert_eq!(error(REPO), format!("owner/tiny@main: no file tokenizer.json at {url}"));
}

#[test]
fn an_unreachable_server_is_named() {
    let server = Server::tiny();
    let options = options(&server, &cache());
    let url = server.url.clone();
    drop(server);
    let error = hub(REPO).resolve(&options).unwrap_err();
    assert!(matches!(error, HubError::Unreachable { .. }), "{error}");
    assert!(error.to_string().starts_with(&format!("{url} cannot be reached: ")), "{error}");
}

#[test]
fn a_broken_download_is_never_taken_for_whole_and_goes_on_later() {
    let weights = "0123456789".repeat(10);
    let mut server = Server::with_files(&[
        ("config.json", "{}"),
        ("tokenizer.json", "tokens"),
        ("model.safetensors", &weights),
    ]);
    let cache = cache();
    let options = options(&server, &cache);
    server.set(|state| state.cut_after = Some(8));
    let error = hub(REPO).resolve(&options).unwrap_err().to_string();
    assert!(
        error.contains("/model.safetensors: the download broke off after 24 of 100 bytes"),
        "{error}"
    );
    let offline = HubOptions { offline: true, ..options.clone() };
    assert!(hub(REPO).resolve(&offline).is_err());

    server.set(|state| state.cut_after = None);
    let folder = hub(REPO).resolve(&options).unwrap();
    assert_eq!(std::fs::read_to_string(folder.join("model.safetensors")).unwrap(), weights);
    let ranges = server.requests().into_iter().filter_map(|request| request.range);
    assert!(ranges.into_iter().any(|range| range == "bytes=24-"), "goes on where it broke off");
}

#[test]
fn a_server_without_ranges_cannot_corrupt_a_resumed_file() {
    let weights = "0123456789".repeat(10);
    let mut server = Server::with_files(&[
        ("config.json", "{}"),
        ("tokenizer.json", "tokens"),
        ("model.safetensors", &weights),
    ]);
    let cache = cache();
    let options = options(&server, &cache);
    server.set(|state| state.cut_after = Some(8));
    hub(REPO).resolve(&options).unwrap_err();
    server.set(|state| {
        state.cut_after = None;
        state.ignores_ranges = true;
    });
    let folder = hub(REPO).resolve(&options).unwrap();
    assert_eq!(std::fs::read_to_string(folder.join("model.safetensors")).unwrap(), weights);
}

#[test]
fn a_full_disk_is_called_one() {
    let error = HubError::from_io(std::io::ErrorKind::StorageFull.into(), Path::new("/c"));
    assert!(error.to_string().starts_with("/c: no space left for downloaded models"));
}
