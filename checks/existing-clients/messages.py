"""The messages of the published client of this API as data: names, numbers and types of the fields, values of enums.

    messages.py write FOLDER     writes messages.json from the package that requirements.txt pins, installed in FOLDER
    messages.py newest FOLDER    says what the newest package has besides; installs it into FOLDER

`cargo test -p daypass-server published_messages` compares messages.json with our protocol. `newest` decides nothing: it
ends with 0 also where the registry cannot be reached, and after two minutes at most. It needs protobuf. Nothing of the
package is run: descriptors are read from the text of its generated modules.
"""

import ast
import json
import pathlib
import platform
import re
import subprocess
import sys

from google.protobuf import descriptor_pb2

HERE = pathlib.Path(__file__).parent
PINNED = HERE / "messages.json"
SERVICE = "MerchantAuthenticationService"
MODULES = ["payment_pb2.py", "payment_methods_pb2.py"]
# For each of the two runs of pip.
PATIENCE_SECONDS = 55


def descriptors(folder):
    """The messages and enums of the package, by their full names."""
    messages, enums = {}, {}

    def add(message, prefix):
        name = f"{prefix}.{message.name}"
        messages[name] = message
        enums.update({f"{name}.{enum.name}": enum for enum in message.enum_type})
        for nested in message.nested_type:
            add(nested, name)

    for module in MODULES:
        for node in ast.walk(ast.parse((folder / "payments/generated" / module).read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "AddSerializedFile":
                file = descriptor_pb2.FileDescriptorProto.FromString(ast.literal_eval(node.args[0]))
                enums.update({f".{file.package}.{enum.name}": enum for enum in file.enum_type})
                for message in file.message_type:
                    add(message, f".{file.package}")
    return messages, enums


def extract(folder):
    """What the calls of the service consist of."""
    messages, enums = descriptors(folder)
    found = {"messages": {}, "enums": {}}
    short = lambda name: name.removeprefix(".types.")

    def visit(name):
        if short(name) in found["messages"]:
            return
        fields = found["messages"].setdefault(short(name), {})
        for field in sorted(messages[name].field, key=lambda field: field.number):
            kind = short(field.type_name) or descriptor_pb2.FieldDescriptorProto.Type.Name(field.type)[5:].lower()
            repeated = "repeated " if field.label == field.LABEL_REPEATED else ""
            fields[str(field.number)] = f"{repeated}{kind} {field.name}"
            if field.type_name in messages:
                visit(field.type_name)
            elif field.type_name:
                values = enums[field.type_name].value
                found["enums"][short(field.type_name)] = {str(value.number): value.name for value in values}

    for name in sorted(messages):
        if short(name).startswith(SERVICE):
            visit(name)
    return found


def write(folder):
    (info,) = folder.glob("hyperswitch_prism-*.dist-info")
    version = info.name.removesuffix(".dist-info").split("-")[1]
    found = extract(folder)
    lines = [f' "package": "{package()} {version}"']
    for part in ["messages", "enums"]:
        rows = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in sorted(found[part].items())]
        lines.append(f' "{part}": {{\n' + ",\n".join(rows) + "\n }")
    PINNED.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def differences(pinned, newer):
    """
    >>> pinned = {"messages": {"A": {"1": "string a", "2": "B b"}}, "enums": {"E": {"0": "X"}}}
    >>> newer = {"messages": {"A": {"1": "string c", "3": "bool d"}, "C": {"1": "E e"}}, "enums": {"E": {"0": "X", "1": "Y"}}}
    >>> print("\\n".join(differences(pinned, newer)))
    A: 1 was "string a", is "string c"
    A: 2 was "B b", is gone
    A: 3 is new, "bool d"
    C: 1 is new, "E e"
    E: 1 is new, "Y"
    """
    for part in ["messages", "enums"]:
        for name in sorted(pinned[part].keys() | newer[part].keys()):
            old, new = pinned[part].get(name, {}), newer[part].get(name, {})
            for number in sorted(old.keys() | new.keys(), key=int):
                before, after = old.get(number), new.get(number)
                if before is None:
                    yield f'{name}: {number} is new, "{after}"'
                elif after is None:
                    yield f'{name}: {number} was "{before}", is gone'
                elif before != after:
                    yield f'{name}: {number} was "{before}", is "{after}"'


def pip(folder, *more):
    """Asks for the newest package. Its wheel is for a newer C library than Debian 12 has."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", "--no-deps", "--only-binary=:all:"]
    command += ["--implementation", "py", "--abi", "none", "--platform", f"manylinux_2_39_{platform.machine()}"]
    command += ["--retries", "1", "--timeout", "10", "--target", folder, *more, package()]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE_SECONDS).stdout


def package():
    return re.search(r"^([\w-]+)==", (HERE / "requirements.txt").read_text(), re.MULTILINE).group(1)


def newest(folder):
    pinned = json.loads(PINNED.read_text())
    try:
        (found,) = json.loads(pip(folder, "--dry-run", "--ignore-installed", "--report", "-"))["install"]
        version = found["metadata"]["version"]
        if pinned["package"].endswith(f" {version}"):
            return print(f"{package()} {version} is the newest")
        pip(folder)
    except subprocess.SubprocessError:
        return print("the registry cannot be reached: a newer package was NOT looked for")
    lines = list(differences(pinned, extract(folder)))
    print(f"{package()} {version} beside {pinned['package']}: {len(lines)} differences in the messages of the service")
    print("\n".join(lines))


def main(command, folder):
    folder = pathlib.Path(folder)
    if command == "write":
        return write(folder)
    try:
        newest(folder)
    except Exception as error:  # It decides nothing, whatever a newer package looks like.
        print(f"a newer package cannot be read: {error!r}")


if __name__ == "__main__":
    main(*sys.argv[1:])
