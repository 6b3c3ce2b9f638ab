// Connects the requester with the CAs in its folder: a start puts the next one into use, and the requester may change them.

import { usesTls } from '../broker/tls/choose-certificate.ts';
import {
  makeNextAuthority,
  readAuthorityCertificates,
  readAuthorityPins,
  removeFormerAuthority,
  removeNextAuthority,
  useNextAuthority,
} from '../broker/tls/next-authority.ts';
import type { Settings } from '../config/settings.ts';
import { AuthorityRotation } from '../requester/authorities/authority-rotation.ts';
import { dueAuthority, readRotation, writeRotation } from '../requester/authorities/rotation-file.ts';
import { systemClock } from '../system/clock.ts';
import type { Log } from '../system/log.ts';
import { isLoopback } from '../system/loopback.ts';

export interface OwnAuthoritiesOptions {
  settings: Pick<Settings, 'api' | 'broker' | 'nats'>;
  /** The requester's own folder. The caller holds its lock. */
  folder: string;
  log: Log;
}

/**
 * Puts the next CA in the place of the present one, when every approved node keeps it or an operator forces it. It runs
 * before the broker starts, because a broker that runs would drop every node. @throws MusterError
 */
export async function useDueAuthority({ settings, folder, log }: OwnAuthoritiesOptions): Promise<void> {
  if (!hasOwnAuthority(settings)) return;
  const due = dueAuthority(await readRotation(folder));
  if (due === undefined) return;
  await useNextAuthority(folder, due, log);
  await writeRotation(folder, undefined);
}

/** Returns the CAs of a requester that makes them itself; undefined for any other. @throws MusterError */
export async function openAuthorities(
  options: OwnAuthoritiesOptions & { onChange(): void },
): Promise<AuthorityRotation | undefined> {
  const { settings, folder, log, onChange } = options;
  if (!hasOwnAuthority(settings)) return undefined;
  return AuthorityRotation.open({
    isForNodes: nodesUseIt(settings),
    clock: systemClock,
    log,
    onChange,
    store: {
      pins: () => readAuthorityPins(folder),
      certificates: () => readAuthorityCertificates(folder),
      makeNext: () => makeNextAuthority(folder, log),
      removeNext: () => removeNextAuthority(folder),
      removeFormer: () => removeFormerAuthority(folder),
      readRotation: () => readRotation(folder),
      writeRotation: rotation => writeRotation(folder, rotation),
    },
  });
}

/** Returns whether the requester makes the CA of its broker, or at least that of its API. */
function hasOwnAuthority(settings: OwnAuthoritiesOptions['settings']): boolean {
  const { api, broker } = settings;
  if (broker.tls.certFile !== undefined) return false;
  return nodesUseIt(settings) || (!isLoopback(api.host) && api.tls.certFile === undefined);
}

const nodesUseIt = ({ broker, nats }: OwnAuthoritiesOptions['settings']): boolean =>
  nats.servers.length === 0 && usesTls(broker) && broker.tls.certFile === undefined;
