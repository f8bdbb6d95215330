/** What the modules of this page share: the wasm interface, the manifest, and the values that go to and from the worker. */

export type DeviceKind = 'cpu' | 'webgpu';

export interface ModelInfo {
  task: 'classification' | 'tagging' | 'none';
  labels: string[];
  family: string;
  n_layers: number;
  hidden_size: number;
  vocab_size: number;
  n_parameters: number;
  max_tokens: number;
}

export interface Tag { start: number; end: number; tag: string; probability: number }
export interface Prediction { label?: string; probability?: number; probabilities?: number[]; tokens?: Tag[] }
export interface Link { left: number; right: number; score?: number }
export interface Alignment { left: string[]; right: string[]; links: Link[] }
export interface Score {
  n: number; accuracy?: number; macro_f1?: number; span_f1?: number;
  labels: string[]; confusion?: Uint32Array;
}

export interface WasmEvaluation {
  readonly total: number; readonly done: number; readonly skipped: number;
  step(): Promise<boolean>;
  result(): Score;
  free(): void;
}
export interface WasmModel {
  info(): ModelInfo;
  predict(texts: string[]): Promise<Prediction[]>;
  similarity(texts: string[]): Promise<Float32Array>;
  align(left: string, right: string): Promise<Alignment>;
  evaluation(bytes: Uint8Array, name: string, batchSize: number): WasmEvaluation;
  free(): void;
}
export interface WasmModule {
  default(options: { module_or_path: URL | Response | ArrayBuffer }): Promise<unknown>;
  version(): string;
  start_webgpu(): Promise<string>;
  Model: { load(files: Record<string, Uint8Array>, device: DeviceKind): Promise<WasmModel> };
}

export interface SizedFile { name: string; bytes: number }
export interface Manifest {
  version: string; languages: string[]; source: string;
  models: { name: string; title: string; files: SizedFile[] }[];
  modules: { cpu: { bytes: number }; gpu: { bytes: number } };
  files: { path: string; hash: string }[];
}

/** A model that can be chosen: either files of this site, or files that the visitor gave. */
export interface ModelSpec { id: string; title: string; base?: string; sizes?: SizedFile[]; files?: File[] }

export interface Progress { what: string; loaded: number; total: number; ended?: boolean }

/** One batch of an evaluation, as the worker reports it. */
export interface StepReport { more: boolean; done: number; total: number; skipped: number; score: Score }

/** A labelled set that can be evaluated; `count` is known or guessed before it is opened. */
export interface LabelledSet { id: string; title: string; file: string; language?: string; count: number; bytes: () => Promise<Uint8Array> }

export interface Sentence { text: string; label: string; split: string }
