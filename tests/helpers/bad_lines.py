"""Command lines that are wrong, each with the key that its one line of an answer begins with.

A line is the words after the command. ``runs.csv`` and ``text.csv`` lie in the current directory: a table of runs, and prose.
"""

NUMBERS = ("nan", "inf", "-inf", "-1", "1e30")


def each(key: str, values: tuple[str, ...] = NUMBERS, beside: str = "", answer: str = "") -> list[tuple[str, str]]:
    """Return a line for each wrong value of a key, and the key of its answer."""
    return [(f"{key}={value} {beside}".strip(), answer or key.lstrip("+")) for value in values]


MODEL = "model.checkpoint=sft-0123456789abcdef"
GRPO = f"stage=grpo data=sums reward=r1_zero optim=rl budget.steps=2 {MODEL}"
EVALUATE = f"stage=evaluate data=sums {MODEL}"
SEARCH = "-m sweep=search optim.lr=interval(1e-3,1e-2)"
RATES = "-m sweep=lr sweep.tokens=[1e4]"
SIZES = "-m sweep=isoflop sweep.budgets=[1e10]"
FIT = "runs=csv runs.path=runs.csv"

RUN = [
    *each("optim.lr"), *each("optim.lr_scale"), *each("optim.eps"), *each("optim.weight_decay"), *each("optim.grad_clip"),
    *each("optim.beta1", (*NUMBERS, "1")), *each("optim.beta2", (*NUMBERS, "1")), *each("optim.warmup", (*NUMBERS, "1.1")),
    *each("optim.batch_tokens"), *each("optim.batch_tokens", ("1", "127")), *each("optim.min_lr_ratio"), *each("optim.decay"),
    *each("optim.schedule", ("cosin", "''")), *each("optim.lr_rule", ("none",)), *each("optim.batch_rule", ("none",)),
    *each("budget.tokens", (*NUMBERS, "0", "x")), *each("budget.flops", (*NUMBERS, "0")), *each("budget.epochs"),
    *each("budget.steps", (*NUMBERS, "0", "0.5", "1.5")), *each("budget.tokens_per_param"), ("budget.tokens=1e6 budget.flops=1e12", "budget"),
    *each("seed", ("nan", "-1", "4294967296", "1.5", "x")), *each("study", ("", "''", "../../x", "a/../b", "/x", "a//b")),
    *each("model.init_std"), *each("model.rope_theta"), *each("model.family", ("gpt", "''")), *each("model.attention", ("flash", "flash_attention_2")),
    ("+model.options.hidden_act=foo", "model.options"), ("+model.options.no_such_option=1", "model.options"),
    *each("scale.params"), *each("scale.width", ("0", "-1", "x", "1e30", "65")), *each("scale.depth", ("0", "-1", "100000000")),
    *each("scale.heads", ("0", "-1", "3")), *each("scale.kv_heads", ("0", "3")),
    *each("data.context", ("0", "1", "-1", "100000000000")), *each("data.eval_fraction", (*NUMBERS, "0", "1")), *each("data.eval_tokens", ("0", "-1", "1")),
    *each("data.unique_tokens", ("0", "-1", "1e30")), *each("data.tokenizer.vocab_size", ("0", "-1", "255", "100000000000")),
    *each("data.tokenizer.train_bytes", ("0", "-5", "100000000000000")), *each("data.sources.stdlib.weight", (*NUMBERS, "0")),
    *each("data.instruction", ("hello", "''")), ("data.system=x", "data.system"), ("~data.sources.stdlib", "data.sources"),
    *each("stage.eval_points", ("0", "-1", "1.5", "x")), *each("stage.log_points", ("0", "-1")), *each("stage.eval_every_tokens", (*NUMBERS, "1e-9", "0")),
    *each("stage.keep_states", ("[nan]", "[inf]", "[-1]", "[0]", "[1e30]"), answer="stage.keep_states[0]"), *each("stage", ("foo",)),
    *each("compute.device", ("cuda", "tpu", "''")), ("compute=gpu", "compute.device"), *each("compute.precision", ("float8",)), *each("compute.threads", ("0", "-1")),
    *each("compute.processes", ("0", "-1", "2")), *each("compute.strategy", ("fsdp",)), *each("compute.port", ("-1", "65536")), *each("compute.micro_batch", ("0", "-1")),
    *each("compute.checkpoint_minutes", (*NUMBERS, "0")), *each("compute.checkpoint_steps", ("0", "-1")), *each("compute.price_per_hour"), *each("compute.peak_flops"),
    *each("compute.parallel_trials", ("0", "-2")), *each("tracking.experiment", ("", "' '")), *each("tracking.uri", ("''",)), *each("paths.outputs", ("''",)),
    ("optm.lr=1", "optm"), ("optim.rate=1", "optim.rate"), ("optim.lr=1e-3 optim.lr", "optim.lr"), ("scale=500", "the choice"), ("scale=17k", "scale"),
]  # fmt: skip
STAGES = [
    *((f"{EVALUATE} {line}", key) for line, key in [
        *each("stage.samples", ("0", "-1", "x")), *each("stage.problems", ("0", "-1")), *each("stage.max_failed", (*NUMBERS, "1.1")), *each("stage.shard", ("0",)),
        *each("stage.sampling.temperature"), *each("stage.sampling.top_p", (*NUMBERS, "0", "1.1")), *each("stage.sampling.top_k", ("0", "-1")), *each("stage.sampling.max_tokens", ("0",)),
        *each("stage.sampling.n", ("2",)), *each("engine.batch_size", ("0", "-1")), *each("engine.dtype", ("float8",)), *each("engine.device", ("tpu",)), *each("engine.context", ("0",)),
        *each("data.sources.sums.problems", ("0", "-1")), *each("data.sources.sums.reasoned", (*NUMBERS, "1.1")), *each("data.sources.sums.task", ("foo",)),
        *each("+data.sources.sums.options.maximum", ("0", "nan", "x"), answer="data.sources.sums.options.maximum"),
    ]),
    *((f"{GRPO} {line}", key) for line, key in [
        *each("stage.loss.type", ("foo",)), *each("stage.loss.epsilon", (*NUMBERS, "0")), *each("stage.loss.beta"), *each("stage.loss.top_entropy", (*NUMBERS, "0", "1.1")), *each("stage.loss.scale_rewards", ("foo",)),
        *each("stage.samples", ("0", "1")), *each("stage.groups.zero_variance", ("foo",)), *each("stage.groups.rounds", ("0",)), *each("stage.eval.every", ("0",)), *each("stage.log_completions", ("-1",)), *each("stage.updates", ("0", "7")),
        *each("reward.terms.accuracy.weight", (*NUMBERS[:3], "1e30")), *each("reward.limits.wall_seconds", (*NUMBERS, "0")), *each("reward.time_limit", (*NUMBERS, "0")), *each("reward.sandbox", ("foo",)), *each("reward.workers", ("0",)),
    ]),
    # the fault that was made is told, rather than what else the stage needs
    ("stage=grpo data=sums stage.loss.type=foo", "stage.loss.type"), ("stage=evaluate stage.sampling.top_p=2", "stage.sampling.top_p"),
    ("recipe=r1_zero data=sums recipe.steps.zero.budget.steps=nan", "recipe.steps.zero.budget.steps"), ("recipe=r1_zero data=sums recipe.steps.zero.budget.steps=0.5", "recipe.steps.zero"),
    ("recipe=r1_zero data=sums recipe.steps.base.optim.lr=-1", "recipe.steps.base"), ("recipe=foo", "recipe"),
]  # fmt: skip
STUDIES = [
    ("-m optim.lr=nan,1e-3", "optim.lr"), ("-m budget.tokens=nan,1e5", "budget.tokens"), ("-m seed=range(0,0)", "seed"), ("-m seed=range(0,1e9)", "seed"), ("-m scale=30k,17k", "scale"), ("-m optim.lr=interval(0,1)", "optim.lr"),
    ("-m seed=0,1 compute.parallel_trials=0", "compute.parallel_trials"), ("-m seed=0,1 study=../../x", "study"), ("-m sweep.allowance.flops=nan seed=0,1", "sweep.allowance.flops"), ("-m sweep=foo", "sweep"),
    *((f"{RATES} {line}", key) for line, key in [*each("sweep.rates", ("[nan,1,2]", "[0,1,2]", "[1,1,2]", "[1]", "[]"), answer="sweep.rates"), *each("sweep.extend", ("-1",)), *each("sweep.objective", ("foo", "''")), *each("sweep.ask_above.money")]),
    *each("-m sweep=lr sweep.tokens", ("[nan]", "[inf]", "[-1]", "[0]"), answer="sweep.tokens[0]"),
    *each("-m sweep=isoflop sweep.budgets", ("[nan]", "[inf]", "[-1]"), answer="sweep.budgets[0]"), ("-m sweep=isoflop sweep.budgets=[]", "sweep.budgets"), ("-m sweep=isoflop", "sweep.budgets"),
    *((f"{SIZES} {line}", key) for line, key in [*each("sweep.sizes", ("0", "2")), *each("sweep.optimum.tokens_per_param"), *each("sweep.optimum.exponent"), *each("sweep.objective", ("foo",))]),
    *each("-m sweep=trunk sweep.scales=[30k] sweep.tokens", ("[nan]", "[0]"), answer="sweep.tokens[0]"),
    *((f"{SEARCH} {line}", key) for line, key in [
        *each("sweep.objective", ("foo", "[]", "''", "[eval_loss,eval_loss]")), ("sweep.constraints={foo:1}", "sweep.constraints"), ("sweep.constraints={flops:nan}", "sweep.constraints.flops"), ("sweep.constraints=5", "sweep.constraints"),
        *each("sweep.direction", ("up", "[]")), *each("sweep.sampler", ("foo",)), *each("sweep.pruner", ("foo",)), *each("sweep.terminator", ("foo",)), *each("sweep.n_trials", ("0", "-1")), *each("sweep.n_jobs", ("0",)), *each("sweep.seed", ("-1",)),
        *each("sweep.retries", ("-1",)), *each("sweep.heartbeat_seconds", (*NUMBERS, "0")), *each("sweep.grace_seconds", (*NUMBERS, "1")), *each("sweep.max_failure_rate", (*NUMBERS, "1.1")), *each("sweep.timeout_minutes", (*NUMBERS, "0")),
        *each("sweep.name", ("", "../../x")), *each("sweep.target.flops", ("1",), answer="sweep.target"),
    ]),
    *each("-m sweep=search optim.lr", ("interval(nan,1)", "interval(0,1)", "interval(1,0)", "tag(log,interval(0,1))"), answer="optim.lr"),
]  # fmt: skip
FITS = [
    *((f"{FIT} {line}", key) for line, key in [
        *each("target_flops", (*NUMBERS, "0")), *each("target_loss", (*NUMBERS, "0")), *each("bootstrap.resamples", ("1", "-1", "x")), *each("bootstrap.seed", ("-1",)), *each("bootstrap.interval", ("t",)), *each("law.delta", (*NUMBERS, "0")),
        *each("law.objective", ("l2",)), *each("law", ("foo",)), *each("holdout.fraction", (*NUMBERS, "0", "1")), *each("holdout.above_flops", NUMBERS[:3]), *each("holdout.largest_budgets", ("-1",)), *each("compare", ("[foo]",), answer="compare[0]"),
        *each("runs.columns.N", ("foo", "''")), ("+runs.where.foo=1", "runs.where.foo"),
    ]),
    ("runs=csv runs.path=none.csv", "runs.path"), ("runs=csv runs.path=text.csv", "runs"), ("runs.study=none", "runs"), ("", "runs.study"),
]  # fmt: skip
PLANS = [
    *each("optim.lr"), ("sweep=lr sweep.tokens=[nan]", "sweep.tokens[0]"), ("status seconds=nan status=x", "seconds"), ("status seconds=0 status=x", "seconds"), ("status status=none", "status"), ("status", "status"),
    *((f"propose replay.path=runs.csv {line}", key) for line, key in [*each("replay.seeds", ("0", "-1")), *each("replay.shares", ("[nan]", "[0]", "[2]"), answer="replay.shares[0]"), *each("replay.choosers", ("[foo]",), answer="replay.choosers[0]"), *each("sweep.target.flops"), *each("sweep.reach")]),
]  # fmt: skip
CATALOGUE = {"openr1": [*RUN, *STAGES, *STUDIES], "openr1-fit": FITS, "openr1-plan": PLANS}
