#!/usr/bin/env node
// Runs the command line, and ends the program with its exit code.
import { run } from './cli/run.ts';
import { exitWithoutWaiting } from './roles/exit.ts';
import { watchParent } from './roles/watch-parent.ts';
import { setProcessName } from './system/process-name.ts';

setProcessName();
watchParent();

// There is no `await` here, because the packaged program is a CommonJS file, which does not allow it at the top level.
void run(process.argv.slice(2)).then(code => {
  process.exitCode = code;
  exitWithoutWaiting();
});
