import pytest

from openr1.tracking.directions import best_of


@pytest.mark.parametrize(
    ("metric", "choose"),
    [
        ("eval_loss", min),
        ("base.eval_loss", min),
        ("eval_bits_per_byte", min),
        ("wall_seconds", min),
        ("pass_at_1", max),
        ("pass_at_16", max),
        ("reward", max),
        ("reward_accuracy", max),
        ("format_rate", max),
        ("tokens_per_second", max),
        ("flops", None),
        ("tokens", None),
        ("loss_free", min),
        ("glossary", None),
    ],
)
def test_the_name_of_a_metric_tells_its_direction_or_does_not(metric, choose):
    assert best_of(metric) is choose
