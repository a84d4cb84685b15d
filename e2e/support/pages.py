"""The commands of a documentation page, run as a reader runs them."""

import re
import shlex
import subprocess
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"
HERE_DOCUMENT = re.compile(r"<<'(\w+)'")
ASSIGNMENT = re.compile(r"(\w+)=\$\((.*)\)", re.DOTALL)


def blocks_of(page, language):
    """The code blocks of the page in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", (DOCS / page).read_text(), re.DOTALL | re.MULTILINE)


def sections_of(page):
    """The commands under each heading that has any."""
    parts = re.split(r"^## (.*)\n", (DOCS / page).read_text(), flags=re.MULTILINE)
    sections = {heading: commands_in(text) for heading, text in zip(parts[1::2], parts[2::2])}
    return {heading: commands for heading, commands in sections.items() if commands}


def commands_of(page):
    """Every command of the page's shell blocks, with its continuation lines and here-documents, comments and prompts off."""
    return commands_in((DOCS / page).read_text())


def commands_in(text):
    commands = []
    for block in re.findall(r"^```(?:sh|console)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        lines = iter(block.splitlines())
        for line in lines:
            command = [line.removeprefix("$ ")]
            here = HERE_DOCUMENT.search(line)
            while command[-1].endswith("\\") or (here and command[-1] != here[1]):
                command.append(next(lines))
            commands.append("\n".join(command))
    return [command for command in commands if not command.startswith("#")]


class Reader:
    """Runs commands one after the other in a home of its own. Output is never mixed up with what went before."""

    def __init__(self, tool):
        self.home = tool.home
        self.environment = dict(tool.environment, PATH=f"{Path(tool.program).parent}:{tool.environment['PATH']}")

    def attempt(self, command, typed=""):
        return subprocess.run(
            ["bash", "-c", command], cwd=self.home, env=self.environment, input=typed, text=True, timeout=150,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def run(self, command, typed=""):
        """What the command prints; variables that it sets stay set. One whose comment says AccessDenied must get that."""
        if command.startswith("export "):
            for each in shlex.split(command, comments=True)[1:]:
                name, value = each.split("=", 1)
                self.environment[name] = value.replace("~", str(self.home))
            return ""
        assigned = ASSIGNMENT.fullmatch(command)
        done = self.attempt(assigned[2] if assigned else command, typed)
        if "# AccessDenied" in command:
            assert done.returncode != 0 and "AccessDenied" in done.stdout, f"{command}\n{done.stdout}"
            return done.stdout
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        if assigned:
            self.environment[assigned[1]] = done.stdout.strip()
        return done.stdout
