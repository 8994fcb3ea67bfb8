"""Model directories that are made in a moment, with noise for weights: a difference of a bit shows soon in what they write."""

from functools import cache
from pathlib import Path

from openr1.data.tokenizer import train_bpe
from openr1.models.build import build
from openr1.models.options import ModelConfig, ScaleConfig
from openr1.models.shape import solve_shape

TINY = ScaleConfig("tiny", 2e5, 64, 3, 2, 1)  # heads of 32, as vLLM needs them
CONTEXT = 256
TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}{{ eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)

OPENING = TEMPLATE.replace("<|assistant|>{% endif %}", "<|assistant|><think>\n{% endif %}")  # as templates of reasoning models
SILENT = TEMPLATE.replace("<|assistant|>{% endif %}", "<|assistant|><think>\n\n</think>\n\n{% endif %}")  # told not to think


@cache
def tokenizer():
    """Digits, a few words, and an end token."""
    return train_bpe(300, (f"{i} plus {i * 7} is {i * 8}, " for i in range(500)))


def write_model(folder: Path, family="qwen2", scale=TINY, context=CONTEXT, std=0.15, template=None, **options) -> str:
    """A model from scratch. Its head is its own with Gemma, which otherwise repeats its input."""
    model = ModelConfig(family, init_std=std, tie_embeddings=family != "gemma3", options=options)
    tokens = tokenizer()
    tokens.chat_template = template
    ids = {"eos_token_id": tokens.eos_token_id, "pad_token_id": tokens.pad_token_id}
    build(model, solve_shape(model, scale, len(tokens), context), seed=0, **ids).save_pretrained(folder)
    tokens.save_pretrained(folder)
    return str(folder)
