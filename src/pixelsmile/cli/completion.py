"""`pixelsmile completion`: what makes a shell complete the commands, the options and their values."""

from collections.abc import Sequence

from pixelsmile.cli.parsing import CommandParser, one_of

SHELLS = ("bash", "zsh", "fish")
_EPILOG = """add it once, and open a new shell:
  echo 'eval "$(pixelsmile completion bash)"' >> ~/.bashrc
  echo 'eval "$(pixelsmile completion zsh)"' >> ~/.zshrc       (after compinit)
  pixelsmile completion fish > ~/.config/fish/completions/pixelsmile.fish

`pixelsmile` must be a command of that shell: activate its environment there too.
"""


def run(arguments: Sequence[str]) -> int:
    """Print the code that a shell evaluates."""
    parser = CommandParser("completion", "Print what makes a shell complete pixelsmile's words.", _EPILOG)
    parser.add_argument("shell", metavar="SHELL", type=one_of("shell", SHELLS), help=" or ".join(SHELLS))
    options = parser.parse_args(arguments)
    from argcomplete.shell_integration import shellcode

    print(shellcode(["pixelsmile"], shell=options.shell).strip())
    return 0
