//! Teacher cache: the teacher's sentence embeddings of all texts of a run, computed once, before
//! the first step, and kept on disk.
//!
//! The file is a header of [`HEADER`] bytes, then a row of `f32` for each text. The header
//! identifies the texts and options, so that the cache is rebuilt for others, and has a checksum of
//! all rows, so that a damaged file is detected. A rebuild for another teacher is decided by its
//! first embedding.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use burn::tensor::{Device, Tensor, TensorData};
use isogloss_kernels::split_seed;
use isogloss_methods::{SentenceEmbedding, hidden_state, sentence_embeddings};
use isogloss_model::{Encoder, ForwardOptions, Pooling};
use isogloss_text::{Encoded, Features, Target, TokenBatch, sequential_by_length};

use crate::Error;
use crate::embedding::sentence_pipeline::SentencePipeline;
use crate::error::{RunError, io};
use crate::ground::tensors::host_values;

/// Size of the file header: six numbers of 8 bytes, which are the magic number, the number of rows,
/// their width, the key of texts and options, the checksum of the rows, and that of these five
/// numbers.
const HEADER: usize = 48;

/// Magic number of the file.
const KIND: u64 = u64::from_le_bytes(*b"isoteach");

/// Relative tolerance: embeddings are equal if they differ by no more than this share of the
/// largest value, as devices round differently.
const TOLERANCE: f32 = 1e-3;

/// Options of the teacher cache: which embeddings are cached, and the batch size.
#[derive(Clone)]
pub(crate) struct TeacherCacheOptions {
    pub(crate) embedding: SentenceEmbedding,
    /// Pooling and dense layers of the teacher's own modules (sentence-transformers), in place of
    /// the pooling of `embedding`, which is of the last layer then.
    pub(crate) pipeline: Option<SentencePipeline>,
    /// Batch size, in texts.
    pub(crate) batch_size: usize,
}

/// Teacher cache: a sentence embedding for each of many texts, on disk.
pub(crate) struct TeacherCache {
    path: PathBuf,
    file: Mutex<File>,
    /// The row of each text, by its token ids.
    rows: HashMap<Vec<u32>, usize>,
    width: usize,
    embedding: SentenceEmbedding,
}

impl TeacherCache {
    /// Opens the cache at `path`, or computes it if it is missing, or is of other texts or of
    /// another teacher. Each text is given twice: tokenized for the student, and for the teacher.
    pub(crate) fn open(
        path: &Path,
        teacher: &Encoder,
        [texts, teacher_texts]: [Vec<Encoded>; 2],
        options: TeacherCacheOptions,
        device: &Device,
    ) -> Result<Self, Error> {
        let plain = |input| Features { input, target: Target::None };
        let teacher_texts: Vec<_> = teacher_texts.into_iter().map(plain).collect();
        let embedding = options.embedding;
        let maker = Maker { teacher, texts: &teacher_texts, options, device };
        let width = maker.width();
        if !path.exists() || !holds(path, &maker)? {
            maker.make(path)?;
        }
        let rows = texts.into_iter().zip(0..).map(|(text, row)| (text.ids, row));
        let file = Mutex::new(File::open(path).map_err(io(path))?);
        let path = path.to_owned();
        Ok(Self { path, file, rows: rows.collect(), width, embedding })
    }

    /// The layer of the embeddings, the last if none.
    pub(super) fn layer(&self) -> Option<usize> {
        self.embedding.layer
    }

    /// Reads the embeddings of the texts of a batch, `[batch, width]`.
    pub(super) fn embeddings(
        &self,
        batch: &TokenBatch,
        device: &Device,
    ) -> Result<Tensor<2>, Error> {
        let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut values = Vec::with_capacity(batch.n * self.width);
        let rows = batch.input_ids.chunks(batch.seq_len);
        for (ids, mask) in rows.zip(batch.attention_mask.chunks(batch.seq_len)) {
            let real = ids.iter().zip(mask).filter(|(_, real)| **real != 0);
            let ids: Vec<u32> = real.map(|(id, _)| id.cast_unsigned()).collect();
            let row = *self.rows.get(&ids).expect("every left sentence of the pairs has a row");
            let mut bytes = vec![0; self.width * size_of::<f32>()];
            let at = SeekFrom::Start((HEADER + row * bytes.len()) as u64);
            file.seek(at).and_then(|_| file.read_exact(&mut bytes)).map_err(io(&self.path))?;
            values.extend(bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)));
        }
        Ok(Tensor::from_data(TensorData::new(values, [batch.n, self.width]), device))
    }
}

/// Builder of the cache: a teacher, and the texts that it embeds.
struct Maker<'a> {
    teacher: &'a Encoder,
    texts: &'a [Features],
    options: TeacherCacheOptions,
    device: &'a Device,
}

impl Maker<'_> {
    /// Computes the embeddings of the texts of these indices, one after another.
    fn embeddings(&self, indices: &[usize]) -> Result<Vec<f32>, Error> {
        let config = self.teacher.config();
        let texts: Vec<_> = indices.iter().map(|idx| &self.texts[*idx]).collect();
        let batch = TokenBatch::collate(&texts, indices.to_vec(), config.pad_token_id)?;
        let (ids, types) = (&batch.input_ids, &batch.token_type_ids);
        let input = config
            .input(ids, &batch.attention_mask, types, batch.seq_len, self.device)
            .map_err(|source| Error::Input { path: "pairs".into(), source })?;
        let states = self.teacher.forward(&input, &ForwardOptions::evaluation()).hidden_states;
        let states = hidden_state(&states, self.options.embedding.layer)
            .map_err(|source| RunError::TeacherLayer { source })?;
        let (mask, pooling) = (input.attention_mask, self.options.embedding.pooling);
        Ok(host_values(match &self.options.pipeline {
            Some(pipeline) => pipeline.embed(states, mask, 0, true),
            None => sentence_embeddings(states, mask, pooling),
        }))
    }

    /// Size of an embedding.
    fn width(&self) -> usize {
        let hidden_size = self.teacher.config().hidden_size;
        self.options.pipeline.as_ref().map_or(hidden_size, |of| of.width(hidden_size, true))
    }

    /// Cache key: a hash of the layer, the pooling and the token ids of all texts.
    fn key(&self) -> u64 {
        let SentenceEmbedding { layer, pooling } = self.options.embedding;
        let layer = layer.map_or(u64::MAX, |layer| layer as u64);
        let pooling = u64::from(pooling == Pooling::Mean);
        let ids = self.texts.iter().flat_map(|text| {
            let ids = text.input.ids.iter().map(|id| u64::from(*id));
            ids.chain(std::iter::once(u64::MAX))
        });
        [layer, pooling].into_iter().chain(ids).fold(KIND, split_seed)
    }

    fn header(&self, sum: u64) -> [u8; HEADER] {
        let width = self.width() as u64;
        let mut numbers = [KIND, self.texts.len() as u64, width, self.key(), sum, 0];
        numbers[5] = numbers[..5].iter().copied().fold(0, split_seed);
        let mut header = [0; HEADER];
        for (bytes, number) in header.as_chunks_mut::<8>().0.iter_mut().zip(numbers) {
            *bytes = number.to_le_bytes();
        }
        header
    }

    fn make(&self, path: &Path) -> Result<(), Error> {
        let partial = path.with_extension("partial");
        let mut file = File::create(&partial).map_err(io(&partial))?;
        let width = self.width();
        let lengths: Vec<usize> = self.texts.iter().map(|text| text.input.len()).collect();
        let mut sum = 0u64;
        for indices in sequential_by_length(&lengths, self.options.batch_size) {
            let embeddings = self.embeddings(&indices)?;
            for (row, embedding) in indices.iter().zip(embeddings.chunks(width)) {
                let bytes: Vec<u8> = embedding.iter().flat_map(|x| x.to_le_bytes()).collect();
                sum = sum.wrapping_add(sum_of_row(*row, &bytes));
                let at = SeekFrom::Start((HEADER + row * bytes.len()) as u64);
                file.seek(at).and_then(|_| file.write_all(&bytes)).map_err(io(&partial))?;
            }
        }
        let header = self.header(sum);
        let written = file.seek(SeekFrom::Start(0)).and_then(|_| file.write_all(&header));
        written.and_then(|()| file.sync_all()).map_err(io(&partial))?;
        std::fs::rename(&partial, path).map_err(io(path))
    }
}

fn sum_of_row(row: usize, bytes: &[u8]) -> u64 {
    let numbers = bytes.as_chunks::<4>().0.iter().map(|b| u64::from(u32::from_le_bytes(*b)));
    numbers.fold(row as u64, split_seed)
}

/// Whether the cached embeddings are those of these texts, options and teacher.
fn holds(path: &Path, maker: &Maker<'_>) -> Result<bool, Error> {
    let damaged = || RunError::TeacherCache { path: path.to_owned() };
    let mut file = File::open(path).map_err(io(path))?;
    let mut header = [0; HEADER];
    file.read_exact(&mut header).map_err(|_| damaged())?;
    let numbers: Vec<u64> =
        header.as_chunks::<8>().0.iter().map(|b| u64::from_le_bytes(*b)).collect();
    if numbers[0] != KIND || numbers[5] != numbers[..5].iter().copied().fold(0, split_seed) {
        return Err(damaged().into());
    }
    let width = numbers[2] as usize;
    let mut bytes = vec![0; width * size_of::<f32>()];
    let (mut sum, mut first) = (0u64, Vec::new());
    for row in 0..numbers[1] as usize {
        file.read_exact(&mut bytes).map_err(|_| damaged())?;
        sum = sum.wrapping_add(sum_of_row(row, &bytes));
        if row == 0 {
            first = bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        }
    }
    if sum != numbers[4] {
        return Err(damaged().into());
    }
    if header != maker.header(sum) {
        return Ok(false);
    }
    // The texts are the same; the first embedding shows whether the teacher is, too.
    let now = maker.embeddings(&[0])?;
    let largest = now.iter().fold(0f32, |max, x| max.max(x.abs()));
    Ok(now.iter().zip(&first).all(|(a, b)| (a - b).abs() <= TOLERANCE * largest))
}
