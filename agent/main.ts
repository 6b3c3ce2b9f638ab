#!/usr/bin/env node
// The program: hands the command line to cli/ and ends with the code that it answers.
import { endWithoutWaiting } from './cli/exit.ts';
import { watchParent } from './cli/parent.ts';
import { run } from './cli/run.ts';

watchParent();

// No `await` here: the packaged program is a CommonJS file, which has none at its top.
void run(process.argv.slice(2)).then(code => {
  process.exitCode = code;
  endWithoutWaiting();
});
