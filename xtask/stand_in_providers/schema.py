"""Reads what a provider of terraform takes and gives, as `terraform providers schema -json` would print it, out of the
types that the CDK for terraform generated from it and published on npm.

    schema.py PACKAGE SCHEMA.json

Each folder in PACKAGE/lib is one resource, data source or the provider. Its JavaScript says the names and types as
terraform knows them, its declarations what must be there. What is optional counts as computed too: nobody says which is.
"""

import json
import pathlib
import re
import sys

SCALARS = {"string": "string", "boolean": "bool", "number": "number", "any": "dynamic"}
COLLECTIONS = {
    "stringList": "string",
    "numberList": "number",
    "booleanList": "bool",
    "stringMap": "string",
    "numberMap": "number",
    "booleanMap": "bool",
    "anyMap": "dynamic",
}
GETTERS = {
    "getStringAttribute": "string",
    "getNumberAttribute": "number",
    "getBooleanAttribute": "bool",
    "getListAttribute": ["list", "string"],
    "getNumberListAttribute": ["list", "number"],
    "getStringMapAttribute": ["map", "string"],
    "getNumberMapAttribute": ["map", "number"],
    "getBooleanMapAttribute": ["map", "bool"],
    "getAnyMapAttribute": ["map", "dynamic"],
}
MAPS = {"String": "string", "Number": "number", "Boolean": "bool", "Any": "dynamic"}
KINDS = {"TerraformResource": "resource_schemas", "TerraformDataSource": "data_source_schemas", "TerraformProvider": "provider"}

INTERFACE = re.compile(r"^export interface (\w+)(?: extends [\w.]+)? \{\n(.*?)^\}", re.S | re.M)
FIELD = re.compile(r"^    readonly (\w+)(\??): ([^\n]*)$", re.M)
CLASS = re.compile(r"^class (\w+) extends cdktf\.(\w+) \{\n(.*?)^\}", re.S | re.M)
WRITER = re.compile(r"^function (\w+)ToHclTerraform\(struct\) \{\n(.*?)^\}", re.S | re.M)
WRITTEN = re.compile(
    r"^ +(\w+): \{\n +value: (.*?),\n +isBlock: (true|false),\n +type: \"(\w+)\",\n +storageClassType: \"(\w+)\",", re.M
)
SOURCE = re.compile(r"(?:struct\.|this\._)(\w+?)(?:\.internalValue)?\)*$")
READ = re.compile(r"return (.*?)this\.(get\w+Attribute)\('(\w+)'\)")
READ_MAP = re.compile(r"new cdktf\.(\w+)Map\(this, \"(\w+)\"")
READ_NESTED = re.compile(r"new (?!cdktf\.)(?:\w+\.)?(\w+)\(this, \"(\w+)\"(, (?:true|false))?\)")


def struct_of(name):
    return re.sub(r"(List|OutputReference|Map)$", "", name)


def collection_of(kind, element):
    return ["set" if kind else "list", element]


class Folder:
    """One resource, data source or provider."""

    def __init__(self, folder):
        scripts = [folder / "index.js", *sorted(folder.glob("*structs*/*.js"))]
        self.script = "\n".join(script.read_text() for script in scripts)
        declarations = "\n".join(script.with_suffix(".d.ts").read_text() for script in scripts)
        self.fields = {
            name: {field: (mark == "?", kind) for field, mark, kind in FIELD.findall(body)}
            for name, body in INTERFACE.findall(declarations)
        }
        self.classes = {name: (base, body) for name, base, body in CLASS.findall(self.script)}
        self.writers = {name.lower(): body for name, body in WRITER.findall(self.script)}

    def schema(self):
        """Which kind it is, its name in terraform, and its schema."""
        name, base, body = next((name, base, body) for name, (base, body) in self.classes.items() if base in KINDS)
        in_terraform = re.search(rf"{name}\.tfResourceType = \"(\w+)\"", self.script).group(1)
        written = re.search(r"synthesizeHclAttributes\(\) \{\n(.*?)^    \}", body, re.S | re.M).group(1)
        return KINDS[base], in_terraform, {"block": self.block(written, name + "Config", body)}

    def block(self, written, interface, reader):
        attributes, blocks = {}, {}
        fields = self.fields.get(interface, {})
        nested = self.nested(reader)
        for name, value, is_block, kind, stored in WRITTEN.findall(written):
            optional, declared = fields.get(SOURCE.findall(value)[-1], (True, ""))
            if stored in SCALARS or stored in COLLECTIONS:
                element = SCALARS.get(stored) or COLLECTIONS[stored]
                attributes[name] = assigned(element if kind == "simple" else [kind, element], optional)
            elif is_block == "true":
                blocks[name] = self.nested_block(stored, kind, optional, "[]" in declared)
            else:
                attributes[name] = assigned(nested[name], optional)
        for name, type_ in [*self.read(reader).items(), *nested.items()]:
            if name not in attributes and name not in blocks:
                attributes[name] = {"type": type_() if callable(type_) else type_, "computed": True}
        return {"attributes": attributes, "block_types": blocks}

    def nested_block(self, stored, kind, optional, multiple):
        struct = struct_of(stored) if struct_of(stored) in self.fields else stored
        _, reader = self.classes.get(struct + "OutputReference", ("", ""))
        block = {"block": self.block(self.writers[struct.lower()], struct, reader)}
        if kind == "struct":
            return {**block, "nesting_mode": "single"}
        limits = {"min_items": 0 if optional else 1, "max_items": 0 if multiple else 1}
        return {**block, "nesting_mode": kind, **limits}

    def read(self, reader):
        """What can be read, of simple types."""
        found = {}
        for before, getter, name in READ.findall(reader):
            type_ = GETTERS[getter]
            found[name] = ["set", type_[1]] if "tolist" in before else type_
        found.update({name: ["map", MAPS[kind]] for kind, name in READ_MAP.findall(reader)})
        return found

    def nested(self, reader):
        """What can be read, of types with fields: made only when asked for, since most of them are blocks."""
        return {
            name: lambda of=struct_of(stored), is_set="true" in rest: collection_of(is_set, self.object_type(of))
            for stored, name, rest in READ_NESTED.findall(reader)
        }

    def object_type(self, struct):
        _, reader = self.classes[struct + "OutputReference"]
        nested = {name: type_() for name, type_ in self.nested(reader).items()}
        return ["object", {**self.read(reader), **nested}]


def assigned(type_, optional):
    type_ = type_() if callable(type_) else type_
    return {"type": type_, "optional": True, "computed": True} if optional else {"type": type_, "required": True}


def main(package, target):
    schemas = {"provider": {"block": {}}, "resource_schemas": {}, "data_source_schemas": {}}
    for script in sorted(pathlib.Path(package, "lib").glob("*/index.js")):
        try:
            kind, name, schema = Folder(script.parent).schema()
        except (KeyError, StopIteration, AttributeError) as error:
            # terraform says so if a template wants it after all.
            print(f"{script.parent.name} is not understood: {error!r}", file=sys.stderr)
            continue
        if kind == "provider":
            for attribute in schema["block"]["attributes"].values():
                attribute.pop("computed", None)
            schemas["provider"] = schema
        else:
            schemas[kind][name] = schema
    pathlib.Path(target).write_text(json.dumps(schemas))


if __name__ == "__main__":
    main(*sys.argv[1:])
