#!/usr/bin/env node
// The program: hands the command line to cli/ and ends with the code that it answers.
import { watchParent } from './cli/parent.ts';
import { run } from './cli/run.ts';
import { leaveUnread } from './system/standard-error.ts';

watchParent();

process.exitCode = await run(process.argv.slice(2));
leaveUnread();
