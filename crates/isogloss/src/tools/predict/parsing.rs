//! Dependency parsing of sentences with a finished parser.

use isogloss_text::{
    Example, Features, Sentence, Targets, TokenBatch, TreeError, featurize_parsing,
};

use super::Predictor;
use crate::Error;
use crate::error::ToolError;
use crate::ground::outputs::quoted_beginning;
use crate::ground::tensors::model_input;
use crate::task::{DataReport, trees};

impl Predictor {
    /// Dependency parsing: sets the trees with the highest score, and part-of-speech tags if the
    /// model predicts them; other fields of the sentences stay unchanged. Returns the number of
    /// words without a token, which are attached to the root.
    ///
    /// # Errors
    /// If the model is not a parser, or a sentence cannot be tokenized.
    pub fn parse(&self, sentences: &mut [Sentence]) -> Result<usize, Error> {
        let model = &self.loaded.model;
        if model.parser().is_none() {
            return Err(ToolError::NoParser.into());
        }
        let config = model.encoder.config();
        let examples: Vec<Example> = sentences.iter().cloned().map(Example::from).collect();
        let options = self.scoring.feature_options();
        let featurized = featurize_parsing(&self.tokenizer, &examples, None, &options)?;
        let inputs = featurized.features.iter().map(|features| &features.input);
        self.count(&DataReport::from_encodings(inputs));
        let lengths: Vec<_> = featurized.features.iter().map(|of| of.input.len()).collect();
        for part in self.limit.split(config, &lengths)? {
            self.parse_batch(&mut sentences[part.clone()], &featurized.features[part])?;
        }
        Ok(featurized.truncation.n_words_lost)
    }

    /// Parses sentences in one pass.
    fn parse_batch(&self, sentences: &mut [Sentence], features: &[Features]) -> Result<(), Error> {
        let model = &self.loaded.model;
        let config = model.encoder.config();
        let features: Vec<_> = features.iter().collect();
        let indices = (0..features.len()).collect();
        let batch = TokenBatch::collate(&features, indices, config.pad_token_id)?;
        let Targets::Words(words) = &batch.targets else { return Ok(()) };
        let path = sentences.first().map_or("".as_ref(), |sentence| &*sentence.origin().path);
        let input = model_input(&batch, config, path, &self.device)?;
        let lengths: Vec<usize> = sentences.iter().map(|one| one.words().len()).collect();
        let refuse = |error: TreeError| ToolError::from(error);
        let pass = self.pass();
        let whose = |row: usize| quoted_beginning(&sentences[row].forms().join(" "));
        let trees = trees(model, &pass, words, &input, &lengths, &whose)?;
        for (sentence, tree) in sentences.iter_mut().zip(trees) {
            tree.write_to(sentence).map_err(refuse)?;
        }
        Ok(())
    }
}
