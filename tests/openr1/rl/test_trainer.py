from types import SimpleNamespace

from helpers.configs import composed

from openr1.rl import trainer


def test_a_policy_is_not_spread_over_all_gpus_that_its_process_sees(monkeypatch):
    config = composed("stage=grpo", "optim=rl", "data=sums", "reward=r1_zero", "budget.steps=1", "model.checkpoint=x")
    monkeypatch.setattr(trainer, "grpo_arguments", lambda context: {})
    monkeypatch.setattr(trainer, "GRPOConfig", lambda **arguments: SimpleNamespace(n_gpu=8))
    monkeypatch.setattr(trainer, "PolicyTrainer", lambda **arguments: SimpleNamespace(**arguments))
    built = trainer.build_trainer(SimpleNamespace(config=config), None, None, None)
    assert built.args._n_gpu == 1
