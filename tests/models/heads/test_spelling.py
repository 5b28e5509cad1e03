"""What is said under Spelling is always a chunk, whatever the scores."""

from typing import Literal

import numpy as np
import pytest
import torch

from premotor.core.errors import ActionTokenError
from premotor.models.heads.fast import FastCodec
from premotor.models.heads.spelling import Spelling

HORIZON, DIMS = 5, 3


def codec(alphabet: Literal["bytes", "published"]) -> FastCodec:
    rng = np.random.default_rng(0)
    # Steps from -100 to 100 and more, so that many characters are of two bytes.
    chunks = rng.normal(0, 4, (200, HORIZON, DIMS)).cumsum(1).clip(-8, 8)
    return FastCodec.fit(chunks, 600, alphabet=alphabet)


@pytest.mark.parametrize("alphabet", ["bytes", "published"])
def test_random_scores_spell_chunks(alphabet: Literal["bytes", "published"]) -> None:
    torch.manual_seed(0)
    fast, rows = codec(alphabet), 64
    spelling = Spelling(fast, HORIZON * DIMS, rows, torch.device("cpu"))
    while not spelling.done:
        spelling.choose(torch.randn(rows, fast.size))
    ids = spelling.ids()
    assert len(ids) == rows
    assert fast.decode(ids, HORIZON, DIMS).shape == (rows, HORIZON, DIMS)


def test_a_chunk_that_scores_best_is_said_as_it_is() -> None:
    fast = codec("bytes")
    chunk = np.linspace(-6, 6, HORIZON * DIMS).reshape(HORIZON, DIMS)
    (ids,) = fast.encode([chunk])
    spelling = Spelling(fast, HORIZON * DIMS, 1, torch.device("cpu"))
    for wanted in ids:
        scores = torch.zeros(1, fast.size)
        scores[0, wanted] = 1.0
        assert int(spelling.choose(scores)) == wanted
    assert spelling.done
    assert spelling.ids() == [ids]


def test_a_codec_that_cannot_end_a_chunk_is_refused() -> None:
    fast = codec("bytes")
    spelling = Spelling(fast, 1, 1, torch.device("cpu"))
    spelling._begins = torch.full_like(spelling._begins, 2)
    with pytest.raises(ActionTokenError, match="no token that ends"):
        spelling.choose(torch.zeros(1, fast.size))
