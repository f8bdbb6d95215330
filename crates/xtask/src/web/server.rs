//! Static file server, for this machine alone.

use std::fs::File;
use std::path::{Component, Path, PathBuf};

use anyhow::{Result, anyhow};
use tiny_http::{Header, Request, Response, Server};

use super::DIST;

pub(super) fn serve(port: u16) -> Result<()> {
    let server = Server::http(("127.0.0.1", port)).map_err(|error| anyhow!("{error}"))?;
    println!("\nhttp://{}/ (stop with Ctrl-C)", server.server_addr());
    for request in server.incoming_requests() {
        // A closed connection does not stop the server.
        let _ = answer(request);
    }
    Ok(())
}

fn answer(request: Request) -> std::io::Result<()> {
    let Some((path, file)) = file_of(request.url()) else {
        return request.respond(Response::from_string("not found").with_status_code(404));
    };
    let kind = match path.extension().and_then(|extension| extension.to_str()) {
        Some("css") => "text/css; charset=utf-8",
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("wasm") => "application/wasm",
        Some("webmanifest") => "application/manifest+json",
        _ => "application/octet-stream",
    };
    let mut response = Response::from_file(file);
    for (name, value) in [("Content-Type", kind), ("Cache-Control", "no-cache")] {
        let header = Header::from_bytes(name, value).expect("these are headers");
        response.add_header(header);
    }
    request.respond(response)
}

/// Opens the file that a URL names, if it is part of the page.
fn file_of(url: &str) -> Option<(PathBuf, File)> {
    let path = url.split(['?', '#']).next()?.trim_start_matches('/');
    let path = Path::new(if path.is_empty() { "index.html" } else { path });
    if !path.components().all(|part| matches!(part, Component::Normal(_))) {
        return None;
    }
    let path = Path::new(DIST).join(path);
    let file = File::open(&path).ok().filter(|_| path.is_file())?;
    Some((path, file))
}
