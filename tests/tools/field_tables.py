"""Tables of the worker contract's fields for the bridges that encode protobuf by hand, from worker.proto."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto

_HEAD = "Generated from proto/snakepit/worker/v1/worker.proto by tests/tools/regen. Do not edit."
_TYPES = {
    FieldDescriptorProto.TYPE_STRING: "text",
    FieldDescriptorProto.TYPE_BYTES: "bytes",
    FieldDescriptorProto.TYPE_UINT32: "number",
    FieldDescriptorProto.TYPE_UINT64: "number",
    FieldDescriptorProto.TYPE_ENUM: "number",
    FieldDescriptorProto.TYPE_BOOL: "flag",
    FieldDescriptorProto.TYPE_DOUBLE: "double",
    FieldDescriptorProto.TYPE_FLOAT: "float",
}


def tables(file: FileDescriptorProto) -> Iterator[tuple[str, str]]:
    """Path and text of each generated file. Raises KeyError for a type that no bridge can encode."""
    messages = _sorted(file)
    yield "bridges/node/messages.mjs", _node(messages)
    yield "bridges/ruby/lib/snakepit/messages.rb", _ruby(messages)
    yield "bridges/go/messages.go", _go(messages)


def _sorted(file: FileDescriptorProto) -> list[DescriptorProto]:
    """Each message after those that it holds."""
    known = {message.name: message for message in file.message_type}
    found: list[DescriptorProto] = []

    def add(message: DescriptorProto) -> None:
        if message in found:
            return
        for field in message.field:
            if field.type == FieldDescriptorProto.TYPE_MESSAGE:
                add(known[_held(field)])
        found.append(message)

    for message in file.message_type:
        add(message)
    return found


def _held(field: FieldDescriptorProto) -> str:
    return field.type_name.rpartition(".")[2]


def _many(field: FieldDescriptorProto) -> bool:
    return field.label == FieldDescriptorProto.LABEL_REPEATED


def _kinds(messages: list[DescriptorProto]) -> dict[str, int]:
    [kinds] = [one for message in messages for one in message.enum_type]
    return {value.name: value.number for value in kinds.value if value.number}


def _pascal(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _camel(name: str) -> str:
    return name[0].lower() + _pascal(name)[1:]


def _upper(name: str) -> str:
    return "".join(f"_{one}" if one.isupper() and at else one for at, one in enumerate(name)).upper()


def _node(messages: list[DescriptorProto]) -> str:
    lines = [f"// {_HEAD}", "// Number → [name, type, repeated]. A type is a word or the table of a message.", ""]
    for message in messages:
        lines.append(f"export const {message.name} = {{")
        for field in message.field:
            kind = _held(field) if field.type == FieldDescriptorProto.TYPE_MESSAGE else f"'{_TYPES[field.type]}'"
            many = ", 'many'" if _many(field) else ""
            lines.append(f"  {field.number}: ['{_camel(field.name)}', {kind}{many}],")
        lines.append("}")
    lines.append("export const Kind = {")
    lines += [f"  {name}: {number}," for name, number in _kinds(messages).items()]
    return "\n".join([*lines, "}", ""])


def _ruby(messages: list[DescriptorProto]) -> str:
    lines = [
        "# frozen_string_literal: true", "", f"# {_HEAD}", "module Snakepit", "  module Wire",
        "    # Number => [name, type, repeated]. A type is a symbol or the table of a message.",
    ]  # fmt: skip
    for message in messages:
        rows = []
        for field in message.field:
            held = field.type == FieldDescriptorProto.TYPE_MESSAGE
            kind = _upper(_held(field)) if held else f":{_TYPES[field.type]}"
            rows.append(f"      {field.number} => [:{field.name}, {kind}{', true' if _many(field) else ''}]")
        body = "{\n" + ",\n".join(rows) + "\n    }" if rows else "{}"
        lines.append(f"    {_upper(message.name)} = {body}.freeze")
    kinds = ",\n".join(f"      {name.lower()}: {number}" for name, number in _kinds(messages).items())
    return "\n".join([*lines, f"    KINDS = {{\n{kinds}\n    }}.freeze", "  end", "end", ""])


def _go(messages: list[DescriptorProto]) -> str:
    lines = ["// Code generated from proto/snakepit/worker/v1/worker.proto by tests/tools/regen. DO NOT EDIT.", "",
             "package snakepit"]  # fmt: skip
    for message in messages:
        names = {f"field{message.name}{_pascal(field.name)}": field.number for field in message.field}
        if not names:
            continue
        width = max(map(len, names))
        lines += ["", f"// Numbers of the fields of {message.name}.", "const ("]
        lines += [f"\t{name.ljust(width)} = {number}" for name, number in names.items()]
        lines.append(")")
    kinds = _kinds(messages)
    width = max(len(_camel(name.lower())) for name in kinds)
    lines += ["", "type kind uint64", "", "const ("]
    lines += [f"\t{_camel(name.lower()).ljust(width)} kind = {number}" for name, number in kinds.items()]
    lines += [")", "", "var kindNames = map[kind]string{"]
    lines += [f'\t{(_camel(name.lower()) + ":").ljust(width + 1)} "{name.lower()}",' for name in kinds]
    return "\n".join([*lines, "}", ""])
