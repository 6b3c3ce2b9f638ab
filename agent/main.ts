#!/usr/bin/env node
// The program: runs the command line, and ends with its exit code.
import { run } from './cli/run.ts';
import { exitWithoutWaiting } from './roles/exit.ts';
import { watchParent } from './roles/watch-parent.ts';
import { setProcessName } from './system/process-name.ts';

setProcessName();
watchParent();

// There is no `await` here, because the packaged program is a CommonJS file, which has none at its top.
void run(process.argv.slice(2)).then(code => {
  process.exitCode = code;
  exitWithoutWaiting();
});
