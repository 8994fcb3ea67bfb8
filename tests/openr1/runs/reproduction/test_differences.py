from dataclasses import replace

from helpers.configs import composed

from openr1.config.recipe import RecipeStep
from openr1.config.schema import to_dict
from openr1.runs.record import RunRecord, StageRecord
from openr1.runs.reproduction.differences import config_differences, differences

HERE = {
    "python": "3.12.1",
    "platform": "Linux",
    "packages": {"torch": "2.13.0", "trl": "1.16.0"},
    "hardware": "2 x CPU",
    "cpus": 2,
    "git_commit": "a" * 40,
    "uncommitted": None,
}


def texts(environment=HERE, inputs=None, overrides=(), fingerprint="1" * 16):
    config = composed("compute.threads=null")
    stage = StageRecord("", "pretrain", "1" * 16, {"data": "d" * 64}, {}, None, to_dict(config), environment)
    step = RecipeStep("", composed("compute.threads=null", *overrides), fingerprint, inputs or {"data": "d" * 64})
    found = differences(RunRecord("run", "study", "", "1" * 16, [stage]), [step], HERE)
    return [str(difference) for difference in found]


def test_nothing_differs_where_all_is_the_same():
    assert texts() == []


def test_every_difference_of_code_packages_and_machine_is_named():
    there = {**HERE, "python": "3.11.2", "hardware": "64 x CPU", "cpus": 64, "git_commit": "b" * 40 + "-dirty"}
    there |= {"uncommitted": "0123", "packages": {"torch": "2.12.0", "vllm": "0.31.0"}}
    assert texts(there) == [
        f"commit: {'b' * 12} in the original, {'a' * 12} now",
        "uncommitted changes: some (hash 0123) in the original, none now",
        "python: 3.11.2 in the original, 3.12.1 now",
        "hardware: 64 x CPU in the original, 2 x CPU now",
        "package: torch 2.12.0 in the original, 2.13.0 now",
        "package: trl not installed in the original, 1.16.0 now",
        "package: vllm 0.31.0 in the original, not installed now",
        "threads: 64 in the original, 2 now; compute.threads=64 takes as many",
    ]
    assert texts({**HERE, "cpus": 64}, overrides=["compute.threads=64"]) == []


def test_what_an_earlier_version_did_not_record_is_told_and_not_taken_for_the_same():
    assert texts({}) == ["environment: that of the original is not known"]
    found = texts({"git_commit": "a" * 40 + "-dirty", "hardware": "2 x CPU"})
    assert "uncommitted changes: the original had some, which were not recorded" in found
    assert "packages: those of the original are not known" in found


def test_data_whose_content_has_changed_are_named():
    (found,) = texts(inputs={"data": "e" * 64})
    assert found == f"data: its content has changed: {'d' * 16} in the original, {'e' * 16} now"


def test_another_fingerprint_of_the_same_config_and_data_is_one_of_the_rules():
    (found,) = texts(fingerprint="2" * 16)
    assert found.startswith("rules: this version of the code")


def test_only_keys_that_decide_something_are_among_the_differences_of_configs():
    config = composed()
    other = replace(config, seed=3, study="other", tracking=replace(config.tracking, uri="sqlite:///x"))
    assert config_differences(config, other) == ["seed: 0 -> 3"]
