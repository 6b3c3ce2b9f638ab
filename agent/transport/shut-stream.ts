// Shuts a stream: the broker takes no more messages for it, whoever sends them, and what is stored can be read. A shut stream
// has another subject than its own, which its metadata keep. The server itself could seal a stream, but never open it again.
import { readStreamInfo, type StorageConnection, type StreamInfo, updateStream } from './jetstream.ts';
import { BrokerError } from './port.ts';

const keptKey = 'muster.subjects';

/** The subject of a shut stream, to which nobody publishes. */
const shutSubject = (stream: string): string => `muster.shut.${stream}`;

type Config = StreamInfo['config'];

/** Returns whether a stream with this configuration is shut. */
export const isShut = ({ subjects }: Config, stream: string): boolean =>
  Array.isArray(subjects) && subjects.length === 1 && subjects[0] === shutSubject(stream);

/**
 * Shuts a stream. When this resolves, each message that was acknowledged is stored, and none comes after it. Does nothing
 * to a shut one. @throws BrokerError; `refused` when there is no such stream
 */
export async function shutStream(connection: StorageConnection, stream: string): Promise<void> {
  const info = await readStreamInfo(connection, stream);
  if (!info) throw new BrokerError('refused', `there is no stream ${stream}`);
  if (isShut(info.config, stream)) return;
  const { subjects, metadata } = info.config;
  await updateStream(connection, stream, {
    ...info.config,
    subjects: [shutSubject(stream)],
    metadata: { ...(metadata as object | undefined), [keptKey]: JSON.stringify(subjects) },
  });
}

/** Lets a shut stream take messages again. Returns false when it is not shut, or not there. @throws BrokerError */
export async function reopenStream(connection: StorageConnection, stream: string): Promise<boolean> {
  const info = await readStreamInfo(connection, stream);
  if (!info || !isShut(info.config, stream)) return false;
  await updateStream(connection, stream, openConfig(info.config, stream));
  return true;
}

/** Returns the configuration that a shut stream has when it is open. @throws BrokerError `refused` when nobody can know it */
function openConfig(config: Config, stream: string): Config {
  const { [keptKey]: text, ...metadata } = (config.metadata ?? {}) as Record<string, unknown>;
  const subjects = readSubjects(text);
  if (!subjects)
    throw new BrokerError('refused', `the stream ${stream} is shut, and does not say what it takes`);
  return { ...config, subjects, metadata };
}

/** Reads the subjects in the metadata of a shut stream; undefined when it has none. */
export function readSubjects(text: unknown): string[] | undefined {
  try {
    const subjects: unknown = typeof text === 'string' ? JSON.parse(text) : undefined;
    const areSubjects =
      Array.isArray(subjects) && subjects.length > 0 && subjects.every(each => typeof each === 'string');
    return areSubjects ? subjects : undefined;
  } catch {
    return undefined;
  }
}

/** Refuses a write to a stream that is shut. It may be tried again, as that lasts some seconds. @throws BrokerError `timeout` */
export function refuseShut(info: StreamInfo, stream: string): StreamInfo {
  if (!isShut(info.config, stream)) return info;
  throw new BrokerError('timeout', `the stream ${stream} takes nothing while it moves to other servers`);
}
