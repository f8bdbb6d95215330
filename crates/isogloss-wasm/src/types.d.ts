/**
 * The files of a model folder by name: config.json, model.safetensors, tokenizer.json; where the
 * folder has them, tokenizer_config.json, special_tokens_map.json and added_tokens.json; of a
 * sentence-transformers folder also modules.json and what it lists, such as 1_Pooling/config.json;
 * of a run with subnetworks also subnetworks/de.toml and the like, of one with language centring
 * centring.json.
 */
export type ModelFiles = Record<string, Uint8Array>;

export type DeviceName = "cpu" | "webgpu";

export interface ModelInfo {
    /** The task as a recipe calls it, such as "classification" or "tagging"; "none" for an encoder without a head. */
    task: string;
    /** Names of the labels, in the order of probabilities. */
    labels: string[];
    family: string;
    n_layers: number;
    hidden_size: number;
    vocab_size: number;
    n_parameters: number;
    /** Pooling of sentence embeddings, such as "mean" or "cls". */
    pooling: string;
    /** Why an evaluation refuses the model, such as a parser; null if it is scored. */
    not_scored: string | null;
    /** Languages that used a subnetwork in the run of the model; an evaluation uses it for them, predictions use the whole model. */
    subnetworks: string[];
    /** Languages whose vectors are moved onto those of the source languages (centring.json): by an evaluation, and by predictions that name the languages of their texts. */
    centring: string[];
    /** Whether the model was trained on pairs: a text that is predicted is two, with one tab between them. */
    reads_pairs: boolean;
    /** Tokens of a text, after which it is cut. */
    max_tokens: number;
}

export interface ClassPrediction {
    label: string;
    probability: number;
    /** Of every label. */
    probabilities: number[];
}

export interface TokenPrediction {
    /** In characters (Unicode code points) of the text. */
    start: number;
    end: number;
    tag: string;
    probability: number;
}

/** Probabilities of a multi-label model, the sigmoids of its logits, of every label in the order of its labels. */
export interface LabelsPrediction { labels: { label: string; probability: number }[] }

/** Outputs of a regression model: the logits, in the order of its labels. */
export interface ScoresPrediction { scores: { label: string; score: number }[] }

export type Prediction = (ClassPrediction | LabelsPrediction | ScoresPrediction | { tokens: TokenPrediction[] }) & {
    /** Whether the text was too long and is cut off. */
    truncated: boolean;
    /** Whether the text has no token, such as zero-width spaces alone: the model read special tokens only. */
    without_tokens: boolean;
};

export interface WordAlignment {
    left: string[];
    right: string[];
    /** Places of words on both sides. */
    links: { left: number; right: number }[];
}

/** What to do with examples whose label the model does not know: stop with an error, or leave them out and count them. */
export type UnseenLabels = "error" | "skip";

/** Counts of a labelled file, the entry `data` of `isogloss evaluate --json`. */
export interface DataReport {
    /** Examples that are scored. */
    n: number;
    /** Texts that were too long and are cut off. */
    n_truncated: number;
    /** Texts without a token, such as zero-width spaces alone: the model reads special tokens only. */
    n_without_tokens: number;
    /** Tokens of the longest example, before it is cut. */
    longest: number;
    /** Words without a token, cut off or unknown to the tokenizer; in scores they count as wrong. */
    n_words_lost: number;
    /** How many of these are cut off. */
    n_words_cut: number;
    /** Examples with labels that the model does not know, by label. */
    left_out: Record<string, number>;
    /** Words whose relation or part of speech the model does not know, by label; in scores they count as wrong. */
    unseen: Record<string, number>;
    /** Texts that lack the field of spans where others have it; they are read as texts without any. */
    n_without_spans: number;
    /** Spans that begin or end inside a word, or a token where tokens are tagged, which is tagged whole. */
    n_spans_widened: number;
    /** Spans that share all of their words with others, and have no tag. */
    n_spans_untagged: number;
    /** 0 in an evaluation, as the next. */
    n_untranslated: number;
    n_unlinked: number;
}

/** A count in the words of the command line: what happened, such as "cut", and the sentence about it. */
export interface CountInWords { fate: string; text: string }

export interface Scores {
    /** Examples so far. */
    n: number;
    /** Counts of the whole file. */
    data: DataReport;
    /** Examples of other splits than the test split, by its name in the model's run, in a file with splits; they are not scored. */
    n_other_splits: number;
    /** The column of splits of the model's run, in a file that has no such column; all of its examples are scored. */
    missing_split_column?: string;
    /** True where classes are numbers in the file and their names those of the model's labels, in their order: of a model that no run saved how its files are read. */
    numbered_classes?: boolean;
    /** True where the language was scored by its centring. */
    centred?: boolean;
    accuracy?: number;
    macro_f1?: number;
    span_f1?: number;
    precision?: number;
    recall?: number;
    labels: string[];
    /** How many of gold label i were called label j, at `i * labels.length + j`. */
    confusion?: Uint32Array;
}
