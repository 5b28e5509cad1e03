"""Fine-tuning: a policy that exists goes on learning, from new demonstrations, in an adapter of a few MB."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from premotor.core.codec import Codec
from premotor.core.errors import BundleError
from premotor.models import adapter, bundle
from premotor.models.adapter import LoraConfig
from premotor.models.contract import System, SystemConfig
from premotor.models.systems import restored_config

__all__ = ["Tune"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Tune:
    """base: folder of the bundle that goes on learning; digest: of it, so that a resumed run has the same."""

    base: str
    digest: str
    lora: LoraConfig = field(default_factory=LoraConfig)

    @classmethod
    def of(cls, base: Path, lora: LoraConfig) -> "Tune":
        """Fine-tuning of the bundle in `base`.

        Raises BundleError for a bundle of few bits, or one that reads words which are not the text encoder's.
        """
        manifest = bundle.verify(base)
        kind = manifest["words"]["kind"]
        if manifest.get("bits"):
            raise BundleError(
                f"{base} has weights of {manifest['bits']} bits; fine-tune the bundle that it was made of"
            )
        if kind not in ("minilm", "none"):
            raise BundleError(
                f"{base} reads words of kind {kind!r}, which training cannot give it; it can fine-tune bundles of "
                "`premotor train`, whose words are minilm"
            )
        return cls(base=str(base.resolve()), digest=manifest["digest"], lora=lora)

    @property
    def text(self) -> Path | None:
        """Where its text encoder is, None if it has none."""
        return Path(self.base) if self._manifest()["words"]["kind"] == "minilm" else None

    def config(self) -> SystemConfig:
        """Of the policy."""
        manifest = self._manifest()
        config: SystemConfig = restored_config(manifest["system"], manifest["config"])
        return config

    def codecs(self) -> dict[str, Codec]:
        """Of its robots, in the order in which it tells them apart; they stay as they are."""
        loaded = bundle.load(Path(self.base))
        return dict(sorted(loaded.codecs.items(), key=lambda item: loaded.config.index_of(item[0])))

    def start(self) -> System:
        """The policy with an adapter that does nothing yet."""
        self._manifest()
        system = bundle.load(Path(self.base)).system
        adapter.attach(system, self.lora)
        return system

    def save(self, system: System, at: Path, made: Path, lineage: Mapping[str, Any]) -> None:
        """Write what was learned as an adapter to `at`, and merged as a bundle to `made`."""
        adapter.save(at, system, self.lora, self._manifest(), lineage)
        adapter.merge_into(Path(self.base), at, made)

    def _manifest(self) -> dict[str, Any]:
        manifest = bundle.verify(Path(self.base))
        if manifest["digest"] != self.digest:
            raise BundleError(
                f"{self.base} is another bundle ({manifest['digest'][:16]}) than when this run began "
                f"({self.digest[:16]}); restore that one, or choose another --out"
            )
        return manifest
