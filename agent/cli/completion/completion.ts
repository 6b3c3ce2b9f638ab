// `muster completion`: prints what a shell has to read to complete the words of muster.

import { print } from '../../output/terminal.ts';
import type { Command } from '../line/command.ts';

/** The command that does it for `shell`. */
export function completion(shell: 'bash' | 'zsh' | 'fish'): Command {
  return {
    async run() {
      print(await script(shell));
      return 0;
    },
  };
}

async function script(shell: 'bash' | 'zsh' | 'fish'): Promise<string> {
  switch (shell) {
    case 'bash':
      return (await import('./bash.ts')).script;
    case 'zsh':
      return (await import('./zsh.ts')).script;
    case 'fish':
      return (await import('./fish.ts')).script;
  }
}
