//! `isogloss devices`: the list of devices.

use isogloss::device::{compiled, list};

use super::End;
use crate::args::DevicesArgs;

pub(crate) fn run(args: &DevicesArgs) -> anyhow::Result<End> {
    let devices = list();
    if args.json {
        println!("{}", serde_json::to_string_pretty(&devices)?);
        return Ok(End::Done);
    }
    for device in &devices {
        let mut facts = vec![device.adapter.clone().unwrap_or_else(|| device.api.clone())];
        facts.extend(device.driver.clone());
        if let Some(threads) = device.threads {
            facts.push(format!("{threads} threads"));
        }
        if let Some(bytes) = device.max_buffer_bytes {
            facts.push(format!("buffers up to {} MB", bytes / 1_000_000));
        }
        if device.is_software {
            facts.push("software".to_owned());
        }
        println!("{:<10} {}", device.name, facts.join(", "));
    }
    println!("\ncompiled in: {}", compiled().join(", "));
    Ok(End::Done)
}
