//! `isogloss centring`: language centring of a finished model, estimated from unlabeled text.

use std::path::Path;

use anyhow::ensure;
use isogloss::{CENTRING, CentringOptions, estimate_centring};
use serde_json::json;

use super::{End, model_folder_for};
use crate::args::CentringArgs;
use crate::wording::{centring_in_words, centring_json, print_data_report};

pub(crate) fn run(args: &CentringArgs) -> anyhow::Result<End> {
    let device = args.model.device.open()?;
    let folder = model_folder_for(&device, &args.model.model, &args.model.hub)?;
    ensure!(
        Path::new(&args.model.model).is_dir(),
        "{}: centring is stored in the folder of the model; copy this one to a folder of yours",
        args.model.model
    );
    let named = args.files.iter().map(|file| file.named().map(|it| (it.language, it.path)));
    let files = named.collect::<anyhow::Result<Vec<_>>>()?;
    let CentringArgs { by, limit, batch_size, .. } = *args;
    let options = CentringOptions { by, limit, batch_size };
    let (centring, counts) =
        estimate_centring(&folder, &files, &args.source, options, &device.device)?;
    let path = folder.path.join(CENTRING);
    if args.model.json {
        let mut summary = centring_json(&centring);
        summary["path"] = json!(path);
        summary["data"] = json!(counts);
        println!("{summary}");
    } else {
        println!("centring  {}", centring_in_words(&centring));
        println!("wrote     {}", path.display());
        print_data_report(&counts);
    }
    Ok(End::Done)
}
