"""Speculative decoding: the same completions, to the bit, and drafts that are the module's own."""

import json
import random
from pathlib import Path

import pytest
import torch
from helpers.models import FAMILIES, WIDE, write_model

from openr1.engines import Request, Sampling, open_engine
from openr1.engines.options import TransformersEngine
from openr1.engines.speculation import Speculator
from openr1.models import mtp
from openr1.models.checkpoints import load_model
from openr1.system.errors import ConfigError

SAMPLINGS = [
    Sampling(temperature=0, max_tokens=16),
    Sampling(max_tokens=16, temperature=1.5, top_p=0.95, top_k=200, stop=["77", "us "]),
]


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory):
    """The directory of a small model with a module: ``folder_of(family, **options)``; the same one for the same arguments."""
    written = {}

    def write(family, **options):
        key = (family, repr(options))
        if key not in written:
            folder = write_model(tmp_path_factory.mktemp(family), family, **FAMILIES[family], **options)
            mtp.save(mtp.attach(load_model("model", folder, None), 1, seed=0), Path(folder))
            written[key] = folder
        return written[key]

    return write


def requests(count=8, n=2):
    rng = random.Random(0)
    texts = ["".join(rng.choice("0123456789 plusi,") for _ in range(rng.randint(1, 40))) for _ in range(count)]
    return [Request(str(i), prompt=text, n=n) for i, text in enumerate(texts)]


def engine(folder, speculative="mtp", **options):
    return open_engine(TransformersEngine(model=folder, speculative=speculative, **options))


def replies(opened, sampling, asked=None):
    return {reply.id: reply for reply in opened.generate(asked or requests(), sampling)}


@pytest.mark.parametrize(
    ("family", "scale"),
    [
        ("qwen2", {}),
        pytest.param("qwen3", {}, marks=pytest.mark.slow),
        pytest.param("llama", {}, marks=pytest.mark.slow),
        ("gemma3", {}),
        ("deepseek_v3", {}),
        ("llama", {"scale": WIDE}),
    ],
    ids=[*FAMILIES, "packed"],
)
def test_completions_are_those_without_drafts_to_the_bit(folder_of, family, scale):
    """Tokens, texts, ends and log-probabilities, in a batch that completions leave and join."""
    folder = folder_of(family, **scale)
    with_drafts, without = engine(folder, batch_size=9), engine(folder, None, batch_size=9)
    for sampling in SAMPLINGS:
        assert replies(with_drafts, sampling) == replies(without, sampling)
    assert 0 < with_drafts.speculator.accepted < with_drafts.speculator.verified
    assert without.metrics() == {}


def test_every_draft_is_what_the_module_says_of_the_whole_text(folder_of, monkeypatch):
    """The module's keys and values in the slots are those of a pass over the text as in training."""
    drafted, draft = {}, Speculator.draft

    def note(self, batch, sampling):
        draft(self, batch, sampling)
        for pending in batch.items:
            drafted[(*pending.prompt, *pending.ids)] = pending.draft

    monkeypatch.setattr(Speculator, "draft", note)
    folder = folder_of("gemma3")
    opened = engine(folder, batch_size=5)
    replies(opened, SAMPLINGS[0], requests(8))
    assert len(drafted) > 50
    model = load_model("model", folder, None)
    modules = mtp.attach(model, 1, 0, folder)
    for text, token in list(drafted.items())[::5]:
        ids = torch.tensor([text])
        with torch.inference_mode():
            model.train()(input_ids=ids, use_cache=False)  # notes the mask and the positions, as in training
            embedded = model.get_input_embeddings()(ids[:, 1:])
            hidden = modules.layers[0](modules.hidden[:, :-1], embedded, **cut(modules.arguments))
            assert mtp.head(model, hidden)[0, -1].argmax() == token, len(text)


def cut(arguments):
    """Return the arguments of a layer for all positions but the last."""
    cosine, sine = arguments["position_embeddings"]
    return {"position_embeddings": (cosine[:, :-1], sine[:, :-1]), "attention_mask": None}


def test_a_perfect_module_is_always_accepted(folder_of, monkeypatch):
    """Greedy and sampled alike: a draft is drawn with the random number of its place."""
    folder = folder_of("llama")
    without = engine(folder, None)
    for sampling in (SAMPLINGS[0], Sampling(max_tokens=16)):
        asked = requests(6, n=1)
        known = {reply.id: reply.completions[0].token_ids for reply in without.generate(asked, sampling)}
        opened = engine(folder)
        prompts = {tuple(opened.codec.encode(request, 256)): known[request.id] for request in asked}

        def tells(self, batch, sampling, prompts=prompts):
            for pending in batch.items:
                left = prompts[tuple(pending.prompt)][len(pending.ids) :]
                pending.draft = left[0] if left else 0
            self.taken = []

        monkeypatch.setattr(Speculator, "draft", tells)
        found = {reply.id: reply.completions[0].token_ids for reply in opened.generate(asked, sampling)}
        assert found == known
        assert opened.metrics()["acceptance_rate"] == 1.0


def test_completions_grow_beyond_the_room_of_their_slots(folder_of):
    folder = folder_of("llama", context=600)
    asked = [Request("a", prompt="1 " * 120), Request("b", prompt="2" * 590)]
    found = [replies(engine(folder, kind), Sampling(temperature=0, max_tokens=40), asked) for kind in (None, "mtp")]
    assert found[0] == found[1]


def test_a_model_without_modules_is_refused_in_one_line(model_at):
    with pytest.raises(ConfigError, match=r"^engine\.speculative: .* has no modules of .* \(mtp/\); leave it null") as refused:
        engine(model_at())
    assert "\n" not in str(refused.value)


def test_modules_that_do_not_fit_are_refused_in_one_line(folder_of, tmp_path):
    folder = Path(write_model(tmp_path / "model", "llama", scale=WIDE))
    source = Path(folder_of("llama")) / "mtp"
    (folder / "mtp").mkdir()
    for path in source.iterdir():
        (folder / "mtp" / path.name).write_bytes(path.read_bytes())
    assert json.loads((source / "config.json").read_text()) == {"depth": 1}
    with pytest.raises(ConfigError, match=r"^model\.checkpoint: .*/mtp cannot be loaded: .*size mismatch") as refused:
        engine(str(folder))
    assert "\n" not in str(refused.value)
