"""The `kernel:` of a machine file."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from modulux.model.base import Written


class KernelUse(Written):
    """Which kernel a machine boots: one of these, or one word that says which (`debian`, `./folder`)."""

    module: str | None = Field(
        default=None, pattern=r"^[a-z0-9-]+$", description="a module of the role kernel, without its role"
    )
    package: str | None = Field(
        default=None,
        pattern=r"^linux-image-[a-z0-9.+-]+(=[A-Za-z0-9.+:~-]+)?$",
        description="of the Debian archive, if need be with its version: linux-image-amd64=6.12.118-1",
    )
    path: str | None = Field(
        default=None, description="a folder that holds boot/ and lib/modules/; relative to the machine file"
    )
    image: str | None = Field(default=None, description="an image that holds boot/ and lib/modules/")

    @model_validator(mode="before")
    @classmethod
    def _written(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if value.startswith(("/", "./", "../")) or value == ".":
            return {"path": value}
        if value.startswith("linux-image-"):
            return {"package": value}
        if value.startswith("kernel/") and ":" not in value:
            return {"module": value.removeprefix("kernel/")}
        return {"image": value} if "/" in value or ":" in value else {"module": value}

    @model_validator(mode="after")
    def _one(self) -> KernelUse:
        if sum(word is not None for word in (self.module, self.package, self.path, self.image)) != 1:
            raise ValueError("a kernel is one of module, package, path and image")
        return self

    def __str__(self) -> str:
        return self.module or self.package or self.path or self.image or ""
