/**
 * The files of a model folder by name: config.json, model.safetensors, tokenizer.json; where the
 * folder has them, tokenizer_config.json, special_tokens_map.json and added_tokens.json; of a
 * sentence-transformers folder also modules.json and what it lists, such as 1_Pooling/config.json.
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

export type Prediction = ClassPrediction | LabelsPrediction | ScoresPrediction | { tokens: TokenPrediction[] };

export interface WordAlignment {
    left: string[];
    right: string[];
    /** Places of words on both sides. */
    links: { left: number; right: number }[];
}

export interface Scores {
    /** Examples. */
    n: number;
    accuracy?: number;
    macro_f1?: number;
    span_f1?: number;
    precision?: number;
    recall?: number;
    labels: string[];
    /** How many of gold label i were called label j, at `i * labels.length + j`. */
    confusion?: Uint32Array;
}
