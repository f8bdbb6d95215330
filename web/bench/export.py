#!/usr/bin/env python3
# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "torch==2.15.0",
#     "transformers==5.23.0",
#     "onnx==1.23.2",
#     "onnxscript==0.7.2",
# ]
# ///
"""Write a model folder in the layout of transformers.js, with the same weights in f32 as ONNX.

    python3 web/bench/export.py MODEL OUT

OUT holds what isogloss reads, `config.json`, `model.safetensors` and `tokenizer.json`, and beside it
`tokenizer_config.json` and `onnx/model.onnx` (last hidden state) for transformers.js; of a classifier also
`onnx/classifier.onnx` (logits).
"""

import argparse
import json
import shutil
from pathlib import Path

import torch
from transformers import AutoModel, AutoModelForSequenceClassification

INPUTS = ["input_ids", "attention_mask", "token_type_ids"]


class Output(torch.nn.Module):
    """The first output of a model, with inputs by place."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, *inputs):
        return self.model(**dict(zip(INPUTS, inputs, strict=True)))[0]


def export(model, path, output):
    """Write a model as ONNX, for batches of any size and length."""
    input_ids = torch.tensor([[0, 5, 6, 7, 2], [0, 5, 2, 1, 1]])
    inputs = (input_ids, (input_ids != 1).long(), torch.zeros_like(input_ids))
    shape = {0: torch.export.Dim("batch"), 1: torch.export.Dim("sequence")}
    torch.onnx.export(
        Output(model.eval()),
        inputs,
        path,
        input_names=INPUTS,
        output_names=[output],
        dynamic_shapes={"inputs": (shape,) * 3},
        external_data=False,
    )


def main():
    """Read the command line and write the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    onnx = arguments.out / "onnx"
    onnx.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        shutil.copyfile(arguments.model / name, arguments.out / name)
    tokenizer = {"tokenizer_class": "XLMRobertaTokenizer", "model_max_length": 512}
    tokenizer |= {"pad_token": "<pad>", "unk_token": "<unk>", "cls_token": "<s>", "sep_token": "</s>"}
    (arguments.out / "tokenizer_config.json").write_text(json.dumps(tokenizer, indent=2), encoding="utf-8")

    encoder = AutoModel.from_pretrained(arguments.model, dtype=torch.float32, add_pooling_layer=False)
    export(encoder, onnx / "model.onnx", "last_hidden_state")
    if "id2label" in json.loads((arguments.model / "config.json").read_text(encoding="utf-8")):
        load = AutoModelForSequenceClassification.from_pretrained
        export(load(arguments.model, dtype=torch.float32, trust_remote_code=True), onnx / "classifier.onnx", "logits")


if __name__ == "__main__":
    main()
