"""``sekisho NOUN …``: finds the noun's module, runs it, and turns errors into exit codes.

Only the module of the noun that was asked for is imported, so that the agent stays small and
the base install works without the server's packages. Exit codes: 0 fine, 1 found something,
2 could not (and why, on stderr).
"""

import argparse
import gc
import importlib
import io
import locale
import os
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

from sekisho import __version__

# Noun → (module, what it is for in English, in Japanese); in the order of the help.
NOUNS: dict[str, tuple[str, str, str]] = {
    "up": (
        "sekisho.cli.up",
        "start everything on this machine and print where to sign in",
        "この機械ですべてを動かし、ログインの場所を表示する",
    ),
    "check": (
        "sekisho.cli.check",
        "hold this computer against the telework rules, without a server",
        "サーバなしで、この端末をテレワークのルールと照らす",
    ),
    "hunt": (
        "sekisho.cli.hunt",
        "hold logs against detection rules: a timeline and a summary",
        "ログを検知ルールと照らし、時系列と要約を出す",
    ),
    "agent": (
        "sekisho.cli.agent",
        "the endpoint agent: enroll, run, show, pause",
        "端末エージェント（登録・実行・送る内容の表示・一時停止）",
    ),
    "rules": (
        "sekisho.cli.rules",
        "detection rules: list, test, why, import, update",
        "検知ルールの一覧・検査・理由・取り込み・更新",
    ),
    "connect": (
        "sekisho.cli.connect",
        "a TCP tunnel through the gate (SSH, remote desktop, database)",
        "関所を通るTCPトンネル（SSH・リモートデスクトップ・データベース）",
    ),
    "devices": (
        "sekisho.cli.devices",
        "enrolment kits and the list of devices",
        "登録キットと端末の一覧",
    ),
    "findings": (
        "sekisho.cli.findings",
        "what is wrong and whose it is; many at once",
        "検出事項と担当（まとめて操作）",
    ),
    "apply": (
        "sekisho.cli.apply",
        "make units, groups, roles and schedules what a folder of files says",
        "部署・グループ・役割・予定を、フォルダのファイルどおりにする",
    ),
    "evidence": (
        "sekisho.cli.evidence",
        "verify the evidence against its chain and the checkpoints that left",
        "証跡を鎖と持ち出したチェックポイントに照らして検証する",
    ),
    "backup": (
        "sekisho.cli.backup",
        "write an encrypted backup while the server runs",
        "動かしたまま暗号化バックアップを取る",
    ),
    "restore": (
        "sekisho.cli.restore",
        "restore a backup on an empty machine",
        "空の機械にバックアップを戻す",
    ),
    "admin": (
        "sekisho.cli.admin",
        "a new one-time sign-in link, from the machine itself",
        "この機械から使い捨てのログインリンクを発行する",
    ),
    "serve": (
        "sekisho.cli.serve",
        "run one process of the server: web, worker, gate or envoy",
        "サーバのプロセスを1つだけ動かす（web・worker・gate・envoy）",
    ),
    "doctor": (
        "sekisho.cli.doctor",
        "look for what keeps this installation from working",
        "この設置が動かない理由を調べる",
    ),
}  # fmt: skip


def run() -> NoReturn:
    """Run the command line and end the process with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # None under pythonw
            stream.reconfigure(errors="replace")  # code page 932 has no “✖”; say the rest
    try:
        code = main(sys.argv[1:])
    except MemoryError:
        print("sekisho:", _words(_NO_MEMORY), file=sys.stderr)
        code = 2
    except Exception:  # noqa: BLE001 - a fault of ours must not look like a finding, which is 1
        traceback.print_exc()
        code = 2
    gc.freeze()  # the interpreter would look through all that is left, and free it one by one
    sys.exit(code)


_NO_MEMORY = (
    "There was too little memory for this; ask for less at once.",
    "メモリが足りません。一度に扱う量を減らしてください。",
)


def main(arguments: Sequence[str]) -> int:
    """Run ``sekisho`` with ``arguments``; return the exit code."""
    parser = make_parser(arguments)
    if _asks_for_help(arguments) and speaking() == "ja":
        from sekisho.cli.helping import say_in_japanese  # noqa: PLC0415 - only for Japanese help

        say_in_japanese(parser)
    chosen = parser.parse_args(arguments)
    if not hasattr(chosen, "run"):
        parser.print_help()
        return 2
    try:
        return int(chosen.run(chosen))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 2
    except Exception as error:  # noqa: BLE001 - whatever is not ours is raised again
        return _explain(error, getattr(chosen, "language", "") or speaking())


def _asks_for_help(arguments: Sequence[str]) -> bool:
    return not arguments or not {"-h", "--help"}.isdisjoint(arguments)


def make_parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """Make the parser; only the noun named first is filled in, the others are listed."""
    parser = argparse.ArgumentParser(prog="sekisho", description=_words(_ABOUT))
    parser.add_argument("--version", action="version", version=f"sekisho {__version__}")
    nouns = parser.add_subparsers(title=_words(("commands", "コマンド")), metavar="COMMAND")
    wanted = next((word for word in arguments if not word.startswith("-")), "")
    for noun, (module, *words) in NOUNS.items():
        if noun == wanted:
            _add_noun(nouns, noun, module)
        else:
            nouns.add_parser(noun, help=_words((words[0], words[1])), add_help=False)
    return parser


_ABOUT = (
    "Sekisho: telework security that is proven, not self-reported.",
    "関所：自己申告ではなく、根拠で確かめるテレワークの安全。",
)


def _add_noun(
    nouns: "argparse._SubParsersAction[argparse.ArgumentParser]", noun: str, module: str
) -> None:
    try:
        importlib.import_module(module).add_parser(nouns)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("sekisho"):
            raise
        missing = error.name
        # Options cannot be known here; with an impossible prefix all of them are plain words.
        parser = nouns.add_parser(noun, prefix_chars="\0", add_help=False)
        parser.add_argument("rest", nargs="*")
        parser.set_defaults(run=lambda _: _needs_server(noun, missing))


def _needs_server(noun: str, missing: str | None) -> int:
    english = (
        f"“{noun}” needs the server's packages ({missing} is missing); "
        "install them with: pipx install 'sekisho[server]'"
    )
    japanese = (
        f"「{noun}」にはサーバ用のパッケージが必要です（{missing} がありません）。"
        "次で入れてください: pipx install 'sekisho[server]'"
    )
    said = _words((english, japanese))
    print(f"sekisho: {said}", file=sys.stderr)
    return 2


def _explain(error: Exception, language: str) -> int:
    """Say an error that was raised on purpose; let any other one show its trace."""
    message, hint = getattr(error, "message", None), getattr(error, "hint", "")
    if message is None:
        raise error
    print(f"sekisho: {_said(message, language)}", file=sys.stderr)
    if str(hint):
        print(f"  → {_said(hint, language)}", file=sys.stderr)
    return 2


def _said(text: object, language: str) -> str:
    if language == "en" or isinstance(text, str):
        return str(text)
    from sekisho.kernel.i18n import Text, translate  # noqa: PLC0415 - only for Japanese errors

    return translate(text, language) if isinstance(text, Text) else str(text)


def speaking() -> str:
    """Return the language of the terminal: ``ja`` or ``en``.

    The first of LC_ALL, LC_MESSAGES and LANG that is set decides (POSIX, XBD 8.2), also where
    that locale was never generated on this machine; then the C library, then Windows.
    """
    named = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))  # noqa: TID251 - the terminal's own words, no setting of ours
    told = next((value for value in named if value), "") or _system_language()
    return "ja" if told.lower().startswith("ja") else "en"


def _system_language() -> str:
    """Return the C library's language for messages, or that of Windows' own windows."""
    if sys.platform == "win32":
        import ctypes  # noqa: PLC0415 - Windows only

        return locale.windows_locale.get(ctypes.windll.kernel32.GetUserDefaultUILanguage(), "")
    try:
        return locale.setlocale(locale.LC_MESSAGES, "")
    except locale.Error:
        return ""


def _words(pair: tuple[str, str]) -> str:
    return pair[1] if speaking() == "ja" else pair[0]
