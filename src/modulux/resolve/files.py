"""Reading the YAML files that people write, with errors that name the file, the line and what would fit."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from modulux.errors import FileError
from modulux.model.base import shown

M = TypeVar("M", bound=BaseModel)

MAX_BYTES = 256 * 1024
"""No desktop or contract comes near; what is larger is not one."""


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML 1.2 file.

    Raises:
        FileError: missing, unreadable, too large, nested too deeply, not YAML, or not a mapping.
    """
    text = _read_text(path)
    try:
        data = YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        hint = "`key: value` lines, each key once, those that belong together equally far to the right"
        raise FileError(f"not YAML: {error.problem or error.context}", file=str(path), line=line, hint=hint) from None
    except RecursionError:
        raise FileError("nested too deeply to be a file of ours", file=str(path)) from None
    except (YAMLError, ValueError) as error:
        raise FileError(f"not YAML: {error}", file=str(path)) from None
    if not isinstance(data, dict):
        raise FileError("holds no keys", file=str(path), hint="it should be a list of `key: value` lines; see docs/contract.md")
    return data


def _read_text(path: Path) -> str:
    try:
        if not path.is_file():
            raise FileError("no such file", file=str(path))
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise FileError(f"{size:,} bytes; more than {MAX_BYTES:,} is no file of ours", file=str(path))
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise FileError(f"not text in UTF-8 (byte {error.start})", file=str(path)) from None
    except OSError as error:
        raise FileError(f"cannot be read: {error.strerror}", file=str(path)) from None


def load(path: Path, model: type[M], **extra: object) -> M:
    """The file as `model`; `extra` keys are set from outside the file.

    Raises:
        FileError: as `read_yaml`, or the content does not fit the model.
    """
    data = read_yaml(path)
    try:
        return model.model_validate({**data, **extra})
    except ValidationError as error:
        raise _explained(error, path, model) from None


def validate(data: object, model: type[M], source: str) -> M:
    """As `load`, for data that does not come from a file; `source` says where it came from."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise _explained(error, Path(source), model) from None


def line_of(path: Path, *keys: str | int) -> int | None:
    """The line (from 1) of the value at `keys`, or of the nearest key above it; slow, for errors only."""
    try:
        node: Any = YAML(typ="rt", pure=True).load(path.read_text(encoding="utf-8"))
    except (YAMLError, OSError, RecursionError):
        return None
    line: int | None = None
    for key in keys:
        try:
            if isinstance(node, CommentedMap) and key in node:
                line = node.lc.key(key)[0] + 1
                node = node[key]
            elif isinstance(node, CommentedSeq) and isinstance(key, int) and key < len(node):
                line = node.lc.item(key)[0] + 1
                node = node[key]
        except (AttributeError, KeyError, IndexError, TypeError):
            break
    return line


def close_to(word: str, words: object) -> str | None:
    """A hint with the nearest of `words`, if there is one."""
    candidates = [str(w) for w in words] if hasattr(words, "__iter__") else []
    near = difflib.get_close_matches(word, candidates, n=1, cutoff=0.6)
    return f"did you mean `{near[0]}`?" if near else None


def _explained(error: ValidationError, path: Path, model: type[BaseModel]) -> FileError:
    errors = error.errors()
    # a misspelt key is also a missing one: the misspelling says more
    first = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])
    keys = _keys_of(first, errors)
    where = ".".join(str(k) for k in keys)
    hint: str | None = None
    match first["type"]:
        case "extra_forbidden":
            message = f"unknown key `{where}`"
            known = _keys_at(model, keys[:-1])
            hint = close_to(str(keys[-1]), known) or (f"the keys are: {', '.join(known)}" if known else None)
        case "missing":
            message = f"the key `{where}` is missing"
            hint = f"such as `name: {path.stem}`" if where == "name" else None
        case "value_error":
            said = first["ctx"]["error"].args  # what is wrong, and a hint if there is one
            message = f"`{where}`: {said[0]}" if where else str(said[0])
            hint = said[1] if len(said) > 1 else None
        case "string_pattern_mismatch":
            message = f"`{where}`: {shown(first['input'])} will not do"
            hint = f"it must match {first['ctx']['pattern']}"
        case "literal_error":
            message = f"`{where}`: {_plainly(first)} (it is {shown(first['input'])})"
            hint = close_to(str(first["input"]), re.findall("'([^']+)'", first["ctx"]["expected"]))
        case _:
            message = f"`{where}`: {_plainly(first)} (it is {shown(first['input'])})"
    return FileError(message, file=str(path), line=line_of(path, *keys), hint=hint or _about(model, keys))


PLAIN = {
    "model_type": "should be `key: value` pairs",
    "model_attributes_type": "should be `key: value` pairs",
    "dict_type": "should be `key: value` pairs",
    "mapping_type": "should be `key: value` pairs",
    "invalid_key": "keys should be words",
    "list_type": "should be a list",
    "tuple_type": "should be a list",
    "string_type": "should be text",
    "int_type": "should be a whole number",
    "int_parsing": "should be a whole number",
    "int_from_float": "should be a whole number",
    "float_type": "should be a number",
    "float_parsing": "should be a number",
    "finite_number": "should be a number",
    "bool_type": "should be true or false",
    "bool_parsing": "should be true or false",
}
"""What pydantic's messages say with the names of Python's types and our classes, in plain words."""

KINDS = {"str", "int", "float", "bool"}


def _plainly(error: ErrorDetails) -> str:
    context = error.get("ctx", {})
    match error["type"]:
        case "too_short":
            return f"should hold at least {context['min_length']}"
        case "too_long":
            return f"should hold at most {context['max_length']}"
        case "greater_than_equal":
            return f"should be at least {context['ge']}"
        case "less_than_equal":
            return f"should be at most {context['le']}"
        case "greater_than":
            return f"should be more than {context['gt']}"
    return PLAIN.get(error["type"], error["msg"].removeprefix("Input ").removeprefix("String "))


def _keys_of(error: ErrorDetails, errors: list[ErrorDetails]) -> list[str | int]:
    """Where the error is; of a value that may have several types pydantic tells each, with the type at the end."""
    keys = list(error["loc"])
    siblings = [e for e in errors if e["loc"][:-1] == error["loc"][:-1]]
    return keys[:-1] if len(siblings) > 1 and keys[-1] in KINDS else keys


def _keys_at(model: type[BaseModel], keys: list[str | int]) -> list[str]:
    current: type[BaseModel] | None = model
    for key in keys:
        if not isinstance(key, int):  # the place in a list: what it holds is known already
            found = _field(current, key)
            current = _model_in(found.annotation) if found else None
    return [f.alias or n for n, f in current.model_fields.items()] if current else []


def _field(model: type[BaseModel] | None, key: str | int) -> FieldInfo | None:
    fields = model.model_fields if model else {}
    return next((f for n, f in fields.items() if key in (n, f.alias)), None)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model that a key holds, be it one, a list of them, or none."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)


def _about(model: type[BaseModel], keys: list[str | int]) -> str | None:
    """What the innermost key that is described is for."""
    current: type[BaseModel] | None = model
    said = None
    for key in keys:
        found = _field(current, key)
        if found and found.description:
            said = f"`{key}` is {found.description}"
        current = _model_in(found.annotation) if found else current if isinstance(key, int) else None
    return said
