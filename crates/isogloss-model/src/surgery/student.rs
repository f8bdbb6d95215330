//! Student model for knowledge distillation: a smaller model that is initialized from layers of its
//! teacher.

use std::collections::BTreeMap;

use burn::tensor::Device;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::StudentError;
use crate::params::named_parameters;
use crate::{EncoderConfig, Init, LoadedModel, Model, NamedParam, ParamSource, RandomParams};

/// Student model configuration: its sizes, and the teacher's blocks that it is initialized from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StudentConfig {
    /// Teacher block, from zero, that initializes each block of the student.
    pub layers: Vec<usize>,
    /// Hidden size; the teacher's by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hidden_size: Option<usize>,
    /// Inner width of the feed-forward networks; the teacher's by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intermediate_size: Option<usize>,
    /// Number of attention heads of each block; the teacher's by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_attention_heads: Option<usize>,
    /// Dropout rate, for all dropout of the student; the teacher's rates by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropout: Option<f64>,
}

impl StudentConfig {
    /// Encoder configuration of the student.
    ///
    /// # Errors
    /// If there are no layers, a layer is not in the teacher, a size is larger than the teacher's,
    /// the hidden size is not divisible by the number of heads, the dropout rate is out of range,
    /// or the teacher is pruned.
    pub fn encoder_config(&self, teacher: &EncoderConfig) -> Result<EncoderConfig, StudentError> {
        let fault = |field, problem| StudentError { field, problem };
        let n_layers = teacher.num_hidden_layers;
        if self.layers.is_empty() {
            return Err(fault("layers", "name at least one of the teacher's".into()));
        }
        if !teacher.pruned.is_empty() {
            let problem = "the teacher is pruned, and its layers cannot be taken; take those of the \
                           whole model, and prune the student";
            return Err(fault("layers", problem.into()));
        }
        if let Some(layer) = self.layers.iter().find(|layer| **layer >= n_layers) {
            let last = n_layers - 1;
            let problem = format!("the teacher has layers 0 to {last}, not {layer}");
            return Err(fault("layers", problem));
        }
        let size = |field, own: Option<usize>, max: usize| match own {
            Some(0) => Err(fault(field, "expected at least 1".into())),
            Some(size) if size > max => {
                let problem = format!("the teacher has {max}, the student cannot have {size}");
                Err(fault(field, problem))
            }
            size => Ok(size.unwrap_or(max)),
        };
        let (width, inner) = (self.hidden_size, self.intermediate_size);
        let config = EncoderConfig {
            num_hidden_layers: self.layers.len(),
            hidden_size: size("hidden_size", width, teacher.hidden_size)?,
            intermediate_size: size("intermediate_size", inner, teacher.intermediate_size)?,
            num_attention_heads: size(
                "num_attention_heads",
                self.num_attention_heads,
                teacher.num_attention_heads,
            )?,
            hidden_dropout_prob: self.dropout.unwrap_or(teacher.hidden_dropout_prob),
            attention_probs_dropout_prob: self
                .dropout
                .unwrap_or(teacher.attention_probs_dropout_prob),
            sequence_dropout_prob: self.dropout.unwrap_or(teacher.sequence_dropout_prob),
            token_dropout_prob: self.dropout.unwrap_or(teacher.token_dropout_prob),
            ..teacher.clone()
        };
        if let Some(rate) = self.dropout.filter(|rate| !(0.0..1.0).contains(rate)) {
            return Err(fault("dropout", format!("expected [0, 1), found {rate}")));
        }
        let (width, n_heads) = (config.hidden_size, config.num_attention_heads);
        if !width.is_multiple_of(n_heads) {
            let problem = format!("{n_heads} heads cannot share a width of {width}");
            return Err(fault("num_attention_heads", problem));
        }
        Ok(config)
    }

    /// Initializes the student from a teacher: returns the model, without a task head, and its
    /// `config.json`.
    ///
    /// It copies the teacher's embeddings and the chosen blocks. If its feed-forward networks are
    /// narrower, they keep the units with the largest product of the norms of their input and
    /// output weights, which is our own choice. All other parameters whose shape differs from the
    /// teacher's are randomly initialized from `seed`.
    ///
    /// # Errors
    /// As [`encoder_config`](Self::encoder_config).
    pub fn init(
        &self,
        teacher: &LoadedModel,
        seed: u64,
        device: &Device,
    ) -> Result<(Model, Value), StudentError> {
        let config = self.encoder_config(teacher.model.encoder.config())?;
        let named = named_parameters(&teacher.model).into_iter();
        let mut source = FromTeacher {
            layers: &self.layers,
            params: named.map(|param| (param.path.clone(), param)).collect(),
            units: BTreeMap::new(),
            fresh: RandomParams::new(seed),
        };
        let model = Model::init(&config, None, &mut source, device);
        let mut json = teacher.config_json.clone();
        let family = config.family.spec();
        for (field, size) in [
            (family.sizes.num_hidden_layers, config.num_hidden_layers),
            (family.sizes.hidden_size, config.hidden_size),
            (family.sizes.intermediate_size, config.intermediate_size),
            (family.sizes.num_attention_heads, config.num_attention_heads),
        ] {
            json[field] = size.into();
        }
        for equal in family.equal_sizes {
            json[equal.field] = json[equal.other].clone();
        }
        if let Some(rate) = self.dropout {
            family.dropout_fields().iter().for_each(|field| json[*field] = rate.into());
        }
        Ok((model, json))
    }
}

/// Parameter source that copies the parameters of a teacher if they fit, and randomly initializes
/// the others.
struct FromTeacher<'a> {
    layers: &'a [usize],
    params: BTreeMap<String, NamedParam>,
    /// The selected feed-forward units, by the teacher's layer.
    units: BTreeMap<usize, Vec<usize>>,
    fresh: RandomParams,
}

impl ParamSource for FromTeacher<'_> {
    fn take(&mut self, path: &str, shape: &[usize], init: Init) -> Option<Vec<f32>> {
        let (source_path, layer) =
            match path.strip_prefix("layers.").and_then(|p| p.split_once('.')) {
                Some((index, rest)) => {
                    let layer = self.layers[index.parse::<usize>().ok()?];
                    (format!("encoder.layers.{layer}.{rest}"), layer)
                }
                None => (format!("encoder.{path}"), 0),
            };
        let Some(found) = self.params.get(&source_path).map(|param| param.shape.clone()) else {
            return self.fresh.take(path, shape, init);
        };
        if found == shape {
            return Some(self.values(&source_path));
        }
        let narrowed = source_path.split_once(".feed_forward.").and_then(|(_, part)| {
            let width = *self.params.get("encoder.embeddings.token.weight")?.shape.get(1)?;
            match (part, shape) {
                ("up.weight", &[inner, hidden]) if hidden == width => Some((inner, false)),
                ("up.bias", &[inner]) => Some((inner, false)),
                ("down.weight", &[hidden, inner]) if hidden == width => Some((inner, true)),
                _ => None,
            }
        });
        match narrowed {
            Some((n_units, are_columns)) => {
                let units = self.chosen_units(layer, n_units);
                let values = self.values(&source_path);
                Some(if are_columns {
                    let rows = values.chunks(found[1]);
                    rows.flat_map(|row| units.iter().map(|unit| row[*unit])).collect()
                } else {
                    let width = values.len() / found[0];
                    let row = |unit: &usize| values[unit * width..(unit + 1) * width].to_vec();
                    units.iter().flat_map(row).collect()
                })
            }
            None => self.fresh.take(path, shape, init),
        }
    }
}

impl FromTeacher<'_> {
    fn values(&self, path: &str) -> Vec<f32> {
        let values = self.params[path].data().convert::<f32>().try_into_vec();
        values.expect("the numbers were just converted to this type")
    }

    /// Selects the `n` feed-forward units of a layer with the largest product of weight norms, in
    /// ascending order.
    fn chosen_units(&mut self, layer: usize, n: usize) -> Vec<usize> {
        if let Some(units) = self.units.get(&layer) {
            return units.clone();
        }
        let path = |part: &str| format!("encoder.layers.{layer}.feed_forward.{part}.weight");
        let (up, down) = (self.values(&path("up")), self.values(&path("down")));
        let inner = self.params[&path("up")].shape[0];
        let squares = |values: &mut dyn Iterator<Item = &f32>| {
            values.map(|x| f64::from(*x).powi(2)).sum::<f64>()
        };
        let (to, width) = (up.len() / inner, down.len() / inner);
        let score = |unit: usize| {
            let before = squares(&mut up[unit * to..(unit + 1) * to].iter());
            before * squares(&mut (0..width).map(|row| &down[row * inner + unit]))
        };
        let mut ranked: Vec<(f64, usize)> = (0..inner).map(|unit| (score(unit), unit)).collect();
        ranked.sort_by(|(a, i), (b, j)| b.total_cmp(a).then(i.cmp(j)));
        let mut units: Vec<usize> = ranked.into_iter().take(n).map(|(_, unit)| unit).collect();
        units.sort_unstable();
        self.units.insert(layer, units.clone());
        units
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{ForwardOptions, LoadReport, ModelInput, Pruning, presets};

    fn teacher() -> LoadedModel {
        let config = EncoderConfig { num_hidden_layers: 3, ..presets::tiny(20) };
        let model = Model::init(&config, None, &mut RandomParams::new(3), &Device::flex());
        LoadedModel {
            model,
            head: None,
            config_json: json!({}),
            scoring: None,
            report: LoadReport::default(),
        }
    }

    fn states(model: &Model) -> Vec<Vec<f32>> {
        let config = model.encoder.config();
        let input: ModelInput =
            config.input(&[5, 6, 7], &[1; 3], &[0; 3], 3, &Device::flex()).unwrap();
        let states = model.encoder.forward(&input, &ForwardOptions::evaluation()).hidden_states;
        states.into_iter().map(|x| x.into_data().try_into_vec().unwrap()).collect()
    }

    #[test]
    fn the_blocks_named_are_those_of_the_teacher() {
        let teacher = teacher();
        let config = StudentConfig { layers: vec![0, 2], ..StudentConfig::default() };
        let (student, json) = config.init(&teacher, 1, &Device::flex()).unwrap();
        let expected = json!({
            "num_hidden_layers": 2, "hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4,
        });
        assert_eq!(json, expected);
        let (of_student, of_teacher) = (states(&student), states(&teacher.model));
        assert_eq!(of_student[..2], of_teacher[..2]);
        assert_ne!(of_student[2], of_teacher[2]);
    }

    #[test]
    fn units_that_do_nothing_are_left_out_first() {
        let mut teacher = teacher();
        let inner = 64;
        let mut dead = RandomParams::new(3);
        // The output weights of every other feed-forward unit of the teacher are zero.
        struct Half<'a>(&'a mut RandomParams);
        impl ParamSource for Half<'_> {
            fn take(&mut self, path: &str, shape: &[usize], init: Init) -> Option<Vec<f32>> {
                let mut values = self.0.take(path, shape, init)?;
                if path.ends_with("feed_forward.down.weight") {
                    let rows = values.chunks_mut(shape[1]);
                    rows.for_each(|row| row.iter_mut().step_by(2).for_each(|x| *x = 0.0));
                }
                Some(values)
            }
        }
        let config = teacher.model.encoder.config().clone();
        teacher.model = Model::init(&config, None, &mut Half(&mut dead), &Device::flex());
        let student = StudentConfig {
            layers: vec![0, 1, 2],
            intermediate_size: Some(inner / 2),
            ..StudentConfig::default()
        };
        let (student, _) = student.init(&teacher, 1, &Device::flex()).unwrap();
        for (a, b) in states(&student).iter().flatten().zip(states(&teacher.model).iter().flatten())
        {
            assert!((a - b).abs() < 1e-5, "{a} {b}");
        }
    }

    #[test]
    fn a_narrower_student_is_drawn_and_a_wider_one_refused() {
        let teacher = teacher();
        let narrow = StudentConfig {
            layers: vec![1],
            hidden_size: Some(16),
            num_attention_heads: Some(2),
            ..StudentConfig::default()
        };
        let (student, _) = narrow.init(&teacher, 1, &Device::flex()).unwrap();
        assert_eq!(states(&student)[1].len(), 3 * 16);
        let fault = |config: StudentConfig| config.encoder_config(teacher.model.encoder.config());
        let pruned = EncoderConfig {
            pruned: Pruning::new([(0, 1)], []),
            ..teacher.model.encoder.config().clone()
        };
        let error = narrow.encoder_config(&pruned).unwrap_err().to_string();
        assert!(error.starts_with("layers: the teacher is pruned"), "{error}");
        for (config, expected) in [
            (StudentConfig::default(), "layers: name at least one of the teacher's"),
            (
                StudentConfig { layers: vec![3], ..narrow.clone() },
                "layers: the teacher has layers 0 to 2, not 3",
            ),
            (
                StudentConfig { hidden_size: Some(48), ..narrow.clone() },
                "hidden_size: the teacher has 32, the student cannot have 48",
            ),
            (
                StudentConfig { dropout: Some(1.0), ..narrow.clone() },
                "dropout: expected [0, 1), found 1",
            ),
            (
                StudentConfig { num_attention_heads: Some(3), ..narrow.clone() },
                "num_attention_heads: 3 heads cannot share a width of 16",
            ),
        ] {
            assert_eq!(fault(config).unwrap_err().to_string(), expected);
        }
    }
}
