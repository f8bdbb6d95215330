//! Frozen-layer cache: the activations of the training examples below the lowest trained layer.
//! Without dropout they never change while those layers are frozen: they are computed once, before
//! the first step, and forward passes start from them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use isogloss_model::{ForwardOptions, Model, Tokens};
use isogloss_text::{TokenBatch, sequential_by_length};

use crate::{Error, FrozenRecipe, LabeledSet};

/// Frozen-layer cache: the hidden states of all examples after some layers.
pub(crate) struct FrozenCache {
    layers: BTreeMap<usize, Store>,
    /// The offset of each example's tokens; the last entry is the total number of tokens.
    starts: Vec<usize>,
    width: usize,
    /// The read error of cached states, to be reported once.
    problem: Option<String>,
}

/// Storage of the hidden states of one layer, `[tokens, hidden]`, example after example.
enum Store {
    Memory(Vec<f32>),
    /// An unnamed temporary file, which the system deletes when the process ends.
    Disk(File),
}

/// Number of layers that are cached, in memory and on disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CachedLayers {
    pub(crate) in_memory: usize,
    pub(crate) on_disk: usize,
    /// Layers that are not cached.
    pub(crate) left_out: usize,
    /// The error, if a layer is not cached for another reason than the size limits.
    pub(crate) problem: Option<String>,
}

const GIB: f64 = (1u64 << 30) as f64;

impl FrozenCache {
    /// Encodes the dataset, and caches the hidden states after as many of `layers` as fit: in
    /// memory first, then in temporary files in `folder`. The highest layers are left out first: a
    /// pass that would start after one of them starts from a lower cached layer and computes the
    /// layers between.
    pub(crate) fn new(
        model: &Model,
        set: &LabeledSet,
        layers: &[usize],
        recipe: &FrozenRecipe,
        batch_size: usize,
        folder: &Path,
        device: &Device,
    ) -> Result<(Self, CachedLayers), Error> {
        let width = model.encoder.config().hidden_size;
        let mut starts = vec![0];
        for n_tokens in set.lengths() {
            starts.push(starts[starts.len() - 1] + n_tokens);
        }
        let n_values = starts[starts.len() - 1] * width;
        let n_bytes = (n_values * size_of::<f32>()) as f64;
        let [in_memory, on_disk] = recipe.cache_gib().map(|gib| (gib * GIB / n_bytes) as usize);
        let mut this = Self { layers: BTreeMap::new(), starts, width, problem: None };
        let mut cached = CachedLayers::default();
        for layer in layers {
            if cached.in_memory < in_memory {
                cached.in_memory += 1;
                this.layers.insert(*layer, Store::Memory(vec![0.0; n_values]));
                continue;
            }
            if cached.on_disk < on_disk {
                // Training goes on without the cache if the disk cannot be written to.
                match tempfile::tempfile_in(folder) {
                    Ok(file) => {
                        cached.on_disk += 1;
                        this.layers.insert(*layer, Store::Disk(file));
                        continue;
                    }
                    Err(error) => cached.problem = Some(format!("{}: {error}", folder.display())),
                }
            }
            cached.left_out += 1;
        }
        let Some(last) = this.layers.keys().next_back().copied() else { return Ok((this, cached)) };
        let encoder = model.encoder.valid().truncated(last);
        for indices in sequential_by_length(&set.lengths(), batch_size) {
            let (batch, input) = set.batch(&indices, encoder.config(), device)?;
            let states = encoder.forward(&input, &ForwardOptions::evaluation()).hidden_states;
            this.store(&batch, &states, &mut cached);
            if this.layers.is_empty() {
                break;
            }
        }
        Ok((this, cached))
    }

    /// Stores the hidden states of a batch; a layer whose disk is full is removed from the cache.
    fn store(&mut self, batch: &TokenBatch, states: &[Tensor<3>], cached: &mut CachedLayers) {
        let (starts, width) = (&self.starts, self.width);
        self.layers.retain(|layer, store| {
            let states = states[*layer].clone().into_data().try_into_vec::<f32>();
            let states = states.expect("hidden states are f32");
            let written = store.write(batch, starts, width, &states);
            if let Err(error) = &written {
                cached.on_disk -= 1;
                cached.left_out += 1;
                cached.problem = Some(format!("layer {layer}: {error}"));
            }
            written.is_ok()
        });
    }

    /// Cached hidden states to start a pass from if so many blocks are frozen,
    /// `[batch, seq, hidden]`, of the highest layer that is cached; none if no layer below is, or
    /// if a file cannot be read, which [`take_problem`](Self::take_problem) then reports.
    pub(crate) fn activations(
        &mut self,
        batch: &TokenBatch,
        frozen: usize,
        device: &Device,
    ) -> Option<Tokens> {
        let (width, seq_len, starts) = (self.width, batch.seq_len, &self.starts);
        // Higher layers are trained from now on, so that their cached states are outdated.
        self.layers.split_off(&(frozen + 1));
        let (layer, store) = self.layers.range_mut(..=frozen).next_back()?;
        let layer = *layer;
        let mut states = vec![0.0; batch.n * seq_len * width];
        for (row, example) in batch.indices.iter().enumerate() {
            let (start, end) = (starts[*example] * width, starts[example + 1] * width);
            let at = row * seq_len * width;
            let into = &mut states[at..at + (end - start)];
            match store {
                Store::Memory(values) => into.copy_from_slice(&values[start..end]),
                Store::Disk(file) => {
                    if let Err(error) = read_at(file, start, into) {
                        self.problem = Some(format!("layer {layer}: {error}"));
                        self.layers.remove(&layer);
                        return None;
                    }
                }
            }
        }
        let states = TensorData::new(states, [batch.n, seq_len, width]);
        let states = Tensor::from_data(states, device);
        Some(Tokens::States { states, layer })
    }
}

impl FrozenCache {
    /// Takes the read error of cached states since the last call.
    pub(crate) fn take_problem(&mut self) -> Option<String> {
        self.problem.take()
    }
}

impl Store {
    fn write(
        &mut self,
        batch: &TokenBatch,
        starts: &[usize],
        width: usize,
        states: &[f32],
    ) -> std::io::Result<()> {
        let rows = states.chunks(batch.seq_len * width);
        for (example, row) in batch.indices.iter().zip(rows) {
            let (start, end) = (starts[*example] * width, starts[example + 1] * width);
            let row = &row[..end - start];
            match self {
                Self::Memory(values) => values[start..end].copy_from_slice(row),
                Self::Disk(file) => {
                    file.seek(SeekFrom::Start((start * size_of::<f32>()) as u64))?;
                    let bytes: Vec<u8> = row.iter().flat_map(|x| x.to_le_bytes()).collect();
                    file.write_all(&bytes)?;
                }
            }
        }
        Ok(())
    }
}

fn read_at(file: &mut File, start: usize, into: &mut [f32]) -> std::io::Result<()> {
    file.seek(SeekFrom::Start((start * size_of::<f32>()) as u64))?;
    let mut bytes = vec![0; size_of_val(into)];
    file.read_exact(&mut bytes)?;
    let (values, _) = bytes.as_chunks::<4>();
    into.iter_mut().zip(values).for_each(|(x, bytes)| *x = f32::from_le_bytes(*bytes));
    Ok(())
}

#[cfg(test)]
mod tests {
    use isogloss_text::TokenBatch;

    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_layer_whose_disk_is_full_is_computed_again() {
        let device = Device::flex();
        let batch = TokenBatch::from_ids(&[&[1, 2], &[3]], 0);
        let n_values = 3 * 2;
        let full = File::options().write(true).open("/dev/full").unwrap();
        let stores = [(1, Store::Memory(vec![0.0; n_values])), (2, Store::Disk(full))];
        let mut states =
            FrozenCache { layers: stores.into(), starts: vec![0, 2, 3], width: 2, problem: None };
        let mut cached = CachedLayers { in_memory: 1, on_disk: 1, ..CachedLayers::default() };
        let of_layer = |layer: f32| Tensor::<3>::full([2, 2, 2], layer, &device);
        states.store(&batch, &[0.0, 1.0, 2.0].map(of_layer), &mut cached);
        assert_eq!((cached.in_memory, cached.on_disk, cached.left_out), (1, 0, 1));
        assert_eq!(cached.problem.unwrap(), "layer 2: No space left on device (os error 28)");
        // With two blocks frozen, the pass starts from the states of the first, in memory.
        let Some(Tokens::States { states, layer }) = states.activations(&batch, 2, &device) else {
            panic!("no states")
        };
        assert_eq!(layer, 1);
        let found: Vec<f32> = states.into_data().try_into_vec().unwrap();
        assert_eq!(found, [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0]);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_told_and_computed_again() {
        let device = Device::flex();
        let batch = TokenBatch::from_ids(&[&[1, 2], &[3]], 0);
        // Shorter than the states that it should hold.
        let file = tempfile::tempfile().unwrap();
        let mut states = FrozenCache {
            layers: [(1, Store::Disk(file))].into(),
            starts: vec![0, 2, 3],
            width: 2,
            problem: None,
        };
        assert!(states.activations(&batch, 1, &device).is_none());
        assert_eq!(states.take_problem().unwrap(), "layer 1: failed to fill whole buffer");
        assert_eq!(states.take_problem(), None);
    }
}
