//! WebAssembly bindings: finished models in a browser.
//!
//! `Model` is loaded from the bytes of a model folder, on the CPU or, in a build with the feature
//! `webgpu`, on the GPU; `Evaluation` scores it batch by batch, so that a page can show the
//! progress and stop it.
//! The JavaScript API is declared in `types.d.ts`. The error messages are those of the command
//! line.

#![cfg(target_arch = "wasm32")]

mod evaluation;
mod labeler;
mod model;

use isogloss::DataReport;
use isogloss::device::{OpenDevice, open_webgpu};
use serde::Serialize;
use wasm_bindgen::prelude::*;

pub use evaluation::Evaluation;
pub use model::Model;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = include_str!("types.d.ts");

/// Panic hook: throws a panic as a JavaScript `Error` with its message.
#[wasm_bindgen(start)]
pub fn start() {
    std::panic::set_hook(Box::new(|panic| {
        wasm_bindgen::throw_val(js_sys::Error::new(&panic.to_string()).into());
    }));
}

/// The version of isogloss.
#[wasm_bindgen]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

/// Opens the GPU by WebGPU, and returns its name.
///
/// # Errors
/// If this build is for the CPU alone, or the browser gives no GPU.
#[wasm_bindgen]
pub async fn start_webgpu() -> Result<String, JsError> {
    let OpenDevice { info, .. } = open_webgpu().await?;
    Ok(info.adapter.unwrap_or_else(|| "a GPU without a name".to_owned()))
}

/// Counts of data reports, added up, in the words of the command line: what was truncated, lost and
/// left out; none if there is nothing to tell.
///
/// # Errors
/// If a report has other fields.
#[wasm_bindgen(unchecked_return_type = "CountInWords[]")]
pub fn counts_in_words(
    #[wasm_bindgen(unchecked_param_type = "DataReport[]")] reports: JsValue,
) -> Result<JsValue, JsError> {
    let json = js_sys::JSON::stringify(&reports).map(String::from).unwrap_or_default();
    let reports: Vec<DataReport> = serde_json::from_str(&json)?;
    to_js(&reports.iter().collect::<DataReport>().in_words())
}

/// Converts a value into JavaScript objects.
fn to_js(value: &impl Serialize) -> Result<JsValue, JsError> {
    let json = serde_json::to_string(value)?;
    js_sys::JSON::parse(&json).map_err(|error| JsError::new(&format!("{error:?}")))
}
