// Runs the checks in a process of their own, and prints the findings. `muster doctor` calls this.
import { jsonText } from '../output/data.ts';
import { withShownNames } from '../output/member-names.ts';
import type { OwnCommand } from '../roles/own-command.ts';
import { systemClock } from '../system/clock.ts';
import { type Archive, prepareArchive } from './archive.ts';
import type { BundleFile, OmittedFile } from './check-messages.ts';
import { runCheckProcess } from './check-process.ts';
import type { CheckResult } from './checks/check.ts';
import {
  type Look,
  renderArchive,
  renderSummary,
  resultsDocument,
  type WrittenArchive,
  worstStatus,
} from './render.ts';
import { ResultCollector } from './result-collector.ts';

export interface DoctorOptions {
  output: 'text' | 'json';
  look: Look;
  /** File name of the archive for a fault report; undefined when no archive is wanted. */
  bundle: string | undefined;
  /** The command that runs the checks. */
  command: OwnCommand;
  print(text: string): void;
}

/**
 * Time for everything together, in milliseconds. Each check and each file of an archive has a shorter timeout of its own.
 */
const timeoutsMs = { checks: 40_000, archive: 80_000 };

/**
 * Runs the checks. Returns the exit code: 0 when nothing failed, 78 when the configuration failed, otherwise 1. With an
 * archive it is 0 once the archive is written. Throws MusterError when the archive cannot be written.
 */
export async function runDoctor(options: DoctorOptions): Promise<number> {
  const { output, look, bundle, command, print } = options;
  const archive = bundle === undefined ? undefined : await prepareArchive(bundle);
  const text = output === 'text';
  const timeoutMs = archive ? timeoutsMs.archive : timeoutsMs.checks;
  const collector = new ResultCollector({ show: text ? print : undefined, look, timeoutMs });
  const end = await runCheckProcess(command, { timeoutMs, onMessage: message => collector.receive(message) });
  const { plan, results, files, leftOut } = collector.finish(end);
  if (text) print(renderSummary(results));
  const document = resultsDocument(plan, results, systemClock.now());
  const written = archive && (await write(archive, document, files, leftOut));
  if (written && text) print(renderArchive(written));
  else if (!text) print(documentText(written ? { ...document, archive: written } : document));
  return archive ? 0 : exitCode(results);
}

async function write(
  archive: Archive,
  document: object,
  collected: readonly BundleFile[],
  leftOut: readonly OmittedFile[],
): Promise<WrittenArchive> {
  const files = [{ name: 'doctor.json', text: documentText(document) }, ...collected].sort((a, b) =>
    a.name < b.name ? -1 : 1,
  );
  const bytes = await archive.write(files, systemClock.now());
  const sizes = files.map(({ name, text }) => ({ name, bytes: Buffer.byteLength(text) }));
  return { file: archive.path, bytes, files: sizes, leftOut };
}

const documentText = (document: object): string => jsonText(withShownNames(document));

function exitCode(results: readonly CheckResult[]): number {
  const bad = results.filter(({ findings }) => worstStatus(findings) === 'failed');
  if (bad.some(({ check }) => check === 'configuration')) return 78;
  return bad.length > 0 ? 1 : 0;
}
