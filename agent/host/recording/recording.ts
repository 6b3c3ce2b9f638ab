// Writes and reads a recorded machine: a file of all questions and their answers, which people can read too.
import { basename, join } from 'node:path';
import * as v from 'valibot';
import { errnoOf, MusterError, reasonOf } from '../../system/errors.ts';
import { escapeText } from '../../system/escape.ts';
import { makeFolder, writeFileAtomic, writeHint } from '../../system/files.ts';
import { printable } from '../../system/printable.ts';
import { readBounded } from '../../system/read-file.ts';
import type { Fault, MetadataRequest, OsInfo } from '../inputs/inputs.ts';

export interface Recording {
  /** Time of the recording, RFC 3339. */
  readonly recordedAt: string;
  readonly system: OsInfo;
  /**
   * The answers by question, such as `file /proc/meminfo`. When a question has neither an answer nor a fault, its answer
   * was `absent`.
   */
  readonly answers: Readonly<Record<string, unknown>>;
  readonly faults: Readonly<Record<string, Fault>>;
  /** Time that a question took, in milliseconds, if it was at least one. */
  readonly took: Readonly<Record<string, number>>;
}

/** Returns the name of a question in a recording. */
export const question = {
  file: (path: string) => `file ${path}`,
  folder: (path: string) => `folder ${path}`,
  link: (path: string) => `link ${path}`,
  tool: (name: string, args: readonly string[]) => ['tool', name, ...args].join(' '),
  // The headers are left out, because they contain a token.
  metadata: ({ method, url }: MetadataRequest) => `metadata ${method} ${url}`,
  pciNames: (id: string) => `pci ${id}`,
};

export const recordingFile = 'machine.yaml';
/**
 * Size of the largest recording that is read, in bytes. The recording of a host with hundreds of devices has about 200
 * kB.
 */
const maxFileBytes = 8_388_608;

const text = v.pipe(v.string(), v.maxLength(65_536));
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const duration = v.pipe(v.number(), v.finite(), v.minValue(0));
const recordingSchema = v.object({
  recordedAt: v.pipe(v.string(), v.isoTimestamp()),
  system: v.object({
    platform: text,
    arch: text,
    hostname: text,
    release: text,
    cpus: count,
    cpuModel: text,
    usableCpus: count,
    memory: count,
  }),
  answers: v.optional(v.record(v.string(), v.unknown()), {}),
  faults: v.optional(
    v.record(
      v.string(),
      v.object({ kind: v.picklist(['absent', 'denied', 'late', 'failed']), reason: text }),
    ),
    {},
  ),
  took: v.optional(v.record(v.string(), duration), {}),
});

/**
 * Writes `recording` to a file in `folder` that only its owner can read, and returns its path. @throws MusterError
 * `not_writable`.
 */
export async function saveRecording(folder: string, recording: Recording): Promise<string> {
  const path = join(folder, recordingFile);
  const text = await recordingText(recording);
  try {
    await makeFolder(folder);
    await writeFileAtomic(path, text);
  } catch (error) {
    if (!(error instanceof MusterError)) throw error;
    const hint = writeHint(error.cause, 'record into another folder');
    throw new MusterError(error.code, error.message, { hint, cause: error.cause });
  }
  return path;
}

/** Returns the text of the file that `openRecording` reads. */
export async function recordingText(recording: Recording): Promise<string> {
  const { Document, visit } = await import('yaml');
  const document = new Document(recording, { aliasDuplicateObjects: false });
  visit(document, {
    Scalar(_, node) {
      // In YAML only double quotes allow escapes.
      if (typeof node.value === 'string' && node.value.search(unsafe) >= 0) node.type = 'QUOTE_DOUBLE';
    },
  });
  document.commentBefore =
    ' A recorded machine. `muster probe --replay` shows it; look through it before you pass it on.';
  return document.toString({ lineWidth: 0, doubleQuotedAsJSON: true }).replace(unsafe, escapeText);
}

/** Characters that could control the terminal of somebody who reads a recording. Line breaks and tabs stay. */
const unsafe = /(?![\n\t])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/**
 * Reads the recording in `folder`, which may also be the path of the file that `saveRecording` returned. @throws MusterError
 * `not_found`, or `bad_state` when the file is no recording.
 */
export async function openRecording(folder: string): Promise<Recording> {
  const path = basename(folder) === recordingFile ? folder : join(folder, recordingFile);
  const data = await readBounded(path, maxFileBytes).catch((error: MusterError) => {
    if (errnoOf(error.cause) === 'ENOTDIR') return undefined;
    throw error;
  });
  if (!data) {
    throw new MusterError('not_found', `no recorded machine: ${path} does not exist`, {
      hint: 'name a folder that muster probe --record wrote',
    });
  }
  return parseRecording(data.toString('utf8'), path);
}

/** Parses the text of a recording. `path` names the file in errors. @throws MusterError `bad_state`. */
export async function parseRecording(source: string, path: string): Promise<Recording> {
  const { parse } = await import('yaml');
  let value: unknown;
  try {
    // Warnings would print parts of the file.
    value = parse(source, { maxAliasCount: 0, logLevel: 'error' });
  } catch (error) {
    throw new MusterError('bad_state', `${path} is not YAML: ${printable(reasonOf(error), 300)}`, {
      cause: error,
    });
  }
  const result = v.safeParse(recordingSchema, value, { abortEarly: true });
  if (result.success) return result.output;
  const field = v.getDotPath(result.issues[0]) ?? 'the document';
  throw new MusterError('bad_state', `${path} is no recorded machine: ${printable(field, 200)} is wrong`);
}
