from openr1.runs import record
from openr1.runs.record import RunRecord, StageRecord


def test_a_record_is_read_as_it_was_written_with_the_steps_of_its_config_in_their_order(tmp_path):
    config = {"stage": {"steps": {"verify": {}, "select": {}, "dedupe": {}}}}
    stage = StageRecord("only", "curate", "1" * 16, {"answers.0": "generate-" + "2" * 16}, {"rows": 3.0}, None, config)
    written = RunRecord("name", "study", "seed=1", "1" * 16, [stage], {"recipe": {"steps": {"b": {}, "a": {}}}}, "3" * 32)
    record.write(written, tmp_path / "folder" / "run.json")
    again = record.read(tmp_path / "folder" / "run.json")
    assert again == written
    assert list(again.stages[0].config["stage"]["steps"]) == ["verify", "select", "dedupe"]
    assert list(again.config["recipe"]["steps"]) == ["b", "a"]


def test_a_stage_of_a_recipe_is_a_run_of_its_own():
    stages = [StageRecord(name, "sft", digit * 16, {}, {}, None, {"seed": 1}) for name, digit in (("base", "1"), ("more", "2"))]
    whole = RunRecord("zero", "study", "", "4" * 16, stages, {"recipe": {}})
    alone = whole.stage_alone("sft-" + "2" * 16)
    assert (alone.name, alone.recipe, alone.config) == ("zero/more", None, {"seed": 1})
    assert whole.stage_alone("sft-" + "3" * 16) is None
