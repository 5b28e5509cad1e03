"""The packed text encoder says what the public checkpoint says."""

from pathlib import Path

import numpy as np
import pytest
import torch

from premotor.core.errors import BundleError
from premotor.models import bundle
from premotor.models.language.minilm import TextEncoder, pack

REFERENCE = Path(__file__).parent / "fixtures" / "minilm_features.npz"


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    return TextEncoder(bundle.DEFAULT)


def test_features_match_the_reference_implementation(encoder: TextEncoder) -> None:
    """The fixture holds last_hidden_state of transformers' BertModel with the public float32 weights."""
    with np.load(REFERENCE) as reference:
        for sentence in reference:
            expected = torch.from_numpy(reference[sentence].astype(np.float32))
            found = encoder.features(sentence)
            assert found.shape == expected.shape
            assert torch.nn.functional.cosine_similarity(found, expected).min() > 0.998


def test_case_and_outer_spaces_do_not_matter(encoder: TextEncoder) -> None:
    assert torch.equal(encoder.features("  Put it IN the bowl"), encoder.features("put it in the bowl"))


def test_a_batch_is_its_rows(encoder: TextEncoder) -> None:
    words, mask = encoder.batch(["stack them", "put the red block on the green one"])
    for row, sentence in enumerate(["stack them", "put the red block on the green one"]):
        assert torch.equal(words[row][mask[row]], encoder.features(sentence))


def test_long_text_is_cut(encoder: TextEncoder) -> None:
    assert len(encoder.features("block " * 400)) == 48


def test_other_weights_are_refused(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"something else")
    with pytest.raises(BundleError, match="not all-MiniLM-L6-v2"):
        pack(tmp_path, tmp_path / "out")


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"text\.safetensors"):
        TextEncoder(tmp_path)
