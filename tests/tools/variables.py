# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write docs/variables.md, the variables of all roles, from their argument specifications.

    python3 tests/tools/setup.py python tests/tools/variables.py [--check]

With --check it writes nothing, and fails if the page is not what it would write. It needs PyYAML.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs" / "variables.md"
HEAD = """\
<!--
SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
SPDX-License-Identifier: GPL-3.0-or-later

tests/tools/variables.py writes this page from roles/*/meta/argument_specs.yml. Change the descriptions there.
-->

# Variables

These are the variables of all roles, by entry point. The playbooks and `roles:` run the entry point `main`;
`include_role` with `tasks_from` runs another one. A list names its elements' type, as in "list of str".
"""
FOREIGN = re.compile(r"(?P<collection>\w+\.\w+)\.(?P<name>\w+)#(?P<kind>\w+):(?:(?P<entry>\w+):)?(?P<option>.*)")


def markdown(text: str) -> str:
    """A description with Ansible's markup as Markdown."""
    text = re.sub(r"\b(?:O|RV)\(([^)]*)\)", lambda found: _option(found[1]), text)
    text = re.sub(r"\b(?:C|V|M|E)\(([^)]*)\)", r"`\1`", text)
    text = re.sub(r"\bP\(([^)#]*)#\w+\)", r"`\1`", text)
    text = re.sub(r"\bB\(([^)]*)\)", r"**\1**", text)
    text = re.sub(r"\bI\(([^)]*)\)", r"*\1*", text)
    return text.replace("|", "\\|")


def _option(name: str) -> str:
    foreign = FOREIGN.fullmatch(name)
    if foreign:
        return f"`{foreign['option']}` of the {foreign['kind']} `{foreign['collection']}.{foreign['name']}`"
    return f"`{name.replace('=', ': ')}`"


def paragraphs(description: str | list[str]) -> list[str]:
    """The paragraphs of a description, as Markdown."""
    return [markdown(text) for text in ([description] if isinstance(description, str) else description)]


def rows(options: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """A table row for each option, and for those within it by their path."""
    for name, option in options.items():
        path = above + name
        kind = f"list of {option['elements']}" if "elements" in option else option.get("type", "str")
        if "choices" in option:
            kind += ": " + ", ".join(f"`{choice}`" for choice in option["choices"])
        default = f"`{json.dumps(option['default'])}`" if "default" in option else ""
        default = "**required**" if option.get("required") else default
        yield f"| `{path}` | {kind} | {default} | {'<br>'.join(paragraphs(option['description']))} |"
        yield from rows(option.get("options", {}), path + ("[]." if "elements" in option else "."))


def role(name: str, entries: Mapping[str, Any]) -> Iterator[str]:
    """The paragraphs of a role."""
    yield f"## {name}"
    shown: dict[str, str] = {}
    for entry, specification in entries.items():
        yield f"### {name}, {entry}"
        yield specification["short_description"] + "."
        table = "\n".join(rows(specification.get("options", {})))
        if table in shown:
            yield f"It takes the same variables as `{shown[table]}`."
        else:
            shown[table] = entry
            yield "| variable | type | default | description |\n|---|---|---|---|\n" + table


def page() -> str:
    """The whole page."""
    files = sorted(REPOSITORY.glob("roles/*/meta/argument_specs.yml"))
    specifications = {
        file.parents[1].name: yaml.safe_load(file.read_text(encoding="utf-8"))["argument_specs"] for file in files
    }
    found = [text for name, entries in specifications.items() for text in role(name, entries)]
    return "\n".join([HEAD, *(f"{text}\n" for text in found)])


def main() -> int:
    """Write or compare; the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, fail if the page is another one")
    text = page()
    if parser.parse_args().check:
        same = PAGE.exists() and PAGE.read_text(encoding="utf-8") == text
        print(f"{PAGE} is {'what' if same else 'not what'} the argument specifications say.")
        return 0 if same else 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
