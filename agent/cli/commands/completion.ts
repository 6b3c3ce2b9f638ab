// `muster completion` prints the script that makes a shell complete the words of muster.
import { print } from '../../output/terminal.ts';
import { completionScript, type Shell } from '../completion/scripts.ts';
import type { Command, Example } from '../line/command.ts';

/** Returns the command that prints the script of `shell`. */
export function completion(shell: Shell): Command {
  return {
    examples: examples[shell],
    async run() {
      print(await completionScript(shell));
      return 0;
    },
  };
}

const examples: Readonly<Record<Shell, readonly Example[]>> = {
  bash: [
    ['source <(muster completion bash)', 'complete words in this shell'],
    [
      'muster completion bash > ~/.local/share/bash-completion/completions/muster',
      'complete words in every later shell',
    ],
  ],
  zsh: [
    ['source <(muster completion zsh)', 'complete words in this shell'],
    [
      'muster completion zsh > ~/.zfunc/_muster',
      'complete words in every later shell; ~/.zfunc is in $fpath',
    ],
  ],
  fish: [
    ['muster completion fish | source', 'complete words in this shell'],
    [
      'muster completion fish > ~/.config/fish/completions/muster.fish',
      'complete words in every later shell',
    ],
  ],
};
