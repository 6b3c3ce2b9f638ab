#!/usr/bin/env node
import { run } from './cli/run.ts';
// The program: hands the command line to cli/ and ends with the code that it answers.
import { exitWithoutWaiting } from './roles/exit.ts';
import { watchParent } from './roles/watch-parent.ts';

watchParent();

// No `await` here: the packaged program is a CommonJS file, which has none at its top.
void run(process.argv.slice(2)).then(code => {
  process.exitCode = code;
  exitWithoutWaiting();
});
