"""What the documents name exists: files, modules, targets of make, options, tables; the picture is the contract."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import typer

from cli.main import app

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    *sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")} - {ROOT / "CHANGELOG.md"}),
    ROOT / "models" / "README.md",
    ROOT / "producer" / "sources" / "synthetic" / "README.md",
]
PACKAGES = sorted(path.parent.name for path in ROOT.glob("*/__init__.py"))
MADE = (".venv", ".driftline", ".env", ".m2", "models/artifacts", "~")
"""Paths that begin so are made on the machine of whoever uses the program."""
ARTIFACT = ("card.json", "estimator.json", "reference.parquet")
FILE = re.compile(r"[\w./<>~-]+\.(?:py|sql|md|toml|yml|yaml|json|png|svg|sh|lock|html|txt)")
FOLDER = re.compile(r"[\w.~-]+(?:/[\w.-]+)*/")


def of(document: Path) -> str:
    return document.read_text(encoding="utf-8")


def quoted(text: str) -> list[str]:
    """What stands between backquotes, outside of blocks."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))


def paths(document: Path) -> Iterator[str]:
    """Files and folders that the document names, and targets of its links."""
    for name in quoted(of(document)):
        if FILE.fullmatch(name) or FOLDER.fullmatch(name):
            yield name
    yield from re.findall(r"\]\((?!https?://|#)([^)#]+)", of(document))


def exists(name: str, document: Path) -> bool:
    if name.startswith(MADE) or name in ARTIFACT or "<" in name:
        return True
    return any((place / name).exists() for place in (ROOT, document.parent))


def modules(document: Path) -> Iterator[str]:
    """Dotted names in our packages, and what `python -m` is to run."""
    text = of(document)
    yield from re.findall(r"python -m ([\w.]+)", text)
    for name in quoted(text):
        if re.fullmatch(rf"(?:{'|'.join(PACKAGES)})(?:\.\w+)+", name):
            yield name


def is_module_or_member(name: str) -> bool:
    """Whether a module has that name, or has a class or function of that name."""
    try:
        if find_spec(name):
            return True
    except ModuleNotFoundError:
        pass
    module, _, member = name.rpartition(".")
    spec = find_spec(module)
    return (
        bool(spec and spec.origin)
        and re.search(rf"^(?:class |def |){member}\b", Path(spec.origin).read_text(encoding="utf-8"), re.M)
        is not None
    )


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_path_and_module_that_a_document_names_exists(document: Path) -> None:
    assert [name for name in paths(document) if not exists(name, document)] == []
    assert [name for name in modules(document) if not is_module_or_member(name)] == []


def test_documents_name_paths_and_modules_at_all() -> None:
    assert len([*paths(ROOT / "ARCHITECTURE.md")]) > 40
    assert len([*modules(ROOT / "README.md")]) > 5
    assert not exists("consumer/nowhere.py", ROOT / "README.md")
    assert not is_module_or_member("consumer.nowhere")
    assert not is_module_or_member("schemas.definition.Nothing")
    assert is_module_or_member("schemas.definition.Stream")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_import_in_a_document_works(document: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", of(document), re.M | re.S)
    for statement in re.findall(r"^(?:from [\w.]+ )?import .*$", "\n".join(blocks), re.M):
        exec(statement, {})


def test_every_target_of_make_in_the_documents_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", of(ROOT / "Makefile"), re.M))
    named = {name for path in DOCUMENTS for name in re.findall(r"(?:^|`)make ([a-z][a-z-]+)", of(path), re.M)}
    assert len(named) > 8
    assert named - targets == set()


def command_lines(document: Path) -> list[list[str]]:
    """Words of every `driftline …` in the document: in blocks, and between backquotes."""
    text = of(document)
    blocks = "\n".join(re.findall(r"^```\n(.*?)^```", text, re.M | re.S))
    lines = [*re.findall(r"^(driftline [a-z].*)$", blocks, re.M), *re.findall(r"`(driftline [a-z][^`\n]*)`", text)]
    return [shlex.split(re.split(r" [&|>]|…", line)[0], comments=True)[1:] for line in lines]


def wrong_in(words: list[str]) -> str | None:
    """Return the word of a command line that is neither a command nor an option of it."""
    command: Any = typer.main.get_command(app)
    awaits_value = False
    for word in words:
        if awaits_value:
            awaits_value = False
        elif word.startswith("-"):
            known = {flag: p for p in command.params for flag in (*p.opts, *p.secondary_opts)}
            if word not in known:
                return word
            awaits_value = not known[word].is_flag
        elif hasattr(command, "commands"):
            if word not in command.commands:
                return word
            command = command.commands[word]
    return None


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_line_in_a_document_names_commands_and_options_that_exist(document: Path) -> None:
    lines = command_lines(document)
    assert [(" ".join(words), wrong) for words in lines if (wrong := wrong_in(words))] == []


def test_documents_have_command_lines_and_a_wrong_one_is_found() -> None:
    assert len(command_lines(ROOT / "README.md")) > 40
    assert wrong_in(["produces", "--run", "x"]) == "produces"
    assert wrong_in(["alarms", "--fail-upon", "firing"]) == "--fail-upon"
    assert wrong_in(["weeks", "excluded"]) == "excluded"
    assert wrong_in(["silence", "add", "--for", "2h", "--column", "x"]) is None


def test_every_option_in_the_readmes_configuration_exists() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    options = {name: {flag for p in command.params for flag in p.opts} for name, command in commands.items()}
    rows = re.findall(r"^\| (`[a-z]* ?--.*?) \|", of(ROOT / "README.md"), re.M)
    assert len(rows) > 10
    for row in rows:
        named = [name.strip("`").split() for name in row.split(", ")]
        for words in named:
            flag = next(word for word in words if word.startswith("--"))
            command = words[0] if not words[0].startswith("--") else named[0][0]
            found = options[command] if command in options else set().union(*options.values())
            assert flag in found, row


def test_every_table_that_the_readme_lists_exists() -> None:
    made = "".join(of(path) for path in sorted((ROOT / "schemas" / "tables").glob("*.sql")))
    known = set(re.findall(r"CREATE (?:TABLE|VIEW|OR REPLACE VIEW) driftline\.(\w+)", made))
    section = of(ROOT / "README.md").partition("\n## The tables\n")[2].partition("\n## ")[0]
    listed = set(re.findall(r"^\| `(\w+)`", section, re.M)) | set(re.findall(r"driftline\.(\w+)", section))
    assert len(listed) > 8
    assert listed <= known


def test_the_picture_of_the_architecture_is_the_contract_of_imports() -> None:
    project = tomllib.loads(of(ROOT / "pyproject.toml"))
    (layers,) = (c["layers"] for c in project["tool"]["importlinter"]["contracts"] if c["type"] == "layers")
    drawn = re.findall(r"^[┌├]─ ([\w, ]+?) ─", of(ROOT / "ARCHITECTURE.md"), re.M)
    assert [line.split(", ") for line in drawn] == [layer.split(" | ") for layer in layers]
    assert {name for line in drawn for name in line.split(", ")} == set(
        project["tool"]["importlinter"]["root_packages"]
    )
