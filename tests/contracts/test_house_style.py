"""Rules of the house, read off the syntax tree of every source file."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from spinecast.error_codes import CODES
from spinecast.errors import SpinecastError, error

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "spinecast"
FILES = sorted(SOURCE.rglob("*.py"))
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "manager"}
FORBIDDEN_IMPORTS = {"pickle", "dill", "joblib", "shelve", "marshal", "sksurv", "libjpeg"}
NETWORK_IMPORTS = {"requests", "urllib.request", "http.client", "socket", "httpx", "aiohttp"}
FORBIDDEN_CALLS = {
    "torch.load",
    "yaml.load",
    "pd.read_pickle",
    "pandas.read_pickle",
    "eval",
    "exec",
}
MAX_FILE_LINES, MAX_FUNCTION_LINES, MAX_POSITIONAL = 400, 60, 3


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _functions(tree: ast.Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]


def _imports(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def _called(node: ast.Call) -> str:
    return ast.unparse(node.func)


def _is_overriding(function: ast.AST) -> bool:
    """Signatures dictated by a library (autograd, diffusers) keep its argument list."""
    decorators = getattr(function, "decorator_list", [])
    words = ("override", "njit", "app.command")  # typer reads options off the argument list
    return any(word in ast.unparse(d) for d in decorators for word in words)


def _has_write_mode(node: ast.Call) -> bool:
    if _called(node).split(".")[-1] != "open":
        return False
    words = [*node.args, *(k.value for k in node.keywords if k.arg == "mode")]
    modes = [w.value for w in words if isinstance(w, ast.Constant) and isinstance(w.value, str)]
    return any(set(mode) <= set("wxab+t") and set(mode) & set("wxa") for mode in modes)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_a_file_keeps_the_rules_of_the_house(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert len(text.splitlines()) < MAX_FILE_LINES, "split the file: one idea, one file"
    assert path.stem not in FORBIDDEN_NAMES
    roots = {name.split(".")[0] for name in _imports(tree)} | _imports(tree)
    assert not roots & FORBIDDEN_IMPORTS
    assert not roots & NETWORK_IMPORTS
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            assert _called(node) not in FORBIDDEN_CALLS, f"line {node.lineno}"
            assert not _called(node).endswith("extractall"), f"line {node.lineno}"
            assert not any(k.arg == "shell" for k in node.keywords), f"line {node.lineno}"
            assert not _has_write_mode(node), f"line {node.lineno}: write through spinecast.files"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_functions_are_short_and_mostly_keyword_only(path: Path) -> None:
    for function in _functions(_tree(path)):
        length = (function.end_lineno or 0) - function.lineno + 1
        assert length < MAX_FUNCTION_LINES, f"{function.name} has {length} lines"
        names = [a.arg for a in [*function.args.posonlyargs, *function.args.args]]
        positional = [n for n in names if n not in {"self", "cls"}]
        if not _is_overriding(function):
            assert len(positional) <= MAX_POSITIONAL, f"{function.name}{tuple(positional)}"


def test_every_code_raised_is_explained_and_every_explained_code_has_a_class() -> None:
    words = [
        node.value
        for path in FILES
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    raised = {word for word in words if re.fullmatch(r"SC-\d{3}", word)}
    assert raised <= set(CODES), raised - set(CODES)
    for code in CODES:
        assert isinstance(error(code, expected="a", got="b"), SpinecastError)


def test_a_study_file_is_short_and_defines_no_class() -> None:
    for path in sorted((SOURCE / "studies").glob("*.py")):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 150
        assert not [
            n for n in ast.walk(_tree(path)) if isinstance(n, ast.ClassDef | ast.For | ast.While)
        ]
        others = {i for i in _imports(_tree(path)) if i.startswith("spinecast.studies")}
        assert not others or path.name == "__init__.py"


@pytest.mark.parametrize("arguments", [["--help"], ["studies"], ["explain", "SC-112"]])
def test_light_commands_load_neither_torch_nor_numba(arguments: list[str]) -> None:
    code = (
        "import sys\n"
        "from spinecast.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'numba', 'monai', 'diffusers', 'pandera'} & set(sys.modules)\n"
        "sys.exit(3 if heavy else 0)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_layers_hold() -> None:
    from importlinter.cli import lint_imports

    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True) == 0
