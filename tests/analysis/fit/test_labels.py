from openr1.analysis.fit.labels import shorten_trials, sort_key


def test_trials_are_told_apart_by_what_differs():
    head, key = "experiment=e,paths.outputs=/a/b", "recipe.steps.proxy.data.sources.readability.problems"
    short = shorten_trials([f"{head},{key}=100,seed=0", f"{head},{key}=400,seed=0", f"{head},{key}=400,seed=1"])
    assert list(short.values()) == ["problems=100, seed=0", "problems=400, seed=0", "problems=400, seed=1"]


def test_lists_stay_whole_and_keys_of_one_end_keep_more_of_their_path():
    short = shorten_trials(["a.lr=1,b.lr=[1,2],c={x: 1,y: 2}", "a.lr=2,b.lr=[1,3],c={x: 1,y: 2}"])
    assert list(short.values()) == ["a.lr=1, b.lr=[1,2]", "a.lr=2, b.lr=[1,3]"]


def test_a_single_trial_keeps_all_its_overrides():
    assert shorten_trials(["scale=30k,seed=1"]) == {"scale=30k,seed=1": "scale=30k, seed=1"}


def test_numbers_within_labels_are_in_order():
    labels = ["problems=100", "problems=1600", "problems=400", "llama", "1m", "300k"]
    assert sorted(labels, key=sort_key) == ["300k", "1m", "llama", "problems=100", "problems=400", "problems=1600"]
