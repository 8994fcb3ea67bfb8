"""Small model directories with random weights, whose completions change if a single bit of a computation does."""

from functools import cache
from pathlib import Path

from openr1.data.tokenizer import train_bpe
from openr1.models.build import build
from openr1.models.options import ModelConfig, ScaleConfig
from openr1.models.reward_models import build_reward_model
from openr1.models.shape import solve_shape

TINY = ScaleConfig("tiny", 2e5, 64, 3, 2, 1)  # heads of 32, as vLLM needs them
WIDE = ScaleConfig("wide", 6e5, 192, 2, 6, 2)  # its linear layers are large enough to be packed
# families with the options of a small model
FAMILIES = {
    "qwen2": {},
    "qwen3": {},
    "llama": {},
    "gemma3": {"sliding_window": 20, "sliding_window_pattern": 2},
    "deepseek_v3": {},
}
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
    """Write a model from scratch to a directory. Gemma's head is not tied, since it would otherwise repeat its input."""
    model = ModelConfig(family, init_std=std, tie_embeddings=family != "gemma3", options=options)
    tokens = tokenizer()
    tokens.chat_template = template
    ids = {"eos_token_id": tokens.eos_token_id, "pad_token_id": tokens.pad_token_id}
    build(model, solve_shape(model, scale, len(tokens), context), seed=0, **ids).save_pretrained(folder)
    tokens.save_pretrained(folder)
    return str(folder)


def write_reward_model(folder: Path, family="qwen2", labels=1, context=CONTEXT, std=0.3, template=None) -> str:
    """Write a reward model from scratch to a directory, or a classifier with another number of labels."""
    model, tokens = ModelConfig(family, init_std=std), tokenizer()
    tokens.chat_template = template
    ids = {"eos_token_id": tokens.eos_token_id, "pad_token_id": tokens.pad_token_id}
    built = build_reward_model(model, solve_shape(model, TINY, len(tokens), context), seed=0, **ids)
    if labels != 1:
        built.config.num_labels = labels
        built = type(built)(built.config)
    built.save_pretrained(folder)
    tokens.save_pretrained(folder)
    return str(folder)
