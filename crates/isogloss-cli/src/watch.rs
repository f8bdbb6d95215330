//! Progress display of a run: a progress bar on a terminal, lines elsewhere, JSON for machines.

mod event_json;

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use isogloss::device::DeviceInfo;
use isogloss::text::Language;
use isogloss::{Corpus, DataReport, Event, PairSet};

use self::event_json::as_json;
use crate::wording::{
    centring_in_words, data_lines, embedding_line, frozen_lines, in_words, row_lines, size,
    teacher_line, trim_lines,
};

/// Progress display: shows the events of a run.
pub(crate) struct Watch {
    json: bool,
    /// What the first steps do besides, on a GPU.
    kernels: Option<&'static str>,
    bar: Option<ProgressBar>,
    last_line: Instant,
    began: Option<(Instant, u64)>,
    report: DataReport,
    /// Whether a finished run has not stored its counts.
    lacks_counts: bool,
}

/// Interval between two progress lines if there is no bar.
const LINE_EVERY: Duration = Duration::from_secs(10);

impl Watch {
    pub(crate) fn new(json: bool, device: &DeviceInfo) -> Self {
        let work = if device.tunes_kernels() { "compiling and tuning" } else { "compiling" };
        Self {
            json,
            kernels: device.kernel_language.map(|_| work),
            bar: None,
            last_line: Instant::now(),
            began: None,
            report: DataReport::default(),
            lacks_counts: false,
        }
    }

    /// Data report over all that the run reads: counts of what was truncated, lost and left out;
    /// `None` if a finished run of an earlier version has not stored them.
    pub(crate) fn report(&self) -> Option<&DataReport> {
        Some(&self.report).filter(|_| !self.lacks_counts)
    }

    pub(crate) fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Counts(Some(report)) => self.report.add(report),
            Event::Counts(None) => self.lacks_counts = true,
            _ => {}
        }
        if self.json {
            if let Some(value) = as_json(event) {
                println!("{value}");
            }
            return;
        }
        match event {
            Event::Recipe { name } => {
                self.end_bar();
                self.line(&format!("recipe    {name}"));
            }
            Event::Trim(report) => {
                trim_lines(report).iter().for_each(|line| self.line(line));
            }
            Event::Data(corpus) => self.data(corpus),
            Event::Pairs(sets) => self.pairs(sets),
            Event::Unlabeled(languages) => {
                let n: usize = languages.iter().map(|(_, n)| n).sum();
                self.line(&format!("unlabeled {n} texts in {} languages", languages.len()));
            }
            Event::Centring(centring) => {
                self.end_bar();
                self.line(&format!("centring  {}", centring_in_words(centring)));
            }
            Event::LostCentring { model } => self.line(&format!(
                "centring  that of {} is not taken over by training; [centring] estimates a new one",
                model.display()
            )),
            Event::LostSubnetworks { model } => self.line(&format!(
                "subnets   those of {} are not taken over by training; the whole model is trained",
                model.display()
            )),
            Event::TeacherCentring { teacher } => self.line(&format!(
                "teacher   its outputs are made without the centring of {}",
                teacher.display()
            )),
            Event::TeacherSubnetworks { teacher } => self.line(&format!(
                "teacher   its outputs are those of the whole model, without the subnetworks of {}",
                teacher.display()
            )),
            Event::SentenceEmbedding { objective, trained, modules } => {
                self.line(&embedding_line(objective, trained, modules));
            }
            Event::TeacherEmbedding { modules } => self.line(&teacher_line(modules)),
            Event::Model { n_parameters, n_trainable, fresh, rows, unread_head, adapter } => {
                let trained = match n_trainable {
                    n if n == n_parameters => String::new(),
                    n => format!(", {} of them trained", size(*n)),
                };
                self.line(&format!("model     {} parameters{trained}", size(*n_parameters)));
                if let Some((name, config)) = adapter {
                    let (kind, size) = (config.kind(), config.size());
                    self.line(&format!(
                        "adapter   {name} of the model, {kind} of {size}, is trained further"
                    ));
                }
                if !fresh.is_empty() {
                    self.line(&format!("new       {}", fresh.join(", ")));
                }
                if let Some(reason) = unread_head {
                    self.line(&format!("head      that of the model is not read: {reason}"));
                }
                for line in row_lines(rows) {
                    self.line(&line);
                }
            }
            Event::Begin { step, total_steps, rule } => self.begin(*step, *total_steps, rule),
            Event::Step { step, total_steps, loss, tokens_per_sec } => {
                self.step(*step, *total_steps, *loss, *tokens_per_sec);
            }
            Event::Dev { step, scores, is_best } => {
                let mark = if *is_best { "  best so far" } else { "" };
                self.line(&format!("dev       step {step}: {}{mark}", in_words(scores)));
            }
            Event::Measures { step, measures } => {
                let sharpness = measures
                    .sharpness
                    .as_ref()
                    .map(|s| format!(", sharpness {:.4} along the gradient", s.adversarial));
                let trace = measures.fisher.trace;
                let sharpness = sharpness.unwrap_or_default();
                self.line(&format!("measure   step {step}: Fisher trace {trace:.2}{sharpness}"));
            }
            Event::Unfreeze { step, layers, embeddings } => {
                let names: Vec<_> = layers.iter().map(usize::to_string).collect();
                let word = if layers.len() == 1 { "layer" } else { "layers" };
                let of_layers = format!("{word} {}", names.join(", "));
                let opened = [!layers.is_empty(), *embeddings].into_iter();
                let opened = opened.zip([of_layers.as_str(), "embeddings"]);
                let opened: Vec<_> = opened.filter(|(is, _)| *is).map(|(_, name)| name).collect();
                self.line(&format!("open      step {step}: {}", opened.join(" and ")));
            }
            Event::FrozenCache { in_memory, on_disk, left_out, problem } => {
                let kept = format!("at {in_memory} layers in memory, {on_disk} on the disk");
                let left_out = match (left_out, problem) {
                    (0, _) => String::new(),
                    (n, None) => format!("; {n} are beyond the recipe's limits and computed again"),
                    (n, Some(problem)) => format!("; {n} are computed again: {problem}"),
                };
                self.line(&format!("frozen    states kept {kept}{left_out}"));
            }
            Event::FrozenDropout { methods } => {
                frozen_lines(methods).iter().for_each(|line| self.line(line));
            }
            Event::FrozenCacheLost { problem } => {
                self.line(&format!("frozen    states lost, computed again: {problem}"));
            }
            Event::Checkpoint { .. } => {}
            Event::Language { language, scores } => {
                self.end_bar();
                self.line(&format!("test      {language}: {}", in_words(scores)));
            }
            Event::FewShot { language, scores } => {
                self.end_bar();
                self.line(&format!("few shot  {language}: {}", in_words(scores)));
            }
            Event::GradientConflict { step, languages, cosines } => {
                let least = least_similar(languages, cosines);
                self.line(&format!("conflict  step {step}: {least}"));
            }
            _ => {}
        }
    }

    /// Prints a line above the progress bar.
    pub(crate) fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{text}")),
            None => eprintln!("{text}"),
        }
    }

    pub(crate) fn end_bar(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn data(&self, corpus: &Corpus) {
        let sources: Vec<_> = corpus.devs.iter().map(|dev| dev.language.to_string()).collect();
        let n_labels = corpus.labels.len();
        let n_dev: usize = corpus.devs.iter().map(|dev| dev.report.n).sum();
        let longest = corpus.devs.iter().map(|dev| dev.report.longest).max().unwrap_or_default();
        let train = &corpus.train.report;
        for (name, n, longest) in [("train", train.n, train.longest), ("dev", n_dev, longest)] {
            self.line(&format!(
                "{name:<10}{n} examples of {}, {n_labels} labels, longest {longest} tokens",
                sources.join(", ")
            ));
        }
        if !corpus.target_devs.is_empty() {
            let n: usize = corpus.target_devs.iter().map(|dev| dev.report.n).sum();
            let n_languages = corpus.target_devs.len();
            self.line(&format!("dev       {n} examples in {n_languages} other languages"));
        }
        let n_tests: usize = corpus.tests.iter().map(|set| set.report.n).sum();
        self.line(&format!("test      {n_tests} examples in {} languages", corpus.tests.len()));
        data_lines(&corpus.report()).iter().for_each(|line| self.line(line));
        if !corpus.skipped.is_empty() {
            let names: Vec<_> =
                corpus.skipped.iter().map(|(tag, n)| format!("{tag} ({n})")).collect();
            self.line(&format!("skipped   share too few labels: {}", names.join(", ")));
        }
    }

    fn pairs(&self, sets: &[PairSet]) {
        let sum = |of: fn(&PairSet) -> usize| sets.iter().map(of).sum::<usize>();
        let held_out = match sum(|set| set.held_out.len()) {
            0 => String::new(),
            n => format!(", {n} held out"),
        };
        let n = sum(|set| set.train.len());
        self.line(&format!("pairs     {n} in {} languages{held_out}", sets.len()));
        if sets.iter().any(|set| set.aligned_in_training) {
            self.line("links     by the model itself, anew in each step");
        }
        let n_links = sum(|set| set.train.iter().map(|pair| pair.links.len()).sum());
        if n_links > 0 {
            let unlinked = sum(|set| set.n_unlinked);
            self.line(&format!("links     {n_links}; {unlinked} pairs without any are left out"));
        }
    }

    fn begin(&mut self, step: u64, total_steps: u64, rule: &str) {
        self.line(&format!("select    {rule}"));
        if step > 0 {
            self.line(&format!("resume    after step {step} of {total_steps}"));
        }
        self.began = Some((Instant::now(), step));
        self.bar = bar(step, total_steps);
        if let Some(work) = self.kernels {
            let kernels = format!("{work} kernels");
            match &self.bar {
                Some(bar) => bar.set_message(kernels),
                None => self.line(&format!("first     {kernels}, which takes a while")),
            }
        }
    }

    fn step(&mut self, step: u64, total_steps: u64, loss: f64, tokens_per_sec: f64) {
        if let Some(bar) = &self.bar {
            bar.set_position(step);
            bar.set_message(format!("loss {loss:.4}  {tokens_per_sec:.0} tokens/s"));
            return;
        }
        if self.last_line.elapsed() < LINE_EVERY && step != total_steps {
            return;
        }
        self.last_line = Instant::now();
        let left = self.began.map_or(String::new(), |(began, first)| {
            let per_step = began.elapsed().as_secs_f64() / (step - first).max(1) as f64;
            format!(", {} left", duration(per_step * (total_steps - step) as f64))
        });
        eprintln!(
            "step      {step}/{total_steps}: loss {loss:.4}, {tokens_per_sec:.0} tokens/s{left}"
        );
    }
}

fn bar(step: u64, total_steps: u64) -> Option<ProgressBar> {
    if !std::io::stderr().is_terminal() {
        return None;
    }
    let template = "{bar:30} {pos}/{len}  {msg}  {eta} left";
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(total_steps).with_style(style).with_position(step);
    bar.reset_eta();
    Some(bar)
}

fn duration(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// The two languages with the lowest gradient cosine, as text.
fn least_similar(languages: &[Language], cosines: &[Vec<f64>]) -> String {
    let rows = cosines.iter().enumerate();
    let pairs =
        rows.flat_map(|(a, row)| row.iter().enumerate().skip(a + 1).map(move |(b, x)| (a, b, *x)));
    match pairs.min_by(|x, y| x.2.total_cmp(&y.2)) {
        Some((a, b, cosine)) => format!(
            "gradients of {} languages, least alike {} and {}: cosine {cosine:.3}",
            languages.len(),
            languages[a],
            languages[b]
        ),
        None => String::new(),
    }
}
