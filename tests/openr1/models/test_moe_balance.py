import torch
from helpers.configs import composed

from openr1.models.build import build
from openr1.models.moe_balance import LoadBalance
from openr1.training.budget import resolve


def test_an_expert_that_takes_every_token_comes_to_share_them():
    config = composed("model=deepseek_v3", "scale=30k")
    model = build(config.model, resolve(config).shape, seed=0)
    balance = LoadBalance(model, rate=0.02)
    (router,) = balance.routers
    router.e_score_correction_bias[:2] += 1.0  # the same two for every token
    tokens = torch.randint(0, 512, (8, 64), generator=torch.Generator().manual_seed(0))

    def spread():
        with torch.no_grad():
            model.train()(tokens)
        (load,) = balance.loads
        share = (load.max() / load.mean()).item()
        balance.on_optimizer_step(None, None, None)
        return share

    shares = [spread() for _ in range(100)]
    assert shares[0] == len(router.e_score_correction_bias) / 2
    assert max(shares[-5:]) < 2
    before = router.e_score_correction_bias.clone()
    with torch.no_grad():
        model.eval()(tokens)
    balance.on_optimizer_step(None, None, None)
    assert torch.equal(router.e_score_correction_bias, before)  # evaluation does not count


def test_a_dense_model_has_nothing_to_balance():
    config = composed("scale=30k")
    assert LoadBalance(build(config.model, resolve(config).shape, seed=0)).routers == []
