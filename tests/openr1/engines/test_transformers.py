import random

import pytest
import torch
from helpers.models import CONTEXT, FAMILIES, TEMPLATE, TINY, WIDE
from transformers import AutoModelForCausalLM, AutoTokenizer

from openr1.data.sources import Document
from openr1.data.tokenizer import Encoder, load_checkpoint
from openr1.engines import Request, Sampling, open_engine
from openr1.engines.batch import Batch
from openr1.engines.end_tokens import check_end_tokens
from openr1.engines.options import TransformersEngine
from openr1.system.errors import ConfigError


def prompts(count, seed=0, longest=60):
    rng = random.Random(seed)
    return ["".join(rng.choice("0123456789 plusi,") for _ in range(rng.randint(1, longest))) for _ in range(count)]


def requests(count, **options):
    return [Request(str(i), prompt=prompt, **options) for i, prompt in enumerate(prompts(count))]


def replies(engine, asked, sampling=None):
    return {reply.id: reply for reply in engine.generate(asked, sampling)}


@pytest.fixture(scope="module")
def engine(model_at):
    return open_engine(TransformersEngine(model=model_at(), batch_size=16))


def raw_ids(tokenizer, prompt):
    return tokenizer(prompt, add_special_tokens=False, return_tensors="pt")["input_ids"]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("wide", [False, True])
def test_greedy_tokens_and_logprobs_are_those_of_generate(model_at, family, wide):
    scale = {"scale": WIDE} if wide and family != "deepseek_v3" else {}
    folder = model_at(family, **scale, **FAMILIES[family])
    found = replies(open_engine(TransformersEngine(model=folder)), requests(5), Sampling(temperature=0, max_tokens=40))
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    for number, prompt in enumerate(prompts(5)):
        ids = raw_ids(tokenizer, prompt)
        whole = model.generate(ids, max_new_tokens=40, do_sample=False)
        [completion] = found[str(number)].completions
        assert list(completion.token_ids) == whole[0, ids.shape[1] :].tolist()
        with torch.no_grad():
            logits = model(whole).logits[0, ids.shape[1] - 1 : -1].log_softmax(-1)
        assert torch.tensor(completion.logprobs).allclose(logits.gather(-1, whole[0, ids.shape[1] :, None])[:, 0], atol=1e-4)
        assert found[str(number)].prompt_tokens == ids.shape[1]


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("wide", [False, True])
def test_a_request_gets_the_same_whatever_it_is_asked_with(model_at, family, wide):
    """To the bit: the log-probabilities are compared too."""
    scale = {"scale": WIDE} if wide and family != "deepseek_v3" else {}
    folder, asked, sampling = model_at(family, **scale, **FAMILIES[family]), requests(24, n=2), Sampling(max_tokens=40)
    wide_engine = open_engine(TransformersEngine(model=folder, batch_size=64))
    together = replies(wide_engine, asked, sampling)
    assert len({completion.token_ids for reply in together.values() for completion in reply.completions}) > 40
    assert replies(wide_engine, asked[::-1], sampling) == together
    parts = [replies(wide_engine, asked[i : i + 7], sampling) for i in range(0, 24, 7)]
    assert {key: reply for part in parts for key, reply in part.items()} == together
    assert replies(wide_engine, asked[5:6], sampling)["5"] == together["5"]
    assert replies(open_engine(TransformersEngine(model=folder, batch_size=5)), asked, sampling) == together


@pytest.mark.slow
def test_two_threads_give_the_same_whatever_is_asked_with(engine):
    asked, sampling = requests(20, n=2), Sampling(max_tokens=40)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        together = replies(engine, asked, sampling)
        assert replies(engine, asked[3:4], sampling)["3"] == together["3"]
        assert replies(engine, asked[:9], sampling) == {str(i): together[str(i)] for i in range(9)}
    finally:
        torch.set_num_threads(before)


def test_samples_follow_from_seed_id_and_number(engine):
    sampling = Sampling(max_tokens=20)

    def texts(**options):
        [reply] = engine.generate([Request(**{"id": "a", "prompt": "12", "n": 3, **options})], sampling)
        return [completion.text for completion in reply.completions]

    assert texts() == texts()
    assert len(set(texts() + texts(seed=1) + texts(id="b"))) == 9
    assert texts(n=2) == texts()[:2]


def test_a_longer_limit_begins_with_the_shorter(engine):
    short = replies(engine, requests(6), Sampling(max_tokens=10))
    long = replies(engine, requests(6), Sampling(max_tokens=30))
    for key in short:
        assert long[key].completions[0].token_ids[:10] == short[key].completions[0].token_ids
    assert {reply.completions[0].finish_reason for reply in short.values()} == {"length"}


def test_the_number_of_completions_is_the_requests_or_the_samplings(engine):
    found = replies(engine, [Request("a", prompt="1"), Request("b", prompt="2", n=1)], Sampling(max_tokens=4, n=3))
    assert [len(found[key].completions) for key in "ab"] == [3, 1]
    assert found["a"].completion_tokens == 12


def test_an_end_token_ends_a_completion(engine):
    found = replies(engine, requests(40, n=4), Sampling(max_tokens=100))
    ended = [one for reply in found.values() for one in reply.completions if one.finished]
    assert 10 < len(ended) < 160
    for one in ended:
        assert one.token_ids[-1] in engine.codec.end
        assert engine.codec.end.isdisjoint(one.token_ids[:-1])
        assert one.tokens == len(one.token_ids) == len(one.logprobs)
        assert "<|endoftext|>" not in one.text


def test_a_stop_text_ends_a_completion_and_is_no_part_of_it(engine):
    asked = requests(12)
    free = replies(engine, asked, Sampling(max_tokens=60))
    stopped = replies(engine, asked, Sampling(max_tokens=60, stop=["7", "us "]))
    cut = 0
    for key, reply in free.items():
        text, one = reply.completions[0].text, stopped[key].completions[0]
        first = min((text.index(word) for word in ("7", "us ") if word in text), default=None)
        assert one.text == text[:first]
        assert one.token_ids == reply.completions[0].token_ids[: one.tokens]
        if first is not None:
            cut += 1
            assert one.finish_reason == "stop"
            # it ended with the token that made the stop text whole
            assert not {"7"} & set(engine.codec.decode([one.token_ids[:-1]])[0])
    assert cut > 3


def test_a_prompt_beyond_the_context_costs_only_itself(engine):
    found = replies(
        engine,
        [Request("long", prompt="1" * CONTEXT), Request("empty", prompt=""), Request("room", prompt="1" * (CONTEXT - 9))],
        Sampling(max_tokens=50, temperature=0),
    )
    assert found["long"].error == f"a prompt of {CONTEXT} tokens leaves no room in a context of {CONTEXT}"
    assert found["empty"].error == "the prompt is empty"
    assert found["long"].completions == ()
    assert found["room"].error is None
    assert found["room"].completion_tokens <= 9


def test_slots_grow_with_long_completions(model_at):
    """They begin with room for 256 tokens; here one grows beyond that while it is written, and one beyond 512."""
    folder = model_at(context=700)
    engine = open_engine(TransformersEngine(model=folder, batch_size=16))
    asked = {250: Request("short", prompt="1 " * 125), 505: Request("long", prompt="2" * 505)}
    found = replies(engine, list(asked.values()), Sampling(temperature=0, max_tokens=40))
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    for length, request in asked.items():
        ids, reply = raw_ids(tokenizer, request.prompt), found[request.id]
        expected = model.generate(ids, max_new_tokens=40, do_sample=False)[0, length:]
        assert list(reply.completions[0].token_ids) == expected.tolist()
        assert reply.prompt_tokens == length
        assert reply.completion_tokens > 10


def test_prompts_join_in_portions(model_at):
    asked = requests(12)
    whole = open_engine(TransformersEngine(model=model_at()))
    portioned = open_engine(TransformersEngine(model=model_at(), prefill_tokens=10))
    sampling = Sampling(max_tokens=10)
    assert replies(portioned, asked, sampling) == replies(whole, asked, sampling)


def test_replies_come_as_they_are_made_and_what_is_left_is_dropped(engine):
    sampling = Sampling(max_tokens=30)
    stream = engine.generate(requests(40), sampling)
    first = next(stream)
    stream.close()
    assert replies(engine, requests(40), sampling)[first.id] == first


def test_messages_go_through_the_chat_template(model_at):
    engine = open_engine(TransformersEngine(model=model_at(template=TEMPLATE)))
    messages = [{"role": "system", "content": "add"}, {"role": "user", "content": "1 plus 2"}]
    text = "<|system|>add<|endoftext|><|user|>1 plus 2<|endoftext|><|assistant|>"
    ids = engine.codec.encode(Request("a", messages=messages), CONTEXT)
    assert ids == engine.codec.tokenizer(text)["input_ids"]
    assert ids.count(engine.codec.tokenizer.eos_token_id) == 2
    assert engine.codec.tokenizer.eos_token_id not in engine.codec.encode(Request("b", prompt="1<|endoftext|>2"), CONTEXT)
    found = replies(engine, [Request("a", messages=messages)], Sampling(max_tokens=5))
    assert found["a"].prompt_tokens == len(ids)


def test_a_tokenizer_in_training_is_left_alone(model_at):
    """For it, special tokens are text, and it shares what :func:`load_checkpoint` keeps."""
    encoder = Encoder(load_checkpoint(model_at(template=TEMPLATE), None))
    check_end_tokens(model_at(template=TEMPLATE), chat=True)
    messages = [{"role": "user", "content": "1"}]
    list(open_engine(TransformersEngine(model=model_at(template=TEMPLATE))).generate([Request("a", messages=messages)]))
    [(ids, _)] = encoder([Document("<|endoftext|>")])
    assert ids.count(encoder.special.eos) == 1


def test_a_prompt_that_spells_the_end_token_is_text(engine):
    ids = engine.codec.encode(Request("a", prompt="1<|endoftext|>2"), CONTEXT)
    assert engine.codec.tokenizer.eos_token_id not in ids
    assert engine.codec.decode([ids]) == ["1<|endoftext|>2"]


def test_messages_without_a_template_are_refused(engine):
    with pytest.raises(ConfigError, match=r"^model\.checkpoint: its tokenizer has no chat template"):
        list(engine.generate([Request("a", messages=[{"role": "user", "content": "1"}])]))


def test_a_template_may_refuse_messages(model_at):
    template = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system turn\nhere') }}{% endif %}" + TEMPLATE
    engine = open_engine(TransformersEngine(model=model_at(template=template)))
    turns = [{"role": "user", "content": "1"}]
    asked = [Request("a", messages=[{"role": "system", "content": "1"}, *turns]), Request("b", messages=turns)]
    found = replies(engine, asked, Sampling(max_tokens=3))
    assert found["a"].error == "the chat template refuses the messages: no system turn here"
    assert found["b"].error is None


def test_an_architecture_with_a_memory_of_its_own_is_refused(tmp_path, model_at):
    from transformers import MambaConfig, MambaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(model_at())
    MambaForCausalLM(MambaConfig(vocab_size=300, hidden_size=32, state_size=4, num_hidden_layers=1)).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match=r"^engine\.kind: transformers cannot run a mamba in batches"):
        open_engine(TransformersEngine(model=str(tmp_path), context=64))


def test_a_model_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"^model\.checkpoint: .* holds no tokenizer"):
        open_engine(TransformersEngine(model=str(tmp_path)))


@pytest.mark.parametrize(("family", "scale"), [*((family, TINY) for family in FAMILIES), ("qwen2", WIDE)])
def test_under_autocast_keys_and_values_have_16_bits_and_logprobs_are_the_models(model_at, family, scale):
    folder = model_at(family, scale=scale, **FAMILIES[family])
    with torch.autocast("cpu", torch.bfloat16):  # as a policy in training answers on a GPU
        engine = open_engine(TransformersEngine(model=folder, batch_size=4))
        [reply] = engine.generate([Request("a", prompt="3 plus 21 is", n=4)], Sampling(max_tokens=30))
        model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
        ids = raw_ids(tokenizer, "3 plus 21 is")
        batch = Batch(engine.model, 1)
        batch.step([], [(ids[0].tolist(), [None])])
        batch.step([5])
        assert {tensor.dtype for tensors in batch.slots.layers.values() for tensor in tensors} == {torch.bfloat16}
        differences = []
        for completion in reply.completions:
            whole = torch.cat([ids, torch.tensor([completion.token_ids])], dim=1)
            with torch.no_grad():
                logprobs = model(whole).logits[0, ids.shape[1] - 1 : -1].float().log_softmax(-1)
            own = logprobs.gather(-1, whole[0, ids.shape[1] :, None])[:, 0]
            differences.append((torch.tensor(completion.logprobs) - own).abs().mean())
    assert sum(differences) / len(differences) < 0.1  # rounding; logits of these models have a deviation of some nats


def test_the_distribution_of_each_token_is_recorded_where_a_trainer_asks_for_it(model_at):
    engine, asked = open_engine(TransformersEngine(model=model_at())), requests(3, n=2)
    sampling = Sampling(temperature=0.8, top_k=5, max_tokens=20)
    plain = replies(engine, asked, sampling)
    engine.records = True
    recorded = replies(engine, asked, sampling)
    for number, reply in plain.items():
        for one, other in zip(reply.completions, recorded[number].completions, strict=True):
            assert (one.sampled_logprobs, one.kept) == (None, None)
            assert (one.token_ids, one.logprobs) == (other.token_ids, other.logprobs)  # the same draws
            places = torch.from_numpy(other.kept.ids).split(other.kept.counts.tolist())
            assert [len(ids) for ids in places] == [5] * other.tokens
            assert all(token in ids for token, ids in zip(other.token_ids, places, strict=True))
            # renormalised over five tokens, at a lower temperature, a token is likelier
            assert sum(other.sampled_logprobs) > sum(other.logprobs)
