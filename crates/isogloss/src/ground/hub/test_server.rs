//! Mock Hub server on 127.0.0.1 for the tests of this module, with injected faults.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// The commit id of `main` and `v2`.
pub(super) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// State of the mock server: its files and its injected faults.
#[derive(Default)]
pub(super) struct State {
    pub(super) files: Vec<(String, String)>,
    pub(super) commit: String,
    /// Answer every download with this status.
    pub(super) gated: Option<u16>,
    /// Close the connection after so many bytes of a body longer than that.
    pub(super) cut_after: Option<usize>,
    /// Ignore the start of requested byte ranges, and send whole files.
    pub(super) ignores_ranges: bool,
    requests: Vec<Request>,
    closing: bool,
}

/// A recorded request of a client.
#[derive(Clone)]
pub(super) struct Request {
    pub(super) path: String,
    pub(super) token: Option<String>,
    pub(super) range: Option<String>,
}

/// A running server; dropping it closes the port.
pub(super) struct Server {
    pub(super) url: String,
    state: Arc<Mutex<State>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves the repository `owner/tiny` with a config, a tokenizer and weights.
    pub(super) fn tiny() -> Self {
        Self::with_files(&[
            ("config.json", "{}"),
            ("tokenizer.json", "tokens"),
            ("model.safetensors", "weights"),
        ])
    }

    /// Serves the repository `owner/tiny` with these files.
    pub(super) fn with_files(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        let state = State { files: files.collect(), commit: COMMIT.to_owned(), ..State::default() };
        let state = Arc::new(Mutex::new(state));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::clone(&state);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut state = shared.lock().unwrap();
                if state.closing {
                    return;
                }
                // A client that disconnects early is no error of the server.
                answer(&mut state, stream.unwrap()).ok();
            }
        });
        Self { url, state, thread: Some(thread) }
    }

    pub(super) fn set(&mut self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.state.lock().unwrap().requests.clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.state.lock().unwrap().closing = true;
        let address = self.url.trim_start_matches("http://");
        TcpStream::connect(address).unwrap();
        self.thread.take().unwrap().join().unwrap();
    }
}

fn answer(state: &mut State, mut stream: TcpStream) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().unwrap_or(Ok(String::new()))?;
    let mut request = Request {
        path: first.split(' ').nth(1).unwrap_or_default().to_owned(),
        token: None,
        range: None,
    };
    for line in lines {
        let line = line?;
        match line.split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("authorization") => {
                request.token = Some(value.to_owned());
            }
            Some((name, value)) if name.eq_ignore_ascii_case("range") => {
                request.range = Some(value.to_owned());
            }
            Some(_) => {}
            None => break,
        }
    }
    state.requests.push(request.clone());

    let known = ["main", "v2", &state.commit.clone()];
    if let Some(revision) = request.path.strip_prefix("/api/models/owner/tiny/revision/") {
        if !known.contains(&revision) {
            return refuse(&mut stream, 404);
        }
        let names = state.files.iter().map(|(name, _)| serde_json::json!({ "rfilename": name }));
        let siblings: Vec<_> = names.collect();
        let body = serde_json::json!({ "sha": state.commit, "siblings": siblings }).to_string();
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json";
        write!(stream, "{head}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len())?;
        return stream.write_all(body.as_bytes());
    }

    let file = request.path.strip_prefix("/owner/tiny/resolve/").and_then(|path| {
        let (revision, name) = path.split_once('/')?;
        let (_, text) = state.files.iter().find(|(file, _)| file == name)?;
        known.contains(&revision).then_some((name, text.as_bytes()))
    });
    match (file, state.gated) {
        (None, _) => refuse(&mut stream, 404),
        (_, Some(status)) => refuse(&mut stream, status),
        (Some((name, bytes)), None) => send(state, &mut stream, &request, name, bytes),
    }
}

fn refuse(stream: &mut TcpStream, status: u16) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 {status} No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
}

fn send(
    state: &State,
    stream: &mut TcpStream,
    request: &Request,
    name: &str,
    bytes: &[u8],
) -> std::io::Result<()> {
    let range = request.range.as_deref().unwrap_or("bytes=0-");
    let (start, end) = range.trim_start_matches("bytes=").split_once('-').unwrap();
    let start: usize = start.parse().unwrap();
    let probe = !end.is_empty();
    if start >= bytes.len() {
        return refuse(stream, 416);
    }
    let (start, end) = match probe {
        true => (start, end.parse::<usize>().unwrap() + 1),
        false if state.ignores_ranges => (0, bytes.len()),
        false => (start, bytes.len()),
    };
    let body = &bytes[start..end];
    write!(
        stream,
        "HTTP/1.1 206 Partial Content\r\nConnection: close\r\nAccept-Ranges: bytes\r\n\
         x-repo-commit: {}\r\netag: \"etag-of-{}\"\r\n\
         Content-Range: bytes {start}-{}/{}\r\nContent-Length: {}\r\n\r\n",
        state.commit,
        name.replace(['.', '/'], "-"),
        end - 1,
        bytes.len(),
        body.len()
    )?;
    stream.write_all(&body[..state.cut_after.unwrap_or(usize::MAX).min(body.len())])
}
