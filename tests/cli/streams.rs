//! Standard streams of every command: broken pipes, full disks, malformed input.

use std::fs;
use std::io::{Write, pipe};
use std::process::{Child, Command, Output, Stdio};

use isogloss::{RunFolder, RunStatus};
use isogloss_tests::runs::{Trace, Workshop};

use crate::folder;

const TRAINING: &str = "epochs = 2\nbatch_size = 8\ncheckpoint_every = 2\nlog_every = 1";

/// Finished run of a recipe, with its workshop.
struct Finished {
    shop: Workshop,
}

impl Finished {
    fn new() -> Self {
        let shop = Workshop::new();
        fs::write(shop.path("tiny.toml"), shop.recipe(TRAINING, "")).unwrap();
        let this = Self { shop };
        let output = this.command("finetune tiny.toml --device flex").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        this
    }

    fn command(&self, args: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_isogloss"));
        command.args(args.split(' ')).current_dir(self.shop.path("."));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

/// Output of a process that reads `input` from the standard input.
fn answer(mut child: Child, input: &[u8]) -> Output {
    // A process that has ended reads no more.
    _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

/// Write end of a broken pipe: nobody reads it.
fn unread() -> Stdio {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    writer.into()
}

/// medialab/xan#759, sharkdp/fd#24, rvben/rumdl#184, VladimirMarkelov/ttdl#59 (a message instead of
/// the panic), EmbarkStudios/cargo-about#252 (exit code 141), longbridge/longbridge-terminal#316
/// (completions).
#[test]
fn a_reader_that_goes_away_ends_any_command_quietly() {
    let finished = Finished::new();
    let texts = "licht an\n".repeat(100);
    for args in [
        "predict runs/tiny/seed-7/best --device flex",
        "predict runs/tiny/seed-7/best --device flex --json",
        "evaluate runs/tiny/seed-7/best data/de.jsonl --split test --device flex",
        "inspect runs/tiny/seed-7/best",
        "report runs",
        "recipe --schema",
        "recipe --list",
        "devices",
        "completions bash",
        "merge model --out merged",
        "sweep tiny.toml --seeds 1 --device flex",
    ] {
        let output =
            answer(finished.command(args).stdout(unread()).spawn().unwrap(), texts.as_bytes());
        let error = String::from_utf8(output.stderr).unwrap();
        if args.starts_with("merge") {
            // A command that fails prints no output.
            assert_eq!(output.status.code(), Some(1), "{args}: {error}");
            continue;
        }
        assert_eq!(output.status.code(), Some(141), "{args}: {error}");
        for word in ["panicked", "error", "pipe"] {
            assert!(!error.contains(word), "{args}: {error}");
        }
    }
}

/// Alignments and mined pairs are written by another code path.
#[test]
fn a_reader_of_lines_that_goes_away_ends_the_command_quietly() {
    let folder = folder();
    for args in [
        "align en-de.tsv --dictionary en-de.dic",
        "retrieve model --device flex --pairs en-de.tsv --mine 0.5",
        "alignment model --device flex --pairs en-{language}.tsv",
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_isogloss"));
        command.args(args.split(' ')).current_dir(folder.path()).stdout(unread());
        let output = command.output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(141), "{args}: {error}");
        assert!(!error.contains("rror") && !error.contains("panicked"), "{args}: {error}");
    }
}

/// firelock-ai/kin#1346 and longbridge/longbridge-terminal#316: if only the reader of the progress
/// goes away, the work goes on.
#[test]
fn a_reader_of_notes_that_goes_away_misses_them() {
    let shop = Workshop::new();
    fs::write(shop.path("tiny.toml"), shop.recipe(TRAINING, "")).unwrap();
    let finished = Finished { shop };
    let output = finished.command("finetune tiny.toml --device flex").stderr(unread()).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8(output.stdout).unwrap().contains("mean of 2 targets"));
    let args = "evaluate runs/tiny/seed-7/best data/de.jsonl --split test --device flex";
    let output = finished.command(args).stderr(unread()).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8(output.stdout).unwrap().contains("language"));
    // An error gives its exit code even if its message cannot be written.
    let output = finished.command("inspect ./none").stderr(unread()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_run_whose_reader_goes_away_is_saved_and_goes_on() {
    let finished = Finished::new();
    let run = |out: &str| RunFolder::new(finished.shop.path(out).join("tiny/seed-7"));
    let args = "finetune tiny.toml --device flex --json --out read --seeds 2";
    let output = finished.command(args).stdout(unread()).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), error.as_str()), (Some(141), ""));
    assert_eq!(run("read").status().unwrap(), RunStatus::Unfinished(1));
    assert!(!finished.shop.path("read/tiny/seed-8").exists());
    let output = finished.command("finetune tiny.toml --device flex --out read").output().unwrap();
    assert!(output.status.success());
    assert_eq!(Trace::read(&run("read")), Trace::read(&run("runs")));
}

/// ogham/exa#76: a full disk is an error, unlike a broken pipe.
#[cfg(target_os = "linux")]
#[test]
fn output_that_cannot_be_written_is_an_error() {
    let finished = Finished { shop: Workshop::new() };
    for args in ["devices", "recipe --schema", "completions zsh"] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = finished.command(args).stdout(full).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{args}");
        assert!(error.starts_with("error: standard output: No space left"), "{args}: {error}");
    }
}

#[test]
fn input_that_breaks_keeps_the_answers_before_it() {
    let finished = Finished::new();
    let predict = |input: &[u8], more: &str| {
        let args = format!("predict runs/tiny/seed-7/best --device flex{more}");
        let output = answer(finished.command(&args).spawn().unwrap(), input);
        let [out, error] = [output.stdout, output.stderr].map(|b| String::from_utf8(b).unwrap());
        let texts: Vec<_> = out.lines().filter_map(|line| line.rsplit('\t').next()).collect();
        (output.status.code(), texts.join("|"), error)
    };
    let whole = |input: &[u8], texts: &str, told: &str| {
        assert_eq!(predict(input, ""), (Some(0), texts.to_owned(), told.to_owned()));
    };
    whole(b"licht an\nlicht aus\n", "licht an|licht aus", "");
    whole("\u{feff}licht an\r\nlicht aus".as_bytes(), "licht an|licht aus", "");
    // An empty line gives an empty prediction: output line n belongs to input line n.
    let empty = "no token  1 texts have no token: the model reads special tokens only\n";
    whole(b"licht an\n\nlicht aus\n", "licht an||licht aus", empty);
    whole(b"", "", "standard input: no text\n");
    for (second, what) in [(&b"k\xfcche"[..], "not valid UTF-8"), (b"a\0b", "a NUL character")] {
        for batch_size in [1, 2, 32] {
            let input = [b"licht an\n", second, b"\nlicht aus\n"].concat();
            let (code, texts, error) = predict(&input, &format!(" --batch-size {batch_size}"));
            assert_eq!((code, texts.as_str()), (Some(1), "licht an"));
            assert!(error.starts_with(&format!("error: standard input:2: {what}")), "{error}");
        }
    }
}

#[cfg(unix)]
#[test]
fn an_input_that_cannot_be_read_is_named() {
    let finished = Finished::new();
    let mut command = finished.command("predict runs/tiny/seed-7/best --device flex");
    let output = command.stdin(fs::File::open(finished.shop.path("data")).unwrap()).output();
    let error = String::from_utf8(output.unwrap().stderr).unwrap();
    assert!(error.starts_with("error: standard input:1: Is a directory"), "{error}");
}

#[test]
fn a_parser_answers_the_sentences_before_a_fault() {
    let finished = Finished { shop: Workshop::new() };
    isogloss_tests::copy_model("parser", &finished.shop.path("parser"));
    let word = |form: &str| format!("1\t{form}\t_\t_\t_\t_\t0\troot\t_\t_\n\n");
    let parse = |input: &[u8]| {
        let child = finished.command("predict parser --device flex").spawn().unwrap();
        let output = answer(child, input);
        let [out, error] = [output.stdout, output.stderr].map(|b| String::from_utf8(b).unwrap());
        let n_sentences = out.split("\n\n").filter(|sentence| !sentence.is_empty()).count();
        (output.status.code(), n_sentences, error)
    };
    let good = word("licht");
    assert_eq!(parse(good.repeat(2).as_bytes()).0, Some(0));
    let (code, n, error) = parse(&[good.as_bytes(), b"1\tk\xfcche\t_\n"].concat());
    assert_eq!((code, n), (Some(1), 1), "{error}");
    assert!(error.contains("standard input:3: not valid UTF-8"), "{error}");
    let (code, n, error) = parse(format!("{good}{good}1\tlicht\n\n{good}").as_bytes());
    assert_eq!((code, n), (Some(1), 2), "{error}");
    assert!(error.contains("standard input:5: "), "{error}");
}

#[test]
fn a_model_that_is_neither_folder_nor_name_is_told_before_the_hub_is_asked() {
    let finished = Finished { shop: Workshop::new() };
    for (args, expected) in [
        (
            "predict nonexist a",
            "error: model \"nonexist\": no such folder here, and no name on the hub",
        ),
        ("inspect tiny.toml", "error: model \"tiny.toml\": no such folder here"),
        (
            "inspect model/config.json",
            "error: model/config.json: a file; expected the folder of a model",
        ),
        ("inspect ./model/config.json", "error: ./model/config.json: a file; expected the folder"),
        ("inspect ./none", "error: ./none: no such folder"),
        ("inspect runs/best --offline --cache .", "error: runs/best: no such folder here: "),
    ] {
        let output =
            finished.command(args).env("HF_ENDPOINT", "http://127.0.0.1:9").output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.starts_with(expected), "{args}: {error}");
    }
}

#[test]
fn recipes_of_one_name_do_not_share_a_folder() {
    let finished = Finished { shop: Workshop::new() };
    let (shop, recipe) = (&finished.shop, finished.shop.recipe(TRAINING, ""));
    fs::create_dir(shop.path("other")).unwrap();
    for name in ["tiny.toml", "other/tiny.toml"] {
        fs::write(shop.path(name), &recipe).unwrap();
    }
    for recipes in ["tiny.toml other/tiny.toml", "tiny.toml tiny.toml"] {
        let output = finished.command(&format!("sweep {recipes} --device flex")).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        let expected = format!("error: {}: both would train", recipes.replace(' ', " and "));
        assert!(error.starts_with(&expected), "{error}");
        assert!(!shop.path("runs").exists());
    }
}
