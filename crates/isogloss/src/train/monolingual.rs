//! Blocks of text in one language, of which tokens are masked anew each time.

use isogloss_kernels::split_seed;
use isogloss_text::{Encoded, Language, Masker, TokenBatch, Tokenizer, pack_sentences};

use super::language_epochs::LanguageEpochs;
use super::streams;
use crate::Error;
use crate::recipe::MonolingualRecipe;

/// Makes the blocks of each batch, all of one language.
pub(super) struct BlockStream {
    languages: Vec<Vec<Encoded>>,
    /// By language, masked once for all.
    pub(super) held_out: Vec<(Language, TokenBatch)>,
    pub(super) rounds: LanguageEpochs,
    masker: Masker,
    pad_token_id: u32,
    seed: u64,
}

impl BlockStream {
    /// Reads the text of every language that a recipe names.
    pub(super) fn read(
        recipe: &MonolingualRecipe,
        masker: Masker,
        tokenizer: &Tokenizer,
        n_positions: usize,
        pad_token_id: u32,
        seed: u64,
    ) -> Result<Self, Error> {
        let max_length = recipe.max_length.min(n_positions);
        let blocks = |language: &Language| {
            Ok::<_, Error>(pack_sentences(tokenizer, &recipe.sentences(language)?, max_length)?)
        };
        let seed = split_seed(seed, streams::MONOLINGUAL);
        let (mut trained, mut held_out) = (Vec::new(), Vec::new());
        for language in recipe.languages()? {
            let (kept, rest) = hold_out(blocks(&language)?, recipe.held_out);
            if rest.is_empty() {
                let path = recipe.path.path(&language);
                let problem =
                    format!("no block is left to train on: all {} are held out", kept.len());
                return Err(Error::Damaged { path, problem });
            }
            trained.push(rest);
            if kept.is_empty() {
                continue;
            }
            let seeds = (0..).map(|row| split_seed(split_seed(seed, u64::MAX - 1), row));
            let kept: Vec<_> =
                kept.iter().zip(seeds).map(|(of, seed)| masker.mask(of, seed)).collect();
            let places = (0..kept.len()).collect();
            let kept = TokenBatch::collate(&kept.iter().collect::<Vec<_>>(), places, pad_token_id)?;
            held_out.push((language, kept));
        }
        let languages = trained;
        let lengths = |blocks: &Vec<Encoded>| blocks.iter().map(Encoded::len).collect();
        let lengths = languages.iter().map(lengths).collect();
        let rounds = LanguageEpochs::new(lengths, &recipe.sampling, recipe.batch_size, seed);
        Ok(Self { languages, held_out, rounds, masker, pad_token_id, seed })
    }

    /// Batch number `number`, and the place of its language.
    pub(super) fn draw(&mut self, number: u64) -> Result<(usize, TokenBatch), Error> {
        let (language, places) = self.rounds.draw(number);
        let seed = split_seed(self.seed, number);
        let blocks = places.iter().zip(0..).map(|(at, row)| {
            self.masker.mask(&self.languages[language][*at], split_seed(seed, row))
        });
        let blocks: Vec<_> = blocks.collect();
        let blocks: Vec<_> = blocks.iter().collect();
        Ok((language, TokenBatch::collate(&blocks, places, self.pad_token_id)?))
    }
}

/// `n` blocks, evenly over all, and the rest.
fn hold_out(blocks: Vec<Encoded>, n: usize) -> (Vec<Encoded>, Vec<Encoded>) {
    let n_blocks = blocks.len();
    let n = n.min(n_blocks);
    let places: Vec<usize> = (0..n).map(|i| i * n_blocks / n).collect();
    let (mut kept, mut rest) = (Vec::new(), Vec::new());
    for (at, block) in blocks.into_iter().enumerate() {
        if places.binary_search(&at).is_ok() { &mut kept } else { &mut rest }.push(block);
    }
    (kept, rest)
}
