//! Blocks of text in one language, of which tokens are masked anew each time.

use isogloss_kernels::split_seed;
use isogloss_methods::LanguageSampling;
use isogloss_text::{
    Encoded, Language, Masker, TokenBatch, Tokenizer, languages_with_file, pack_sentences,
    read_sentence_file,
};
use serde::{Deserialize, Serialize};

use super::rounds::Rounds;
use super::streams;
use crate::Error;
use crate::recipe::Languages;

/// The `[monolingual]` table: text without labels, for masked language modelling.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MonolingualRecipe {
    /// The files, a sentence a line; `{language}` stands for the language.
    pub path: String,
    /// The languages.
    pub languages: Languages,
    /// Blocks of one pass through the model.
    pub batch_size: usize,
    /// Tokens of a block, specials included.
    pub max_length: usize,
    /// How the language of each batch is drawn.
    pub sampling: LanguageSampling,
}

impl Default for MonolingualRecipe {
    fn default() -> Self {
        Self {
            path: String::new(),
            languages: Languages::All,
            batch_size: 8,
            max_length: 128,
            sampling: LanguageSampling::default(),
        }
    }
}

/// Makes the blocks of each batch, all of one language.
pub(super) struct BlockStream {
    languages: Vec<Vec<Encoded>>,
    pub(super) rounds: Rounds,
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
        let languages = match &recipe.languages {
            Languages::These(languages) => languages.clone(),
            Languages::All => languages_with_file(&recipe.path),
        };
        if languages.is_empty() {
            let problem = "no file for any language".to_owned();
            return Err(Error::Damaged { path: recipe.path.clone().into(), problem });
        }
        let max_length = recipe.max_length.min(n_positions);
        let blocks = |language: &Language| {
            let path = recipe.path.replace("{language}", language.as_str());
            let sentences = read_sentence_file(path.as_ref())?;
            Ok::<_, Error>(pack_sentences(tokenizer, &sentences, max_length)?)
        };
        let languages = languages.iter().map(blocks).collect::<Result<Vec<_>, _>>()?;
        let seed = split_seed(seed, streams::MONOLINGUAL);
        let lengths = |blocks: &Vec<Encoded>| blocks.iter().map(Encoded::len).collect();
        let lengths = languages.iter().map(lengths).collect();
        let rounds = Rounds::new(lengths, &recipe.sampling, recipe.batch_size, seed);
        Ok(Self { languages, rounds, masker, pad_token_id, seed })
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
