"""Masked language modelling with logits that are products with the token embeddings, and a bias.

Written beside models that isogloss saved with a tied head. Load with
`AutoModelForMaskedLM.from_pretrained(folder, trust_remote_code=True)`.
"""

import torch
from transformers import AutoModel, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import MaskedLMOutput


class TiedForMaskedLM(PreTrainedModel):
    config_class = PretrainedConfig

    def __init__(self, config):
        super().__init__(config)
        encoder = AutoModel.from_config(config)
        if getattr(encoder, "pooler", None) is not None:
            encoder.pooler = None
        self.prefix = config.isogloss["prefix"]
        setattr(self, self.prefix, encoder)
        self.lm_bias = torch.nn.Parameter(torch.zeros(config.vocab_size))
        self.post_init()

    def forward(self, input_ids=None, attention_mask=None, labels=None, **kwargs):
        encoder = getattr(self, self.prefix)
        hidden = encoder(input_ids=input_ids, attention_mask=attention_mask, **kwargs)[0]
        table = encoder.get_input_embeddings().weight
        logits = torch.nn.functional.linear(hidden, table, self.lm_bias)
        loss = None
        if labels is not None:
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
        return MaskedLMOutput(loss=loss, logits=logits)
