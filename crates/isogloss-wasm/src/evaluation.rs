//! Evaluation of a model on a labeled file, batch by batch.

use std::path::Path;
use std::rc::Rc;

use isogloss::methods::Subnetwork;
use isogloss::metrics::ClassificationScores;
use isogloss::model::FeatureCentring;
use isogloss::text::{Format, LabelSet, ReadOptions, Unseen, sequential_by_length};
use isogloss::{Evaluator, LabeledSet, TargetKind};
use js_sys::{Reflect, Uint32Array};
use serde_json::json;
use wasm_bindgen::prelude::*;

use crate::labeler::Labeler;
use crate::to_js;

/// Evaluation in progress of a model on a labeled file.
#[derive(Debug)]
#[wasm_bindgen]
pub struct Evaluation {
    model: Rc<Labeler>,
    labels: LabelSet,
    set: LabeledSet,
    subnetwork: Option<Subnetwork>,
    centring: Option<FeatureCentring>,
    /// Number of examples of splits that are not scored.
    n_other_splits: usize,
    /// The column of splits of the model's run, if the file has none.
    missing_split_column: Option<String>,
    /// Whether classes are numbers in the file, whose names are those of the model alone.
    has_numbered_classes: bool,
    batches: std::vec::IntoIter<Vec<usize>>,
    gold: Vec<Vec<usize>>,
    predicted: Vec<Vec<usize>>,
}

impl Evaluation {
    pub(crate) fn new(
        model: Rc<Labeler>,
        bytes: &[u8],
        name: &str,
        batch_size: usize,
        unseen: Option<&str>,
    ) -> Result<Self, JsError> {
        let path = Path::new(name);
        let format = Format::from_path(path).ok_or_else(|| {
            let known = Format::EXTENSIONS;
            JsError::new(&format!("{name}: the extension does not tell the format: {known}"))
        })?;
        let predictor = &model.predictor;
        let labels = model.labels().map_err(|problem| JsError::new(&problem))?;
        let options = predictor.scoring().reading.options(format);
        let read = |options: &ReadOptions| predictor.task().read_from(&mut &*bytes, path, options);
        let examples = read(&options)?;
        let is_published = predictor.loaded().scoring.is_none();
        let as_written = || read(&options.clone().with_label_names(None::<String>));
        let has_numbered_classes =
            is_published && as_written().map_or(true, |as_written| as_written != examples);
        let reading = &predictor.scoring().reading;
        let (examples, split) = reading.select_test_split(path, examples)?;
        let language = model.language(name)?;
        let subnetwork = model.subnetwork(&language)?;
        let centring = predictor.feature_centring(&language);
        let unseen = match unseen {
            None => predictor.scoring().unseen_labels,
            Some("error") => Unseen::Error,
            Some("skip") => Unseen::Skip,
            Some(other) => {
                return Err(JsError::new(&format!("unseen labels {other:?}: error or skip")));
            }
        };
        let missing_split_column = reading.missing_split_column(split.as_ref()).map(str::to_owned);
        let n_other_splits = split.map_or(0, |split| split.n_others);
        let set = predictor.labeled_set(path, &examples, language, unseen)?;
        let batches = sequential_by_length(&set.lengths(), batch_size.max(1)).into_iter();
        let (gold, predicted) = (Vec::new(), Vec::new());
        Ok(Self {
            model,
            labels,
            set,
            subnetwork,
            centring,
            n_other_splits,
            missing_split_column,
            has_numbered_classes,
            batches,
            gold,
            predicted,
        })
    }

    fn evaluator(&self) -> Evaluator<'_> {
        let model = &*self.model;
        Evaluator {
            model: &model.predictor.loaded().model,
            task: model.predictor.task(),
            labels: &self.labels,
            batch_size: 1,
            device: &model.device,
            subnetwork: self.subnetwork.as_ref(),
            centring: self.centring.as_ref(),
        }
    }
}

#[wasm_bindgen]
impl Evaluation {
    /// Number of examples to score.
    #[wasm_bindgen(getter)]
    pub fn total(&self) -> usize {
        self.set.report.n
    }

    /// Number of examples scored so far.
    #[wasm_bindgen(getter)]
    pub fn done(&self) -> usize {
        self.gold.len()
    }

    /// Number of examples left out because the model does not have their labels.
    #[wasm_bindgen(getter)]
    pub fn skipped(&self) -> usize {
        self.set.report.n_left_out()
    }

    /// Scores the next batch; returns whether there was one.
    ///
    /// # Errors
    /// If the device is lost.
    pub async fn step(&mut self) -> Result<bool, JsError> {
        let Some(indices) = self.batches.next() else { return Ok(false) };
        let labels = self.evaluator().predict(&self.set, &indices).await?;
        for (gold, predicted) in labels {
            self.gold.push(gold);
            self.predicted.push(predicted);
        }
        Ok(true)
    }

    /// Scores of the examples so far.
    ///
    /// # Errors
    /// If no example was scored yet.
    #[wasm_bindgen(unchecked_return_type = "Scores")]
    pub fn result(&self) -> Result<JsValue, JsError> {
        let names = self.labels.names();
        let scores = self.evaluator().scores(&self.gold, &self.predicted)?;
        let mut result = json!(scores);
        result["n"] = json!(self.done());
        result["labels"] = json!(names);
        result["data"] = json!(self.set.report);
        result["n_other_splits"] = json!(self.n_other_splits);
        if self.has_numbered_classes {
            result["numbered_classes"] = json!(true);
        }
        if self.centring.is_some() {
            result["centred"] = json!(true);
        }
        if let Some(column) = &self.missing_split_column {
            result["missing_split_column"] = json!(column);
        }
        let result = to_js(&result)?;
        if self.model.predictor.task().target() == TargetKind::Class {
            let flat = |rows: &[Vec<usize>]| rows.iter().flatten().copied().collect::<Vec<_>>();
            let of = ClassificationScores::from_ids(&flat(&self.gold), &flat(&self.predicted))?;
            let mut counts = vec![0u32; names.len() * names.len()];
            for (gold, row) in of.labels.iter().zip(&of.confusion) {
                for (predicted, count) in of.labels.iter().zip(row) {
                    counts[gold * names.len() + predicted] = *count as u32;
                }
            }
            let counts = Uint32Array::from(counts.as_slice());
            let set = Reflect::set(&result, &"confusion".into(), &counts);
            set.map_err(|error| JsError::new(&format!("{error:?}")))?;
        }
        Ok(result)
    }
}
