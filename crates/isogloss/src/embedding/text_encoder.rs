//! Sentence and token embeddings of any layer of an encoder.
//!
//! Layers are counted from the output of the embeddings, layer 0; layer n is the output of block n.

use std::borrow::Cow;

use burn::tensor::{Device, Tensor, read_sync};
use isogloss_model::{
    Encoder, ForwardOptions, HeadChoice, LoadedModel, ModelFolder, ModelInput, SentenceModules,
    SentencePooling, find_sentence_modules, load, tokenizer_folder,
};
use isogloss_text::{TokenBatch, Tokenizer, lowercase};

use crate::Error;
use crate::embedding::search::Vectors;
use crate::embedding::sentence_pipeline::SentencePipeline;
use crate::embedding::tokenized_text::TokenizedText;
use crate::error::EmbeddingError;
use crate::ground::batch_limit::BatchLimit;
use crate::ground::max_length::folder_max_length;
use crate::ground::outputs::read_outputs;
use crate::ground::tensors::integers;
use crate::ground::vocabulary::check_vocabulary;

/// Text encoder: an encoder with its tokenizer, without a head, for sentence and token embeddings.
#[derive(Debug)]
pub struct TextEncoder {
    encoder: Encoder,
    tokenizer: Tokenizer,
    device: Device,
    batch_size: usize,
    max_length: usize,
    sentences: SentencePipeline,
    /// The sentence-transformers modules of the model folder.
    modules: Option<SentenceModules>,
    /// The prompt before every text; empty for none.
    prompt: String,
    /// Number of first tokens, those of the prompt, that are not pooled.
    n_unpooled: usize,
    /// How many texts fit into a pass on the device.
    pub(crate) limit: BatchLimit,
}

/// Sentence and token embeddings from one layer.
#[derive(Clone, Debug)]
pub struct LayerVectors {
    /// The sentence embedding of each text: the mean of all its tokens, with special tokens and
    /// without padding, unless the encoder uses another [pooling](TextEncoder::pooling).
    pub sentences: Vectors,
    /// The embedding of each requested token, in the requested order.
    pub tokens: Vectors,
}

/// Token position: the index of a text, and the index of a token in it.
pub type TokenPosition = (usize, usize);

/// Default batch size: texts per forward pass.
const BATCH_SIZE: usize = 32;

impl TextEncoder {
    /// Loads the encoder of a model folder, whatever head it was saved with. For a
    /// sentence-transformers folder, its modules set the pooling, the dense layers and the maximum
    /// length.
    ///
    /// # Errors
    /// If the folder holds no model, a tokenizer with tokens that the model lacks, or unsupported
    /// modules of sentence-transformers.
    pub fn load(folder: impl Into<ModelFolder>, device: &Device) -> Result<Self, Error> {
        let folder = folder.into();
        let modules = find_sentence_modules(&folder)?;
        let encoder = load(&folder, &HeadChoice::Without, device)?.model.encoder;
        let path = tokenizer_folder(&folder)?.join("tokenizer.json");
        let tokenizer = Tokenizer::from_file(&path)?;
        check_vocabulary(&tokenizer, &path, encoder.config())?;
        let this = Self::new(encoder, tokenizer, device.clone());
        match modules {
            Some(modules) => this.with_modules(modules),
            None => Ok(this),
        }
    }

    /// Creates a text encoder from a loaded model, whatever its head, and its tokenizer.
    ///
    /// # Errors
    /// If the tokenizer has tokens that the model lacks; the message calls it `tokenizer.json`.
    pub fn from_loaded(
        loaded: &LoadedModel,
        tokenizer: Tokenizer,
        device: &Device,
    ) -> Result<Self, Error> {
        let encoder = loaded.model.encoder.clone();
        check_vocabulary(&tokenizer, "tokenizer.json".as_ref(), encoder.config())?;
        Ok(Self::new(encoder, tokenizer, device.clone()))
    }

    /// Creates a text encoder from an encoder without autodiff and its tokenizer. The maximum
    /// length is the smaller of the position embeddings and the tokenizer's `model_max_length`.
    pub fn new(encoder: Encoder, tokenizer: Tokenizer, device: Device) -> Self {
        let max_length = folder_max_length(&tokenizer, encoder.config());
        let limit = BatchLimit::for_encoder(&device, encoder.config());
        let (sentences, modules, batch_size) = (SentencePipeline::default(), None, BATCH_SIZE);
        let (prompt, n_unpooled) = (String::new(), 0);
        Self {
            encoder,
            tokenizer,
            device,
            batch_size,
            max_length,
            sentences,
            modules,
            prompt,
            n_unpooled,
            limit,
        }
    }

    /// Sets the pooling, its layer, the dense layers, the scale to length 1, the kept dimensions, the
    /// maximum length and the case rule of a sentence-transformers folder; its prompts are left to
    /// [`with_prompt`](Self::with_prompt).
    ///
    /// # Errors
    /// If a dense layer does not fit the width of its input, or the encoder does not have the layer
    /// that is pooled.
    pub fn with_modules(self, modules: SentenceModules) -> Result<Self, Error> {
        modules.layer.map_or(Ok(()), |layer| self.check_layer(layer))?;
        let width = self.encoder.config().hidden_size;
        let pooling = modules.pooling.unwrap_or_default();
        let mut sentences = SentencePipeline::new(pooling, &modules.dense, width, &self.device)?;
        sentences.truncate_dim = modules.truncate_dim;
        sentences.is_normalized = modules.is_normalized;
        let max_length = modules.max_seq_length.unwrap_or(self.max_length);
        Ok(Self { sentences, modules: Some(modules), ..self.with_max_length(max_length) })
    }

    /// Sets the batch size: texts per forward pass; 0 counts as 1.
    #[must_use]
    pub fn with_batch_size(self, batch_size: usize) -> Self {
        Self { batch_size: batch_size.max(1), ..self }
    }

    /// Sets the maximum length in tokens, to which texts are truncated; at most the encoder's own.
    #[must_use]
    pub fn with_max_length(self, max_length: usize) -> Self {
        Self { max_length: max_length.min(self.encoder.config().max_tokens()), ..self }
    }

    /// Sets the prompt, such as `"query: "`, which is put before every text; an empty one for none.
    /// Its tokens are pooled unless the folder says otherwise (`include_prompt: false`).
    ///
    /// # Errors
    /// If the prompt cannot be tokenized.
    pub fn with_prompt(mut self, prompt: &str) -> Result<Self, Error> {
        prompt.clone_into(&mut self.prompt);
        self.n_unpooled = 0;
        if !prompt.is_empty() && self.modules.as_ref().is_some_and(|of| of.pools_without_prompt) {
            let alone = self.tokenizer.encode(&self.read(""), None, self.max_length)?;
            let ends_text = alone.special.last().is_some_and(|is_special| *is_special);
            self.n_unpooled = alone.len() - usize::from(ends_text);
        }
        Ok(self)
    }

    /// The text that is tokenized: with the prompt before it, and by the folder's case rule.
    fn read<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let text = match self.prompt.as_str() {
            "" => Cow::Borrowed(text),
            prompt => Cow::Owned(format!("{prompt}{text}")),
        };
        match self.modules.as_ref().is_some_and(|modules| modules.do_lower_case) {
            true => Cow::Owned(lowercase(&text)),
            false => text,
        }
    }

    /// Sets the pooling of hidden states into a sentence embedding.
    #[must_use]
    pub fn with_pooling(mut self, pooling: SentencePooling) -> Self {
        self.sentences.pooling = pooling;
        self
    }

    /// The pooling of hidden states into a sentence embedding.
    pub fn pooling(&self) -> SentencePooling {
        self.sentences.pooling
    }

    /// The layer that sentence embeddings are pooled from: the one that is saved with the model, else
    /// the last.
    pub fn sentence_layer(&self) -> usize {
        let saved = self.modules.as_ref().and_then(|modules| modules.layer);
        let last = self.n_layers() - 1;
        saved.map_or(last, |layer| layer.min(last))
    }

    /// The maximum length in tokens, to which texts are truncated.
    pub fn max_length(&self) -> usize {
        self.max_length
    }

    /// The sentence-transformers modules of the model folder; `None` for other folders.
    pub fn sentence_modules(&self) -> Option<&SentenceModules> {
        self.modules.as_ref()
    }

    /// Truncates the encoder after a layer, to save the computation of the blocks above it.
    ///
    /// # Errors
    /// If the encoder does not have the layer.
    pub fn up_to_layer(mut self, layer: usize) -> Result<Self, Error> {
        self.check_layer(layer)?;
        if layer + 1 < self.n_layers() {
            self.sentences = self.sentences.for_inner_layers();
        }
        self.encoder = self.encoder.truncated(layer);
        Ok(self)
    }

    /// The number of layers, the embeddings included.
    pub fn n_layers(&self) -> usize {
        self.encoder.config().num_hidden_layers + 1
    }

    /// The width of sentence embeddings from a layer.
    pub fn sentence_width(&self, layer: usize) -> usize {
        self.sentences.width(self.encoder.config().hidden_size, layer + 1 == self.n_layers())
    }

    /// The device of the encoder.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Fails unless the encoder has the layer.
    ///
    /// # Errors
    /// If it does not.
    pub fn check_layer(&self, layer: usize) -> Result<(), Error> {
        let last = self.n_layers() - 1;
        if layer > last {
            return Err(EmbeddingError::NoLayer { layer, last }.into());
        }
        Ok(())
    }

    /// Tokenizes texts, in parallel.
    ///
    /// # Errors
    /// If a text cannot be tokenized.
    pub fn tokenize(&self, texts: &[&str]) -> Result<Vec<TokenizedText>, Error> {
        let texts: Vec<Cow<'_, str>> = texts.iter().map(|text| self.read(text)).collect();
        let raw: Vec<_> = texts.iter().map(|text| (&**text, None)).collect();
        let encoded = self.tokenizer.encode_batch(&raw, self.max_length)?;
        let tokenized = encoded.into_iter().zip(&texts).map(|(encoded, text)| {
            let spans = self.tokenizer.spans(&encoded, text);
            TokenizedText::new(text, encoded, &spans)
        });
        Ok(tokenized.collect())
    }

    /// Computes sentence and token embeddings of texts: one [`LayerVectors`] for each of `layers`.
    ///
    /// # Errors
    /// If a layer or a token does not exist, or the model gives values that are not finite.
    pub fn encode(
        &self,
        texts: &[TokenizedText],
        tokens: &[TokenPosition],
        layers: &[usize],
    ) -> Result<Vec<LayerVectors>, Error> {
        read_sync(self.encode_async(texts, tokens, layers))
    }

    /// Async version of [`encode`](Self::encode), for browsers, where reading values back from a
    /// GPU is asynchronous.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub async fn encode_async(
        &self,
        texts: &[TokenizedText],
        tokens: &[TokenPosition],
        layers: &[usize],
    ) -> Result<Vec<LayerVectors>, Error> {
        layers.iter().try_for_each(|layer| self.check_layer(*layer))?;
        let of_text = self.tokens_by_text(texts, tokens)?;
        let width = self.encoder.config().hidden_size;
        let is_last = |layer: usize| layer + 1 == self.n_layers();
        let sentence_width = |layer: &usize| self.sentence_width(*layer);
        let sizes = layers.iter().map(|layer| texts.len() * sentence_width(layer));
        let mut sentence_values: Vec<Vec<f32>> = sizes.map(|size| vec![0.0; size]).collect();
        let mut token_values = vec![vec![0.0; tokens.len() * width]; layers.len()];
        let lengths: Vec<usize> = texts.iter().map(|text| text.encoded().len()).collect();
        let config = self.encoder.config();
        for indices in self.limit.batches(config, &lengths, self.batch_size)? {
            let (input, seq_len) = self.input(texts, &indices)?;
            let hidden_states =
                self.encoder.forward(&input, &ForwardOptions::evaluation()).hidden_states;
            // The position of each requested token in the batch, and the output row of its
            // embedding.
            let (positions, rows): (Vec<i32>, Vec<usize>) = indices
                .iter()
                .enumerate()
                .flat_map(|(at, text)| of_text[*text].iter().map(move |(t, row)| (at, *t, *row)))
                .map(|(at, token, row)| ((at * seq_len + token) as i32, row))
                .unzip();
            let positions = (!positions.is_empty()).then(|| integers(positions, &self.device));
            for (at, layer) in layers.iter().enumerate() {
                let hidden = hidden_states[*layer].clone();
                let mask = input.attention_mask.clone();
                let pooled =
                    self.sentences.embed(hidden.clone(), mask, self.n_unpooled, is_last(*layer));
                let whose = |row: usize| self.name(texts, indices[row], *layer);
                scatter(pooled, &indices, &mut sentence_values[at], whose).await?;
                if let Some(positions) = &positions {
                    let [batch, seq, width] = hidden.dims();
                    let flat = hidden.reshape([batch * seq, width]);
                    let wanted = flat.select(0, positions.clone());
                    let whose = |row: usize| self.name(texts, tokens[rows[row]].0, *layer);
                    scatter(wanted, &rows, &mut token_values[at], whose).await?;
                }
            }
        }
        let both = sentence_values.into_iter().zip(token_values).zip(layers);
        let layer_vectors = |((sentences, tokens), layer): ((_, _), &usize)| {
            let sentences = Vectors::new(sentences, sentence_width(layer))?;
            Ok(LayerVectors { sentences, tokens: Vectors::new(tokens, width)? })
        };
        both.map(layer_vectors).collect()
    }

    /// Names a text in messages, by its number and its first tokens, and the layer.
    fn name(&self, texts: &[TokenizedText], text: usize, layer: usize) -> String {
        let ids = texts[text].encoded().ids.iter().take(8);
        let tokens: Vec<_> = ids.filter_map(|id| self.tokenizer.token(*id)).collect();
        format!("layer {layer}, text {} ({} …)", text + 1, tokens.join(" "))
    }

    /// Groups requested tokens by text: the index of each token, and its position in the request.
    fn tokens_by_text(
        &self,
        texts: &[TokenizedText],
        tokens: &[TokenPosition],
    ) -> Result<Vec<Vec<(usize, usize)>>, Error> {
        let mut of_text = vec![Vec::new(); texts.len()];
        for (row, &(text, token)) in tokens.iter().enumerate() {
            if texts.get(text).is_none_or(|text| token >= text.encoded().len()) {
                return Err(EmbeddingError::NoToken { text, token }.into());
            }
            of_text[text].push((token, row));
        }
        Ok(of_text)
    }

    fn input(
        &self,
        texts: &[TokenizedText],
        indices: &[usize],
    ) -> Result<(ModelInput, usize), Error> {
        let config = self.encoder.config();
        let rows: Vec<_> = indices.iter().map(|i| texts[*i].encoded().ids.as_slice()).collect();
        let batch = TokenBatch::from_ids(&rows, config.pad_token_id);
        let (ids, types) = (&batch.input_ids, &batch.token_type_ids);
        let input = config
            .input(ids, &batch.attention_mask, types, batch.seq_len, &self.device)
            .map_err(EmbeddingError::from)?;
        Ok((input, batch.seq_len))
    }
}

/// Copies row n of a tensor to row `rows[n]` of `values`; `whose` names the text of row n.
async fn scatter(
    tensor: Tensor<2>,
    rows: &[usize],
    values: &mut [f32],
    whose: impl FnOnce(usize) -> String,
) -> Result<(), Error> {
    let width = tensor.dims()[1];
    let vectors = read_outputs(tensor, whose).await?;
    for (from, row) in vectors.chunks(width).zip(rows) {
        values[row * width..][..width].copy_from_slice(from);
    }
    Ok(())
}
