/** What the modules of this page share: the engine's own types, which its build writes, the manifest, and the values that go to and from the worker. */

import type { Scores } from '../pkg/cpu/isogloss.js';

export type {
  ClassPrediction, CountInWords, DataReport, DeviceName, Evaluation, LabelsPrediction, Model, ModelInfo, Prediction, Scores,
  ScoresPrediction, TokenPrediction, UnseenLabels, WordAlignment,
} from '../pkg/cpu/isogloss.js';
export type EngineModule = typeof import('../pkg/cpu/isogloss.js');

export interface SizedFile { name: string; bytes: number }
export interface Manifest {
  version: string; languages: string[]; source: string;
  models: { name: string; title: string; files: SizedFile[] }[];
  modules: { cpu: { bytes: number }; gpu: { bytes: number } };
  files: { path: string; hash: string }[];
}

/** A file that the visitor gave, by its path below the folder of the model, such as 1_Pooling/config.json. */
export interface GivenFile { path: string; file: File }

/** A model that can be chosen: either files of this site, or files that the visitor gave. */
export interface ModelSpec { id: string; title: string; base?: string; sizes?: SizedFile[]; files?: GivenFile[] }

export interface Progress { what: string; loaded: number; total: number; ended?: boolean }

/** One batch of an evaluation, as the worker reports it. */
export interface StepReport { more: boolean; done: number; total: number; skipped: number; score: Scores }

/** A labelled set that can be evaluated; `count` is known or guessed before it is opened. */
export interface LabelledSet { id: string; title: string; file: string; language?: string; count: number; bytes: () => Promise<Uint8Array> }

export interface Sentence { text: string; label: string; split: string }
