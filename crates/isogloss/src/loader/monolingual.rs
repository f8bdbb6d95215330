//! Data loader of monolingual text: blocks with dynamic masking (RoBERTa, Liu et al. 2019), whose
//! tokens are masked anew each time.

use isogloss_kernels::split_seed;
use isogloss_text::{Encoded, Language, Masker, TokenBatch, Tokenizer, pack_sentences};

use super::language_epochs::LanguageEpochs;
use crate::Error;
use crate::error::DataError;
use crate::ground::seeds;
use crate::recipe::MonolingualRecipe;

/// Data loader of masked monolingual blocks; all blocks of a batch are of one language.
pub(crate) struct BlockLoader {
    languages: Vec<Vec<Encoded>>,
    /// Held-out blocks by language, with static masking.
    pub(crate) held_out: Vec<(Language, TokenBatch)>,
    pub(crate) epochs: LanguageEpochs,
    masker: Masker,
    pad_token_id: u32,
    seed: u64,
}

impl BlockLoader {
    /// Reads and tokenizes the text of every language of a recipe.
    pub(crate) fn read(
        recipe: &MonolingualRecipe,
        masker: Masker,
        tokenizer: &Tokenizer,
        max_length: usize,
        pad_token_id: u32,
        seed: u64,
    ) -> Result<Self, Error> {
        let blocks = |language: &Language| {
            Ok::<_, Error>(pack_sentences(tokenizer, &recipe.sentences(language)?, max_length)?)
        };
        let seed = split_seed(seed, seeds::MONOLINGUAL);
        let (mut trained, mut held_out) = (Vec::new(), Vec::new());
        for language in recipe.languages()? {
            let (kept, rest) = hold_out(blocks(&language)?, recipe.held_out);
            if rest.is_empty() {
                let path = recipe.path.path(&language);
                let n_held_out = kept.len();
                return Err(DataError::NoBlockLeft { path, n_held_out }.into());
            }
            trained.push(rest);
            if kept.is_empty() {
                continue;
            }
            let row_seeds = (0..).map(|row| split_seed(split_seed(seed, u64::MAX - 1), row));
            let kept: Vec<_> =
                kept.iter().zip(row_seeds).map(|(block, seed)| masker.mask(block, seed)).collect();
            let indices = (0..kept.len()).collect();
            let kept =
                TokenBatch::collate(&kept.iter().collect::<Vec<_>>(), indices, pad_token_id)?;
            held_out.push((language, kept));
        }
        let languages = trained;
        let lengths = |blocks: &Vec<Encoded>| blocks.iter().map(Encoded::len).collect();
        let lengths = languages.iter().map(lengths).collect();
        let epochs = LanguageEpochs::new(lengths, &recipe.sampling, recipe.batch_size, seed);
        Ok(Self { languages, held_out, epochs, masker, pad_token_id, seed })
    }

    /// Number of blocks of the language with the most.
    pub(crate) fn n_blocks(&self) -> usize {
        self.languages.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// Number of tokens of the longest block.
    pub(crate) fn longest(&self) -> usize {
        self.languages.iter().flatten().map(Encoded::len).max().unwrap_or(0)
    }

    /// The index of the language of batch number `number`, and the batch.
    pub(crate) fn sample(&mut self, number: u64) -> Result<(usize, TokenBatch), Error> {
        let (language, indices) = self.epochs.sample(number);
        Ok((language, self.masked(language, indices, split_seed(self.seed, number))?))
    }

    /// Some batches of an order and with masks of their own; those of training stay as they are.
    pub(crate) fn separate(&self, seed: u64, n: usize) -> Result<Vec<TokenBatch>, Error> {
        let mut epochs = self.epochs.separate(seed);
        let batch = |number: u64| {
            let (language, indices) = epochs.sample(number);
            self.masked(language, indices, split_seed(seed, number))
        };
        (0..n as u64).map(batch).collect()
    }

    /// Blocks of a language, masked by a seed.
    fn masked(&self, language: usize, indices: Vec<usize>, seed: u64) -> Result<TokenBatch, Error> {
        let blocks = indices.iter().zip(0..).map(|(idx, row)| {
            self.masker.mask(&self.languages[language][*idx], split_seed(seed, row))
        });
        let blocks: Vec<_> = blocks.collect();
        let blocks: Vec<_> = blocks.iter().collect();
        Ok(TokenBatch::collate(&blocks, indices, self.pad_token_id)?)
    }
}

/// Splits off `n` held-out blocks, spread evenly over all; returns them and the others.
fn hold_out(blocks: Vec<Encoded>, n: usize) -> (Vec<Encoded>, Vec<Encoded>) {
    let n_blocks = blocks.len();
    let n = n.min(n_blocks);
    let held_out: Vec<usize> = (0..n).map(|i| i * n_blocks / n).collect();
    let (mut kept, mut rest) = (Vec::new(), Vec::new());
    for (idx, block) in blocks.into_iter().enumerate() {
        if held_out.binary_search(&idx).is_ok() { &mut kept } else { &mut rest }.push(block);
    }
    (kept, rest)
}
