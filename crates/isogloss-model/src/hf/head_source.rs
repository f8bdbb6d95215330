//! Task head parameters: loaded from a saved head, with rows matched by label name, or randomly
//! initialized.

use std::collections::BTreeMap;
use std::path::Path;

use super::loaded::{HeadChoice, LabelRows, LoadedModel};
use super::weights::WeightFiles;
use crate::params::{NamedParam, named_parameters, replace_parameters};
use crate::{HeadSpec, LoadError, LoadFault, RandomParams};

/// Source of the parameters of a task head: a saved head, random initialization, or both.
#[derive(Debug)]
pub(super) struct HeadSource {
    /// The head to build; `None` without a head, or if the saved head is loaded unchanged.
    new: Option<HeadSpec>,
    /// The saved head whose rows are matched by label.
    saved: Option<HeadSpec>,
    /// Random initialization of missing parameters; `None` if the files must have all.
    random: Option<RandomParams>,
    /// Whether the parameters of the saved head are ignored.
    leaves_saved: bool,
    /// Whether there is a saved head, of any kind.
    has_saved: bool,
    /// Indices of the label lists whose saved rows do not fit.
    unfit: Vec<usize>,
}

impl HeadSource {
    /// Creates the source for `choice` in a folder with the saved head `saved` and the
    /// configuration file `path`.
    ///
    /// # Errors
    /// If the choice is [`HeadChoice::AsIs`] and the saved head has another kind or other labels.
    pub(super) fn new(
        choice: &HeadChoice,
        saved: Option<&HeadSpec>,
        path: &Path,
    ) -> Result<Self, LoadError> {
        let is_alike = |new: &HeadSpec| saved.is_some_and(|saved| saved.kind() == new.kind());
        let random = match choice {
            HeadChoice::New { seed, .. } | HeadChoice::ByName { seed, .. } => {
                Some(RandomParams::new(*seed))
            }
            HeadChoice::Saved
            | HeadChoice::SavedIfRead
            | HeadChoice::Without
            | HeadChoice::AsIs { .. } => None,
        };
        if let HeadChoice::AsIs { spec } = choice {
            check_alike(saved, spec, path)?;
        }
        let new = choice.spec();
        Ok(Self {
            saved: saved.filter(|_| choice.matches_labels() && new.is_some_and(is_alike)).cloned(),
            new: new.cloned(),
            random,
            leaves_saved: matches!(choice, HeadChoice::New { .. }),
            has_saved: choice.matches_labels() && saved.is_some(),
            unfit: Vec::new(),
        })
    }

    /// Random initialization of missing parameters.
    pub(super) fn random(&self) -> Option<RandomParams> {
        self.random
    }

    /// Reads a parameter from the files, with rows matched by label; `None` if `drawn` is to be
    /// used.
    ///
    /// # Errors
    /// If a required parameter is missing, or it cannot be read.
    pub(super) fn read(
        &mut self,
        files: &mut WeightFiles,
        parameter: &HeadParameter<'_>,
        drawn: Option<&[f32]>,
    ) -> Result<Option<Vec<f32>>, LoadFault> {
        let HeadParameter { path, name, shape, is_encoders } = *parameter;
        let list = self.new.as_ref().and_then(|new| new.label_list(path));
        let lists = match (&self.saved, &self.new, list) {
            (Some(saved), Some(new), Some(list)) => {
                Some((saved.label_lists()[list], new.label_lists()[list]))
            }
            _ => None,
        };
        let mut expected = shape.to_vec();
        if let Some((saved, new)) = lists {
            // A bilinear layer has a block of rows per label.
            expected[0] = shape[0] / new.len().max(1) * saved.len();
        }
        if self.random.is_some() {
            let takes = match self.leaves_saved {
                true => is_encoders,
                // Rows without label names cannot be matched.
                false => list.is_none() || lists.is_some(),
            };
            if !takes || files.shape(name).as_ref() != Some(&expected) {
                self.unfit.extend(list);
                return Ok(None);
            }
        }
        let found = files.read(name, &expected)?;
        let Some((saved, new)) = lists else { return Ok(Some(found)) };
        let width = shape.iter().product::<usize>() / new.len().max(1);
        let mut values = drawn.map_or_else(|| vec![0.0; width * new.len()], <[f32]>::to_vec);
        for (row, label) in values.chunks_mut(width.max(1)).zip(new) {
            if let Some(row_idx) = row_of(saved, label) {
                row.copy_from_slice(&found[row_idx * width..][..width]);
            }
        }
        Ok(Some(values))
    }

    /// Report of the origin of the rows of all labels; empty without a saved head.
    pub(super) fn rows(&self) -> LabelRows {
        let mut rows = LabelRows::default();
        let Some(new) = self.new.as_ref().filter(|_| self.has_saved) else { return rows };
        for (list, labels) in new.label_lists().into_iter().enumerate() {
            let saved = self.saved.as_ref().filter(|_| !self.unfit.contains(&list));
            for (at, label) in labels.iter().enumerate() {
                let rows = match saved.and_then(|saved| row_of(saved.label_lists()[list], label)) {
                    Some(row_idx) if row_idx == at => &mut rows.kept,
                    Some(_) => &mut rows.moved,
                    None => &mut rows.drawn,
                };
                rows.push(label.clone());
            }
        }
        rows
    }
}

/// Parameter of a task head.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeadParameter<'a> {
    /// Path in the model.
    pub(super) path: &'a str,
    /// Tensor name in the files.
    pub(super) name: &'a str,
    /// Shape in the model.
    pub(super) shape: &'a [usize],
    /// Whether the parameter is part of the encoder in `transformers` (BERT's pooler).
    pub(super) is_encoders: bool,
}

/// Replaces the randomly initialized parameters of a task head by those of a saved head in a weight
/// file of its own; `tensor` names a parameter there, and is `None` for one that stays.
pub(super) fn with_saved_head(
    mut loaded: LoadedModel,
    mut source: HeadSource,
    files: &mut WeightFiles,
    tensor: &dyn Fn(&str) -> Option<String>,
) -> Result<LoadedModel, LoadError> {
    let (mut values, mut faults) = (BTreeMap::new(), Vec::<LoadFault>::new());
    for param in named_parameters(&loaded.model) {
        let NamedParam { path, shape, .. } = &param;
        if !path.starts_with("head.") {
            continue;
        }
        let Some(name) = tensor(path) else { continue };
        let own = loaded.model.parameter_name(loaded.head.as_ref(), path);
        loaded.report.fresh.retain(|fresh| *fresh != own);
        let parameter = HeadParameter { path, name: &name, shape, is_encoders: true };
        let drawn = param.data().convert::<f32>().try_into_vec::<f32>();
        let drawn = drawn.expect("the numbers were just converted to this type");
        match source.read(files, &parameter, Some(&drawn)) {
            Ok(Some(read)) => _ = values.insert(path.clone(), read),
            Ok(None) => loaded.report.fresh.push(own),
            Err(fault) => faults.push(fault),
        }
    }
    if !faults.is_empty() {
        return Err(LoadError::Tensors { faults });
    }
    loaded.model = replace_parameters(loaded.model, &mut values);
    loaded.report.rows = source.rows();
    Ok(loaded)
}

/// Checks that the saved head has the same kind and the same labels as the new one, in any order.
fn check_alike(saved: Option<&HeadSpec>, new: &HeadSpec, path: &Path) -> Result<(), LoadError> {
    let expected = new.kind();
    let found = saved.map_or("no head", HeadSpec::kind);
    let Some(saved) = saved.filter(|saved| saved.kind() == expected) else {
        return Err(LoadError::HeadKind { path: path.to_owned(), expected, found });
    };
    let [saved, new] = [saved, new].map(HeadSpec::label_lists);
    let lists = || saved.iter().zip(&new);
    let lacking = |(all, others): (&&[String], &&[String])| -> Vec<String> {
        all.iter().filter(|label| row_of(others, label).is_none()).cloned().collect()
    };
    let only_saved: Vec<String> = lists().flat_map(lacking).collect();
    let only_new: Vec<String> = lists().flat_map(|(saved, new)| lacking((new, saved))).collect();
    if only_saved.is_empty() && only_new.is_empty() {
        return Ok(());
    }
    Err(LoadError::HeadLabels { path: path.to_owned(), only_saved, only_new })
}

/// Index of a label; `None` if it is missing or occurs twice.
fn row_of(labels: &[String], label: &str) -> Option<usize> {
    let mut found = labels.iter().enumerate().filter(|(_, name)| *name == label);
    let (at, _) = found.next()?;
    found.next().is_none().then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(labels: &[&str]) -> HeadSpec {
        HeadSpec::tokens(labels.iter().map(|label| (*label).to_owned()).collect())
    }

    #[test]
    fn a_row_is_kept_moved_or_drawn_by_its_name() {
        let saved = head(&["O", "B-x", "I-x", "dup", "dup"]);
        let spec = head(&["O", "I-x", "B-x", "dup", "new"]);
        let choice = HeadChoice::ByName { spec, seed: 1 };
        let source = |saved| HeadSource::new(&choice, saved, "config.json".as_ref()).unwrap();
        let rows = source(Some(&saved)).rows();
        assert_eq!(rows.kept, ["O"]);
        assert_eq!(rows.moved, ["I-x", "B-x"]);
        assert_eq!(rows.drawn, ["dup", "new"], "two rows of one name say nothing");
        assert_eq!(source(None).rows(), LabelRows::default());
    }

    #[test]
    fn a_head_is_taken_as_it_is_for_its_own_labels_alone() {
        let saved = head(&["O", "B-x"]);
        let check = |spec| {
            let choice = HeadChoice::AsIs { spec };
            let source = HeadSource::new(&choice, Some(&saved), "config.json".as_ref());
            source.map(|_| ()).map_err(|error| error.to_string())
        };
        assert_eq!(check(head(&["B-x", "O"])), Ok(()));
        let labels = check(head(&["O", "B-y"])).unwrap_err();
        assert!(labels.contains("\"B-x\"") && labels.contains("\"B-y\""), "{labels}");
        let kind = check(HeadSpec::sequence(vec!["O".into(), "B-x".into()], Default::default()));
        assert!(kind.unwrap_err().contains("a classifier of tokens"));
    }
}
