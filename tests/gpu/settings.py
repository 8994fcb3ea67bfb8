"""Sizes of the parts of the check: on a GPU, and in a tiny form on a processor."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Setting:
    """Sizes of all parts.

    :ivar trained: scales whose training speed is measured, with the most sequences of a forward pass (halved while they do not
        fit in memory) and the number of steps.
    :ivar warm: steps before the measured ones.
    :ivar train: overrides of these runs.
    :ivar policy: scale of the policy of reinforcement learning, and ``base`` and ``grpo`` the overrides of its two runs.
    :ivar generated: scale whose generation speed is measured, and batch, prompts and tokens.
    :ivar small: overrides of runs whose exactness is compared.
    """

    device: str
    compile_backend: str
    trained: dict[str, tuple[int, int]]
    warm: int
    train: list[str]
    policy: str
    base: list[str]
    grpo: list[str]
    generated: str
    batch: int
    prompts: int
    tokens: int
    small: list[str]


GPU = ["compute=gpu", "compute.checkpoint_minutes=null"]
CPU = ["compute=cpu", "compute.precision=bfloat16", "compute.checkpoint_minutes=null"]

# a token of a layer leaves about 80 bytes times the width for the backward pass, under autocast without compilation: 32, 16
# and 8 sequences of 1,024 tokens are then about 30 GB for each of these sizes
REAL = Setting(
    device="cuda",
    compile_backend="inductor",
    trained={"125m": (32, 32), "1b": (8, 13), "350m": (16, 20)},
    warm=5,
    train=[*GPU, "data.context=1024", "data.tokenizer.vocab_size=8192", "optim.batch_tokens=65536", "data.eval_tokens=16384"],
    policy="125m",
    base=[*GPU, "optim.lr=6e-4", "optim.batch_tokens=16384", "compute.micro_batch=null", "budget.steps=250"],
    grpo=[
        *GPU,
        "compute.micro_batch=128",
        "optim.lr=2e-5",
        "budget.steps=16",
        "stage.prompts=32",
        "stage.samples=16",
        "stage.sampling.max_tokens=96",
        "stage.eval={every: 8, problems: 200, samples: 2}",
        "engine.batch_size=256",
    ],
    generated="125m",
    batch=256,
    prompts=512,
    tokens=128,
    small=[
        *GPU,
        "scale=30m",
        "data.context=512",
        "optim.batch_tokens=16384",
        "compute.micro_batch=16",
        "optim.lr=1e-3",
        "data.tokenizer.vocab_size=1024",
        "data.eval_tokens=8192",
    ],
)
TINY = Setting(
    device="cpu",
    compile_backend="aot_eager",  # traces as inductor does, and compiles no kernels
    trained={"30k": (4, 24)},
    warm=6,
    train=[*CPU, "data.context=32", "data.tokenizer.vocab_size=300", "optim.batch_tokens=256", "data.eval_tokens=512"],
    policy="30k",
    base=[*CPU, "optim.lr=1e-2", "optim.batch_tokens=1024", "budget.steps=12"],
    grpo=[
        *CPU,
        "optim.lr=1e-4",
        "budget.steps=3",
        "stage.prompts=4",
        "stage.samples=4",
        "stage.sampling.max_tokens=16",
        "stage.eval={every: 3, problems: 8, samples: 1}",
    ],
    generated="30k",
    batch=8,
    prompts=16,
    tokens=16,
    small=[
        *CPU,
        "scale=30k",
        "data.context=32",
        "optim.batch_tokens=128",
        "compute.micro_batch=2",
        "optim.lr=1e-2",
        "data.tokenizer.vocab_size=300",
        "data.eval_tokens=512",
    ],
)
